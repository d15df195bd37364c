"""EXIF as bytes: only what a new picture makes untrue is changed, in place; nothing else moves.

What a maker note holds may count from the start of the block, so that a block written anew would lose it.

    in place    the orientation becomes 1, the sizes in pixels are those of the picture
    cut off     the directory of the thumbnail, which shows the picture before; its bytes are cleared
    at the end  the text Software with our mark, where it does not fit in its place, and a directory with an entry more for it
"""

import contextlib
import io
import struct
from dataclasses import replace

from .exif_block import (
    ASCII,
    EXIF,
    LONG,
    ORIENTATION,
    PREFIX,
    SHORT,
    UTF_8,
    Block,
    BrokenExif,
    Entry,
    Field,
    append,
    value_ranges,
    write_at,
    write_first,
)
from .provenance import SOFTWARE, Provenance, without_provenance

WIDTHS, HEIGHTS = (256, 40962), (257, 40963)

THUMBNAILS = ((513, 514), (273, 279))
"""Where the bytes of a thumbnail stand, and how many: of JPEG, and of pixels."""


def check_block(exif: bytes) -> bytes:
    """A block with its prefix, whose first directory can be read. Raises BrokenExif."""
    block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
    block.next_place(block.first)
    block.directory(block.first)
    return PREFIX + exif.removeprefix(PREFIX)


def holds_only_mark(exif: bytes) -> bool:
    """Whether a block is one that ``block_with`` made. Raises BrokenExif."""
    block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
    entries = block.directory(block.first)
    if [entry.tag for entry in entries] != [SOFTWARE]:
        return False
    return not without_provenance(block.read(entries[0].at, entries[0].size).decode("latin-1").rstrip("\0"))


def patched(exif: bytes, width: int, height: int, provenance: Provenance | None = None, max_bytes: int = 1 << 30) -> bytes:
    """A block with its prefix for a picture of that size, upright, with the mark where that keeps it within ``max_bytes``.

    What cannot be read in it stays as it is: a wrong offset somewhere must not keep the orientation of before.
    """
    file = io.BytesIO(exif.removeprefix(PREFIX))
    try:
        block = Block.of(file)
        entries = block.directory(block.first)
    except BrokenExif:
        return exif
    _set_numbers(block, entries, width, height)
    with contextlib.suppress(BrokenExif):
        for inner in block.subdirectories(entries):
            if inner.tag == EXIF:
                _set_numbers(block, inner.entries, width, height)
    with contextlib.suppress(BrokenExif):
        _cut_thumbnail(file, block)
    without = file.getvalue()
    with contextlib.suppress(BrokenExif):
        _set_software(file, provenance)
    with_mark = file.getvalue()
    return PREFIX + (with_mark if len(PREFIX + with_mark) <= max_bytes else without)


def block_with(provenance: Provenance) -> bytes:
    """A block that holds a mark and nothing else."""
    text = str(provenance).encode() + b"\0"
    return PREFIX + struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, SOFTWARE, ASCII, len(text), 26, 0) + text


def _set_numbers(block: Block, entries: list[Entry], width: int, height: int) -> None:
    for entry in entries:
        if entry.tag == ORIENTATION:  # of whatever type: readers take it from a ratio too
            _set_number(block, replace(entry, type=SHORT), 1)
        elif entry.tag in (*WIDTHS, *HEIGHTS) and entry.type in (SHORT, LONG) and entry.count == 1:
            _set_number(block, entry, width if entry.tag in WIDTHS else height)


def _set_number(block: Block, entry: Entry, value: int) -> None:
    kind = LONG if value > 65_535 else entry.type
    packed = struct.pack(block.order + ("I" if kind == LONG else "HH"), *((value,) if kind == LONG else (value, 0)))
    write_at(block.file, entry.place + 2, struct.pack(f"{block.order}HI", kind, 1) + packed)


def _cut_thumbnail(file: io.BytesIO, block: Block) -> None:
    """Cut off the directory behind the first one, and clear the bytes of the picture in it, where nothing else stands there."""
    place = block.next_place(block.first)
    (next_directory,) = block.numbers(place, "I")
    if next_directory == 0:
        return
    write_at(file, place, bytes(4))
    numbers = {
        entry.tag: block.numbers(entry.at, "I" if entry.type == LONG else "H")[0]
        for entry in block.directory(next_directory)
        if entry.type in (SHORT, LONG) and entry.count == 1
    }
    kept = [(0, 8), (block.first, place + 4 - block.first), *value_ranges(block, block.directory(block.first))]
    for place_tag, size_tag in THUMBNAILS:
        begin, size = numbers.get(place_tag, 0), numbers.get(size_tag, 0)
        end = len(file.getbuffer())
        if begin < begin + size <= end and not any(begin < at + count and at < begin + size for at, count in kept):
            write_at(file, begin, bytes(size))
            if begin + size >= end - 1:  # nothing stands behind it
                file.truncate(begin)


def _set_software(file: io.BytesIO, provenance: Provenance | None) -> None:
    """The text Software without the mark that it had, and with this one behind it. What is no text stays."""
    block = Block.of(file)
    entries = block.directory(block.first)
    entry = next((entry for entry in entries if entry.tag == SOFTWARE), None)
    if entry is None and provenance is not None:
        _add_entries(block, [(SOFTWARE, ASCII, str(provenance).encode() + b"\0")])
    if entry is None or entry.type not in (ASCII, UTF_8):
        return
    try:
        before, room = block.read(entry.at, entry.size).split(b"\0")[0].decode("latin-1"), entry.size
    except BrokenExif:  # it stands nowhere
        before, room = "", 0
    rest = without_provenance(before)
    after = f"{rest}; {provenance}" if rest and provenance else str(provenance) if provenance else rest
    text = after.encode("latin-1") + b"\0"
    if after != before and len(text) <= room:
        write_at(file, entry.at, text.ljust(room, b"\0"))
    elif after != before:
        write_at(file, entry.place + 4, struct.pack(f"{block.order}II", len(text), append(file, text)))


def _add_entries(block: Block, fields: list[Field]) -> None:
    """Give the first directory more fields: it is written again at the end, its values stay."""
    place = block.next_place(block.first)
    write_first(block, [block.read(at, 12) for at in range(block.first + 2, place, 12)], block.read(place, 4), fields)
