"""Which pictures are meant: files, folders, patterns and lists of names become one fixed list, before anything is written."""

import glob
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from ..errors import ArgumentError
from ..images.formats import READ_SUFFIXES

MAGIC = frozenset("*?[")


@dataclass(frozen=True)
class Input:
    """One picture: its name as it is told, its file (None for standard input), and the folders between it and the folder or
    pattern that it was found by. ``found`` tells that it was not named by itself.
    """

    name: str
    source: Path | None
    below: PurePath = PurePath()
    found: bool = False


@dataclass(frozen=True)
class Search:
    """How folders are searched: with all folders below, and with hidden files."""

    recursive: bool = False
    hidden: bool = False


def find_inputs(words: Iterable[str], search: Search, listed: Iterable[str] = ()) -> list[Input]:
    """Every picture that the words and then the ``listed`` names mean, in their order; none that was found twice.

    A name in a list is a file or a folder as it stands there, found below the working folder if it lies there. A word is a
    file, a folder (the pictures in it, by their suffix), a quoted pattern (``*``, ``?``, ``[a-z]``, and ``**`` for any
    folders), or ``-`` for standard input. Links to folders are followed where they are named, not where they are found, so
    that a loop of links has no way in. Raises ArgumentError where a folder or pattern gives nothing.
    """
    inputs: list[Input] = []
    known: set[str] = set()
    found = (one for word in words for one in _find(word, search))
    named = (one for name in listed for one in _find_listed(name, search))
    for one in itertools.chain(found, named):
        if not one.found or one.name not in known:
            inputs.append(one)
        known.add(one.name)
    return inputs


def take_shard(inputs: Iterable[Input], part: int, parts: int) -> list[Input]:
    """The inputs of one part of several, 1 being the first: each input is in exactly one, on any machine the same.

    A picture that was found is told by its place below the folder that was searched, any other by its name.
    """
    return [one for one in inputs if int.from_bytes(_digest(one)) % parts == part - 1]


def _digest(one: Input) -> bytes:
    name = one.below / one.source.name if one.found and one.source else PurePath(one.name)
    return hashlib.sha256(os.fsencode(name.as_posix())).digest()[:8]


def read_names(data: bytes, null: bool) -> list[str]:
    """The names in a list: one a line, or apart by NUL bytes; any bytes that the system takes. Empty ones are left out."""
    parts = data.split(b"\0") if null else data.splitlines()
    return [os.fsdecode(part) for part in parts if part]


def _find(word: str, search: Search) -> Iterator[Input]:
    if word == "-":
        yield Input("-", None)
    elif MAGIC & set(word) and not os.path.lexists(word):
        yield from _in_pattern(word, search)
    else:
        yield from _find_named(word, search)


def _find_named(name: str, search: Search) -> Iterator[Input]:
    if os.path.isdir(name):
        yield from _in_folder(name, search)
    else:
        yield Input(name, Path(name))


def _find_listed(name: str, search: Search) -> Iterator[Input]:
    """A name of a list, which a search such as ``find`` has made: below the working folder, its folders are mirrored."""
    path = PurePath(name)
    if os.path.isdir(name):
        yield from _in_folder(name, search)
    elif path.is_absolute() or ".." in path.parts:
        yield Input(name, Path(name))
    else:
        yield Input(name, Path(name), path.parent, found=True)


def _in_folder(folder: str, search: Search) -> Iterator[Input]:
    """The pictures in a folder, by their suffix; those in all folders below it too."""
    found = False
    for place in _folders(folder, search.hidden) if search.recursive else [folder]:
        for name in _names(place, search.hidden, folders=False):
            if Path(name).suffix.lower() in READ_SUFFIXES:
                path = f"{place.rstrip(os.sep)}{os.sep}{name}"
                yield Input(path, Path(path), PurePath(os.path.relpath(place, folder)), found=True)
                found = True
    if not found:
        more = "" if search.recursive else "; -r looks into the folders below it too"
        raise ArgumentError(f"{folder}: holds no pictures ({' '.join(READ_SUFFIXES)}){more}")


def _in_pattern(pattern: str, search: Search) -> Iterator[Input]:
    """The files that a pattern matches, sorted."""
    fixed = PurePath(*_before_magic(PurePath(pattern).parts))
    paths = sorted({path for path in _match(pattern, search.hidden) if Path(path).is_file()})
    if not paths:
        raise ArgumentError(f"{pattern}: matches no file")
    for path in paths:
        yield Input(path, Path(path), PurePath(path).parent.relative_to(fixed), found=True)


def _before_magic(parts: tuple[str, ...]) -> list[str]:
    """The folders of a pattern that are names."""
    for place, part in enumerate(parts):
        if MAGIC & set(part):
            return list(parts[:place])
    return list(parts[:-1])


def _match(pattern: str, hidden: bool) -> Iterator[str]:
    """Paths that a pattern matches; ``**`` stands for no folder or any folders."""
    head, anywhere, tail = pattern.partition("**/")
    if not anywhere:
        yield from glob.iglob(pattern, include_hidden=hidden)  # noqa: PTH207 - Path.glob takes hidden files always
        return
    for root in filter(os.path.isdir, _match(head.rstrip(os.sep) or os.sep, hidden)) if head else [""]:
        for folder in _folders(root, hidden):
            yield from _match(f"{glob.escape(folder)}{os.sep}{tail}" if folder else tail, hidden)


def _folders(root: str, hidden: bool) -> Iterator[str]:
    """A folder and all folders below it, without following links."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        yield folder
        names = _names(folder, hidden, folders=True)
        waiting += [f"{folder.rstrip(os.sep)}{os.sep}{name}" if folder else name for name in reversed(names)]


def _names(folder: str, hidden: bool, folders: bool) -> list[str]:
    """The names of the folders in a folder, or of what else is in it, sorted. Raises ArgumentError if it cannot be read."""
    try:
        with os.scandir(folder or ".") as entries:
            return sorted(
                entry.name
                for entry in entries
                if (hidden or not entry.name.startswith(".")) and _is_folder(entry, not folders) == folders
            )
    except OSError as error:
        raise ArgumentError(f"{folder}: cannot be searched: {error.strerror}") from None


def _is_folder(entry: "os.DirEntry[str]", follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:  # a link that leads to itself
        return False
