"""Synthetic images for tests: every pixel follows from the seed and the number of the image."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import logging
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from PIL import Image

from pixelmill.core.errors import UserError, describe
from pixelmill.core.files import TEMPORARY, atomic, sweep
from pixelmill.core.fingerprints import digest_of_code
from pixelmill.core.locks import exclusive
from pixelmill.core.progress import Progress
from pixelmill.core.suggestions import unknown
from pixelmill.core.tables import read_json, read_table, write_json, write_table
from pixelmill.engines.lifecycle import open_engine
from pixelmill.engines.semaphores import processes_or_threads

if TYPE_CHECKING:
    from pixelmill.dataset.scenes import Picture

log = logging.getLogger(__name__)

SUFFIXES = {"jpeg": ".jpg", "png": ".png", "bmp": ".bmp", "gif": ".gif"}
CONTENTS = ("photo", "solid", "noise")

#: What was generated and how; hidden files are not part of a dataset.
RECORD = ".generated.json"
TABLE = ".generated.csv"
COLUMNS = ("name", "bytes", "sha256")


class Generation(TypedDict, total=False):
    """Content of `RECORD`: the fingerprint of the specification, how many images, and the token."""

    spec: str
    count: int
    token: str


#: Name, size in bytes and sha256 of an image.
GeneratedFile: TypeAlias = tuple[str, int, str]

#: Images that a worker generates in one go: about a tenth of a second.
BATCH = 32

#: Most tasks that an engine is given at a time: it keeps a record of each.
MOST_TASKS = 10_000

#: Most images: their names have eight digits.
MOST_IMAGES = 99_999_999

#: Quality of generated JPEGs, which is typical of cameras and web exports.
JPEG_QUALITY = 90

_OURS = re.compile(r"\d{8}\.(jpg|png|bmp|gif)")


@dataclass(frozen=True)
class Spec:
    """What to generate.

    Attributes
    ----------
    count : int
    width, height : tuple of int
        Smallest and largest side in pixels; drawn evenly.
    content : {"photo", "solid", "noise"}
        ``photo`` has edges, gradients, texture and grain and compresses as
        photographs do; ``solid`` is one colour; ``noise`` is the worst case.
    format : tuple of (str, float)
        Formats and their weights.
    seed : int
    """

    count: int = 1000
    width: tuple[int, int] = (300, 600)
    height: tuple[int, int] = (300, 600)
    content: str = "photo"
    format: tuple[tuple[str, float], ...] = (("jpeg", 1.0),)
    seed: int = 2026

    def __post_init__(self) -> None:
        if not 0 < self.count <= MOST_IMAGES:
            raise UserError(f"count: found {self.count:,}; give 1 to {MOST_IMAGES:,}.")

    @classmethod
    def from_config(cls, data: Mapping[str, Any]) -> Spec:
        """Read the map under ``generate`` of a dataset, as the schema allows it.

        Raises
        ------
        UserError
            If a key is unknown, or a value is wrong.
        """
        known = [field.name for field in fields(cls)]
        for key in data:
            if key not in known:
                raise UserError(f"generate: {unknown(key, known)}")
        try:
            return cls._read(dict(data))
        except (TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"generate: {describe(error)}; docs/configuration.md has the keys."
            ) from error

    @classmethod
    def _read(cls, data: dict[str, Any]) -> Spec:
        formats = data.get("format", "jpeg")
        weights = {formats: 1.0} if isinstance(formats, str) else formats
        data["format"] = tuple(sorted((name, float(w)) for name, w in weights.items()))
        for side in ("width", "height"):
            if side in data:
                low, high = data[side]
                if low > high:
                    raise UserError(
                        f"generate.{side}: found [{low}, {high}]; give the smaller number first."
                    )
                data[side] = (low, high)
        return cls(**data)

    def fingerprint(self) -> str:
        """Return the digest of everything that decides an image, except its number."""
        parts = {key: value for key, value in asdict(self).items() if key != "count"}
        text = json.dumps(
            [parts, digest_of_code("dataset/synthetic.py", "dataset/scenes.py")], sort_keys=True
        )
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def image(spec: Spec, number: int) -> tuple[Image.Image, str]:
    """Generate one image, and choose its format.

    Returns
    -------
    image : PIL.Image.Image
        RGB.
    format : str
        A key of `SUFFIXES`.
    """
    picture, format_ = _picture(spec, number)
    return Image.fromarray(picture), format_


def _picture(spec: Spec, number: int) -> tuple[Picture, str]:
    import numpy as np

    from pixelmill.dataset import scenes

    random = np.random.default_rng([spec.seed, number])
    width = int(random.integers(spec.width[0], spec.width[1] + 1))
    height = int(random.integers(spec.height[0], spec.height[1] + 1))
    names = [name for name, _ in spec.format]
    weights = np.array([weight for _, weight in spec.format])
    format_ = names[int(random.choice(len(names), p=weights / weights.sum()))]
    draw = {"photo": scenes.photo, "noise": scenes.noise, "solid": scenes.solid}[spec.content]
    return draw(random, width, height), format_


class Numbers:
    """Numbers of images; opaque to Dask, which would traverse a list."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[int]) -> None:
        self.values = tuple(values)

    def __iter__(self) -> Iterator[int]:
        return iter(self.values)


class BatchGenerator:
    """The work that engines run: takes numbers, returns rows of the table."""

    def __init__(self, folder: str, spec: Spec) -> None:
        self._folder = folder
        self._spec = spec

    def __call__(self, numbers: Numbers) -> list[GeneratedFile]:
        """Generate the images with these numbers; return name, size and sha256 of each."""
        return [self._make(number) for number in numbers]

    def _make(self, number: int) -> GeneratedFile:
        picture, format_ = _picture(self._spec, number)
        data = _encoded(picture, format_)
        name = f"{number:08d}{SUFFIXES[format_]}"
        with atomic(os.path.join(self._folder, name), "wb") as file:
            file.write(data)
        return name, len(data), hashlib.sha256(data).hexdigest()


def _encoded(picture: Picture, format_: str) -> bytes:
    if format_ == "jpeg":
        from pixelmill.dataset import scenes

        return scenes.as_jpeg(picture, JPEG_QUALITY)
    made = Image.fromarray(picture)
    if format_ == "gif":
        made = made.quantize(256, Image.Quantize.FASTOCTREE)
    data = io.BytesIO()
    made.save(data, format_.upper())
    return data.getvalue()


def generate(folder: str, spec: Spec, workers: int, token: str = "") -> int:
    """Bring a folder of generated images up to date.

    Images that the last call generated with the same specification stay, surplus ones are
    removed, and other files are never touched.

    Parameters
    ----------
    folder : str
    spec : Spec
    workers : int
    token : str
        Stored beside the images, see `token`.

    Returns
    -------
    int
        Number of images that were generated.

    Raises
    ------
    UserError
        If files of others have the names of generated images.
    """
    table = os.path.join(folder, TABLE)
    with exclusive(folder):
        sweep(folder)
        _check_ours(folder, spec.count)
        finished = _intact(folder, spec)
        kept = len(finished)
        missing = spec.count - kept
        if missing:
            _make_all(folder, spec, missing, workers, finished)
        write_table(table, COLUMNS, (finished[number] for number in sorted(finished)))
        _write_record(folder, spec, token)
    log.info("generated %s images, kept %s", f"{missing:,}", f"{kept:,}")
    return missing


def _check_ours(folder: str, count: int) -> None:
    """Refuse to overwrite what was not generated: without a record, nothing was."""
    if os.path.exists(os.path.join(folder, RECORD)):
        return
    for entry in os.scandir(folder):
        if _OURS.fullmatch(entry.name) and int(entry.name[:8]) < count:
            raise UserError(
                f"'{folder}' contains '{entry.name}', which was not generated; choose another "
                "folder."
            )


def _intact(folder: str, spec: Spec) -> dict[int, GeneratedFile]:
    """Return the images of this spec that are unchanged; remove all other generated images."""
    table = os.path.join(folder, TABLE)
    before = _read_record(folder)
    same = before.get("spec") == spec.fingerprint()
    intact: dict[int, GeneratedFile] = {}
    for row in read_table(table) if os.path.exists(table) else []:
        name, size, sha256 = (row.get(column) or "" for column in COLUMNS)
        if not _OURS.fullmatch(name) or len(sha256) != 64:  # incomplete because a run was killed
            continue
        path = os.path.join(folder, name)
        if not same or int(name[:8]) >= spec.count:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        elif _size(path) == int(size):
            intact[int(name[:8])] = (name, int(size), sha256)
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if _OURS.fullmatch(entry.name)]
    for name in names:
        # Generated by a run that was killed before it recorded them.
        if spec.count <= int(name[:8]) < before.get("count", 0):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))
    # A new file, to which rows can be added: a file or link of this name is not written to.
    write_table(table, COLUMNS, (intact[number] for number in sorted(intact)))
    _write_record(folder, spec, before.get("token", ""))
    return intact


def _read_record(folder: str) -> Generation:
    record = os.path.join(folder, RECORD)
    if not os.path.exists(record):
        return {}
    try:
        generation: Generation = read_json(record)
        if isinstance(generation.get("count", 0), int):
            return generation
    except (OSError, ValueError, AttributeError, RecursionError):
        pass
    raise UserError(
        f"'{record}' is damaged, so it is not known which images were generated; remove the "
        "folder, or choose another one."
    )


def _write_record(folder: str, spec: Spec, token: str) -> None:
    generation: Generation = {"spec": spec.fingerprint(), "count": spec.count, "token": token}
    write_json(os.path.join(folder, RECORD), generation)


def _make_all(
    folder: str,
    spec: Spec,
    missing: int,
    workers: int,
    finished: dict[int, GeneratedFile],
) -> None:
    numbers = (number for number in range(spec.count) if number not in finished)
    tasks = map(Numbers, iter(lambda: list(itertools.islice(numbers, BATCH)), []))
    with (
        open(os.path.join(folder, TABLE), "a", encoding="utf-8") as table,
        open_engine(
            processes_or_threads(), workers, preload=(__spec__.name, "pixelmill.dataset.scenes")
        ) as engine,
        Progress(missing, "generate") as progress,
    ):

        def on_result(rows: list[GeneratedFile]) -> None:
            finished.update((int(row[0][:8]), row) for row in rows)
            table.writelines(",".join(map(str, row)) + "\n" for row in rows)
            table.flush()
            progress.advance(len(rows))

        while together := list(itertools.islice(tasks, MOST_TASKS)):
            engine.run(BatchGenerator(folder, spec), together, on_result)


def made_in(folder: str) -> Callable[[str], bool] | None:
    """Return a test for names of generated files in a folder; None if there are none."""
    record, table = os.path.join(folder, RECORD), os.path.join(folder, TABLE)
    if not os.path.isfile(record):
        return None
    noted = {row["name"] for row in read_table(table)} if os.path.isfile(table) else set()
    count = _read_record(folder).get("count", 0)

    def is_made(name: str) -> bool:
        if _OURS.fullmatch(name):  # a killed run may not have recorded it
            return name in noted or int(name[:8]) < count
        return name in (RECORD, TABLE, ".lock") or TEMPORARY.fullmatch(name) is not None

    return is_made


def token(folder: str) -> str:
    """Return a token by which Snakemake, which does not know the images, sees whether all exist.

    The token stays the same while all images exist, and is a new one if some are gone;
    `generate` then stores it beside the images.
    """
    record, table = os.path.join(folder, RECORD), os.path.join(folder, TABLE)
    if os.path.exists(record) and os.path.exists(table):
        with os.scandir(folder) as entries:
            there = {entry.name for entry in entries}
        if all(row["name"] in there for row in read_table(table)):
            return _read_record(folder).get("token", "")
    return secrets.token_hex(8)


def _size(path: str) -> int:
    try:
        state = os.lstat(path)
    except OSError:
        return -1
    return state.st_size if stat.S_ISREG(state.st_mode) else -1
