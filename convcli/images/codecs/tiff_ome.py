"""OME-XML: the axes, planes, channels, sizes and texts of the first image of an OME-TIFF file, and whether it holds more.

https://docs.openmicroscopy.org/ome-model/6.3.1/ome-tiff/specification.html
"""

import math
from collections.abc import Collection, Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..image import Array

MICRON = "\N{MICRO SIGN}m"
METRES = {"pm": 1e-12, "\N{ANGSTROM SIGN}": 1e-10, "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}": 1e-10, "nm": 1e-9}
METRES |= {MICRON: 1e-6, "mm": 1e-3, "cm": 1e-2, "dm": 1e-1, "m": 1.0, "km": 1e3, "in": 0.0254}
SECONDS = {"ns": 1e-9, "\N{MICRO SIGN}s": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}

TEXTS = ("AcquisitionDate", "Description")
CHANNEL_NUMBERS = ("Color", "EmissionWavelength", "EmissionWavelengthUnit", "ExcitationWavelength", "ExcitationWavelengthUnit")
AXES = ("X", "Y", "Z", "T", "C")
MADE_ANEW = {
    "OME": {"UUID", "Creator"},
    "Image": {"ID", "Name"},
    "Pixels": {
        *("ID", "DimensionOrder", "Type", "BigEndian", "Interleaved", "SignificantBits", "TimeIncrement", "TimeIncrementUnit"),
        *(f"Size{axis}" for axis in AXES),
        *(f"PhysicalSize{axis}{end}" for axis in "XYZ" for end in ("", "Unit")),
    },
    "Channel": {"ID", "Name", "SamplesPerPixel"},
    "LightPath": set[str](),
    "TiffData": {"IFD", "PlaneCount", *(f"First{axis}" for axis in AXES)},
    "UUID": {"FileName"},
    "Plane": {f"The{axis}" for axis in AXES},
    **dict.fromkeys(TEXTS, set[str]()),
}
"""Elements and their attributes that the output has again, or that are untrue of it."""


class OmeImage(Struct, frozen=True):
    """An image: the axes of its planes and their lengths, the last changing first, and what is known of them.

    ``tables`` are the entries TiffData: the index of the first plane, the first directory, and the number of planes, 0 for all
    that follow. ``words`` are texts of the image, and lists of numbers of its channels, as tifffile writes them. ``has_more``
    is whether the OME-XML holds anything else.
    """

    axes: str
    sizes: tuple[int, ...]
    tables: tuple[tuple[int, int, int], ...]
    channels: tuple[str, ...]
    spacing: tuple[tuple[str, float], ...]
    unit: str
    words: tuple[tuple[str, Any], ...] = ()
    has_more: bool = False

    def plane_table(self, directories: int) -> Array:
        """Return the directory of each plane; empty where some have none, or one that does not exist."""
        total = int(np.prod(self.sizes))
        table = np.full(total, -1)
        for first, directory, count in self.tables or ((0, 0, total),):
            end = min(first + (count or total), total)
            table[first:end] = np.arange(directory, directory + end - first)
        return table if table.min() >= 0 and table.max() < directories else table[:0]


def read_ome(text: str) -> OmeImage | None:
    """Return the first image of OME-XML; None where there is none, and where its planes lie in several files."""
    try:
        root = ElementTree.fromstring(text)
        pixels = next((element for element in root.iter() if _name(element) == "Pixels"), None)
        if pixels is None or _are_in_files(pixels):
            return None
        image = next(element for element in root.iter() if pixels in element and _name(element) == "Image")
        words = _words_of(image, pixels)
        return replace(_image_of(pixels), words=tuple(words.items()), has_more=_has_more(root, words.keys()))
    except (ElementTree.ParseError, KeyError, ValueError, StopIteration):
        return None


def names_other_files(text: str) -> bool:
    """Return whether OME-XML names several files with planes."""
    try:
        return _are_in_files(ElementTree.fromstring(text))
    except ElementTree.ParseError:
        return False


def _are_in_files(element: Any) -> bool:
    return len({inner.text for inner in element.iter() if _name(inner) == "UUID"}) > 1


def _words_of(image: Any, pixels: Any) -> dict[str, Any]:
    """Return the texts of an image, and the attributes that all its channels have."""
    words: dict[str, Any] = {"Name": image.attrib["Name"]} if image.get("Name") else {}
    words |= {_name(element): element.text for element in image if _name(element) in TEXTS and element.text}
    channels = [element.attrib for element in pixels if _name(element) == "Channel"]
    for name in CHANNEL_NUMBERS:
        if channels and all(name in channel for channel in channels):
            words[name] = [channel[name] for channel in channels]
    return words


def _has_more(root: Any, words: Collection[str]) -> bool:
    """Return whether there are elements or attributes that are not read."""
    known = MADE_ANEW | {"Channel": {*MADE_ANEW["Channel"], *words}}
    elements = [(_name(element), {name for name in element.attrib if "}" not in name}) for element in root.iter()]
    images = sum(name == "Image" for name, _ in elements)
    return images > 1 or any(name not in known or attributes - known[name] for name, attributes in elements)


def _image_of(pixels: Any) -> OmeImage:
    facts = pixels.attrib
    axes = facts["DimensionOrder"][:1:-1]
    channels = [element.attrib for element in pixels if _name(element) == "Channel"]
    samples = max([_whole(channel, "SamplesPerPixel", 1) for channel in channels], default=1)
    sizes = {axis: _whole(facts, f"Size{axis}", 0) for axis in "TZC"}
    sizes["C"] = max(sizes["C"] // max(samples, 1), 1)
    if sorted(axes) != ["C", "T", "Z"] or min(sizes.values()) < 1:
        raise ValueError(axes)
    lengths = tuple(sizes[axis] for axis in axes)
    unit, spacing = _spacing(facts)
    names = tuple(channel.get("Name", "") for channel in channels)
    named = names if any(names) and len(names) == sizes["C"] else ()
    return OmeImage(axes, lengths, tuple(_tables(pixels, axes, lengths)), named, spacing, unit)


def _tables(pixels: Any, axes: str, lengths: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    for element in pixels:
        if _name(element) == "TiffData":
            facts = element.attrib
            first = int(np.ravel_multi_index([_whole(facts, f"First{axis}", 0) for axis in axes], lengths))
            yield first, _whole(facts, "IFD", 0), _whole(facts, "PlaneCount", 1 if "IFD" in facts else 0)


def _spacing(facts: Any) -> tuple[str, tuple[tuple[str, float], ...]]:
    """Return the unit of length, and the distances of planes and pixels in it; that of "T" is in seconds."""
    stated = {axis: _length(facts, f"PhysicalSize{axis}") for axis in "ZYX"}
    sizes = {axis: length for axis, length in stated.items() if length}
    units = {axis: facts.get(f"PhysicalSize{axis}Unit", MICRON) for axis in sizes}
    unit = units.get("X") or next(iter(units.values()), "")
    known = set(units.values()) <= METRES.keys()
    factors = {axis: METRES[units[axis]] / METRES[unit] if known and units[axis] != unit else 1.0 for axis in sizes}
    lengths = [(axis, size * factors[axis]) for axis, size in sizes.items() if known or units[axis] == unit]
    seconds = SECONDS.get(facts.get("TimeIncrementUnit", "s"))
    increment = _length(facts, "TimeIncrement")
    times = [("T", increment * seconds)] if seconds and increment else []
    return unit, tuple([*times, *lengths])


def _whole(facts: Any, name: str, default: int) -> int:
    """Return the whole number of an attribute. Raises ValueError for one that no file can have."""
    number = int(facts.get(name, default))
    if not 0 <= number < 1 << 31:
        raise ValueError(name)
    return number


def _length(facts: Any, name: str) -> float:
    """Return the positive number of an attribute; 0 where there is none."""
    number = float(facts.get(name, 0))
    return number if 0 < number < math.inf else 0.0


def _name(element: Any) -> str:
    """Return the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]
