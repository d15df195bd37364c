"""Which config files there are, most specific first."""

import importlib.resources
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "kernels.toml"


@dataclass(frozen=True)
class ConfigLocation:
    """A config file, and why it is read."""

    path: Path
    reason: str


def find_locations(chosen: Sequence[str] = (), search: bool = True) -> list[ConfigLocation]:
    """The config files to read: those ``chosen``, the last first; then, where a search is wanted, ``$CONVCLI_CONFIG``, the
    nearest one from the working folder upward, and the user's own; then the built-in one.

    The chosen ones and ``$CONVCLI_CONFIG`` must exist; no file is named twice.
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
    """The kernels.toml of the working folder, or of the nearest folder above it that has one; at most one."""
    try:
        here = Path.cwd()
    except OSError:  # the working folder was removed
        return []
    return [folder / NAME for folder in (here, *here.parents) if os.path.isfile(folder / NAME)][:1]


def user_file() -> Path | None:
    """The user's own kernels.toml, in the platform's folder for settings; None without a home."""
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
    """The kernels.toml inside the package, or beside it in a checkout."""
    package = Path(str(importlib.resources.files("convcli")))
    inside = package / NAME
    return inside if inside.is_file() else package.parent / NAME


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL byte: reading will say so
        return path
