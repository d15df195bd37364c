"""What the terminal of standard output shows: its size, its colours, and the pictures that it says it can show."""

import contextlib
import os
import re
import select
import shutil
import sys
import time

from msgspec import Struct

from . import output

PROTOCOLS = ("auto", "kitty", "iterm2", "sixel", "blocks", "ascii")

DEFAULT_CELL = (10, 20)
"""Width and height of a character in pixels, where the terminal does not say: most fonts are about twice as high as wide."""

SILENT_TERMINALS = r"dumb|linux|ansi|cons25|vt\d+|unknown|"
"""Values of TERM of terminals that are not asked: they show no pictures, and some would print the question."""

TIMEOUT = 0.3
"""Seconds in which a terminal answers; all that know the question do so at once, but for slow connections."""

QUESTION = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[c"
"""Kitty's question for its protocol, that for the size of a cell, and last that for the features, which all answer."""


class Terminal(Struct, frozen=True):
    """How pictures are shown: a protocol other than auto, the size in columns and lines, and that of a cell in pixels."""

    protocol: str
    columns: int
    lines: int
    cell: tuple[int, int] = DEFAULT_CELL
    has_true_colour: bool = True

    @property
    def shows_pixels(self) -> bool:
        """Whether it shows pictures of any size, not cells."""
        return self.protocol in ("kitty", "iterm2", "sixel")

    @property
    def width(self) -> int:
        """Its width in pixels."""
        return self.columns * self.cell[0]


class Answer(Struct, frozen=True):
    """What a terminal has answered: whether it knows Kitty's protocol and Sixel, and the size of its cells."""

    kitty: bool = False
    sixel: bool = False
    cell: tuple[int, int] | None = None


def find_terminal(protocol: str) -> Terminal:
    """Return the terminal of standard output. It is asked what it can show where ``protocol`` is "auto"."""
    columns, lines = shutil.get_terminal_size((80, 24))
    depth = output.colour_depth(forced=protocol != "auto")
    cell, answer = _cell_by_system(), Answer()
    if protocol == "auto":
        protocol = _by_environment(depth)
        if not protocol:
            answer = _ask()
            protocol = "kitty" if answer.kitty else "sixel" if answer.sixel else "blocks"
        if protocol == "blocks" and not _can_encode("\N{UPPER HALF BLOCK}"):
            protocol = "ascii"
    return Terminal(protocol, max(columns, 1), max(lines, 1), cell or answer.cell or DEFAULT_CELL, depth == "truecolor")


def _by_environment(depth: str) -> str:
    """Return the protocol that environment variables tell, or an empty text. Within tmux and screen they are of another one."""
    if not depth:
        return "ascii"
    term, program = os.environ.get("TERM", ""), os.environ.get("TERM_PROGRAM", "")
    if os.environ.get("TMUX") or re.match("screen|tmux", term):
        return ""
    if term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty" or os.environ.get("KITTY_WINDOW_ID"):
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "mintty") or os.environ.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    if not term and os.name == "posix":
        return "ascii"  # nothing is known of it, as in a cron job or a bare container
    return "blocks" if program == "Apple_Terminal" or re.fullmatch(SILENT_TERMINALS, term) else ""


def _cell_by_system() -> tuple[int, int] | None:
    """Return width and height of a cell as the system knows them; None where it does not."""
    with contextlib.suppress(ImportError, OSError, AttributeError, ValueError, ZeroDivisionError):
        import fcntl
        import struct
        import termios

        size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
        rows, columns, width, height = struct.unpack("HHHH", size)
        cell = width // columns, height // rows
        return cell if min(cell) > 0 else None
    return None


def _can_encode(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _ask() -> Answer:
    """Ask the terminal, and read its answer without showing it. Nothing is asked where it cannot be read."""
    try:
        import termios
        import tty

        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except (ImportError, OSError):
        return Answer()
    try:
        if os.tcgetpgrp(descriptor) != os.getpgrp():  # a job in the background would be stopped
            return Answer()
        before = termios.tcgetattr(descriptor)
        try:
            tty.setcbreak(descriptor, termios.TCSANOW)
            os.write(descriptor, QUESTION.encode())
            return read_answer(_read_to_end(descriptor))
        finally:
            termios.tcsetattr(descriptor, termios.TCSANOW, before)
    except (OSError, termios.error):
        return Answer()
    finally:
        os.close(descriptor)


def _read_to_end(descriptor: int) -> str:
    """Read until the last of the answers is complete, or TIMEOUT has passed."""
    text, end = "", time.monotonic() + TIMEOUT
    while not re.search(r"\x1b\[\?[\d;]*c", text):
        left = end - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            break
        part = os.read(descriptor, 1024)
        if not part:
            break
        text += part.decode("ascii", "replace")
    return text


def read_answer(text: str) -> Answer:
    r"""Return what a terminal has answered.

    >>> read_answer("\x1b[6;20;10t\x1b[?62;4;22c")
    Answer(kitty=False, sixel=True, cell=(10, 20))
    """
    features = re.search(r"\x1b\[\?([\d;]*)c", text)
    size = re.search(r"\x1b\[6;(\d{1,4});(\d{1,4})t", text)
    cell = (int(size[2]), int(size[1])) if size and int(size[1]) and int(size[2]) else None
    return Answer("\x1b_Gi=31;OK" in text, features is not None and "4" in features[1].split(";"), cell)
