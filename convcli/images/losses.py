"""What an output does not hold of its input, by the format of the output."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from .file_format import Format
from .file_parts import lost_png_chunks
from .frames import Series, TiffSeries
from .geotiff import names_of_tags
from .image import Calibration, Image, Metadata
from .iptc import IPTC_NAME, without_iptc
from .palette import MAX_COLOURS, colours_of, is_hidden

MARGIN = 100
"""Bytes for the prefixes of XMP and IPTC in JPEG, and for numbers that become longer."""

METADATA_NAMES = {
    **{"icc": "colour profile", "exif": "EXIF", "dpi": "resolution", "text": "text", "comment": "comment"},
    **{"xmp": "XMP", "iptc": "IPTC", "calibration": "resolution in other units than inches"},
}
"""The fields of ``Metadata`` in notices about formats that do not hold them. ``lost_png_chunks`` describes those of png_chunks;
gamma and cicp repeat two of them, and a label is no metadata of the input.
"""

SERIES_NAMES = {
    "durations": "durations",
    "loop": "number of repetitions",
    "labels": "labels of frames",
    "channels": "names of channels",
    "spacing": "distances between samples",
}
"""The fields of ``Series`` in such notices."""

DISTANCES = "distances between frames"
OME_SUFFIXES, DISPLAY_WORDS = (".ome.tif", ".ome.tiff"), ("mode", "loop", "fps")
OME_UNITS = {unit: unit for unit in ("nm", "\N{MICRO SIGN}m", "mm", "cm", "m")}
OME_UNITS |= dict.fromkeys(("um", "micron", "microns", "\N{GREEK SMALL LETTER MU}m"), "\N{MICRO SIGN}m")
OME_UNITS |= dict.fromkeys(("inch", "inches", "in"), "in")
"""Units of ImageJ, and their names in OME-XML."""

TOLERANCE = 1e-6
"""Milliseconds by which a duration may differ from a multiple."""


def names_of_metadata(metadata: Metadata) -> list[str]:
    """Return what metadata hold, as notices name it. Tags of a map are stored as EXIF is, but are none."""
    names = {name: [word] for name, word in METADATA_NAMES.items() if getattr(metadata, name)}
    if metadata.exif:
        names["exif"] = names_of_tags(metadata.exif)
    return [*itertools.chain(*names.values()), *lost_png_chunks(metadata.png_chunks, metadata.icc is not None)]


def _unkept(value: Metadata | Series, names: Mapping[str, str], file_format: Format) -> list[str]:
    """Return the names of the fields that have a value, and that a format does not hold."""
    return [name for field, name in names.items() if getattr(value, field) and field not in file_format.keeps]


def kept_metadata(metadata: Metadata, file_format: Format) -> tuple[Metadata, list[str]]:
    """Return the metadata that a format can hold, and descriptions of the rest."""
    lost = _unkept(metadata, METADATA_NAMES, file_format)
    kept = {field: getattr(metadata, field) for field in (*METADATA_NAMES, "png_chunks") if field in file_format.keeps}
    if kept.get("exif") and file_format.name != "tiff":
        kept["exif"], iptc, more = without_iptc(kept["exif"])
        lost += more
        if iptc and "iptc" in kept:
            kept["iptc"] = kept["iptc"] or iptc
        elif iptc:
            lost.append(IPTC_NAME)
    for field, margin in (("exif", 0), ("comment", 0), ("iptc", MARGIN), ("xmp", MARGIN)):
        if kept.get(field) and len(kept[field]) + margin > file_format.max_metadata:
            lost.append(f"{len(kept.pop(field))} bytes of {METADATA_NAMES[field]}")
    if "png_chunks" not in kept:
        lost += lost_png_chunks(metadata.png_chunks, metadata.icc is not None)
    return Metadata(**kept, label=metadata.label), lost


class Loss(Struct, frozen=True):
    """What a format does not hold, as a notice and as --in-place names it."""

    notice: str
    lost: str


def losses_by_palette(image: Image, file_format: Format) -> list[Loss]:
    """Return what a format with a palette changes in levels."""
    if not file_format.has_palette:
        return []
    losses = []
    hidden = None if image.alpha is None else is_hidden(image.alpha)
    limit = MAX_COLOURS - (hidden is not None and bool(hidden.any()))
    if len(colours_of(image.pixels, hidden)) > limit:
        losses.append(Loss(f"colours reduced to {MAX_COLOURS}: {file_format.name} holds no more", "its further colours"))
    if image.alpha is not None and np.any((image.alpha != 0) & (image.alpha != 255)):
        losses.append(Loss(f"alpha reduced to 0 and 255: {file_format.name} holds no other", "its partial alpha"))
    return losses


NO_ALPHA = Loss("alpha not written: a stack holds only the feature maps", "alpha")
NOT_64_BITS = Loss("stored as float32, which ImageJ reads; .npy and .npz hold all 64 bits", "what 32 bits cannot hold")


def losses_of_samples(picture: Image, image: Image, file_format: Format) -> list[Loss]:
    """Return what the levels of a picture, or its float32, do not hold of the samples of the image that it was made from.

    One without a notice is asked for.
    """
    if picture.white is None:
        return [*([NO_ALPHA] if image.alpha is not None else []), *([NOT_64_BITS] if image.pixels.dtype == np.float64 else [])]
    if image.white is None:
        return [Loss("", "its real numbers")]
    if picture.white < image.white:
        return [Loss(f"16-bit levels stored with 8 bits: {file_format.name} holds only 8", "16-bit levels")]
    return []


def losses_of_selection(series: Series, selected: Series) -> list[Loss]:
    """Return what is not known of selected frames that lie along none of the axes of a series: their distances."""
    if not series.axes or selected.axes or selected.count == 1 or {axis for axis, _ in series.spacing} <= set("YX"):
        return []
    return [Loss(f"{DISTANCES} not kept: those that are selected do not lie along one axis at equal distances", DISTANCES)]


def losses_of_series(series: Series, file_format: Format) -> list[Loss]:
    """Return what a picture format does not hold of what a file says about its frames."""
    shown = series if series.count > 1 else replace(series, durations=(), loop=None)
    lost = _unkept(shown, SERIES_NAMES, file_format)
    if len(series.axes) > 1 and not file_format.holds_series:
        lost.append(f"axes {' '.join(series.axes)}")
    if series.tiff and series.tiff.program == "ome" and not file_format.holds_series:
        lost.append("OME-XML")
    losses = [Loss(f"{name} not kept in this {file_format.name}", f"its {name}") for name in lost]
    step = file_format.duration_step
    if step and any(abs(duration - step * round(duration / step)) > TOLERANCE for duration in series.durations):
        unit = "hundredths" if step == 10 else "thousandths"
        losses.append(Loss(f"durations rounded to {unit} of a second: {file_format.name} holds no others", "its durations"))
    return losses


def asks_for_ome(path: Path | None) -> bool:
    """Return whether the name of an output is NAME.ome.tif."""
    return path is not None and path.name.lower().endswith(OME_SUFFIXES)


def series_of_picture(series: Series, calibration: Calibration | None) -> Series:
    """Return the series of one picture of ImageJ, which states the size of its pixels, as that of a stack of one."""
    if series.tiff is not None or calibration is None:
        return series
    (x, y), words = calibration.per_unit, dict(calibration.words)
    spacing = (("Y", float(1 / y)), ("X", float(1 / x)))
    return replace(series, spacing=spacing, unit=words.pop("unit", ""), tiff=TiffSeries("imagej", words=tuple(words.items())))


def series_for_path(series: Series, path: Path | None) -> tuple[Series, list[Loss]]:
    """Return the series as the name of an output asks for it, NAME.ome.tif, and what OME-TIFF does not hold of a stack."""
    tiff, is_asked_for = series.tiff, asks_for_ome(path) and set(series.axes) <= set("TZ")
    if tiff is None or tiff.program == "ome" or not is_asked_for:
        return series, []
    unit = OME_UNITS.get(series.unit, "")
    spacing = tuple((axis, distance) for axis, distance in series.spacing if unit or axis == "T")
    lost = [SERIES_NAMES["spacing"]] if spacing != series.spacing else []
    lost += [SERIES_NAMES["labels"]] if series.labels else []
    lost += ["ImageJ's properties"] if {word for word, _ in tiff.words}.difference(DISPLAY_WORDS) else []
    changed = replace(series, spacing=spacing, unit=unit, labels=(), tiff=replace(tiff, program="ome", words=()))
    return changed, [Loss(f"{name} not kept in OME-TIFF", f"its {name}") for name in lost]
