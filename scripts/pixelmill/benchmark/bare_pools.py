"""Bare pools: process pools such as people write themselves, and the codec alone.

Each hands out its files in few chunks and starts its workers before the clock, so that only the
work is measured. That makes them faster than what people write.
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

#: Number of chunks for each worker: enough for all workers to end at about the same time, and few
#: enough to cost nothing.
CHUNKS_PER_WORKER = 16


class Task(NamedTuple):
    """A resize that all tools can do.

    Attributes
    ----------
    width, height : int
        Frame in pixels.
    exact : bool
        Whether the result fills the frame; otherwise it fits into it.
    quality : int
        Of the JPEG.
    margin : float
        How many times larger than the result a JPEG must be decoded at least; 0 decodes it in
        full.
    """

    width: int
    height: int
    exact: bool
    quality: int
    margin: float


def run(
    name: str, task: Task, folder: Path, files: Sequence[str], target: Path, workers: int
) -> tuple[float, str]:
    """Process all images with a pool.

    Returns
    -------
    seconds : float
        Wall-clock time, without the start of the workers.
    complaints : str
        Messages about what went wrong.
    """
    work = partial(POOLS[name], task, folder, target)
    with ProcessPoolExecutor(workers, initializer=_prepare, initargs=(name,)) as pool:
        list(pool.map(time.sleep, [0.1] * workers))  # long enough for every worker to start
        began = time.perf_counter()
        chunk = max(1, len(files) // (CHUNKS_PER_WORKER * workers))
        complaints = "".join(pool.map(work, files, chunksize=chunk))
        return time.perf_counter() - began, complaints


def available() -> list[str]:
    """Return the pools whose libraries are installed; OpenCV always is."""
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
    """Resize as ``examples/bare_opencv_pool.py`` does."""
    cv2: Any = opencv()
    picture = cv2.imread(str(folder / file))
    if picture is None:
        return f"{file} cannot be read. "
    size = _fitted(task, *picture.shape[1::-1])
    place = str(target / f"{Path(file).stem}.jpg")
    made = cv2.resize(picture, size, interpolation=getattr(cv2, filter))
    return "" if cv2.imwrite(place, made, [cv2.IMWRITE_JPEG_QUALITY, task.quality]) else place


def _codec(task: Task, folder: Path, target: Path, file: str) -> str:
    """Decode, and encode a corner of the picture that is as large as the result."""
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


#: The codec of JPEG in simplejpeg, and nothing else: no tool can be faster.
CODEC_FLOOR = "codec-floor"

#: What a worker of each pool does with one file.
POOLS: dict[str, Callable[[Task, Path, Path, str], str]] = {
    "opencv-pool": partial(_opencv, "INTER_LINEAR"),  # OpenCV's default
    "opencv-area-pool": partial(_opencv, "INTER_AREA"),
    CODEC_FLOOR: _codec,
}
