"""convcli view: pictures, stacks, kernels and layers as one sheet, on the terminal or in a file."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ArgumentError, nearest_name
from ..images.file_format import Format
from ..images.formats import BY_NAME, BY_SUFFIX, format_named
from ..networks.network import INVERT, PREPARATIONS
from ..pipeline.inputs import Search, find_inputs
from ..pipeline.output_conflicts import refuse_replacing
from ..pipeline.view_request import DOCUMENTS, ViewRequest, split_key, weights_of
from . import file_options, options, output, report_options, run_batch
from .terminal import PROTOCOLS, Terminal, find_terminal

if TYPE_CHECKING:
    from ..drawing.sheet import ArrangedSheet
    from ..pipeline.view_sheet import Contents


def read_format(text: str) -> Format | str:
    """Return svg, html, or a format of pictures. Raises ArgumentError."""
    if text.lower() in DOCUMENTS:
        return text.lower()
    if text.lower() not in BY_NAME:
        names = [name for name in BY_NAME if BY_NAME[name].picture and BY_NAME[name].name == name]
        names += DOCUMENTS
        raise ArgumentError(f"format {text!r} is unknown; there are {', '.join(names)}{nearest_name(text, names)}")
    return format_named(text)


@click.command(cls=options.SectionedCommand, no_args_is_help=True)
@click.argument("inputs", nargs=-1, metavar="[WHAT]...")
@click.option(
    "-k",
    "--kernel",
    "kernels",
    multiple=True,
    type=options.KernelText(),
    help="A kernel or a bank: what -k of 'convcli apply' takes. The kernels of a bank share a scale.",
)
@click.option("--network", type=options.NetworkText(), help="A network, of which kernels are shown.")
@click.option(
    "--layer",
    "layers",
    multiple=True,
    type=options.LayerText(),
    help="A layer of --network that has weights; several --layer show those of several.  [default: the first that has]",
)
@click.option(
    "--prepare",
    type=click.Choice(PREPARATIONS),
    help="Show beside each picture what a network with this preparation, such as lenet-5, gets of it.",
)
@click.option(
    "--invert",
    type=click.Choice(INVERT),
    default="auto",
    show_default=True,
    help="For --prepare digit: whether the ink is darker than the paper. auto finds out.",
)
@click.option(
    "-o",
    "--output",
    default="",
    metavar="FILE",
    help="A file, whose suffix gives the format: a picture, .svg, or .html, a page that loads nothing; or - for standard "
    "output.  [default: show it on the terminal]",
)
@click.option(
    "--format",
    "file_format",
    type=options.ParsedText("FORMAT", read_format, (*DOCUMENTS, *BY_NAME)),
    help="The format, whatever the suffix says; svg and html too.  [default for -o -: png]",
)
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    default="auto",
    show_default=True,
    help="How a terminal shows pictures: Kitty's or iTerm2's sequences, Sixel, half blocks in colour, or ASCII. auto: the "
    "first that the terminal says it knows; ASCII under NO_COLOR and in dumb terminals. Any other word prints into pipes, too.",
)
@report_options.SHEET_LOOK
@options.with_config
@file_options.LIMIT
@click.option("--strip", is_flag=True, help="Write no provenance into the file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: size, range and scale of each tile. Without -o, only that.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def command(
    inputs: tuple[str, ...],
    kernels: tuple[str, ...],
    network: str | None,
    layers: tuple[str, ...],
    prepare: str | None,
    invert: str,
    config: tuple[str, ...],
    no_config: bool,
    protocol: str,
    as_json: bool,
    quiet: bool,
    **values: Any,
) -> None:
    """
    \b
    convcli view photo.jpg
    convcli view maps.npy -o maps.png
    convcli view -k compass -k gabor:theta=45
    convcli view film.gif --frames 0:12 -o film.html
    convcli view --network lenet-5 --layer C1 -o layer.svg
    convcli view digit.png --prepare digit                                  # and what lenet-5 gets of it
    convcli apply photo.jpg -k compass -o - --format npy | convcli view -

    Shows WHAT as one sheet of tiles, with names, sizes, ranges and scales: pictures, the frames of animations and stacks, the
    maps of .npy, .npz and .safetensors files (FILE#KEY is one array), kernels and banks, and the kernels of a network. On a
    terminal it is shown there, as large as it fits; with -o it is written to a file. Where standard output is a pipe or a file,
    -o or --protocol says what it gets.

    Exit status: 0 all is shown; 1 something cannot be read, the rest is shown; 2 wrong usage, nothing shown.
    """
    if layers and network is None:
        raise click.UsageError("--layer is one of a network; give --network too")
    if prepare is None:
        options.refuse_options(("invert",), "it says how digits are prepared; give --prepare digit")
    if values["output"] in run_batch.STANDARD_OUTPUT:
        values["output"] = "-"
    if as_json and values["output"] == "-":
        raise click.UsageError("--json and -o - both write to standard output; give a file")
    values["file_format"] = _format_for(values["output"], values["file_format"])
    sheet = run_batch.sheet_options({name: values.pop(name) for name in run_batch.SHEET_OPTIONS})
    if values["output"]:
        options.refuse_options(("protocol",), "it is about terminals, and -o writes a file")
    elif not as_json and protocol == "auto" and (sys.stdout is None or not sys.stdout.isatty()):
        raise click.UsageError(
            "standard output is no terminal; give -o FILE, -o - for the bytes of a PNG, or a --protocol, such as ascii"
        )
    registry = options.read_registry(config, no_config)
    found = tuple(map(registry.find, kernels))
    asked = weights_of(registry.network(network), layers) if network is not None else ()
    prepared = invert if prepare else ""
    request = ViewRequest(tuple(find_inputs(inputs, Search())), found, asked, sheet, prepared=prepared, **values)
    read = [split_key(input_)[0] for input_ in request.inputs]
    refuse_replacing(request.output, [*read, *registry.read_files(kernels, network)])
    if _view(request, None if request.output or as_json else protocol, as_json, quiet):
        raise SystemExit(1)


def _format_for(path: str, asked: Format | str | None) -> Format | str | None:
    """Return the format of an output, None for a terminal. Raises ArgumentError where it cannot hold a sheet."""
    if not path:
        if asked is not None:
            raise click.UsageError("--format is that of a file; give -o FILE, or -o - for standard output")
        return None
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 - the name may be no path
    found: Format | str | None = asked or (format_named("png") if path == "-" else None)
    found = found or next((name for name, suffixes in DOCUMENTS.items() if suffix in suffixes), BY_SUFFIX.get(suffix))
    if found is None:
        what = f"has the unknown suffix {suffix!r}" if suffix else "has no suffix that gives the format"
        raise ArgumentError(f"output {path!r} {what}; use .png, .webp, .svg or .html, or --format")
    if isinstance(found, Format) and not found.picture:
        raise ArgumentError(f"view draws a picture, and {found.name} holds numbers; write .png, .webp, .svg or .html")
    return found


def _view(request: ViewRequest, protocol: str | None, as_json: bool, quiet: bool) -> bool:
    """Draw, and print or write. Return whether anything could not be read. Slow imports are made here."""
    pipes = run_batch.open_pipes(request.inputs, request.output)
    from ..pipeline.view_sheet import arrange_contents, open_contents
    from ..pipeline.write_output import write_once
    from ..pipeline.write_view import encode_view

    with open_contents(request, pipes.input) as contents:
        if not contents.viewed:
            _report(contents, quiet)
            return True
        if protocol is not None:
            _show(request, contents, find_terminal(protocol))
            _report(contents, quiet)
            return bool(contents.errors)
        sheet = arrange_contents(contents, request.sheet)
        if sheet is None:
            _report(contents, quiet)
            return True
        if request.output:
            data = encode_view(request, contents, sheet, contents.notices)
            write_once(None if request.output == "-" else Path(request.output), pipes.output, lambda file: file.write(data))
    _report(contents, quiet)
    if as_json:
        with output.printing():
            click.echo(json.dumps(_facts(request, contents, sheet)))
    elif not quiet and request.output:
        count = len(sheet.tiles)
        where = "standard output" if request.output == "-" else request.output
        size = f"{sheet.layout.width} x {sheet.layout.height}"
        output.print_error(f"{where}: {count} {'tile' if count == 1 else 'tiles'} drawn on {size} pixels")
    return bool(contents.errors)


def _report(contents: "Contents", quiet: bool) -> None:
    for notice in () if quiet else dict.fromkeys(contents.notices):
        output.print_error(notice)
    for error in contents.errors:
        output.print_error(f"Error: {error}")


def _show(request: ViewRequest, contents: "Contents", terminal: Terminal) -> None:
    """Print what is viewed on a terminal."""
    from ..drawing.tile import MAX_NUMBERED
    from ..pipeline.view_sheet import arrange_contents, read_groups, sections_of
    from ..pipeline.viewed import DrawnIn
    from .terminal_view import CellPrinter, picture_of, sheet_width, tile_grid

    if terminal.shows_pixels:
        sheet = arrange_contents(contents, request.sheet, sheet_width(terminal))
        if sheet is not None:
            _write_lines([picture_of(sheet, terminal)])
        return
    sections = sections_of(contents)
    grid = tile_grid(sections, request.sheet, terminal, contents.notices)
    side = max(grid.width, MAX_NUMBERED) if request.sheet.numbers else grid.width  # a number needs its sample
    groups = read_groups(sections, DrawnIn(side), contents)
    printer = CellPrinter(terminal, grid, request.sheet)
    _write_lines(printer.lines(groups))
    contents.notices += printer.notices


def _write_lines(lines: Any) -> None:
    """Write lines to standard output, as UTF-8 whatever it announces."""
    with output.printing():
        for line in lines:
            sys.stdout.buffer.write(f"{line}\n".encode("utf-8", "replace"))


def _facts(request: ViewRequest, contents: "Contents", sheet: "ArrangedSheet") -> dict[str, Any]:
    from .json_report import tile_facts

    return {
        "output": request.output or None,
        "width": sheet.layout.width,
        "height": sheet.layout.height,
        "tiles": [tile_facts(tile) for tile in sheet.tiles],
        "notices": list(dict.fromkeys(contents.notices)),
        "errors": contents.errors,
    }
