"""GeoTIFF: the place of pixels on a map, and GDAL's scale of samples, in the tags of a TIFF file or of an EXIF block.

The tags are those of OGC GeoTIFF Standard 1.1 (https://docs.ogc.org/is/19-008r4/19-008r4.html), annex B.6. They relate a
position (I, J) in the raster, a column and a row, to one on the map, (X, Y):

    ModelTiepoint and ModelPixelScale   X = X0 + (I - I0) scale_x, Y = Y0 - (J - J0) scale_y
    ModelTransformation                 X = a I + b J + d, Y = e I + f J + h
    several ModelTiepoint alone         each relates one position

where (I0, J0, K0, X0, Y0, Z0) is a tiepoint, and (a b c d / e f g h / ...) the matrix of the transformation.

The centre of the first pixel has the position 0.5 where pixels are areas, and 0 where they are points (GTRasterTypeGeoKey,
section 7.2). Let the first pixel of an output lie on pixel p of the input, and the stride be s. The output's pixel n then lies
on the input's p + s n. A position c' of the output is the position c = p + h + s (c' - h) of the input, where h is 0.5 or 0.
"""

import io
import re
import struct
from collections.abc import Sequence

from ..geometry.axes import Placement
from ..range_rules import NUMBER
from .exif_block import PREFIX, Block, BrokenExif, Entry, append, drop_entries, write_at
from .provenance import SOFTWARE

PIXEL_SCALE, TIEPOINTS, TRANSFORMATION, KEYS = 33550, 33922, 34264, 34735
FURTHER_KEYS = (34736, 34737)
UNMOVED = (33920, 50844)
"""Tags with positions that are not adjusted: a matrix of Intergraph, and coefficients of a rational function (RPC)."""

MAP_TAGS = (PIXEL_SCALE, TIEPOINTS, TRANSFORMATION, KEYS, *FURTHER_KEYS, *UNMOVED)
MAP_POSITION = "its position on a map (GeoTIFF)"
RASTER_TYPE, PIXEL_IS_POINT = 1025, 2
DOUBLE = 12
GDAL_METADATA, GDAL_NODATA = 42112, 42113
PAGE_TAGS = (*MAP_TAGS, GDAL_METADATA, GDAL_NODATA)
"""Tags that GDAL reads of each page on its own."""

TAGS_OF_MAPS = (*MAP_TAGS, GDAL_NODATA)
"""Those that are true of all maps of a picture that lie at one place. GDAL_METADATA has offsets of each kernel."""

NAMES_OF_TAGS = {
    MAP_TAGS: "position on a map (GeoTIFF)",
    (GDAL_METADATA,): "GDAL's metadata",
    (GDAL_NODATA,): "GDAL's NODATA",
}
"""Tags of maps, as notices name them (https://gdal.org/drivers/raster/gtiff.html)."""

SCALING = rb'<Item\b[^<>]*\brole="(scale|offset)"[^<>]*>([^<]*)</Item>'
"""Items of GDAL_METADATA by which samples become values: sample * scale + offset."""

GDAL_SCALING = "GDAL's scale and offset"
STATISTICS = rb'<Item name="STATISTICS_[^<>]*>[^<]*</Item>'


def without_statistics(exif: bytes) -> bytes:
    """Return a block with spaces in place of the statistics of old levels in the tag GDAL_METADATA (42112)."""
    return re.sub(STATISTICS, lambda item: b" " * len(item[0]), exif)


def rescaled_block(exif: bytes, gain: float | None, are_absolute: bool = False) -> tuple[bytes, tuple[str, ...]]:
    """Return a block whose GDAL_METADATA are those of an output, and descriptions of what is lost.

    ``gain`` is the sum of the weights of the kernel that an output was made with. With the scale a and the offset b,
    sum(w (a x + b)) = a sum(w x) + b sum(w): the offset is multiplied by the gain, and the scale stays. Both are lost where the
    output is no such sum of samples (None), and where a is negative and the output has absolute values. A block that cannot be
    read stays as it is.
    """
    file = io.BytesIO(exif.removeprefix(PREFIX))
    try:
        block = Block.of(file)
        entries = [entry for entry in block.directory(block.first_directory) if entry.tag == GDAL_METADATA]
        old = block.read(entries[0].value_position, entries[0].size) if entries else b""
        gain = None if are_absolute and any(map(_is_negative_scale, re.finditer(SCALING, old))) else gain
        new = re.sub(SCALING, lambda item: _rescaled(item, gain), old)
        if new == old:
            return exif, ()
        if len(new) <= len(old):
            write_at(file, entries[0].value_position, new.ljust(len(old), b"\0"))
        else:
            place = struct.pack(f"{block.byte_order}II", len(new), append(file, new))
            write_at(file, entries[0].position + 4, place)
    except BrokenExif:
        return exif, ()
    return PREFIX + file.getvalue(), (GDAL_SCALING,) if gain is None else ()


def _is_negative_scale(item: re.Match[bytes]) -> bool:
    return item[1] == b"scale" and item[2].strip().startswith(b"-")


def _rescaled(item: re.Match[bytes], gain: float | None) -> bytes:
    if gain is None:
        return b" " * len(item[0])
    if item[1] == b"scale" or gain == 1 or not re.fullmatch(NUMBER, item[2].decode("latin-1").strip()):
        return item[0]
    return item[0].replace(b">" + item[2] + b"<", f">{float(item[2]) * gain + 0.0!r}<".encode())


def names_of_tags(exif: bytes) -> list[str]:
    """Return what the tags of a block are, as notices name it: EXIF, unless all are of maps, or the only other is Software."""
    try:
        block = Block.of(io.BytesIO(exif.removeprefix(PREFIX)))
        tags = {entry.tag for entry in block.directory(block.first_directory)}
    except BrokenExif:
        return ["EXIF"]
    others = tags.difference(*NAMES_OF_TAGS)
    name_of_others = "the tag Software" if others == {SOFTWARE} else "EXIF"
    return [*([name_of_others] if others else []), *(name for group, name in NAMES_OF_TAGS.items() if tags & set(group))]


def moved_block(exif: bytes, placement: Placement | None) -> tuple[bytes, tuple[str, ...]]:
    """Return a block whose GeoTIFF tags are those of an output, and descriptions of what is lost.

    The tags are lost where the placement is not known (None). A block that cannot be read stays as it is.
    """
    file = io.BytesIO(exif.removeprefix(PREFIX))
    try:
        block = Block.of(file)
        entries = {entry.tag: entry for entry in block.directory(block.first_directory)}
        stale = UNMOVED if placement is not None else MAP_TAGS
        lost = (MAP_POSITION,) if entries.keys() & set(stale) else ()
        if placement is not None:
            _move(block, entries, placement)
        drop_entries(block, block.first_directory, stale if lost else ())
    except (BrokenExif, struct.error):
        return exif, ()
    return PREFIX + file.getvalue(), lost


def _move(block: Block, entries: dict[int, Entry], placement: Placement) -> None:
    """Write the numbers of an output in place of those of its input."""
    centre = 0.0 if _pixels_are_points(block, entries) else 0.5
    (row, column), (step_y, step_x) = placement.first, placement.strides
    scale = _doubles(block, entries.get(PIXEL_SCALE))
    points = _doubles(block, entries.get(TIEPOINTS))
    matrix = _doubles(block, entries.get(TRANSFORMATION))
    for at in range(0, len(points) - 5, 6):
        i, j = points[at : at + 2]
        if len(scale) >= 2:  # (I, J) of the output is on the map where c is
            points[at + 3] += (column + centre + step_x * (i - centre) - i) * scale[0]
            points[at + 4] -= (row + centre + step_y * (j - centre) - j) * scale[1]
        else:
            points[at : at + 2] = (i - centre - column) / step_x + centre, (j - centre - row) / step_y + centre
    if len(scale) >= 2:
        scale[:2] = scale[0] * step_x, scale[1] * step_y
    for line in range(0, len(matrix) - 3, 4):
        a, b = matrix[line : line + 2]
        matrix[line + 3] += a * (column + centre * (1 - step_x)) + b * (row + centre * (1 - step_y))
        matrix[line : line + 2] = a * step_x, b * step_y
    for tag, numbers in ((PIXEL_SCALE, scale), (TIEPOINTS, points), (TRANSFORMATION, matrix)):
        if numbers:
            write_at(block.file, entries[tag].value_position, struct.pack(f"{block.byte_order}{len(numbers)}d", *numbers))


def _pixels_are_points(block: Block, entries: dict[int, Entry]) -> bool:
    """Return whether GTRasterTypeGeoKey says so. A key is its number, a tag or 0, a count, and the value where the tag is 0."""
    keys = entries.get(KEYS)
    numbers: Sequence[int] = block.numbers(keys.value_position, f"{keys.count}H") if keys else ()
    return any(tuple(numbers[at : at + 4]) == (RASTER_TYPE, 0, 1, PIXEL_IS_POINT) for at in range(4, len(numbers) - 3, 4))


def _doubles(block: Block, entry: Entry | None) -> list[float]:
    """Return the values of an entry; none where it is missing, or of another type."""
    if entry is None or entry.type != DOUBLE:
        return []
    return list(struct.unpack(f"{block.byte_order}{entry.count}d", block.read(entry.value_position, entry.size)))
