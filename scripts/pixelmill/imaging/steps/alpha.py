"""Alpha: neighbouring pixels are mixed so that the colour of hidden pixels does not show.

Premultiplied colours are averaged (Porter and Duff, "Compositing digital images", 1984). A filter
with negative weights overshoots in premultiplied colours and in alpha, so their ratio must be taken
before either is clipped.
"""

from __future__ import annotations

from collections.abc import Callable

from pixelmill.imaging.arrays import AnyArray, opencv

#: Smallest alpha, from 0 to 1, that colours are divided by; it rounds to 0 in 8 bits.
_LEAST = 1 / 1024


def mixed(
    colors: list[AnyArray], alpha: AnyArray, mix: Callable[[AnyArray], AnyArray]
) -> list[AnyArray]:
    """Mix neighbouring pixels with alpha, channel by channel.

    Parameters
    ----------
    colors : list of ndarray
        Channels of shape (height, width), not premultiplied, of any type.
    alpha : ndarray
        From 0 to 1, float32.
    mix : callable
        A linear function that takes a channel of float32 and returns one of any size.

    Returns
    -------
    list of ndarray
        The colours, unclipped and not premultiplied, and alpha from 0 to 1.
    """
    import numpy as np

    cv2 = opencv()
    covered = mix(alpha)
    divisor = np.maximum(covered, _LEAST)
    # NumPy would make a copy of each channel in floats first.
    made = [mix(cv2.multiply(channel, alpha, dtype=cv2.CV_32F)) / divisor for channel in colors]
    return [*made, np.clip(covered, 0, 1)]


def filled(pixels: AnyArray) -> AnyArray:
    """Colours of pixels with alpha; hidden ones get the colour of the nearest visible one.

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
