"""Reports what an output does not hold of its input, or refuses it where --in-place would lose it."""

from collections.abc import Sequence

from ..errors import ImageError, listed
from ..images.frames import Series
from ..images.image import Image
from ..images.losses import Loss, losses_of_selection, losses_of_series, series_for_path, series_of_picture
from ..images.positions import moved_series
from .request_base import BaseRequest
from .tasks import Target


def refuse_loss(request: BaseRequest, lost: Sequence[str]) -> None:
    """Raise ImageError where --in-place would lose anything of a picture but its old levels."""
    if request.in_place and lost:
        raise ImageError(f"would lose {listed(lost)} in place; write another file, with -o")


def report_losses(request: BaseRequest, losses: Sequence[Loss]) -> list[str]:
    """Return the notices about losses. Raises ImageError for --in-place."""
    refuse_loss(request, [loss.lost for loss in losses if loss.lost])
    return notices_of(losses)


def notices_of(losses: Sequence[Loss]) -> list[str]:
    """Return the notices about losses."""
    return [loss.notice for loss in losses if loss.notice]


def losses_of_positions(lost: Sequence[str]) -> list[Loss]:
    """Return the losses of positions that are not those of the output, with one notice."""
    notice = f"{listed(lost)} not kept: the pixels of the output lie elsewhere"
    return [Loss("" if index else notice, part) for index, part in enumerate(lost)]


def report_series(request: BaseRequest, series: Series, selected: Series, target: Target) -> list[str]:
    """Return notices about what an output of selected frames does not hold of what a file says about all of them.

    Raises ImageError for --in-place.
    """
    if request.strip:
        return []
    return report_losses(request, [*losses_of_selection(series, selected), *losses_of_series(selected, target.file_format)])


def series_of_output(request: BaseRequest, series: Series, image: Image, target: Target) -> tuple[Series, list[str]]:
    """Return the series of an output, whose pixels may lie elsewhere, and notices of what is lost.

    ``image`` is its first frame. Raises ImageError for --in-place.
    """
    if series.count == 1:
        series = series_of_picture(series, image.metadata.calibration)
    series, lost = moved_series(series, request.common_placement(image.size, target.maps))
    losses: list[Loss] = []
    if target.file_format.holds_series and not request.in_place:
        series, losses = series_for_path(series, target.path)
    if request.strip or not target.file_format.picture:
        return series, []
    refuse_loss(request, lost)
    return series, notices_of([*losses_of_positions(lost), *losses])
