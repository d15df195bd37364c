"""The frames of a file: what it says about them, and the reader that decodes them one at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from .image import Admit, Image


@dataclass(frozen=True)
class Series:
    """What a file says about its frames, which are numbered from 0.

    Parameters
    ----------
    count
        Number of frames.
    axes, shape
        A letter for each axis along which the frames lie, and their lengths, such as "TZ" and (5, 12) for 5 times 12 frames.
        The last axis changes first. Empty where the file does not say.
    durations
        Milliseconds for which each frame is shown; empty where the file is no animation.
    loop
        How often an animation is shown, 0 for ever; None where the file does not say.
    labels
        A text for each frame, or none.
    channels
        A name for each channel of a frame, or none.
    spacing
        Axes and distances of neighbours along them in ``unit``, such as (("Z", 0.5), ("Y", 0.1), ("X", 0.1)). That of "T" is
        in seconds.
    unit
        Unit of length of ``spacing``, such as "micron".
    are_alternates
        Whether the frames are versions of one picture, in other sizes or for other uses, so that the first alone is used unless
        frames are asked for.
    """

    count: int = 1
    axes: str = ""
    shape: tuple[int, ...] = ()
    durations: tuple[float, ...] = ()
    loop: int | None = None
    labels: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    spacing: tuple[tuple[str, float], ...] = ()
    unit: str = ""
    are_alternates: bool = False

    def selected(self, indices: Sequence[int]) -> "Series":
        """Return the series of some frames. Frames that lie along several axes, and are not all of them, lose these axes."""
        if list(indices) == list(range(self.count)):
            return self
        axes = self.axes if len(self.axes) == 1 else ""
        return replace(
            self,
            count=len(indices),
            axes=axes,
            shape=(len(indices),) if axes else (),
            durations=tuple(self.durations[index] for index in indices) if self.durations else (),
            labels=tuple(self.labels[index] for index in indices) if self.labels else (),
            spacing=tuple((axis, distance) for axis, distance in self.spacing if axis in "YX"),
        )


ReadFrame: TypeAlias = Callable[[int, Admit], Image]
"""Decodes the frame of an index, upright. The second argument is called with its header before the pixels are read."""


@dataclass(frozen=True)
class Frames:
    """The frames of an open file. Each call of ``read`` decodes one of them."""

    series: Series
    read: ReadFrame
