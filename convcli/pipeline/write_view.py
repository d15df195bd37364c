"""Writes a sheet of what is viewed: as pixels, as SVG, or as a page of HTML."""

import hashlib

from ..drawing.canvas import PixelCanvas
from ..drawing.html import html_page
from ..drawing.sheet import ArrangedSheet, draw_on
from ..drawing.svg import svg_file
from ..images.encoding import Encoding
from ..images.file_format import Format
from ..images.image import Image
from ..images.provenance import Provenance
from ..images.write import fit
from .view_request import VIEW_VERSION, ViewRequest
from .view_sheet import Contents

LOSSLESS = Encoding(quality=100)


def encode_view(request: ViewRequest, contents: Contents, sheet: ArrangedSheet, notices: list[str]) -> bytes:
    """Return the bytes of a sheet in the format of a request. Raises ArgumentError where the format cannot hold it."""
    provenance = None if request.strip else _provenance(request, contents)
    if request.file_format == "svg":
        return svg_file(sheet, provenance).encode()
    if request.file_format == "html":
        return html_page(sheet, _title(contents), provenance).encode()
    assert isinstance(request.file_format, Format)
    canvas = PixelCanvas(sheet.layout.height, sheet.layout.width)
    draw_on(canvas, sheet)
    picture = Image(canvas.pixels, 255)
    fitted = fit(picture, request.file_format, LOSSLESS, provenance)
    notices += fitted.notices
    return fitted.encode(picture)


def _title(contents: Contents) -> str:
    names = [viewed.name for viewed in contents.viewed]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _provenance(request: ViewRequest, contents: Contents) -> Provenance:
    name = request.file_format.name if isinstance(request.file_format, Format) else request.file_format
    names = [(viewed.name, [part.name for part in viewed.parts]) for viewed in contents.viewed]
    prepared = (request.prepared,) if request.prepared else ()
    options = (request.sheet, request.sheet.version, request.axes, request.frames, *prepared)
    asked = hashlib.sha256(repr((VIEW_VERSION, name, names, options)).encode("utf-8", "surrogateescape"))
    source = hashlib.sha256("".join(viewed.digest for viewed in contents.viewed).encode())
    return Provenance(asked.hexdigest()[:32], source.hexdigest()[:32])
