"""The pictures of an AVIF file, and the sizes that their AV1 data ask for (ISO/IEC 14496-12 and 23008-12).

A decoder allocates what the data ask for, and scales the result to the size that the boxes state: a file of a few kilobytes
that states a small picture may take gigabytes. Pictures are items, some of them a grid of others, and the samples of tracks.
"""

import itertools
import math
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO, TypeAlias

from msgspec import Struct

from ..errors import ImageError
from .av1_header import coded_sizes
from .boxes import Box, boxes_in, contents_of
from .image import REMEDY, check_pixels

Size: TypeAlias = tuple[int, int]
Extents: TypeAlias = tuple[tuple[int, int], ...]
"""Positions and lengths in a file of parts that make up the data of a picture."""

LAYERS = (b"a1op", b"lsel")
"""Properties of items that show one layer of their data, which may be smaller than the others."""

AV1_HANDLERS = (b"pict", b"auxv")
TKHD_SIZE = 8
"""Bytes at the end of a box tkhd: width and height, of 16.16 bits."""

ENTRIES, ENTRY_SIZE = 8, slice(24, 28)
"""Where the entries of a box stsd begin, and where the width and height of an entry are, of 16 bits."""


class Picture(Struct, frozen=True):
    """A picture: the size that the file states, its data, and whether it may be a smaller layer of these."""

    stated: Size | None
    extents: Extents
    has_layers: bool = False


class Track(Struct, frozen=True):
    """A track of pictures: the size of its data that the file states, the size that decoders scale them to, and its samples.

    The sizes differ where the pixels are not square (ISO/IEC 14496-12, section 8.3.2).
    """

    stated: Size
    shown: Size
    samples: Iterator[tuple[int, int]]


class Items(Struct, frozen=True):
    """The items of a file by number: types, data, properties, tiles of grids; and the number of the main picture."""

    kinds: dict[int, bytes]
    extents: dict[int, Extents]
    properties: dict[int, dict[bytes, bytes]]
    tiles: dict[int, tuple[int, ...]]
    main: int

    def size_of(self, item: int) -> Size | None:
        """Return the size that a file states of an item."""
        contents = self.properties.get(item, {}).get(b"ispe", b"")
        return struct.unpack(">II", contents[4:12]) if len(contents) >= 12 else None


def check_coded_sizes(file: BinaryIO, max_pixels: int) -> int:
    """Check the sizes that the data of all pictures ask for, before they are decoded.

    Returns the pixels that are decoded beyond those of the pictures that the file states: layers, tiles outside a grid, and
    those of a track that is shown in a smaller size.
    Raises ImageError for more pixels than ``max_pixels``, and for data of another size than the file states.
    """
    boxes = _by_name(file, 0, file.seek(0, 2))
    items = _items_of(file, boxes[b"meta"]) if b"meta" in boxes else Items({}, {}, {}, {}, 0)
    tracks = list(_tracks(file, boxes[b"moov"])) if b"moov" in boxes else []
    pictures = itertools.chain(_item_pictures(items), *map(_track_pictures, tracks))
    beyond = sum(_check(picture, sizes, max_pixels) for picture, sizes in _coded(file, pictures))
    beyond += sum(max(math.prod(track.stated) - math.prod(track.shown), 0) for track in tracks)
    for grid, tiles in items.tiles.items():
        pixels = sum(math.prod(items.size_of(tile) or (0, 0)) for tile in tiles)
        if pixels > max_pixels:
            raise ImageError(f"has tiles of {pixels} pixels; the limit is {max_pixels}; raise it with --max-pixels")
        beyond += max(pixels - math.prod(items.size_of(grid) or (0, 0)), 0)
    return beyond


def _check(picture: Picture, sizes: set[Size], max_pixels: int) -> int:
    """Return the pixels of a picture's data beyond those that the file states. Raises ImageError."""
    for width, height in sizes:
        check_pixels(width, height, max_pixels)
        if picture.stated and picture.stated != (width, height) and not picture.has_layers:
            stated = "{} x {}".format(*picture.stated)
            raise ImageError(f"states a picture of {stated}, but its AV1 data hold {width} x {height}; {REMEDY}")
    return max(map(math.prod, sizes), default=0) - math.prod(picture.stated or (0, 0)) if picture.has_layers else 0


def _coded(file: BinaryIO, pictures: Iterable[Picture]) -> Iterator[tuple[Picture, set[Size]]]:
    """Yield the pictures, each once with the sizes in its data. Raises ValueError for more data than the file has."""
    unread, seen = file.seek(0, 2), set[Picture]()
    for picture in pictures:
        if picture in seen:
            continue
        seen.add(picture)
        parts = []
        for position, length in picture.extents:
            file.seek(position)
            parts.append(file.read(min(length, unread)))
            unread -= length
            if len(parts[-1]) < length:
                raise ValueError("its pictures overlap, or the file ends before them")
        yield picture, coded_sizes(b"".join(parts))


def _by_name(file: BinaryIO, begin: int, end: int) -> dict[bytes, Box]:
    """Return the boxes between two positions by name, the first of each."""
    return {box[0]: box for box in reversed([box for box in boxes_in(file, end, begin) if box[2] <= end])}


class _Numbers:
    """Reads numbers of given sizes in bytes, the highest byte first. Raises ValueError at the end."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data, self.position = data, position

    def read(self, size: int) -> int:
        self.position += size
        if self.position > len(self.data):
            raise ValueError("its boxes are truncated")
        return int.from_bytes(self.data[self.position - size : self.position], "big")


def _items_of(file: BinaryIO, meta: Box) -> Items:
    boxes = _by_name(file, meta[1] + 4, meta[2])
    idat = boxes[b"idat"][1] if b"idat" in boxes else 0
    kinds, extents, properties, tiles = {}, {}, {}, {}
    if b"iinf" in boxes:
        kinds = dict(_kinds(file, boxes[b"iinf"]))
    if b"iloc" in boxes:
        extents = dict(_locations(contents_of(file, boxes[b"iloc"]), idat, file.seek(0, 2)))
    if b"iprp" in boxes:
        properties = dict(_properties(file, boxes[b"iprp"]))
    if b"iref" in boxes:
        tiles = {item: parts for item, parts in _derived(file, boxes[b"iref"]) if kinds.get(item) == b"grid"}
    main = int.from_bytes(contents_of(file, boxes[b"pitm"])[4:], "big") if b"pitm" in boxes else 0
    return Items(kinds, extents, properties, tiles, main)


def _item_pictures(items: Items) -> Iterator[Picture]:
    """Yield the pictures among the items. Alpha without a size of its own has that of the main picture, for libavif too."""
    for item, kind in items.kinds.items():
        if kind == b"av01":
            has_layers = any(name in items.properties.get(item, {}) for name in LAYERS)
            yield Picture(items.size_of(item) or items.size_of(items.main), items.extents.get(item, ()), has_layers)


def _kinds(file: BinaryIO, box: Box) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the type of each item of a box iinf."""
    count_size = 2 if contents_of(file, box)[:1] == b"\0" else 4
    for entry in boxes_in(file, box[2], box[1] + 4 + count_size):
        data = contents_of(file, entry)
        id_size = 4 if data[:1] == b"\3" else 2
        yield int.from_bytes(data[4 : 4 + id_size], "big"), data[6 + id_size : 10 + id_size]


def _locations(data: bytes, idat: int, file_size: int) -> Iterator[tuple[int, Extents]]:
    """Yield the number of each item of a box iloc, and where its data are."""
    numbers = _Numbers(data)
    version = numbers.read(4) >> 24
    sizes = numbers.read(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    wide = 4 if version >= 2 else 2
    for _ in range(numbers.read(wide)):
        item = numbers.read(wide)
        method = numbers.read(2) & 15 if version else 0
        numbers.read(2)
        base = numbers.read(base_size) + (idat if method == 1 else 0)
        extents, count = [], numbers.read(2)
        if count > 1 and not index_size + offset_size + length_size:  # no bytes of the box bound the number of extents
            raise ValueError("its boxes state an extent of a picture several times")
        for _ in range(count):
            numbers.read(index_size)
            offset, length = base + numbers.read(offset_size), numbers.read(length_size)
            extents.append((offset, length or max(file_size - offset, 0)))
        yield item, tuple(extents)


def _properties(file: BinaryIO, box: Box) -> Iterator[tuple[int, dict[bytes, bytes]]]:
    """Yield the number of each item of a box iprp, and its properties."""
    inner = list(boxes_in(file, box[2], box[1]))
    container = next(box for box in inner if box[0] == b"ipco")
    known = [(entry[0], contents_of(file, entry)) for entry in boxes_in(file, container[2], container[1])]
    for association in (box for box in inner if box[0] == b"ipma"):
        for item, indices in _associations(contents_of(file, association)):
            yield item, dict(known[index - 1] for index in reversed(indices) if 0 < index <= len(known))


def _associations(data: bytes) -> Iterator[tuple[int, list[int]]]:
    """Yield the number of each item of a box ipma, and those of its properties, from 1."""
    numbers = _Numbers(data)
    version_and_flags = numbers.read(4)
    id_size, wide = 4 if version_and_flags >> 24 else 2, version_and_flags & 1
    for _ in range(numbers.read(4)):
        item, count = numbers.read(id_size), numbers.read(1)
        yield item, [numbers.read(2) & 0x7FFF if wide else numbers.read(1) & 0x7F for _ in range(count)]


def _derived(file: BinaryIO, box: Box) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the number of each item of a box iref that is derived from others, and these."""
    wide = 4 if contents_of(file, box)[:1] == b"\1" else 2
    for reference in boxes_in(file, box[2], box[1] + 4):
        if reference[0] == b"dimg":
            numbers = _Numbers(contents_of(file, reference))
            item = numbers.read(wide)
            yield item, tuple(numbers.read(wide) for _ in range(numbers.read(2)))


def _tracks(file: BinaryIO, moov: Box) -> Iterator[Track]:
    """Yield the tracks of pictures that are AV1."""
    file_size = file.seek(0, 2)
    for track in (box for box in boxes_in(file, moov[2], moov[1]) if box[0] == b"trak"):
        outer = _by_name(file, track[1], track[2])
        media = _by_name(file, *outer[b"mdia"][1:])
        if contents_of(file, media[b"hdlr"])[8:12] not in AV1_HANDLERS:
            continue
        table = _by_name(file, *_by_name(file, *media[b"minf"][1:])[b"stbl"][1:])
        entries = _by_name(file, table[b"stsd"][1] + ENTRIES, table[b"stsd"][2])
        if b"av01" not in entries:
            continue
        stated = struct.unpack(">HH", contents_of(file, entries[b"av01"])[ENTRY_SIZE])
        shown = struct.unpack(">HxxHxx", contents_of(file, outer[b"tkhd"])[-TKHD_SIZE:])
        yield Track(stated, shown, _samples({name: contents_of(file, box) for name, box in table.items()}, file_size))


def _track_pictures(track: Track) -> Iterator[Picture]:
    return (Picture(track.stated, (sample,)) for sample in track.samples)


def _samples(table: dict[bytes, bytes], file_size: int) -> Iterator[tuple[int, int]]:
    """Yield the positions and lengths of the samples of a track, from its boxes stsc, stsz, and stco or co64.

    Raises ValueError for more samples than the file has room for.
    """
    runs = struct.iter_unpack(">III", table[b"stsc"][8 : 8 + len(table[b"stsc"][8:]) // 12 * 12])
    per_chunk = {first: samples for first, samples, _ in runs}
    (size, count), wide = struct.unpack_from(">II", table[b"stsz"], 4), 8 if b"co64" in table else 4
    if size * count > file_size:  # samples of one size are not listed: no bytes of the box bound their number
        raise ValueError("the file ends before its pictures")
    chunks, sizes = _Numbers(table[b"co64" if wide == 8 else b"stco"], 4), _Numbers(table[b"stsz"], 12)
    in_chunk = 0
    for chunk in range(1, chunks.read(4) + 1):
        position, in_chunk = chunks.read(wide), per_chunk.get(chunk, in_chunk)
        for _ in range(min(in_chunk, count)):
            length = size or sizes.read(4)
            yield position, length
            position, count = position + length, count - 1
