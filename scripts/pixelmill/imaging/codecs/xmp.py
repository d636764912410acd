"""XMP: selects the properties that outputs have, and makes those about the pixels true.

A packet is parsed into a tree and written anew, without comments and padding. Only XML without a
document type is accepted, so that there are no entities to expand (XMP part 1, 7).
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.parsers import expat

from pixelmill.imaging.codecs.tag_names import name_of_property
from pixelmill.imaging.parameters import Size

#: Largest packet that is read, in bytes, and levels of its elements. Those of cameras and editors
#: have some kilobytes and about ten levels.
MOST_BYTES = 1_000_000
_MOST_DEPTH = 50

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_META = "adobe:ns:meta/"
_XML = "http://www.w3.org/XML/1998/namespace"
_ADOBE = "http://ns.adobe.com/"
_TIFF, _EXIF = f"{_ADOBE}tiff/1.0/", f"{_ADOBE}exif/1.0/"
_XAP, _PHOTOSHOP = f"{_ADOBE}xap/1.0/", f"{_ADOBE}photoshop/1.0/"

#: Namespaces of properties that point to data beside the picture, such as a second picture or a
#: gain map, or that measure the source, such as the regions of faces.
_STALE_NAMESPACES = (
    "http://ns.google.com/photos/1.0/", f"{_ADOBE}hdr-gain-map/1.0/", f"{_ADOBE}xmp/note/",
    "http://www.metadataworkinggroup.com/schemas/regions/",
)  # fmt: skip

#: Properties that describe how the source was stored, or that hold a picture of it.
_STALE = frozenset((
    *((_TIFF, name) for name in (
        "BitsPerSample", "Compression", "PhotometricInterpretation", "SamplesPerPixel",
        "PlanarConfiguration", "YCbCrSubSampling", "YCbCrPositioning", "YCbCrCoefficients",
        "XResolution", "YResolution", "ResolutionUnit", "TransferFunction", "WhitePoint",
        "PrimaryChromaticities", "ReferenceBlackWhite", "NativeDigest",
    )),
    *((_EXIF, name) for name in (
        "ColorSpace", "CompressedBitsPerPixel", "ComponentsConfiguration", "NativeDigest",
        "MakerNote", "SubjectArea", "SubjectLocation",
    )),
    (_XAP, "Thumbnails"), (_PHOTOSHOP, "ICCProfile"), (_PHOTOSHOP, "ColorMode"),
))  # fmt: skip


class _Name(NamedTuple):
    """A name of XML: its namespace, the name in it, and the prefix that the source has for both."""

    namespace: str
    local: str
    prefix: str

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.local


@dataclass
class _Element:
    name: _Name
    attributes: dict[_Name, str]
    content: list[_Element | str] = field(default_factory=list)

    def elements(self) -> Iterator[_Element]:
        return (part for part in self.content if isinstance(part, _Element))


def kept(packet: bytes, names: Container[str] | None = None) -> bytes:
    """Return the properties of a packet that outputs have, as a new packet.

    Parameters
    ----------
    packet : bytes
    names : container of str, optional
        Names of `pixelmill.imaging.codecs.tag_names`; None keeps all properties but those that
        describe how the source was stored.

    Returns
    -------
    bytes
        Empty if there is nothing to keep.

    Raises
    ------
    ValueError
        If it is not XMP, has a document type, or is larger or deeper than any real packet.
    """

    def keeps(name: _Name) -> bool:
        if name.namespace in (_RDF, _XML, "") or name.key in _STALE:
            return False
        if name.namespace.startswith(_STALE_NAMESPACES):
            return False
        return names is None or name_of_property(name.namespace, name.local) in names

    found = []
    for node in _descriptions(packet):
        attributes = {name: value for name, value in node.attributes.items() if keeps(name)}
        content: list[_Element | str] = [part for part in node.elements() if keeps(part.name)]
        if attributes or content:
            found.append(_Element(node.name, attributes, content))
    written = _written(found) if found else b""
    if len(written) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
    return written


def fitted(packet: bytes, size: Size, orientation: int, format_name: str) -> bytes:
    """Return a packet of `kept` for an output: what it says about the pixels becomes true.

    Properties that the packet lacks are not added.

    Parameters
    ----------
    packet : bytes
    size : tuple of int
        Width and height as stored, in pixels.
    orientation : int
        That of the output, 1 to 8.
    format_name : str
        A key of `pixelmill.imaging.codecs.formats.OUTPUT_FORMATS`.
    """
    if not packet:
        return packet
    width, height = map(str, size)
    true: Mapping[tuple[str, str], str] = {
        (_TIFF, "Orientation"): str(orientation),
        (_TIFF, "ImageWidth"): width,
        (_TIFF, "ImageLength"): height,
        (_EXIF, "PixelXDimension"): width,
        (_EXIF, "PixelYDimension"): height,
        ("http://purl.org/dc/elements/1.1/", "format"): f"image/{format_name}",
    }
    nodes = list(_descriptions(packet))
    for node in nodes:
        node.attributes = {
            name: true.get(name.key, value)
            for name, value in node.attributes.items()
            if name.namespace != _RDF
        }
        node.content = [
            _Element(part.name, {}, [true[part.name.key]]) if part.name.key in true else part
            for part in node.elements()
        ]
    return _written(nodes)


def _descriptions(packet: bytes) -> Iterator[_Element]:
    """Yield the elements that hold the properties of the picture (XMP part 1, 7.4)."""
    root = _parse(packet)
    outer = root if root.name.key == (_RDF, "RDF") else None
    for part in root.elements():
        if outer is None and part.name.key == (_RDF, "RDF"):
            outer = part
    if outer is None:
        if root.name.namespace == _META:  # a packet without any property
            return iter(())
        raise ValueError("it has no element rdf:RDF")
    return (part for part in outer.elements() if part.name.key == (_RDF, "Description"))


def _parse(packet: bytes) -> _Element:
    if len(packet) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
    parser = expat.ParserCreate(namespace_separator="\n")
    parser.namespace_prefixes = True
    parser.buffer_text = True
    open_ = [_Element(_Name("", "", ""), {})]

    def refuse(*_: object) -> None:
        raise ValueError("it has a document type")

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(open_) > _MOST_DEPTH:
            raise ValueError(f"it has more than {_MOST_DEPTH} levels")
        element = _Element(_name(name), {_name(key): text for key, text in attributes.items()})
        open_[-1].content.append(element)
        open_.append(element)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: open_.pop()
    parser.CharacterDataHandler = lambda text: open_[-1].content.append(text)
    try:
        parser.Parse(packet.strip(b"\0 \t\r\n"), True)
    except (expat.ExpatError, LookupError, UnicodeError) as error:  # of an encoding too
        raise ValueError(str(error)) from error
    return next(open_[0].elements())


def _name(joined: str) -> _Name:
    """Split a name as expat joins it; a name without a namespace is only local."""
    parts = joined.split("\n")
    if len(parts) == 1:
        return _Name("", joined, "")
    return _Name(parts[0], parts[1], parts[2] if len(parts) == 3 else "")


def _written(nodes: list[_Element]) -> bytes:
    """Return a packet with these descriptions."""
    prefixes = _prefixes(nodes)
    declared = "".join(
        f' xmlns:{p}="{_escaped(space, _IN_ATTRIBUTE)}"' for space, p in prefixes.items()
    )
    body = "\n".join(_text(node, prefixes, ' rdf:about=""') for node in nodes)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="{_META}"><rdf:RDF xmlns:rdf="{_RDF}"{declared}>\n'
        f'{body}\n</rdf:RDF></x:xmpmeta>\n<?xpacket end="r"?>'
    ).encode()


def _prefixes(nodes: list[_Element]) -> dict[str, str]:
    """Give each namespace a prefix of its own: that of the source, if no other has it."""
    prefixes: dict[str, str] = {}
    taken = {"rdf", "x", "xml", "xmlns"}
    every = list(nodes)
    for element in every:
        every += element.elements()
        for name in (element.name, *element.attributes):
            if name.namespace in ("", _RDF, _XML) or name.namespace in prefixes:
                continue
            prefix, number = name.prefix, len(taken)
            while not prefix or prefix.lower() in taken:
                prefix, number = f"ns{number}", number + 1
            taken.add(prefix.lower())
            prefixes[name.namespace] = prefix
    return prefixes


def _text(element: _Element, prefixes: Mapping[str, str], about: str = "") -> str:
    def named(name: _Name) -> str:
        known = {"": "", _RDF: "rdf:", _XML: "xml:"}
        return known.get(name.namespace, f"{prefixes.get(name.namespace)}:") + name.local

    attributes = "".join(
        f' {named(key)}="{_escaped(value, _IN_ATTRIBUTE)}"'
        for key, value in element.attributes.items()
    )
    nested = any(element.elements())  # blanks between elements mean nothing
    inside = "".join(
        _text(part, prefixes) if isinstance(part, _Element) else _escaped(part)
        for part in element.content
        if not (nested and isinstance(part, str) and part.isspace())
    )
    name = named(element.name)
    return f"<{name}{about}{attributes}>{inside}</{name}>"


#: Characters that XML would read as something else (XML 1.0, 2.4 and 3.3.3).
_IN_TEXT = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_IN_ATTRIBUTE = {**_IN_TEXT, '"': "&quot;", "\t": "&#9;", "\n": "&#10;"}


def _escaped(text: str, references: Mapping[str, str] = _IN_TEXT) -> str:
    return "".join(references.get(sign, sign) for sign in text)
