"""Chunks of PNG and WebP are read within the file, whatever sizes they announce."""

import contextlib
import io
import struct

import numpy as np
import PIL.Image
import pytest

from convcli.errors import ImageError
from convcli.images.chunks import png_chunk, png_chunks_in, riff_chunk, riff_chunks_in
from convcli.images.read import open_frames

PILLOW_BLOCK = 1 << 20


class Counted(io.BytesIO):
    """A file that keeps the largest number of bytes that it was asked for."""

    asked = 0

    def read(self, size=-1):
        """Read bytes."""
        self.asked = max(self.asked, size or 0)
        return super().read(size)


def animation(name):
    """The bytes of an animation of two frames by Pillow."""
    file = io.BytesIO()
    first, second = (PIL.Image.fromarray(np.full((8, 9, 3), level, np.uint8)) for level in (10, 200))
    first.save(file, name, save_all=True, append_images=[second], lossless=True, exif=b"odd", xmp=b"odd")
    return file.getvalue()


@pytest.mark.parametrize(("name", "order"), [("PNG", ">I"), ("WEBP", "<I")])
def test_a_chunk_that_announces_more_than_the_file_has(name, order):
    """Each chunk in turn announces 4 GB."""
    data = animation(name)
    chunks = list((png_chunks_in if name == "PNG" else riff_chunks_in)(io.BytesIO(data)))
    assert [part[0] for part in chunks][-1] == (b"IEND" if name == "PNG" else b"XMP ")
    for _, begin, _ in chunks:
        position = begin - (8 if name == "PNG" else 4)
        file = Counted(data[:position] + struct.pack(order, 2**32 - 1) + data[position + 4 :])
        with contextlib.suppress(ImageError):
            frames = open_frames(file)
            for index in range(frames.series.count):
                frames.read(index, lambda _: None)
        assert 0 < file.asked <= max(len(data), PILLOW_BLOCK)


def test_chunks_are_those_that_pillow_writes():
    """Their names in order, as the specifications ask, and their bytes."""
    data = animation("PNG")
    places = list(png_chunks_in(io.BytesIO(data)))
    assert [name for name, _, _ in places] == [b"IHDR", b"eXIf", b"acTL", b"fcTL", b"IDAT", b"fcTL", b"fdAT", b"IEND"]
    assert b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, data[begin:end]) for name, begin, end in places) == data
    data = animation("WEBP")
    places = list(riff_chunks_in(io.BytesIO(data + b"RIFFmore")))  # what follows is no part of the file
    assert [name for name, _, _ in places] == [b"VP8X", b"ANIM", b"ANMF", b"ANMF", b"EXIF", b"XMP "]
    assert data[:12] + b"".join(riff_chunk(name, data[begin:end]) for name, begin, end in places) == data
    frame = [name for name, _, _ in riff_chunks_in(io.BytesIO(data), places[2][2], places[2][1] + 16)]
    assert frame == [b"VP8L"]
