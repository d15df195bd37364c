"""The tables of the built-in kernels.toml, parsed beforehand: 0.5 ms to read, where TOML takes 15 ms to import and to parse."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from .reader import parse_toml

PARSED = Path(__file__).with_name("built_in.json")
"""The digest of the text, and its tables. ``python tests/support/generate.py`` makes it; the package works without it."""


def digest_of(text: str) -> str:
    """Return the digest of a text, by which the file of its parsed tables is known to be up to date."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse_built_in(text: str) -> dict[str, Any]:
    """Return the tables of the text of the built-in file: those parsed beforehand, if they are of this very text."""
    try:
        parsed = msgspec.json.decode(PARSED.read_bytes())
    except (OSError, msgspec.DecodeError):
        parsed = {}
    tables: dict[str, Any] = parsed["tables"] if parsed.get("digest") == digest_of(text) else parse_toml(text)
    return tables
