"""convcli learn network: trains a network on pictures with classes."""

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ArgumentError
from ..pipeline.output_conflicts import refuse_replacing
from . import options, output
from .messages import Messages

if TYPE_CHECKING:
    from ..learning.augmentation import Changes
    from ..learning.datasets import Dataset
    from ..learning.training import Progress, Training
    from ..networks.network import Network
    from ..pipeline.training_sheets import TrainingSheets

MAX_CONFUSION = 26
"""Classes whose confusions are printed, at most."""


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


@click.command("network", cls=options.SectionedCommand, short_help="Train a network on pictures with classes.")
@click.argument("network", type=options.NetworkText())
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The weights, as .npz or .safetensors: those of the epoch with the least error held out, or of the last.",
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
    help="The share of each class that is held out to measure the error, 0 for none, or other pictures for that.",
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
@click.option(
    "--sheets",
    "sheets_folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Draw the kernels of the first layer after each epoch into this folder, as one PNG each.",
)
@options.with_config
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each epoch.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def command(
    network: str,
    data: Path,
    target: Path,
    held_out: str,
    weights: Path | None,
    resume: Path | None,
    sheets_folder: Path | None,
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
    from ..pipeline.training_sheets import TrainingSheets

    messages = Messages(quiet=quiet or as_json, verbose=False)
    files.check_written(target)
    registry = options.read_registry(config, no_config)
    read = [data, Path(held_out), *([] if weights is None else [weights]), *registry.read_files(network=network)]
    _refuse_replacing(target, resume, read)
    found = registry.network(network)
    rate = values.pop("rate") or (0.05 if values["optimizer"] == "sgd" else 0.002)
    settings = TrainingOptions(rate=rate, **values)
    given = None if weights is None else files.read_weights(weights)
    model = TrainedNetwork(found, settings.seed, weights=given)
    if given is not None and not given.keys() & model.parameters.keys():
        raise ArgumentError(
            f"{weights}: holds no array of network {network!r}, such as {next(iter(model.parameters), 'none')}; "
            "give another file"
        )
    learn, test = _datasets(data, held_out, found, settings.seed)
    training = Training(model, learn, test, settings)
    if resume is not None and resume.exists():
        training.restore(files.read_weights(resume))
    sheets = None if sheets_folder is None else TrainingSheets(model, sheets_folder, range(training.epoch, settings.epochs))
    messages.note(f"{len(learn.classes):,} pictures to learn from, {len(test.classes):,} held out; {model.count:,} parameters")
    _train(training, target, resume, sheets, messages, as_json)
    _report_result(training, target, messages, prints=not (as_json or quiet))


def _refuse_replacing(target: Path, resume: Path | None, read: list[Path]) -> None:
    """Raise ArgumentError where the weights or the state would replace a file that is read, or each other."""
    refuse_replacing(str(target), read)
    if resume is not None:
        refuse_replacing(str(resume), read)
        if resume.resolve() == target.resolve():
            raise ArgumentError(f"{target}: --resume keeps the state in a file of its own; give it another name than --output")


def _report_result(training: "Training", target: Path, messages: Messages, prints: bool) -> None:
    """Tell the names of the classes, print how often each was found for each, and tell where the weights are."""
    from ..learning.trained_network import TrainedNetwork
    from ..pipeline.learn_network import confusion, labels_for

    network, learn, test = training.network.network, training.learn, training.held_out
    if not network.labels and learn.labels != tuple(map(str, range(len(learn.labels)))):
        messages.note(f"the classes by their numbers, for the network in a config: labels = {json.dumps(learn.labels)}")
    if prints and len(test.classes):
        best = TrainedNetwork(network, training.options.seed, weights=training.best)
        with output.printing():
            _print_confusion(confusion(best, test), list(labels_for(best, test)))
    if training.best_epoch is not None:
        error = f", {100 * training.best_error:.2f} % wrong of {len(test.classes):,} held out" if len(test.classes) else ""
        messages.note(f"{target}: the weights of epoch {training.best_epoch + 1}{error}; use them with --weights {target}")


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


def _train(
    training: "Training",
    target: Path,
    resume: Path | None,
    sheets: "TrainingSheets | None",
    messages: Messages,
    as_json: bool,
) -> None:
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
                if sheets is not None:
                    sheets.write(training.epoch)
                seconds = time.monotonic() - began
                left = seconds / (training.epoch - first) * (training.options.epochs - training.epoch)
                _report_epoch(training, state, (seconds, left), messages, as_json)
    except KeyboardInterrupt:
        done = f"after {training.epoch} of {training.options.epochs} epochs"
        kept = f"the best weights so far are in {target}" if training.best_epoch is not None else "nothing is written yet"
        output.print_error(f"interrupted {done}; {kept}")
        raise


def _report_epoch(
    training: "Training", state: "Progress", times: tuple[float, float], messages: Messages, as_json: bool
) -> None:
    """Report an epoch. ``times`` are the seconds since the first one, and those that are left."""
    has_test = len(training.held_out.classes) > 0
    if as_json:
        facts: dict[str, Any] = {"epoch": state.epoch + 1, "loss": state.loss, "error": state.error}
        facts |= {"held_out": state.held_out if has_test else None, "best": state.is_best, "seconds": round(times[0], 3)}
        with output.printing():
            click.echo(json.dumps(facts, allow_nan=False))
        return
    held = f", {100 * (state.held_out or 0):.2f} % held out{', the least' if state.is_best else ''}" if has_test else ""
    messages.note(
        f"epoch {state.epoch + 1}/{training.options.epochs}: loss {state.loss:.4f}, wrong {100 * state.error:.2f} %{held}; "
        f"{times[0]:.1f} s, {times[1]:.0f} s left"
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
