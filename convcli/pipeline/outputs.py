"""Which file each feature map goes to: a file, a folder, a template, or standard output.

A template names its parts in braces; anything else in braces is an error, and nothing in it is run:

    {stem} photo   {ext} .jpg   {name} photo.jpg   {parent} trip   {relpath} 2026/trip

and those of the map: {kernel} sobel-x and {index} 0, or {layer} conv1 and {index} 0. ``relpath`` is the folders between the
one that was searched and the picture, nothing for a picture that was named by itself.
"""

import functools
import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import TypeAlias

from ..errors import ArgumentError, nearest_name
from ..images.formats import BY_SUFFIX, Format, format_named, format_of
from .inputs import Input, take_shard
from .request_base import BaseRequest
from .tasks import Target, Task

Identity: TypeAlias = tuple[int, int]
"""Device and inode of a file, the same under all its names."""

TOKENS = ("stem", "ext", "name", "parent", "relpath")
BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class _UnfitError(ArgumentError):
    """One input cannot have the output that others have."""


def make_tasks(request: BaseRequest) -> list[Task]:
    """Name every output before anything is read; the tasks of one shard are those of the whole run that fall to it.

    Raises ArgumentError: two outputs of one name, an output that is an input, a picture asked to hold several maps, a name
    that gives no format.
    """
    _refuse_no_folder(request.output)
    _real_folder.cache_clear()
    made = [(one, _make_task(request, one)) for one in request.inputs]
    pairs = _without_links(made) if request.in_place else _without_own_outputs(request, made)
    tasks = [task for _, task in pairs]
    _refuse_twice(tasks)
    _refuse_inputs(request, tasks)
    if request.shard is not None:
        kept = set(take_shard([one for one, _ in pairs], *request.shard))
        tasks = [task for one, task in pairs if one in kept]
    _refuse_existing(request, tasks)
    return tasks


def _make_task(request: BaseRequest, one: Input) -> Task:
    """One picture and its targets."""
    if one.fault:
        return Task(one.name, one.source, fault=one.fault)
    try:
        return Task(one.name, one.source, tuple(_make_targets(request, one)))
    except _UnfitError as error:
        return Task(one.name, one.source, fault=str(error))


def _make_targets(request: BaseRequest, one: Input) -> Iterable[Target]:
    source = one.source
    if request.in_place:
        if source is None:
            raise ArgumentError("--in-place replaces files, and standard input is none; give -o")
        if len(request.maps) > 1:
            raise ArgumentError(f"--in-place leaves one map of each picture, and there are {len(request.maps)}; give -o")
        return [_make_target(request, source, _form_in_place(request, source), range(len(request.maps)))]
    output = request.output
    if output == "-":
        if request.form is None:
            raise ArgumentError("writing to standard output needs --format, such as --format png")
        if request.pictures > 1:
            raise ArgumentError(f"standard output holds one picture, got {request.pictures}; give a folder, such as -o out/")
        return [_make_target(request, None, request.form, range(len(request.maps)))]
    if "{" in output or "}" in output:
        template = output
    elif output.endswith(("/", os.sep)) or os.path.isdir(output):
        form = request.form or _form_like(source)
        suffix = form.suffixes[0] if request.form or source is None or source.suffix.lower() not in form.suffixes else "{ext}"
        mirrored = "/{relpath}" if not request.flat else ""
        template = _escaped(output.rstrip("/" + os.sep) or os.sep) + mirrored + "/{stem}" + request.suffix_in(form) + suffix
    else:
        if request.pictures > 1:
            raise ArgumentError(
                f"one file cannot hold {request.pictures} results; give a folder, such as -o out/, or a template, "
                f"such as -o 'out/{{stem}}{request.suffix_in(format_named('png'))}.png'"
            )
        template = _escaped(output)
    return _expand(request, template, one)


def _expand(request: BaseRequest, template: str, source: Input) -> Iterable[Target]:
    """The targets of one picture: one for all maps that the template does not tell apart."""
    used = [token for token in request.tokens if token in _tokens(template)]
    own = request.form is None and (template.endswith(("{ext}", "{name}")) or template != request.output)  # that of the input

    def target(values: dict[str, str], maps: Sequence[int]) -> Target:
        path = _fill(template, source, values, request.tokens)
        try:
            return _make_target(request, Path(path), request.form or format_of(path), maps)
        except ArgumentError as error:
            if own and request.pictures > 1:
                raise _UnfitError(str(error)) from None
            raise

    together: dict[tuple[str, ...], list[int]] = {}
    for index in range(len(request.maps)):
        values = request.token_values(index)
        together.setdefault(tuple(values[token] for token in used), []).append(index)
    return [target(dict(zip(used, map(_safe, key), strict=True)), maps) for key, maps in together.items()]


def _make_target(request: BaseRequest, path: Path | None, form: Format, maps: Sequence[int]) -> Target:
    request.refuse_together(form, maps)
    if request.depth == "float" and not form.stack:
        raise ArgumentError(f"--depth float needs .tif, .npy or .npz, got {form.name}, which holds levels")
    return Target(path, form, tuple(maps), request.overwrite or request.in_place or request.names_its_output)


def _form_in_place(request: BaseRequest, source: Path) -> Format:
    """The format of a picture that is replaced, which keeps its name. Raises _UnfitError."""
    suffix = source.suffix.lower()
    own = BY_SUFFIX.get(suffix)
    if suffix and own is None:
        raise _UnfitError(f"cannot be replaced, as {suffix} is not written; give -o")
    form = request.form or own
    if form is None:
        raise _UnfitError("cannot be replaced, as its name has no suffix that tells the format; give --format too")
    if own not in (None, form):
        raise _UnfitError(f"--in-place keeps its name, and {suffix} is not {form.name}; leave out --format, or give -o")
    return form


def _form_like(source: Path | None) -> Format:
    """The format for a folder: the input's own where it can be written as a picture, else PNG."""
    form = BY_SUFFIX.get(source.suffix.lower()) if source else None
    return form if form and form.picture else format_named("png")


def _tokens(template: str) -> set[str]:
    return {token for token in BRACES.findall(template) if token}


def _fill(template: str, one: Input, of_map: dict[str, str], known: Sequence[str]) -> str:
    source = one.source
    values = {
        "stem": source.stem if source else "stdin",
        "ext": source.suffix if source else "",
        "name": source.name if source else "stdin",
        "parent": source.absolute().parent.name if source else "",
        "relpath": "" if one.below == PurePath() else str(one.below),
        **of_map,
    }
    tokens = (*TOKENS, *known)

    def value(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] is None:
            raise ArgumentError(f"output {template!r}: {match[0]} stands alone; write {match[0] * 2} for the character")
        if match[1] not in values:
            raise ArgumentError(
                f"output {template!r}: {{{match[1]}}} is unknown; there are {' '.join(f'{{{t}}}' for t in tokens)}"
                f"{nearest_name(match[1], tokens)}"
            )
        return values[match[1]]

    return BRACES.sub(value, template)


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _safe(name: str) -> str:
    """A kernel's name as part of a file name on any system."""
    return re.sub(r"[^A-Za-z0-9_.+=,@-]", "-", name)


Pair: TypeAlias = tuple[Input, Task]


def _refuse_no_folder(output: str) -> None:
    """Raise ArgumentError where all outputs would lie below a file."""
    if output in ("", "-"):
        return
    folder = _output_folder(output)
    named = "{" not in output and not output.endswith(("/", os.sep))
    places = (folder, *folder.parents)[named:]
    state = next((place for place in places if os.path.exists(place)), None)  # noqa: PTH110 - a name too long is none
    if state and not state.is_dir():
        raise ArgumentError(f"{output}: lies below a file, or is one and no folder; give another folder")


def _without_links(pairs: list[Pair]) -> list[Pair]:
    """Leave out links to a picture that is replaced anyway, and one that is named again."""
    replaced: dict[str, int] = {}
    order = sorted(range(len(pairs)), key=lambda place: (source := pairs[place][0].source) is not None and source.is_symlink())
    for place in order:
        replaced.setdefault(_real(pairs[place][0].source or Path()), place)
    return [pairs[place] for place in sorted(replaced.values())]


def _without_own_outputs(request: BaseRequest, pairs: list[Pair]) -> list[Pair]:
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


def _refuse_twice(tasks: list[Task]) -> None:
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


def _in_its_folder(path: Path) -> str:
    """A name in its folder, whatever links lead to the folder."""
    return _real_folder(str(path.parent)).rstrip(os.sep) + os.sep + path.name


def _real(path: Path) -> str:
    """The name that links lead to, the same for each of them."""
    name = _in_its_folder(path)
    link = os.path.islink(name)  # noqa: PTH114 (to pathlib a name too long is an error)
    return _real_folder(str(path)) if link or path.name in ("", "..") else name


@functools.cache
def _real_folder(path: str) -> str:
    """The real name of a folder, in which there may be 10,000 pictures; forgotten when the next tasks are made."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # a NUL byte
        return os.path.abspath(path)


def _refuse_inputs(request: BaseRequest, tasks: list[Task]) -> None:
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


def _refuse_existing(request: BaseRequest, tasks: list[Task]) -> None:
    """With --skip-existing, each file is looked at when its picture's turn comes."""
    targets = [target for task in tasks for target in task.targets if target.path and not target.replace]
    existing = [] if request.skip_existing else [target.path for target in targets if target.path and _identity(target.path)]
    if existing:
        more = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
        raise ArgumentError(
            f"{existing[0]}{more} exists already; replace it with --overwrite, keep what is up to date with --skip-existing, "
            "or give another folder"
        )


def _identity_of_standard_input() -> Identity | None:
    """None where it is no file."""
    try:
        status = os.fstat(0)
    except OSError:  # closed
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _identity(path: Path) -> Identity | None:
    """What a name leads to, the same for every link to it; None where there is nothing, or nothing that can be asked."""
    try:
        status = Path(_real(path)).stat()  # a folder that is not there yet is passed, as it will be by then
    except (OSError, ValueError):  # no such file; a name too long; a loop of links; a NUL byte
        return None
    return status.st_dev, status.st_ino
