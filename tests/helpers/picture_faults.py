"""Make faulty pictures, as broken image processors do, from correct outputs and their sources.

Each fault is a function of the frames of a right output (RGB or RGBA, or I;16) that returns the
wrong frames, or None if such a picture has nothing that the fault would change.
"""

import io

import numpy as np
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

#: EXIF tag of the orientation.
ORIENTATION = 0x0112


def on_arrays(change):
    """Turn a function that changes one array into a fault of all frames."""

    def fault(frames):
        changed = []
        for frame in frames:
            array = change(np.asarray(frame))
            if array is None:
                return None
            changed.append(Image.fromarray(np.ascontiguousarray(array)))
        return changed

    return fault


def colors_only(change):
    """Leave alpha as it is."""

    def changed(array):
        if array.ndim == 2:
            return None
        colors = change(array[..., :3])
        return colors if array.shape[2] == 3 else np.dstack([colors, array[..., 3]])

    return changed


def with_alpha(change):
    """Change pictures that have partly transparent pixels only."""

    def changed(array):
        if array.ndim == 2 or array.shape[2] != 4 or array[..., 3].min() > 250:
            return None
        return change(array)

    return changed


def half_grey(array):
    array = array.copy()
    array[array.shape[0] // 2 :, :, ...] = 128 if array.dtype == np.uint8 else 32896
    if array.ndim == 3 and array.shape[2] == 4:
        array[array.shape[0] // 2 :, :, 3] = 255
    return array


def premultiplied(array):
    partly = (array[..., 3] > 25) & (array[..., 3] < 230)
    if partly.sum() < 30 or array[partly][:, :3].max() < 60:
        return None
    part = array[..., 3:].astype(float) / 255
    return np.dstack([np.rint(array[..., :3] * part).astype(np.uint8), array[..., 3]])


def power(exponent):
    def bent(colors):
        return np.rint(255 * (colors / 255) ** exponent).astype(np.uint8)

    return bent


def displaced(pixels):
    def moved(array):
        if min(array.shape[:2]) < 8 * pixels:
            return None
        padded = np.pad(array, [(pixels, 0), (pixels, 0), (0, 0)][: array.ndim], mode="edge")
        return padded[:-pixels, :-pixels]

    return moved


def noisy(array):
    noise = np.random.default_rng(1).normal(0, 30, (*array.shape[:2], 3))
    return np.rint(np.clip(array + noise, 0, 255)).astype(np.uint8)


def noise(array):
    return np.random.default_rng(1).integers(0, 256, array.shape, dtype=np.uint8)


def exchanged_frames(frames):
    if len(frames) < 2:
        return None
    return [frames[-1], *frames[1:-1], frames[0]]


def dropped_frame(frames):
    return frames[:-1] if len(frames) > 2 else None


def first_frame_only(frames):
    return [frames[0]] * len(frames) if len(frames) > 1 else None


def shallow(frames):
    array = np.asarray(frames[0])
    if array.dtype != np.uint16 or len(np.unique(array)) < 300:
        return None
    return [Image.fromarray(array >> 8 << 8)]


def twelve_bits(frames):
    array = np.asarray(frames[0])
    return [Image.fromarray(array >> 4)] if array.dtype == np.uint16 else None


FAULTS = {
    "red and blue swapped": on_arrays(colors_only(lambda c: c[..., ::-1])),
    "red and green swapped": on_arrays(colors_only(lambda c: c[..., [1, 0, 2]])),
    "inverted": on_arrays(colors_only(lambda c: 255 - c)),
    "four bits too dark": on_arrays(colors_only(lambda c: c >> 4)),
    "a bit too bright": on_arrays(colors_only(lambda c: np.minimum(c, 127) << 1)),
    "gamma 2.2 too much": on_arrays(colors_only(power(2.2))),
    "gamma 2.2 too little": on_arrays(colors_only(power(1 / 2.2))),
    "gamma 1.4 too much": on_arrays(colors_only(power(1.4))),
    "grey": on_arrays(
        colors_only(lambda c: np.repeat(c.mean(2, keepdims=True), 3, 2).astype("u1"))
    ),
    "replaced by noise": on_arrays(colors_only(noise)),
    "noise added": on_arrays(colors_only(noisy)),
    "half grey": on_arrays(half_grey),
    "mirrored": on_arrays(lambda a: a[:, ::-1]),
    "upside down": on_arrays(lambda a: a[::-1]),
    "moved by 2": on_arrays(displaced(2)),
    "moved by 5": on_arrays(displaced(5)),
    "alpha lost": on_arrays(with_alpha(lambda a: a[..., :3])),
    "alpha inverted": on_arrays(with_alpha(lambda a: np.dstack([a[..., :3], 255 - a[..., 3]]))),
    "alpha multiplied in": on_arrays(with_alpha(premultiplied)),
    "8 of 16 bits": shallow,
    "12 of 16 bits": twelve_bits,
    "frames exchanged": exchanged_frames,
    "a frame lost": dropped_frame,
    "the first frame only": first_frame_only,
}


def frames_of(data):
    """Frames of a file as decoded by Pillow, and the duration of each."""
    with Image.open(io.BytesIO(data)) as image:
        format_, frames, times = image.format, [], []
        for frame in ImageSequence.Iterator(image):
            frame.load()  # only then does Pillow know the duration of a frame of WebP
            times.append(frame.info.get("duration", 0))
            if frame.mode == "I;16":
                frames.append(frame.copy())
            else:
                clear = "transparency" in frame.info or not {"A", "a"}.isdisjoint(frame.getbands())
                straight = frame.convert("LA") if frame.mode == "La" else frame
                frames.append(straight.convert("RGBA" if clear else "RGB"))
    return format_, frames, times


def saved(format_, frames, times):
    """Write frames as pixelmill writes them, so that only the pictures differ."""
    options = {
        "JPEG": {"quality": 90}, "WEBP": {"quality": 90}, "AVIF": {"quality": 90, "speed": 9},
    }.get(format_, {})  # fmt: skip
    if len(frames) > 1:
        options |= {"save_all": True, "append_images": frames[1:], "duration": times[: len(frames)]}
        options |= {"GIF": {"disposal": 2}, "PNG": {"blend": 0}}.get(format_, {})
    file = io.BytesIO()
    frames[0].save(file, format_, **options)
    return file.getvalue()


def planted(name, data):
    """Return an output with a fault, or None if the fault is not visible."""
    format_, frames, times = frames_of(data)
    wrong = FAULTS[name](frames)
    if wrong is None or (len(wrong) == len(frames) and not differ(frames, wrong, name)):
        return None
    return saved(format_, wrong, times)


def differ(frames, others, name):
    """Whether at least one frame differs by more than a level or two on average."""
    if name == "8 of 16 bits":
        return True
    return any(
        np.abs(seen(one) - seen(other)).mean() > 2.5
        for one, other in zip(frames, others, strict=True)
    )


def seen(image):
    """Levels of 0 to 255 with colours multiplied by alpha, and alpha."""
    if image.mode == "I;16":
        return np.asarray(image, float) / 257
    layers = np.asarray(image.convert("RGBA"), float)
    return np.dstack([layers[..., :3] * layers[..., 3:] / 255, layers[..., 3]])


def misturned(source, data, times):
    """Return an output whose source was not rotated upright, or was rotated twice, or None.

    Parameters
    ----------
    source : bytes
    data : bytes
        The right output.
    times : int
        How often the orientation is applied: 0 or 2.
    """
    try:
        with Image.open(io.BytesIO(source)) as image:
            exif = Image.Exif()
            exif.load(image.info.get("exif", b""))  # an orientation only in XMP is ignored
            orientation = exif.get(ORIENTATION, 1)
            stored = image.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError):  # other libraries may support it
        return None
    if orientation in (0, 1) or image.format == "TIFF":  # which Pillow rotates itself
        return None
    for _ in range(times):
        tagged = stored.copy()
        tagged.getexif()[ORIENTATION] = orientation
        stored = ImageOps.exif_transpose(tagged)
        stored.getexif().clear()
    format_, (right,), _ = frames_of(data)
    wrong = stored.resize(right.size)
    if not differ([right.convert("RGB")], [wrong], ""):
        return None
    return saved(format_, [wrong], [0])
