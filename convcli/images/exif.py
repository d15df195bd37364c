"""EXIF as bytes. Only what a new picture makes untrue is changed, and nothing else moves.

A maker note may hold offsets from the start of the block, so that it would be lost if the block were written anew.

    in place    the orientation becomes 1, the sizes in pixels are those of the picture
    cut off     the directory of the thumbnail, which shows the old picture; its bytes are cleared
    at the end  the text Software with the provenance, where it is too long for the old one, and a directory with one more
                entry where there was none
"""

import contextlib
import io
import struct

from msgspec.structs import replace

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
    write_first_directory,
)
from .provenance import SOFTWARE, Provenance, without_provenance

WIDTHS, HEIGHTS = (256, 40962), (257, 40963)

THUMBNAILS = ((513, 514), (273, 279))
"""Tags with the position and the size of a thumbnail: in JPEG, and as pixels."""


def check_block(exif: bytes) -> bytes:
    """Return a block with its prefix. Raises BrokenExif where its first directory cannot be read."""
    block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
    block.next_pointer(block.first_directory)
    block.directory(block.first_directory)
    return PREFIX + exif.removeprefix(PREFIX)


def holds_only_provenance(exif: bytes) -> bool:
    """Return whether a block holds nothing but provenance, as ``block_with`` makes it. Raises BrokenExif."""
    block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
    entries = block.directory(block.first_directory)
    if [entry.tag for entry in entries] != [SOFTWARE]:
        return False
    return not without_provenance(block.read(entries[0].value_position, entries[0].size).decode("latin-1").rstrip("\0"))


def text_in(exif: bytes, tag: int) -> str:
    """Return the text of a tag in the first directory of a block; empty where there is none, or none that can be read."""
    with contextlib.suppress(BrokenExif):
        block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
        for entry in block.directory(block.first_directory):
            if entry.tag == tag and entry.type == ASCII:
                return block.read(entry.value_position, entry.size).split(b"\0")[0].decode("latin-1")
    return ""


def orientation_of(exif: bytes | None) -> int:
    """Return the orientation 1..8 in a block, 1 where it states none or is broken."""
    try:
        block = Block.of(io.BytesIO((exif or b"").removeprefix(PREFIX)))
        entries = [entry for entry in block.directory(block.first_directory) if (entry.tag, entry.type) == (ORIENTATION, SHORT)]
        orientation = block.numbers(entries[0].value_position, "H")[0] if entries else 1
    except BrokenExif:
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def patched(exif: bytes, width: int, height: int, provenance: Provenance | None = None, max_bytes: int = 1 << 30) -> bytes:
    """Return a block with its prefix, changed for an upright picture of a size.

    Provenance is added where the result still has at most ``max_bytes``. Parts that cannot be read stay as they are: a wrong
    offset in one of them must not preserve the old orientation.
    """
    file = io.BytesIO(exif.removeprefix(PREFIX))
    try:
        block = Block.of(file)
        entries = block.directory(block.first_directory)
    except BrokenExif:
        return exif
    _set_numbers(block, entries, width, height)
    with contextlib.suppress(BrokenExif):
        for inner in block.subdirectories(entries):
            if inner.tag == EXIF:
                _set_numbers(block, inner.entries, width, height)
    with contextlib.suppress(BrokenExif):
        _cut_thumbnail(file, block)
    unmarked = file.getvalue()
    with contextlib.suppress(BrokenExif):
        _set_software(file, provenance)
    marked = file.getvalue()
    return PREFIX + (marked if len(PREFIX + marked) <= max_bytes else unmarked)


def block_with(provenance: Provenance) -> bytes:
    """Return a block that holds provenance and nothing else."""
    text = str(provenance).encode() + b"\0"
    return PREFIX + struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, SOFTWARE, ASCII, len(text), 26, 0) + text


def _set_numbers(block: Block, entries: list[Entry], width: int, height: int) -> None:
    for entry in entries:
        if entry.tag == ORIENTATION:  # of any type: readers accept a ratio too
            _set_number(block, replace(entry, type=SHORT), 1)
        elif entry.tag in (*WIDTHS, *HEIGHTS) and entry.type in (SHORT, LONG) and entry.count == 1:
            _set_number(block, entry, width if entry.tag in WIDTHS else height)


def _set_number(block: Block, entry: Entry, value: int) -> None:
    kind = LONG if value > 65_535 else entry.type
    packed = struct.pack(block.byte_order + ("I" if kind == LONG else "HH"), *((value,) if kind == LONG else (value, 0)))
    write_at(block.file, entry.position + 2, struct.pack(f"{block.byte_order}HI", kind, 1) + packed)


def _cut_thumbnail(file: io.BytesIO, block: Block) -> None:
    """Cut off the second directory, and clear the bytes of its thumbnail where no other value uses them."""
    pointer = block.next_pointer(block.first_directory)
    (next_directory,) = block.numbers(pointer, "I")
    if next_directory == 0:
        return
    write_at(file, pointer, bytes(4))
    numbers = {
        entry.tag: block.numbers(entry.value_position, "I" if entry.type == LONG else "H")[0]
        for entry in block.directory(next_directory)
        if entry.type in (SHORT, LONG) and entry.count == 1
    }
    first = block.first_directory
    used_ranges = [(0, 8), (first, pointer + 4 - first), *value_ranges(block, block.directory(first))]
    for position_tag, size_tag in THUMBNAILS:
        begin, size = numbers.get(position_tag, 0), numbers.get(size_tag, 0)
        end = len(file.getbuffer())
        in_use = any(begin < used + count and used < begin + size for used, count in used_ranges)
        if begin < begin + size <= end and not in_use:
            write_at(file, begin, bytes(size))
            if begin + size >= end - 1:  # nothing follows it
                file.truncate(begin)


def _set_software(file: io.BytesIO, provenance: Provenance | None) -> None:
    """Replace the provenance in the text Software, or remove it for None. A value that is not text stays."""
    block = Block.of(file)
    entries = block.directory(block.first_directory)
    entry = next((entry for entry in entries if entry.tag == SOFTWARE), None)
    if entry is None and provenance is not None:
        _add_entries(block, [(SOFTWARE, ASCII, str(provenance).encode() + b"\0")])
    if entry is None or entry.type not in (ASCII, UTF_8):
        return
    try:
        before, capacity = block.read(entry.value_position, entry.size).split(b"\0")[0].decode("latin-1"), entry.size
    except BrokenExif:  # its position is beyond the end
        before, capacity = "", 0
    rest = without_provenance(before)
    after = f"{rest}; {provenance}" if rest and provenance else str(provenance) if provenance else rest
    text = after.encode("latin-1") + b"\0"
    if after != before and len(text) <= capacity:
        write_at(file, entry.value_position, text.ljust(capacity, b"\0"))
    elif after != before:
        write_at(file, entry.position + 4, struct.pack(f"{block.byte_order}II", len(text), append(file, text)))


def _add_entries(block: Block, fields: list[Field]) -> None:
    """Add fields to the first directory, which is written again at the end; the values of its entries stay in place."""
    positions = block.entry_positions(block.first_directory)
    write_first_directory(block, [block.read(position, 12) for position in positions], block.read(positions.stop, 4), fields)
