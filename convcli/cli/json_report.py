"""What became of each picture, for machines: one JSON line each, and one for all."""

import contextlib
import dataclasses
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
    from ..pipeline.map_source import Explanation
    from ..pipeline.process_image import Outcome, Written


LONGEST_LINE = 16 << 20
"""Bytes of a line of a report: a picture with thousands of feature maps."""


class Report:
    """Writes JSON lines to standard output, to a file, to both or to neither. Each line is there once its picture is done."""

    def __init__(self, prints: bool, path: str | None) -> None:
        self.prints = prints
        self.path = path
        self.file: IO[str] | None = None
        self.told: Outcome | None = None

    def __enter__(self) -> "Report":
        if self.path is not None:
            try:
                _refuse_other(Path(self.path))
                Path(self.path).parent.mkdir(parents=True, exist_ok=True)
                self.file = open(self.path, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - closed at the end of the block
            except ArgumentError:
                raise
            except (OSError, ValueError) as error:
                raise OutputError(f"{self.path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.file is not None:
            with contextlib.suppress(OSError):  # every line was flushed, or its error told
                self.file.close()

    def outcome(self, outcome: "Outcome") -> None:
        """One picture: its name, whether it is done, its feature maps, notices, and the error. Twice the same is told once."""
        if outcome is self.told:
            return
        self._write(
            {
                "input": outcome.task.name,
                "status": outcome.status,
                "outputs": [_described(written) for written in outcome.written],
                "skipped": [str(target.path) for target in outcome.skipped],
                "notices": list(outcome.notices),
                "error": None if outcome.error is None else str(outcome.error),
            },
            outcome,
        )

    def summary(self, tally: Counts) -> None:
        """All pictures: how many are done, skipped, failed, and not tried after --fail-fast."""
        self._write(dataclasses.asdict(tally) | {"not_tried": tally.not_tried})

    def _write(self, value: dict[str, Any], told: "Outcome | None" = None) -> None:
        line = json.dumps(value)  # in ASCII, so that no name can break a terminal or a line
        if self.prints:
            with printing():
                click.echo(line)
        self.told = told  # a signal is heeded after a call: the line is in the file then, whether or not it is flushed
        if self.file is not None:
            try:
                self.file.write(line + "\n")
                self.file.flush()
            except OSError as error:
                raise OutputError(f"{self.path}: cannot be written: {error.strerror or error}") from error


def _refuse_other(path: Path) -> None:
    """Raise ArgumentError where there is a file that is no report: a slip would cost it."""
    if path.is_file():
        with path.open("rb") as file:
            line = file.readline(LONGEST_LINE)
        try:
            held = json.loads(line or b'{"not_tried": 0}')
        except (ValueError, RecursionError):  # no JSON; brackets too deep for its reader
            held = None
        if not isinstance(held, dict) or not ("not_tried" in held or {"input", "status", "outputs", "notices"} <= set(held)):
            raise ArgumentError(f"{path}: exists already and is no report; give another name for the report")


def _described(written: "Written") -> dict[str, Any]:
    """A feature map: its file, name, (height, width, channels), rule, and what was in it; numbers that are none are null."""
    facts: dict[str, Any] = {
        "path": None if written.target.path is None else str(written.target.path),
        "map": written.map,
        "shape": list(written.shape),
        "maps": len(written.maps),
        "range": written.rule,
    }
    if written.explanations:
        facts["ways"] = [_told(way) for way in written.explanations]
    statistics = written.statistics
    if statistics is None:
        return facts
    limits = {"low": statistics.low, "high": statistics.high, "minimum": statistics.minimum, "maximum": statistics.maximum}
    counts = {"below": statistics.below, "above": statistics.above, "unknown": statistics.unknown, "count": statistics.count}
    return facts | {name: value if math.isfinite(value) else None for name, value in limits.items()} | counts


def _told(way: "Explanation") -> dict[str, Any]:
    """How a kernel was computed: the method and why, its rank, multiply-adds, bytes for each thread, and the largest error."""
    choice = way.choice
    return {
        "kernel": way.kernel,
        "method": choice.method,
        "reason": choice.reason,
        "rank": way.rank,
        "multiply_adds": way.multiply_adds,
        "memory": way.memory,
        "error": choice.error,
    }
