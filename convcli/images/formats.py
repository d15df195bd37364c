"""The one registry of file formats: how each is known, what it can hold, and how it is stored.

Everything else asks a ``Format``; a new format is one entry here, and, where Pillow cannot decode or encode it in full, a
class in ``codecs``. The command line reads this module at its start, so that nothing heavy is imported here.
"""

import os
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import ArgumentError, nearest_name
from . import avif_boxes, file_parts

MAX_PIXELS = 178_956_970
"""Largest picture by default: 512 MiB of 8-bit RGB."""


@dataclass(frozen=True)
class Encoding:
    """How hard to compress: PNG's level 0..9, and the quality 1..100 of JPEG, WebP and AVIF.

    Level 1 looks for runs alone: a photograph of a megapixel takes 61 ms and 1,182 kB, where Pillow's own default, level 6,
    takes 342 ms and 1,205 kB, and its level 1 66 ms and 1,366 kB. Its edges are as large as at level 6, its blur is 7 %
    larger; of patterns that repeat, such as text, level 6 makes 14 % less (Pillow 13 with zlib 1.2.13). JPEG takes 4 ms.
    Quality 90 and above keeps the colours of JPEG and AVIF at full resolution; quality 100 makes WebP lossless.
    """

    png_level: int = 1
    quality: int = 92


def _options_of_png(encoding: Encoding, samples: int) -> dict[str, Any]:
    runs_alone = {"compress_type": zlib.Z_RLE} if encoding.png_level == 1 else {}
    return {"compress_level": encoding.png_level, **runs_alone}


def _options_of_jpeg(encoding: Encoding, samples: int) -> dict[str, Any]:
    return {"quality": encoding.quality, "subsampling": 0 if encoding.quality >= 90 else 2}


def _options_of_webp(encoding: Encoding, samples: int) -> dict[str, Any]:
    return {"quality": encoding.quality, "lossless": encoding.quality == 100}


def _options_of_avif(encoding: Encoding, samples: int) -> dict[str, Any]:
    """At speed 9 a photograph of half a megapixel takes 0.26 s and 186 kB, at Pillow's own speed 6 2.6 s and 178 kB; and the
    bytes do not depend on the number of threads, as they do up to speed 8 (libavif 1.4.2).
    """
    colour = {"subsampling": "4:4:4" if encoding.quality >= 90 else "4:2:0"} if samples > 1 else {}
    return {"quality": encoding.quality, **colour, "speed": 9}


def _ends_with(end: bytes) -> Callable[[Path], bool]:
    def is_whole(path: Path) -> bool:
        with path.open("rb") as file:
            file.seek(-len(end), os.SEEK_END)
            return file.read() == end

    return is_whole


@dataclass(frozen=True)
class Format:
    """A file format.

    Parameters
    ----------
    name
        What --format takes.
    suffixes
        By which an output is known to be of this format; none where it is only read.
    further_suffixes
        Others by which the pictures of a folder are known.
    magic
        How its files begin, where a codec of its own reads them; else Pillow knows them.
    codec
        Who decodes and encodes it: a name in ``codecs``.
    pillow_names
        What Pillow calls it: the name to save as first. None where Pillow does not read it.
    is_read
        Whether its files can be inputs.
    picture, stack
        Whether it holds levels to look at; any number of float maps.
    holds_named_maps
        Whether the maps of a stack have names and may have different shapes.
    float_bits
        Of the samples in a stack.
    alpha, deep_grey, deep_colour
        Whether a picture may have alpha; 16 bits, in grey and in colour.
    keeps
        The fields of ``Metadata`` that it holds.
    max_metadata
        Bytes of EXIF, with its prefix, or of a comment, at most.
    setting
        The field of ``Encoding`` that tells its bytes, which is part of what an output was made from.
    save_options
        What Pillow's ``save`` is given for so many samples a pixel.
    unkept_parts
        Words for what a file holds that is not carried over, by its bytes and by what Pillow read of them.
    deep_kind
        Which samples of a file Pillow would cut to 8 bits, in words; none where it keeps all.
    holds_provenance
        Whether it has a place for what an output was made from; else a file beside has it.
    is_whole
        Whether a file that opens has its end, by the few bytes that tell; a codec may know better. May raise anything.
    encoding_copies
        Of the levels in memory while a picture is encoded: without alpha, and with.
    """

    name: str
    suffixes: tuple[str, ...]
    further_suffixes: tuple[str, ...] = ()
    magic: tuple[bytes, ...] = ()
    codec: str = "pillow"
    pillow_names: tuple[str, ...] = ()
    is_read: bool = True
    picture: bool = True
    stack: bool = False
    holds_named_maps: bool = False
    float_bits: int = 64
    alpha: bool = False
    deep_grey: bool = False
    deep_colour: bool = False
    keeps: tuple[str, ...] = ()
    max_metadata: int = 1 << 30
    setting: str | None = None
    save_options: Callable[[Encoding, int], dict[str, Any]] = lambda encoding, samples: {}
    unkept_parts: Callable[[BinaryIO, file_parts.Info], Iterable[str]] = lambda file, info: ()
    deep_kind: Callable[[BinaryIO], str] = lambda file: ""
    holds_provenance: bool = False
    is_whole: Callable[[Path], bool] = lambda path: True
    encoding_copies: tuple[int, int] = (3, 3)


EVERYWHERE = ("icc", "exif", "dpi")
FORMATS = (
    Format(
        "png",
        (".png",),
        pillow_names=("PNG",),
        alpha=True,
        deep_grey=True,
        keeps=(*EVERYWHERE, "text"),
        setting="png_level",
        save_options=_options_of_png,
        unkept_parts=file_parts.of_png,
        deep_kind=file_parts.deep_kind_of_png,
        holds_provenance=True,
        is_whole=_ends_with(b"IEND\xaeB\x60\x82"),
    ),
    Format(
        "jpeg",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        pillow_names=("JPEG", "MPO"),
        keeps=(*EVERYWHERE, "comment"),
        max_metadata=65_533,
        setting="quality",
        save_options=_options_of_jpeg,
        unkept_parts=file_parts.of_jpeg,
        holds_provenance=True,
        is_whole=_ends_with(b"\xff\xd9"),
    ),
    Format(
        "tiff",
        (".tif", ".tiff"),
        magic=(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        codec="tiff",
        pillow_names=("TIFF",),
        stack=True,
        float_bits=32,
        alpha=True,
        deep_grey=True,
        deep_colour=True,
        keeps=EVERYWHERE,
        holds_provenance=True,
        encoding_copies=(2, 3),
    ),
    Format(
        "webp",
        (".webp",),
        pillow_names=("WEBP",),
        alpha=True,
        keeps=("icc", "exif"),
        setting="quality",
        save_options=_options_of_webp,
        unkept_parts=file_parts.of_webp,
        holds_provenance=True,
    ),
    Format(
        "avif",
        (".avif",),
        pillow_names=("AVIF",),
        alpha=True,
        keeps=("icc", "exif"),
        setting="quality",
        save_options=_options_of_avif,
        unkept_parts=avif_boxes.unkept_parts,
        deep_kind=avif_boxes.deep_kind,
        holds_provenance=True,
        is_whole=avif_boxes.has_whole_boxes,
    ),
    Format("bmp", (".bmp",), pillow_names=("BMP",), keeps=("dpi",), unkept_parts=file_parts.of_bmp),
    Format("gif", (), (".gif",), pillow_names=("GIF",)),
    Format(
        "ppm",
        (".ppm", ".pgm", ".pnm"),
        (".pbm",),
        pillow_names=("PPM",),
        deep_grey=True,
        unkept_parts=file_parts.of_ppm,
        deep_kind=file_parts.deep_kind_of_ppm,
    ),
    Format("npy", (".npy",), magic=(b"\x93NUMPY",), codec="npy", picture=False, stack=True),
    Format(
        "npz",
        (".npz",),
        codec="npz",
        is_read=False,
        picture=False,
        stack=True,
        holds_named_maps=True,
        holds_provenance=True,
    ),
)
READ_SUFFIXES = tuple(suffix for form in FORMATS if form.is_read for suffix in (*form.suffixes, *form.further_suffixes))
"""By these a folder's pictures are known; a file that is named is read whatever it is called."""

WRITTEN = tuple(form for form in FORMATS if form.suffixes)
NAMES = tuple(form.name for form in WRITTEN)
BY_SUFFIX = {suffix: form for form in WRITTEN for suffix in form.suffixes}
BY_NAME = {form.name: form for form in WRITTEN} | {suffix[1:]: form for suffix, form in BY_SUFFIX.items()}
BY_PILLOW_NAME = {name: form for form in FORMATS for name in form.pillow_names}
DECODERS = tuple(form.pillow_names[0] for form in FORMATS if form.pillow_names)
"""The formats whose decoders may see a file. Others would run more code on it, Ghostscript for one."""


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
        known = " ".join(form.suffixes[0] for form in WRITTEN)
        what = f"has the unknown suffix {suffix!r}" if suffix else "has no suffix that tells the format"
        raise ArgumentError(f"output {path!r} {what}; use one of {known}, or --format, or end the name of a folder with /")
    return BY_SUFFIX[suffix]


def format_beginning(start: bytes) -> Format | None:
    """The format whose files begin so, where a codec of its own reads them."""
    return next((form for form in FORMATS if any(map(start.startswith, form.magic))), None)
