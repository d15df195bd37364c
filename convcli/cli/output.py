"""Prints lines to standard error, and texts and tables to standard output. Only this module imports Rich."""

import contextlib
import json
import math
import re
import sys
from collections.abc import Iterator
from typing import Any

import click

from ..errors import OutputError

UNSAFE_CHARACTERS = r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
"""Control characters, characters that change the direction of text, and surrogates."""


def visible(text: str) -> str:
    """Return text with backslash escapes for characters that control a terminal, or that are not seen.

    >>> visible("a" + chr(27) + "b")
    'a\\\\x1bb'
    """
    return re.sub(UNSAFE_CHARACTERS, lambda match: _escape(ord(match[0])), text)


def escaped(text: str) -> str:
    """Return text as ``visible`` does, and with escapes for characters that the terminal cannot show."""
    safe = visible(text)
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"  # Click would write UTF-8 to a terminal that announces ASCII
    return safe.encode(encoding, "backslashreplace").decode(encoding)


def _escape(code: int) -> str:
    """Return a backslash escape. A byte that is not UTF-8, which Python maps to U+DC80 and above, is shown as that byte."""
    return f"\\x{code & 0xFF:02x}" if code < 0x100 or 0xDC80 <= code < 0xDD00 else f"\\u{code:04x}"


_progress_consoles: list[Any] = []
"""The console of the progress bar while it is shown. Lines are printed through it, so that they do not overlap the bar."""


def print_error(text: str) -> None:
    """Print a line to standard error. An error of standard error itself is ignored."""
    with contextlib.suppress(OSError):
        if _progress_consoles:
            _progress_consoles[-1].print(escaped(text), markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(escaped(text), err=True)


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Context manager for printing to standard output. Raises OutputError if it is closed or full."""
    if sys.stdout is None:
        raise OutputError("standard output is closed")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output cannot be written: {error.strerror or error}") from error


class Progress:
    """A progress bar on standard error, shown on a terminal from the first call of ``show`` with a total of at least two.

    It is removed at the end of the block.
    """

    def __init__(self, quiet: bool) -> None:
        self.is_shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self.bar: Any = None
        self.task: Any = None

    def show(self, done: int, total: int) -> None:
        """Show how much is done."""
        if not self.is_shown or total < 2:
            return
        if self.bar is None:
            self._start()
        if self.bar is not None:
            self.bar.update(self.task, completed=done, total=total)

    def _start(self) -> None:
        from rich import progress as bars

        console = _console(stderr=True)
        if console.is_dumb_terminal:
            self.is_shown = False
            return
        columns = (bars.BarColumn(), bars.MofNCompleteColumn(), _rate_column(), bars.TimeRemainingColumn())
        self.bar = bars.Progress(*columns, console=console, transient=True)
        self.task = self.bar.add_task("", total=None)
        self.bar.start()
        _progress_consoles.append(console)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.is_shown = False
        if self.bar is not None:
            self.bar.stop()
            _progress_consoles.clear()


def _rate_column() -> Any:
    """Return a column with pictures per second."""
    from rich import progress as bars
    from rich.text import Text

    class Rate(bars.ProgressColumn):
        def render(self, task: bars.Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    return Rate()


def number(value: float) -> str:
    """Return a number with the digits that float32 distinguishes.

    >>> number(812.0), number(173.33333)
    ('812', '173.33333')
    """
    return f"{value:.8g}"


def share(part: int, whole: int) -> str:
    """Return a share in percent. It reads 0 or 100 only where it is exactly that.

    >>> share(0, 9), share(1, 3), share(999999, 1000000), share(1, 10**8), share(10, 9)
    ('0 %', '33.33 %', '99.9999 %', '1e-06 %', '111.1 %')
    """
    percent = 100 * part / max(whole, 1)
    if percent >= 1000:
        return f"{percent:.0f} %"
    distance = abs(100 - percent)
    digits = 4 if distance >= 1 or part == whole else 3 - math.floor(math.log10(max(distance, 1e-12)))
    return f"{percent:.{digits}g} %"


def _console(**options: Any) -> Any:
    """Return a Rich console on standard output that raises BrokenPipeError. Rich would exit with status 1."""
    from rich.console import Console

    class PlainConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return PlainConsole(**options)


def page_markdown(text: str) -> None:
    """Show Markdown on a terminal, in a pager."""
    from rich.markdown import Markdown

    console = _console()
    with console.pager(styles=True):
        console.print(Markdown(text))


def show_places(
    rows: list[dict[str, str]], shadows: dict[str, list[str]], defaults: dict[str, tuple[str, object]], as_json: bool
) -> None:
    """Print the config files, the names that several of them define, and the defaults with their sources."""
    if as_json:
        hidden = [{"name": name, "from": paths[0], "hides": paths[1:]} for name, paths in shadows.items()]
        values = [{"name": key, "from": path, "value": value} for key, (path, value) in defaults.items()]
        click.echo(json.dumps({"files": rows, "shadows": hidden, "defaults": values}, indent=2))
        return
    for row in rows:
        click.echo(escaped(f"{row['path']}  ({row['reason']}: {row['holds']})"))
    for name, paths in shadows.items():
        click.echo(escaped(f"{name}: {paths[0]} hides {' and '.join(paths[1:])}"))
    for key, (path, value) in defaults.items():
        click.echo(escaped(f"default {key} {_spelled(value)}: {path}"))


def _spelled(value: object) -> str:
    """Return a default in the syntax of its option, such as 2x1."""
    if isinstance(value, tuple) and all(isinstance(number_, int) for number_ in value):
        return "x".join(map(str, value))
    return str(getattr(value, "name", value))


def width() -> int:
    """Return the width of lines in columns: $COLUMNS, else that of the terminal, else 80."""
    import shutil  # here, as it takes 4 ms to import

    return shutil.get_terminal_size((80, 24)).columns


def width_of(rows: list[list[str]]) -> int:
    """Return the width of a table with these cells."""
    return sum(max(map(len, column)) + 2 for column in zip(*rows, strict=True)) - 2


def fits(rows: list[list[str]]) -> bool:
    """Return whether a table of these cells fits the terminal. Without a terminal every table does."""
    return not _console().is_terminal or width_of(rows) <= width()


def rounded(count: int) -> str:
    """Return a count with three digits and a unit.

    >>> rounded(105_415_200), rounded(999), rounded(61_234)
    ('105 M', '999', '61.2 k')
    """
    for unit, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.3g} {letter}"
    return str(count)


def show_columns(headings: dict[str, str], rows: list[list[str]], wraps: bool = False) -> None:
    """Print a table, as wide as the terminal, or with one line per row in a pipe.

    ``headings`` gives the alignment of each column, "left" or "right". If the table is too wide, cells take several lines on a
    terminal: those of the last column with ``wraps``, else all. In a pipe, the last column with ``wraps`` is cut.
    """
    from rich.table import Table
    from rich.text import Text

    console = _console(highlight=False)
    rows = [[escaped(cell) for cell in row] for row in rows]
    if wraps and not console.is_terminal:
        room = max(width() - width_of([[*row[:-1], ""] for row in (list(headings), *rows)]), 8)
        rows = [[*row[:-1], _cut(row[-1], room)] for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, (heading, side) in enumerate(headings.items(), start=1):
        justify: Any = "right" if side == "right" else "left"
        table.add_column(heading, no_wrap=wraps and index < len(headings), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    if console.is_terminal:
        console.print(table)
        return
    console.width = max(width(), 250)
    with console.capture() as printed:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))


def _cut(text: str, room: int) -> str:
    """Return a text of at most this many characters, cut between two words where it is longer.

    >>> _cut("mean of size x size pixels", 12)
    'mean of...'
    """
    if len(text) <= room:
        return text
    start = text[: room - 2]
    return (start[: room - 3] if " " not in start else start.rpartition(" ")[0].rstrip(":,;")) + "..."


def print_wrapped(text: str, in_pipes: bool = False) -> None:
    """Print a text in lines that are as wide as the terminal. Words are not broken.

    In a pipe, the text is a single line; with ``in_pipes``, it has lines of ``width()`` there too.
    """
    if not (in_pipes or _console().is_terminal):
        click.echo(escaped(text))
        return
    import textwrap

    for line in textwrap.wrap(escaped(text), width(), break_long_words=False, break_on_hyphens=False) or [""]:
        click.echo(line)


def has_colours() -> bool:
    """Return whether standard output is a terminal with colours."""
    console = _console()
    return bool(console.is_terminal and console.color_system and not console.no_color)


def colour_depth(forced: bool = False) -> str:
    """Return "truecolor", "256" or an empty text, as the terminal of standard output has colours.

    Terminals that name no number of colours have 256. ``forced`` asks for the colours where it is no terminal, too.
    """
    console = _console(force_terminal=forced or None)
    if console.color_system == "truecolor" and (forced or not console.no_color):
        return "truecolor"
    has_colours = console.color_system and not (console.no_color or console.legacy_windows)
    return "256" if forced or has_colours else ""


def print_shaded(cells: list[list[str]], shades: Any) -> None:
    """Print a matrix of cells of equal width, each on a colour for its number from -1 to 1 where the terminal has colours."""
    from rich.text import Text

    console = _console(highlight=False, markup=False, soft_wrap=True)
    for row, numbers in zip(cells, shades, strict=True):
        line = Text()
        for cell, number_ in zip(row, numbers, strict=True):
            line.append(cell, style=_shade(number_))
        if not console.is_terminal:
            line.rstrip()
        console.print(line)


def _shade(number_: float) -> str:
    """Return the style of a number: a background from blue (-1) over white (0) to red (1), with black or white digits."""
    strength = abs(number_)
    fade = round(255 * (1 - strength))
    red, green, blue = (255, fade, fade) if number_ > 0 else (fade, fade, 255)
    return f"{'black' if strength < 0.6 else 'white'} on rgb({red},{green},{blue})"
