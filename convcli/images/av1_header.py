"""The sizes that AV1 data state (https://aomediacodec.github.io/av1-spec/, sections 5.3 to 5.5), before they are decoded.

Frames may be smaller than the largest frame that the sequence header states, not larger.
"""

from collections.abc import Iterator

SEQUENCE_HEADER = 1
MAX_UNITS = 100_000
"""At most this many units (OBUs) of a picture are walked through. A picture has some thousands if it has many tiles."""

HEADER_BYTES = 512
"""At most this many bytes of a sequence header are read; its size lies after at most 32 operating points of 88 bits."""

TIMING_BITS, DELAY_BITS, TICK_BITS, LENGTH_BITS = 64, 5, 32, 10
HIGHEST_LEVEL_WITHOUT_TIER = 7


def coded_sizes(data: bytes) -> set[tuple[int, int]]:
    """Return the largest frames (width, height) that each sequence header in a run of OBUs allows. Raises ValueError.

    >>> sorted(coded_sizes(bytes.fromhex("12000a071b2abe7fcf6150")))
    [(2000, 2000)]
    """
    return {
        _size_of(data[begin : min(end, begin + HEADER_BYTES)]) for kind, begin, end in _units(data) if kind == SEQUENCE_HEADER
    }


def _units(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the type of each OBU, and the begin and the end of its contents."""
    position = 0
    for _ in range(MAX_UNITS):
        if position >= len(data):
            return
        header = data[position]
        position += 2 if header & 0x04 else 1  # the second byte tells the layer
        size, position = _leb128(data, position) if header & 0x02 else (len(data) - position, position)
        yield header >> 3 & 15, position, position + size
        position += size
    if position < len(data):
        raise ValueError(f"its AV1 data have more than {MAX_UNITS} units")


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    """Return a number in groups of seven bits, the lowest first, and the position after it."""
    value = 0
    for index, byte in enumerate(data[position : position + 8]):
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, position + index + 1
    raise ValueError("its AV1 data are truncated")


class _Bits:
    """Reads bits, the highest of a byte first."""

    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, count: int) -> int:
        self.left -= count
        if self.left < 0:
            raise ValueError("its AV1 header is truncated")
        return self.value >> self.left & ((1 << count) - 1)

    def skip_uvlc(self) -> None:
        zeros = 0
        while not self.read(1):
            zeros += 1
        self.read(zeros)


def _size_of(header: bytes) -> tuple[int, int]:
    """Return max_frame_width and max_frame_height of a sequence header."""
    bits = _Bits(header)
    bits.read(4)  # profile, still_picture
    if bits.read(1):  # reduced_still_picture_header
        bits.read(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(width_bits) + 1, bits.read(height_bits) + 1


def _skip_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits.read(1):  # timing_info_present_flag
        bits.read(TIMING_BITS)
        if bits.read(1):
            bits.skip_uvlc()
        if bits.read(1):  # decoder_model_info_present_flag
            delay_bits = bits.read(DELAY_BITS) + 1
            bits.read(TICK_BITS + LENGTH_BITS)
    has_display_delay = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > HIGHEST_LEVEL_WITHOUT_TIER:
            bits.read(1)
        if delay_bits and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if has_display_delay and bits.read(1):
            bits.read(4)
