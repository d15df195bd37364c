"""Pictures of the tests as arrays."""

import numpy as np
import PIL.Image

from convcli.images.write import fit

SOBEL_X = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def pixels(path):
    """Read a picture as an array."""
    with PIL.Image.open(path) as picture:
        return np.asarray(picture)


def encode(image, file_format, encoding):
    """Return the bytes of an image in a format."""
    return fit(image, file_format, encoding).encode(image)


def clipped(response, white=255):
    """Round half to even and clip."""
    return np.clip(np.rint(response), 0, white)


TRANSPARENT_RED_BESIDE_WHITE = np.array([[[255, 255, 255, 255]] * 3 + [[255, 0, 0, 0]] * 3] * 3, np.uint8)
