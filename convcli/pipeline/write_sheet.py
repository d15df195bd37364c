"""Writes the input, the kernels and the maps of a picture as one sheet."""

from ..drawing.sheet import draw_sheet
from ..images.image import Image
from ..images.quantize import combine_statistics
from ..images.write import fit
from .input_frames import OutputFrames
from .request_base import BaseRequest
from .sheet_groups import SheetGroups, plan_sheet
from .tasks import Target
from .write_output import Output, write_output
from .written import Written

WHITE = 255


def write_sheet(request: BaseRequest, frames: OutputFrames, target: Target, output: Output) -> tuple[list[Written], list[str]]:
    """Draw the maps of an output, and write them. Return what was written, and notices.

    A sheet has no metadata of its picture, but its provenance.
    """
    assert request.sheet is not None
    source = frames.first
    plan = plan_sheet(request, request.sheet, source, target.maps)
    making = SheetGroups(request, request.sheet, source, plan)
    sheet = draw_sheet(making.groups(), plan.grid.columns, request.sheet)
    notices = [*plan.notices, *making.notices, *sheet.notices]
    if source.image.alpha is not None:
        notices.append("alpha: the sheet shows maps as if they were opaque")
    if frames.is_last:
        frames.input.release()
    picture = Image(sheet.pixels, WHITE)
    fitted = fit(picture, target.file_format, request.encoding, None if request.strip else output.provenance)
    data = fitted.encode(picture)
    write_output(request, target, output, lambda file: file.write(data), str(output.provenance).encode() in data)
    measured = combine_statistics(making.statistics)
    written = Written(target, "sheet", sheet.pixels.shape, "sheet", measured, plan.maps, tiles=sheet.tiles)
    return [written], [*notices, *fitted.notices]


def plan_written(request: BaseRequest, frames: OutputFrames, target: Target) -> Written:
    """Return what a dry run reports. Raises the errors that ``write_sheet`` would raise before it computes."""
    assert request.sheet is not None
    source = frames.first
    plan = plan_sheet(request, request.sheet, source, target.maps)
    for index in plan.maps:
        source.check(request.maps[index])
    shape = request.map_shape(source.image.size, request.maps[plan.maps[0]])
    return Written(target, f"sheet of maps, {request.sheet.normalize} scale", shape, "sheet", None, plan.maps)
