"""Resize the JPEGs of a folder as people do without pixelmill; see whole_commands.py.

Usage: ``python docs/bare_pool.py LIBRARY SRC DST SIDE FIT QUALITY WORKERS``. LIBRARY is ``pillow``,
in whose place pillow-simd may be installed, or ``opencv``; FIT is ``stretch`` or ``inside``.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

if sys.argv[1] == "opencv":
    import cv2
else:
    from PIL import Image


def by_opencv(target: Path, side: int, fit: str, quality: int, source: Path) -> None:
    """Resize one photo with OpenCV."""
    cv2.setNumThreads(1)
    photo = cv2.imread(str(source))
    height, width = photo.shape[:2]
    scale = min(1, side / max(height, width))
    inside = max(1, round(width * scale)), max(1, round(height * scale))
    size = (side, side) if fit == "stretch" else inside
    made = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(target / source.name), made, [cv2.IMWRITE_JPEG_QUALITY, quality])


def by_pillow(target: Path, side: int, fit: str, quality: int, source: Path) -> None:
    """Resize one photo with Pillow."""
    with Image.open(source) as file:
        photo = file.convert("RGB")
        scale = min(1, side / max(photo.size))
        inside = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
        size = (side, side) if fit == "stretch" else inside
        made = photo.resize(size, Image.Resampling.LANCZOS)
    made.save(target / source.name, quality=quality)


if __name__ == "__main__":
    library, folder, target, side, fit, quality, workers = sys.argv[1:]
    Path(target).mkdir(parents=True, exist_ok=True)
    photos = sorted(Path(folder).glob("*.jpg"))
    resize = by_opencv if library == "opencv" else by_pillow
    work = partial(resize, Path(target), int(side), fit, int(quality))
    with ProcessPoolExecutor(int(workers)) as pool:
        list(pool.map(work, photos, chunksize=max(1, min(20, len(photos) // 16))))
