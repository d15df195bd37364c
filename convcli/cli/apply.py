"""convcli apply: slide kernels over pictures."""

import sys
from pathlib import Path
from typing import Any

import click

from ..core.words import METHODS
from ..errors import ArgumentError, OutputError
from ..images.formats import MAX_PIXELS
from ..jobs.inputs import Input, Search, find_inputs, read_names
from ..jobs.naming import make_tasks
from ..jobs.request import DEPTHS, Request
from ..kernels.grammar import parse_kernel
from ..kernels.kernel import CHANNELS, feature_maps, unique_names
from ..kernels.weights import WeightsFile
from . import options, render
from .report import Report, Tally

COMPILING = "compiling for this processor what this run is the first to need (convcli cache warm does so for all) ..."
COMPILING_ALWAYS = "compiling for this processor, on each run, as no folder can be written to (see convcli cache info) ..."


@click.command(no_args_is_help=True)
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option(
    "-k",
    "--kernel",
    "kernels",
    multiple=True,
    required=True,
    type=options.KernelText(),
    help="A name (sharpen), with parameters (gaussian:sigma=2), turned (sobel-x@90), a matrix "
    "('0 -1 0; -1 5 -1; 0 -1 0', fractions such as 1/9 too), or a file (@weights.npy, @weights.npz#KEY). "
    "Several -k give several feature maps.",
)
@click.option(
    "-o",
    "--output",
    default="",
    metavar="OUTPUT",
    help="A file, whose suffix gives the format; a folder, with / at its end; a template such as "
    "'out/{stem}_{kernel}.png'; or - for standard output. .npy, .npz and .tif hold stacks of float maps.",
)
@click.option(
    "--format", "form", type=options.FORMAT, help="png, jpeg, tiff, webp, bmp, ppm, npy or npz, whatever the suffix says."
)
@click.option(
    "--stride",
    type=options.PAIR["stride"],
    default="1",
    envvar="CONVCLI_STRIDE",
    show_envvar=True,
    show_default=True,
    help="Step of the kernel in pixels.",
)
@click.option(
    "--padding",
    type=options.PADDING,
    default="same",
    envvar="CONVCLI_PADDING",
    show_envvar=True,
    show_default=True,
    help="valid: none. same: the output has the size of the input. same-upper, same-lower: as ONNX pads for a stride, the odd "
    "pixel behind or before. full: every overlap. Or pixels: 2, 2x1, or TOP,BOTTOMxLEFT,RIGHT.",
)
@click.option(
    "--border",
    type=options.BORDER,
    default="reflect",
    envvar="CONVCLI_BORDER",
    show_envvar=True,
    show_default=True,
    help="What the padding holds: zero, a number, edge (a a a|a b c d|d d d), reflect (d c b|a b c d|c b a), "
    "symmetric (c b a|a b c d|d c b), wrap (b c d|a b c d|a b c).",
)
@click.option("--dilation", type=options.PAIR["dilation"], default="1", show_default=True, help="Pixels from tap to tap.")
@click.option(
    "--flip/--no-flip",
    default=False,
    envvar="CONVCLI_FLIP",
    show_envvar=True,
    show_default=True,
    help="Turn the kernel by 180 degrees first: the mathematical convolution. Without it, a kernel slides as written.",
)
@click.option(
    "--channels",
    type=click.Choice(CHANNELS),
    default="each",
    envvar="CONVCLI_CHANNELS",
    show_envvar=True,
    show_default=True,
    help="Every channel on its own, one map summed over the channels, or grey (0.299 R + 0.587 G + 0.114 B) first.",
)
@click.option(
    "--range",
    "rule",
    type=options.RANGE,
    default="auto",
    envvar="CONVCLI_RANGE",
    show_envvar=True,
    show_default=True,
    help="How a response becomes levels. clip: as it is. abs: without its sign. center: 0 becomes mid-grey. "
    "stretch: minimum to maximum becomes black to white. LO..HI: so does LO to HI. auto: abs for kernels that sum to "
    "zero and have negative weights, else clip. Float outputs are always raw.",
)
@click.option(
    "--depth",
    type=click.Choice(DEPTHS),
    default="same",
    show_default=True,
    help="float writes even a single map as raw 32-bit TIFF.",
)
@click.option(
    "--png-level",
    type=click.IntRange(0, 9),
    metavar="N",
    default=1,
    show_default=True,
    help="PNG compression: 0 none, 1 fast, 9 small and slow.",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    metavar="N",
    default=92,
    show_default=True,
    help="JPEG and WebP; 100 makes WebP lossless.",
)
@click.option("--in-place", is_flag=True, help="Replace each picture by its feature map, instead of -o.")
@click.option("-r", "--recursive", is_flag=True, help="Look into the folders below a folder too.")
@click.option("--hidden", is_flag=True, help="Take hidden files and folders of a folder or a pattern too.")
@click.option(
    "--files-from",
    type=click.Path(allow_dash=True),
    metavar="FILE",
    help="More inputs, one a line of this file, or of standard input for -.",
)
@click.option("-0", "--null", is_flag=True, help="The names of --files-from end with NUL bytes, as find -print0 writes them.")
@click.option(
    "--base",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="Mirror the folders between this one and each input, wherever it was named or found.",
)
@click.option("--shard", type=options.SHARD, help="Do part I of N of the inputs, the same part on any machine.")
@click.option("--flat", is_flag=True, help="Write all into one folder, not into the folders that the inputs were found in.")
@options.with_config
@click.option(
    "--overwrite", is_flag=True, help="Replace files in a folder or of a template; a single named file is replaced anyway."
)
@click.option(
    "--skip-existing",
    is_flag=True,
    help="Leave outputs as they are that were made of the same input with the same kernels and options.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(1),
    default=MAX_PIXELS,
    show_default=True,
    help="Refuse larger pictures by their header.",
)
@click.option(
    "--max-memory",
    type=options.SIZE,
    help="Refuse pictures that take more with their maps, by their header, and work on fewer at a time, such as 2G or 500M."
    "  [default: three quarters of what is free]",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Pictures at a time, or bands of one picture.  [default: the processors that this process may use]",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    help="How the sums are made. direct: tap by tap. separable: columns, then rows. box: with running sums."
    " fft: by spectra."
    "  [default: what costs least]",
)
@click.option("--explain", is_flag=True, help="Tell for each kernel which method is taken, why, and what it takes.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first picture that fails.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each picture, and one for all at the end.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write these JSON lines to a file, as the pictures are done; - is --json.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Read the inputs and say what would be written; write nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Say more: sizes, kernels, counts.")
def command(
    kernels: tuple[str, ...],
    config: tuple[str, ...],
    no_config: bool,
    fail_fast: bool,
    as_json: bool,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    **wishes: Any,
) -> None:
    """
    \b
    convcli apply photo.jpg -k sharpen -o sharp.jpg
    convcli apply photo.jpg -k gaussian:sigma=2 --border edge -o soft.png
    convcli apply photo.jpg -k '0 -1 0; -1 5 -1; 0 -1 0' -o sharp.png
    convcli apply photo.jpg -k sobel-x -k sobel-y -o maps.npy
    convcli apply *.jpg -k emboss -o out/
    convcli apply -r photos -k unsharp -o out/
    convcli apply 'photos/**/*.png' -k sobel -o 'out/{relpath}/{stem}_{kernel}.png'
    find photos -newer last -print0 | convcli apply --files-from - -0 -k edge -o out/
    curl -s $URL | convcli apply - -k edge --format png -o - > edges.png

    Slides one or more kernels over each INPUT and writes the feature maps. An INPUT is a picture, a .npy array, a folder of
    them, a quoted pattern with *, ?, [a-z] or ** for any folders, or - for standard input.
    One line on standard error tells each map's minimum and maximum, and which share of it was cut.

    Exit status: 0 all done; 1 an input failed, the others are done; 2 wrong usage, nothing written.
    """
    if quiet and verbose:
        raise click.UsageError("-q and -v exclude each other")
    if wishes["report"] == "-":
        as_json, wishes["report"] = True, None
    if dry_run and wishes["report"]:
        raise click.UsageError("--report writes a file, and -n writes nothing; print the lines with --json")
    if bool(wishes["output"]) == wishes["in_place"]:
        both = (
            "-o and --in-place exclude each other" if wishes["in_place"] else "Missing option '-o' / '--output', or --in-place"
        )
        raise click.UsageError(both)
    catalogue = options.read_catalogue(config, no_config)
    wishes |= options.read_defaults(catalogue, {"range": "rule"})
    weights = [str(asked.path) for asked in map(parse_kernel, kernels) if isinstance(asked, WeightsFile)]
    maps = [one for text in kernels for one in feature_maps(catalogue.find(text))]
    listing = [wishes["files_from"]] if wishes["files_from"] not in (None, "-") else []
    request = Request(
        inputs=tuple(_inputs(wishes)),
        maps=tuple(unique_names(maps)),
        also_read=(*weights, *listing, *map(str, catalogue.read_files())),
        form=wishes.pop("form"),
        range=wishes.pop("rule"),
        threads=wishes.pop("jobs"),
        **wishes,
    )
    tasks = make_tasks(request)
    voice = render.Voice(quiet=quiet, verbose=verbose)
    if as_json and request.output == "-":
        raise click.UsageError("--json and -o - both write to standard output; use --report FILE")
    if not request.inputs:
        voice.note("the list names no input: nothing to do")
    if request.method is not None:
        from ..jobs.respond import check_method

        check_method(request)
    with Report(as_json, request.report) as report:
        failed = _work(request, tasks, dry_run, fail_fast, voice, report)
    if failed:
        raise SystemExit(1)


def _inputs(wishes: dict[str, Any]) -> list[Input]:
    """The pictures that are meant, by the words and the list of names; takes what it reads out of the wishes."""
    words, listing, null = (wishes.pop(name) for name in ("inputs", "files_from", "null"))
    search = Search(*(wishes.pop(name) for name in ("recursive", "hidden", "base")))
    if listing is None:
        if null:
            raise click.UsageError("-0 tells how the names of --files-from end; give --files-from too")
        if not words:
            raise ArgumentError("no input; name a picture, or - for standard input")
        return find_inputs(words, search)
    if listing == "-" and "-" in words:
        raise ArgumentError("standard input cannot be both a picture and the list of names")
    if listing == "-" and sys.stdin is None:
        raise click.UsageError("standard input is closed")
    try:
        data = sys.stdin.buffer.read() if listing == "-" else Path(listing).read_bytes()
    except OSError as error:
        raise ArgumentError(f"{listing}: the list of names cannot be read: {error.strerror}") from None
    if b"\0" in data and not null:
        raise ArgumentError(f"{listing}: the list of names holds NUL bytes; give -0 if the names end with them")
    return find_inputs(words, search, read_names(data, null))


def _work(request: Request, tasks: list[Any], dry_run: bool, fail_fast: bool, voice: render.Voice, report: Report) -> int:
    """Carry the tasks out and tell of each; return how many failed. What is heavy to import is imported here."""
    pipes = _pipes(request)
    from ..core.codefolder import code_folder
    from ..core.compiler import on_compiling
    from ..jobs.batch import finished_by, run_tasks

    on_compiling(lambda: voice.note(COMPILING if code_folder() else COMPILING_ALWAYS))
    tally = Tally(len(tasks))
    outcome = None
    with render.progress(len(tasks), voice.quiet) as advance:
        outcomes = run_tasks(request, tasks, pipes, dry_run=dry_run, fail_fast=fail_fast)
        try:
            for outcome in outcomes:
                report.outcome(outcome)
                tally.add(outcome.status)
                voice.outcome(outcome, dry_run=dry_run and not report.prints)
                advance()
        except (KeyboardInterrupt, SystemExit) as interruption:
            begun = [] if outcome is None else [outcome]
            for finished in (*begun, *finished_by(outcomes, interruption)):
                report.outcome(finished)
            raise
    voice.summary(tally)
    report.summary(tally)
    return tally.failed


def _pipes(request: Request) -> Any:
    """Standard input and output, checked: a terminal is no place for pixels."""
    from ..jobs.run import Pipes

    if request.output == "-":
        if sys.stdout is None:
            raise OutputError("standard output is closed")
        if sys.stdout.isatty():
            raise OutputError("standard output is a terminal; send it to a file or a pipe, or give -o FILE")
    reads = any(one.source is None for one in request.inputs)
    if reads:
        if sys.stdin is None:
            raise click.UsageError("standard input is closed")
        if sys.stdin.isatty():
            raise click.UsageError("standard input is a terminal; send a picture to it, such as < photo.jpg")
    return Pipes(input=sys.stdin.buffer if reads else None, output=sys.stdout.buffer if request.output == "-" else None)
