"""The registry of file formats.

A new format is one entry here and, where Pillow cannot decode or encode it in full, a class in ``codecs``. ``unkept_parts``
reports what decoding would lose. The command line imports this module at start-up, so that it imports nothing
that is slow to import.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from ..errors import ArgumentError, nearest_name
from . import avif_boxes, file_parts, gif_blocks
from .boxes import ends_with_box
from .encoding import options_of_avif, options_of_jpeg, options_of_webp
from .file_format import Format

MAX_PIXELS = 178_956_970
"""Default limit of the size of a picture: 512 MiB of 8-bit RGB."""


def _ends_with(end: bytes) -> Callable[[Path], bool]:
    def is_complete(path: Path) -> bool:
        with path.open("rb") as file:
            file.seek(-len(end), os.SEEK_END)
            return file.read() == end

    return is_complete


COMMON_METADATA = ("icc", "exif", "dpi")
FORMATS = (
    Format(
        "png",
        (".png", ".apng"),
        magic=rb"\x89PNG\r\n\x1a\n",
        codec="png",
        pillow_names=("PNG",),
        alpha=True,
        deep=True,
        holds_frames=True,
        keeps=(*COMMON_METADATA, "text", "xmp", "png_chunks", "durations", "loop"),
        setting="png_level",
        unkept_parts=file_parts.unkept_png_parts,
        holds_provenance=True,
        is_complete=_ends_with(b"IEND\xaeB\x60\x82"),
    ),
    Format(
        "jpeg",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        magic=rb"\xff\xd8\xff",
        codec="jpeg",
        pillow_names=("JPEG", "MPO"),
        keeps=(*COMMON_METADATA, "comment", "xmp", "iptc"),
        max_side=65_500,  # libjpeg's limit; the format allows 65,535
        max_metadata=65_533,
        setting="quality",
        save_options=options_of_jpeg,
        unkept_parts=file_parts.unkept_jpeg_parts,
        holds_provenance=True,
        is_complete=_ends_with(b"\xff\xd9"),
    ),
    Format(
        "tiff",
        (".tif", ".tiff"),
        magic=rb"II[*+]\0|MM\0[*+]",
        codec="tiff",
        pillow_names=("TIFF",),
        stack=True,
        float_bits=32,
        alpha=True,
        deep=True,
        any_channels=True,
        holds_frames=True,
        keeps=(*COMMON_METADATA, "xmp", "calibration", "axes", "labels", "channels", "spacing"),
        setting="compression",
        holds_provenance=True,
        encoding_copies=(2, 3),
    ),
    Format(
        "webp",
        (".webp",),
        magic=rb"RIFF....WEBP",
        codec="webp",
        pillow_names=("WEBP",),
        alpha=True,
        holds_frames=True,
        duration_step=1,
        keeps=("icc", "exif", "xmp", "durations", "loop"),
        max_side=16_383,
        setting="quality",
        save_options=options_of_webp,
        unkept_parts=file_parts.unkept_webp_parts,
        holds_provenance=True,
    ),
    Format(
        "avif",
        (".avif",),
        magic=rb"....ftyp(?:avif|avis)",
        codec="avif",
        pillow_names=("AVIF",),
        alpha=True,
        holds_frames=True,
        duration_step=1,
        holds_frames_in_memory=True,
        keeps=("icc", "exif", "xmp", "durations"),
        max_side=65_536,
        setting="quality",
        save_options=options_of_avif,
        unkept_parts=avif_boxes.unkept_parts,
        holds_provenance=True,
        is_complete=ends_with_box,
    ),
    Format(
        "jp2",
        (".jp2",),
        (".j2k", ".j2c", ".jpx", ".jpf"),
        magic=rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
        codec="jp2",
        alpha=True,
        deep=True,
        keeps=(*COMMON_METADATA, "xmp"),
        setting="quality",
        holds_provenance=True,
        is_complete=ends_with_box,
        encoding_copies=(6, 6),
    ),
    Format(
        "jxl",
        (".jxl",),
        magic=rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
        codec="jxl",
        alpha=True,
        deep=True,
        keeps=("exif", "xmp"),
        setting="quality",
        holds_provenance=True,
        is_complete=ends_with_box,
        encoding_copies=(15, 15),
    ),
    Format(
        "bmp",
        (".bmp",),
        magic=rb"BM",
        pillow_names=("BMP",),
        keeps=("dpi",),
        unkept_parts=file_parts.unkept_bmp_parts,
    ),
    Format("hdr", (), (".hdr", ".pic"), magic=rb"#\?(?:RADIANCE|RGBE)\s", codec="hdr", is_real=True),
    Format("heic", (), (".heic", ".heif"), magic=rb"....ftyp(?:hei[cxms]|hev[cx]|mif1)", codec="heic"),
    Format("exr", (), (".exr",), magic=rb"v/1\x01", codec="exr", is_real=True),
    Format(
        "gif",
        (".gif",),
        magic=rb"GIF8[79]a",
        codec="gif",
        pillow_names=("GIF",),
        alpha=True,
        has_palette=True,
        holds_frames=True,
        duration_step=10,
        keeps=("comment", "xmp", "durations", "loop"),
        max_side=65_535,
        unkept_parts=gif_blocks.unkept_parts,
        holds_provenance=True,
        is_complete=gif_blocks.is_complete,
        encoding_copies=(9, 9),
    ),
    Format("ico", (), (".ico",), magic=rb"\x00\x00\x01\x00", codec="ico", pillow_names=("ICO",)),
    Format(
        "ppm",
        (".ppm", ".pgm", ".pnm"),
        (".pbm", ".pam"),
        magic=rb"P[1-7]\s",
        codec="ppm",
        pillow_names=("PPM",),
        deep=True,
        unkept_parts=file_parts.unkept_ppm_parts,
    ),
    Format("npy", (".npy",), magic=rb"\x93NUMPY", codec="npy", picture=False, stack=True, holds_frames=True),
    Format(
        "npz",
        (".npz",),
        codec="npz",
        is_read=False,
        picture=False,
        stack=True,
        holds_named_maps=True,
        holds_frames=True,
        holds_provenance=True,
    ),
)
READ_SUFFIXES = tuple(
    suffix
    for file_format in FORMATS
    if file_format.is_read
    for suffix in (*file_format.suffixes, *file_format.further_suffixes)
)
"""Suffixes of pictures in a folder. A file that is named itself is read whatever its suffix."""

WRITTEN = tuple(file_format for file_format in FORMATS if file_format.suffixes)
NAMES = tuple(file_format.name for file_format in WRITTEN)
BY_SUFFIX = {suffix: file_format for file_format in WRITTEN for suffix in file_format.suffixes}
BY_SUFFIX[".pgm"] = replace(BY_SUFFIX[".pgm"], suffixes=(".pgm",), is_grey=True)  # other programs read .pgm as grey
BY_NAME = {file_format.name: file_format for file_format in WRITTEN} | {
    suffix[1:]: file_format for suffix, file_format in BY_SUFFIX.items()
}
BY_PILLOW_NAME = {name: file_format for file_format in FORMATS for name in file_format.pillow_names}
DECODERS = tuple(file_format.pillow_names[0] for file_format in FORMATS if file_format.pillow_names)
"""Formats that Pillow may decode. Others would run further programs on an untrusted file, such as Ghostscript."""


def format_named(name: str) -> Format:
    """Return the format of a name such as png, jpg or tif. Raises ArgumentError."""
    if name.lower() not in BY_NAME:
        raise ArgumentError(f"format {name!r} is unknown; there are {', '.join(NAMES)}{nearest_name(name, BY_NAME)}")
    return BY_NAME[name.lower()]


def format_of(path: str) -> Format:
    """Return the format of the suffix of an output. Raises ArgumentError."""
    base = path.replace(os.sep, "/").rpartition("/")[2]
    dot = base.rfind(".")
    suffix = base[dot:].lower() if dot > 0 else ""
    if suffix not in BY_SUFFIX:
        suffixes = " ".join(file_format.suffixes[0] for file_format in WRITTEN)
        problem = f"has the unknown suffix {suffix!r}" if suffix else "has no suffix that gives the format"
        raise ArgumentError(
            f"output {path!r} {problem}; use one of {suffixes}, or --format, or end the name of a folder with /"
        )
    return BY_SUFFIX[suffix]


def format_beginning(start: bytes) -> Format | None:
    """Return the format whose files begin with these bytes, or None."""
    return next((file_format for file_format in FORMATS if re.match(file_format.magic, start, re.DOTALL)), None)
