"""WebP: pictures and animations (https://developers.google.com/speed/webp/docs/riff_container).

Frames are encoded as pictures are, and put into chunks of one file, one by one.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import BinaryIO

from ..frames import LevelsOfFrame, Series
from ..image import Metadata
from ..storage import Storage
from .animation import changed_box, of_one_size, timing_of
from .pillow_frames import AnimationCodec, AnimationFacts

RIFF_HEADER_SIZE = 12
ANIMATED, XMP, EXIF, ALPHA, ICC = 0x02, 0x04, 0x08, 0x10, 0x20
"""Flags of the chunk VP8X."""

REPLACES = 0x02
"""Flag of a frame: it replaces what was in its rectangle. Otherwise it is blended by its alpha."""

PIXEL_CHUNKS = (b"ALPH", b"VP8 ", b"VP8L")
FLAGS_OF_METADATA = {b"ICCP": ICC, b"EXIF": EXIF, b"XMP ": XMP}
MAX_DURATION, MAX_LOOP = (1 << 24) - 1, 65535


class WebpCodec(AnimationCodec):
    """WebP."""

    def read_facts(self, file: BinaryIO) -> AnimationFacts | None:
        """Return what the chunks of a file say; None for one that is no animation."""
        durations: list[float] = []
        width = height = loop = 0
        for name, size, position in _positions(file):
            start = file.read(16).ljust(16, b"\0")
            if name == b"VP8X":
                if not start[0] & ANIMATED:
                    return None
                width, height = _number(start[4:7]) + 1, _number(start[7:10]) + 1
            elif name in PIXEL_CHUNKS:
                return None
            elif name == b"ANIM":
                loop = _number(start[4:6])
            elif name == b"ANMF":
                durations.append(float(_number(start[12:15])))
            file.seek(position + size + size % 2)
        series = Series(len(durations), durations=tuple(durations), loop=loop)
        return AnimationFacts(series, width, height) if durations else None

    def write_frames(self, file: BinaryIO, frames: Iterable[LevelsOfFrame], series: Series, storage: Storage) -> None:
        """Write an animation. Of each frame, the part that differs from the one before is stored, from an even position."""
        durations, loop = timing_of(series)
        start = file.tell()
        file.write(bytes(RIFF_HEADER_SIZE))
        flags, size, after, before = ANIMATED, (1, 1), b"", None
        for frame, duration in zip(of_one_size(frames, "webp"), durations, strict=True):
            left, top, right, bottom = changed_box(before, frame)
            left, top = left - left % 2, top - top % 2
            part = frame[0][top:bottom, left:right]
            how = storage if before is None else replace(storage, metadata=Metadata())
            chunks = list(_chunks(self.encode(part, frame[1], how)))
            if before is None:
                size = frame[0].shape[1], frame[0].shape[0]
                others = [(name, data) for name, data in chunks if name in FLAGS_OF_METADATA]
                flags |= sum(FLAGS_OF_METADATA[name] for name, _ in others)
                file.write(_chunk(b"VP8X", _canvas(flags, *size)))
                file.write(b"".join(_chunk(name, data) for name, data in others if name == b"ICCP"))
                file.write(_chunk(b"ANIM", struct.pack("<IH", 0, min(loop, MAX_LOOP))))
                after = b"".join(_chunk(name, data) for name, data in others if name != b"ICCP")
            flags |= ALPHA if frame[1] else 0
            place = (left // 2, top // 2, right - left - 1, bottom - top - 1, min(round(duration), MAX_DURATION))
            header = b"".join(number.to_bytes(3, "little") for number in place) + bytes([REPLACES])
            data = b"".join(_chunk(name, data) for name, data in chunks if name in PIXEL_CHUNKS)
            file.write(_chunk(b"ANMF", header + data))
            before = frame
        file.write(after)
        end = file.tell()
        file.seek(start)
        file.write(b"RIFF" + struct.pack("<I", end - start - 8) + b"WEBP" + _chunk(b"VP8X", _canvas(flags, *size)))
        file.seek(end)


def _positions(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, the size and the position of each chunk. The file is at this position then."""
    file.seek(RIFF_HEADER_SIZE)
    while len(start := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", start)
        yield name, size, file.tell()


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the data of each chunk."""
    position = RIFF_HEADER_SIZE
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        yield name, data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _canvas(flags: int, width: int, height: int) -> bytes:
    return struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
