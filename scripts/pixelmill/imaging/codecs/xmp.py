"""XMP: selects the properties that outputs have, and makes those about the pixels true.

A packet is parsed into a tree and written anew as the source spells it, without comments, padding
and namespaces that are no longer used. Only XML without a document type is accepted, so that there
are no entities to expand (XMP part 1, 7).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from xml.parsers import expat

from pixelmill.imaging.codecs.tag_names import name_of_property
from pixelmill.imaging.parameters import Size

#: Largest packet that is read, in bytes, and levels of its elements. Those of cameras and editors
#: have some kilobytes and about ten levels.
MOST_BYTES = 1_000_000
_MOST_DEPTH = 50

#: Bytes by which a packet may grow as it is written anew: by references instead of CDATA, by sizes
#: that become true, and in UTF-8.
MOST_GROWTH = 1_000

#: Wrapper of a packet (XMP part 1, 7.3.2), and the bytes in which its beginning is searched.
_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_END = '<?xpacket end="r"?>'
_PREAMBLE = 100

#: Beginnings of packets in UTF-16.
_WIDE = {
    "utf-16-le": re.compile(rb"(\xff\xfe)?[^\0]\0[^\0]\0"),
    "utf-16-be": re.compile(rb"(\xfe\xff)?\0[^\0]\0[^\0]"),
}

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_META = "adobe:ns:meta/"
_XML = "http://www.w3.org/XML/1998/namespace"
_ADOBE = "http://ns.adobe.com/"
_TIFF, _EXIF = f"{_ADOBE}tiff/1.0/", f"{_ADOBE}exif/1.0/"
_XAP, _PHOTOSHOP = f"{_ADOBE}xap/1.0/", f"{_ADOBE}photoshop/1.0/"

#: Namespaces of the fields of listed properties that are structures, and these (IPTC Photo Metadata
#: Standard 2023.2). Fields in other places are not what a list names.
_IPTC_FIELDS = "http://iptc.org/std/Iptc4xmp"
_STRUCTURES = ("CreatorContactInfo", "LocationCreated", "LocationShown")

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
    (f"{_XAP}mm/", "Pantry"),
))  # fmt: skip


class _Name(NamedTuple):
    """A name of XML: its namespace, the name in it, and the prefix that the source has for it."""

    namespace: str
    local: str
    prefix: str

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.local

    @property
    def written(self) -> str:
        return f"{self.prefix}:{self.local}" if self.prefix else self.local


@dataclass
class _Element:
    name: _Name
    attributes: dict[_Name, str]
    content: list[_Element | str] = field(default_factory=list)
    #: Namespaces by the prefixes that are declared here; that of names without one by "".
    declared: Mapping[str, str] = field(default_factory=dict)

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
        Empty if there is nothing to keep; else with such a wrapper as the source has, or without
        one, so that it hardly ever grows.

    Raises
    ------
    ValueError
        If it is not XMP, has a document type, is larger or deeper than any real packet, or would
        grow by more than `MOST_GROWTH`.
    """
    root = _parse(packet)
    nodes = []
    for node in _descriptions(root):
        attributes = {name: text for name, text in node.attributes.items() if _keeps(name, names)}
        content: list[_Element | str] = [
            _pruned(part, _structure_of(part.name, names))
            for part in node.elements()
            if _keeps(part.name, names)
        ]
        if attributes or content:
            about = {name: "" for name in node.attributes if name.key == (_RDF, "about")}
            nodes.append(replace(node, attributes=about | attributes, content=content))
    if not nodes:
        return b""
    written = _written(root, nodes, wrapped=_is_wrapped(packet))
    if len(written) > len(packet):
        written = _written(root, nodes, wrapped=False)
    if len(written) > min(MOST_BYTES, len(packet) + MOST_GROWTH):
        raise ValueError(f"it has {len(written):,} bytes as it would be written")
    return written


def _keeps(name: _Name, names: Container[str] | None) -> bool:
    """Whether outputs have a property of the picture."""
    if name.namespace in (_RDF, _XML, "") or _is_stale(name):
        return False
    return names is None or name_of_property(name.namespace, name.local) in names


def _is_stale(name: _Name) -> bool:
    return name.key in _STALE or name.namespace.startswith(_STALE_NAMESPACES)


def _structure_of(name: _Name, names: Container[str] | None) -> str | None:
    """Return what the namespaces of a property's fields begin with; None if it has no fields."""
    if names is None:
        return ""
    is_structure = name_of_property(name.namespace, name.local) in _STRUCTURES
    return _IPTC_FIELDS if is_structure else None


def _pruned(element: _Element, fields: str | None) -> _Element:
    """Return a property without fields that are stale, or that a list does not name."""

    def keeps(name: _Name) -> bool:
        if name.namespace in (_RDF, _XML):
            return True
        return fields is not None and name.namespace.startswith(fields) and not _is_stale(name)

    return replace(
        element,
        attributes={name: text for name, text in element.attributes.items() if keeps(name)},
        content=[
            part if isinstance(part, str) else _pruned(part, fields)
            for part in element.content
            if isinstance(part, str) or keeps(part.name)
        ],
    )


def fitted(
    packet: bytes, size: Size, orientation: int, format_name: str, framed: bool = True
) -> bytes:
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
    framed : bool
        Whether to add what should be around the properties, if the packet lacks it.
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
    root = _parse(packet)
    nodes = list(_descriptions(root))
    for node in nodes:
        node.attributes = {
            name: true.get(name.key, value) for name, value in node.attributes.items()
        }
        node.content = [
            replace(part, attributes={}, content=[true[part.name.key]])
            if part.name.key in true
            else part
            for part in node.elements()
        ]
    if not framed:
        return _written(root, nodes, wrapped=_is_wrapped(packet))
    if root.name.namespace != _META:
        root = _Element(_Name(_META, "xmpmeta", "x"), {}, [root], {"x": _META})
    return _written(root, nodes, wrapped=True)


def _is_wrapped(packet: bytes) -> bool:
    return b"<?xpacket" in packet[:_PREAMBLE].replace(b"\0", b"")  # also in UTF-16


def _descriptions(root: _Element) -> Iterator[_Element]:
    """Yield the elements that hold the properties of the picture (XMP part 1, 7.4)."""
    if (rdf := _rdf_of(root)) is None:  # a packet without any property
        return iter(())
    return (part for part in rdf.elements() if part.name.key == (_RDF, "Description"))


def _rdf_of(root: _Element) -> _Element | None:
    """Return the first element of RDF; None if the outermost one of XMP has none."""
    for part in (root, *root.elements()):
        if part.name.key == (_RDF, "RDF"):
            return part
    if root.name.namespace == _META:
        return None
    raise ValueError("it has no element rdf:RDF")


def _parse(packet: bytes) -> _Element:
    if len(packet) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
    parser = expat.ParserCreate(namespace_separator="\n")
    parser.namespace_prefixes = True
    parser.buffer_text = True
    open_ = [_Element(_Name("", "", ""), {})]
    declared: dict[str, str] = {}

    def declare(prefix: str | None, namespace: str | None) -> None:
        declared[prefix or ""] = namespace or ""

    def refuse(*_: object) -> None:
        raise ValueError("it has a document type")

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(open_) > _MOST_DEPTH:
            raise ValueError(f"it has more than {_MOST_DEPTH} levels")
        named = {_name(key): text for key, text in attributes.items()}
        element = _Element(_name(name), named, [], declared.copy())
        declared.clear()
        open_[-1].content.append(element)
        open_.append(element)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartNamespaceDeclHandler = declare
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: open_.pop()
    parser.CharacterDataHandler = lambda text: open_[-1].content.append(text)
    try:
        parser.Parse(_unpadded(packet), True)
    except (expat.ExpatError, LookupError, UnicodeError) as error:  # of an encoding too
        raise ValueError(str(error)) from error
    return next(open_[0].elements())


def _unpadded(packet: bytes) -> bytes:
    """Remove what may be around a packet, which may be in UTF-16 (XMP part 1, 7.1)."""
    for encoding, beginning in _WIDE.items():
        if beginning.match(packet):
            return packet.decode(encoding).strip("\ufeff\0 \t\r\n").encode(encoding)
    return packet.strip(b"\0 \t\r\n")


def _name(joined: str) -> _Name:
    """Split a name as expat joins it; a name without a namespace is only local."""
    parts = joined.split("\n")
    if len(parts) == 1:
        return _Name("", joined, "")
    return _Name(parts[0], parts[1], parts[2] if len(parts) == 3 else "")


def _written(root: _Element, nodes: list[_Element], wrapped: bool) -> bytes:
    """Return a packet with these descriptions in the elements that are around those of a tree."""
    rdf = _rdf_of(root)
    assert rdf is not None, "there are descriptions"
    outer = _Element(rdf.name, {}, [*nodes], rdf.declared)
    if root.name.namespace == _META:
        outer = _Element(root.name, {}, [outer], root.declared)
    else:
        outer.declared = {**root.declared, **outer.declared}
    text, _ = _text(outer)
    if wrapped:
        text = f"{_BEGIN}{text}{_END}"
    return text.encode()


def _text(element: _Element) -> tuple[str, set[str]]:
    """Return an element as XML, and the prefixes that are declared in the elements around it."""
    used = {element.name.prefix, *(name.prefix for name in element.attributes if name.prefix)}
    nested = any(element.elements())  # blanks between elements mean nothing
    inside = ""
    for part in element.content:
        if isinstance(part, _Element):
            text, prefixes = _text(part)
            inside += text
            used |= prefixes
        elif not (nested and part.isspace()):
            inside += _escaped(part)
    attributes = {
        f"xmlns:{prefix}" if prefix else "xmlns": namespace
        for prefix, namespace in element.declared.items()
        if prefix in used
    } | {name.written: text for name, text in element.attributes.items()}
    tag = element.name.written + "".join(f" {k}={_quoted(v)}" for k, v in attributes.items())
    end = f">{inside}</{element.name.written}>" if inside else "/>"
    return f"<{tag}{end}", used - element.declared.keys()


#: Characters that XML would read as something else (XML 1.0, 2.4 and 3.3.3), or that end a tag for
#: programs that do not parse XML, such as exiftool.
_IN_TEXT = {"&": "&amp;", "<": "&lt;", "\r": "&#13;"}
_IN_ATTRIBUTE = {**_IN_TEXT, ">": "&gt;", "\t": "&#9;", "\n": "&#10;"}


def _quoted(text: str) -> str:
    """Return the value of an attribute, in the quotes of which it has fewer."""
    escaped = _escaped(text, _IN_ATTRIBUTE)
    if text.count('"') > text.count("'"):
        return "'" + escaped.replace("'", "&apos;") + "'"
    return '"' + escaped.replace('"', "&quot;") + '"'


def _escaped(text: str, references: Mapping[str, str] = _IN_TEXT) -> str:
    escaped = "".join(references.get(sign, sign) for sign in text)
    return escaped.replace("]]>", "]]&gt;")
