"""The provenance that an output carries: which request it was made for and from which input, so that it need not be made again.

PNG, JPEG, WebP, AVIF, JPEG 2000, JPEG XL and TIFF hold it in the field Software of their EXIF or TIFF tags, after what a
camera or an editor wrote there; GIF holds it after its comment, .npz as the comment of the archive. For other formats it is in
a sidecar, a file NAME.convcli in the same folder, with the digest of the file that it belongs to.
"""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

SOFTWARE = 305
FORMAT_VERSION = 1
PROVENANCE_TEXT = rf"(?:; )?convcli:{FORMAT_VERSION}:([0-9a-f]{{32}}):([0-9a-f]{{32}})"
SIDECAR = ".convcli"


class Provenance(Struct, frozen=True):
    """``asked`` is the digest of kernels and options, ``source`` that of the bytes of the input; 32 hexadecimal digits each."""

    asked: str
    source: str

    def __str__(self) -> str:
        """Return the text that a file carries."""
        return f"convcli:{FORMAT_VERSION}:{self.asked}:{self.source}"


def digest_of(file: BinaryIO) -> str:
    """Return a digest of the bytes from here to the end of a file: 32 hexadecimal digits of SHA-256."""
    readable: Any = file
    return hashlib.file_digest(readable, "sha256").hexdigest()[:32]


def find_provenance(text: object) -> Provenance | None:
    """Return the provenance in a text, or None."""
    match = re.search(PROVENANCE_TEXT, str(text))
    return Provenance(match[1], match[2]) if match else None


def without_provenance(text: str) -> str:
    """Return the text without provenance."""
    return re.sub(PROVENANCE_TEXT, "", text)


def sidecar_path(path: Path) -> Path:
    """Return the path of the sidecar of a file. It is in the folder of the file itself, whatever links lead to it."""
    real = Path(os.path.realpath(path))
    return real.with_name(real.name + SIDECAR)


class Sidecar(Struct, frozen=True):
    """The contents of a sidecar: provenance, the digest of the file, and that of the file that it replaces, or None.

    It is written before the file gets its name. Until then, ``before`` identifies the old file as an output.
    """

    provenance: Provenance
    file: str
    before: str | None = None

    def __str__(self) -> str:
        """Return the JSON text of the sidecar."""
        return json.dumps({"mark": str(self.provenance), "file": self.file, "before": self.before}) + "\n"


def read_sidecar(path: Path) -> Sidecar | None:
    """Read the sidecar of a file; None where there is none, or another file of that name."""
    try:
        fields: Any = json.loads(sidecar_path(path).read_text("utf-8"))
        provenance = find_provenance(fields["mark"])
        return Sidecar(provenance, str(fields["file"]), fields["before"]) if provenance else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
