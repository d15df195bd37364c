"""The classes of pictures, as 'convcli run' prints them where no output is asked for."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..networks.network import Network
from ..pipeline.inputs import Input
from ..pipeline.loaded_network import LoadedNetwork
from ..pipeline.network_request import NetworkRequest
from . import options, output, run_batch
from .messages import Messages

if TYPE_CHECKING:
    from ..pipeline.classify import Classified

WIDEST_NAME = 60
"""Letters of a name up to which columns are as wide as the widest name."""

FOR_OUTPUTS = (
    "file_format", "rule", "depth", "png_level", "quality", "compression", "strip", "keep_times", "sheet", "overwrite",
    "skip_existing", "no_sync", "report", "html", "frames", "flat", "base", "shard",
)  # fmt: skip
"""Options of 'run' that are about outputs."""


def is_classifier(network: Network) -> bool:
    """Whether a network gives one vector: numbers for classes."""
    if network.unfinished or len(network.output_layers()) > 1:
        return False
    return network.channel_counts()[network.layer_named(network.output_layers()[0])].after is None


def command(network: Network, values: dict[str, Any], top: int, **how: Any) -> None:
    """Print the best classes of each picture. Raises SystemExit with status 1 where one has none.

    ``how`` are fields of the request: how pictures enter the network.
    """
    options.refuse_options(FOR_OUTPUTS, f"network {network.name!r} prints classes where there is no -o")
    model = LoadedNetwork(network)
    inputs = run_batch.pop_inputs(values)["inputs"]
    kept = {name: values[name] for name in ("max_pixels", "axes", "allow_truncated", "max_memory")}
    request = NetworkRequest(inputs=inputs, output="-", maps=model.maps, model=model, threads=values["jobs"], **how, **kept)
    messages = Messages(values["quiet"], values["verbose"])
    pipes = run_batch.open_pipes(inputs, "")
    from ..pipeline.classify import classify  # it imports NumPy

    run_batch.report_compiling(messages)
    failed, dry_run = 0, values["dry_run"]
    table = Table([_name(given) for given in inputs], network.labels, 0 if dry_run else top)
    with output.printing():
        for found in classify(request, pipes.input, values["fail_fast"], dry_run):
            name = _name(found.input)
            failed += bool(found.error)
            if values["as_json"]:
                click.echo(json.dumps(_facts_of(found, name, top), ensure_ascii=False))
            elif found.error:
                output.print_error(f"Error: {name}: {found.error}")
            else:
                for notice in found.notices:
                    if not notice.endswith("not kept"):
                        messages.note(f"{name}: {notice}")
                click.echo(table.line(name, found))
    if failed:
        raise SystemExit(1)


def _name(given: Input) -> str:
    return given.name if given.source is not None else "standard input"


class Table:
    """Lines of pictures with their classes, in columns where there are several pictures."""

    def __init__(self, names: Sequence[str], labels: Sequence[str], top: int) -> None:
        many = len(names) > 1
        widest = max((len(output.escaped(name)) for name in names), default=0)
        self._name_width = min(widest, WIDEST_NAME) + 1 if many else 0
        self._label_width = max(map(len, labels), default=1) if many else 0
        self._top = top

    def line(self, name: str, found: "Classified") -> str:
        """Return the line of a picture: how it enters the network where there are no classes to show."""
        best = zip(found.labels[: self._top], found.scores[: self._top], strict=True)
        classes = ", ".join(f"{label:{self._label_width}} ({score:.2f})" for label, score in best) or found.entered
        return f"{output.escaped(f'{name}:'):{self._name_width}} {output.escaped(classes)}"


def _facts_of(found: "Classified", name: str, top: int) -> dict[str, Any]:
    if found.error:
        return {"input": name, "error": found.error}
    if found.entered:
        return {"input": name, "entered": found.entered}
    best = zip(found.labels[:top], found.scores[:top], strict=True)
    return {"input": name, "classes": [{"label": label, "score": score} for label, score in best]}
