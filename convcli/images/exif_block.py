"""A block of EXIF, or the tags of a TIFF file: reading at any position, writing at the end.

A block is a small TIFF file (EXIF 2.32, CIPA DC-008, section 4.5; TIFF 6.0, section 2): a header of eight bytes, then
directories of entries of twelve bytes. An entry holds values of up to four bytes itself, and the position of longer ones.
All positions are in bytes from the start of the block.
"""

import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

PREFIX = b"Exif\0\0"
"""Precedes a block in JPEG files, and in Pillow."""

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8, 129: 1}
"""Bytes per value of each type: those of TIFF and BigTIFF, and UTF-8 of EXIF 3.0."""

ASCII, SHORT, LONG, UTF_8 = 2, 3, 4, 129

ORIENTATION, EXIF, GPS, INTEROPERABILITY = 274, 34665, 34853, 40965

DIRECTORIES = {0: (EXIF, GPS), EXIF: (INTEROPERABILITY,)}
"""Tags that point to directories, by the tag of the directory that holds them, 0 for the first."""

MAKER_NOTE = 37500

TIFF_LAYOUT = frozenset(
    tag
    for first, last in (
        *((254, 266), (273, 274), (277, 279), (282, 284), (296, 297), (317, 317), (320, 320), (322, 325), (330, 330)),
        *((338, 339), (347, 347), (512, 533), (700, 700), (34675, 34675), (50838, 50839)),
    )
    for tag in range(first, last + 1)
)
"""TIFF tags that say how pixels are stored, or that are carried over by other means. They are not carried over as EXIF."""

MAX_VALUE_BYTES = 32 << 20
"""Longest value that is read. A maker note with a preview has some megabytes."""

Field: TypeAlias = tuple[int, int, bytes]
"""Tag, type, and the values as bytes in the byte order of the block."""


class BrokenExif(ValueError):
    """A block contradicts itself. The text continues "it ..."."""


@dataclass(frozen=True)
class Entry:
    """One entry: its tag, the type and number of its values, its own position, and that of its values."""

    tag: int
    type: int
    count: int
    position: int
    value_position: int

    @property
    def size(self) -> int:
        """Bytes of all values together."""
        return self.count * SIZES[self.type]


@dataclass(frozen=True)
class Block:
    """A block, or a TIFF file, with random access."""

    file: BinaryIO
    order: str  # "<" or ">"
    first: int  # position of the first directory

    @classmethod
    def of(cls, file: BinaryIO) -> "Block":
        """Read the header. Raises BrokenExif."""
        file.seek(0)
        start = file.read(8)
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(start[:4])
        if order is None or len(start) < 8:
            raise BrokenExif("has no header")
        return cls(file, order, struct.unpack(f"{order}I", start[4:])[0])

    def read(self, position: int, size: int) -> bytes:
        """Read ``size`` bytes from a position. Raises BrokenExif where there are fewer."""
        self.file.seek(position)
        data = self.file.read(size) if size <= MAX_VALUE_BYTES else b""
        if len(data) < size:
            raise BrokenExif("ends before its values do")
        return data

    def numbers(self, position: int, code: str) -> tuple[int, ...]:
        """Read integers in the byte order of the block; ``code`` is that of struct."""
        return struct.unpack(self.order + code, self.read(position, struct.calcsize(self.order + code)))

    def directory(self, position: int) -> list[Entry]:
        """Read the entries of a directory, without those of an unknown type."""
        (count,) = self.numbers(position, "H")
        entries = []
        for entry_position in range(position + 2, position + 2 + 12 * count, 12):
            tag, kind, values, offset = self.numbers(entry_position, "HHII")
            inline = SIZES.get(kind, 9) * values <= 4
            if kind in SIZES:
                entries.append(Entry(tag, kind, values, entry_position, entry_position + 8 if inline else offset))
        return entries

    def next_pointer(self, position: int) -> int:
        """Return the position of the pointer to the next directory."""
        return position + 2 + 12 * self.numbers(position, "H")[0]

    def subdirectories(self, entries: Iterable[Entry], within: int = 0) -> Iterator["Directory"]:
        """Read the directories that entries point to. ``within`` is the tag of their directory, 0 for the first."""
        by_tag = {entry.tag: entry for entry in entries if entry.type in (LONG, 13) and entry.count == 1}
        for tag in DIRECTORIES.get(within, ()):
            if tag in by_tag:
                (position,) = self.numbers(by_tag[tag].value_position, "I")
                yield Directory(tag, position, self.directory(position))


@dataclass(frozen=True)
class Directory:
    """A directory within another: the tag that points to it, its position, and its entries."""

    tag: int
    position: int
    entries: list[Entry]


def has_maker_note(block: Block, entries: list[Entry]) -> bool:
    """Return whether a directory that these entries point to holds a maker note."""
    return any(entry.tag == MAKER_NOTE for inner in block.subdirectories(entries) for entry in inner.entries)


def value_ranges(block: Block, entries: list[Entry], within: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (begin, size) of the values of entries, and of the directories that they point to with theirs."""
    yield from ((entry.value_position, entry.size) for entry in entries if entry.size > 4)
    for inner in block.subdirectories(entries, within):
        yield inner.position, block.next_pointer(inner.position) + 4 - inner.position
        yield from value_ranges(block, inner.entries, inner.tag)


def write_at(file: BinaryIO, position: int, value: bytes) -> None:
    """Overwrite the bytes at a position."""
    file.seek(position)
    file.write(value)


def append(file: BinaryIO, value: bytes) -> int:
    """Write bytes at the end, at an even position. Return that position."""
    end = file.seek(0, io.SEEK_END)
    file.write(bytes(end % 2) + value)
    return end + end % 2


def write_first(block: Block, raw_entries: list[bytes], next_directory: bytes, fields: Sequence[Field] = ()) -> None:
    """Write a new first directory at the end: entries copied as bytes, new fields, and the pointer to the next directory.

    The values of the fields follow the directory.
    """
    order = block.order
    entries = {struct.unpack(f"{order}H", entry[:2])[0]: entry for entry in raw_entries}
    tags = entries.keys() | {tag for tag, _, _ in fields}
    first = append(block.file, bytes(2 + 12 * len(tags) + 4))
    for tag, kind, values in fields:
        count = len(values) // SIZES[kind]
        entries[tag] = struct.pack(f"{order}HHI", tag, kind, count) + encode_value(block.file, values, order)
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + next_directory
    write_at(block.file, first, directory)
    write_at(block.file, 4, struct.pack(f"{order}I", first))


def encode_value(file: BinaryIO, values: bytes, order: str) -> bytes:
    """Return the last four bytes of an entry: its values, or the position of the values, which are written at the end."""
    return values.ljust(4, b"\0") if len(values) <= 4 else struct.pack(f"{order}I", append(file, values))
