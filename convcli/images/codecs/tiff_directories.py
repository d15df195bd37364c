"""Reads directories of a TIFF file itself, as tifffile reads all tags of each, and leaves out those that it cannot read.

Of all directories, no more is read than the first and the last tag: 100,000 take half a second.
"""

import functools
import struct
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, TypeAlias

from ..exif_block import MAX_VALUE_BYTES, SHORT, TYPE_SIZES
from ..geotiff import PAGE_TAGS

NEW_SUBFILE_TYPE, REDUCED, MASK = 254, 1, 4
MAX_TAGS = 4096

Entry: TypeAlias = tuple[int, int, bytes]
"""Of an entry of a directory the type, the number of values, and the field with the values, or with their position."""


def map_tags_of(file: Any, stream: BinaryIO, directories: Sequence[tuple[int, int]]) -> str:
    """Return which directories, given by position and highest tag, have tags of a map: see ``Series.map_tags``."""
    lowest = min(PAGE_TAGS)
    if all(last < lowest for _, last in directories[1:]):
        return "first"
    entries = (entries_of(file, stream, offset, PAGE_TAGS) if last >= lowest else {} for offset, last in directories)
    first, are_alike, has_further = next(entries), True, False
    value_of_first = functools.cache(lambda tag: _value_of(file, stream, first[tag]))

    def is_like_first(further: dict[int, Entry]) -> bool:
        if {tag: entry[:2] for tag, entry in first.items()} != {tag: entry[:2] for tag, entry in further.items()}:
            return False
        others = ((tag, entry) for tag, entry in further.items() if entry != first[tag])
        return all(_value_of(file, stream, entry) == value_of_first(tag) for tag, entry in others)

    for further in entries:  # values may be large, and pages many: only those of the first are kept
        has_further |= bool(further)
        are_alike = are_alike and is_like_first(further)
        if has_further and not are_alike:
            return "own"
    return "alike" if first and are_alike else "first"


def _value_of(file: Any, stream: BinaryIO, entry: Entry) -> bytes:
    """Return the bytes of the values of an entry; none of values that are too large."""
    kind, number, inline = entry
    size = number * TYPE_SIZES.get(kind, 1)
    if size <= len(inline):
        return inline
    stream.seek(*struct.unpack(file.tiff.offsetformat, inline))
    return stream.read(size if size <= MAX_VALUE_BYTES else 0)


def entries_of(file: Any, stream: BinaryIO, offset: int, tags: Sequence[int]) -> dict[int, Entry]:
    """Return the entries of a directory that have some tags; of several with one tag the first."""
    layout, found = file.tiff, dict[int, Entry]()
    stream.seek(offset)
    (count,) = struct.unpack(layout.tagnoformat, stream.read(layout.tagnosize))
    entries = stream.read(count * layout.tagsize)
    for begin in range(0, len(entries), layout.tagsize):
        tag, kind = struct.unpack_from(f"{layout.byteorder}HH", entries, begin)
        if tag in tags and tag not in found:
            (number,) = struct.unpack_from(layout.offsetformat, entries, begin + 4)
            found[tag] = kind, number, entries[begin + 4 + layout.offsetsize : begin + layout.tagsize]
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
