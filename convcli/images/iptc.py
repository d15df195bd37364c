"""IPTC as JPEG holds it, a resource of Photoshop, and as the tags of TIFF do."""

import io
import struct

from .exif_block import PREFIX, Block, BrokenExif, drop_entries

IPTC, DIGEST = 0x0404, 0x0425
"""Resources of Photoshop: IPTC, and the MD5 digest of it."""

IPTC_TAG, PHOTOSHOP_TAG = 33723, 34377
"""Tags of TIFF that hold IPTC, and all resources of Photoshop."""

FIRST_BYTE = b"\x1c"
"""How each field of IPTC begins."""


def resource(number: int, data: bytes) -> bytes:
    """Return a resource: "8BIM", a number, an empty name, a size and data of an even number of bytes."""
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)


def without_iptc(exif: bytes) -> tuple[bytes, bytes | None]:
    """Return a block without IPTC, and that as a resource; None where there is none.

    Programs look for it in tags of TIFF files, and not in those of EXIF in other files.
    """
    file = io.BytesIO(exif.removeprefix(PREFIX))
    try:
        block = Block.of(file)
        tags = {entry.tag: entry for entry in block.directory(block.first_directory)}
        entry = tags.get(IPTC_TAG)
        data = block.read(entry.value_position, entry.size).rstrip(b"\0") if entry else b""
        if tags.keys() & {IPTC_TAG, PHOTOSHOP_TAG}:
            drop_entries(block, block.first_directory, (IPTC_TAG, PHOTOSHOP_TAG))
    except BrokenExif:
        return exif, None
    return PREFIX + file.getvalue(), resource(IPTC, data) if data.startswith(FIRST_BYTE) else None
