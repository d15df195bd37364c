"""The samples of an image as kernels see them: its levels, or linear light, times alpha; and levels of their responses."""

import functools
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from ..errors import ArgumentError
from ..geometry.borders import Border
from ..images import alpha as transparency
from ..images.image import Array, Image
from .apply_request import ApplyRequest
from .missing_samples import absent_samples_of

if TYPE_CHECKING:  # imported where light is asked for
    from ..images.light import LinearLight


class Samples(Struct, frozen=True, eq=False, dict=True):
    """The samples of an image. Without ``light`` they are levels, with it light from 0 to 1. ``border`` is in their unit.

    ``absent`` says which are missing: (H, W, C) bool, (H, W, 1) for whole pixels, None where none is.
    """

    image: Image
    light: "LinearLight | None"
    border: Border
    absent: Array | None = None

    @functools.cached_property
    def opaque(self) -> bool:
        """Whether every pixel is opaque, so that samples are not multiplied by alpha."""
        return transparency.is_opaque(self.image)

    @functools.cached_property
    def absent_rows(self) -> Array:
        """Whether each row has missing samples: (H, 1, 1) bool."""
        assert self.absent is not None
        rows: Array = np.any(self.absent, axis=(1, 2), keepdims=True)
        return rows

    @property
    def are_pixels(self) -> bool:
        """Whether the samples are the pixels of the image, unchanged."""
        return self.light is None and self.opaque

    def read(self, rows: Array | slice, out: Array) -> None:
        """Write the samples of some rows to ``out`` (n, W, C), float32 or float64."""
        colours = self.image.pixels[rows]
        if self.light is not None:
            self.light.decode(colours, out)
            colours = out
        if not self.opaque:
            transparency.multiply_by_alpha(self.image, rows, colours, out)
        elif self.light is None:
            out[:] = colours

    def whole(self) -> Array:
        """Return all samples: (H, W, C) float32, float64 for float64 pixels."""
        out = np.empty(self.image.pixels.shape, transparency.float_dtype_of(self.image))
        self.read(slice(None), out)
        return out

    def as_levels(self, response: Array) -> Array:
        """Return a response (H, W, C) of samples, not multiplied by alpha, in levels. It is changed in place."""
        return response if self.light is None else self.light.encode(response)

    def as_light(self, response: Array) -> Array:
        """Return a response (H, W, C) in levels in the unit of the samples, the inverse of ``as_levels``."""
        return response if self.light is None else self.light.decode_numbers(response)


def samples_for(request: ApplyRequest, image: Image) -> Samples:
    """Return the samples of an image under a request.

    Raises ImageError for an image whose curve cannot be used, ArgumentError where its channels have several curves and an
    option needs one, and for a --mask or --nodata that does not fit the image.
    """
    absent = absent_samples_of(request, image) if request.may_miss else None
    if request.light != "linear":
        return Samples(image, None, request.border, absent)
    from ..images.light import REMEDY, light_of

    light, border = light_of(image), request.border
    if light is None:
        return Samples(image, None, border, absent)
    several = f"the channels of this picture have {len(light.curves)} curves; {REMEDY}"
    if len(light.curves) > 1 and not all(map(request.keeps_channels, request.kernels)):
        raise ArgumentError(f"--light linear cannot encode a sum over channels: {several}")
    if not isinstance(border, str):
        decoded = light.decode_numbers(np.full(len(light.curves), float(border)))
        if len(set(decoded.tolist())) > 1:
            raise ArgumentError(f"--light linear cannot decode the level {border:g} of --border: {several}")
        border = float(decoded[0])
    return Samples(image, light, border, absent)
