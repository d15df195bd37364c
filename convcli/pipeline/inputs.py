"""Finds the input pictures: expands files, folders, patterns and lists of names into one list before anything is written."""

import functools
import glob
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from msgspec import Struct
from msgspec.structs import replace

from ..errors import ArgumentError
from ..images.formats import READ_SUFFIXES
from ..images.provenance import SIDECAR
from ..images.streams import is_pipe

WILDCARDS = frozenset("*?[")


class Input(Struct, frozen=True):
    """One picture, or an error that replaces the pictures of an argument.

    ``name`` is shown in messages. ``source`` is the file; None for standard input. ``relative_folder`` is the folder of the
    file relative to the searched folder or to the fixed part of the pattern; if ``has_base`` is true, relative to ``--base``.
    ``discovered`` is true for a file that was found by a search or in a list, false for a file that was given as an argument.
    ``is_pipe`` is true for a pipe that was given as an argument. Raises ArgumentError for an empty name.
    """

    name: str
    source: Path | None
    relative_folder: PurePath = PurePath()
    discovered: bool = False
    error: str = ""
    has_base: bool = False
    is_pipe: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise ArgumentError("an input has an empty name; name a picture, or - for standard input")


class Search(Struct, frozen=True):
    """Options of a search. ``base`` is the folder that must contain all inputs."""

    recursive: bool = False
    hidden: bool = False
    base: str | None = None


def find_inputs(arguments: Iterable[str], search: Search, listed: Iterable[str] = ()) -> list[Input]:
    """Return the pictures of the arguments, then of the ``listed`` names, in order. Searches add no duplicates.

    An argument is a file, a folder (the pictures in it, by suffix), a quoted pattern (``*``, ``?``, ``[a-z]``, and ``**`` for
    any folders), or ``-`` for standard input. A listed name is a file or a folder, never a pattern. If it is below the working
    folder, it counts as found by a search of that folder. A link to a folder is followed if it is given, but not if a search
    finds it, so that a search cannot loop. The sidecar of another input is left out: ``*`` of a shell names both. Folders and
    patterns that have no pictures, or that cannot be searched, become inputs with an error, at the end of the list.
    """
    inputs: list[tuple[Input, str]] = []
    seen: set[str] = set()
    real_folder = functools.cache(os.path.realpath)
    finder = _Finder(search)
    from_arguments = (input_ for argument in arguments for input_ in finder.find(argument))
    from_list = (input_ for name in listed for input_ in finder.find_listed(name))
    for input_ in map(finder.relative_to_base, itertools.chain(from_arguments, from_list)):
        folder, separator, name = str(input_.source).rpartition(os.sep)
        name = input_.name if input_.source is None else f"{real_folder(folder or separator)}{os.sep}{name}"
        if not input_.discovered or name not in seen:
            inputs.append((input_, name))
        seen.add(name)
    sidecars = {name + SIDECAR for name in seen}
    return [*(input_ for input_, name in inputs if name not in sidecars), *finder.errors.values()]


def select_shard(inputs: Iterable[Input], index: int, count: int) -> list[Input]:
    """Return the inputs of shard ``index``, from 1 to ``count``. Each input is in exactly one shard, on any machine the same.

    A discovered picture is identified by its path relative to the searched folder, any other picture by its name.
    """
    return [input_ for input_ in inputs if int.from_bytes(_digest(input_)) % count == index - 1]


def _digest(input_: Input) -> bytes:
    name = PurePath(input_.name)
    if input_.source and (input_.discovered or input_.has_base):
        name = input_.relative_folder / input_.source.name
    return hashlib.sha256(os.fsencode(name.as_posix())).digest()[:8]


def read_names(data: bytes, null: bool) -> list[str]:
    """Return the names in a list, one per line or separated by NUL bytes. Empty names are left out."""
    names = data.split(b"\0") if null else data.splitlines()
    return [os.fsdecode(name) for name in names if name]


class _Finder:
    """Finds pictures, and collects the errors of searches by folder or pattern."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.errors: dict[str, Input] = {}

    def find(self, argument: str) -> Iterator[Input]:
        """Yield the pictures that an INPUT argument names."""
        if argument == "-":
            yield Input("-", None)
        elif WILDCARDS & set(argument) and not os.path.lexists(argument):
            yield from self._in_pattern(argument)
        elif os.path.isdir(argument):
            yield from self._in_folder(argument)
        else:
            yield Input(argument, Path(argument), is_pipe=is_pipe(Path(argument)))

    def find_listed(self, name: str) -> Iterator[Input]:
        """Yield the pictures of a listed name. A relative name keeps its folder: ``find`` may have made the list."""
        path = PurePath(name)
        if os.path.isdir(name):
            yield from self._in_folder(name)
        elif path.is_absolute() or ".." in path.parts:
            yield Input(name, Path(name), discovered=self.search.base is not None)
        else:
            yield Input(name, Path(name), path.parent, discovered=True)

    def relative_to_base(self, input_: Input) -> Input:
        """Return the input with its folder relative to the base, if there is one; with an error if it is not below it."""
        if self.search.base is None or input_.source is None:
            return input_
        try:
            relative_folder = PurePath(os.path.abspath(input_.source.parent)).relative_to(os.path.abspath(self.search.base))
        except ValueError:
            return replace(input_, error=f"is not below the --base {self.search.base}")
        return replace(input_, relative_folder=relative_folder, has_base=True)

    def _in_folder(self, folder: str) -> Iterator[Input]:
        """Yield the pictures in a folder, by suffix; with ``-r`` also those in its subfolders."""
        errors_before = len(self.errors)
        has_pictures = False
        for subfolder in self._folders(folder) if self.search.recursive else [folder]:
            relative_folder = PurePath(os.path.relpath(subfolder, folder))
            for name in self._names(subfolder, folders=False):
                if _is_picture(name):
                    path = f"{subfolder.rstrip(os.sep)}{os.sep}{name}"
                    yield Input(path, Path(path), relative_folder, discovered=True)
                    has_pictures = True
        if not has_pictures and errors_before == len(self.errors):
            hint = "" if self.search.recursive else "; -r searches its subfolders too"
            self._add_error(folder, f"holds no pictures ({' '.join(READ_SUFFIXES)}){hint}")

    def _in_pattern(self, pattern: str) -> Iterator[Input]:
        """Yield the files that a pattern matches, sorted. If the pattern ends with ``*``, yield only pictures."""
        expanded = pattern.rstrip(os.sep)
        if PurePath(expanded).name == "**":
            expanded += f"{os.sep}*"
        root = PurePath(*_before_wildcards(PurePath(expanded).parts))
        accepts = _is_picture if expanded.endswith("*") else bool
        paths = sorted({path for path in self._match(expanded) if accepts(path) and Path(path).is_file()})
        if not paths:
            self._add_error(pattern, "matches no file")
        for path in paths:
            relative_folder = PurePath(path).parent.relative_to(root)
            yield Input(path, Path(path), PurePath() if ".." in relative_folder.parts else relative_folder, discovered=True)

    def _match(self, pattern: str) -> Iterator[str]:
        """Yield the paths that a pattern matches. ``**`` matches any number of folders, including none."""
        head, separator, tail = pattern.partition("**/")
        if not separator:
            yield from glob.iglob(pattern, include_hidden=self.search.hidden)  # noqa: PTH207 - Path.glob matches hidden files
            return
        for root in filter(os.path.isdir, self._match(head.rstrip(os.sep) or os.sep)) if head else [""]:
            for folder in self._folders(root):
                yield from self._match(f"{glob.escape(folder)}{os.sep}{tail}" if folder else tail)

    def _folders(self, root: str) -> Iterator[str]:
        """Yield a folder and all its subfolders, without following links."""
        pending = [root]
        while pending:
            folder = pending.pop()
            yield folder
            names = self._names(folder, folders=True)
            pending += [f"{folder.rstrip(os.sep)}{os.sep}{name}" if folder else name for name in reversed(names)]

    def _names(self, folder: str, folders: bool) -> list[str]:
        """Return the sorted names of the subfolders of a folder, or of all else in it. An unreadable folder adds an error."""
        try:
            with os.scandir(folder or ".") as entries:
                return sorted(
                    entry.name
                    for entry in entries
                    if (self.search.hidden or not entry.name.startswith(".")) and _is_folder(entry, not folders) == folders
                )
        except OSError as error:
            self._add_error(folder or ".", f"cannot be searched: {error.strerror}")
            return []

    def _add_error(self, name: str, error: str) -> None:
        self.errors.setdefault(name, Input(name, Path(name), error=error))


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in READ_SUFFIXES  # noqa: PTH122 - a fifth of the time of Path.suffix


def _before_wildcards(parts: tuple[str, ...]) -> list[str]:
    """Return the parts of a pattern before the first part with a wildcard."""
    for index, part in enumerate(parts):
        if WILDCARDS & set(part):
            return list(parts[:index])
    return list(parts[:-1])


def _is_folder(entry: "os.DirEntry[str]", follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:  # a link that leads to itself
        return False
