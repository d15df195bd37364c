"""Brings a handwritten digit, as a photo or a scan has it, to the form of the MNIST digits.

The rule is that of LeCun, Bottou, Bengio and Haffner, Gradient-Based Learning Applied to Document Recognition (Proceedings of
the IEEE 86, 1998), section III.A: ink is light on dark paper, its box is scaled to fit 20 x 20 without changing its
proportions, and its centre of mass is in the middle of 28 x 28. Finding ink and paper is Otsu's threshold.
"""

import math

import numpy as np
from msgspec import Struct

from ..errors import ArgumentError
from ..images.image import Array
from ..images.resize import resized

BOX, SIDE = 20, 28
"""The side of the box that the ink fills, and that of the picture."""

LEAST_CONTRAST = 0.05
"""Difference of ink and paper at least, of that of black and white: less is noise."""

FAINT = 0.2
"""Share of full ink below which a sample is paper."""


class PreparedDigit(Struct, frozen=True, eq=False):
    """A digit in the form of MNIST: (28, 28) float32, ink 1 on paper 0; and what was done.

    ``is_dark`` is whether the ink was darker than the paper, ``box`` where the ink was: (top, bottom, left, right).
    """

    digit: Array
    is_dark: bool
    box: tuple[int, int, int, int]

    @property
    def description(self) -> str:
        """What was done, for people."""
        top, bottom, left, right = self.box
        ink = "dark ink on light paper" if self.is_dark else "light ink on dark paper"
        return f"{ink}, {right - left} x {bottom - top} at {left},{top}, brought to {BOX} x {BOX} in {SIDE} x {SIDE}"


def prepare_digit(grey: Array, invert: str = "auto") -> PreparedDigit:
    """Return a grey picture (H, W), 0 black and 1 white, as a digit of MNIST. Raises ArgumentError where there is no ink.

    >>> picture = np.ones((60, 40))
    >>> picture[20:50, 12:18] = 0.1
    >>> prepare_digit(picture).description
    'dark ink on light paper, 6 x 30 at 12,20, brought to 20 x 20 in 28 x 28'
    """
    threshold = _otsu(grey)
    above = grey > threshold
    frame = np.concatenate([above[0], above[-1], above[:, 0], above[:, -1]])
    is_dark = bool(frame.mean() > 0.5) if invert == "auto" else invert == "yes"
    is_ink = ~above if is_dark else above
    if not is_ink.any() or is_ink.all():
        raise ArgumentError("holds no digit: all of it is paper")
    ink_level, paper_level = float(np.median(grey[is_ink])), float(np.median(grey[~is_ink]))
    if abs(ink_level - paper_level) < LEAST_CONTRAST:
        raise ArgumentError("holds no digit: its levels differ by less than a twentieth of black and white")
    ink = np.clip((grey - paper_level) / (ink_level - paper_level), 0, 1)
    ink[ink < FAINT] = 0
    rows, columns = np.flatnonzero(is_ink.any(axis=1)), np.flatnonzero(is_ink.any(axis=0))
    box = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    return PreparedDigit(_centred(_fitted(ink[box[0] : box[1], box[2] : box[3]])), is_dark, box)


def _otsu(grey: Array) -> float:
    """Return the level that divides the samples best: the variance between the two parts is largest.

    Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE Trans. SMC 9 (1979) 62-66.
    """
    low, high = float(grey.min()), float(grey.max())
    counts, edges = np.histogram(grey, 256, (low, high if high > low else low + 1))
    middles = (edges[:-1] + edges[1:]) / 2
    below, sums = np.cumsum(counts), np.cumsum(counts * middles)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        variances = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    best = np.flatnonzero(variances == np.nanmax(variances)) if np.isfinite(variances).any() else np.array([0])
    return float(edges[1:][best].mean())


def _fitted(ink: Array) -> Array:
    """Return ink in the largest size that fits the box, with its proportions."""
    height, width = ink.shape
    scale = BOX / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    fitted: Array = resized(ink[None].astype(np.float32), size)[0]
    return fitted


def _centred(ink: Array) -> Array:
    """Return ink with its centre of mass in the middle of the picture, as far as all of it is in the picture."""
    height, width = ink.shape
    total = float(ink.sum()) or 1.0
    out = np.zeros((SIDE, SIDE), np.float32)
    places = []
    for length, masses in ((height, ink.sum(axis=1)), (width, ink.sum(axis=0))):
        centre = float((masses * (np.arange(length) + 0.5)).sum()) / total
        places.append(min(max(math.floor(SIDE / 2 - centre + 0.5), 0), SIDE - length))
    out[places[0] : places[0] + height, places[1] : places[1] + width] = ink
    return out
