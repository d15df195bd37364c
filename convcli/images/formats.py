"""The registry of file formats: how each is recognised, what it can hold, and how it is stored.

A new format is one entry here and, where Pillow cannot decode or encode it in full, a class in ``codecs``. ``unkept_parts``
reports what decoding would lose. The command line imports this module at start-up, so that it imports nothing
that is slow to import.
"""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import ArgumentError, nearest_name
from . import avif_boxes, file_parts, gif_blocks
from .boxes import ends_with_box
from .encoding import Encoding, options_of_avif, options_of_jpeg, options_of_png, options_of_webp

MAX_PIXELS = 178_956_970
"""Default limit of the size of a picture: 512 MiB of 8-bit RGB."""


def _ends_with(end: bytes) -> Callable[[Path], bool]:
    def is_complete(path: Path) -> bool:
        with path.open("rb") as file:
            file.seek(-len(end), os.SEEK_END)
            return file.read() == end

    return is_complete


@dataclass(frozen=True)
class Format:
    """A file format.

    Parameters
    ----------
    name
        Its name for --format.
    suffixes
        Suffixes of outputs of this format; none where it is only read.
    further_suffixes
        More suffixes of its pictures in a folder.
    magic
        A regular expression of the first bytes of its files.
    codec
        What decodes and encodes it: a key of ``codecs.CODECS``.
    pillow_names
        Its names in Pillow, the one to save as first; none where Pillow does not read it.
    is_read
        Whether its files can be inputs.
    picture, stack
        Whether it holds levels of one picture; whether it holds any number of float maps.
    holds_named_maps
        Whether the maps of a stack have names and may have different shapes.
    float_bits
        Bits of a sample in a stack.
    is_real
        Whether all its pictures have real numbers without a level of white.
    alpha, deep, any_channels
        Whether a picture may have alpha; 16 bits; other than 1 or 3 channels.
    is_grey
        Whether pictures have no colour.
    has_palette
        Whether a frame has at most 256 colours, and pixels that are opaque or transparent.
    holds_frames
        Whether a file may hold several frames.
    keeps_of_frames
        The fields of ``Series`` that it holds. Others that a file has are treated as those of ``keeps``.
    duration_step
        Of which number of milliseconds the duration of a frame is a multiple; 0 for fractions of any kind.
    holds_frames_in_memory
        Whether its encoder takes all frames at once.
    keeps
        The fields of ``Metadata`` that it holds. One that a picture has and its output does not hold makes --in-place refuse
        the picture, and is reported otherwise.
    max_side
        Largest number of rows or columns that its encoder writes.
    max_metadata
        Largest size in bytes of EXIF, of XMP and of IPTC, each with its prefix, and of a comment.
    setting
        The field of ``Encoding`` that its bytes depend on; it is part of the provenance of an output.
    save_options
        Options of Pillow's ``save``, from an ``Encoding`` and the number of samples per pixel.
    unkept_parts
        Describes what of a file is not carried over, from its bytes and from what Pillow read of them.
    holds_provenance
        Whether a file can carry provenance: pictures in EXIF, or in the comment where ``keeps`` names only that. Otherwise a
        sidecar does, for --skip-existing and --in-place alike.
    is_complete
        Returns whether an output of an earlier run is complete, from a few bytes; a codec may check more. May raise any
        exception. Inputs are not checked with it: a decoder raises an error for a truncated file.
    encoding_copies
        Copies of the levels in memory while a picture is encoded: without alpha, and with.
    """

    name: str
    suffixes: tuple[str, ...]
    further_suffixes: tuple[str, ...] = ()
    magic: bytes = b"(?!)"
    codec: str = "pillow"
    pillow_names: tuple[str, ...] = ()
    is_read: bool = True
    picture: bool = True
    stack: bool = False
    holds_named_maps: bool = False
    float_bits: int = 64
    is_real: bool = False
    alpha: bool = False
    deep: bool = False
    any_channels: bool = False
    is_grey: bool = False
    has_palette: bool = False
    holds_frames: bool = False
    keeps_of_frames: tuple[str, ...] = ()
    duration_step: int = 0
    holds_frames_in_memory: bool = False
    keeps: tuple[str, ...] = ()
    max_side: int = 2**31 - 1
    max_metadata: int = 1 << 30
    setting: str | None = None
    save_options: Callable[[Encoding, int], dict[str, Any]] = lambda encoding, samples: {}
    unkept_parts: Callable[[BinaryIO, file_parts.Info], Iterable[str]] = lambda file, info: ()
    holds_provenance: bool = False
    is_complete: Callable[[Path], bool] = lambda path: True
    encoding_copies: tuple[int, int] = (3, 3)

    @property
    def holds_series(self) -> bool:
        """Whether it holds the axes along which frames lie."""
        return "axes" in self.keeps_of_frames


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
        keeps_of_frames=("durations", "loop"),
        keeps=(*COMMON_METADATA, "text", "xmp", "png_chunks"),
        setting="png_level",
        save_options=options_of_png,
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
        keeps_of_frames=("axes", "labels", "channels", "spacing"),
        keeps=(*COMMON_METADATA, "xmp", "calibration"),
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
        keeps_of_frames=("durations", "loop"),
        duration_step=1,
        keeps=("icc", "exif", "xmp"),
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
        keeps_of_frames=("durations",),
        duration_step=1,
        holds_frames_in_memory=True,
        keeps=("icc", "exif", "xmp"),
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
        keeps_of_frames=("durations", "loop"),
        duration_step=10,
        keeps=("comment",),
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
