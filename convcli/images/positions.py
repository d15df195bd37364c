"""Adjusts metadata about positions to an output whose pixels lie elsewhere than those of its input."""

from dataclasses import replace

from ..geometry.axes import Placement
from .frames import ORIGINS, Series
from .geotiff import moved_block
from .image import Metadata

RESOLUTION = "its resolution"


def moved_metadata(metadata: Metadata, placement: Placement | None) -> tuple[Metadata, tuple[str, ...]]:
    """Return the metadata of an output, and descriptions of what is lost.

    A placement of None is one that is not known: of maps of networks, and of kernels of several placements that are merged.
    """
    if placement == Placement():
        return metadata, ()
    lost: tuple[str, ...] = ()
    if metadata.exif:
        exif, lost = moved_block(metadata.exif, placement)
        metadata = replace(metadata, exif=exif)
    if metadata.calibration and placement is None:
        return replace(metadata, calibration=None), (*lost, RESOLUTION)
    if metadata.calibration and placement is not None:
        metadata = replace(metadata, calibration=metadata.calibration.moved(placement))
    return metadata, lost


def moved_series(series: Series, placement: Placement | None) -> tuple[Series, tuple[str, ...]]:
    """Return the series of outputs, and descriptions of what is lost, as ``moved_metadata`` does."""
    stated = {axis for axis, _ in series.spacing} | {key for key, _ in (series.tiff.words if series.tiff else ())}
    is_lost = placement is None and stated & {"Y", "X", *ORIGINS}
    return series.moved(placement), (RESOLUTION,) if is_lost else ()
