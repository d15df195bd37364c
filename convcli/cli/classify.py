"""The classes of pictures, as 'convcli run' prints them where no output is asked for."""

import json
from typing import TYPE_CHECKING, Any

import click

from ..networks.network import Network
from ..pipeline.loaded_network import LoadedNetwork
from ..pipeline.network_request import NetworkRequest
from . import options, output, run_batch
from .messages import Messages

if TYPE_CHECKING:
    from ..pipeline.classify import Classified

FOR_OUTPUTS = (
    "file_format", "rule", "depth", "png_level", "quality", "compression", "strip", "keep_times", "sheet", "overwrite",
    "skip_existing", "no_sync", "report", "html", "dry_run", "frames", "flat", "base", "shard",
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
    failed = 0
    with output.printing():
        for found in classify(request, pipes.input, values["fail_fast"]):
            name = found.input.name if found.input.source is not None else "standard input"
            failed += bool(found.error)
            if values["as_json"]:
                click.echo(json.dumps(_facts_of(found, name, top), ensure_ascii=False))
            elif found.error:
                output.print_error(f"Error: {name}: {found.error}")
            else:
                for notice in found.notices:
                    if not notice.endswith("not kept"):
                        messages.note(f"{name}: {notice}")
                best = zip(found.labels[:top], found.scores[:top], strict=True)
                click.echo(output.escaped(f"{name}: {', '.join(f'{label} ({score:.2f})' for label, score in best)}"))
    if failed:
        raise SystemExit(1)


def _facts_of(found: "Classified", name: str, top: int) -> dict[str, Any]:
    if found.error:
        return {"input": name, "error": found.error}
    best = zip(found.labels[:top], found.scores[:top], strict=True)
    return {"input": name, "classes": [{"label": label, "score": score} for label, score in best]}
