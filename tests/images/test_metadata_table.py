"""Every field of Metadata, in every format that is written: kept, or named in a notice, as the table of the manual says."""

import io
from fractions import Fraction
from importlib.resources import files

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
from msgspec.structs import fields

from convcli.images.encoding import Encoding
from convcli.images.formats import WRITTEN, format_named
from convcli.images.image import Calibration, Image, Metadata
from convcli.images.read import read_image
from convcli.images.write import fit

EXIF = PIL.Image.Exif()
EXIF[0x010F] = "a maker"
VALUES = {
    "icc": PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes(),
    "exif": EXIF.tobytes(),
    "dpi": (300.0, 150.0),
    "calibration": Calibration((Fraction(25, 4), Fraction(5)), (("unit", "um"),)),
    "text": (("Title", "a title"),),
    "comment": b"a comment",
    "xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
    "iptc": b"8BIM\x04\x04\0\0\0\0\0\x08\x1c\x02\x78\0\x03abc",
    "png_chunks": ((b"gAMA", (45455).to_bytes(4)),),
}
ROWS = {
    **{"ICC profile": "icc", "EXIF, with": "exif", "XMP": "xmp", "IPTC": "iptc", "resolution in inches": "dpi"},
    **{"resolution in other": "calibration", "texts": "text", "chunks": "png_chunks", "comment": "comment"},
}
NOT_WRITTEN = {"gamma", "cicp", "label"}
"""Two that repeat chunks of PNG, and the name of a map, which is no metadata of the input."""


def table():
    """The table of the manual: whether a format keeps a field."""
    lines = (files("convcli") / "manual" / "formats.md").read_text().split("| metadata |")[1].split("\n\n")[0].splitlines()
    names = [cell.strip().lower() for cell in lines[0].split("|") if cell.strip()]
    cells = {row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")[2:-1]] for row in lines[2:]}
    rows = [(field, row) for start, field in ROWS.items() for label, row in cells.items() if label.startswith(start)]
    return {(field, name): cell != "no" for field, row in rows for name, cell in zip(names, row, strict=True)}


def test_all_fields_have_a_value_here():
    """A new field needs a value above, and a row in the manual."""
    assert {field.name for field in fields(Metadata)} == {*VALUES, *NOT_WRITTEN}
    assert {field for field, _ in table()} == {*VALUES}


@pytest.mark.parametrize("name", [form.name for form in WRITTEN if form.picture])
def test_each_field_is_kept_or_named(name):
    """What is kept is the same after a round trip; IPTC of TIFF is among its tags."""
    kept = table()
    for field, value in VALUES.items():
        image = Image(np.zeros((6, 5, 3), np.uint8), 255, metadata=Metadata(**{field: value}))
        fitted = fit(image, format_named(name), Encoding())
        reread = getattr(read_image(None, io.BytesIO(fitted.encode(image))).metadata, field)
        same = bool(reread)
        if same and field != "exif":  # its sizes and orientation change
            assert reread == (pytest.approx(value, rel=1e-3) if field == "dpi" else value)
        assert same != bool(fitted.notices), (field, fitted.notices)
        assert same != bool(fitted.lost)
        if (field, name) != ("iptc", "tiff"):
            assert same == kept.get((field, name), False), field
