"""The formats that can be written, and what each can hold. Words and facts only: nothing heavy is imported here."""

import os
from dataclasses import dataclass

from ..errors import ArgumentError, nearest_name

MAX_PIXELS = 178_956_970
"""Largest picture by default: 512 MiB of 8-bit RGB."""


@dataclass(frozen=True)
class Format:
    """A file format. ``stack`` formats hold any number of float maps; ``keeps`` names the metadata they hold."""

    name: str
    suffixes: tuple[str, ...]
    picture: bool = True
    stack: bool = False
    alpha: bool = False
    deep_grey: bool = False  # 16 bits
    deep_colour: bool = False
    keeps: tuple[str, ...] = ()
    longest: int = 1 << 30  # bytes of EXIF, with its prefix, or of a comment


READ_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".webp"),
    *(".bmp", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".npy"),
)
"""By these a folder's pictures are known; a file that is named is read whatever it is called."""

ALL = ("icc", "exif", "dpi")
FORMATS = (
    Format("png", (".png",), alpha=True, deep_grey=True, keeps=(*ALL, "text")),
    Format("jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), keeps=(*ALL, "comment"), longest=65_533),
    Format("tiff", (".tif", ".tiff"), stack=True, alpha=True, deep_grey=True, deep_colour=True, keeps=ALL),
    Format("webp", (".webp",), alpha=True, keeps=("icc", "exif")),
    Format("bmp", (".bmp",), keeps=("dpi",)),
    Format("ppm", (".ppm", ".pgm", ".pnm"), deep_grey=True),
    Format("npy", (".npy",), picture=False, stack=True),
    Format("npz", (".npz",), picture=False, stack=True),
)
NAMES = tuple(form.name for form in FORMATS)
BY_SUFFIX = {suffix: form for form in FORMATS for suffix in form.suffixes}
BY_NAME = {form.name: form for form in FORMATS} | {suffix[1:]: form for suffix, form in BY_SUFFIX.items()}


def format_named(name: str) -> Format:
    """The format of a name such as png, jpg or tif. Raises ArgumentError."""
    if name.lower() not in BY_NAME:
        raise ArgumentError(f"format {name!r} is unknown; there are {', '.join(NAMES)}{nearest_name(name, BY_NAME)}")
    return BY_NAME[name.lower()]


def format_of(path: str) -> Format:
    """The format that a file name asks for by its suffix. Raises ArgumentError."""
    base = path.replace(os.sep, "/").rpartition("/")[2]
    dot = base.rfind(".")
    suffix = base[dot:].lower() if dot > 0 else ""
    if suffix not in BY_SUFFIX:
        known = " ".join(form.suffixes[0] for form in FORMATS)
        what = f"has the unknown suffix {suffix!r}" if suffix else "has no suffix that tells the format"
        raise ArgumentError(f"output {path!r} {what}; use one of {known}, or --format, or end the name of a folder with /")
    return BY_SUFFIX[suffix]
