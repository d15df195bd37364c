"""Finds the config files to read, the most specific first."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

NAME = "kernels.toml"


class ConfigLocation(Struct, frozen=True):
    """The path of a config file, and why it is read."""

    path: Path
    reason: str


def find_locations(chosen: Sequence[str] = (), search: bool = True) -> list[ConfigLocation]:
    """Return the config files to read, the most specific first.

    They are the ``chosen`` files, the last one first; with ``search``, ``$CONVCLI_CONFIG``, the nearest kernels.toml from the
    working folder upward, and the user's own; and the built-in one. Chosen files and ``$CONVCLI_CONFIG`` are returned even
    if they do not exist, so that reading them fails. No file is returned twice.
    """
    locations = [ConfigLocation(Path(name), "--config") for name in reversed(chosen)]
    if search:
        if os.environ.get("CONVCLI_CONFIG"):
            locations.append(ConfigLocation(Path(os.environ["CONVCLI_CONFIG"]), "$CONVCLI_CONFIG"))
        locations += [ConfigLocation(path, "nearest from here upward") for path in nearest_file()]
        locations += [ConfigLocation(path, "user") for path in [user_file()] if path is not None and os.path.isfile(path)]
    known: dict[Path, ConfigLocation] = {}
    for location in (*locations, ConfigLocation(built_in_file(), "built in")):
        known.setdefault(_real(location.path), location)
    return list(known.values())


def nearest_file() -> list[Path]:
    """Return the kernels.toml of the working folder, or of the nearest folder above it that has one; an empty list if none."""
    try:
        here = Path.cwd()
    except OSError:  # the working folder was removed
        return []
    return [folder / NAME for folder in (here, *here.parents) if os.path.isfile(folder / NAME)][:1]


def user_file() -> Path | None:
    """Return the path of the user's own kernels.toml, in the platform's config folder; None without a home folder."""
    try:
        if sys.platform == "win32":
            folder = Path(os.environ.get("APPDATA") or Path.home())
        elif sys.platform == "darwin":
            folder = Path.home() / "Library" / "Application Support"
        else:
            folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    except RuntimeError:  # Path.home() finds no home
        return None
    return folder / "convcli" / NAME


def built_in_file() -> Path:
    """Return the path of the built-in kernels.toml: in the package, or next to it in a source checkout."""
    package = Path(__file__).parent.parent
    inside = package / NAME
    return inside if inside.is_file() else package.parent / NAME


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links or a NUL byte: reading the file reports it
        return path
