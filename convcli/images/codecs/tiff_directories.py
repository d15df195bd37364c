"""Reads directories of a TIFF file itself, as tifffile reads all tags of each, and leaves out those that it cannot read.

Of all directories, no more is read than the first and the last tag: 100,000 take half a second.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from ..exif_block import MAX_VALUE_BYTES, SHORT, TYPE_SIZES
from ..geotiff import PAGE_TAGS

NEW_SUBFILE_TYPE, REDUCED, MASK = 254, 1, 4
MAX_TAGS = 4096


def map_tags_of(file: Any, stream: BinaryIO, directories: Sequence[tuple[int, int]]) -> str:
    """Return which directories, given by position and highest tag, have tags of a map: see ``Series.map_tags``."""
    lowest = min(PAGE_TAGS)
    if all(last < lowest for _, last in directories[1:]):
        return "first"
    first, *further = (_map_values(file, stream, offset) if last >= lowest else [] for offset, last in directories)
    if any(values != first for values in further):
        return "own" if any(further) else "first"
    return "alike" if first else "first"


def _map_values(file: Any, stream: BinaryIO, offset: int) -> list[tuple[int, int, int, bytes]]:
    """Return tag, type, count and values of the tags of a map in a directory; as values positions where they have no bytes."""
    layout, found = file.tiff, []
    stream.seek(offset)
    (count,) = struct.unpack(layout.tagnoformat, stream.read(layout.tagnosize))
    entries = stream.read(count * layout.tagsize)
    for begin in range(0, len(entries), layout.tagsize):
        tag, kind = struct.unpack_from(f"{layout.byteorder}HH", entries, begin)
        (number,) = struct.unpack_from(layout.offsetformat, entries, begin + 4)
        if tag in PAGE_TAGS:
            inline = entries[begin + 4 + layout.offsetsize : begin + layout.tagsize]
            size = number * TYPE_SIZES.get(kind, 1)
            if size > len(inline):
                stream.seek(*struct.unpack(layout.offsetformat, inline))
                inline = stream.read(size if size <= MAX_VALUE_BYTES else 0)
            found.append((tag, kind, number, inline))
    return found


def directories_of(file: Any, stream: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Yield the position, the NewSubfileType and the last tag, which is the highest, of each directory.

    One that cannot be read ends the chain; it is yielded.
    """
    layout, order = file.tiff, file.tiff.byteorder
    count_of, following_of = struct.Struct(layout.tagnoformat), struct.Struct(layout.offsetformat)
    first_tag, value = struct.Struct(f"{order}HH"), layout.tagsize - layout.tagoffsetthreshold
    offset, seen = file.pages.first.offset, set[int]()
    while offset and offset not in seen:
        seen.add(offset)
        stream.seek(offset)
        try:
            (count,) = count_of.unpack(stream.read(layout.tagnosize))
            entries = stream.read(count * layout.tagsize + layout.offsetsize) if count <= MAX_TAGS else b""
            tag, kind = first_tag.unpack_from(entries)
            last_tag, _ = first_tag.unpack_from(entries, max(count - 1, 0) * layout.tagsize)
            (following,) = following_of.unpack_from(entries, count * layout.tagsize)
        except struct.error:
            yield offset, 0, 0
            return
        subfile = 0
        if tag == NEW_SUBFILE_TYPE:
            (subfile,) = struct.unpack_from(f"{order}{'H' if kind == SHORT else 'I'}", entries, value)
        yield offset, subfile, last_tag
        offset = following


def ends_chain(file: Any) -> bool:
    """Return whether the last directory of an open ``tifffile.TiffFile`` says that it is the last."""
    handle = file.filehandle
    handle.seek(file.pages.next_page_offset)
    return not any(handle.read(file.tiff.offsetsize))


def codes_of(page: Any) -> list[int]:
    """Return the codes of all tags of a page."""
    layout, handle = page.parent.tiff, page.parent.filehandle
    handle.seek(page.offset)
    (count,) = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))
    entries = handle.read(count * layout.tagsize)
    return [struct.unpack_from(f"{layout.byteorder}H", entries, layout.tagsize * index)[0] for index in range(count)]
