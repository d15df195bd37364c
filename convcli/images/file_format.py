"""What a file format is: how its files are recognised, what they can hold, and how they are stored.

The command line imports this module at start-up, so that it imports nothing that is slow to import.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

from . import file_parts
from .encoding import Encoding


class Format(Struct, frozen=True):
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
    duration_step
        Of which number of milliseconds the duration of a frame is a multiple; 0 for fractions of any kind.
    holds_frames_in_memory
        Whether its encoder takes all frames at once.
    keeps
        The fields of ``Metadata`` and of ``Series`` that it holds. One that a file has and its output does not hold makes
        --in-place refuse the file, and is reported otherwise.
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
        return "axes" in self.keeps
