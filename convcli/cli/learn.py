"""convcli learn: kernels, banks and networks from pictures."""

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config.field_values import as_name
from ..errors import ArgumentError, ImageError
from ..pipeline.inputs import Search, find_inputs
from ..pipeline.output_conflicts import refuse_replacing
from . import kernel_view, options, output, sliding_options
from .command_group import CommandGroup
from .messages import Messages
from .naming_picture import naming_picture

if TYPE_CHECKING:
    from ..learning.augmentation import Changes
    from ..learning.datasets import Dataset
    from ..learning.training import Progress, Training
    from ..networks.network import Network
    from ..pipeline.learn_kernel import LearnedKernel

CHANNELS = ("shared", "each", "sum")

MAX_CONFUSION = 26
"""Classes whose confusions are printed, at most."""


@click.group(cls=CommandGroup)
def command() -> None:
    """
    \b
    convcli learn kernel before.png after.png --size 5
    convcli learn kernel sharp.png blurred.png --size 7 --name lens
    convcli learn bank photos/*.jpg -o filters.npz
    convcli learn network lenet-5-modern digits.npz -o weights.npz --augment digits

    Learns kernels, banks and networks from pictures.
    """


def read_kernel_name(text: str) -> str:
    """Parse the name of a kernel. Raises ArgumentError."""
    try:
        return as_name(text)
    except ValueError as error:
        raise ArgumentError(f"name {error}") from None


@command.command("kernel", cls=options.NumbersCommand, short_help="The kernel that turns one picture into another.")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--size", type=options.PAIR["stride"], default="3", show_default=True, help="Size of the kernel: 7, or 7x5.")
@click.option("--stride", type=options.PAIR["stride"], default="1", show_default=True, help="Step of the kernel in pixels.")
@click.option(
    "--border",
    type=options.BORDER,
    help="What the padding holds.  [default: pixels whose window reaches beyond the picture are left out]",
)
@sliding_options.FLIP
@click.option("--offset", is_flag=True, help="Fit a number too that is added to all sums.")
@click.option(
    "--channels",
    type=click.Choice(CHANNELS),
    help="shared: one kernel for all channels. each: one for each. sum: one over all channels of BEFORE, for each of AFTER."
    "  [default: sum where AFTER alone is grey, else shared]",
)
@click.option("--nonnegative", is_flag=True, help="No weight below 0, as lenses and averages have it.")
@click.option("--sum", "total", type=float, metavar="S", help="The sum of the weights: 1 keeps the brightness.")
@click.option(
    "--ridge",
    type=click.FloatRange(0),
    metavar="V",
    default=0.0,
    show_default=True,
    help="Prefer small weights, as if BEFORE had noise of this variance, in squared levels.",
)
@click.option(
    "--name", type=options.ParsedText("NAME", read_kernel_name), help="Write the kernel into a config under this name."
)
@click.option(
    "-o",
    "--output",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The config that --name writes to; other kernels in it stay.  [default: kernels.toml in this folder]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def learn_kernel_command(
    before: Path, after: Path, name: str | None, config_file: Path | None, as_json: bool, quiet: bool, **values: Any
) -> None:
    """
    \b
    convcli learn kernel before.png after.png --size 5
    convcli learn kernel sharp.png blurred.png --size 7 --nonnegative --sum 1 --name lens
    convcli learn kernel photo.png grey.png --size 1                        # the weights of the channels

    Finds by least squares the kernel that turns BEFORE into AFTER, and prints it with the error of its weights. The size of
    AFTER says the padding: valid, same or full. Levels that AFTER may have clipped, black and white, are left out. --name
    writes the kernel into a config, from which -k takes it by that name.

    Exit status: 0 found; 1 a picture cannot be read; 2 wrong usage, or pictures that do not determine the kernel.
    """
    if config_file is not None and name is None:
        raise click.UsageError("-o is a config that a kernel is written to; give it a --name too")
    from ..pipeline.learn_kernel import LearnRequest, add_to_config, learn_kernel, read_picture  # they import NumPy

    messages = Messages(quiet=quiet or as_json, verbose=False)
    images = []
    for path in (before, after):
        with naming_picture(str(path)):
            images.append(read_picture(path))
        for notice in images[-1].notices:
            if not notice.endswith("not kept"):
                messages.note(f"{path}: {notice}")
    learned = learn_kernel(LearnRequest(**values), images[0], images[1], name or "learned")
    with output.printing():
        if as_json:
            click.echo(json.dumps([_facts_of(item) for item in learned], indent=2, allow_nan=False))
        elif not quiet:
            for item in learned:
                kernel_view.show_kernels(item.kernel, (item.kernel,), {}, full=False)
                output.print_wrapped(_quality_of(item), in_pipes=True)
    if name is not None:
        target = config_file or Path("kernels.toml")
        add_to_config(target, learned, f"learned from {before.name} and {after.name}")
        names = ", ".join(item.kernel.name for item in learned)
        messages.note(f"{target}: {names} added; apply it with -k {learned[0].kernel.name}")


def _quality_of(item: "LearnedKernel") -> str:
    """Return how well a kernel fits, as a sentence."""
    fit = item.fit
    clipped = f", {fit.clipped:,} clipped ones left out" if fit.clipped else ""
    unit = " levels" if item.white > 1 else ""
    share = f" ({100 * fit.explained:.5g} % of the variance explained)" if fit.explained > 0 else " (nothing explained)"
    quality = f"standard error of the weights at most {fit.errors.max():.2g}; residual {fit.residual:.3g}{unit}"
    quality += "" if math.isnan(fit.explained) else share
    return f"{quality}; condition {fit.condition:.3g}; {fit.samples:,} samples{clipped}"


def _facts_of(item: "LearnedKernel") -> dict[str, Any]:
    fit = item.fit
    return {
        "name": item.kernel.name,
        "matrix": item.kernel.matrix,
        "offset": item.kernel.offset,
        "errors": fit.errors.tolist(),
        "residual": fit.residual,
        "explained": None if math.isnan(fit.explained) else fit.explained,
        "condition": fit.condition,
        "samples": fit.samples,
        "clipped": fit.clipped,
    }


@command.command("bank", cls=options.SectionedCommand, short_help="Filters from the patches of pictures.")
@click.argument("pictures", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The filters, as .npz or .safetensors: an array 'filters' (N, C, kh, kw), which -k @FILE takes as a bank.",
)
@click.option(
    "--method",
    type=click.Choice(("sparse", "pca", "ica", "kmeans")),
    default="sparse",
    show_default=True,
    help="Sparse coding, principal components, independent components, or spherical k-means.",
)
@click.option("--filters", type=click.IntRange(1, 4096), default=64, show_default=True, help="How many.")
@click.option("--size", type=options.PAIR["stride"], default="12", show_default=True, help="Their size: 12, or 12x8.")
@click.option("--patches", type=click.IntRange(100), default=50_000, show_default=True, help="Patches to learn from.")
@click.option(
    "--whitening",
    type=click.Choice(("zca", "spectrum")),
    default="zca",
    show_default=True,
    help="Of the patches; or of whole pictures, by the filter of Olshausen and Field, before patches are whitened.",
)
@click.option("--grey", is_flag=True, help="Learn from grey levels. Otherwise pictures in colour give filters in colour.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed gives the same bytes.")
@click.option("-r", "--recursive", is_flag=True, help="Search the subfolders of a folder too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the Gabor function of each filter.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line for each filter.")
def learn_bank_command(
    pictures: tuple[str, ...], target: Path, recursive: bool, as_json: bool, quiet: bool, verbose: bool, **values: Any
) -> None:
    """
    \b
    convcli learn bank photos/*.jpg -o filters.npz
    convcli learn bank photos -o filters.npz --method ica --filters 100 --size 10
    convcli apply photo.jpg -k @filters.npz -o maps.png --sheet
    convcli view -k @filters.npz -o filters.png

    Learns filters from patches of PICTURES: files, folders or patterns. Patches are taken at random, without their mean, and
    whitened. Says how many filters are localised, oriented and bandpass, as the Gabor function that is most like each of them
    is: it explains at least half of the energy, fades inside of the filter, and has a bandwidth of at most three octaves.

    Exit status: 0 learned; 1 a picture cannot be read; 2 wrong usage.
    """
    from ..pipeline.learn_bank import BankRequest, learn_bank  # they import NumPy
    from ..pipeline.learn_kernel import read_picture
    from ..pipeline.learn_network import check_written, write_weights

    messages = Messages(quiet=quiet or as_json, verbose=verbose)
    check_written(target)
    found = find_inputs(pictures, Search(recursive=recursive))
    refuse_replacing(str(target), [given.source for given in found])
    images = []
    for given in found:
        with naming_picture(given.name):
            if given.error or given.source is None:
                raise ImageError(given.error or "is standard input; name files")
            images.append(read_picture(given.source))
    with output.Progress(messages.quiet) as bar:
        learned = learn_bank(BankRequest(**values), images, bar.show)
    write_weights(target, {"filters": learned.filters})
    with output.printing():
        if as_json:
            facts = [
                {name: _finite(getattr(fit, name)) for name in fit.__struct_fields__}
                | {"localised": fit.is_localised(learned.side), "oriented": fit.is_oriented(learned.side)}
                for fit in learned.fits
            ]
            click.echo(json.dumps({"path": str(target), "shape": list(learned.filters.shape), "filters": facts}, indent=2))
        elif verbose:
            cells = [
                [str(index), f"{fit.orientation:.0f}", f"{fit.frequency:.3f}", f"{fit.bandwidth:.1f}", f"{fit.width:.1f}",
                 f"{fit.length:.1f}", f"{100 * fit.explained:.0f} %"]
                for index, fit in enumerate(learned.fits)
            ]  # fmt: skip
            headings = ("filter", "degrees", "cycles/pixel", "octaves", "width", "length", "explained")
            output.show_columns(dict.fromkeys(headings, "right"), cells)
    count, channels, height, width = learned.filters.shape
    colour = " in colour" if channels == 3 else ""
    messages.note(
        f"{target}: {count} filters of {height} x {width}{colour}; {learned.both} localised, oriented and bandpass "
        f"({learned.localised} localised, {learned.oriented} oriented); use them with -k @{target}"
    )


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def read_changes(text: str) -> "Changes":
    """Parse none, digits, or rotation=R,scale=S,shear=H,shift=T. Raises ArgumentError."""
    from ..learning.augmentation import PRESETS, Changes

    if text in PRESETS:
        return PRESETS[text]
    known, values = tuple(Changes.__struct_fields__), {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        try:
            values[name.strip()] = float(number)
        except ValueError:
            values = {"": math.nan}
        if name.strip() not in known or not 0 <= values.get(name.strip(), math.nan) < math.inf:
            words = f"{', '.join(PRESETS)}, or some of {', '.join(f'{name}=NUMBER' for name in known)}"
            raise ArgumentError(f"augment must be {words}, each at least 0, got {text!r}")
    return Changes(**values)


@command.command("network", cls=options.SectionedCommand, short_help="Train a network on pictures with classes.")
@click.argument("network", type=options.NetworkText())
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The weights, as .npz or .safetensors: those of the epoch with the least error on held-out pictures.",
)
@click.option("--epochs", type=click.IntRange(1), default=12, show_default=True, help="How often each picture is seen.")
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True, help="Pictures for each step.")
@click.option(
    "--optimizer", type=click.Choice(("adam", "sgd")), default="adam", show_default=True, help="Adam, or SGD with momentum."
)
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), help="The largest learning rate.  [default: 0.002; for sgd 0.05]"
)
@click.option(
    "--schedule",
    type=click.Choice(("one-cycle", "constant")),
    default="one-cycle",
    show_default=True,
    help="Whether the rate rises and falls, or stays.",
)
@click.option("--momentum", type=click.FloatRange(0, 1, max_open=True), default=0.9, show_default=True, help="Of sgd.")
@click.option("--decay", type=click.FloatRange(0), default=0.0, show_default=True, help="Weight decay.")
@click.option(
    "--augment",
    "changes",
    type=options.ParsedText("CHANGES", read_changes),
    default="none",
    show_default=True,
    help="Change pictures at random: digits, or rotation=R,scale=S,shear=H,shift=T.",
)
@click.option(
    "--held-out",
    default="0.1",
    show_default=True,
    metavar="SHARE|DATA",
    help="The share of each class that is held out to measure the error, or other pictures for that.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of all that is random. The same seed gives the same weights.",
)
@click.option("--weights", type=click.Path(dir_okay=False, path_type=Path), help="Begin with these weights.")
@click.option(
    "--resume",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the state of the training in this .npz after each epoch, and go on from it where it is there.",
)
@options.with_config
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each epoch.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def learn_network_command(
    network: str,
    data: Path,
    target: Path,
    held_out: str,
    weights: Path | None,
    resume: Path | None,
    config: tuple[str, ...],
    no_config: bool,
    as_json: bool,
    quiet: bool,
    **values: Any,
) -> None:
    """
    \b
    convcli learn network lenet-5-modern digits.npz -o weights.npz --augment digits
    convcli learn network my-net pictures/ -o weights.safetensors --epochs 30     # pictures/cat/*.jpg, pictures/dog/*.jpg
    convcli learn network lenet-5 train-images-idx3-ubyte.gz -o weights.npz --resume state.npz

    Trains a network of a config file by back-propagation. DATA is a folder with a folder of pictures for each class, an .npz
    file of x (N, H, W) or (N, C, H, W) and y (N,), or an IDX file as MNIST has it, beside that of its classes. The network
    ends in a number for each class: its softmax is trained by cross-entropy, radial basis functions by the loss of LeNet-5.
    Ctrl-C ends training; the best weights so far are in the output.

    Exit status: 0 trained; 1 a picture cannot be read; 2 wrong usage, or a network that cannot be trained.
    """
    from ..learning.trained_network import TrainedNetwork
    from ..learning.training import Training, TrainingOptions  # they import NumPy
    from ..pipeline import learn_network as files

    messages = Messages(quiet=quiet or as_json, verbose=False)
    files.check_written(target)
    registry = options.read_registry(config, no_config)
    read = [data, weights, Path(held_out), *registry.read_files(network=network)]
    refuse_replacing(str(target), read)
    if resume is not None:
        refuse_replacing(str(resume), read)
        if resume.resolve() == target.resolve():
            raise ArgumentError(f"{target}: --resume keeps the state in a file of its own; give it another name than --output")
    found = registry.network(network)
    rate = values.pop("rate") or (0.05 if values["optimizer"] == "sgd" else 0.002)
    settings = TrainingOptions(rate=rate, **values)
    model = TrainedNetwork(found, settings.seed, weights=None if weights is None else files.read_weights(weights))
    learn, test = _datasets(data, held_out, found, settings.seed)
    training = Training(model, learn, test, settings)
    if resume is not None and resume.exists():
        training.restore(files.read_weights(resume))
    messages.note(f"{len(learn.classes):,} pictures to learn from, {len(test.classes):,} held out; {model.count:,} parameters")
    _train(training, target, resume, messages, as_json)
    labels = list(files.labels_for(model, test))
    best = TrainedNetwork(found, settings.seed, weights=training.best)
    with output.printing():
        if not as_json and not quiet and len(test.classes):
            _print_confusion(files.confusion(best, test), labels)
    if training.best_epoch is not None:
        messages.note(
            f"{target}: the weights of epoch {training.best_epoch + 1}, {100 * training.best_error:.2f} % wrong of "
            f"{len(test.classes):,} held out; use them with --weights {target}"
        )


def _datasets(data: Path, held_out: str, network: "Network", seed: int) -> tuple["Dataset", "Dataset"]:
    """Return the pictures to learn from, and those held out. Raises ArgumentError and ImageError."""
    from ..learning.datasets import split
    from ..pipeline.learn_network import read_dataset

    try:
        share = float(held_out)
    except ValueError:
        return read_dataset(data, network), read_dataset(Path(held_out), network)
    if not 0 <= share < 1:
        raise ArgumentError(f"held-out must be a share from 0 to less than 1, or a file or folder, got {held_out!r}")
    return split(read_dataset(data, network), share, seed)


def _train(training: "Training", target: Path, resume: Path | None, messages: Messages, as_json: bool) -> None:
    """Train, write the best weights after each epoch that has them, and report. Ctrl-C ends it with what there is."""
    from ..pipeline.learn_network import write_weights

    began = time.monotonic()
    first = training.epoch
    try:
        with output.Progress(messages.quiet or as_json) as bar:
            for state in training.run():
                if state.held_out is None:
                    bar.show(state.step, state.steps)
                    continue
                if state.is_best:
                    write_weights(target, training.best)
                if resume is not None:
                    write_weights(resume, training.state())
                seconds = time.monotonic() - began
                left = seconds / (training.epoch - first) * (training.options.epochs - training.epoch)
                _report_epoch(state, training.options.epochs, seconds, left, messages, as_json)
    except KeyboardInterrupt:
        done = f"after {training.epoch} of {training.options.epochs} epochs"
        kept = f"the best weights so far are in {target}" if training.best_epoch is not None else "nothing is written yet"
        output.print_error(f"interrupted {done}; {kept}")
        raise


def _report_epoch(state: "Progress", epochs: int, seconds: float, left: float, messages: Messages, as_json: bool) -> None:
    if as_json:
        facts = {"epoch": state.epoch + 1, "loss": state.loss, "error": state.error, "held_out": state.held_out}
        with output.printing():
            click.echo(json.dumps(facts | {"best": state.is_best, "seconds": round(seconds, 3)}, allow_nan=False))
        return
    held = f"{100 * (state.held_out or 0):.2f} % held out"
    messages.note(
        f"epoch {state.epoch + 1}/{epochs}: loss {state.loss:.4f}, wrong {100 * state.error:.2f} %, {held}"
        f"{', the least' if state.is_best else ''}; {seconds:.1f} s, {left:.0f} s left"
    )


def _print_confusion(counts: Any, labels: list[str]) -> None:
    """Print how often each class was found for each; large tables are left out."""
    if len(labels) > MAX_CONFUSION:
        return
    rows = [
        [label, *("" if not count else str(count) for count in row)] for label, row in zip(labels, counts.tolist(), strict=True)
    ]
    click.echo("held-out pictures by their class (rows) and the class that was found:")
    output.show_columns({"": "left", **dict.fromkeys(labels, "right")}, rows)
