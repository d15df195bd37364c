"""The report for machines: a JSON line for each picture, and a summary line."""

import contextlib
import json
import math
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

import click

from ..errors import ArgumentError, OutputError
from .counts import Counts
from .output import printing

if TYPE_CHECKING:
    from ..drawing.sheet import TileFacts
    from ..pipeline.map_source import Explanation
    from ..pipeline.process_image import Outcome
    from ..pipeline.written import Written


MAX_LINE_BYTES = 16 << 20
"""Longest line of a report that is read: a picture with thousands of feature maps."""


class Report:
    """Writes JSON lines to standard output, to a file, to both or to neither, each as soon as its picture is done."""

    def __init__(self, prints: bool, path: str | None, explains: bool = False) -> None:
        self.prints = prints
        self.explains = explains
        self.path = path
        self.file: IO[str] | None = None
        self.last_outcome: Outcome | None = None

    def __enter__(self) -> "Report":
        if self.path is not None:
            try:
                _refuse_other_file(Path(self.path))
                Path(self.path).parent.mkdir(parents=True, exist_ok=True)
                self.file = open(self.path, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - closed at the end of the block
            except ArgumentError:
                raise
            except (OSError, ValueError) as error:
                raise OutputError(f"{self.path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.file is not None:
            with contextlib.suppress(OSError):  # every line was flushed, or its error reported
                self.file.close()

    def outcome(self, outcome: "Outcome") -> None:
        """Write the line of a picture. An outcome that was written last is not written again."""
        if outcome is self.last_outcome:
            return
        self._write(outcome_facts(outcome, self.explains), outcome)

    def summary(self, counts: Counts) -> None:
        """Write the counts of a run as one line."""
        self._write(counts.by_name)

    def _write(self, value: dict[str, Any], outcome: "Outcome | None" = None) -> None:
        if not self.prints and self.file is None:
            return
        line = json.dumps(value)  # in ASCII, so that no name can break a terminal or a line
        if self.prints:
            with printing():
                click.echo(line)
        # Set before the write. Python handles a signal after it, when the line is in the file, flushed or not.
        self.last_outcome = outcome
        if self.file is not None:
            try:
                self.file.write(line + "\n")
                self.file.flush()
            except OSError as error:
                raise OutputError(f"{self.path}: cannot be written: {error.strerror or error}") from error


def _refuse_other_file(path: Path) -> None:
    """Raise ArgumentError where the file exists and is not a report, so that a typing error cannot destroy it."""
    if path.is_file():
        with path.open("rb") as file:
            line = file.readline(MAX_LINE_BYTES)
        try:
            value = json.loads(line or b'{"not_tried": 0}')
        except (ValueError, RecursionError):  # not JSON; brackets nested too deep for the parser
            value = None
        if not isinstance(value, dict) or not ("not_tried" in value or {"input", "status", "outputs", "notices"} <= set(value)):
            raise ArgumentError(f"{path}: exists already and is not a report; give another name for the report")


def outcome_facts(outcome: "Outcome", explains: bool) -> dict[str, Any]:
    """Return what is reported of a picture, in JSON and on the page of --html; how maps were computed where it ``explains``."""
    return {
        "input": outcome.task.name,
        "status": outcome.status,
        "outputs": [_map_facts(written, explains) for written in outcome.written],
        "skipped": [str(target.path) for target in outcome.skipped],
        "notices": list(outcome.notices),
        "error": None if outcome.error is None else str(outcome.error),
    }


def _map_facts(written: "Written", explains: bool) -> dict[str, Any]:
    """Return the facts of a feature map: file, name, shape (H, W, C), rule, statistics. NaN and infinity are null."""
    facts: dict[str, Any] = {
        "path": None if written.target.path is None else str(written.target.path),
        "map": written.map,
        "shape": list(written.shape),
        "maps": len(written.maps),
        "frames": written.frames,
        "range": written.rule,
    }
    if explains and written.explanations:
        facts["ways"] = [_explanation_facts(explanation) for explanation in written.explanations]
    if written.tiles:
        facts["tiles"] = [tile_facts(tile) for tile in written.tiles]
    statistics = written.statistics
    if statistics is None:
        return facts
    limits = {"low": statistics.low, "high": statistics.high, "minimum": statistics.minimum, "maximum": statistics.maximum}
    counts = {"below": statistics.below, "above": statistics.above, "unknown": statistics.unknown, "count": statistics.count}
    return facts | {name: _finite(value) for name, value in limits.items()} | counts


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def tile_facts(tile: "TileFacts") -> dict[str, Any]:
    """Return what a tile of a sheet shows, and its scale: null for a picture, and where nothing is finite."""
    scale = tile.scale
    return {
        "group": tile.group,
        "name": tile.name,
        "kind": tile.kind,
        "shape": list(tile.shape),
        "minimum": _finite(tile.minimum),
        "maximum": _finite(tile.maximum),
        "scale": None if scale is None else {"low": scale.low, "high": scale.high, "signed": scale.signed},
        "colormap": tile.colormap,
        "below": tile.counts.below,
        "above": tile.counts.above,
        "unknown": tile.counts.unknown,
    }


def _explanation_facts(explanation: "Explanation") -> dict[str, Any]:
    """Return how a kernel was computed: method, reason, rank, multiply-adds, bytes per thread, largest error."""
    choice = explanation.choice
    return {
        "kernel": explanation.kernel,
        "method": choice.method,
        "reason": choice.reason,
        "rank": explanation.rank,
        "per_sample": choice.cost,
        "direct": choice.direct_cost,
        "multiply_adds": explanation.multiply_adds,
        "memory": explanation.memory,
        "error": choice.error,
    }
