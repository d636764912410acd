"""Properties of XMP are kept and made true; what is hostile is refused without being expanded."""

import json
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

from pixelmill.core.jobs import METADATA_DROPPED, SOURCE_KEPT, Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.codecs import xmp
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import exif_block

EXIFTOOL = shutil.which("exiftool")

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
TIFF, EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
DC, XAP = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/xap/1.0/"
SPACES = f'xmlns:tiff="{TIFF}" xmlns:exif="{EXIF}" xmlns:dc="{DC}" xmlns:xmp="{XAP}"'


def packet(*nodes, before=""):
    text = "".join(nodes)
    return f'{before}<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}" {SPACES}>{text}\
</rdf:RDF></x:xmpmeta>'.encode()


def properties(data):
    """The properties of a packet by namespace and name, with their text."""
    found = {}
    for node in ElementTree.fromstring(data.decode()).iter(f"{{{RDF}}}Description"):
        found |= {key: value for key, value in node.attrib.items() if RDF not in key}
        found |= {part.tag: "".join(part.itertext()) for part in node}
    return found


#: What a camera says of its picture, as attributes and as elements.
STORED = {
    "attributes": packet(
        '<rdf:Description tiff:Orientation="6" tiff:ImageWidth="80" tiff:ImageLength="60"'
        ' exif:PixelXDimension="80" exif:PixelYDimension="60" dc:format="image/jpeg"'
        ' tiff:BitsPerSample="8" xmp:Rating="5"/>'
    ),
    "elements": packet(
        "<rdf:Description><tiff:Orientation>6</tiff:Orientation>"
        "<tiff:ImageWidth>80</tiff:ImageWidth><tiff:ImageLength>60</tiff:ImageLength>"
        "</rdf:Description><rdf:Description><dc:format>image/jpeg</dc:format>"
        "<exif:PixelXDimension>80</exif:PixelXDimension><xmp:Rating>5</xmp:Rating>"
        "<exif:PixelYDimension>60</exif:PixelYDimension>"
        "<xmp:Thumbnails><rdf:Alt><rdf:li>a picture</rdf:li></rdf:Alt></xmp:Thumbnails>"
        "</rdf:Description>"
    ),
}


@pytest.fixture
def render(tmp_path, encoded):
    """Function that renders a picture of 80x60 with XMP; returns the output and its note."""

    def render_one(held, exif=b"", form="JPEG", **settings):
        picture = Image.linear_gradient("L").resize((80, 60))
        options = {"exif": exif} if exif else {}
        (tmp_path / "a").write_bytes(encoded(picture, form, xmp=held, **options))
        parsed = recipe_parser.parse({"metadata": "keep", **settings})
        outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a", ("out",)))
        assert outcome.status == "ok", outcome.message
        return (tmp_path / "out").read_bytes(), outcome.files[0].note

    return render_one


@pytest.mark.parametrize("orientation", ["apply", "keep"])
@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("held", STORED.values(), ids=STORED)
def test_orientation_and_sizes_are_those_of_the_output(render, held, format, orientation):
    made, note = render(
        held,
        exif_block([(0x0112, "short", 6)]),
        orientation=orientation,
        steps=[{"resize": {"percent": 50}}],
        output={"format": format},
    )
    turned = orientation == "apply"
    width, height = ("30", "40") if turned else ("40", "30")
    assert note == ""
    assert properties(OUTPUT_FORMATS[format].packets(made).xmp) == {
        f"{{{TIFF}}}Orientation": "1" if turned or format == "avif" else "6",
        f"{{{TIFF}}}ImageWidth": width,
        f"{{{TIFF}}}ImageLength": height,
        f"{{{EXIF}}}PixelXDimension": width,
        f"{{{EXIF}}}PixelYDimension": height,
        f"{{{DC}}}format": f"image/{format}",
        f"{{{XAP}}}Rating": "5",
    }


@pytest.mark.slow
@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed")
@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "avif"])
def test_exiftool_reads_true_sizes_and_finds_no_fault(render, tmp_path, format):
    render(STORED["elements"], steps=[{"resize": {"percent": 50}}], output={"format": format})
    command = [EXIFTOOL, "-j", "-n", "-G1", "-validate", "-warning", "-a", "-XMP:all"]
    done = subprocess.run([*command, tmp_path / "out"], capture_output=True, check=True)
    (found,) = json.loads(done.stdout)
    sizes = [found[f"XMP-{key}"] for key in ("tiff:ImageWidth", "exif:ExifImageHeight")]
    assert (sizes, found["XMP-tiff:Orientation"]) == ([40, 30], 1)
    assert [key for key in found if "Warning" in key] == []


def test_texts_languages_and_structures_stay_as_they_are():
    text = 'a < b & "c"\tÄ 山'
    made = xmp.kept(
        packet(
            "<rdf:Description><dc:title><rdf:Alt><rdf:li xml:lang='de'>Bäume &lt; 3</rdf:li>"
            "<rdf:li xml:lang='x-default'>Trees &amp; more</rdf:li></rdf:Alt></dc:title>"
            "<xmp:Label>a &lt; b &amp; &quot;c&quot;\tÄ 山</xmp:Label></rdf:Description>"
        )
    )
    root = ElementTree.fromstring(made.decode())
    items = [(li.attrib.popitem()[1], li.text) for li in root.iter(f"{{{RDF}}}li")]
    assert items == [("de", "Bäume < 3"), ("x-default", "Trees & more")]
    assert root.find(f".//{{{XAP}}}Label").text == text
    assert xmp.kept(made) == made


def test_two_namespaces_with_one_prefix_are_told_apart():
    made = xmp.kept(
        packet(
            '<rdf:Description xmlns:a="urn:one" a:b="1"/>',
            '<rdf:Description xmlns:a="urn:two" a:b="2"/>',
            '<rdf:Description xmlns:rdf2="urn:three" rdf2:b="3"/>',
        )
    )
    assert properties(made) == {"{urn:one}b": "1", "{urn:two}b": "2", "{urn:three}b": "3"}


#: Ways to write the same property (XML names 1.0, 3; XMP part 1, 7.4).
_XAP = f'xmlns:x="{XAP}"'
_NODE = f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description {_XAP} x:Label="5"'
SPELLINGS = {
    "with rdf:about": f'{_NODE} rdf:about=""/>',
    "without": f"{_NODE}/>",
    "of a picture": f'{_NODE} rdf:about="a"/>',
    "short": f'<r:RDF xmlns:r="{RDF}"><r:Description {_XAP} x:Label="5"/>',
    "declared above": f'<rdf:RDF xmlns:rdf="{RDF}" {_XAP}><rdf:Description x:Label="5"/>',
    "declared below": f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description><x:Label {_XAP}>5</x:Label>'
    "</rdf:Description>",
    "default": f'<RDF xmlns="{RDF}"><Description><Label xmlns="{XAP}">5</Label></Description>',
    "redeclared": f'<x:RDF xmlns:x="{RDF}"><x:Description><x:Label {_XAP}>5</x:Label>'
    "</x:Description>",
    "cases": f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description xmlns:X="{XAP}" xmlns:x="urn:a" x:a="1"'
    ' X:Label="5"/>',
    "apostrophes": f"<rdf:RDF xmlns:rdf='{RDF}'><rdf:Description xmlns:x='{XAP}' x:Label='5'/>",
}


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize(
    "quoted", ["5", '""""""', "''''''", "", "a'\"b", "a < b > c &\t\n", "Ä 山"]
)
@pytest.mark.parametrize("opened", SPELLINGS.values(), ids=SPELLINGS)
def test_a_property_is_written_as_the_source_spells_it(opened, quoted, framed):
    """So the packet of a copy is not larger, not by one byte."""
    value = _in_source(quoted, "'" if "'5'" in opened else '"')
    bare = opened.replace("5", value) + ("</" + opened[1:].split(" ")[0] + ">")
    held = (
        f'<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/">{bare}</x:xmpmeta>'
        if framed
        else bare
    )
    made = xmp.kept(held.encode())
    assert len(made) <= len(held.encode())
    assert properties(made)[f"{{{XAP}}}Label"] == quoted
    assert xmp.kept(made) == made
    assert properties(xmp.fitted(made, (4, 3), 1, "png")) == properties(made)
    assert xmp.fitted(made, (4, 3), 1, "png", framed=False) == made


def _in_source(text, quote):
    for sign, reference in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("\t", "&#9;"),
        ("\n", "&#xA;"),
    ):
        text = text.replace(sign, reference)
    return text.replace(quote, "&quot;" if quote == '"' else "&apos;")


def test_namespaces_of_what_is_dropped_are_not_declared():
    spaces = 'xmlns:a="urn:one" xmlns:b="urn:two"'
    whole = packet(f'<rdf:Description {spaces} a:x="1"><dc:title>t</dc:title></rdf:Description>')
    assert (b"urn:one" in xmp.kept(whole), b"urn:two" in xmp.kept(whole)) == (True, False)
    listed = xmp.kept(whole, {"Title"})
    assert (DC.encode() in listed, b"urn:" in listed) == (True, False)


def test_an_element_around_rdf_that_is_not_of_xmp_is_left_out_but_for_what_it_declares():
    held = f'<a:b xmlns:a="urn:a" xmlns:xmp="{XAP}" a:c="Planted">{BARE_RDF}</a:b>'
    made = xmp.kept(held.encode())
    assert (properties(made), b"urn:a" in made) == ({f"{{{XAP}}}Rating": "5"}, False)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("declared", ["", '<?xml version="1.0" encoding="{}"?>'])
def test_a_packet_may_be_in_any_encoding_of_unicode(encoding, declared):
    text = packet("<rdf:Description xmp:Label='Ä 山'/>", before=declared.format(encoding[:6]))
    padded = text.decode().replace('encoding="utf-8-"', 'encoding="utf-8"') + "\n  \0"
    made = xmp.kept(padded.encode(encoding))
    assert properties(made) == {f"{{{XAP}}}Label": "Ä 山"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_wrapper_is_kept_in_any_encoding(encoding):
    held = f"{BEGIN}{packet(ONE).decode()}{END}".encode(encoding)
    assert xmp.kept(held).startswith(b"<?xpacket begin=")


def test_what_marks_ends_in_xml_is_written_as_text():
    made = xmp.kept(
        packet("<rdf:Description><xmp:Label>a[b[0]]&gt; c&#13;</xmp:Label></rdf:Description>")
    )
    assert properties(made) == {f"{{{XAP}}}Label": "a[b[0]]> c\r"}


def test_attributes_have_no_sign_that_ends_a_tag():
    """Programs that do not parse XML, such as exiftool, would take it for the end."""
    made = xmp.kept(packet("<rdf:Description xmp:Label='a > b'/>"))
    assert b"a &gt; b" in made


def test_a_text_may_be_blank():
    """Only blanks between elements mean nothing."""
    nested = "<dc:title><rdf:Alt> <rdf:li> </rdf:li> </rdf:Alt></dc:title>"
    made = xmp.kept(packet(f"<rdf:Description><xmp:Label>  </xmp:Label>{nested}</rdf:Description>"))
    assert properties(made) == {f"{{{XAP}}}Label": "  ", f"{{{DC}}}title": " "}


def test_properties_without_a_namespace_are_dropped():
    """Old packets have attributes of RDF without its namespace."""
    made = xmp.kept(packet('<rdf:Description about="" xmp:Rating="5"><b>1</b></rdf:Description>'))
    assert properties(made) == {f"{{{XAP}}}Rating": "5"}
    assert b"about" not in made


def test_the_first_rdf_of_a_packet_counts():
    second = f'</rdf:RDF><rdf:RDF xmlns:rdf="{RDF}" {SPACES}><rdf:Description xmp:Rating="2"/>'
    assert properties(xmp.kept(packet(ONE, second))) == {f"{{{XAP}}}Rating": "5"}


def test_padding_of_any_kind_is_no_part_of_a_packet():
    for begin, end in ((b"", bytes(99)), (b"\n \t\0", b"\r\n \0")):
        assert xmp.kept(begin + packet(ONE) + end) == xmp.kept(packet(ONE))


def test_a_document_type_is_refused_even_if_it_declares_nothing():
    for declared in ("<!DOCTYPE x>", '<!DOCTYPE x SYSTEM "file:///etc/hostname">'):
        with pytest.raises(ValueError, match="it has a document type"):
            xmp.kept(packet(ONE, before=declared))


BEGIN, END = '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>', '<?xpacket end="r"?>'
ONE = '<rdf:Description xmp:Rating="5"/>'
BARE_RDF = f'<rdf:RDF xmlns:rdf="{RDF}">{ONE}</rdf:RDF>'
BARE = f'<rdf:RDF xmlns:rdf="{RDF}" {SPACES}>{ONE}</rdf:RDF>'

#: What may be around the properties (XMP part 1, 7.3), by what of it the source has.
FRAMES = {
    "nothing": BARE.encode(),
    "an element": packet(ONE),
    "instructions": f"{BEGIN}{BARE}{END}".encode(),
    "both": f"{BEGIN}{packet(ONE).decode()}{END}".encode(),
}


@pytest.mark.parametrize("held", FRAMES.values(), ids=FRAMES)
def test_a_packet_has_the_frame_of_its_source_and_does_not_grow_by_one(held):
    made = xmp.kept(held)
    for part in (b"<x:xmpmeta", b"</x:xmpmeta>", b"<?xpacket begin=", b"<?xpacket end="):
        assert (part in made) == (part in held)
    assert len(made) <= len(held)
    assert properties(made) == {f"{{{XAP}}}Rating": "5"}
    assert xmp.fitted(made, (4, 3), 1, "png", framed=False) == made
    framed = xmp.fitted(made, (4, 3), 1, "png")
    assert b"<x:xmpmeta" in framed and framed.startswith(b"<?xpacket begin=")


def test_a_packet_that_would_grow_loses_the_wrapper_that_need_not_be_there():
    held = packet(
        f"<rdf:Description><xmp:Label><![CDATA[{'<' * 65}]]></xmp:Label></rdf:Description>"
    )
    wrapped = BEGIN.encode() + held + END.encode()
    made = xmp.kept(wrapped)
    assert len(made) <= len(wrapped)
    assert b"xpacket" not in made
    assert properties(made) == properties(held)


def test_a_packet_without_properties_is_empty_and_not_malformed(render):
    for held in (packet(), packet("<rdf:Description/>"), b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'):
        assert (xmp.kept(held), render(held)[1]) == (b"", "")


ENTITIES = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10}">' for k in range(1, 10))

HOSTILE = {
    "entities": packet("<rdf:Description dc:format='&e9;'/>",
                       before=f'<!DOCTYPE x [<!ENTITY e0 "Planted">{ENTITIES}]>'),
    "a-file": packet("<rdf:Description><dc:rights>&f;</dc:rights></rdf:Description>",
                     before='<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>'),
    "a-document-type": packet("<rdf:Description/>", before="<!DOCTYPE x>"),
    "too-deep": packet("<rdf:Description>" + "<dc:a>" * 60 + "</dc:a>" * 60 + "</rdf:Description>"),
    "not-closed": packet("<rdf:Description dc:format='a'/>")[:-20],
    "no-prefix": b"<x:xmpmeta>at home</x:xmpmeta>",
    "not-rdf": b"<a/>",
    "bytes": bytes(range(256)),
    "an-unknown-encoding": b'<?xml version="1.0" encoding="klingon"?>' + packet(""),
    "an-undefined-entity": packet("<rdf:Description dc:format='&undefined;'/>"),
}  # fmt: skip


@pytest.mark.parametrize("held", HOSTILE.values(), ids=HOSTILE)
def test_hostile_xmp_is_dropped_and_noted(render, held):
    made, note = render(held)
    assert OUTPUT_FORMATS["jpeg"].packets(made).xmp == b""
    assert (note, b"Planted" in made) == (METADATA_DROPPED, False)


def test_a_packet_larger_than_any_real_one_is_refused():
    with pytest.raises(ValueError, match=r"more than 1,000,000 bytes"):
        xmp.kept(packet(f"<rdf:Description dc:format='{'a' * xmp.MOST_BYTES}'/>"))


def test_a_packet_that_would_grow_is_refused():
    """Otherwise, the copy of a source could be larger than the source."""
    signs = packet(
        f"<rdf:Description><xmp:Label><![CDATA[{'<' * 1000}]]></xmp:Label></rdf:Description>"
    )
    with pytest.raises(ValueError, match=r"as it would be written"):
        xmp.kept(signs)
    text = "<rdf:Description><dc:format>" + "\">'" * 1000 + "]]&gt;</dc:format></rdf:Description>"
    kept = xmp.kept(packet(text))
    assert len(kept) < len(packet(text)) + xmp.MOST_GROWTH
    assert properties(kept)[f"{{{DC}}}format"] == "\">'" * 1000 + "]]>"


#: Unlisted data within a listed property.
NESTED = {
    "as fields": '<dc:creator rdf:parseType="Resource"><exif:GPSLatitude>{}</exif:GPSLatitude>'
    "</dc:creator>",
    "as an attribute": '<dc:creator exif:GPSLatitude="{}"/>',
    "as a description": '<dc:creator><rdf:Description exif:GPSLatitude="{}"/></dc:creator>',
    "in an item": "<dc:creator><rdf:Seq><rdf:li rdf:parseType='Resource'><exif:City>{}</exif:City>"
    "</rdf:li></rdf:Seq></dc:creator>",
    "as markup": "<dc:creator rdf:parseType='Literal'><p xmlns='http://www.w3.org/1999/xhtml'>{}</p>"
    "</dc:creator>",
}


@pytest.mark.parametrize("nested", NESTED.values(), ids=NESTED)
def test_a_list_keeps_no_unlisted_fields_of_a_listed_property(nested):
    whole = packet(f"<rdf:Description>{nested.format('Planted')}</rdf:Description>")
    assert b"Planted" not in xmp.kept(whole, {"Creator"})
    assert b"Planted" in xmp.kept(whole)


def test_a_list_keeps_the_fields_of_a_listed_structure():
    core = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
    fields = "<c:CiAdrCity>Oslo</c:CiAdrCity><exif:GPSLatitude>Planted</exif:GPSLatitude>"
    whole = packet(
        f"<rdf:Description xmlns:c='{core}'><c:CreatorContactInfo rdf:parseType='Resource'>{fields}"
        "</c:CreatorContactInfo></rdf:Description>"
    )
    kept = xmp.kept(whole, {"CreatorContactInfo"})
    assert (b"Oslo" in kept, b"Planted" in kept) == (True, False)


def test_thumbnails_are_dropped_at_every_level():
    item = (
        "<rdf:Bag><rdf:li rdf:parseType='Resource'><xmp:Thumbnails>Planted</xmp:Thumbnails>"
        "</rdf:li></rdf:Bag>"
    )
    mm = "xmlns:mm='http://ns.adobe.com/xap/1.0/mm/'"
    for name in ("mm:Pantry", "mm:Ingredients"):
        nested = f"<rdf:Description {mm} xmp:Rating='5'><{name}>{item}</{name}></rdf:Description>"
        kept = xmp.kept(packet(nested))
        assert (b"Planted" in kept, b"Rating" in kept) == (False, True)


def test_the_deepest_packet_that_is_kept_can_be_fitted():
    deepest = 48 * "<dc:x>" + 48 * "</dc:x>"
    node = f"<rdf:Description>{deepest}</rdf:Description>"
    bare = f'<rdf:RDF xmlns:rdf="{RDF}" {SPACES}>{node}</rdf:RDF>'
    kept = xmp.kept(bare.encode())
    assert b"<dc:x>" in xmp.fitted(kept, (4, 3), 1, "png")


def test_many_namespaces_are_written_in_a_time_that_grows_with_their_number():
    own = "".join(f'<ns{k}:a xmlns:ns{k}="{k}"/>' for k in range(5000))
    same = "".join(f'<y:a xmlns:y="b{k}"/>' for k in range(5000))
    above = "".join(f' xmlns:z{k}="c{k}"' for k in range(5000))
    held = packet(f"<rdf:Description{above}>{own}{same}</rdf:Description>")
    assert len(properties(xmp.kept(held))) == 10_000


def test_what_a_jpeg_cannot_hold_is_dropped_and_noted(render):
    """A PNG holds it."""
    held = packet(f"<rdf:Description xmp:Label='{'a' * 70_000}'/>")
    for format, note in (("png", ""), ("jpeg", METADATA_DROPPED)):
        made, found = render(held, form="WEBP", output={"format": format})
        assert (found, b"aaaaaaaa" in made) == (note, format == "png")


LABELLED = packet(f"<rdf:Description xmp:Label='{'kept ' * 100}'/>")


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_xmp_counts_towards_a_target_of_bytes(render, backend):
    """Without XMP, the file would have the bytes that XMP takes for a better quality."""
    output = {"format": "jpeg", "target": {"bytes": 2000}}
    made, _ = render(LABELLED, backend=backend, output=output)
    assert (len(made) <= 2000, b"kept kept" in made) == (True, True)


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_a_copied_source_has_the_xmp_of_any_other_output(render, form):
    output = {"format": "same", "min_saving": "100 %"}
    made, note = render(LABELLED, form=form, output=output)
    encoded, _ = render(LABELLED, form=form, output={"format": "same"})
    known = OUTPUT_FORMATS[form.lower()]
    assert note == SOURCE_KEPT
    assert b"xpacket" not in made and b"<?xpacket" in encoded  # nor has the source one
    assert properties(known.packets(made).xmp) == properties(known.packets(encoded).xmp)
    assert b"kept kept" in made


@pytest.mark.parametrize("held", [HOSTILE["not-closed"], LABELLED], ids=["malformed", "sound"])
@pytest.mark.parametrize("format", ["bmp", "gif"])
def test_xmp_is_not_noted_in_a_format_without_xmp(render, held, format):
    assert render(held, output={"format": format})[1] == ""


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif", "tiff"])
def test_malformed_xmp_is_noted_beside_iptc(tmp_path, encoded, format):
    """IPTC is also left out, because the format has none, or because it is too large."""
    dataset = b"\x1c\x02\x78" + (32_000).to_bytes(2, "big") + b"a" * 32_000
    tags = {700: HOSTILE["not-closed"], 33723: dataset * 3}
    data = encoded(Image.linear_gradient("L"), "TIFF", tiffinfo=tags)
    (tmp_path / "a").write_bytes(data)
    parsed = recipe_parser.parse({"metadata": "keep", "output": {"format": format}})
    outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a", ("out",)))
    assert outcome.files[0].note == METADATA_DROPPED


def test_of_a_copied_source_it_is_noted_that_it_was_copied(render):
    """Also if its XMP had to be dropped."""
    output = {"format": "same", "min_saving": "100 %"}
    assert render(HOSTILE["not-closed"], output=output)[1] == SOURCE_KEPT
