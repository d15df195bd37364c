"""Random affine changes of pictures: rotation, scale, shear and shift, so that a network learns what does not matter."""

import numpy as np
from msgspec import Struct

from ..engine.jit.run import run_loop
from ..engine.loops.gradients import sample_affine
from ..engine.simd.reference import Array


class Changes(Struct, frozen=True):
    """The largest changes: a rotation in radians, a share of the size, a shear, and a shift as a share of the side."""

    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0

    @property
    def are_none(self) -> bool:
        """Whether nothing is changed."""
        return not (self.rotation or self.scale or self.shear or self.shift)


PRESETS = {"none": Changes(), "digits": Changes(rotation=0.12, scale=0.08, shear=0.12, shift=0.06)}
"""Changes by words."""


def changed(pictures: Array, changes: Changes, rng: np.random.Generator, paper: float) -> Array:
    """Return pictures (N, C, H, W), each changed at random about its middle, with ``paper`` beyond its edges.

    Samples are interpolated between four pixels.
    """
    count, _, height, width = pictures.shape
    angle = rng.uniform(-1, 1, count) * changes.rotation
    scale = np.exp(rng.uniform(-1, 1, (count, 2)) * changes.scale)
    shear = rng.uniform(-1, 1, count) * changes.shear
    shift = rng.uniform(-1, 1, (count, 2)) * changes.shift * (height, width)
    cosine, sine = np.cos(angle), np.sin(angle)
    matrices = np.empty((count, 6), np.float32)  # from places in the result to places in the picture
    matrices[:, 0], matrices[:, 1] = cosine * scale[:, 0], (sine + shear * cosine) * scale[:, 1]
    matrices[:, 3], matrices[:, 4] = -sine * scale[:, 0], (cosine - shear * sine) * scale[:, 1]
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    matrices[:, 2] = middle[0] + shift[:, 0] - matrices[:, 0] * middle[0] - matrices[:, 1] * middle[1]
    matrices[:, 5] = middle[1] + shift[:, 1] - matrices[:, 3] * middle[0] - matrices[:, 4] * middle[1]
    out = np.empty(pictures.shape, np.float32)
    run_loop(sample_affine, np.ascontiguousarray(pictures, np.float32), matrices, np.float32(paper), out)
    return out
