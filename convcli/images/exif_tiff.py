"""EXIF in TIFF files, whose tags have the same structure as a block.

A TIFF file that is written here begins with the unchanged block of the picture. A new first directory, with the tags of the
pixels, and the pixels follow it. So offsets in a maker note remain valid.
"""

import io
import struct
from collections.abc import Collection, Iterable
from typing import BinaryIO

from msgspec.structs import replace

from .exif_block import (
    CODES,
    IFD,
    IFD8,
    LONG,
    LONG8,
    MAX_VALUE_BYTES,
    PREFIX,
    SHORT,
    SLONG,
    SLONG8,
    TIFF_LAYOUT,
    Block,
    BrokenExif,
    Directory,
    Entry,
    Field,
    append,
    drop_entries,
    encode_value,
    has_maker_note,
    in_order,
    value_ranges,
    write_first_directory,
)

JPEG_LAYOUT = (37121, 37122, 40962, 40963)
"""EXIF tags that only JPEG files have: components, compression, and the sizes in pixels."""

PIXEL_OFFSETS = (273, 324)
"""Tags with the positions of strips and of tiles."""

MAX_HEADER_BYTES = 1 << 20
"""Largest part of a TIFF file before its pixels that is carried over unchanged."""

SHORTER = {LONG8: (LONG, "Q", "I"), SLONG8: (SLONG, "q", "i"), IFD8: (IFD, "Q", "I")}
"""Types of 64-bit integers, and those of 32 bits for the same, with their types in ``struct``."""

NO_BLOCK = struct.pack("<2sHIHI", b"II", 42, 8, 0, 0)
"""An empty block."""


def exif_of_tiff(file: BinaryIO, stale: set[int], directory: int | None = None) -> tuple[bytes | None, bool]:
    """Return the tags of a page of a TIFF or BigTIFF file as a block, and whether a maker note moved.

    The directory of the page is the first, or the one at a position.
    Directories that the tags point to are part of it. Tags that say how pixels are stored, and ``stale`` ones, are not. A maker
    note keeps its position if it lies before the pixels, except that of BigTIFF. Raises BrokenExif.
    """
    source = Block.of_tiff(file)
    source = source if directory is None else replace(source, first_directory=directory)
    skipped = TIFF_LAYOUT | stale
    all_entries = [entry for entry in source.directory(source.first_directory) if entry.tag not in skipped]
    entries = list({entry.tag: entry for entry in reversed(all_entries)}.values())[::-1]  # of two of a tag, the first counts
    if not entries:
        return None, False
    has_note = has_maker_note(source, entries)
    end = max((begin + size for begin, size in value_ranges(source, entries)), default=0)
    stays = has_note and not source.is_big and end <= _first_pixel(source)
    if stays:  # copy all bytes before the pixels: a note may refer to bytes outside of it
        first = source.first_directory
        block_file = io.BytesIO(source.read(0, max(end, first if first <= _first_pixel(source) else 0)))
        raw_entries = [source.read(entry.position, 12) for entry in entries]
        write_first_directory(Block(block_file, source.byte_order, 0), raw_entries, bytes(4))
    else:
        block_file = io.BytesIO(_header(source.byte_order))
        _copy_tags(source, entries, Block(block_file, source.byte_order, 0))
    return PREFIX + block_file.getvalue(), has_note and not stays


def block_of_tags(exif: bytes, tags: Collection[int]) -> bytes | None:
    """Return a block with some tags of the first directory of another; None where it has none of them, or cannot be read."""
    try:
        source = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
        entries = [entry for entry in source.directory(source.first_directory) if entry.tag in tags]
        file = io.BytesIO(_header(source.byte_order))
        _copy_tags(source, entries, Block(file, source.byte_order, 0))
    except BrokenExif:
        return None
    return PREFIX + file.getvalue() if entries else None


def _header(byte_order: str) -> bytes:
    return struct.pack(f"{byte_order}2sHI", b"II" if byte_order == "<" else b"MM", 42, 0)


def _first_pixel(block: Block) -> int:
    """Return the position of the first pixels, MAX_HEADER_BYTES at most."""
    entries = block.directory(block.first_directory)
    offsets = [entry for entry in entries if entry.tag in PIXEL_OFFSETS and entry.type in (SHORT, LONG)]
    numbers = (block.numbers(entry.value_position, f"{entry.count}{'H' if entry.type == SHORT else 'I'}") for entry in offsets)
    return min([MAX_HEADER_BYTES, *(position for positions in numbers for position in positions)])


def check_values(exif: bytes) -> None:
    """Raise BrokenExif where a value lies outside of its block."""
    block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
    for begin, size in value_ranges(block, block.directory(block.first_directory)):
        block.read(begin, size)


def start_tiff(exif: bytes, fields: list[Field]) -> io.BytesIO:
    """Return the start of a TIFF file: an unchanged block, and a first directory with fields of the pixels."""
    file = io.BytesIO(exif.removeprefix(PREFIX))
    block = Block.of(file)
    entries = [entry for entry in block.directory(block.first_directory) if entry.tag not in TIFF_LAYOUT]
    for inner in block.subdirectories(entries):
        drop_entries(block, inner.position, JPEG_LAYOUT)
    raw = [block.read(entry.position, 12) for entry in entries]
    if block.next_pointer(block.first_directory) + 4 == file.seek(0, io.SEEK_END):
        file.truncate(block.first_directory)
    write_first_directory(block, raw, bytes(4), fields)
    return file


def _copy_tags(source: Block, entries: list[Entry], target: Block) -> None:
    """Write entries, and the directories that they point to, to an empty block of the same byte order."""
    _check_sizes(source, entries)
    fields = [(entry.tag, *_value_of(source, entry)) for entry in entries]
    pointers = [
        (inner.tag, LONG, append_subdirectory(source, inner, target.file, target.byte_order))
        for inner in source.subdirectories(entries)
    ]
    write_first_directory(target, [], bytes(4), [*fields, *pointers])


def _check_sizes(source: Block, entries: Iterable[Entry]) -> None:
    """Raise BrokenExif where values that lie upon each other would take more memory than the file."""
    if sum(entry.size for entry in entries) > max(source.file.seek(0, io.SEEK_END), MAX_VALUE_BYTES):
        raise BrokenExif("ends before its values do")


def _value_of(source: Block, entry: Entry) -> tuple[int, bytes]:
    """Return the type and the values of an entry. Integers of BigTIFF get 32 bits, where they fit: blocks have no others."""
    values = source.read(entry.value_position, entry.size)
    if not source.is_big or entry.type not in SHORTER:
        return entry.type, values
    kind, code, short = SHORTER[entry.type]
    try:
        numbers = struct.unpack(f"{source.byte_order}{entry.count}{code}", values)
        return kind, struct.pack(f"{source.byte_order}{entry.count}{short}", *numbers)
    except struct.error:
        return entry.type, values


def append_subdirectory(source: Block, directory: Directory, file: BinaryIO, order: str, is_big: bool = False) -> bytes:
    """Write a directory, and those within it, at the end of another file. Return its position as the bytes of an entry.

    Positions and counts have 32 bits, in BigTIFF (``is_big``) 64 (https://www.awaresystems.be/imaging/tiff/bigtiff.html).
    """
    count_code, code = CODES[is_big]
    _check_sizes(source, directory.entries)
    inner = source.subdirectories(directory.entries, directory.tag)
    pointers = {within.tag: append_subdirectory(source, within, file, order, is_big) for within in inner}
    raw_entries = []
    for entry in sorted(directory.entries, key=lambda entry: entry.tag):
        kind, values = _value_of(source, entry)
        if entry.tag in pointers:
            kind, values = LONG8 if is_big else LONG if source.is_big else kind, pointers[entry.tag]
        else:
            values = in_order(values, kind, source.byte_order, order)
        start = struct.pack(f"{order}HH{code}", entry.tag, kind, entry.count)
        raw_entries.append(start + encode_value(file, values, order, code))
    directory_bytes = struct.pack(f"{order}{count_code}", len(raw_entries)) + b"".join(raw_entries)
    position = append(file, directory_bytes + bytes(struct.calcsize(code)))
    return struct.pack(f"{order}{code}", position)
