"""The frames of an input that a request selects, and those of them that an output holds."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from ..errors import ImageError
from ..images.frames import Frames, Series
from ..images.image import Admit, Image
from ..images.losses import asks_for_ome
from .frame_slice import ALL, FIRST
from .map_source import MapSource
from .map_sources import map_source_for
from .report_losses import refuse_loss
from .request_base import BaseRequest
from .tasks import Target

if TYPE_CHECKING:  # imported where a page is asked for
    from .illustration import Illustration, Illustrator

MAX_FRAMES = 10_000
"""Frames that are processed without --frames: more of them are an error, as a small file may state any number."""


def indices_of(request: BaseRequest, series: Series, are_named: bool = False) -> range:
    """Return the frames that are selected: without --frames all, or the first of several versions of one picture.

    ``are_named`` is whether the names of outputs have the number of the frame: then all versions are selected too.

    Raises ImageError where the file has none of them, or more than MAX_FRAMES and --frames is not given.
    """
    if request.frames is None and series.count > MAX_FRAMES and (are_named or not series.are_alternates):
        raise ImageError(
            f"has {series.count} frames, and without --frames at most {MAX_FRAMES} are processed; "
            f"give --frames all, or a part, --frames 0:{MAX_FRAMES}"
        )
    return (request.frames or (FIRST if series.are_alternates and not are_named else ALL)).indices(series.count)


OnFrame: TypeAlias = Callable[[int, int], None]
"""Called for each frame of a file that is read, with its position among the selected ones, from 1, and their number."""


def no_report(position: int, count: int) -> None:
    """Report nothing."""


class InputFrames:
    """The selected frames of an open file, each read when it is needed. The one that was read last is kept.

    ``notices`` are those of all frames that were read.
    """

    def __init__(
        self, request: BaseRequest, frames: Frames, indices: range, admit: Admit, on_frame: OnFrame = no_report
    ) -> None:
        self.request = request
        self.indices = indices
        self.notices: tuple[str, ...] = ()
        self._frames = frames
        self._on_frame = on_frame
        self._admit = admit
        self._image: tuple[int, Image] | None = None
        self._map_source: tuple[int, MapSource] | None = None
        self.illustrator = self._make_illustrator()

    def _make_illustrator(self) -> "Illustrator | None":
        if not self.request.is_illustrated:
            return None
        from .illustration import Illustrator  # it draws, which is rare

        return Illustrator(self.request, self.first)

    @property
    def first(self) -> Image:
        """The first selected frame."""
        return self.image(self.indices[0])

    @property
    def summary(self) -> str:
        """Size and kind of the first selected frame, and the number of frames where there are several."""
        count = len(self.indices)
        return self.first.summary + (f", {count} frames" if count > 1 else "")

    @property
    def series(self) -> Series:
        """The series of all frames of the file. With --strip no output has tags of maps that differ."""
        series = self._frames.series
        return replace(series, map_tags="first") if self.request.strip else series

    @property
    def is_stack(self) -> bool:
        """Whether the frames are parts of a stack of TIFF, which states axes, or of OME-TIFF, or have channels in planes."""
        series = self._frames.series
        tiff = series.tiff
        if tiff is None:
            return False
        has_words = tiff.program == "ome" and not self.request.strip
        return series.count > 1 or tiff.are_channels or has_words or self.first.size[2] not in (1, 3)

    @property
    def illustration(self) -> "Illustration | None":
        """The tiles of the first selected frame and of its maps, where they are asked for."""
        return None if self.illustrator is None else self.illustrator.illustration()

    def of_output(self, target: Target, is_last: bool = False) -> "OutputFrames":
        """Return the frames that an output holds, the last output of the file or not."""
        indices = self.indices if target.frame is None else range(target.frame, target.frame + 1)
        return OutputFrames(self, indices, is_last)

    def release(self) -> None:
        """Release the memory of the frame that is kept."""
        self._image = self._map_source = None

    def image(self, index: int) -> Image:
        """Return the frame of an index. Raises ImageError, also where --in-place would lose something of it."""
        if self._image is None or self._image[0] != index:
            self.release()  # two frames would take twice the memory
            self._image = index, self._read(index)
        return self._image[1]

    def map_source(self, index: int) -> MapSource:
        """Return the source of the maps of a frame. Raises ConvcliError."""
        if self._map_source is None or self._map_source[0] != index:
            map_source = map_source_for(self.request, self.image(index))
            self._note(*map_source.notices)
            if self.illustrator is not None and index == self.indices[0]:
                map_source = self.illustrator.watched(map_source)
            self._map_source = index, map_source
        return self._map_source[1]

    def _read(self, index: int) -> Image:
        image = self._frames.read(index, self._admit)
        count = self._frames.series.count
        if self.request.frames is None and len(self.indices) < count:
            image = image.with_first_used(1, count, "frames")
        elif len(self.indices) < count:
            image = image.with_losses(f"{count - len(self.indices)} of its frames")
        if self.request.strip:
            image = image.without_metadata_losses()
        refuse_loss(self.request, image.lost)
        self._note(*image.notices)
        self._on_frame(self.indices.index(index) + 1, len(self.indices))
        return image

    def _note(self, *notices: str) -> None:
        self.notices = tuple(dict.fromkeys((*self.notices, *notices)))


class OutputFrames(Struct, frozen=True):
    """The frames that an output holds, by their numbers in the file. Iterating gives the sources of their maps, in order."""

    input: InputFrames
    indices: range
    is_last: bool = False

    def __iter__(self) -> Iterator[MapSource]:
        return (self.input.map_source(index) for index in self.indices)

    @property
    def first(self) -> MapSource:
        """The source of the maps of the first frame."""
        return self.input.map_source(self.indices[0])

    @property
    def series(self) -> Series:
        """What the file says about these frames."""
        return self.input.series.selected(self.indices)

    def are_series_in(self, target: Target) -> bool:
        """Whether an output holds them as a series: several frames, and in TIFF one that is a part of a stack.

        So does an OME-TIFF, by its name, a picture of ImageJ that states the size of its pixels.
        """
        if len(self.indices) > 1 or not target.file_format.holds_series:
            return len(self.indices) > 1
        request = self.input.request
        is_ome = asks_for_ome(target.path) and not request.in_place and not request.strip
        return self.input.is_stack or (is_ome and self.input.image(self.indices[0]).metadata.calibration is not None)
