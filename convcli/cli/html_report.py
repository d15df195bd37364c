"""The page of --html: what was asked and what came out, in one file that loads nothing.

Each picture is written to a temporary file as soon as it is done, so that memory does not grow with their number. The page is
put together at the end, when the counts are known: failures first, then all pictures in their order.
"""

import contextlib
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from ..drawing.html_page import FOOT, bidi_isolated, head_of, table, text
from ..drawing.thumbnail import ILLUSTRATED, detail_for
from ..errors import ArgumentError, ConvcliError, OutputError
from ..images.atomic_write import write_atomically
from ..images.streams import is_stream, write_stream
from ..kernels.kernel import Kernel, kernels_of
from ..networks.analysis import LayerAnalysis, analyse
from ..networks.layer import shape_text
from ..networks.network import Network
from ..pipeline.network_request import NetworkRequest
from ..pipeline.request_base import BaseRequest
from .command_line import CommandLine, read_command_line
from .counts import Counts
from .html_kernels import kernels_section, layer_kernels_section, layers_section
from .html_picture import article, shortened
from .html_style import STYLE
from .output import printing

if TYPE_CHECKING:
    from ..pipeline.process_image import Outcome

GENERATOR = "convcli report"
"""What the head of each page names as its generator, by which an older page is known."""

HEAD_BYTES = 400
"""Bytes at the beginning of a page that hold its generator."""

LONGEST_LINE = 4000
"""Letters of a command line that are shown, at most."""

MOST_CONTENTS = 60
"""Pictures up to which the contents are shown; those of more open when they are asked for."""


HISTOGRAMS = "In histograms, heights are square roots of counts; what is clipped is red."


class HtmlReport:
    """Writes the page of a run when the run ends, also when it is interrupted or some pictures fail."""

    def __init__(self, request: BaseRequest, count: int, dry_run: bool) -> None:
        assert request.html is not None
        self.path = request.html
        self.request = request
        self.count = count
        self.dry_run = dry_run
        self.command_line = read_command_line()
        self.counts = Counts(count)
        self.last_outcome: Outcome | None = None
        self.position = 0
        self.first_size: tuple[int, int] | None = None  # of the first picture that was read
        self._files = contextlib.ExitStack()
        self._detail = detail_for(len(request.inputs), len(request.maps))

    def __enter__(self) -> "HtmlReport":
        refuse_other_page(self.path)
        with _reported(self.path):
            folder = None
            if self.path != "-" and not is_stream(Path(self.path)):
                folder = Path(self.path).parent
                folder.mkdir(parents=True, exist_ok=True)
            self.failures, self.pictures, self.contents = (_Parts(self._files, folder) for _ in range(3))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._files:
            if kind is None or self.position or not issubclass(kind, ConvcliError):  # else the request was refused
                self._write(kind)

    def outcome(self, outcome: "Outcome") -> None:
        """Add a picture. An outcome that was added last is not added again."""
        if outcome is self.last_outcome:
            return
        position, is_failed = self.position + 1, outcome.status == "failed"
        if self.first_size is None and outcome.illustration is not None:
            height, width = outcome.illustration.input.shape[:2]
            self.first_size = height, width
        if position <= ILLUSTRATED or (is_failed and self.counts.failed < ILLUSTRATED):
            element = article(self.request, outcome, position, self._detail if position <= ILLUSTRATED else None)
            name = "standard input" if outcome.task.source is None else shortened(outcome.task.name)
            mark = {"failed": ' <span class="bad">failed</span>', "skipped": ' <span class="soft">skipped</span>'}
            entry = f'<li><a href="#p{position}">{bidi_isolated(name)}</a>{mark.get(outcome.status, "")}</li>\n'
            with _reported(self.path):
                (self.failures if is_failed else self.pictures).add(position, element)
                self.contents.add(position, entry)
        self.position = position
        self.counts.add(outcome)
        # Set last. After an interrupt before this, the outcome is added again, in the place of what was written of it.
        self.last_outcome = outcome

    def summary(self, counts: Counts) -> None:
        """Do nothing: the page counts what it is told, as a run may end without a summary."""

    def _write(self, stopped_by: type[BaseException] | None) -> None:
        refuse_other_page(self.path)  # again: a file may have been made meanwhile
        with _reported(self.path), _opened(self.path) as file:
            for part in self._page(stopped_by):
                if isinstance(part, str):
                    file.write(part.encode())
                else:
                    part.copy_to(file)

    def _page(self, stopped_by: type[BaseException] | None) -> "Iterator[str | _Parts]":
        """Yield the parts of the page."""
        command = self.command_line.command
        title = f"{command}: " + ("1 picture" if self.count == 1 else f"{self.count} pictures")
        yield head_of(title, STYLE, GENERATOR)
        yield f"<header>\n<h1>{text(title)}</h1>\n{self._state(stopped_by)}</header>\n"
        if self.failures.size:
            yield '<section id="failures"><h2>Failed</h2>\n'
            if self.counts.failed > ILLUSTRATED:
                yield f'<p class="soft">Of {self.counts.failed} failures, the first {ILLUSTRATED} are listed.</p>\n'
            yield self.failures
            yield "</section>\n"
        if self.position > 1:
            is_open = " open" if self.position <= MOST_CONTENTS else ""
            yield f"<nav><h2>Contents</h2><details{is_open}><summary>The pictures on this page</summary><ol>\n"
            yield self.contents
            yield "</ol></details></nav>\n"
        yield command_line_section(self.command_line)
        yield from self._request_sections()
        if self.pictures.size:
            yield f'<section id="pictures"><h2>{"Picture" if self.count == 1 else "Pictures"}</h2>\n'
            if self.position > ILLUSTRATED:
                yield f'<p class="soft">The first {ILLUSTRATED} pictures are shown; --report has a line for each.</p>\n'
            if not self.dry_run:
                yield f'<p class="soft">{HISTOGRAMS}</p>\n'
            yield self.pictures
            yield "</section>\n"
        yield FOOT

    def _state(self, stopped_by: type[BaseException] | None) -> str:
        """Return what became of the pictures."""
        counts = self.counts
        numbers = {"failed": counts.failed, "done": counts.done, "skipped": counts.skipped, "not tried": counts.not_tried}
        if self.dry_run:
            numbers["would be written"] = numbers.pop("done")
        parts = [
            f'<span class="bad">{count} failed</span>' if word == "failed" else f"{count} {word}"
            for word, count in numbers.items()
            if count
        ]
        lines = [", ".join(parts)] if parts else ["There was no picture."]
        if self.dry_run:
            lines.append("This was a dry run: nothing was written.")
        if stopped_by is not None:
            why = "by an error" if issubclass(stopped_by, ConvcliError) else "before its end"
            lines.append(f'<span class="bad">The run was stopped {why}.</span>')
        return "".join(f"<p>{line}</p>\n" for line in lines)

    def _request_sections(self) -> Iterator[str]:
        """Yield the kernels of ``apply``, or the layers of ``run`` for the first picture."""
        request = self.request
        if not isinstance(request, NetworkRequest):
            yield kernels_section(list(dict.fromkeys(itertools.chain(*map(kernels_of, request.maps)))))
            return
        network = request.network
        size = network.input.size or (self.first_size and request.size_for(self.first_size))
        about = "The shapes are those of the first picture." if self.count > 1 and not network.input.size else ""
        if size:
            with contextlib.suppress(ConvcliError):  # it was reported for the picture
                yield layers_section(network, list(analyse(network, network.shape_for(size))), about)
        yield layer_kernels_section(network)


def write_summary_page(path: str, network: Network, analyses: list[LayerAnalysis], kernels: Sequence[Kernel]) -> None:
    """Write the page of ``summary``: a network, or a kernel or bank as a network of one layer.

    Raises ArgumentError where the file exists and is no page of a report, OutputError where it cannot be written.
    """
    refuse_other_page(path)
    line = read_command_line()
    title = f"{line.command}: {shortened(network.name)}"
    about = "".join(f"<p>{text(shortened(line))}</p>\n" for line in (network.about, network.source) if line)
    given = f"<p>input {text(shape_text(analyses[0].input_shape))}</p>\n"
    sections = [command_line_section(line), kernels_section(kernels) if kernels else layer_kernels_section(network)]
    body = f"<header>\n<h1>{text(title)}</h1>\n{about}{given}</header>\n{layers_section(network, analyses)}{''.join(sections)}"
    page = head_of(title, STYLE, GENERATOR) + body + FOOT
    with _reported(path), _opened(path) as file:
        file.write(page.encode())


class _Parts:
    """Parts of a page in a temporary file, which has no name."""

    def __init__(self, files: contextlib.ExitStack, folder: Path | None) -> None:
        self._file: IO[bytes] = files.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        self._ends = {0: 0}  # where the last two parts end, by their positions

    @property
    def size(self) -> int:
        return max(self._ends.values())

    def add(self, position: int, part: str) -> None:
        """Add a part. The last part is replaced if it has the same position."""
        begin = max(end for place, end in self._ends.items() if place < position)
        self._file.seek(begin)
        self._file.truncate()
        self._file.write(part.encode())
        self._file.flush()
        last = max(place for place in self._ends if place < position)
        self._ends = {last: begin, position: self._file.tell()}

    def copy_to(self, file: BinaryIO) -> None:
        self._file.seek(0)
        shutil.copyfileobj(self._file, file)


def command_line_section(line: CommandLine) -> str:
    """Return the command line, the options that were set, and the versions."""
    rows = [[name, shortened(value), where] for name, value, where in line.options]
    options = table(("option", "value", "set by"), rows) if rows else ""
    versions = text(", ".join(line.versions))
    words = f"<pre>{text(shortened(line.line, LONGEST_LINE))}</pre>"
    return f'<section id="asked"><h2>Asked for</h2>\n{words}\n{options}\n<p class="soft">{versions}</p></section>\n'


def refuse_other_page(path: str) -> None:
    """Raise ArgumentError where the file exists and is no page of a report, so that a typing error cannot destroy it."""
    file = Path(path)
    try:
        if path == "-" or not file.is_file():
            return
        with file.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
    if not os.access(file, os.W_OK):
        raise OutputError(f"{path}: cannot be written: it is write-protected")
    if head and f'<meta name="generator" content="{GENERATOR}">'.encode() not in head:
        raise ArgumentError(f"{path}: exists already and is not a report; give another name for the report")


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Open the file of a page, which gets its name when it is complete, or standard output."""
    if path == "-":
        with printing():
            yield sys.stdout.buffer
    elif is_stream(Path(path)):
        with tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            write_stream(Path(path), file.read())
    else:
        with write_atomically(Path(path)) as file:
            yield file


@contextlib.contextmanager
def _reported(path: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
