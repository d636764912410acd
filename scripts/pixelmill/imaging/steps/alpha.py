"""Alpha: how neighbours are mixed without letting the colour of hidden pixels show.

Averages are taken of premultiplied colours (Porter and Duff, "Compositing digital images",
1984). A filter with negative weights overshoots: premultiplied colours and alpha alike, so
that their ratio is right only before either is clipped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from pixelmill.imaging.arrays import opencv

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
else:
    Array = Any

#: Below this alpha, in parts of 1, which rounds to no level of 8 bits, no colour is seen.
_LEAST = 1 / 1024


def mixed(colors: list[Array], alpha: Array, mix: Callable[[Array], Array]) -> list[Array]:
    """Mix neighbouring pixels with alpha, one channel after the other.

    Parameters
    ----------
    colors : list of ndarray
        Channels of shape (height, width), not premultiplied, of any type.
    alpha : ndarray
        From 0 to 1, float32.
    mix : callable
        Linear; takes a channel in float32 and returns one, of any size.

    Returns
    -------
    list of ndarray
        The colours, unclipped and not premultiplied, and alpha from 0 to 1.
    """
    import numpy as np

    cv2 = opencv()
    covered = mix(alpha)
    divisor = np.maximum(covered, _LEAST)
    # NumPy would convert each channel to floats first.
    made = [mix(cv2.multiply(channel, alpha, dtype=cv2.CV_32F)) / divisor for channel in colors]
    return [*made, np.clip(covered, 0, 1)]


def filled(pixels: Array) -> Array:
    """Colours of pixels with alpha, hidden ones replaced by the nearest that is seen.

    Parameters
    ----------
    pixels : ndarray
        Shape (height, width, channels), the last channel alpha, not premultiplied.

    Returns
    -------
    ndarray
        Shape (height, width, channels - 1).

    Examples
    --------
    >>> import numpy as np
    >>> filled(np.array([[[9, 255], [0, 0], [0, 0], [7, 1]]], np.uint8))[..., 0]
    array([[9, 9, 7, 7]], dtype=uint8)
    """
    import numpy as np

    cv2 = opencv()
    colors, hidden = pixels[..., :-1], pixels[..., -1] == 0
    if not hidden.any() or hidden.all():
        return np.ascontiguousarray(colors)
    _, nearest = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    seen = np.flatnonzero(~hidden)
    places = np.zeros(nearest.max() + 1, np.intp)
    places[nearest.ravel()[seen]] = seen
    return np.asarray(colors.reshape(-1, colors.shape[2])[places[nearest]])
