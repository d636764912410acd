"""Opened output: the content of an output file, as the checks see it."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from pixelmill.core.errors import describe
from pixelmill.storage.archives import Place
from pixelmill.verification.expectations import Expectation

if TYPE_CHECKING:
    from pixelmill.verification.picture_check import Verdict

warnings.filterwarnings("ignore", module=r"PIL\.")  # anything that matters becomes a fault


@dataclass
class OpenedOutput:
    """An output file that was read, and what the checks found so far.

    Attributes
    ----------
    expectation : Expectation
        What the recipe asks of the output.
    source : path or Member
        File that the output was made from.
    data : bytes
        Content of the output.
    sha256, recorded_sha256 : str
        Digest of the content, and the one in the manifest.
    is_sampled : bool
        Whether the picture is compared even if nothing else is wrong.
    min_psnr : float
        Least similarity, in dB.
    decoding_error : str
        Why the file cannot be decoded; empty if it can.
    format, mode : str
        Pillow's names of the format and the mode; empty if the file cannot be decoded.
    size : tuple of int
        Width and height in pixels, as Pillow sees them.
    faults : list of (str, str)
        Names of checks that failed, and why.
    expected_size : tuple of int or None
        Set by the check of the size; None if the size cannot be known.
    verdict : Verdict or None
        Set by the check of the similarity; None if the picture was not compared.
    """

    expectation: Expectation
    source: Place
    data: bytes
    recorded_sha256: str
    is_sampled: bool
    min_psnr: float
    sha256: str = ""
    decoding_error: str = ""
    format: str = ""
    mode: str = ""
    size: tuple[int, int] = (0, 0)
    faults: list[tuple[str, str]] = field(default_factory=list)
    expected_size: tuple[int, int] | None = None
    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        self.sha256 = hashlib.sha256(self.data).hexdigest()
        try:
            with Image.open(io.BytesIO(self.data)) as image:
                image.load()
        except UnidentifiedImageError:
            self.decoding_error = "is not an image" if self.data else "is empty"
        except Exception as error:  # whatever it is, the file does not decode
            self.decoding_error = describe(error)
        else:
            self.format, self.mode, self.size = image.format or "", image.mode, image.size
