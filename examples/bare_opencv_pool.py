"""Resize JPEGs with OpenCV in a bare process pool, for comparison with `opencv.yaml`.

Usage: ``python examples/bare_opencv_pool.py my_photos out 2`` (source, target, workers).
"""

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2


def resize(target: str, source: Path) -> None:
    """Resize one image to 600x600 and save it in the folder `target`."""
    picture = cv2.imread(str(source))
    cv2.imwrite(os.path.join(target, source.name), cv2.resize(picture, (600, 600)))


if __name__ == "__main__":
    source, target, workers = sys.argv[1:]
    os.makedirs(target, exist_ok=True)
    paths = sorted(Path(source).glob("*.jpg"))
    began = time.perf_counter()
    cv2.setNumThreads(1)
    with ProcessPoolExecutor(int(workers)) as pool:
        list(pool.map(partial(resize, target), paths))
    print(f"{len(paths) / (time.perf_counter() - began):.1f} images/s")
