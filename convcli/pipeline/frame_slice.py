"""The numbers of the frames that ``--frames`` selects. Imports no NumPy, so that start-up is fast."""

import re

from msgspec import Struct

from ..errors import ArgumentError, ImageError, nearest_name

WORDS = ("all", "first")
INDEX = r"-?[0-9]{1,9}"
SLICE = r"(-?[0-9]{1,9})?:(-?[0-9]{1,9})?(?::(-?[0-9]{1,9})?)?"


class FrameSlice(Struct, frozen=True):
    """Frames of a file by their numbers, from 0, as Python slices a list: negative numbers count from the end."""

    text: str

    def indices(self, count: int) -> range:
        """Return the selected frames of a file that has ``count``. Raises ImageError where none is selected.

        >>> [list(FrameSlice(text).indices(6)) for text in ("1:8:3", "-1", "::-2")]
        [[1, 4], [5], [5, 3, 1]]
        """
        frames = range(count)
        if self.text == "all":
            return frames
        try:
            selected = frames[_slice_of(self.text)] if ":" in self.text else _one(frames, self.text)
        except IndexError:
            selected = frames[:0]
        if not selected:
            has = "one frame, 0" if count == 1 else f"{count} frames, 0 to {count - 1}"
            raise ImageError(f"has {has}; --frames {self.text} selects none of them")
        return selected


FIRST, ALL = FrameSlice("0"), FrameSlice("all")


def parse_frames(text: str) -> FrameSlice:
    """Read all, first, N or A:B[:STEP]. Raises ArgumentError."""
    text = text.strip()
    if text in WORDS or re.fullmatch(INDEX, text):
        return FrameSlice("0" if text == "first" else text)
    if re.fullmatch(SLICE, text) and _slice_of(text).step != 0:
        return FrameSlice(text)
    raise ArgumentError(
        f"frames must be all, first, a number such as 3, or A:B[:STEP] such as 0:10:2, got {text!r}{nearest_name(text, WORDS)}"
    )


def _one(frames: range, text: str) -> range:
    index = frames[int(text)]
    return range(index, index + 1)


def _slice_of(text: str) -> slice:
    return slice(*(int(part) if part else None for part in text.split(":")))
