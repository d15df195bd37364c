"""The common part of commands that process pictures: finds them, writes their maps, and reports each."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from msgspec import Struct
from msgspec.structs import replace

from ..errors import ArgumentError, OutputError
from ..images.formats import WRITTEN
from ..pipeline.inputs import Input, Search, find_inputs, read_names
from ..pipeline.outputs import make_tasks
from ..pipeline.request_base import BaseRequest
from ..pipeline.tasks import Task
from . import options, output
from .counts import Counts
from .json_report import Report
from .messages import Messages

if TYPE_CHECKING:  # imported where a sheet is asked for
    from ..drawing.options import SheetOptions
    from .html_report import HtmlReport

STANDARD_OUTPUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")

COMPILING = "compiling loops that this run is the first to need (convcli cache warm compiles all of them) ..."
COMPILING_ALWAYS = "compiling loops, on each run, as there is no folder to keep them in (see convcli cache info) ..."


class ReportOptions(Struct, frozen=True):
    """How a run reports, and when it stops."""

    dry_run: bool
    fail_fast: bool
    as_json: bool
    quiet: bool
    verbose: bool


def pop_report_options(values: dict[str, Any]) -> ReportOptions:
    """Pop the reporting options from the values of a command. Raises click.UsageError where they exclude each other."""
    names = ("dry_run", "fail_fast", "as_json", "quiet", "verbose")
    reporting = ReportOptions(**{name: values.pop(name) for name in names})
    if reporting.quiet and reporting.verbose:
        raise click.UsageError("-q and -v exclude each other")
    if values["output"] in STANDARD_OUTPUT:
        values["output"] = "-"
    if values["html"] == "":
        raise click.UsageError("--html '' names no file; give a FILE, or - for standard output")
    if values["html"] in STANDARD_OUTPUT:
        values["html"] = "-"
    if values["report"] == "-":
        reporting, values["report"] = replace(reporting, as_json=True), None
    if reporting.dry_run and values["report"]:
        raise click.UsageError("--report writes a file, and -n writes nothing; print the lines with --json")
    if reporting.dry_run and values["html"] not in (None, "-"):
        raise click.UsageError("--html writes a file, and -n writes nothing; print the page with --html -")
    if values["html"] == "-" and (reporting.as_json or values["output"] == "-"):
        other = "--json" if reporting.as_json else "-o -"
        raise click.UsageError(f"--html - and {other} both write to standard output; use --html FILE")
    if bool(values["output"]) == values["in_place"]:
        message = (
            "-o and --in-place exclude each other" if values["in_place"] else "Missing option '-o' / '--output', or --in-place"
        )
        raise click.UsageError(message)
    return reporting


SHEET_OPTIONS = ("columns", "tile", "scale", "labels", "normalize", "percentile", "colormap", "numbers")


def pop_sheet(values: dict[str, Any]) -> "SheetOptions | None":
    """Pop the options of sheets from the values of a command. Raises an error where they do not fit together."""
    given = {name: values.pop(name) for name in SHEET_OPTIONS}
    if not values.pop("sheet"):
        options.refuse_options(SHEET_OPTIONS, "it is about sheets; give --sheet too")
        return None
    if values["in_place"]:
        raise click.UsageError("--sheet draws maps of a picture, and --in-place would lose the picture; give -o")
    if values["depth"] == "float":
        raise click.UsageError("--depth float stores numbers, and --sheet draws them; leave one of them out")
    if click.get_current_context().get_parameter_source("rule") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--range does not apply: the colours of a sheet follow --normalize and --percentile")
    sheet = sheet_options(given)
    sheet.check_numbers()  # before a picture is read
    return sheet


def sheet_options(given: dict[str, Any]) -> "SheetOptions":
    """Return the options of a sheet. Raises ArgumentError where two exclude each other, and for an unknown colour map."""
    from ..drawing.options import SheetOptions

    sheet = SheetOptions(**given)
    if sheet.colormap is not None:
        from ..drawing.colormaps import colormap

        colormap(sheet.colormap)
    return sheet


def pop_inputs(values: dict[str, Any]) -> dict[str, Any]:
    """Pop the options about inputs from the values of a command. Return them as fields of a request."""
    listing = [values["files_from"]] if values["files_from"] not in (None, "-") else []
    return {"inputs": tuple(_read_inputs(values)), "other_inputs": tuple(listing)}


def carry_out(request: BaseRequest, reporting: ReportOptions, check: Callable[[], object] | None = None) -> None:
    """Plan all outputs, call ``check``, and process all pictures. Raises SystemExit with status 1 where one failed."""
    tasks = make_tasks(request)
    explains = getattr(request, "explain", False)
    messages = Messages(reporting.quiet, reporting.verbose, is_batch=len(tasks) > 1, explains=explains)
    if reporting.as_json and request.output == "-":
        raise click.UsageError("--json and -o - both write to standard output; use --report FILE")
    _refuse_unused_settings(tasks)
    if not request.inputs:
        messages.note("the list names no input: nothing to do")
    elif request.shard is not None and not tasks:
        index, count = request.shard
        messages.note(f"part {index} of {count} has no input: nothing to do")
    if check is not None:
        check()
    with contextlib.ExitStack() as stack:
        reports: list[Report | HtmlReport] = []
        if request.html is not None:
            from . import html_report  # it draws, which is rare

            reports.append(stack.enter_context(html_report.HtmlReport(request, len(tasks), reporting.dry_run)))
        reports.append(stack.enter_context(Report(reporting.as_json, request.report, explains)))
        failed = _work(request, tasks, reporting, messages, reports)
    if failed:
        raise SystemExit(1)


def _refuse_unused_settings(tasks: list[Task]) -> None:
    """Raise click.UsageError for a setting of an encoder on the command line that no output has."""
    outputs = {target.file_format.name: target.file_format.setting for task in tasks for target in task.targets}
    for setting in dict.fromkeys(file_format.setting for file_format in WRITTEN if file_format.setting):
        if outputs and setting not in outputs.values():
            users = ", ".join(file_format.name.upper() for file_format in WRITTEN if file_format.setting == setting)
            options.refuse_options((setting,), f"it is that of {users}, and the output is {', '.join(outputs)}")


def _read_inputs(values: dict[str, Any]) -> list[Input]:
    """Return the inputs of the arguments and of the list of names."""
    arguments, listing, null = (values.pop(name) for name in ("inputs", "files_from", "null"))
    search = Search(*(values.pop(name) for name in ("recursive", "hidden", "base")))
    if listing is None:
        if null:
            raise click.UsageError("-0 applies to the names of --files-from; give --files-from too")
        if not arguments:
            raise ArgumentError("no input; name a picture, or - for standard input")
        return find_inputs(arguments, search)
    if listing == "-" and "-" in arguments:
        raise ArgumentError("standard input cannot be both a picture and the list of names")
    if listing == "-" and sys.stdin is None:
        raise click.UsageError("standard input is closed")
    try:
        data = sys.stdin.buffer.read() if listing == "-" else Path(listing).read_bytes()
    except OSError as error:
        raise ArgumentError(f"{listing}: the list of names cannot be read: {error.strerror}") from None
    if b"\0" in data and not null:
        raise ArgumentError(f"{listing}: the list of names holds NUL bytes; give -0 if the names end with them")
    return find_inputs(arguments, search, read_names(data, null))


def report_compiling(messages: Messages) -> None:
    """Print a message when loops are compiled, which takes seconds."""
    from ..engine.jit.disk_cache import code_folder
    from ..engine.jit.run import on_compiling

    on_compiling(lambda: messages.note(COMPILING if code_folder() else COMPILING_ALWAYS))


def _work(
    request: BaseRequest,
    tasks: list[Any],
    reporting: ReportOptions,
    messages: Messages,
    reports: "list[Report | HtmlReport]",
) -> int:
    """Process the tasks and report each. Return how many failed. Slow imports are made here."""
    pipes = open_pipes(request.inputs, request.output)
    from ..pipeline.process_batch import outcomes_after, run_tasks

    report_compiling(messages)
    counts = Counts(len(tasks))
    prints_report = reporting.as_json or request.html == "-"
    outcome = None
    bar = output.Progress(messages.quiet)
    on_frame = bar.show if len(tasks) == 1 else None
    outcomes = run_tasks(request, tasks, pipes, dry_run=reporting.dry_run, fail_fast=reporting.fail_fast, on_frame=on_frame)
    with bar, contextlib.closing(outcomes):
        bar.show(0, len(tasks))
        try:
            for outcome in outcomes:
                for report in reports:
                    report.outcome(outcome)
                counts.add(outcome)
                messages.outcome(outcome, dry_run=reporting.dry_run and not prints_report)
                bar.show(len(tasks) - counts.not_tried, len(tasks))
        except (KeyboardInterrupt, SystemExit) as interruption:
            reported = [] if outcome is None else [outcome]
            for finished in (*reported, *outcomes_after(outcomes, interruption)):
                for report in reports:
                    report.outcome(finished)
                counts.add(finished)
            _summarize(counts, messages, reports)
            raise
    _summarize(counts, messages, reports)
    return counts.failed


def _summarize(counts: Counts, messages: Messages, reports: "list[Report | HtmlReport]") -> None:
    messages.collected_notices()
    messages.summary(counts)
    for report in reports:
        report.summary(counts)


def open_pipes(inputs: tuple[Input, ...], output: str) -> Any:
    """Return standard input and output as far as they are used. Raises an error where one is a terminal or closed."""
    from ..pipeline.write_output import Pipes

    if output == "-":
        if sys.stdout is None:
            raise OutputError("standard output is closed")
        if sys.stdout.isatty():
            raise OutputError("standard output is a terminal; send it to a file or a pipe, or give -o FILE")
    reads = any(input_.source is None for input_ in inputs)
    if reads:
        if sys.stdin is None:
            raise click.UsageError("standard input is closed")
        if sys.stdin.isatty():
            raise click.UsageError("standard input is a terminal; send a picture to it, such as < photo.jpg")
    return Pipes(input=sys.stdin.buffer if reads else None, output=sys.stdout.buffer if output == "-" else None)
