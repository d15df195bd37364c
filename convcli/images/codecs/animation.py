"""What codecs of animations share: when frames are shown, and the part of a frame that differs from the one before."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np

from ...errors import ArgumentError
from ..frames import LevelsOfFrame, Series
from ..image import Array

DEFAULT_DURATION = 100.0
"""Milliseconds for which each frame is shown where the input does not say."""

Levels: TypeAlias = tuple[Array, bool]
"""Levels (H, W, C) of a frame, and whether the last channel is alpha."""

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom of a rectangle; the last two lie outside it."""


def timing_of(series: Series) -> tuple[tuple[float, ...], int]:
    """Return the duration of each frame in milliseconds, and how often they are shown, 0 for ever."""
    return series.durations or (DEFAULT_DURATION,) * series.count, series.loop or 0


def of_one_size(frames: Iterable[LevelsOfFrame], name: str) -> Iterator[Levels]:
    """Yield the frames. Raises ArgumentError where one has not the size of the first."""
    size: tuple[int, ...] = ()
    for index, (levels, has_alpha, *_) in enumerate(frames):
        size = size or levels.shape[:2]
        if levels.shape[:2] != size:
            raise ArgumentError(
                f"an animation in {name} has frames of one size: frame 0 is {size[1]} x {size[0]}, frame {index} "
                f"{levels.shape[1]} x {levels.shape[0]}; write each frame to a file, with {{frame}} in the name of the output"
            )
        yield levels, has_alpha


def changed_box(before: Levels | None, after: Levels) -> Box:
    """Return the smallest rectangle outside which two frames of one size are equal. It has at least one pixel.

    >>> before, after = np.zeros((4, 5, 1)), np.zeros((4, 5, 1))
    >>> after[1:3, 2] = 1
    >>> changed_box((before, False), (after, False))
    (2, 1, 3, 3)
    """
    height, width, samples = after[0].shape
    if before is None or before[0].shape[2] != samples:
        return 0, 0, width, height
    return box_of(changed_pixels(before[0], after[0]))


def changed_pixels(before: Array, after: Array) -> Array:
    """Return which pixels (H, W) of two frames (H, W, C) differ. Each channel is compared by itself, which is fast."""
    changed: Array = before[:, :, 0] != after[:, :, 0]
    for channel in range(1, after.shape[2]):
        changed |= before[:, :, channel] != after[:, :, channel]
    return changed


def box_of(changed: Array) -> Box:
    """Return the smallest rectangle with all pixels that are True. It has at least one pixel."""
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if not rows.size:
        return 0, 0, 1, 1
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
