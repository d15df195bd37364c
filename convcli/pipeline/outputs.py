"""Which file each feature map goes to: a file, a folder, a template, or standard output."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import ArgumentError
from ..images.formats import BY_SUFFIX, Format, format_named, format_of
from .inputs import Input, take_shard
from .output_conflicts import (
    forget_folders,
    refuse_duplicates,
    refuse_existing,
    refuse_inputs,
    refuse_output_below_file,
    without_links,
    without_own_outputs,
)
from .output_template import escape_braces, fill_template, safe_name, tokens_in
from .request_base import BaseRequest
from .tasks import Target, Task


class _UnfitError(ArgumentError):
    """One input cannot have the output that others have."""


def make_tasks(request: BaseRequest) -> list[Task]:
    """Name every output before anything is read; the tasks of one shard are those of the whole run that fall to it.

    Raises ArgumentError: two outputs of one name, an output that is an input, a picture asked to hold several maps, a name
    that gives no format.
    """
    refuse_output_below_file(request.output)
    forget_folders()
    made = [(one, _make_task(request, one)) for one in request.inputs]
    pairs = without_links(made) if request.in_place else without_own_outputs(request, made)
    tasks = [task for _, task in pairs]
    refuse_duplicates(tasks)
    refuse_inputs(request, tasks)
    if request.shard is not None:
        kept = set(take_shard([one for one, _ in pairs], *request.shard))
        tasks = [task for one, task in pairs if one in kept]
    refuse_existing(request, tasks)
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
        template = (
            escape_braces(output.rstrip("/" + os.sep) or os.sep) + mirrored + "/{stem}" + request.suffix_in(form) + suffix
        )
    else:
        if request.pictures > 1:
            raise ArgumentError(
                f"one file cannot hold {request.pictures} results; give a folder, such as -o out/, or a template, "
                f"such as -o 'out/{{stem}}{request.suffix_in(format_named('png'))}.png'"
            )
        template = escape_braces(output)
    return _expand(request, template, one)


def _expand(request: BaseRequest, template: str, source: Input) -> Iterable[Target]:
    """The targets of one picture: one for all maps that the template does not tell apart."""
    used = [token for token in request.tokens if token in tokens_in(template)]
    own = request.form is None and (template.endswith(("{ext}", "{name}")) or template != request.output)  # that of the input

    def target(values: dict[str, str], maps: Sequence[int]) -> Target:
        path = fill_template(template, source, values, request.tokens)
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
    return [target(dict(zip(used, map(safe_name, key), strict=True)), maps) for key, maps in together.items()]


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
