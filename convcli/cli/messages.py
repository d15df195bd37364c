"""Messages of a run on standard error: a line for each feature map, notices, errors, a summary."""

from typing import TYPE_CHECKING

import click

from .output import escaped, number, print_error, printing, share

if TYPE_CHECKING:
    from ..pipeline.map_source import Explanation
    from ..pipeline.process_image import Outcome
    from ..pipeline.written import Written
    from .counts import Counts


class Messages:
    """Prints messages to standard error, as ``-q`` and ``-v`` ask.

    The notices of a batch are collected, and ``collected_notices`` prints each of them once. With ``-v`` each picture has its
    own.
    """

    def __init__(self, quiet: bool, verbose: bool, is_batch: bool = False, explains: bool = False) -> None:
        self.quiet = quiet
        self.explains = explains
        self.verbose = verbose and not quiet
        self.collects = is_batch and not self.verbose
        self.names_by_notice: dict[str, list[str]] = {}

    def note(self, text: str) -> None:
        """Print a line, unless quiet."""
        if not self.quiet:
            print_error(text)

    def outcome(self, outcome: "Outcome", dry_run: bool) -> None:
        """Report one picture. The plan of a dry run is its result, and goes to standard output."""
        name = "standard input" if outcome.task.source is None else outcome.task.name
        if self.verbose and not dry_run and outcome.image:
            self.note(f"{name}: {outcome.image}")
        for notice in outcome.notices:
            if self.collects:
                self.names_by_notice.setdefault(notice, []).append(name)
            else:
                self.note(f"{name}: {notice}")
        for written in outcome.written:
            explanations = [_explanation_line(explanation) for explanation in written.explanations if self.explains]
            if dry_run:
                line = f"{name} ({outcome.image}) -> {_destination(written)} ({_size(written)}) {written.map}, {written.rule}"
                with printing():
                    for text in (line, *explanations):
                        click.echo(escaped(text))
                continue
            for explanation in explanations:
                self.note(explanation)
            if written.statistics is not None:  # None in a dry run, which --json prints
                self.note(self._line(written))
        for target in outcome.skipped if self.verbose else ():
            self.note(f"{target.path}: up to date, not written")
        if outcome.error is not None:
            for line in outcome.error.lines:
                print_error(f"Error: {name}: {line}")

    def collected_notices(self) -> None:
        """Print the notices of a batch, each with the name of its picture or the number of its pictures."""
        for notice, names in self.names_by_notice.items():
            self.note(f"{names[0]}: {notice}" if len(names) == 1 else f"{notice} ({len(names)} pictures)")

    def summary(self, counts: "Counts") -> None:
        """Print the counts of several pictures if not all of them are done, or if any were skipped."""
        parts = {"failed": counts.failed, "done": counts.done, "skipped": counts.skipped, "not tried": counts.not_tried}
        if (counts.inputs > 1 and counts.done < counts.inputs) or counts.skipped:
            first, *others = [(word, count) for word, count in parts.items() if count]
            line = f"{first[1]} of {counts.inputs} inputs {first[0]}"
            self.note(", ".join([line, *(f"{count} {word}" for word, count in others)]))

    def _line(self, written: "Written") -> str:
        statistics = written.statistics
        assert statistics is not None
        if statistics.count == 0:
            return f"{_destination(written)}: {written.map}, all pixels are transparent"
        extremes = f"min {number(statistics.minimum)}, max {number(statistics.maximum)}"
        line = f"{_destination(written)}: {written.map}{_map_count(written)} {extremes}; "
        if written.rule == "sheet":
            line += f"drawn on {written.shape[1]} x {written.shape[0]} pixels"
        elif written.rule == "raw":
            line += "stored raw"
        else:
            below, above = (share(n, statistics.count) for n in (statistics.below, statistics.above))
            low, high = number(statistics.low), number(statistics.high)
            line += f"range {written.rule}, {below} below {low}, {above} above {high}"
        if statistics.unknown:
            line += f", {share(statistics.unknown, statistics.count)} not a number"
        if not self.verbose:
            return line
        if written.rule in ("raw", "sheet"):
            return f"{line} ({_size(written)})"
        return f"{line} ({_size(written)}; {statistics.below} + {statistics.above} of {statistics.count} samples outside)"


def _destination(written: "Written") -> str:
    return "standard output" if written.target.path is None else str(written.target.path)


def _size(written: "Written") -> str:
    height, width, channels = written.shape
    return f"{width} x {height}" + (f", {channels} channels" if channels > 1 else "") + _map_count(written)


def _map_count(written: "Written") -> str:
    counts = ((written.frames, "frames"), (len(written.maps), "maps"))
    return "".join(f", {count} {word}" for count, word in counts if count > 1)


def _explanation_line(explanation: "Explanation") -> str:
    """Return a line about how a kernel is computed."""
    choice, rank = explanation.choice, f"rank {explanation.rank}, " if explanation.rank else ""
    work = f"{choice.cost:.4g} multiply-adds per sample" + ("" if choice.rank == 0 else f" instead of {choice.direct_cost:.4g}")
    amount = f"{explanation.multiply_adds / 1e6:.3g} million in all, {explanation.memory / 1e3:.3g} kB per thread"
    error = f"error at most {choice.error:.2g} of its range" if choice.error else "exact sums"
    return f"  {explanation.kernel}: {choice.method} ({choice.reason}); {rank}{work}, {amount}, {error}"
