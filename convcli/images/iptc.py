"""IPTC as JPEG holds it, a resource of Photoshop, and as the tags of TIFF do."""

import io
import struct
from collections.abc import Iterator

from .exif_block import LONG, PREFIX, Block, BrokenExif, Entry, drop_entries

IPTC, DIGEST = 0x0404, 0x0425
"""Resources of Photoshop: IPTC, and the MD5 digest of it."""

STALE_RESOURCES = (0x03ED, 0x0409, 0x040C)
"""Resources that are untrue of any other picture: its resolution, which is carried over by other means, and its thumbnails."""

IPTC_NAME, OTHER_RESOURCES = "IPTC", "Photoshop's data"
IPTC_TAG, PHOTOSHOP_TAG = 33723, 34377
"""Tags of TIFF that hold IPTC, and all resources of Photoshop."""

START, FIRST_BYTE = b"8BIM", b"\x1c"
"""How each resource begins, and each field of IPTC."""


def resource(number: int, data: bytes) -> bytes:
    """Return a resource: "8BIM", a number, an empty name, a size and data of an even number of bytes."""
    return START + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)


def resources_in(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the data of each resource, up to the first that is damaged."""
    position = 0
    while data[position : position + 4] == START and len(data) >= position + 12:
        (number,), name = struct.unpack_from(">H", data, position + 4), data[position + 6]
        begin = position + 6 + (name + 2) // 2 * 2 + 4
        if len(data) < begin:
            return
        (size,) = struct.unpack_from(">I", data, begin - 4)
        if len(data) < begin + size:
            return
        yield number, data[begin : begin + size]
        position = begin + size + size % 2


def without_iptc(exif: bytes) -> tuple[bytes, bytes | None, list[str]]:
    """Return a block without the tags of IPTC, that as a resource or None, and descriptions of what else they held.

    Programs look for it in tags of TIFF files, and not in those of EXIF in other files.
    """
    file = io.BytesIO(exif.removeprefix(PREFIX))
    try:
        block = Block.of(file)
        tags = {entry.tag: entry for entry in block.directory(block.first_directory)}
        data, others = (_value_of(block, tags.get(tag)) for tag in (IPTC_TAG, PHOTOSHOP_TAG))
        if tags.keys() & {IPTC_TAG, PHOTOSHOP_TAG}:
            drop_entries(block, block.first_directory, (IPTC_TAG, PHOTOSHOP_TAG))
    except BrokenExif:
        return exif, None, []
    resources = dict(resources_in(others))
    found = next((value for value in (data, resources.get(IPTC, b"")) if value.startswith(FIRST_BYTE)), None)
    has_others = bool(others) and (not resources or bool(resources.keys() - {IPTC, DIGEST, *STALE_RESOURCES}))
    lost = [*([IPTC_NAME] if data and not found else []), *([OTHER_RESOURCES] if has_others else [])]
    return PREFIX + file.getvalue(), resource(IPTC, found) if found else None, lost


def _value_of(block: Block, entry: Entry | None) -> bytes:
    """Return the bytes of a tag. Those that are stored as numbers of four bytes are padded."""
    if entry is None:
        return b""
    value = block.read(entry.value_position, entry.size)
    padding = len(value) - len(value.rstrip(b"\0"))
    return value[: len(value) - min(padding, 3)] if entry.type == LONG else value
