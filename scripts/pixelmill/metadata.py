"""Metadata: which of a source's EXIF tags its outputs bear, and that they bear nothing else."""

from __future__ import annotations

from PIL import ExifTags, Image

Base = ExifTags.Base

#: Who made a picture, and who may use it.
RIGHTS = (Base.Artist, Base.Copyright)

#: What describes the picture and stays true when it is made smaller.
DESCRIPTION = (
    *RIGHTS, Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime,
    Base.HostComputer, Base.Rating, Base.XPTitle, Base.XPComment, Base.XPAuthor,
    Base.XPKeywords, Base.XPSubject,
)  # fmt: skip

#: Of the camera's own tags these are not true any more, or break when they are moved.
_STALE = (
    Base.ExifImageWidth, Base.ExifImageHeight, Base.MakerNote, Base.ExifInteroperabilityOffset
)  # fmt: skip

_CAMERA, _GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo

#: Attributes of an image that holds nothing but its pixels.
_ATTRIBUTES = frozenset(vars(Image.new("L", (1, 1))))


def exif(image: Image.Image, policy: str, orientation: int = 1) -> bytes:
    """EXIF block for the outputs of an image.

    Parameters
    ----------
    image : PIL.Image.Image
        The source, opened.
    policy : {"strip", "keep", "none"}
        ``strip`` keeps who made it and who may use it; ``keep`` keeps all that
        describes it and where it was taken, but no thumbnail; ``none`` nothing.
    orientation : int
        To be noted, where the pixels are left as they are stored; 1 notes none.

    Returns
    -------
    bytes
        Empty where there is nothing to keep.
    """
    try:
        return _block(image, policy, orientation)
    except Exception:  # broken tags are worth no image, and no orientation
        return _block(image, "none", orientation)


def orientation_of(image: Image.Image) -> int:
    """Orientation that an image notes, 1 to 8; 1 where it notes none that can be read."""
    try:
        noted = image.getexif().get(Base.Orientation, 1)
    except Exception:  # its EXIF is broken
        return 1
    return noted if noted in range(2, 9) else 1


def _block(image: Image.Image, policy: str, orientation: int) -> bytes:
    kept = Image.Exif()
    if orientation != 1:
        kept[Base.Orientation] = orientation
    if policy != "none":
        _copy(image.getexif(), kept, policy)
    return kept.tobytes() if kept else b""


def _copy(found: Image.Exif, kept: Image.Exif, policy: str) -> None:
    for tag in RIGHTS if policy == "strip" else DESCRIPTION:
        if found.get(tag):
            kept[tag] = found[tag]
    if policy == "keep":
        for ifd in (_CAMERA, _GPS):
            tags = {tag: value for tag, value in found.get_ifd(ifd).items() if tag not in _STALE}
            if tags:
                kept.get_ifd(ifd).update(tags)
                kept[ifd] = tags


def bare(image: Image.Image) -> Image.Image:
    """Return a picture of the same pixels that an encoder can take nothing else from.

    Pillow's encoders copy what they find on an image that was not given to them: entries of
    ``info``, and on an image that was opened from a file, and that no step replaced by a new
    one, all tags of that file. Pixels are only copied if there is something to leave behind.
    """
    if type(image) is Image.Image and not image.info and vars(image).keys() <= _ATTRIBUTES:
        return image
    copied = image.copy()
    copied.info = {}
    return copied


def texts(block: bytes) -> Image.Exif:
    """Leave of an EXIF block what TIFF takes as its own tags: texts, and the orientation."""
    found, kept = Image.Exif(), Image.Exif()
    found.load(block)
    for tag, value in found.items():
        if isinstance(value, str) or tag == Base.Orientation:
            kept[tag] = value
    return kept
