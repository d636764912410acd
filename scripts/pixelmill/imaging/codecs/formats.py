"""File formats: everything that pixelmill knows about each of them, in one object per format.

To add a format, write its class here and test it. Recipes, the catalog, limits and the docs take
everything from `FORMATS`.
"""

from __future__ import annotations

import abc
import contextlib
import posixpath
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, ClassVar

from pixelmill.imaging.parameters import Choice, Flag, Integer, Parameter, Size

if TYPE_CHECKING:
    from PIL import Image

    from pixelmill.imaging.arrays import AnyArray, Array
    from pixelmill.imaging.codecs.decoded import DecodeOptions, Source
    from pixelmill.imaging.codecs.deep_color import DeepSource
    from pixelmill.imaging.codecs.ifd import Tags

#: Number of bytes from the beginning of a file that `sniff` needs.
SNIFF_BYTES = 32

#: The output format that stands for the format of each source.
SAME = "same"

#: The quality option of all lossy formats.
QUALITY = Integer(1, 100, 85)


class Format:
    """A file format that is read.

    The methods do what Pillow needs for a format without peculiarities; a subclass overrides
    those in which its format differs. A module that only one format needs is imported by the
    method that needs it, so that the code of a format is loaded with its first file.

    Attributes
    ----------
    name : str
        The name in recipes, limits and tables; in upper case it is Pillow's.
    suffixes : tuple of str
        Suffixes of files, in lower case, with the dot. Outputs get the first one.
    signatures : tuple of bytes
        Bytes that a file of this format begins with.
    plugins : tuple of str
        Modules of Pillow that register the format.
    animation : bool
        Whether a file can hold an animation.
    shrinks : bool
        Whether libjpeg-turbo decodes the format: at a fraction of its size, or to an array.
    instead : str
        With the output format ``same``, the format of the outputs if this one is never written.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    signatures: ClassVar[tuple[bytes, ...]] = ()
    plugins: ClassVar[tuple[str, ...]] = ()
    animation: ClassVar[bool] = False
    shrinks: ClassVar[bool] = False
    instead: ClassVar[str] = "png"

    def recognizes(self, head: bytes) -> bool:
        """Whether a file that begins with these `SNIFF_BYTES` bytes is of this format."""
        return head.startswith(self.signatures)

    def dimensions(self, file: IO[bytes], head: bytes) -> Size:
        """Width and height in pixels from the header; (0, 0) if only a decoder can tell."""
        return 0, 0

    def register(self) -> None:
        """Make the format known to Pillow, if importing `plugins` does not.

        Raises
        ------
        ImageError
            If the package that decodes the format is not installed.
        """

    def source(self, data: bytes, options: DecodeOptions) -> Source | None:
        """Open a file that pixelmill decodes by itself; None leaves it to Pillow."""
        return None

    def deep_source(self, data: bytes, options: DecodeOptions) -> DeepSource | None:
        """Open a file of 16 bits per channel; None for any other, and for a broken one."""
        return None

    def prepared(self, data: bytes, still: bool) -> bytes:
        """Return the file as Pillow decodes it correctly.

        Parameters
        ----------
        data : bytes
        still : bool
            Whether only the first frame is decoded.

        Raises
        ------
        ImageError
            If the file is corrupt in a way that Pillow does not notice.
        """
        return data

    def opened(self, image: Image.Image) -> str | None:
        """Correct what Pillow says about an opened file.

        Returns
        -------
        str or None
            The mode that the decoded picture is converted to, if Pillow chooses a wrong one.
        """
        return None

    def jpegs(self, image: Image.Image, data: bytes) -> Iterable[bytes]:
        """JPEG streams that an opened file is decoded from."""
        return ()

    def profile(self, image: Image.Image, data: bytes) -> bytes | None:
        """ICC profile for the colours of an opened file; None if they are sRGB or not described.

        Raises
        ------
        ImageError
            If the colours are described, but cannot be converted.
        """
        profile: bytes | None = image.info.get("icc_profile")
        return profile

    def exif_block(self, image: Image.Image, data: bytes) -> bytes:
        """EXIF block of an opened file, from its TIFF header on; empty if there is none."""
        from pixelmill.imaging.codecs import metadata

        return metadata.block_of(image.info)

    def orientation(self, image: Image.Image) -> int:
        """Orientation that an opened file states in EXIF, 1 to 8; 1 if it states none."""
        from pixelmill.imaging.codecs import metadata

        return metadata.orientation_in(metadata.block_of(image.info))

    def completed(self, image: Image.Image, data: bytes) -> Image.Image:
        """Do to the loaded first picture what Pillow leaves out."""
        return image

    def frames(self, image: Image.Image, data: bytes) -> tuple[list[Image.Image], list[float]]:
        """Decode all frames, each complete and all of one mode; with their durations in ms."""
        raise NotImplementedError(f"{self.name}: no frames are known")

    def plays(self, image: Image.Image, data: bytes) -> int | None:
        """How often an animation is shown; 0 means for ever, None that the file does not say."""
        plays: int | None = image.info.get("loop")
        return plays

    def explained(self, data: bytes, reason: str, message: str) -> tuple[str, str]:
        """Return a more precise reason and message for a file that could not be decoded."""
        return reason, message


class OutputFormat(Format, abc.ABC):
    """A file format that is read and written.

    Attributes
    ----------
    options : mapping of str to Parameter
        What a recipe may set.
    alpha, exif, icc, gray_icc, deep : bool
        Whether a file can hold transparency, EXIF, an ICC profile, an ICC profile of grey, and
        16 bits per channel.
    by_opencv : bool
        Whether OpenCV writes some of the files.
    cheaper : str
        A sentence without a full stop that says what makes encoding faster.
    """

    options: ClassVar[Mapping[str, Parameter]] = {}
    alpha: ClassVar[bool] = False
    exif: ClassVar[bool] = False
    icc: ClassVar[bool] = False
    gray_icc: ClassVar[bool] = False
    deep: ClassVar[bool] = False
    by_opencv: ClassVar[bool] = False
    cheaper: ClassVar[str] = "another format may cost less"

    @property
    def suffix(self) -> str:
        """Suffix of outputs, with the dot."""
        return self.suffixes[0]

    @abc.abstractmethod
    def is_whole(self, data: bytes) -> bool:
        """Whether an encoded file ends where its format says.

        It must be False for a file that was cut off, because Pillow takes a short write, as on
        a full disk, for a complete one.
        """

    def values_of(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return values for all options; keys that are no options of this format are ignored.

        Examples
        --------
        >>> OUTPUT_FORMATS["webp"].values_of({"quality": 70, "level": 9})
        {'quality': 70, 'lossless': False}
        """
        return {key: given.get(key, option.default) for key, option in self.options.items()}

    def pillow_options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return Pillow's options for those of a recipe.

        Examples
        --------
        >>> OUTPUT_FORMATS["png"].pillow_options({"level": 9})
        {'compress_level': 9}
        """
        return dict(values)

    def upright(
        self, frames: Sequence[Image.Image], exif: bytes
    ) -> tuple[Sequence[Image.Image], bytes]:
        """Turn frames whose orientation the format cannot state; return them and the other tags."""
        return frames, exif

    def tags(self, exif: bytes, size: Size, srgb: bool) -> Tags:
        """Return the tags of an EXIF block as an output must have them.

        Parameters
        ----------
        exif : bytes
        size : tuple of int
            Width and height of the output in pixels.
        srgb : bool
            Whether the colours are sRGB, so that no ICC profile is embedded.
        """
        from pixelmill.imaging.codecs import metadata

        return metadata.with_color_space(exif, srgb)

    def exif_options(self, tags: Tags) -> dict[str, Any]:
        """Return Pillow's options that write EXIF tags."""
        from pixelmill.imaging.codecs import metadata

        return {"exif": metadata.written(tags)}

    def write(
        self, image: Image.Image, file: IO[bytes], options: dict[str, Any], tags: Tags
    ) -> bytes:
        """Write a picture to an empty file, and return the content of the file.

        Parameters
        ----------
        image : PIL.Image.Image
        file : binary file
        options : dict
            Pillow's options.
        tags : Tags
            EXIF tags; `options` holds them already, if `exif_options` does.
        """
        image.save(file, self.name.upper(), **options)
        file.seek(0)
        return file.read()

    def encode_frames(
        self,
        frames: Sequence[Image.Image],
        options: dict[str, Any],
        times: Sequence[int],
        plays: int,
    ) -> bytes:
        """Encode an animation.

        Parameters
        ----------
        frames : sequence of PIL.Image.Image
            All of one mode, L, LA, RGB or RGBA, and of one size.
        options : dict
            Pillow's options.
        times : sequence of int
            How long each frame is shown, in ms.
        plays : int
            How often the animation is shown; 0 means for ever.
        """
        raise NotImplementedError(f"{self.name}: animations cannot be written")

    def array_encoder(self, values: Mapping[str, Any]) -> Callable[[Array], bytes] | None:
        """Return a function that encodes arrays without metadata; None if there is none.

        Parameters
        ----------
        values : mapping
            A value for each option.
        """
        return None

    def encode_deep(
        self, array: AnyArray, options: Mapping[str, Any], profile: bytes | None, tags: Tags
    ) -> bytes:
        """Encode a picture of 16 bits per channel.

        Parameters
        ----------
        array : ndarray of uint16
            Of shape (height, width, 3 or 4), blue first.
        options : mapping
            A value for each option.
        profile : bytes or None
            ICC profile of RGB.
        tags : Tags

        Raises
        ------
        ValueError
            If the library refuses the picture.
        """
        raise NotImplementedError(f"{self.name}: 16 bits per channel cannot be written")


class Jpeg(OutputFormat):
    """JPEG (ITU-T T.81); MPO, which begins like it, is read as JPEG."""

    name = "jpeg"
    suffixes = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")
    signatures = (b"\xff\xd8\xff",)
    plugins = ("JpegImagePlugin", "MpoImagePlugin")
    shrinks = True
    options: ClassVar[Mapping[str, Parameter]] = {
        "quality": QUALITY,
        "subsampling": Choice(("4:4:4", "4:2:2", "4:2:0"), "4:2:0"),
        "progressive": Flag(False),
        "optimize": Flag(False),
    }
    exif = icc = gray_icc = True
    by_opencv = True
    cheaper = "a lower quality and no optimize or progressive cost less"

    #: Segments before the frame header that are looked at; maker notes need some dozens.
    _MOST_SEGMENTS = 1000

    def dimensions(self, file: IO[bytes], head: bytes) -> Size:
        """Walk the segments to the frame header (ITU-T T.81, B.1.1 and B.2.2)."""
        file.seek(2)
        for _ in range(self._MOST_SEGMENTS):
            marker, code = file.read(2)
            while code == 0xFF:  # any number of fill bytes may precede a marker
                (code,) = file.read(1)
            (length,) = struct.unpack(">H", file.read(2))
            if marker != 0xFF:
                break
            if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack(">xHH", file.read(5))
                return width, height
            file.seek(length - 2, 1)
        return 0, 0

    def jpegs(self, image: Image.Image, data: bytes) -> Iterable[bytes]:
        """Return the file itself."""
        return (data,)

    def explained(self, data: bytes, reason: str, message: str) -> tuple[str, str]:
        """Name a coding process that few decoders know."""
        from pixelmill.imaging.codecs import jpeg

        rare = jpeg.rare_process(data)
        if rare is not None and reason in ("corrupt", "unsupported"):
            return "unsupported", f"{rare}: {message}"
        return reason, message

    def tags(self, exif: bytes, size: Size, srgb: bool) -> Tags:
        """Return as many tags as the segment of a JPEG holds."""
        from pixelmill.imaging.codecs import metadata

        return metadata.for_jpeg(exif, size, srgb)

    def array_encoder(self, values: Mapping[str, Any]) -> Callable[[Array], bytes]:
        """Encode with OpenCV, which writes the same bytes as Pillow."""
        from pixelmill.imaging.codecs import jpeg

        return jpeg.encoder(**values)

    def is_whole(self, data: bytes) -> bool:
        """Look for the marker EOI."""
        return data.endswith(b"\xff\xd9")


class Png(OutputFormat):
    """PNG and APNG (PNG 3rd edition)."""

    name = "png"
    suffixes = (".png", ".apng")
    signatures = (b"\x89PNG\r\n\x1a\n",)
    plugins = ("PngImagePlugin",)
    animation = True
    options: ClassVar[Mapping[str, Parameter]] = {"level": Integer(0, 9, 6)}
    alpha = exif = icc = gray_icc = deep = True
    cheaper = "a lower level costs less"

    def dimensions(self, file: IO[bytes], head: bytes) -> Size:
        """Read them from the chunk IHDR."""
        width, height = struct.unpack(">II", head[16:24])
        return width, height

    def deep_source(self, data: bytes, options: DecodeOptions) -> DeepSource | None:
        """Open a still picture of 16 bits per channel."""
        from pixelmill.imaging.codecs import deep_color

        return deep_color.png_source(data, options)

    def prepared(self, data: bytes, still: bool) -> bytes:
        """Check the critical chunks, and leave out others that could spoil the picture."""
        from pixelmill.imaging.codecs import png

        png.check(data)
        return png.with_masked_levels(png.lean(data, still=still))

    def opened(self, image: Image.Image) -> str | None:
        """Scale the transparent level; keep 16-bit grey with alpha grey."""
        from pixelmill.imaging.codecs import png

        png.scale_transparency(image)
        return "LA" if png.raw_mode(image) == "LA;16B" else None

    def profile(self, image: Image.Image, data: bytes) -> bytes | None:
        """Take the best of the four descriptions that a PNG can have."""
        from pixelmill.imaging.codecs import colorimetry

        return colorimetry.profile_of_png(image, data)

    def frames(self, image: Image.Image, data: bytes) -> tuple[list[Image.Image], list[float]]:
        """Compose the frames of an APNG."""
        from pixelmill.imaging.codecs import apng

        pictures, times = map(list, zip(*apng.frames(data), strict=True))
        return pictures, times

    def pillow_options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the compression level by Pillow's name."""
        return {"compress_level": values["level"]}

    def encode_frames(
        self,
        frames: Sequence[Image.Image],
        options: dict[str, Any],
        times: Sequence[int],
        plays: int,
    ) -> bytes:
        """Write an APNG."""
        from pixelmill.imaging.codecs import apng

        return apng.assemble(frames, times, plays, options)

    def encode_deep(
        self, array: AnyArray, options: Mapping[str, Any], profile: bytes | None, tags: Tags
    ) -> bytes:
        """Encode with OpenCV."""
        from pixelmill.imaging.codecs import deep_color

        return deep_color.encode_png(array, options["level"], profile, tags)

    def is_whole(self, data: bytes) -> bool:
        """Look for the chunk IEND."""
        return data.endswith(b"IEND\xaeB`\x82")


class Webp(OutputFormat):
    """WebP (RFC 9649)."""

    name = "webp"
    suffixes = (".webp",)
    plugins = ("WebPImagePlugin",)
    animation = True
    options: ClassVar[Mapping[str, Parameter]] = {"quality": QUALITY, "lossless": Flag(False)}
    alpha = exif = icc = True
    cheaper = "jpeg costs less"

    def recognizes(self, head: bytes) -> bool:
        """Look for the type of the RIFF container."""
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"

    def dimensions(self, file: IO[bytes], head: bytes) -> Size:
        """Read the lossy, lossless or extended header (RFC 9649, 2.5 to 2.7)."""
        if head[12:16] == b"VP8 ":
            width, height = struct.unpack("<HH", head[26:30])
            return width & 0x3FFF, height & 0x3FFF
        if head[12:16] == b"VP8L":
            (bits,) = struct.unpack("<I", head[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if head[12:16] == b"VP8X":
            width, height = (int.from_bytes(head[k : k + 3], "little") for k in (24, 27))
            return width + 1, height + 1
        return 0, 0

    def prepared(self, data: bytes, still: bool) -> bytes:
        """Have the frames of an animation decoded with alpha."""
        from pixelmill.imaging.codecs import webp

        return webp.with_alpha(data)

    def completed(self, image: Image.Image, data: bytes) -> Image.Image:
        """Leave out the alpha that `prepared` announced, if nothing is transparent."""
        if not getattr(image, "is_animated", False):
            return image
        from pixelmill.imaging.codecs import sequences

        return sequences.without_needless_alpha([image])[0]

    def frames(self, image: Image.Image, data: bytes) -> tuple[list[Image.Image], list[float]]:
        """Take the frames from Pillow."""
        from pixelmill.imaging.codecs import sequences

        return sequences.frames(image)

    def encode_frames(
        self,
        frames: Sequence[Image.Image],
        options: dict[str, Any],
        times: Sequence[int],
        plays: int,
    ) -> bytes:
        """Encode with Pillow."""
        from pixelmill.imaging.codecs import webp

        return webp.encode_frames(frames, options, times, plays)

    def is_whole(self, data: bytes) -> bool:
        """Compare the length in the RIFF header with that of the file."""
        return len(data) >= int.from_bytes(data[4:8], "little") + 8 > 8


class Avif(OutputFormat):
    """AVIF, images and sequences (ISO/IEC 23008-12, AV1 Image File Format)."""

    name = "avif"
    suffixes = (".avif", ".avifs")
    plugins = ("AvifImagePlugin",)
    animation = True
    options: ClassVar[Mapping[str, Parameter]] = {"quality": QUALITY}
    alpha = exif = icc = True
    cheaper = "jpeg or webp costs less"

    def recognizes(self, head: bytes) -> bool:
        """Look for a brand of AVIF."""
        return bool(_brands(head) & {b"avif", b"avis"})

    def prepared(self, data: bytes, still: bool) -> bytes:
        """Join tables that libavif accepts only as one."""
        from pixelmill.imaging.codecs import avif

        return avif.with_one_table(data)

    def profile(self, image: Image.Image, data: bytes) -> bytes | None:
        """Take the profile, or make one from the code points ``nclx``."""
        from pixelmill.imaging.codecs import colorimetry

        return colorimetry.profile_of_heif(image, data)

    def exif_block(self, image: Image.Image, data: bytes) -> bytes:
        """Read the block from the file; Pillow rewrites it if the picture is to be turned."""
        from pixelmill.imaging.codecs import isobmff, metadata

        return metadata.without_prefix(isobmff.exif(data))

    def completed(self, image: Image.Image, data: bytes) -> Image.Image:
        """Crop the picture to its clean aperture."""
        from pixelmill.imaging.codecs import avif

        return avif.cropped(image, data)

    def frames(self, image: Image.Image, data: bytes) -> tuple[list[Image.Image], list[float]]:
        """Take the frames from Pillow, and crop each to the clean aperture."""
        from pixelmill.imaging.codecs import avif, sequences

        pictures, times = sequences.frames(image)
        return [avif.cropped(picture, data) for picture in pictures], times

    def plays(self, image: Image.Image, data: bytes) -> int:
        """Read the edit list."""
        from pixelmill.imaging.codecs import avif

        return avif.plays(data)

    def explained(self, data: bytes, reason: str, message: str) -> tuple[str, str]:
        """Say if Pillow was built without AVIF."""
        from PIL import features

        return reason if features.check("avif") else "unsupported", message

    def pillow_options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the quality; a worker has one core."""
        return {"quality": values["quality"], "max_threads": 1}

    def upright(
        self, frames: Sequence[Image.Image], exif: bytes
    ) -> tuple[Sequence[Image.Image], bytes]:
        """Turn the frames of a sequence: Pillow crashes if it is to note an orientation."""
        if len(frames) == 1:
            return frames, exif
        from pixelmill.imaging.codecs import metadata

        orientation, exif = metadata.without_orientation(exif)
        if orientation != 1:
            turn = metadata.TRANSPOSITIONS[orientation]
            frames = [frame.transpose(turn) for frame in frames]
        return frames, exif

    def exif_options(self, tags: Tags) -> dict[str, Any]:
        """Keep Pillow from rewriting the tags."""
        from pixelmill.imaging.codecs import metadata

        return {"exif": metadata.ForAvif(tags)}

    def encode_frames(
        self,
        frames: Sequence[Image.Image],
        options: dict[str, Any],
        times: Sequence[int],
        plays: int,
    ) -> bytes:
        """Encode with Pillow, and add how often the sequence is shown."""
        from pixelmill.imaging.codecs import avif, sequences

        made = sequences.saved(frames, "AVIF", {**options, "duration": list(times)})
        return avif.with_plays(made, plays)

    def is_whole(self, data: bytes) -> bool:
        """Look where the last box ends, and whether one holds the coded pictures."""
        from pixelmill.imaging.codecs import boxes

        found = list(boxes.boxes(data))
        coded = any(box.name == b"mdat" for box in found)
        return coded and found[-1].end == len(data)


class Tiff(OutputFormat):
    """TIFF 6.0 and BigTIFF; the first page."""

    name = "tiff"
    suffixes = (".tif", ".tiff")
    signatures = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
    plugins = ("TiffImagePlugin",)
    options: ClassVar[Mapping[str, Parameter]] = {
        "compression": Choice(("none", "lzw", "deflate"), "lzw")
    }
    alpha = exif = icc = gray_icc = deep = True
    cheaper = "compression none costs less"

    _COMPRESSIONS: ClassVar[Mapping[str, str | None]] = {
        "none": None,
        "lzw": "tiff_lzw",
        "deflate": "tiff_adobe_deflate",
    }

    def source(self, data: bytes, options: DecodeOptions) -> Source | None:
        """Open a page whose layout Pillow reads wrongly, or not at all."""
        from pixelmill.imaging.codecs import tiff

        if tiff.pillow_reads(data, turned=options.orientation == "apply"):
            return None
        from pixelmill.imaging.codecs import photometric

        return photometric.source(data, options)

    def deep_source(self, data: bytes, options: DecodeOptions) -> DeepSource | None:
        """Open a first page of more than 8 bits per channel."""
        from pixelmill.imaging.codecs import deep_color

        return deep_color.tiff_source(data)

    def jpegs(self, image: Image.Image, data: bytes) -> Iterable[bytes]:
        """Return the strips or tiles that are JPEGs."""
        from pixelmill.imaging.codecs import tiff

        return tiff.jpegs(image, data)

    def exif_block(self, image: Image.Image, data: bytes) -> bytes:
        """Return the file: its first directory holds the tags."""
        return data

    def orientation(self, image: Image.Image) -> int:
        """Read the tag of the first page."""
        from pixelmill.imaging.codecs import metadata

        stated: int = getattr(image, "tag_v2", {}).get(metadata.Base.Orientation, 1)
        return stated if stated in range(2, 9) else 1

    def explained(self, data: bytes, reason: str, message: str) -> tuple[str, str]:
        """Tell a file that was cut off from a damaged one, which libtiff does not."""
        from pixelmill.imaging.codecs import tiff

        if reason == "corrupt" and tiff.ends_early(data):
            return "truncated", f"the file ends before its last strip or tile: {message}"
        return reason, message

    def pillow_options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the compression by Pillow's name, and a resolution.

        TIFF requires a resolution (TIFF 6.0, section 4); 72 dpi stands for an unknown one.
        """
        return {"compression": self._COMPRESSIONS[values["compression"]], "dpi": (72, 72)}

    def tags(self, exif: bytes, size: Size, srgb: bool) -> Tags:
        """Return the tags that a TIFF must have and those that it may have."""
        from pixelmill.imaging.codecs import metadata

        return metadata.for_tiff(exif, size, srgb)

    def exif_options(self, tags: Tags) -> dict[str, Any]:
        """Return none: `write` adds the tags."""
        return {}

    def write(
        self, image: Image.Image, file: IO[bytes], options: dict[str, Any], tags: Tags
    ) -> bytes:
        """Write the picture, and then its tags as bytes: Pillow would write texts anew."""
        data = super().write(image, file, options, tags)
        if not tags:
            return data
        from pixelmill.imaging.codecs import tiff

        return tiff.append_tags(file, data, tags)

    def encode_deep(
        self, array: AnyArray, options: Mapping[str, Any], profile: bytes | None, tags: Tags
    ) -> bytes:
        """Encode with tifffile."""
        from pixelmill.imaging.codecs import deep_color

        return deep_color.encode_tiff(array, options["compression"], profile, tags)

    def is_whole(self, data: bytes) -> bool:
        """Look for more than a header: libtiff writes the file itself and reports a full disk."""
        return len(data) > 8


class Gif(OutputFormat):
    """GIF (GIF87a and GIF89a)."""

    name = "gif"
    suffixes = (".gif",)
    signatures = (b"GIF87a", b"GIF89a")
    plugins = ("GifImagePlugin",)
    animation = True
    alpha = True

    def dimensions(self, file: IO[bytes], head: bytes) -> Size:
        """Read the logical screen descriptor."""
        width, height = struct.unpack("<HH", head[6:10])
        return width, height

    def source(self, data: bytes, options: DecodeOptions) -> Source:
        """Open the file; Pillow does not compose frames as browsers do."""
        from pixelmill.imaging.codecs import gif

        return gif.source(data, options)

    def write(
        self, image: Image.Image, file: IO[bytes], options: dict[str, Any], tags: Tags
    ) -> bytes:
        """Reduce the picture to a colour table, and write it."""
        from pixelmill.imaging.codecs import gif

        image, transparent = gif.indexed(image)
        if transparent is not None:
            options = {**options, "transparency": transparent}
        return super().write(image, file, options, tags)

    def encode_frames(
        self,
        frames: Sequence[Image.Image],
        options: dict[str, Any],
        times: Sequence[int],
        plays: int,
    ) -> bytes:
        """Write an animation with a colour table for each frame."""
        from pixelmill.imaging.codecs import gif

        return gif.assemble(frames, times, plays)

    def is_whole(self, data: bytes) -> bool:
        """Look for the end of the last image and of the file."""
        return data.endswith(b"\0;")


class Bmp(OutputFormat):
    """BMP of Windows and OS/2."""

    name = "bmp"
    suffixes = (".bmp", ".dib")
    signatures = (b"BM",)
    plugins = ("BmpImagePlugin",)

    #: Sizes that headers have.
    _HEADERS = frozenset(size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124))

    def recognizes(self, head: bytes) -> bool:
        """Look for the size of the header too: many texts begin with "BM"."""
        return super().recognizes(head) and head[14:18] in self._HEADERS

    def dimensions(self, file: IO[bytes], head: bytes) -> Size:
        """Read them from the header; in that of OS/2 1.x they have 16 bits."""
        old = head[14] == 12
        width, height = struct.unpack("<HH" if old else "<ii", head[18 : 22 if old else 26])
        return abs(width), abs(height)

    def source(self, data: bytes, options: DecodeOptions) -> Source | None:
        """Open a bitmap of a kind that Pillow reads wrongly, or not at all."""
        from pixelmill.imaging.codecs import bmp

        return bmp.source(data)

    def is_whole(self, data: bytes) -> bool:
        """Compare the length in the header with that of the file."""
        return len(data) >= int.from_bytes(data[2:6], "little") > 8


class Heif(Format):
    """HEIC (ISO/IEC 23008-12), with the package pillow-heif."""

    name = "heif"
    suffixes = (".heic", ".heif", ".hif")
    instead = "jpeg"

    #: Brands of HEIC (ISO/IEC 23008-12, annex B).
    _BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))

    def recognizes(self, head: bytes) -> bool:
        """Look for a brand; AVIF has some of them too."""
        brands = _brands(head)
        return bool(brands & self._BRANDS) and not brands & {b"avif", b"avis"}

    def register(self) -> None:
        """Register the opener of pillow-heif."""
        from PIL import Image

        from pixelmill.core.errors import ImageError

        try:
            import pillow_heif  # type: ignore[import-not-found,unused-ignore]
        except ImportError as error:
            message = "HEIC needs the package pillow-heif: pip install pillow-heif"
            raise ImageError("decode", "unsupported", message) from error
        if "HEIF" not in Image.OPEN:
            pillow_heif.register_heif_opener(thumbnails=False)

    def profile(self, image: Image.Image, data: bytes) -> bytes | None:
        """Take the profile, or make one from the code points ``nclx``."""
        from pixelmill.imaging.codecs import colorimetry

        return colorimetry.profile_of_heif(image, data)


class Ppm(Format):
    """PBM, PGM and PPM of Netpbm, as text and in binary."""

    name = "ppm"
    suffixes = (".ppm", ".pgm", ".pbm", ".pnm")
    plugins = ("PpmImagePlugin",)

    #: "P1" to "P6", then a number or a comment.
    _BEGIN = re.compile(rb"P[1-6]\s+[\d#]")

    def recognizes(self, head: bytes) -> bool:
        """Look for what follows the magic number too."""
        return self._BEGIN.match(head) is not None


class Ico(Format):
    """Icons of Windows; the largest picture."""

    name = "ico"
    suffixes = (".ico",)
    signatures = (b"\x00\x00\x01\x00",)
    plugins = ("IcoImagePlugin",)

    def prepared(self, data: bytes, still: bool) -> bytes:
        """Leave only the best picture in the file."""
        from pixelmill.imaging.codecs import ico

        return ico.best_alone(data)


def _brands(head: bytes) -> set[bytes]:
    """Brands of an ISO media file (ISO/IEC 14496-12, 4.3); empty for other files."""
    if head[4:8] != b"ftyp":
        return set()
    return {head[k : k + 4] for k in range(8, len(head), 4)}


#: All formats that are read, by name.
FORMATS: dict[str, Format] = {
    format_.name: format_
    for format_ in (
        Jpeg(), Png(), Webp(), Avif(), Tiff(), Gif(), Bmp(), Ppm(), Ico(), Heif(),
    )
}  # fmt: skip

#: Those that outputs can have, by name.
OUTPUT_FORMATS: dict[str, OutputFormat] = {
    name: format_ for name, format_ in FORMATS.items() if isinstance(format_, OutputFormat)
}

#: Suffixes of files that are taken for images.
IMAGE_SUFFIXES = frozenset(suffix for format_ in FORMATS.values() for suffix in format_.suffixes)

#: What looks like the suffix of a format.
_SUFFIX = re.compile(r"[A-Za-z][A-Za-z0-9]{1,4}")


def sniff(head: bytes) -> str | None:
    r"""Name the format of a file that begins with these `SNIFF_BYTES` bytes.

    Returns
    -------
    str or None
        A key of `FORMATS`; None if the content is of no known format.

    Examples
    --------
    >>> sniff(b"\xff\xd8\xff\xe0\x00\x10JFIF")
    'jpeg'
    >>> sniff(b"%PDF-1.7") is None
    True
    """
    for name, format_ in FORMATS.items():
        if format_.recognizes(head):
            return name
    return None


def dimensions(file: IO[bytes], head: bytes, name: str | None) -> Size:
    """Read width and height in pixels from the header of a file.

    Parameters
    ----------
    file : binary file
        Open at any position.
    head : bytes
        Its first `SNIFF_BYTES` bytes.
    name : str or None
        The format, as `sniff` named it.

    Returns
    -------
    tuple of int
        (0, 0) if the header does not state the size, or if only a decoder can tell (TIFF, ICO,
        PPM, AVIF, HEIC).

    Examples
    --------
    >>> import io
    >>> dimensions(io.BytesIO(), b"GIF89a" + bytes([64, 0, 48, 0]), "gif")
    (64, 48)
    """
    if name is not None:
        with contextlib.suppress(struct.error, IndexError, ValueError):  # it is cut off
            return FORMATS[name].dimensions(file, head)
    return 0, 0


def split_suffix(path: str) -> tuple[str, str]:
    """Split a path into its stem and what looks like the suffix of a format.

    The names of outputs and the division into shards both rest on this rule.

    Returns
    -------
    stem, suffix : str
        The suffix has no dot; it is empty if there is none.

    Examples
    --------
    >>> split_suffix("b/c.PNG"), split_suffix("IMG.2024-05-01"), split_suffix("b/.jpg")
    (('b/c', 'PNG'), ('IMG.2024-05-01', ''), ('b/.jpg', ''))
    """
    stem, _, suffix = path.rpartition(".")
    if stem and not stem.endswith("/") and _SUFFIX.fullmatch(suffix):
        return stem, suffix
    return path, ""


def output_format(format_: str, kind: str) -> str:
    """Name of the format of an output, by that of a recipe and that of its source.

    Parameters
    ----------
    format_ : str
        A key of `OUTPUT_FORMATS`, or `SAME`.
    kind : str
        Format of the source, as `sniff` named it.

    Examples
    --------
    >>> output_format("webp", "jpeg"), output_format("same", "gif"), output_format("same", "ppm")
    ('webp', 'gif', 'png')
    """
    if format_ != SAME:
        return format_
    if kind in OUTPUT_FORMATS:
        return kind
    return FORMATS[kind].instead if kind in FORMATS else Format.instead


def output_suffix(format_: str, kind: str, source: str) -> str:
    """Suffix of an output, with the dot; with `SAME`, that of its source if it is the right one.

    Examples
    --------
    >>> output_suffix("png", "jpeg", "a.JPEG"), output_suffix("same", "jpeg", "a.JPEG")
    ('.png', '.JPEG')
    >>> output_suffix("same", "png", "really_a_png.jpg")
    '.png'
    """
    if format_ == SAME and kind in OUTPUT_FORMATS:
        own = posixpath.splitext(source)[1]
        if own.lower() in FORMATS[kind].suffixes:
            return own
    return OUTPUT_FORMATS[output_format(format_, kind)].suffix
