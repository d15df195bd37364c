"""Chooses the output of each feature map: a file, a file in a folder or of a template, or standard output."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import ArgumentError
from ..images.file_format import Format
from ..images.formats import BY_SUFFIX, FORMATS, format_named, format_of
from ..images.streams import descriptor_of
from .inputs import Input, select_shard
from .output_conflicts import (
    clear_folder_cache,
    refuse_duplicates,
    refuse_existing,
    refuse_inputs,
    refuse_output_below_file,
    without_linked_duplicates,
    without_own_outputs,
)
from .output_template import escape_braces, fill_template, safe_name, tokens_in
from .request_base import BaseRequest
from .tasks import Target, Task


class _UnfitError(ArgumentError):
    """One input cannot be written as the others are, and fails alone."""


def make_tasks(request: BaseRequest) -> list[Task]:
    """Return the tasks of a request, with the paths of all outputs, before anything is read.

    Checks are made for the whole run, also if only one shard of it is returned. Raises ArgumentError: two outputs of one name,
    an output that is an input, a picture format for several maps, a name without a known format, a file that exists.
    """
    refuse_output_below_file(request.output)
    clear_folder_cache()
    all_pairs = [(input_, _make_task(request, input_)) for input_ in request.inputs]
    pairs = without_linked_duplicates(all_pairs) if request.in_place else without_own_outputs(request, all_pairs)
    tasks = [task for _, task in pairs]
    refuse_duplicates(tasks)
    refuse_inputs(request, tasks)
    if request.shard is not None:
        kept = set(select_shard([input_ for input_, _ in pairs], *request.shard))
        tasks = [task for input_, task in pairs if input_ in kept]
    refuse_existing(request, tasks)
    return tasks


def _make_task(request: BaseRequest, input_: Input) -> Task:
    """Return the task of one input. An error that concerns only this input is a part of the task."""
    if input_.error:
        return Task(input_.name, input_.source, error=input_.error)
    try:
        targets = tuple(_make_targets(request, input_))
        return Task(input_.name, input_.source, targets, is_pipe=_is_readable_pipe(request, input_))
    except _UnfitError as error:
        return Task(input_.name, input_.source, error=str(error))


def _is_readable_pipe(request: BaseRequest, input_: Input) -> bool:
    """Return whether the input is a pipe that is read: one that is open already, or a named one if there is no other input.

    Among other inputs, a named pipe is likely to be matched by a pattern of the shell, and opening it could wait forever.
    """
    if not input_.is_pipe or input_.source is None or request.in_place:
        return False
    return request.pictures == 1 or descriptor_of(input_.source) is not None


def _make_targets(request: BaseRequest, input_: Input) -> Iterable[Target]:
    source = input_.source
    if request.in_place:
        if source is None:
            raise ArgumentError("--in-place replaces files, and standard input is not a file; give -o")
        if len(request.maps) > 1:
            raise ArgumentError(f"--in-place writes one map per picture, got {len(request.maps)}; give -o")
        return [_make_target(request, source, _form_in_place(request, source), range(len(request.maps)))]
    output = request.output
    if output == "-":
        if request.file_format is None:
            raise ArgumentError("writing to standard output needs --format, such as --format png")
        if request.pictures > 1:
            raise ArgumentError(f"standard output holds one picture, got {request.pictures}; give a folder, such as -o out/")
        return [_make_target(request, None, request.file_format, range(len(request.maps)))]
    if "{" in output or "}" in output:
        template = output
    elif output.endswith(("/", os.sep)) or os.path.isdir(output):
        file_format = request.file_format or _format_like(request, source)
        suffix = (
            file_format.suffixes[0]
            if request.file_format or source is None or source.suffix.lower() not in file_format.suffixes
            else "{ext}"
        )
        subfolders = "/{relpath}" if not request.flat else ""
        folder = escape_braces(output.rstrip("/" + os.sep) or os.sep)
        template = folder + subfolders + "/{stem}" + _suffix_in(request, file_format) + suffix
    else:
        if request.pictures > 1:
            raise ArgumentError(
                f"one file cannot hold {request.pictures} results; give a folder, such as -o out/, or a template, "
                f"such as -o 'out/{{stem}}{_suffix_in(request, format_named('png'))}.png'"
            )
        template = escape_braces(output)
    return _expand(request, template, input_)


def _suffix_in(request: BaseRequest, file_format: Format) -> str:
    """Return what follows {stem} in a template; a sheet holds all maps."""
    return "" if request.sheet is not None else request.suffix_in(file_format)


def _expand(request: BaseRequest, template: str, input_: Input) -> Iterable[Target]:
    """Return the targets of one picture. Maps for which the template gives the same name share a target."""
    used = [token for token in request.tokens if token in tokens_in(template)]
    per_frame = "frame" in tokens_in(template)
    has_suffix_of_input = template.endswith(("{ext}", "{name}")) or template != request.output

    def target(values: dict[str, str], maps: Sequence[int]) -> Target:
        path = fill_template(template, input_, values, request.tokens)
        try:
            return _make_target(request, Path(path), request.file_format or format_of(path), maps, per_frame)
        except ArgumentError as error:
            if request.file_format is None and has_suffix_of_input and request.pictures > 1:
                raise _UnfitError(str(error)) from None
            raise

    maps_by_values: dict[tuple[str, ...], list[int]] = {}
    for index in range(len(request.maps)):
        values = request.token_values(index)
        maps_by_values.setdefault(tuple(values[token] for token in used), []).append(index)
    return [target(dict(zip(used, map(safe_name, key), strict=True)), maps) for key, maps in maps_by_values.items()]


def _make_target(
    request: BaseRequest, path: Path | None, file_format: Format, maps: Sequence[int], per_frame: bool = False
) -> Target:
    request.refuse_together(file_format, maps)
    if request.depth == "float" and not file_format.stack:
        raise ArgumentError(f"--depth float needs .tif, .npy or .npz, got {file_format.name}, which holds levels")
    may_replace = request.overwrite or request.in_place or request.names_its_output
    return Target(path, file_format, tuple(maps), may_replace, per_frame)


def _form_in_place(request: BaseRequest, source: Path) -> Format:
    """Return the format of a picture that --in-place replaces under its own name. Raises _UnfitError."""
    suffix = source.suffix.lower()
    own = BY_SUFFIX.get(suffix)
    if suffix and own is None:
        raise _UnfitError(f"cannot be replaced, as {suffix} is not written; give -o")
    file_format = request.file_format or own
    if file_format is None:
        raise _UnfitError("cannot be replaced, as its name has no suffix that gives the format; give --format too")
    if own not in (None, file_format):
        raise _UnfitError(f"--in-place keeps its name, and {suffix} is not {file_format.name}; leave out --format, or give -o")
    return file_format


def _format_like(request: BaseRequest, source: Path | None) -> Format:
    """Return the format of outputs in a folder: that of the input where it holds pictures and is written, else PNG.

    It is TIFF for formats of real numbers without white, unless --range makes levels of them. Sheets are PNG: they are sharp.
    """
    if request.sheet is not None:
        return format_named("png")
    suffix = source.suffix.lower() if source else ""
    file_format = BY_SUFFIX.get(suffix)
    if file_format and file_format.picture:
        return file_format
    is_real = any(suffix in form.further_suffixes for form in FORMATS if form.is_real)
    stays_real = is_real and not all(request.rule_for(map_).sets_scale for map_ in request.maps)
    return format_named("tiff" if stays_real else "png")
