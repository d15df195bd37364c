"""EXIF as bytes: only what a new picture makes untrue is changed, where it stands; nothing else moves.

A block is a small TIFF file (EXIF 2.32, CIPA DC-008, section 4.5; TIFF 6.0, section 2): a header of eight bytes, then
directories of entries of twelve bytes, whose values of more than four bytes stand elsewhere, at offsets from the start of the
block. What a maker's note holds may count from there too, so that a block written anew loses it.

    in place    the orientation becomes 1, the sizes in pixels are those of the picture
    cut off     the directory of the thumbnail, which shows the picture before; its bytes are cleared
    at the end  the text Software with our mark, where it does not fit in its place, and a directory with an entry more for it

A TIFF file is such a block too. One that is written here begins with the block that it carries, as it stands: its first
directory, with the tags of the pixels, and the pixels follow. So a maker's note counts from the same place as before.
"""

import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, TypeAlias

from .provenance import SOFTWARE, Provenance, without_provenance

PREFIX = b"Exif\0\0"
"""Stands before a block in JPEG, and in what Pillow hands over."""

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value of each type."""

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

PIXEL_OFFSETS = (273, 324)
"""Where strips and tiles stand."""

LONGEST = 1 << 20
"""Bytes of a TIFF file before its pixels that are carried over as they stand."""

NO_BLOCK = struct.pack("<2sHIHI", b"II", 42, 8, 0, 0)
"""A block that holds nothing."""


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

    def inner(self, entries: Iterable[Entry], within: int = 0) -> Iterator["Directory"]:
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


def check_block(exif: bytes) -> bytes:
    """A block with its prefix, whose first directory can be read. Raises BrokenExif."""
    block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
    block.next_place(block.first)
    block.directory(block.first)
    return PREFIX + exif.removeprefix(PREFIX)


def has_maker_note(exif: bytes) -> bool:
    """Whether a block holds a maker's note. Raises BrokenExif."""
    block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
    return _has_maker_note(block, block.directory(block.first))


def _has_maker_note(block: Block, entries: list[Entry]) -> bool:
    return any(entry.tag == MAKER_NOTE for inner in block.inner(entries) for entry in inner.entries)


def holds_only_mark(exif: bytes) -> bool:
    """Whether a block is one that ``block_with`` made. Raises BrokenExif."""
    block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
    entries = block.directory(block.first)
    if [entry.tag for entry in entries] != [SOFTWARE]:
        return False
    return not without_provenance(block.read(entries[0].at, entries[0].size).decode("latin-1").rstrip("\0"))


def patched(exif: bytes, width: int, height: int, provenance: Provenance | None = None, most: int = 1 << 30) -> bytes:
    """A block with its prefix for a picture of that size, upright, with the mark where that keeps it within ``most`` bytes.

    One that cannot be read stays as it is.
    """
    file = io.BytesIO(exif.removeprefix(PREFIX))
    try:
        _patch(file, width, height)
        without = file.getvalue()
        _set_software(file, provenance)
    except BrokenExif:
        return exif
    with_mark = file.getvalue()
    return PREFIX + (with_mark if len(PREFIX + with_mark) <= most else without)


def block_with(provenance: Provenance) -> bytes:
    """A block that holds a mark and nothing else."""
    text = str(provenance).encode() + b"\0"
    return PREFIX + struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, SOFTWARE, ASCII, len(text), 26, 0) + text


def _patch(file: io.BytesIO, width: int, height: int) -> None:
    block = Block.of(file)
    entries = block.directory(block.first)
    numbers = [*entries, *(one for inner in block.inner(entries) if inner.tag == EXIF for one in inner.entries)]
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


def _set_software(file: io.BytesIO, provenance: Provenance | None) -> None:
    """The text Software without the mark that it had, and with this one behind it."""
    block = Block.of(file)
    entries = block.directory(block.first)
    held = next((entry for entry in entries if entry.tag == SOFTWARE and entry.type == ASCII), None)
    if held is None:
        if provenance is not None:
            _add_entries(block, [(SOFTWARE, ASCII, str(provenance).encode() + b"\0")])
        return
    before = block.read(held.at, held.size).split(b"\0")[0].decode("latin-1")
    rest = without_provenance(before)
    after = f"{rest}; {provenance}" if rest and provenance else str(provenance) if provenance else rest
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


def _add_entries(block: Block, fields: list[Field]) -> None:
    """Give the first directory more fields: it is written again at the end, its values stay."""
    place = block.next_place(block.first)
    _write_first(block, [block.read(at, 12) for at in range(block.first + 2, place, 12)], block.read(place, 4), fields)


def _write_first(block: Block, kept: list[bytes], behind: bytes, fields: Sequence[Field] = ()) -> None:
    """Write a first directory at the end, of entries as they are and of fields, and the offset of the one behind it.

    The values of the fields stand behind the directory.
    """
    order = block.order
    entries = {struct.unpack(f"{order}H", entry[:2])[0]: entry for entry in kept}
    tags = entries.keys() | {tag for tag, _, _ in fields}
    first = _append(block.file, bytes(2 + 12 * len(tags) + 4))
    for tag, kind, values in fields:
        count = len(values) // SIZES[kind]
        entries[tag] = struct.pack(f"{order}HHI", tag, kind, count) + _held(block.file, values, order)
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + behind
    _write(block.file, first, directory)
    _write(block.file, 4, struct.pack(f"{order}I", first))


def _held(file: BinaryIO, values: bytes, order: str) -> bytes:
    """What an entry holds: its values, or where they stand at the end of the file."""
    return values.ljust(4, b"\0") if len(values) <= 4 else struct.pack(f"{order}I", _append(file, values))


def of_tiff(file: BinaryIO, stale: set[int]) -> tuple[bytes | None, bool]:
    """The tags of a TIFF file's first page as a block, with the directories that they point to; whether a maker's note moved.

    Those that say how pixels are stored, and ``stale`` ones, are no part of it. A note stays where it is if that is before
    the pixels. Raises BrokenExif.
    """
    source = Block.of(file)
    skipped = TIFF_LAYOUT | stale
    entries = [entry for entry in source.directory(source.first) if entry.tag not in skipped]
    if not entries:
        return None, False
    has_note = _has_maker_note(source, entries)
    end = max((begin + size for begin, size in _places_of(source, entries)), default=0)
    stays = has_note and end <= _first_pixel(source)
    if stays:  # all that stands before the pixels: a note may point out of itself
        made = io.BytesIO(source.read(0, max(end, source.first if source.first <= _first_pixel(source) else 0)))
        _write_first(Block(made, source.order, 0), [source.read(entry.place, 12) for entry in entries], bytes(4))
    else:
        made = io.BytesIO(struct.pack(f"{source.order}2sHI", b"II" if source.order == "<" else b"MM", 42, 0))
        _copy_tags(source, entries, Block(made, source.order, 0))
    return PREFIX + made.getvalue(), has_note and not stays


def _first_pixel(block: Block) -> int:
    """Where the first bytes of pixels stand, or as far on as a block may reach."""
    offsets = [entry for entry in block.directory(block.first) if entry.tag in PIXEL_OFFSETS and entry.type in (SHORT, LONG)]
    numbers = (block.numbers(entry.at, f"{entry.count}{'H' if entry.type == SHORT else 'I'}") for entry in offsets)
    return min((min(held) for held in numbers if held), default=LONGEST)


def _places_of(block: Block, entries: list[Entry], within: int = 0) -> Iterator[tuple[int, int]]:
    """Where the values of entries stand, and the directories that they point to with theirs: (begin, size)."""
    yield from ((entry.at, entry.size) for entry in entries if entry.size > 4)
    for inner in block.inner(entries, within):
        yield inner.at, block.next_place(inner.at) + 4 - inner.at
        yield from _places_of(block, inner.entries, inner.tag)


def check_values(exif: bytes) -> None:
    """See that all values of a block stand in it. Raises BrokenExif."""
    block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
    for begin, size in _places_of(block, block.directory(block.first)):
        block.read(begin, size)


def start_tiff(exif: bytes, fields: list[Field]) -> io.BytesIO:
    """The start of a TIFF file: a block, which stays as it is, and a first directory with these fields of its pixels."""
    file = io.BytesIO(exif.removeprefix(PREFIX))
    block = Block.of(file)
    entries = [entry for entry in block.directory(block.first) if entry.tag not in TIFF_LAYOUT]
    for inner in block.inner(entries):
        _drop_entries(block, inner.at, JPEG_LAYOUT)
    raw = [block.read(entry.place, 12) for entry in entries]
    if block.next_place(block.first) + 4 == file.seek(0, io.SEEK_END):
        file.truncate(block.first)
    _write_first(block, raw, bytes(4), fields)
    return file


def _drop_entries(block: Block, at: int, dropped: tuple[int, ...]) -> None:
    """Take entries out of a directory; the others move up."""
    place = block.next_place(at)
    raw = [block.read(begin, 12) for begin in range(at + 2, place, 12)]
    kept = [entry for entry in raw if struct.unpack(f"{block.order}H", entry[:2])[0] not in dropped]
    behind = block.read(place, 4)
    _write(block.file, at, struct.pack(f"{block.order}H", len(kept)) + b"".join(kept) + behind)


def _copy_tags(source: Block, entries: list[Entry], target: Block) -> None:
    """Write entries, and the directories that they point to, as all of a block of the same byte order."""
    fields = [(entry.tag, entry.type, source.read(entry.at, entry.size)) for entry in entries]
    pointers = [(inner.tag, LONG, _append_directory(source, inner, target)) for inner in source.inner(entries)]
    _write_first(target, [], bytes(4), [*fields, *pointers])


def _append_directory(source: Block, directory: Directory, target: Block) -> bytes:
    """Put a directory, and those within, at the end of another block; its offset there, as an entry holds it."""
    order = target.order
    inner = source.inner(directory.entries, directory.tag)
    pointers = {within.tag: _append_directory(source, within, target) for within in inner}
    parts = []
    for entry in sorted(directory.entries, key=lambda one: one.tag):
        values = pointers.get(entry.tag) or source.read(entry.at, entry.size)
        parts.append(struct.pack(f"{order}HHI", entry.tag, entry.type, entry.count) + _held(target.file, values, order))
    at = _append(target.file, struct.pack(f"{order}H", len(parts)) + b"".join(parts) + bytes(4))
    return struct.pack(f"{order}I", at)
