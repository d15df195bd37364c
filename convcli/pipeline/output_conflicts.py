"""Refuses outputs that would replace another output, an input, or an existing file."""

import functools
import os
import re
import stat
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from msgspec.structs import replace

from ..errors import ArgumentError
from ..images.formats import BY_SUFFIX
from .inputs import Input
from .request_base import BaseRequest
from .tasks import FRAME, Target, Task

FileId: TypeAlias = tuple[int, int]
"""Device and inode number, the same for all names of a file."""

MAX_DIGITS = 9
"""Digits of the number of a frame in a name."""

InputTask: TypeAlias = tuple[Input, Task]
"""An input and the task that processes it."""


def refuse_output_below_file(output: str) -> None:
    """Raise ArgumentError if the output folder, or a folder above it, is a file."""
    if output in ("", "-"):
        return
    folder = _output_folder(output)
    is_file = "{" not in output and not output.endswith(("/", os.sep))
    folders = (folder, *folder.parents)[is_file:]
    existing = next((path for path in folders if os.path.exists(path)), None)  # noqa: PTH110 - a name that is too long does not exist
    if existing and not existing.is_dir():
        raise ArgumentError(f"{output}: is a file, or lies below one; give another folder")


def without_linked_duplicates(pairs: list[InputTask]) -> list[InputTask]:
    """Return the pairs without duplicates, and without links to a picture that is itself an input."""
    index_by_path: dict[str, int] = {}
    order = sorted(range(len(pairs)), key=lambda index: (source := pairs[index][0].source) is not None and source.is_symlink())
    for index in order:
        index_by_path.setdefault(_real_path(pairs[index][0].source or Path()), index)
    return [pairs[index] for index in sorted(index_by_path.values())]


def without_own_outputs(request: BaseRequest, pairs: list[InputTask]) -> list[InputTask]:
    """Return the pairs without the outputs of earlier runs that a search has found.

    If the output folder is inside the searched folder, these are all pictures in it. Elsewhere, they are the pictures that
    have provenance and that the output of another input would replace. Raises ArgumentError if no input remains.
    """
    folder = _output_folder(request.output)
    outside = [(input_, task) for input_, task in pairs if not _is_output_inside(input_, folder)]
    writers = _writers(outside, str(folder))
    own_outputs = {
        index for index, (input_, _) in enumerate(outside) if not writers[index] <= {index} and _is_own_output(input_)
    }
    remaining = [pair for index, pair in enumerate(outside) if index not in own_outputs or writers[index] <= own_outputs]
    if pairs and not remaining:
        raise ArgumentError(f"{request.output}: the output folder contains all inputs; give another folder")
    return remaining


def _output_folder(output: str) -> Path:
    """Return the folder of all outputs: the part of the output name before its first token."""
    fixed = output.partition("{")[0]
    return Path(_real_path(Path(fixed if fixed == output else fixed.rpartition(os.sep)[0])))


def _is_output_inside(input_: Input, folder: Path) -> bool:
    """Return whether a search found the picture in the output folder, and that folder is inside the searched one."""
    if not input_.discovered or input_.source is None:
        return False
    name = _path_in_real_folder(input_.source)
    if not name.startswith(str(folder).rstrip(os.sep) + os.sep):
        return False
    searched = Path(name).parents[len(input_.relative_folder.parts)]
    return searched in folder.parents


def _writers(pairs: list[InputTask], folder: str) -> list[set[int]]:
    """Return for each input the indices of the tasks that would write a file of its name."""
    by_path: dict[str, set[int]] = {}
    has_frames = False
    for index, (_, task) in enumerate(pairs):
        for target in task.targets:
            by_path.setdefault(_path_in_real_folder(target.path or Path()), set()).add(index)
            has_frames |= target.per_frame
    names = [_path_in_real_folder(input_.source or Path()) for input_, _ in pairs]
    candidates = (_templates_of(name, folder) if has_frames else {name} for name in names)
    return [set().union(*(by_path.get(path, ()) for path in paths)) for paths in candidates]


def _templates_of(path: str, folder: str) -> set[str]:
    """Return the paths of targets in a folder that may become a path when the number of a frame is known.

    >>> sorted(_templates_of("/1/a10.png", "/1"))
    ['/1/a10.png', '/1/a1{frame}.png', '/1/a{frame}.png', '/1/a{frame}0.png']
    """
    if not path.startswith(folder):
        return {path}
    path = path[len(folder) :]
    spans = [
        (run.start() + begin, run.start() + end)
        for run in re.finditer("[0-9]+", path)
        for begin in range(len(run[0]))
        for end in range(begin + 1, min(begin + MAX_DIGITS, len(run[0])) + 1)
    ]
    once = {path[:begin] + FRAME + path[end:] for begin, end in spans}
    everywhere = {path.replace(path[begin:end], FRAME) for begin, end in spans}
    return {folder + name for name in {path} | once | everywhere}


def _is_own_output(input_: Input | None) -> bool:
    """Return whether an input is a picture that a search found and that has provenance."""
    if input_ is None or not input_.discovered or input_.source is None:
        return False
    from ..images.output_state import read_output_state  # imports NumPy, which is slow

    file_format = BY_SUFFIX.get(input_.source.suffix.lower())
    return file_format is not None and read_output_state(input_.source, file_format).ours


def refuse_duplicates(tasks: list[Task]) -> None:
    """Raise ArgumentError if two results would be written to the same file."""
    writers: dict[str, Task] = {}
    for task in tasks:
        for target in task.targets:
            if target.path is None:
                continue
            key = _real_path(target.path)
            if key in writers:
                other = writers[key]
                both = task.name if other.name == task.name else f"{other.name} and {task.name}"
                same = other is not task and _real_path(Path(other.name)) == _real_path(Path(task.name))
                remedy = "name that picture once" if same else _distinguishing_name(other, task, target.path)
                raise ArgumentError(f"two results would have the name {target.path}, both of {both}; {remedy}")
            writers[key] = task


def _distinguishing_name(one: Task, other: Task, path: Path) -> str:
    """Return the remedy for two tasks, or two maps of one, that write to a path: a template of different names."""
    first, second = Path(one.name), Path(other.name)
    if one is other:
        name = "{stem}_{index}"
    elif first.stem != second.stem:
        name = "{stem}"
    elif first.suffix != second.suffix:
        name = "{name}"
    elif first.parent.name != second.parent.name:
        name = "{parent}/{stem}"
    else:
        return "give --base FOLDER, a folder above both"
    return f"give a template, such as -o '{path.parent / name}{path.suffix}'"


def refuse_inputs(request: BaseRequest, tasks: list[Task]) -> None:
    """Raise ArgumentError if an output or a report would replace a file that the run reads, or another output."""
    outputs = [target.path for task in tasks for target in task.targets if target.path is not None]
    _refuse_same_file(outputs, request, [] if request.in_place else tasks)
    reports = _reports_of(request)
    for name in reports.values():
        _refuse_same_file([Path(name)], request, tasks)
    _refuse_reports(reports, outputs)
    if len(reports) < sum(name not in (None, "-") for name in (request.report, request.html)):
        raise ArgumentError(f"{request.html}: --html and --report name the same file; give another name")


def _reports_of(request: BaseRequest) -> dict[str, str]:
    """Return the files of the reports, as they are named, by their real paths."""
    return {_real_path(Path(name)): name for name in (request.report, request.html) if name not in (None, "-")}


def _refuse_reports(reports: dict[str, str], outputs: Iterable[Path]) -> None:
    """Raise ArgumentError if an output is a report."""
    for name in filter(None, (reports.get(_real_path(path)) for path in (outputs if reports else ()))):
        raise ArgumentError(f"{name}: the report is also an output; give another name")


def refuse_replacing(output: str, read: Iterable[Path | None]) -> None:
    """Raise ArgumentError if the output of a command with a single one is a file that it reads. None is standard input."""
    clear_folder_cache()
    written = None if output in ("", "-") else _file_id(Path(output))
    if written is not None and written in {_file_id(path) if path else _file_id_of_standard_input() for path in read}:
        raise _replaces_input(Path(output))


class FrameOutputs:
    """The outputs of a run that have {frame} in their names, which are known once the frames of a picture are.

    All threads of a run share it.
    """

    def __init__(self, request: BaseRequest) -> None:
        self.request = request
        self._lock = threading.Lock()
        self._writers: dict[str, Task] = {}
        self._read: dict[FileId | None, Input | None] = {}
        self._reports = _reports_of(request)

    def add(self, task: Task, targets: list[Target]) -> None:
        """Add outputs. Raises ArgumentError for one that has the name of another, of an input, or of a file that exists."""
        outputs = [target.path for target in targets if target.path is not None]
        clear_folder_cache()  # folders of other outputs were made since
        _refuse_reports(self._reports, outputs)
        with self._lock:
            for path in outputs:
                other = self._writers.setdefault(_real_path(path), task)
                if other is not task:
                    raise ArgumentError(
                        f"two results would have the name {path}, of {other.name} and {task.name}; "
                        "separate the tokens of the template, as in {stem}_{frame}"
                    )
            existing = {path: id_ for path in outputs if (id_ := _file_id(path))}
            if existing and not self._read:  # once per run, as there may be 10,000
                others = [_file_id_of_standard_input(), *(_file_id(Path(name)) for name in self.request.other_inputs)]
                read = {_file_id(input_.source): input_ for input_ in self.request.inputs if input_.source}
                self._read = {**dict.fromkeys(others), **read}
        for path, id_ in existing.items():
            if id_ in self._read and not _is_own_output(self._read[id_]):  # which is no input of this run, as a task writes it
                raise _replaces_input(path)
        refuse_existing(self.request, [replace(task, targets=tuple(targets))])


def _refuse_same_file(outputs: list[Path], request: BaseRequest, tasks: list[Task]) -> None:
    """Raise ArgumentError for an output that is a picture of a task, or another file that the run reads."""
    existing = {path: id_ for path in outputs if (id_ := _file_id(path))}
    if not existing:  # often: then 10,000 pictures need no look-up
        return
    pictures = {_file_id(task.source) if task.source else _file_id_of_standard_input() for task in tasks}
    read = pictures | {_file_id(Path(name)) for name in request.other_inputs}
    for path, id_ in existing.items():
        if id_ in read:
            raise _replaces_input(path)


def _replaces_input(path: Path) -> ArgumentError:
    return ArgumentError(f"{path}: the output is an input; give another name, as inputs are never changed")


def refuse_existing(request: BaseRequest, tasks: list[Task]) -> None:
    """Raise ArgumentError if an output exists. With --skip-existing, this is checked when its picture is processed."""
    targets = [target for task in tasks for target in task.targets if target.path and not target.replace]
    existing = [] if request.skip_existing else [target.path for target in targets if target.path and _file_id(target.path)]
    if existing:
        others = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
        raise ArgumentError(
            f"{existing[0]}{others} exists already; replace it with --overwrite, keep what is up to date with --skip-existing, "
            "or give another folder"
        )


def _path_in_real_folder(path: Path) -> str:
    """Return a path with the links in its folder resolved. If the path itself is a link, that link is kept."""
    return _name_in_real_folder(str(path))


@functools.cache
def _name_in_real_folder(path: str) -> str:
    """Do so for a name. It is cached, as several checks of a run ask for it."""
    folder, separator, name = path.rpartition(os.sep)  # a tenth of the time of Path.parent and Path.name
    return _real_folder_path(folder or separator or os.curdir).rstrip(os.sep) + os.sep + name


def _real_path(path: Path) -> str:
    """Return a path with all links resolved."""
    name = _path_in_real_folder(path)
    link = _is_in_folder(name) and os.path.islink(name)  # noqa: PTH114 - pathlib raises an error for a name that is too long
    return _real_folder_path(str(path)) if link or name.endswith((os.sep, f"{os.sep}.", f"{os.sep}..")) else name


def clear_folder_cache() -> None:
    """Clear the caches of folders: they may have changed since an earlier run in this process."""
    _name_in_real_folder.cache_clear()
    _real_folder_path.cache_clear()
    _is_folder.cache_clear()


@functools.cache
def _real_folder_path(path: str) -> str:
    """Return the resolved path of a folder. It is cached, because a folder may contain 10,000 pictures."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # a NUL byte
        return os.path.abspath(path)


def _is_in_folder(path: str) -> bool:
    """Return whether the folder of a path exists, so that the path may."""
    return _is_folder(path.rpartition(os.sep)[0] or os.sep)


@functools.cache
def _is_folder(path: str) -> bool:
    return os.path.isdir(path)


def _file_id(path: Path) -> FileId | None:
    """Return the identity of the file at a path; None if there is none, or if it cannot be read."""
    name = _path_in_real_folder(path)  # a missing folder before ".." is resolved as if it existed
    if not _is_in_folder(name):
        return None
    try:
        status = os.stat(name)  # noqa: PTH116 - a quarter of the time of Path.stat
    except (OSError, ValueError):  # no such file, a name that is too long, a loop of links, a NUL byte
        return None
    return status.st_dev, status.st_ino


def _file_id_of_standard_input() -> FileId | None:
    """Return the identity of standard input; None if it is not a file."""
    try:
        status = os.fstat(0)
    except OSError:  # closed
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None
