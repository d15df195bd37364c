"""A block of EXIF, or the tags of a TIFF file: read at any place, written at the end.

A block is a small TIFF file (EXIF 2.32, CIPA DC-008, section 4.5; TIFF 6.0, section 2): a header of eight bytes, then
directories of entries of twelve bytes. Values of more than four bytes stand elsewhere, at offsets from the start of the block.
"""

import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

PREFIX = b"Exif\0\0"
"""Stands before a block in JPEG, and in what Pillow hands over."""

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8, 129: 1}
"""Bytes of a value of each type: those of TIFF, of BigTIFF, and UTF-8 of EXIF 3.0."""

ASCII, SHORT, LONG, UTF_8 = 2, 3, 4, 129

ORIENTATION, EXIF, GPS, INTEROPERABILITY = 274, 34665, 34853, 40965

DIRECTORIES = {0: (EXIF, GPS), EXIF: (INTEROPERABILITY,)}
"""Entries that point to directories, by the tag of that which they stand in, 0 for the first."""

MAKER_NOTE = 37500

TIFF_LAYOUT = frozenset(
    tag
    for first, last in (
        *((254, 266), (273, 274), (277, 279), (282, 284), (296, 297), (317, 317), (320, 320), (322, 325), (330, 330)),
        *((338, 339), (347, 347), (512, 533), (700, 700), (34675, 34675), (50838, 50839)),
    )
    for tag in range(first, last + 1)
)
"""TIFF tags that say how pixels are stored, or are kept by other means; no part of the EXIF that is carried over."""

LARGEST = 32 << 20
"""Bytes of a value at most: a maker's note with a preview has some megabytes."""

Field: TypeAlias = tuple[int, int, bytes]
"""A tag, its type, and its values in the byte order of the block."""


class BrokenExif(ValueError):
    """A block is not what it says."""


@dataclass(frozen=True)
class Entry:
    """One entry: its tag and type, how many values it has, where it stands, and where its values do."""

    tag: int
    type: int
    count: int
    place: int
    at: int

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return self.count * SIZES[self.type]


@dataclass(frozen=True)
class Block:
    """A block, or a TIFF file, that is read at any place."""

    file: BinaryIO
    order: str  # "<" or ">"
    first: int  # where the first directory stands

    @classmethod
    def of(cls, file: BinaryIO) -> "Block":
        """Read the header. Raises BrokenExif."""
        file.seek(0)
        start = file.read(8)
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(start[:4])
        if order is None or len(start) < 8:
            raise BrokenExif("has no header")
        return cls(file, order, struct.unpack(f"{order}I", start[4:])[0])

    def read(self, at: int, size: int) -> bytes:
        """So many bytes from there on. Raises BrokenExif where there are fewer."""
        self.file.seek(at)
        data = self.file.read(size) if size <= LARGEST else b""
        if len(data) < size:
            raise BrokenExif("ends before its values do")
        return data

    def numbers(self, at: int, code: str) -> tuple[int, ...]:
        """Whole numbers in the order of the block, by the codes of struct."""
        return struct.unpack(self.order + code, self.read(at, struct.calcsize(self.order + code)))

    def directory(self, at: int) -> list[Entry]:
        """The entries of a directory; those of no known type are left out."""
        (count,) = self.numbers(at, "H")
        entries = []
        for place in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, values, offset = self.numbers(place, "HHII")
            inline = SIZES.get(kind, 9) * values <= 4
            if kind in SIZES:
                entries.append(Entry(tag, kind, values, place, place + 8 if inline else offset))
        return entries

    def next_place(self, at: int) -> int:
        """Where the offset of the directory behind this one stands."""
        return at + 2 + 12 * self.numbers(at, "H")[0]

    def subdirectories(self, entries: Iterable[Entry], within: int = 0) -> Iterator["Directory"]:
        """The directories that these entries point to; ``within`` is the tag of theirs, 0 for the first."""
        held = {entry.tag: entry for entry in entries if entry.type in (LONG, 13) and entry.count == 1}
        for tag in DIRECTORIES.get(within, ()):
            if tag in held:
                (at,) = self.numbers(held[tag].at, "I")
                yield Directory(tag, at, self.directory(at))


@dataclass(frozen=True)
class Directory:
    """A directory within another: the tag that points to it, where it stands, and its entries."""

    tag: int
    at: int
    entries: list[Entry]


def has_maker_note(block: Block, entries: list[Entry]) -> bool:
    """Whether a directory that these entries point to holds a maker note."""
    return any(entry.tag == MAKER_NOTE for inner in block.subdirectories(entries) for entry in inner.entries)


def value_ranges(block: Block, entries: list[Entry], within: int = 0) -> Iterator[tuple[int, int]]:
    """Where the values of entries stand, and the directories that they point to with theirs: (begin, size)."""
    yield from ((entry.at, entry.size) for entry in entries if entry.size > 4)
    for inner in block.subdirectories(entries, within):
        yield inner.at, block.next_place(inner.at) + 4 - inner.at
        yield from value_ranges(block, inner.entries, inner.tag)


def write_at(file: BinaryIO, at: int, value: bytes) -> None:
    """Write bytes over what stands there."""
    file.seek(at)
    file.write(value)


def append(file: BinaryIO, value: bytes) -> int:
    """Put bytes at the end, at an even offset, which is returned."""
    end = file.seek(0, io.SEEK_END)
    file.write(bytes(end % 2) + value)
    return end + end % 2


def write_first(block: Block, kept: list[bytes], next_directory: bytes, fields: Sequence[Field] = ()) -> None:
    """Write a first directory at the end, of entries as they are and of fields, and the offset of the one behind it.

    The values of the fields stand behind the directory.
    """
    order = block.order
    entries = {struct.unpack(f"{order}H", entry[:2])[0]: entry for entry in kept}
    tags = entries.keys() | {tag for tag, _, _ in fields}
    first = append(block.file, bytes(2 + 12 * len(tags) + 4))
    for tag, kind, values in fields:
        count = len(values) // SIZES[kind]
        entries[tag] = struct.pack(f"{order}HHI", tag, kind, count) + encode_value(block.file, values, order)
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + next_directory
    write_at(block.file, first, directory)
    write_at(block.file, 4, struct.pack(f"{order}I", first))


def encode_value(file: BinaryIO, values: bytes, order: str) -> bytes:
    """What an entry holds: its values, or where they stand at the end of the file."""
    return values.ljust(4, b"\0") if len(values) <= 4 else struct.pack(f"{order}I", append(file, values))
