"""Writes the maps of an output: one map as pictures, or several as a stack of floats."""

from ..images.image import Image
from .input_frames import OutputFrames
from .report_losses import report_series
from .request_base import BaseRequest
from .tasks import Target
from .write_output import Output
from .write_pictures import write_pictures
from .write_stack import write_stack
from .written import Written, explanations_of


def write_maps(request: BaseRequest, frames: OutputFrames, target: Target, output: Output) -> tuple[list[Written], list[str]]:
    """Write the maps of one or several frames to an output. Return what was written, and notices. Raises ConvcliError."""
    raw = is_raw(request, frames.first.image, target)
    explanations = explanations_of(request, frames.first, target)  # now, as the first frame is not read again after the others
    notices = report_series(request, frames.series, target)
    if raw and not is_float_picture(target):
        written, further = write_stack(request, frames, target, output)
    else:
        written, further = write_pictures(request, frames, target, output, raw)
    return [part.explained(explanations) for part in written], [*notices, *further]


def is_raw(request: BaseRequest, image: Image, target: Target) -> bool:
    """Return whether floats are stored: in a stack, and in TIFF where the picture has floats whose white is not known."""
    unscaled = image.white is None and not request.rule_for(request.maps[target.maps[0]]).sets_scale
    return request.stacks_in(target.file_format) or (target.file_format.stack and unscaled)


def is_float_picture(target: Target) -> bool:
    """Return whether the floats of an output are those of one map of a picture format, which then holds metadata."""
    return target.file_format.picture and len(target.maps) == 1
