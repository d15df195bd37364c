"""PNG files of PngSuite, libpng and pypng (their licences: png_files/README.md) are read as pypng decodes them."""

import io
from pathlib import Path

import numpy as np
import png as pypng
import pytest
from numpy.testing import assert_array_equal

from convcli.errors import ImageError
from convcli.images.read import read_image

FOLDER = Path(__file__).with_name("png_files")
VALID = sorted(path for name in ("pngsuite", "libpng", "pypng") for path in (FOLDER / name).glob("*.png"))
DAMAGED = sorted((FOLDER / "damaged").glob("*.png"))


def decoded(data):
    """Samples by pypng, widened to 8 or 16 bits, or colours of the palette: (H, W, C), and alpha (H, W) or None.

    The rules are those of the PNG specification: sections 12.4 (sample depth), 11.2.2 (palette), 11.3.1.1 (transparency).
    """
    reader = pypng.Reader(bytes=data)
    width, height, rows, info = reader.read()
    samples = np.vstack([np.array(row) for row in rows]).reshape(height, width, info["planes"])
    depth = info["bitdepth"]
    transparent = reader.trns
    if info.get("palette") is not None or reader.plte is not None and reader.color_type == 3:
        colours = np.frombuffer(reader.plte, np.uint8).reshape(-1, 3)
        opacity = np.full(256, 255)
        opacity[: len(transparent or b"")] = np.frombuffer(transparent or b"", np.uint8)
        index = samples[:, :, 0]
        return colours[index], opacity[index] if transparent else None
    high = 65535 if depth == 16 else 255
    widened = samples * (high // (2**depth - 1))
    if info["alpha"]:
        return widened[:, :, :-1], widened[:, :, -1]
    if transparent:
        key = np.frombuffer(transparent, ">u2")
        return widened, np.where((samples == key).all(axis=2), 0, high)
    return widened, None


@pytest.mark.parametrize("path", VALID, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_valid_files_are_read_exactly(path):
    """Depth, colours and alpha of each file equal those of an independent decoder."""
    data = path.read_bytes()
    colours, alpha = decoded(data)
    image = read_image(None, io.BytesIO(data))
    assert image.white == (65535 if data[24] == 16 else 255)
    assert_array_equal(image.pixels, colours)
    if alpha is None:
        assert image.alpha is None
    else:
        assert_array_equal(image.alpha, alpha)


def test_all_kinds_of_pixels_are_among_the_files():
    """Each colour type with each of its depths, interlaced and not."""
    kinds = {(data[25], data[24], data[28]) for data in (path.read_bytes() for path in VALID)}
    depths = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    assert len(VALID) >= 190
    assert {(colour, depth, 0) for colour, allowed in depths.items() for depth in allowed} <= kinds
    assert {(colour, depth, 1) for colour in (0, 2, 4, 6) for depth in (8, 16)} <= kinds


@pytest.mark.parametrize("path", DAMAGED, ids=lambda path: path.stem)
def test_damaged_files_are_one_error_or_are_read(path):
    """No exception but ImageError with a message of one line."""
    try:
        image = read_image(path)
    except ImageError as error:
        assert len(error.lines) == 1  # noqa: PT017
    else:
        assert image.pixels.size
