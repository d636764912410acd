"""Bare pools: the bare process pools that people write, and the floor below which none can get.

Each hands its files out in few chunks and starts its workers before the clock, so that
nothing but the work is measured: harder to beat than what people write.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pixelmill.engines.base import pin_inner_threads
from pixelmill.imaging.arrays import opencv

#: Parts of the files that each worker takes one after another: the last ends soon
#: after the others, and handing them out costs nothing.
CHUNKS_PER_WORKER = 16


class Task(NamedTuple):
    """One resize: a frame in pixels, which the result fills if `exact` and else fits into.

    `margin` is how many times larger than the result an image may be decoded; 0 where
    it is decoded in full.
    """

    width: int
    height: int
    exact: bool
    quality: int
    margin: float


def run(
    name: str, task: Task, folder: Path, files: Sequence[str], target: Path, workers: int
) -> tuple[float, str]:
    """Let a pool make all images.

    Returns
    -------
    seconds : float
        Wall-clock time, the workers' start left out.
    complaints : str
        What went wrong.
    """
    work = partial(POOLS[name], task, folder, target)
    with ProcessPoolExecutor(workers, initializer=_prepare, initargs=(name,)) as pool:
        list(pool.map(time.sleep, [0.1] * workers))  # so long that each must have started
        began = time.perf_counter()
        chunk = max(1, len(files) // (CHUNKS_PER_WORKER * workers))
        complaints = "".join(pool.map(work, files, chunksize=chunk))
        return time.perf_counter() - began, complaints


def available() -> list[str]:
    """Pools whose libraries are installed: OpenCV's always are."""
    floor = importlib.util.find_spec("simplejpeg") is not None
    return [name for name in POOLS if name != CODEC_FLOOR or floor]


def _prepare(name: str) -> None:
    pin_inner_threads()
    importlib.import_module("simplejpeg" if name == CODEC_FLOOR else "cv2")


def _fitted(task: Task, width: int, height: int) -> tuple[int, int]:
    if task.exact:
        return task.width, task.height
    scale = min(task.width / width, task.height / height)
    return max(1, round(scale * width)), max(1, round(scale * height))


def _opencv(filter: str, task: Task, folder: Path, target: Path, file: str) -> str:
    """Do what ``examples/bare_opencv_pool.py`` does."""
    cv2: Any = opencv()
    picture = cv2.imread(str(folder / file))
    if picture is None:
        return f"{file} cannot be read. "
    size = _fitted(task, *picture.shape[1::-1])
    place = str(target / f"{Path(file).stem}.jpg")
    made = cv2.resize(picture, size, interpolation=getattr(cv2, filter))
    return "" if cv2.imwrite(place, made, [cv2.IMWRITE_JPEG_QUALITY, task.quality]) else place


def _codec(task: Task, folder: Path, target: Path, file: str) -> str:
    """Decode and encode alone: a corner of the picture, as large as the result."""
    import simplejpeg

    data = (folder / file).read_bytes()
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        size = _fitted(task, width, height)
        least = {"min_width": int(task.margin * size[0]), "min_height": int(task.margin * size[1])}
        picture = simplejpeg.decode_jpeg(data, **least if task.margin else {})
    except ValueError as error:
        return f"{file}: {error} "
    corner = picture[: size[1], : size[0]].copy()
    made = simplejpeg.encode_jpeg(corner, quality=task.quality, colorsubsampling="420")
    (target / f"{Path(file).stem}.jpg").write_bytes(made)
    return ""


#: The floor: JPEG's codec by simplejpeg, and nothing else.
CODEC_FLOOR = "codec-floor"

#: What a worker of each does to one file.
POOLS: dict[str, Callable[[Task, Path, Path, str], str]] = {
    "opencv-pool": partial(_opencv, "INTER_LINEAR"),  # OpenCV's default
    "opencv-area-pool": partial(_opencv, "INTER_AREA"),
    CODEC_FLOOR: _codec,
}
