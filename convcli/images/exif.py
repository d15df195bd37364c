"""EXIF as bytes: only what a new picture makes untrue is changed, where it stands; nothing else moves.

A block is a small TIFF file (EXIF 2.32, CIPA DC-008, section 4.5; TIFF 6.0, section 2): a header of eight bytes, then
directories of entries of twelve bytes, whose values of more than four bytes stand elsewhere, at offsets from the start of the
block. What a maker's note holds may count from there too, so that a block written anew loses it.

    in place    the orientation becomes 1, the sizes in pixels are those of the picture
    cut off     the directory of the thumbnail, which shows the picture before; its bytes are cleared
    at the end  the text Software with our mark, where it does not fit in its place, and a directory with an entry more for it
"""

import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from .mark import SOFTWARE, Mark, without_mark

PREFIX = b"Exif\0\0"
"""Stands before a block in JPEG, and in what Pillow hands over."""

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value of each type."""

WORDS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
"""Bytes of each type that a byte order turns as one."""

ASCII, SHORT, LONG = 2, 3, 4
ORIENTATION, EXIF, GPS, INTEROPERABILITY = 274, 34665, 34853, 40965
DIRECTORIES = {0: (EXIF, GPS), EXIF: (INTEROPERABILITY,)}
"""Entries that point to directories, by the tag of that which they stand in, 0 for the first."""

WIDTHS, HEIGHTS = (256, 40962), (257, 40963)
THUMBNAILS = ((513, 514), (273, 279))
"""Where the bytes of a thumbnail stand, and how many: of JPEG, and of pixels."""

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

JPEG_LAYOUT = (37121, 37122, 40962, 40963)
"""EXIF tags that say how JPEG holds pixels, which EXIF does not have in TIFF: components, compression, and the sizes."""

LARGEST = 32 << 20
"""Bytes of a value at most: a maker's note with a preview has some megabytes."""


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

    def inner(self, entries: Iterable[Entry], within: int = 0) -> Iterator[tuple[int, list[Entry]]]:
        """The directories that these entries point to, by the tags of those; ``within`` is that of theirs, 0 for the first."""
        for entry in entries:
            if entry.tag in DIRECTORIES.get(within, ()) and entry.type in (LONG, 13) and entry.count == 1:
                yield entry.tag, self.directory(self.numbers(entry.at, "I")[0])


def check_block(exif: bytes) -> bytes:
    """A block with its prefix, whose first directory can be read. Raises BrokenExif."""
    block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
    block.next_place(block.first)
    block.directory(block.first)
    return PREFIX + exif.removeprefix(PREFIX)


def has_maker_note(exif: bytes) -> bool:
    """Whether a block holds a maker's note. Raises BrokenExif."""
    block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
    return any(entry.tag == MAKER_NOTE for _, inner in block.inner(block.directory(block.first)) for entry in inner)


def patched(exif: bytes, width: int, height: int, mark: Mark | None = None, most: int = 1 << 30) -> bytes:
    """A block with its prefix for a picture of that size, upright, with the mark where that keeps it within ``most`` bytes.

    One that cannot be read stays as it is.
    """
    file = io.BytesIO(exif.removeprefix(PREFIX))
    try:
        _patch(file, width, height)
        without = file.getvalue()
        _set_software(file, mark)
    except BrokenExif:
        return exif
    with_mark = file.getvalue()
    return PREFIX + (with_mark if len(PREFIX + with_mark) <= most else without)


def block_with(mark: Mark) -> bytes:
    """A block that holds a mark and nothing else."""
    text = str(mark).encode() + b"\0"
    return PREFIX + struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, SOFTWARE, ASCII, len(text), 26, 0) + text


def _patch(file: io.BytesIO, width: int, height: int) -> None:
    block = Block.of(file)
    entries = block.directory(block.first)
    numbers = [*entries, *(one for tag, inner in block.inner(entries) if tag == EXIF for one in inner)]
    for entry in numbers:
        if entry.tag == ORIENTATION:  # of whatever type: readers take it from a ratio too
            _set_number(block, replace(entry, type=SHORT), 1)
        elif entry.tag in (*WIDTHS, *HEIGHTS) and entry.type in (SHORT, LONG) and entry.count == 1:
            _set_number(block, entry, width if entry.tag in WIDTHS else height)
    _cut_thumbnail(file, block)


def _set_number(block: Block, entry: Entry, value: int) -> None:
    kind = LONG if value > 65_535 else entry.type
    packed = struct.pack(block.order + ("I" if kind == LONG else "HH"), *((value,) if kind == LONG else (value, 0)))
    _write(block.file, entry.place + 2, struct.pack(f"{block.order}HI", kind, 1) + packed)


def _cut_thumbnail(file: io.BytesIO, block: Block) -> None:
    """Cut off what stands behind the first directory, and clear the bytes of the picture in it."""
    place = block.next_place(block.first)
    (behind,) = block.numbers(place, "I")
    if behind == 0:
        return
    _write(file, place, bytes(4))
    numbers = {
        entry.tag: block.numbers(entry.at, "I" if entry.type == LONG else "H")[0]
        for entry in block.directory(behind)
        if entry.type in (SHORT, LONG) and entry.count == 1
    }
    for place_tag, size_tag in THUMBNAILS:
        begin, size = numbers.get(place_tag, 0), numbers.get(size_tag, 0)
        end = len(file.getbuffer())
        if 8 <= begin < begin + size <= end:
            _write(file, begin, bytes(size))
            if begin + size >= end - 1:  # nothing stands behind it
                file.truncate(begin)


def _set_software(file: io.BytesIO, mark: Mark | None) -> None:
    """The text Software without the mark that it had, and with this one behind it."""
    block = Block.of(file)
    entries = block.directory(block.first)
    held = next((entry for entry in entries if entry.tag == SOFTWARE and entry.type == ASCII), None)
    if held is None:
        if mark is not None:
            _add_entries(block, [(SOFTWARE, ASCII, str(mark).encode() + b"\0")])
        return
    before = block.read(held.at, held.size).split(b"\0")[0].decode("latin-1")
    rest = without_mark(before)
    after = f"{rest}; {mark}" if rest and mark else str(mark) if mark else rest
    text = after.encode("latin-1") + b"\0"
    if after != before and len(text) <= held.size:
        _write(file, held.at, text.ljust(held.size, b"\0"))
    elif after != before:
        _write(file, held.place + 4, struct.pack(f"{block.order}II", len(text), _append(file, text)))


def _write(file: BinaryIO, at: int, value: bytes) -> None:
    file.seek(at)
    file.write(value)


def _append(file: BinaryIO, value: bytes) -> int:
    """Put bytes at the end, at an even offset, which is returned."""
    end = file.seek(0, io.SEEK_END)
    file.write(bytes(end % 2) + value)
    return end + end % 2


def _add_entries(block: Block, added: list[tuple[int, int, bytes]]) -> None:
    """Give the first directory more entries, (tag, type, values): it is written again at the end, its values stay."""
    place = block.next_place(block.first)
    old = block.read(block.first + 2, place - block.first - 2)
    entries = {struct.unpack(f"{block.order}H", old[i : i + 2])[0]: old[i : i + 12] for i in range(0, len(old), 12)}
    behind = block.read(place, 4)
    for tag, kind, values in added:
        count = len(values) // SIZES[kind]
        entries[tag] = struct.pack(f"{block.order}HHI", tag, kind, count) + _held(block.file, values, block.order)
    directory = struct.pack(f"{block.order}H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + behind
    first = _append(block.file, directory)
    _write(block.file, 4, struct.pack(f"{block.order}I", first))


def _held(file: BinaryIO, values: bytes, order: str) -> bytes:
    """What an entry holds: its values, or where they stand at the end of the file."""
    return values.ljust(4, b"\0") if len(values) <= 4 else struct.pack(f"{order}I", _append(file, values))


def of_tiff(file: BinaryIO, stale: set[int]) -> bytes | None:
    """The tags of a TIFF file's first page as a block, with the directories that they point to.

    Those that say how pixels are stored, and ``stale`` ones, are no part of it. A maker's note moves by this, for a file has no
    block of its own. Raises BrokenExif.
    """
    source = Block.of(file)
    start = struct.pack(f"{source.order}2sHIHI", b"II" if source.order == "<" else b"MM", 42, 8, 0, 0)
    made = io.BytesIO(start)
    _copy_tags(source, Block.of(made), TIFF_LAYOUT | stale)
    return PREFIX + made.getvalue() if len(made.getbuffer()) > len(start) else None


def add_to_tiff(file: BinaryIO, exif: bytes) -> None:
    """Give a TIFF file the tags of a block that it does not have, and that do not say how pixels are stored.

    Raises BrokenExif.
    """
    target = Block.of(file)
    own = {entry.tag for entry in target.directory(target.first)}
    _copy_tags(Block.of(io.BytesIO(exif.removeprefix(PREFIX))), target, TIFF_LAYOUT | own)


def _copy_tags(source: Block, target: Block, skipped: frozenset[int]) -> None:
    """Add the tags of a first directory, and of those within, to that of another block."""
    entries = source.directory(source.first)
    wanted = [entry for entry in entries if entry.tag not in (*skipped, *DIRECTORIES[0])]
    added = [(entry.tag, entry.type, _turned(source, entry, target.order)) for entry in wanted]
    for tag, inner in source.inner(entries):
        if tag not in skipped:
            added.append((tag, LONG, struct.pack(f"{target.order}I", _append_directory(source, tag, inner, target))))
    if added:
        _add_entries(target, added)


def _append_directory(source: Block, tag: int, entries: list[Entry], target: Block) -> int:
    """Put the directory of a tag, and those within, at the end of another block; its offset there."""
    order = target.order
    inner = list(source.inner(entries, tag))
    pointers = {within: _append_directory(source, within, held, target) for within, held in inner}
    parts = []
    for entry in sorted((one for one in entries if one.tag not in JPEG_LAYOUT), key=lambda one: one.tag):
        values = struct.pack(f"{order}I", pointers[entry.tag]) if entry.tag in pointers else _turned(source, entry, order)
        parts.append(struct.pack(f"{order}HHI", entry.tag, entry.type, entry.count) + _held(target.file, values, order))
    return _append(target.file, struct.pack(f"{order}H", len(parts)) + b"".join(parts) + bytes(4))


def _turned(source: Block, entry: Entry, order: str) -> bytes:
    """The values of an entry in a byte order."""
    values = source.read(entry.at, entry.size)
    word = WORDS.get(entry.type, 1)
    return values if order == source.order or word == 1 else np.frombuffer(values, f"u{word}").byteswap().tobytes()
