"""The frames of a file: what it says about them, and the reader that decodes them one at a time."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..geometry.axes import Placement
from .encoding import Encoding
from .image import Admit, Array, Image, Metadata, moved_origin

T = TypeVar("T")

ORIGINS = ("yorigin", "xorigin")
"""ImageJ's words for the pixel of position 0."""


class TiffSeries(Struct, frozen=True):
    """How a TIFF file stores a series, and what it states of it for a program of microscopes.

    ``program`` is "imagej" or "ome", or empty for a file without a program. ``are_channels`` is whether each channel is a plane
    (axis C), not a sample of a pixel (axis S). ``words`` are further keys and values for the program, such as
    ImageJ's mode of display.
    """

    program: str = ""
    are_channels: bool = False
    words: tuple[tuple[str, Any], ...] = ()

    def moved(self, placement: Placement | None) -> "TiffSeries":
        """Return the words for outputs that lie so on the frames; without those of an origin where it is not known."""
        if placement is None:
            return replace(self, words=tuple((key, value) for key, value in self.words if key not in ORIGINS))
        origins = dict(zip(ORIGINS, zip(placement.first, placement.strides, strict=True), strict=True))
        return replace(self, words=tuple((key, moved_origin(value, *origins.get(key, (0, 1)))) for key, value in self.words))


class Series(Struct, frozen=True):
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
        A text for each frame, or for each channel of each frame, or none.
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
    tiff
        How a TIFF file stores them, where it states the axes; else None.
    map_tags
        Which pages of a TIFF file have tags of a map, those of GeoTIFF and GDAL: "first" for at most the first page, "alike"
        where all pages have those of the first, "own" where they differ.
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
    tiff: TiffSeries | None = None
    map_tags: str = "first"

    def are_pages(self, are_floats: bool) -> bool:
        """Return whether TIFF holds the frames as pages with metadata of their own: they have no axes.

        Floats are a stack, which ImageJ opens, unless their places on a map differ.
        """
        return self.tiff is None and not self.axes and (not are_floats or self.map_tags == "own")

    def selected(self, indices: Sequence[int]) -> "Series":
        """Return the series of some frames: of all along their axes, of others along the one on which they lie, or none."""
        if list(indices) == list(range(self.count)):
            return self
        axes, step = self._line_of(indices)
        steps = {"Y": 1, "X": 1} | ({axes: step} if axes else {})
        return replace(
            self,
            count=len(indices),
            axes=axes,
            shape=(len(indices),) if axes else (),
            durations=tuple(self.durations[index] for index in indices) if self.durations else (),
            labels=self.labels_of(indices),
            spacing=tuple((axis, distance * steps[axis]) for axis, distance in self.spacing if axis in steps),
        )

    def _line_of(self, indices: Sequence[int]) -> tuple[str, int]:
        """Return the axis along which some frames lie, and its steps between them; an empty one where these are not equal."""
        if not self.axes or len(indices) < 2:
            return "", 0
        steps = np.diff(np.unravel_index(np.asarray(indices), self.shape), axis=1)
        moving = np.flatnonzero(steps[:, 0])
        if len(moving) != 1 or np.any(steps != steps[:, :1]):
            return "", 0
        return self.axes[moving[0]], abs(int(steps[moving[0], 0]))

    def labels_of(self, indices: Sequence[int]) -> tuple[str, ...]:
        """Return the labels of some frames."""
        each = len(self.labels) // self.count
        return tuple(label for index in indices for label in self.labels[index * each : (index + 1) * each])

    def moved(self, placement: Placement | None) -> "Series":
        """Return the series of outputs that lie so on the frames. Without a placement, distances and origins are left out."""
        if placement is None:
            known = tuple((axis, distance) for axis, distance in self.spacing if axis not in "YX")
            return replace(self, spacing=known, tiff=self.tiff and self.tiff.moved(None))
        factors = dict(zip("YX", placement.strides, strict=True))
        spacing = tuple((axis, distance * factors.get(axis, 1)) for axis, distance in self.spacing)
        return replace(self, spacing=spacing, tiff=self.tiff and self.tiff.moved(placement))


class LevelsOfFrame(NamedTuple):
    """What is written of a frame: levels (H, W, C), whether the last channel is alpha, metadata, and how it is compressed.

    The last two are those of a page of TIFF. Other formats, and a series, have those of the first frame.
    """

    levels: Array
    has_alpha: bool
    metadata: Metadata = Metadata()
    encoding: Encoding = Encoding()


ReadFrame: TypeAlias = Callable[[int, Admit], Image]
"""Decodes the frame of an index, upright. The second argument is called with its header before the pixels are read."""


class Frames(Struct, frozen=True):
    """The frames of an open file. Each call of ``read`` decodes one of them."""

    series: Series
    read: ReadFrame


def peek(items: Iterable[T]) -> tuple[T, Iterator[T]]:
    """Return the first item, and an iterator over all items, which does not keep those that it has given.

    >>> peek("abc")[0], list(peek("abc")[1])
    ('a', ['a', 'b', 'c'])
    """
    rest = iter(items)
    first = next(rest)
    return first, itertools.chain(iter([first]), rest)
