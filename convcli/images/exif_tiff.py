"""EXIF in TIFF files, whose tags are such a block too.

A TIFF file that is written here begins with the block that it carries, as it stands: its first directory, with the tags of the
pixels, and the pixels follow. So a maker note counts from the same place as before.
"""

import io
import struct
from typing import BinaryIO

from .exif_block import (
    LONG,
    PREFIX,
    SHORT,
    TIFF_LAYOUT,
    Block,
    Directory,
    Entry,
    Field,
    append,
    encode_value,
    has_maker_note,
    value_ranges,
    write_at,
    write_first,
)

JPEG_LAYOUT = (37121, 37122, 40962, 40963)
"""EXIF tags that say how JPEG holds pixels, which EXIF does not have in TIFF: components, compression, and the sizes."""

PIXEL_OFFSETS = (273, 324)
"""Where strips and tiles stand."""

LONGEST = 1 << 20
"""Bytes of a TIFF file before its pixels that are carried over as they stand."""

NO_BLOCK = struct.pack("<2sHIHI", b"II", 42, 8, 0, 0)
"""A block that holds nothing."""


def exif_of_tiff(file: BinaryIO, stale: set[int]) -> tuple[bytes | None, bool]:
    """The tags of a TIFF file's first page as a block, with the directories that they point to; whether a maker's note moved.

    Those that say how pixels are stored, and ``stale`` ones, are no part of it. A note stays where it is if that is before
    the pixels. Raises BrokenExif.
    """
    source = Block.of(file)
    skipped = TIFF_LAYOUT | stale
    entries = [entry for entry in source.directory(source.first) if entry.tag not in skipped]
    if not entries:
        return None, False
    has_note = has_maker_note(source, entries)
    end = max((begin + size for begin, size in value_ranges(source, entries)), default=0)
    stays = has_note and end <= _first_pixel(source)
    if stays:  # all that stands before the pixels: a note may point out of itself
        made = io.BytesIO(source.read(0, max(end, source.first if source.first <= _first_pixel(source) else 0)))
        write_first(Block(made, source.order, 0), [source.read(entry.place, 12) for entry in entries], bytes(4))
    else:
        made = io.BytesIO(struct.pack(f"{source.order}2sHI", b"II" if source.order == "<" else b"MM", 42, 0))
        _copy_tags(source, entries, Block(made, source.order, 0))
    return PREFIX + made.getvalue(), has_note and not stays


def _first_pixel(block: Block) -> int:
    """Where the first bytes of pixels stand, or as far on as a block may reach."""
    offsets = [entry for entry in block.directory(block.first) if entry.tag in PIXEL_OFFSETS and entry.type in (SHORT, LONG)]
    numbers = (block.numbers(entry.at, f"{entry.count}{'H' if entry.type == SHORT else 'I'}") for entry in offsets)
    return min([LONGEST, *(number for held in numbers for number in held)])


def check_values(exif: bytes) -> None:
    """See that all values of a block stand in it. Raises BrokenExif."""
    block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
    for begin, size in value_ranges(block, block.directory(block.first)):
        block.read(begin, size)


def start_tiff(exif: bytes, fields: list[Field]) -> io.BytesIO:
    """The start of a TIFF file: a block, which stays as it is, and a first directory with these fields of its pixels."""
    file = io.BytesIO(exif.removeprefix(PREFIX))
    block = Block.of(file)
    entries = [entry for entry in block.directory(block.first) if entry.tag not in TIFF_LAYOUT]
    for inner in block.subdirectories(entries):
        _drop_entries(block, inner.at, JPEG_LAYOUT)
    raw = [block.read(entry.place, 12) for entry in entries]
    if block.next_place(block.first) + 4 == file.seek(0, io.SEEK_END):
        file.truncate(block.first)
    write_first(block, raw, bytes(4), fields)
    return file


def _drop_entries(block: Block, at: int, dropped: tuple[int, ...]) -> None:
    """Take entries out of a directory; the others move up."""
    place = block.next_place(at)
    raw = [block.read(begin, 12) for begin in range(at + 2, place, 12)]
    kept = [entry for entry in raw if struct.unpack(f"{block.order}H", entry[:2])[0] not in dropped]
    behind = block.read(place, 4)
    write_at(block.file, at, struct.pack(f"{block.order}H", len(kept)) + b"".join(kept) + behind)


def _copy_tags(source: Block, entries: list[Entry], target: Block) -> None:
    """Write entries, and the directories that they point to, as all of a block of the same byte order."""
    fields = [(entry.tag, entry.type, source.read(entry.at, entry.size)) for entry in entries]
    pointers = [(inner.tag, LONG, _append_directory(source, inner, target)) for inner in source.subdirectories(entries)]
    write_first(target, [], bytes(4), [*fields, *pointers])


def _append_directory(source: Block, directory: Directory, target: Block) -> bytes:
    """Put a directory, and those within, at the end of another block; its offset there, as an entry holds it."""
    order = target.order
    inner = source.subdirectories(directory.entries, directory.tag)
    pointers = {within.tag: _append_directory(source, within, target) for within in inner}
    parts = []
    for entry in sorted(directory.entries, key=lambda one: one.tag):
        values = pointers.get(entry.tag) or source.read(entry.at, entry.size)
        parts.append(struct.pack(f"{order}HHI", entry.tag, entry.type, entry.count) + encode_value(target.file, values, order))
    at = append(target.file, struct.pack(f"{order}H", len(parts)) + b"".join(parts) + bytes(4))
    return struct.pack(f"{order}I", at)
