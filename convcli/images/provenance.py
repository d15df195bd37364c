"""The mark that an output carries: what was asked for and of which input, so that it need not be made again.

PNG, JPEG, WebP and TIFF have it in the field Software of their EXIF or TIFF tags, after what a camera or an editor wrote
there; .npz has it as the comment of the archive. Where a format has no place for it, a sidecar beside the file, NAME.convcli,
has it with the digest of the file that it belongs to.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

SOFTWARE = 305
WORDS = re.compile(r"(?:; )?convcli:1:([0-9a-f]{32}):([0-9a-f]{32})")
SIDECAR = ".convcli"


@dataclass(frozen=True)
class Provenance:
    """``asked`` is the digest of kernels and options, ``source`` that of the input's bytes; 32 hexadecimal digits each."""

    asked: str
    source: str

    def __str__(self) -> str:
        """In one word: what a file carries."""
        return f"convcli:1:{self.asked}:{self.source}"


def digest_of(file: BinaryIO) -> str:
    """32 hexadecimal digits that tell the bytes of a file from others, from here to its end."""
    readable: Any = file
    return hashlib.file_digest(readable, "sha256").hexdigest()[:32]


def find_provenance(text: object) -> Provenance | None:
    """The mark in a text, where there is one."""
    match = WORDS.search(str(text))
    return Provenance(match[1], match[2]) if match else None


def without_provenance(text: str) -> str:
    """The text as it was before it was marked."""
    return WORDS.sub("", text)


def sidecar_of(path: Path) -> Path:
    """Where the mark of a file is that has no place for it: beside the file itself, whatever links lead there."""
    real = Path(os.path.realpath(path))
    return real.with_name(real.name + SIDECAR)


@dataclass(frozen=True)
class Sidecar:
    """A mark beside a file: the mark, the digest of the file, and that of the file that it replaces, None for none.

    It is written before the file has its name, so that until then the file before is known as ours.
    """

    provenance: Provenance
    file: str
    before: str | None = None

    def __str__(self) -> str:
        """The text of the sidecar."""
        return json.dumps({"mark": str(self.provenance), "file": self.file, "before": self.before}) + "\n"


def read_sidecar(path: Path) -> Sidecar | None:
    """The sidecar of a file; None where there is none, or a file of somebody else."""
    try:
        held: Any = json.loads(sidecar_of(path).read_text("utf-8"))
        provenance = find_provenance(held["mark"])
        return Sidecar(provenance, str(held["file"]), held["before"]) if provenance else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
