"""Outputs that must not be written: over each other, over an input, over a file that is there already."""

import functools
import os
import stat
from pathlib import Path
from typing import TypeAlias

from ..errors import ArgumentError
from ..images.formats import BY_SUFFIX
from .inputs import Input
from .request_base import BaseRequest
from .tasks import Task

Identity: TypeAlias = tuple[int, int]
"""Device and inode of a file, the same under all its names."""


Pair: TypeAlias = tuple[Input, Task]


def refuse_output_below_file(output: str) -> None:
    """Raise ArgumentError where all outputs would lie below a file."""
    if output in ("", "-"):
        return
    folder = _output_folder(output)
    named = "{" not in output and not output.endswith(("/", os.sep))
    places = (folder, *folder.parents)[named:]
    state = next((place for place in places if os.path.exists(place)), None)  # noqa: PTH110 - a name too long is none
    if state and not state.is_dir():
        raise ArgumentError(f"{output}: lies below a file, or is one and no folder; give another folder")


def without_links(pairs: list[Pair]) -> list[Pair]:
    """Leave out links to a picture that is replaced anyway, and one that is named again."""
    replaced: dict[str, int] = {}
    order = sorted(range(len(pairs)), key=lambda place: (source := pairs[place][0].source) is not None and source.is_symlink())
    for place in order:
        replaced.setdefault(_real(pairs[place][0].source or Path()), place)
    return [pairs[place] for place in sorted(replaced.values())]


def without_own_outputs(request: BaseRequest, pairs: list[Pair]) -> list[Pair]:
    """Leave out the outputs of runs before that a search has found: they are no inputs.

    Those are all pictures in the output folder, where that lies in the folder that is searched; beside the inputs, those
    that are the output of another input and carry a mark. Raises ArgumentError if nothing is left.
    """
    folder = _output_folder(request.output)
    outside = [(one, task) for one, task in pairs if not _is_output_inside(one, folder)]
    writers: dict[str, list[int]] = {}
    for place, (_, task) in enumerate(outside):
        for target in task.targets:
            writers.setdefault(_in_its_folder(target.path or Path()), []).append(place)
    own = {place for place, pair in enumerate(outside) if _is_output_of_another(place, pair, writers)}
    left = [
        pair
        for place, pair in enumerate(outside)
        if place not in own or all(writer in own for writer in writers[_in_its_folder(pair[0].source or Path())])
    ]
    if pairs and not left:
        raise ArgumentError(f"{request.output}: the output folder holds all the inputs; give another folder")
    return left


def _output_folder(output: str) -> Path:
    """The folder that all outputs lie in, as far as it is told by its name."""
    fixed = output.partition("{")[0]
    return Path(_real(Path(fixed if fixed == output else fixed.rpartition(os.sep)[0])))


def _is_output_inside(one: Input, folder: Path) -> bool:
    """Whether a picture was found in the output folder, and that in the folder that was searched."""
    if not one.found or one.source is None:
        return False
    source = Path(_in_its_folder(one.source))
    searched = source.parents[len(one.below.parts)]
    return searched in folder.parents and folder in source.parents


def _is_output_of_another(place: int, pair: Pair, writers: dict[str, list[int]]) -> bool:
    one, _ = pair
    if not one.found or one.source is None or set(writers.get(_in_its_folder(one.source), ())) <= {place}:
        return False
    from ..images.output_state import look_at  # what it needs is heavy to import

    form = BY_SUFFIX.get(one.source.suffix.lower())
    return form is not None and look_at(one.source, form).ours


def refuse_duplicates(tasks: list[Task]) -> None:
    """Raise ArgumentError where two results would be written to one file."""
    taken: dict[str, Task] = {}
    for task in tasks:
        for target in task.targets:
            if target.path is None:
                continue
            key = _real(target.path)
            if key in taken:
                other = taken[key]
                both = task.name if other.name == task.name else f"{other.name} and {task.name}"
                same = other is not task and _real(Path(other.name)) == _real(Path(task.name))
                remedy = "name that picture once" if same else "use a template"
                raise ArgumentError(f"two results would have the name {target.path}, both of {both}; {remedy}")
            taken[key] = task


def refuse_inputs(request: BaseRequest, tasks: list[Task]) -> None:
    """Raise ArgumentError where an output or the report would replace a file that the run reads."""
    pictures = {_identity(task.source) if task.source else _identity_of_standard_input() for task in tasks}
    others = {_identity(Path(name)) for name in request.also_read}
    outputs = [target.path for task in tasks for target in task.targets if target.path is not None]
    _refuse_same(outputs, others if request.in_place else pictures | others)
    if request.report:
        _refuse_same([Path(request.report)], pictures | others)
        if os.path.abspath(request.report) in map(os.path.abspath, outputs):
            raise ArgumentError(f"{request.report}: the report is an output too; give another name")


def _refuse_same(outputs: list[Path], inputs: set[Identity | None]) -> None:
    known = inputs - {None}
    for path in outputs:
        if _identity(path) in known:
            raise ArgumentError(f"{path}: the output is an input; give another name, for no input is ever changed")


def refuse_existing(request: BaseRequest, tasks: list[Task]) -> None:
    """With --skip-existing, each file is looked at when its picture's turn comes."""
    targets = [target for task in tasks for target in task.targets if target.path and not target.replace]
    existing = [] if request.skip_existing else [target.path for target in targets if target.path and _identity(target.path)]
    if existing:
        more = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
        raise ArgumentError(
            f"{existing[0]}{more} exists already; replace it with --overwrite, keep what is up to date with --skip-existing, "
            "or give another folder"
        )


def _in_its_folder(path: Path) -> str:
    """A name in its folder, whatever links lead to the folder."""
    return _real_folder(str(path.parent)).rstrip(os.sep) + os.sep + path.name


def _real(path: Path) -> str:
    """The name that links lead to, the same for each of them."""
    name = _in_its_folder(path)
    link = os.path.islink(name)  # noqa: PTH114 (to pathlib a name too long is an error)
    return _real_folder(str(path)) if link or path.name in ("", "..") else name


def forget_folders() -> None:
    """Forget the real names of folders, which a later run may find changed."""
    _real_folder.cache_clear()


@functools.cache
def _real_folder(path: str) -> str:
    """The real name of a folder, in which there may be 10,000 pictures; forgotten when the next tasks are made."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # a NUL byte
        return os.path.abspath(path)


def _identity(path: Path) -> Identity | None:
    """What a name leads to, the same for every link to it; None where there is nothing, or nothing that can be asked."""
    try:
        status = Path(_real(path)).stat()  # a folder that is not there yet is passed, as it will be by then
    except (OSError, ValueError):  # no such file; a name too long; a loop of links; a NUL byte
        return None
    return status.st_dev, status.st_ino


def _identity_of_standard_input() -> Identity | None:
    """None where it is no file."""
    try:
        status = os.fstat(0)
    except OSError:  # closed
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None
