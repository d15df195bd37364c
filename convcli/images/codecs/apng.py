"""Animations in PNG: https://www.w3.org/TR/png-3/#apng-frame-based-animation.

Each frame is a PNG picture of its own, whose data are in chunks fdAT, and which is laid on those before it. They are decoded
and encoded as pictures are, so that all depths and colours of PNG are preserved.
"""

import struct
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import BinaryIO, TypeAlias

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ...errors import ArgumentError
from ..boxes import Box
from ..chunks import CHECKSUM_SIZE, PNG_HEADER_END, PNG_SIGNATURE, data_of, png_chunk, png_chunks_in
from ..frames import LevelsOfFrame, Series
from ..image import Admit, Array, Header, Image
from ..metadata import FileMetadata
from ..orientation import upright
from .animation import Levels, changed_box, of_one_size, timing_of
from .pillow import PARTIAL_DATA, TRUNCATED, truncated_is_allowed
from .png_chunks import TYPES_WITH_ALPHA, Chunk, file_metadata_of, read_chunks

CONTROL = struct.Struct(">IIIIIHHBB")
"""fcTL: sequence number, width, height, x, y, numerator and denominator of the duration, disposal, blending."""

BACKGROUND, PREVIOUS = 1, 2
"""Disposals: the rectangle of a frame becomes transparent, or what it was before, before the next is laid on it."""

OVER = 1
"""Blending by alpha; otherwise a frame replaces what was in its rectangle."""

BLENDED_PIXELS = 1 << 16
"""Pixels that are blended at a time."""

MAX_FIELD = 65535

DecodePng: TypeAlias = Callable[[bytes, Admit], Image]
EncodePng: TypeAlias = Callable[[Array, bool, bool], bytes]
"""Encodes levels, which may have alpha, as a PNG file; with all metadata where the last argument is true."""


class FrameControl(Struct, frozen=True):
    """Where a frame lies, how it is laid on others, and the chunks of its data in the file."""

    width: int
    height: int
    x: int
    y: int
    disposal: int
    blending: int
    parts: list[Box]

    def contains(self, other: "FrameControl") -> bool:
        """Return whether the rectangle of another frame lies in that of this one."""
        ends = other.x + other.width <= self.x + self.width, other.y + other.height <= self.y + self.height
        return self.x <= other.x and self.y <= other.y and all(ends)


class Animation(Struct, frozen=True):
    """An animation in a file.

    ``header`` is the chunk IHDR without the size, ``chunks`` are those that do not belong to frames. ``has_still`` is whether
    the picture that is shown where animations are not is no frame.
    """

    width: int
    height: int
    header: bytes
    controls: tuple[FrameControl, ...]
    chunks: tuple[Chunk, ...]
    series: Series
    has_still: bool

    @property
    def has_alpha(self) -> bool:
        """Whether a pixel of a frame may be transparent."""
        is_transparent = self.header[1] in TYPES_WITH_ALPHA or any(chunk.name == b"tRNS" for chunk in self.chunks)
        first, last = self.controls[0], len(self.controls) - 1
        covers = (first.width, first.height) == (self.width, self.height)
        cleared = (
            control.disposal == BACKGROUND and index < last and not self.controls[index + 1].contains(control)
            for index, control in enumerate(self.controls)
        )
        return is_transparent or not covers or any(cleared)


def read_animation(file: BinaryIO) -> Animation | None:
    """Return the animation of a PNG file; None for a picture, also one with an animation of that picture alone.

    Pixels are skipped.

    Raises ValueError for damaged chunks.
    """
    file.seek(0)
    start = file.read(PNG_HEADER_END)
    controls: list[FrameControl] = []
    chunks: list[Chunk] = []
    durations: list[float] = []
    loop, has_still, count = 0, False, 0
    for name, begin, end in png_chunks_in(file):
        if name == b"IDAT" and not count:
            return None
        if name in (b"IDAT", b"fdAT"):
            if controls:
                skipped = 4 * (name == b"fdAT")  # its sequence number
                controls[-1].parts.append((name, begin + skipped, end))
            has_still |= not controls
            if name == b"IDAT" and not (chunks and chunks[-1].name == name):
                chunks.append(Chunk(name, b"", b""))
            continue
        raw = data_of(file, (name, begin - 8, end + CHECKSUM_SIZE))
        if name == b"acTL":
            count, loop = struct.unpack_from(">II", raw, 8)
        elif name == b"fcTL":
            _, width, height, x, y, numerator, denominator, disposal, blending = CONTROL.unpack_from(raw, 8)
            if not controls and disposal == PREVIOUS:  # as the specification asks, where there is nothing before
                disposal = BACKGROUND
            controls.append(FrameControl(width, height, x, y, disposal, blending, []))
            durations.append(1000 * numerator / (denominator or 100))
        elif name not in (b"IHDR", b"IEND"):
            chunks.append(Chunk(name, raw[8:-4], raw))
    if len(controls) < count and truncated_is_allowed():
        count = len(controls)
    elif count > 1 and len(controls) < count:
        raise ValueError(f"it has {len(controls)} of the {count} frames that it announces")
    if count < 2 and not (count and controls and has_still):
        return None
    if count > 1:
        list(read_chunks(PNG_SIGNATURE + b"".join(chunk.raw for chunk in chunks)))  # raises an error for damaged ones
    width, height = struct.unpack_from(">II", start, 16)
    series = Series(count, durations=tuple(durations[:count]), loop=loop)
    return Animation(width, height, start[24:29], tuple(controls[:count]), tuple(chunks), series, has_still)


class AnimationReader:
    """Reads frames as they are shown. Frames that are read in order are each decoded once; an earlier one starts again."""

    def __init__(self, file: BinaryIO, animation: Animation, decode: DecodePng) -> None:
        self.file = file
        self.animation = animation
        self.decode = decode
        self.is_truncated = False
        self.next = 0
        self.canvas: Image | None = None
        self.metadata: tuple[FileMetadata, int] | None = None

    def read(self, index: int, admit: Admit) -> Image:
        """Return a frame. Raises ValueError, and whatever decoders raise, on damaged data."""
        animation, deep = self.animation, self.animation.header[0] == 16
        pixels, itemsize = animation.width * animation.height, 2 if deep else 1
        channels = 4 if animation.has_alpha else 3
        admit(
            Header(animation.height, animation.width, channels, itemsize, 16 * pixels * itemsize, channels * pixels * itemsize)
        )
        if self.metadata is None:
            self.metadata = file_metadata_of(self.file, animation.chunks)
        if index < self.next:
            self.next, self.canvas = 0, None
        shown = self.canvas
        while self.next <= index:
            shown = self._show(animation.controls[self.next])
            self.next += 1
        assert shown is not None
        file_metadata, orientation = self.metadata
        alpha = None if shown.alpha is None else upright(shown.alpha.copy(), orientation)
        image = replace(shown, pixels=upright(shown.pixels.copy(), orientation), alpha=alpha, metadata=file_metadata.metadata)
        image = self._noting_truncation(file_metadata.add_to(image))
        return image.with_unkept("its still picture, which is no frame,") if animation.has_still else image

    def _noting_truncation(self, image: Image) -> Image:
        return image.with_notices(TRUNCATED).with_losses(PARTIAL_DATA) if self.is_truncated else image

    def _show(self, control: FrameControl) -> Image:
        """Lay the next frame on the canvas. Return what is shown, and leave what remains for the frame after it."""
        frame = self._decode(control)
        if self.canvas is None:
            self.canvas = self._empty_canvas(frame)
        shown = self.canvas
        box = slice(control.y, control.y + control.height), slice(control.x, control.x + control.width)
        if control.disposal == PREVIOUS:
            shown = replace(shown, pixels=shown.pixels.copy(), alpha=None if shown.alpha is None else shown.alpha.copy())
        if shown.alpha is None or frame.alpha is None or control.blending != OVER:
            shown.pixels[box] = frame.pixels
            if shown.alpha is not None:
                shown.alpha[box] = frame.opaque if frame.alpha is None else frame.alpha
        else:
            _blend(shown.pixels[box], shown.alpha[box], frame.pixels, frame.alpha)
        if control.disposal == BACKGROUND:
            self.canvas = replace(shown, pixels=shown.pixels.copy(), alpha=None if shown.alpha is None else shown.alpha.copy())
            self.canvas.pixels[box] = 0
            if self.canvas.alpha is not None:
                self.canvas.alpha[box] = 0
        return shown

    def _empty_canvas(self, frame: Image) -> Image:
        size = self.animation.height, self.animation.width
        pixels = np.zeros((*size, frame.pixels.shape[2]), frame.pixels.dtype)
        alpha = np.zeros(size, frame.pixels.dtype) if self.animation.has_alpha else None
        return replace(frame, pixels=pixels, alpha=alpha, notices=(), lost=(), metadata_losses=frozenset(), compression=None)

    def _decode(self, control: FrameControl) -> Image:
        animation = self.animation
        inside = control.x + control.width <= animation.width and control.y + control.height <= animation.height
        if not inside or not control.parts:
            raise ValueError("a frame has no data" if inside else "a frame lies outside the picture")
        header = struct.pack(">II", control.width, control.height) + animation.header
        colours = [chunk.raw for chunk in animation.chunks if chunk.name in (b"PLTE", b"tRNS")]
        data = []
        for part in control.parts:
            data.append(png_chunk(b"IDAT", pixels := data_of(self.file, part)))
            self.is_truncated |= len(pixels) < part[2] - part[1]
        return self.decode(
            b"".join((PNG_SIGNATURE, png_chunk(b"IHDR", header), *colours, *data, png_chunk(b"IEND", b""))), lambda _: None
        )


def _blend(below: Array, alpha_below: Array, above: Array, alpha_above: Array) -> None:
    """Lay a frame over another, in place. Some rows at a time, as their shares in float64 take 90 bytes per pixel."""
    step = max(BLENDED_PIXELS // below.shape[1], 1)
    for begin in range(0, len(below), step):
        rows = slice(begin, begin + step)
        below[rows], alpha_below[rows] = _blended(below[rows], alpha_below[rows], above[rows], alpha_above[rows])


def _blended(below: Array, alpha_below: Array, above: Array, alpha_above: Array) -> tuple[Array, Array]:
    """Return colours and alpha of a frame over another, by the formula of section 13.16 of the specification."""
    white = float(np.iinfo(below.dtype).max)
    share = alpha_above.astype(np.float64) / white
    shown_below = alpha_below / white * (1 - share)
    alpha = share + shown_below
    total = np.where(alpha > 0, alpha, 1)
    colours = (above * share[:, :, None] + below * shown_below[:, :, None]) / total[:, :, None]
    return np.rint(colours).astype(below.dtype), np.rint(alpha * white).astype(below.dtype)


def write_animation(file: BinaryIO, frames: Iterable[LevelsOfFrame], series: Series, encode: EncodePng) -> None:
    """Write frames as an animation. Of each but the first, the part that differs from the one before is stored.

    Raises ArgumentError for frames of several sizes or kinds.
    """
    durations, loop = timing_of(series)
    sequence, before = 0, None
    for index, (frame, duration) in enumerate(zip(of_one_size(frames, "png"), durations, strict=True)):
        frame = _as_first(before, frame, index)
        left, top, right, bottom = changed_box(before, frame)
        chunks = list(read_chunks(encode(frame[0][top:bottom, left:right], frame[1], index == 0)))
        data = [chunk for chunk in chunks if chunk.name == b"IDAT"]
        place = right - left, bottom - top, left, top
        control = png_chunk(b"fcTL", CONTROL.pack(sequence, *place, *_fraction_of(duration), 0, 0))
        sequence += 1
        if before is None:
            others = [chunk.raw for chunk in chunks if chunk.name not in (b"IDAT", b"IEND")]
            number = png_chunk(b"acTL", struct.pack(">II", series.count, loop))
            file.write(b"".join((PNG_SIGNATURE, others[0], number, *others[1:], control, *(chunk.raw for chunk in data))))
        else:
            file.write(control)
            for chunk in data:
                file.write(png_chunk(b"fdAT", struct.pack(">I", sequence) + chunk.data))
                sequence += 1
        before = frame
    file.write(png_chunk(b"IEND", b""))


def _as_first(first: Levels | None, frame: Levels, index: int) -> Levels:
    """Return a frame with an alpha channel where the first frame has one. Raises ArgumentError for another kind of samples."""
    if first is None:
        return frame
    (levels, has_alpha), (levels_of_first, first_has_alpha) = frame, first
    if first_has_alpha and not has_alpha:
        opaque = np.full((*levels.shape[:2], 1), np.iinfo(levels.dtype).max, levels.dtype)
        levels, has_alpha = np.concatenate([levels, opaque], axis=2), True
    if (levels.dtype, levels.shape[2]) != (levels_of_first.dtype, levels_of_first.shape[2]):
        raise ArgumentError(
            f"an animation in png has frames of one kind: frame 0 has {_kind(*first)}, frame {index} {_kind(*frame)}; "
            "write .tif, or each frame to a file, with {frame} in the name of the output"
        )
    return levels, has_alpha


def _kind(levels: Array, has_alpha: bool) -> str:
    channels = levels.shape[2] - has_alpha
    return f"{channels} channel{'s' * (channels > 1)} of {8 * levels.itemsize} bits{' and alpha' * has_alpha}"


def _fraction_of(duration: float) -> tuple[int, int]:
    """Return milliseconds as a fraction of seconds.

    >>> _fraction_of(100.0), _fraction_of(1000 / 30), _fraction_of(1e9)
    ((1, 10), (1, 30), (65535, 1))
    """
    fraction = Fraction(duration / 1000).limit_denominator(MAX_FIELD)
    return min(fraction.numerator, MAX_FIELD), min(fraction.denominator, MAX_FIELD)
