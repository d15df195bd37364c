"""Which pictures are meant: files, folders, patterns and lists of names become one fixed list, before anything is written."""

import functools
import glob
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from ..images.formats import READ_SUFFIXES

MAGIC = frozenset("*?[")


@dataclass(frozen=True)
class Input:
    """One picture: its name as it is told, its file (None for standard input), and the folders between it and the folder or
    pattern that it was found by. ``found`` tells that it was not named by itself, ``based`` that ``below`` counts from a base
    that was given; ``fault`` why there is no picture.
    """

    name: str
    source: Path | None
    below: PurePath = PurePath()
    found: bool = False
    fault: str = ""
    based: bool = False


@dataclass(frozen=True)
class Search:
    """How folders are searched: with all folders below, with hidden files. ``base`` is the folder to find all inputs below."""

    recursive: bool = False
    hidden: bool = False
    base: str | None = None


def find_inputs(words: Iterable[str], search: Search, listed: Iterable[str] = ()) -> list[Input]:
    """Every picture that the words and then the ``listed`` names mean, in their order; none that was found twice.

    A name in a list is a file or a folder as it stands there, found below the working folder if it lies there. A word is a
    file, a folder (the pictures in it, by their suffix), a quoted pattern (``*``, ``?``, ``[a-z]``, and ``**`` for any
    folders), or ``-`` for standard input. Links to folders are followed where they are named, not where they are found, so
    that a loop of links has no way in. Folders and patterns that give nothing, or cannot be searched, are inputs with a fault,
    behind all others.
    """
    inputs: list[Input] = []
    known: set[str] = set()
    folder_of = functools.cache(os.path.realpath)
    finder = _Finder(search)
    found = (one for word in words for one in finder.find(word))
    named = (one for name in listed for one in finder.find_listed(name))
    for one in map(finder.based, itertools.chain(found, named)):
        name = one.name if one.source is None else f"{folder_of(one.source.parent)}{os.sep}{one.source.name}"
        if not one.found or name not in known:
            inputs.append(one)
        known.add(name)
    return [*inputs, *finder.faults.values()]


def take_shard(inputs: Iterable[Input], part: int, parts: int) -> list[Input]:
    """The inputs of one part of several, 1 being the first: each input is in exactly one, on any machine the same.

    A picture that was found is told by its place below the folder that was searched, any other by its name.
    """
    return [one for one in inputs if int.from_bytes(_digest(one)) % parts == part - 1]


def _digest(one: Input) -> bytes:
    name = one.below / one.source.name if (one.found or one.based) and one.source else PurePath(one.name)
    return hashlib.sha256(os.fsencode(name.as_posix())).digest()[:8]


def read_names(data: bytes, null: bool) -> list[str]:
    """The names in a list: one a line, or apart by NUL bytes; any bytes that the system takes. Empty ones are left out."""
    parts = data.split(b"\0") if null else data.splitlines()
    return [os.fsdecode(part) for part in parts if part]


class _Finder:
    """Finds the pictures that one run means, and keeps what cannot be searched."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.faults: dict[str, Input] = {}

    def find(self, word: str) -> Iterator[Input]:
        """The pictures that a word means."""
        if word == "-":
            yield Input("-", None)
        elif MAGIC & set(word) and not os.path.lexists(word):
            yield from self._in_pattern(word)
        elif os.path.isdir(word):
            yield from self._in_folder(word)
        else:
            yield Input(word, Path(word))

    def find_listed(self, name: str) -> Iterator[Input]:
        """Those of a name in a list, which a search such as ``find`` has made: its folders below the working one count."""
        path = PurePath(name)
        if os.path.isdir(name):
            yield from self._in_folder(name)
        elif path.is_absolute() or ".." in path.parts:
            yield Input(name, Path(name), found=self.search.base is not None)
        else:
            yield Input(name, Path(name), path.parent, found=True)

    def based(self, one: Input) -> Input:
        """A copy that counts as found below the base, where there is one."""
        if self.search.base is None or one.source is None:
            return one
        try:
            below = PurePath(os.path.abspath(one.source.parent)).relative_to(os.path.abspath(self.search.base))
        except ValueError:
            return replace(one, fault=f"does not lie below the --base {self.search.base}")
        return replace(one, below=below, based=True)

    def _in_folder(self, folder: str) -> Iterator[Input]:
        """The pictures in a folder, by their suffix; those in all folders below it too."""
        count = len(self.faults)
        found = False
        for place in self._folders(folder) if self.search.recursive else [folder]:
            for name in self._names(place, folders=False):
                if _is_picture(name):
                    path = f"{place.rstrip(os.sep)}{os.sep}{name}"
                    yield Input(path, Path(path), PurePath(os.path.relpath(place, folder)), found=True)
                    found = True
        if not found and count == len(self.faults):
            more = "" if self.search.recursive else "; -r looks into the folders below it too"
            self._note(folder, f"holds no pictures ({' '.join(READ_SUFFIXES)}){more}")

    def _in_pattern(self, pattern: str) -> Iterator[Input]:
        """The files that a pattern matches, sorted; where it leaves the suffix open, pictures only."""
        wanted = pattern.rstrip(os.sep)
        if PurePath(wanted).name == "**":
            wanted += f"{os.sep}*"
        fixed = PurePath(*_before_magic(PurePath(wanted).parts))
        fits = _is_picture if wanted.endswith("*") else bool
        paths = sorted({path for path in self._match(wanted) if fits(path) and Path(path).is_file()})
        if not paths:
            self._note(pattern, "matches no file")
        for path in paths:
            below = PurePath(path).parent.relative_to(fixed)
            yield Input(path, Path(path), PurePath() if ".." in below.parts else below, found=True)

    def _match(self, pattern: str) -> Iterator[str]:
        """Paths that a pattern matches; ``**`` stands for no folder or any folders."""
        head, anywhere, tail = pattern.partition("**/")
        if not anywhere:
            yield from glob.iglob(pattern, include_hidden=self.search.hidden)  # noqa: PTH207 - Path.glob takes hidden files always
            return
        for root in filter(os.path.isdir, self._match(head.rstrip(os.sep) or os.sep)) if head else [""]:
            for folder in self._folders(root):
                yield from self._match(f"{glob.escape(folder)}{os.sep}{tail}" if folder else tail)

    def _folders(self, root: str) -> Iterator[str]:
        """A folder and all folders below it, without following links."""
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            yield folder
            names = self._names(folder, folders=True)
            waiting += [f"{folder.rstrip(os.sep)}{os.sep}{name}" if folder else name for name in reversed(names)]

    def _names(self, folder: str, folders: bool) -> list[str]:
        """The names of the folders in a folder, or of what else is in it, sorted; none where it cannot be read."""
        try:
            with os.scandir(folder or ".") as entries:
                return sorted(
                    entry.name
                    for entry in entries
                    if (self.search.hidden or not entry.name.startswith(".")) and _is_folder(entry, not folders) == folders
                )
        except OSError as error:
            self._note(folder or ".", f"cannot be searched: {error.strerror}")
            return []

    def _note(self, name: str, fault: str) -> None:
        self.faults.setdefault(name, Input(name, Path(name), fault=fault))


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in READ_SUFFIXES


def _before_magic(parts: tuple[str, ...]) -> list[str]:
    """The folders of a pattern that are names."""
    for place, part in enumerate(parts):
        if MAGIC & set(part):
            return list(parts[:place])
    return list(parts[:-1])


def _is_folder(entry: "os.DirEntry[str]", follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:  # a link that leads to itself
        return False
