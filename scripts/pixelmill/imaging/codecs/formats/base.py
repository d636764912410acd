"""The base classes of file formats: of those that are read, and of those that are also written."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, ClassVar

from pixelmill.imaging.codecs.spans import ReadAt, Span
from pixelmill.imaging.parameters import Integer, Parameter, Size

if TYPE_CHECKING:
    from PIL import Image

    from pixelmill.imaging.arrays import AnyArray, Array
    from pixelmill.imaging.codecs.decoded import DecodeOptions, Packets, Source
    from pixelmill.imaging.codecs.deep_color import DeepSource
    from pixelmill.imaging.codecs.ifd import Tags

#: Number of bytes from the beginning of a file by which its format is recognised.
SNIFF_BYTES = 32

#: The quality option of all lossy formats.
QUALITY = Integer(1, 100, 85)


#: Largest XMP and IPTC in bytes where the format sets no limit; larger ones are not read.
MOST_PACKET = 1_000_000


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

    def exif_span(self, read_at: ReadAt) -> Span | None:
        """Find the EXIF block of a file without reading all of it; None if there is none.

        Raises
        ------
        struct.error, IndexError, ValueError
            If the file is broken.
        """
        return None

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

    def pages(self, data: bytes, most: int) -> Iterable[bytes]:
        """Return the file once for each of its pages, with that page as its first.

        Raises
        ------
        ImageError
            If there are more than `most`, or if they cannot be counted.
        """
        return (data,)

    def packets(self, data: bytes) -> Packets:
        """XMP and IPTC of a file, as they are stored."""
        from pixelmill.imaging.codecs.decoded import Packets

        return Packets()

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
    several_pages : bool
        Whether `joined` makes one file of several.
    most_xmp, most_iptc : int
        Largest XMP and IPTC of a file, in bytes; 0 if it holds none.
    by_opencv : bool
        Whether OpenCV writes some of the files.
    copies : bool
        Whether `copied` copies some of the files.
    cheaper : str
        A sentence without a full stop that says what makes encoding faster.
    """

    options: ClassVar[Mapping[str, Parameter]] = {}
    alpha: ClassVar[bool] = False
    exif: ClassVar[bool] = False
    icc: ClassVar[bool] = False
    gray_icc: ClassVar[bool] = False
    deep: ClassVar[bool] = False
    several_pages: ClassVar[bool] = False
    most_xmp: ClassVar[int] = 0
    most_iptc: ClassVar[int] = 0
    by_opencv: ClassVar[bool] = False
    copies: ClassVar[bool] = False
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
        >>> from pixelmill.imaging.codecs.formats.webp import Webp
        >>> Webp().values_of({"quality": 70, "level": 9})
        {'quality': 70, 'lossless': False}
        """
        return {key: given.get(key, option.default) for key, option in self.options.items()}

    def pillow_options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return Pillow's options for those of a recipe.

        Examples
        --------
        >>> from pixelmill.imaging.codecs.formats.png import Png
        >>> Png().pillow_options({"level": 9})
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

    def xmp_options(self, packet: bytes, size: Size) -> dict[str, Any]:
        """Return Pillow's options that write XMP; none if `with_packets` adds it."""
        return {}

    def with_packets(self, data: bytes, packets: Packets) -> bytes:
        """Add XMP and IPTC to an encoded file; neither is larger than a file can hold."""
        return data

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

    def joined(self, files: Sequence[bytes]) -> bytes:
        """Join encoded files to one that has each as a page.

        Raises
        ------
        ValueError
            If the format cannot hold them.
        """
        raise NotImplementedError(f"{self.name}: several pages cannot be written")

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

    def copied(self, data: bytes, exif: bytes, profile: bool) -> bytes | None:
        """Copy the coded picture of a file without a loss; None if it is of an unknown structure.

        Parameters
        ----------
        data : bytes
            The file.
        exif : bytes
            EXIF block of the copy, from its TIFF header on; empty for none.
        profile : bool
            Whether the copy keeps what describes the colours of the file.
        """
        return None
