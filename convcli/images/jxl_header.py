"""The header of a JPEG XL codestream (ISO/IEC 18181-1, annex D), for what imagecodecs does not tell before it decodes.

Fields are bits, the lowest first. U32 is a choice of two bits among four (bits, offset) pairs.
"""

from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from ..errors import ImageError
from .boxes import Box, boxes_in

CODESTREAM = b"\xff\x0a"
SIZES = ((9, 1), (13, 1), (18, 1), (30, 1))
ENUM = ((0, 0), (0, 1), (4, 2), (6, 18))
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Ratios of width to height, by number from 1."""

PREVIEW_SIZES = ((6, 1), (8, 65), (10, 321), (12, 1345))
PREVIEW_EIGHTHS = ((0, 16), (0, 32), (5, 1), (9, 33))
TICKS = (((0, 100), (0, 1000), (10, 1), (30, 1)), ((0, 1), (0, 1001), (8, 1), (10, 1)), ((0, 0), (3, 0), (16, 0), (32, 0)))
BITS, FLOAT_BITS = ((0, 8), (0, 10), (0, 12), (6, 1)), ((0, 32), (0, 16), (0, 24), (6, 1))
EXTRA_CHANNELS = ((0, 0), (0, 1), (4, 2), (12, 1))
SHIFTS, NAME_LENGTHS = ((0, 0), (0, 3), (0, 4), (3, 1)), ((0, 0), (4, 0), (5, 16), (10, 48))
ALPHA = 0
GREY, XYB = 1, 2
D65, SRGB_PRIMARIES, CUSTOM, LINEAR, SRGB_TRANSFER = 1, 1, 2, 8, 13
GAMMA_UNIT = 10_000_000
READ_BYTES, HEADER_BYTES = 8192, 64
"""Bytes of a codestream that are read for its header; of one that imagecodecs made."""

CUSTOM_XY = ((19, 0), (19, 524288), (20, 1048576), (21, 2097152))


class UnknownChannel(ValueError):
    """An extra channel is not alpha."""


class JxlHeader(Struct, frozen=True):
    """Size as stored, and samples. ``bits`` are of colours. ``is_lossy`` says that colours are stored as XYB.

    ``is_srgb`` is False where the file states another colour space: by an ICC profile, by codes of ITU-T H.273, or by a gamma,
    the power by which light becomes samples. ``transfer_at`` is the position in bits of the code ``transfer``.
    """

    width: int
    height: int
    colours: int = 3
    bits: int = 8
    is_float: bool = False
    orientation: int = 1
    has_alpha: bool = False
    is_alpha_multiplied: bool = False
    is_animation: bool = False
    is_lossy: bool = True
    is_srgb: bool = True
    has_profile: bool = False
    primaries: int = SRGB_PRIMARIES
    transfer: int = SRGB_TRANSFER
    transfer_at: int = 0
    gamma: float | None = None


class _Bits:
    def __init__(self, data: bytes) -> None:
        self.value, self.size, self.position = int.from_bytes(data, "little"), 8 * len(data), 0

    def read(self, count: int) -> int:
        result = self.value >> self.position & ((1 << count) - 1)
        self.position += count
        if self.position > self.size:
            raise ValueError("its header is truncated")
        return result

    def flag(self) -> bool:
        return bool(self.read(1))

    def choice(self, kinds: tuple[tuple[int, int], ...]) -> int:
        bits, offset = kinds[self.read(2)]
        return self.read(bits) + offset


def read_header(codestream: bytes) -> JxlHeader:
    """Return the header of a codestream, from its first bytes. Raises ValueError; UnknownChannel for channels but alpha."""
    bits = _Bits(codestream)
    bits.read(16)
    width, height = _size(bits)
    header = JxlHeader(width, height)
    if bits.flag():
        return header
    orientation, is_animation = _extra_fields(bits) if bits.flag() else (1, False)
    depth, is_float = _depth(bits)
    bits.flag()
    channels = [_extra_channel(bits) for _ in range(bits.choice(EXTRA_CHANNELS))]
    header = replace(header, orientation=orientation, is_animation=is_animation, bits=depth, is_float=is_float)
    header = replace(header, has_alpha=bool(channels), is_alpha_multiplied=any(channels), is_lossy=bits.flag())
    return _with_colour_space(header, bits)


def as_srgb(codestream: bytes) -> bytes:
    """Return a codestream that states linear light, with the transfer characteristics of sRGB instead."""
    header = read_header(codestream)
    assert header.transfer == LINEAR
    changed = (LINEAR - ENUM[2][1] ^ SRGB_TRANSFER - ENUM[2][1]) << (header.transfer_at + 2)  # both in the third pair of ENUM
    start = int.from_bytes(codestream[:HEADER_BYTES], "little") ^ changed
    return start.to_bytes(len(codestream[:HEADER_BYTES]), "little") + codestream[HEADER_BYTES:]


def _size(bits: _Bits) -> tuple[int, int]:
    is_small = bits.flag()

    def side() -> int:
        return 8 * (bits.read(5) + 1) if is_small else bits.choice(SIZES)

    height = side()
    return _width(bits.read(3), height) or side(), height


def _width(ratio: int, height: int) -> int:
    numerator, denominator = RATIOS[ratio - 1] if ratio else (0, 1)
    return height * numerator // denominator


def _extra_fields(bits: _Bits) -> tuple[int, bool]:
    """Return the orientation, and whether there is an animation."""
    orientation = bits.read(3) + 1
    if bits.flag():
        _size(bits)  # the size to be shown at
    if bits.flag():
        kinds = PREVIEW_EIGHTHS if bits.flag() else PREVIEW_SIZES
        bits.choice(kinds)
        if bits.read(3) == 0:
            bits.choice(kinds)
    is_animation = bits.flag()
    if is_animation:
        for kinds in TICKS:
            bits.choice(kinds)
        bits.flag()
    return orientation, is_animation


def _depth(bits: _Bits) -> tuple[int, bool]:
    is_float = bits.flag()
    depth = bits.choice(FLOAT_BITS if is_float else BITS)
    if is_float:
        bits.read(4)
    return depth, is_float


def _extra_channel(bits: _Bits) -> bool:
    """Return whether colours are multiplied by an alpha channel. Raises UnknownChannel for a channel that is none."""
    if bits.flag():
        return False
    kind = bits.choice(ENUM)
    _depth(bits)
    bits.choice(SHIFTS)
    bits.read(8 * bits.choice(NAME_LENGTHS))
    if kind != ALPHA:
        raise UnknownChannel
    return bits.flag()


def _with_colour_space(header: JxlHeader, bits: _Bits) -> JxlHeader:
    if bits.flag():
        return header
    has_profile, space = bits.flag(), bits.choice(ENUM)
    header = replace(header, colours=1 if space == GREY else 3, is_srgb=False, has_profile=has_profile or space > XYB)
    if header.has_profile or space == XYB:
        return header
    white, primaries = bits.choice(ENUM), SRGB_PRIMARIES
    _custom(bits, white, 2)
    if space != GREY:
        primaries = bits.choice(ENUM)
        _custom(bits, primaries, 6)
    if bits.flag():
        return replace(header, primaries=primaries, gamma=bits.read(24) / GAMMA_UNIT)
    position, transfer = bits.position, bits.choice(ENUM)
    is_srgb = (white, primaries, transfer) == (D65, SRGB_PRIMARIES, SRGB_TRANSFER)
    return replace(header, is_srgb=is_srgb, primaries=primaries, transfer=transfer, transfer_at=position)


def _custom(bits: _Bits, kind: int, numbers: int) -> None:
    for _ in range(numbers if kind == CUSTOM else 0):
        bits.choice(CUSTOM_XY)


def boxes_of(file: BinaryIO) -> list[Box]:
    """Return the boxes of a file, the whole of a bare codestream as one."""
    size = file.seek(0, 2)
    file.seek(0)
    is_bare = file.read(2) == CODESTREAM
    return [(b"jxlc", 0, size)] if is_bare else list(boxes_in(file, size))


def header_of(file: BinaryIO, boxes: list[Box]) -> JxlHeader:
    """Return the header of the codestream in these boxes. Raises ImageError for channels but alpha, and ValueError."""
    start = b""
    for name, begin, end in boxes:
        skipped = {b"jxlc": 0, b"jxlp": 4}.get(name)  # a part begins with its number
        if skipped is not None and len(start) < READ_BYTES:
            file.seek(begin + skipped)
            start += file.read(min(max(end - begin - skipped, 0), READ_BYTES))
    if not start.startswith(CODESTREAM):
        raise ValueError("it has no codestream")
    try:
        return read_header(start)
    except UnknownChannel:
        raise ImageError("is JPEG XL with a channel that is neither colour nor alpha; convert it to RGB") from None


def is_lossless_jxl(file: BinaryIO) -> bool:
    """Return whether the colours of a file are stored as they are. Raises ImageError and ValueError."""
    return not header_of(file, boxes_of(file)).is_lossy
