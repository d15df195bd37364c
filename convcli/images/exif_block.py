"""Reads an EXIF block or the tags of a TIFF file at any position, and writes at the end.

A block is a small TIFF file (EXIF 2.32, CIPA DC-008, section 4.5; TIFF 6.0, section 2): a header of eight bytes, then
directories (IFDs) of entries of twelve bytes. An entry holds values of at most four bytes itself, and the position of longer
values. All positions are in bytes from the start of the block. The tags of a BigTIFF file are read too: its header has sixteen
bytes, an entry twenty, and counts and positions have 64 bits (https://www.awaresystems.be/imaging/tiff/bigtiff.html).
"""

import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, TypeAlias

from msgspec import Struct

PREFIX = b"Exif\0\0"
"""Bytes that precede a block in JPEG files, and in Pillow."""

TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8, 129: 1}
"""Bytes per value of each type: the types of TIFF and BigTIFF, and UTF-8 of EXIF 3.0."""

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, UTF_8 = 1, 2, 3, 4, 5, 7, 129
SLONG, IFD, LONG8, SLONG8, IFD8, RATIONALS = 9, 13, 16, 17, 18, (5, 10)
POINTER_CODES = {LONG: "I", IFD: "I", LONG8: "Q", IFD8: "Q"}
"""Types of the position of a directory, and their types in ``struct``."""

ORIENTATION, EXIF, GPS, INTEROPERABILITY = 274, 34665, 34853, 40965

SUBDIRECTORY_TAGS = {0: (EXIF, GPS), EXIF: (INTEROPERABILITY,)}
"""Tags that point to subdirectories, by the tag of the directory that contains them; 0 stands for the first directory."""

MAKER_NOTE = 37500

TIFF_LAYOUT = frozenset(
    tag
    for first, last in (
        *((254, 266), (273, 274), (277, 279), (282, 284), (296, 297), (317, 317), (320, 320), (322, 325), (330, 330)),
        *((338, 339), (347, 347), (512, 533), (700, 700), (34675, 34675), (50838, 50839)),
    )
    for tag in range(first, last + 1)
)
"""TIFF tags that are not copied as EXIF: they describe how pixels are stored, or are copied by other means."""

MAX_ENTRIES = (1 << 16) - 1
"""Most entries of a directory, also in BigTIFF, whose counts have 64 bits."""

MAX_VALUE_BYTES = 32 << 20
"""Largest size of the values of an entry in bytes. A maker note with a preview takes several megabytes."""

CODES = {False: ("H", "I"), True: ("Q", "Q")}
"""Types in ``struct`` of the number of entries, and of positions and the number of values: of a block, and of BigTIFF."""

Field: TypeAlias = tuple[int, int, bytes]
"""Tag, type, and the values as bytes in the byte order of the block."""


class BrokenExif(ValueError):
    """A block is malformed. The message continues a sentence that begins with "it"."""


class Entry(Struct, frozen=True):
    """One entry: its tag, the type and number of its values, and the positions of the entry and of its values."""

    tag: int
    type: int
    count: int
    position: int
    value_position: int

    @property
    def size(self) -> int:
        """Size of all values in bytes."""
        return self.count * TYPE_SIZES[self.type]


class Block(Struct, frozen=True):
    """An EXIF block or a TIFF file with random access."""

    file: BinaryIO
    byte_order: str  # "<" or ">"
    first_directory: int  # position of the first directory
    is_big: bool = False  # a BigTIFF file, which is only read

    @classmethod
    def of(cls, file: BinaryIO) -> "Block":
        """Read the header. Raises BrokenExif."""
        file.seek(0)
        start = file.read(8)
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(start[:4])
        if order is None or len(start) < 8:
            raise BrokenExif("has no header")
        return cls(file, order, struct.unpack(f"{order}I", start[4:])[0])

    @classmethod
    def of_tiff(cls, file: BinaryIO) -> "Block":
        """Read the header of a TIFF or BigTIFF file. Raises BrokenExif."""
        file.seek(0)
        start = file.read(16)
        order = {b"II+\0": "<", b"MM\0+": ">"}.get(start[:4])
        if order is None or len(start) < 16:
            return cls.of(file)
        return cls(file, order, struct.unpack(f"{order}Q", start[8:])[0], is_big=True)

    @property
    def codes(self) -> tuple[str, str]:
        """The types in ``struct`` of the number of entries, and of positions and the number of values."""
        return CODES[self.is_big]

    def read(self, position: int, size: int) -> bytes:
        """Read ``size`` bytes from a position. Raises BrokenExif if there are fewer, or if ``size`` exceeds MAX_VALUE_BYTES."""
        try:
            self.file.seek(position)
        except (OverflowError, OSError):  # a position of 64 bits
            raise BrokenExif("ends before its values do") from None
        data = self.file.read(size) if size <= MAX_VALUE_BYTES else b""
        if len(data) < size:
            raise BrokenExif("ends before its values do")
        return data

    def numbers(self, position: int, code: str) -> tuple[int, ...]:
        """Read integers in the byte order of the block. ``code`` is a format string of ``struct``."""
        return struct.unpack(self.byte_order + code, self.read(position, struct.calcsize(self.byte_order + code)))

    def directory(self, position: int) -> list[Entry]:
        """Read the entries of a directory. Entries of unknown types are left out."""
        entries, (_, code) = [], self.codes
        inline_bytes = struct.calcsize(f"{self.byte_order}{code}")
        for entry_position in self.entry_positions(position):
            tag, kind, value_count, offset = self.numbers(entry_position, f"HH{code}{code}")
            inline = TYPE_SIZES.get(kind, 9) * value_count <= inline_bytes
            if kind in TYPE_SIZES:
                value_position = entry_position + 4 + inline_bytes if inline else offset
                entries.append(Entry(tag, kind, value_count, entry_position, value_position))
        return entries

    def entry_positions(self, position: int) -> range:
        """Return the positions of the entries of a directory. The range stops at the pointer that follows them."""
        count_code, code = self.codes
        (count,) = self.numbers(position, count_code)
        if count > MAX_ENTRIES:
            raise BrokenExif(f"has a directory of more than {MAX_ENTRIES} entries")
        begin = position + struct.calcsize(f"{self.byte_order}{count_code}")
        size = struct.calcsize(f"{self.byte_order}HH{code}{code}")
        return range(begin, begin + count * size, size)

    def next_pointer(self, position: int) -> int:
        """Return the position of the pointer that follows the entries of a directory."""
        return self.entry_positions(position).stop

    def subdirectories(self, entries: Iterable[Entry], parent_tag: int = 0) -> Iterator["Directory"]:
        """Yield the directories that entries point to. ``parent_tag`` is the tag of their own directory, 0 for the first."""
        kinds = POINTER_CODES if self.is_big else (LONG, IFD)
        by_tag = {entry.tag: entry for entry in entries if entry.type in kinds and entry.count == 1}
        for tag in SUBDIRECTORY_TAGS.get(parent_tag, ()):
            if tag in by_tag:
                (position,) = self.numbers(by_tag[tag].value_position, POINTER_CODES[by_tag[tag].type])
                yield Directory(tag, position, self.directory(position))


class Directory(Struct, frozen=True):
    """A subdirectory: the tag that points to it, its position, and its entries."""

    tag: int
    position: int
    entries: list[Entry]


def has_maker_note(block: Block, entries: list[Entry]) -> bool:
    """Return whether a directory that these entries point to has a maker note."""
    return any(entry.tag == MAKER_NOTE for inner in block.subdirectories(entries) for entry in inner.entries)


def value_ranges(block: Block, entries: list[Entry], parent_tag: int = 0) -> Iterator[tuple[int, int]]:
    """Yield the (begin, size) of values outside the entries, and of the subdirectories and their values."""
    yield from ((entry.value_position, entry.size) for entry in entries if entry.size > 4)
    for inner in block.subdirectories(entries, parent_tag):
        yield inner.position, block.next_pointer(inner.position) + 4 - inner.position
        yield from value_ranges(block, inner.entries, inner.tag)


def write_at(file: BinaryIO, position: int, value: bytes) -> None:
    """Overwrite the bytes at a position."""
    file.seek(position)
    file.write(value)


def drop_entries(block: Block, position: int, dropped: tuple[int, ...]) -> None:
    """Remove entries from a directory; those after them move up."""
    positions = block.entry_positions(position)
    raw = [block.read(begin, 12) for begin in positions]
    kept = [entry for entry in raw if struct.unpack(f"{block.byte_order}H", entry[:2])[0] not in dropped]
    next_directory = block.read(positions.stop, 4)
    write_at(block.file, position, struct.pack(f"{block.byte_order}H", len(kept)) + b"".join(kept) + next_directory)


def append(file: BinaryIO, value: bytes | memoryview) -> int:
    """Write bytes at the end of a file, at an even position, and return that position."""
    end = file.seek(0, io.SEEK_END)
    file.write(bytes(end % 2))
    file.write(value)
    return end + end % 2


def write_first_directory(block: Block, raw_entries: list[bytes], next_directory: bytes, fields: Sequence[Field] = ()) -> None:
    """Append a new first directory, as ``append_directory`` does."""
    first = append_directory(block, raw_entries, next_directory, fields)
    write_at(block.file, 4, struct.pack(f"{block.byte_order}I", first))


def append_directory(block: Block, raw_entries: list[bytes], next_directory: bytes, fields: Sequence[Field] = ()) -> int:
    """Append a directory: copied entries, new fields, and the pointer to the next directory. Return its position.

    A field replaces a copied entry of the same tag. The values of the fields follow the directory.
    """
    order = block.byte_order
    entries = {struct.unpack(f"{order}H", entry[:2])[0]: entry for entry in raw_entries}
    tags = entries.keys() | {tag for tag, _, _ in fields}
    first = append(block.file, bytes(2 + 12 * len(tags) + 4))
    for tag, kind, values in fields:
        count = len(values) // TYPE_SIZES[kind]
        entries[tag] = struct.pack(f"{order}HHI", tag, kind, count) + encode_value(block.file, values, order)
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + next_directory
    write_at(block.file, first, directory)
    return first


def encode_value(file: BinaryIO, values: bytes, order: str, code: str = "I") -> bytes:
    """Return the end of an entry: its values, or their position after appending them to the file.

    ``code`` is the type of positions in ``struct``: "I", or "Q" in BigTIFF, where short values may have eight bytes too.
    """
    size = struct.calcsize(f"{order}{code}")
    return values.ljust(size, b"\0") if len(values) <= size else struct.pack(f"{order}{code}", append(file, values))


def in_order(values: bytes, kind: int, order: str, target: str) -> bytes:
    """Return the values of a type in another byte order."""
    size = 4 if kind in RATIONALS else TYPE_SIZES[kind]
    if order == target or size == 1:
        return values
    return b"".join(values[at : at + size][::-1] for at in range(0, len(values), size))
