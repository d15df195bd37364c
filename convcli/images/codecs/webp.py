"""WebP: pictures and animations (https://developers.google.com/speed/webp/docs/riff_container).

Frames are encoded as pictures are, and put into chunks of one file, one by one.
"""

import io
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import PIL.ImageFile
from msgspec.structs import replace

from ..chunks import FRAME_CHUNK, FRAME_HEADER_SIZE, RIFF_START, data_of, riff_chunk, riff_chunks_in
from ..frames import LevelsOfFrame, Series
from ..image import Metadata
from ..storage import Storage
from .animation import changed_box, of_one_size, timing_of
from .pillow import WatchedFile
from .pillow_frames import AnimationCodec, AnimationFacts

ANIMATED, XMP, EXIF, ALPHA, ICC = 0x02, 0x04, 0x08, 0x10, 0x20
"""Flags of the chunk VP8X."""

REPLACES = 0x02
"""Flag of a frame: it replaces what was in its rectangle. Otherwise it is blended by its alpha."""

PIXEL_CHUNKS = (b"ALPH", b"VP8 ", b"VP8L")
FLAGS_OF_METADATA = {b"ICCP": ICC, b"EXIF": EXIF, b"XMP ": XMP}
MAX_DURATION, MAX_LOOP = (1 << 24) - 1, 65535

PLAUSIBLE_PIXELS_PER_BYTE = 100
"""Above it, a size is doubted. Photographs have 4 to 8 pixels per byte, graphics tens, pictures of one colour millions."""


class WebpCodec(AnimationCodec):
    """WebP."""

    def read_facts(self, file: BinaryIO) -> AnimationFacts | None:
        """Return what the chunks of a file say; None for one that is no animation."""
        durations: list[float] = []
        width = height = loop = 0
        for chunk in riff_chunks_in(file):
            name, start = chunk[0], data_of(file, chunk, FRAME_HEADER_SIZE).ljust(FRAME_HEADER_SIZE, b"\0")
            if name == b"VP8X":
                if not start[0] & ANIMATED:
                    return None
                width, height = _number(start[4:7]) + 1, _number(start[7:10]) + 1
            elif name in PIXEL_CHUNKS:
                return None
            elif name == b"ANIM":
                loop = _number(start[4:6])
            elif name == FRAME_CHUNK:
                durations.append(float(_number(start[12:15])))
        series = Series(len(durations), durations=tuple(durations), loop=loop)
        return AnimationFacts(series, width, height) if durations else None

    def load(self, picture: PIL.ImageFile.ImageFile, watched: WatchedFile) -> None:
        """Decode the pixels. Raises whatever Pillow and imagecodecs raise on damaged data.

        Pillow clears a canvas of the stated size before it looks at the data: 680 MB for 13,000 x 13,000 pixels. imagecodecs
        touches memory as it decodes; so it tries pictures whose size may be a lie.
        """
        size = watched.seek(0, io.SEEK_END)
        if picture.width * picture.height > PLAUSIBLE_PIXELS_PER_BYTE * size:
            import imagecodecs

            watched.seek(0)
            imagecodecs.webp_decode(watched.file.read())
        picture.load()

    def write_frames(self, file: BinaryIO, frames: Iterable[LevelsOfFrame], series: Series, storage: Storage) -> None:
        """Write an animation. Of each frame, the part that differs from the one before is stored, from an even position."""
        durations, loop = timing_of(series)
        start = file.tell()
        file.write(bytes(RIFF_START))
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
                file.write(riff_chunk(b"VP8X", _canvas(flags, *size)))
                file.write(b"".join(riff_chunk(name, data) for name, data in others if name == b"ICCP"))
                file.write(riff_chunk(b"ANIM", struct.pack("<IH", 0, min(loop, MAX_LOOP))))
                after = b"".join(riff_chunk(name, data) for name, data in others if name != b"ICCP")
            flags |= ALPHA if frame[1] else 0
            place = (left // 2, top // 2, right - left - 1, bottom - top - 1, min(round(duration), MAX_DURATION))
            header = b"".join(number.to_bytes(3, "little") for number in place) + bytes([REPLACES])
            data = b"".join(riff_chunk(name, data) for name, data in chunks if name in PIXEL_CHUNKS)
            file.write(riff_chunk(FRAME_CHUNK, header + data))
            before = frame
        file.write(after)
        end = file.tell()
        file.seek(start)
        file.write(b"RIFF" + struct.pack("<I", end - start - 8) + b"WEBP" + riff_chunk(b"VP8X", _canvas(flags, *size)))
        file.seek(end)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the data of each chunk."""
    return ((name, data[begin:end]) for name, begin, end in riff_chunks_in(io.BytesIO(data)))


def _canvas(flags: int, width: int, height: int) -> bytes:
    return struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
