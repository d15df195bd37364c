"""A terminal for tests: runs commands under a pseudo terminal, and decodes what they print for it."""

import base64
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

import numpy as np

from convcli.cli.terminal import QUESTION

CELLS = re.compile(r"\x1b\[([\d;]*)m|([^\x1b])")


def run_in_terminal(*arguments, columns=80, lines=24, cell=(0, 0), answers=b"", cwd=None, **variables):
    """Run a command line on a terminal of a size. Return its status and all that it prints but for its question.

    Standard error is the terminal, too. It sends ``answers`` when it is asked for its features.
    """
    process, screen = pty.fork()
    if process == 0:  # pragma: no cover
        names = ("TERM_PROGRAM", "COLORTERM", "NO_COLOR", "KITTY_WINDOW_ID", "TMUX", "COLUMNS", "LINES", "LC_TERMINAL")
        environment = {key: value for key, value in os.environ.items() if key not in names}
        environment |= {"TERM": "xterm-256color", "CONVCLI_NO_CONFIG": "1", **variables}
        if cwd is not None:
            os.chdir(cwd)
        time.sleep(0.1)  # until the size is set
        command = [sys.executable, "-c", "from convcli.cli.main import run; run()", *map(str, arguments)]
        os.execve(sys.executable, command, environment)
    size = struct.pack("HHHH", lines, columns, columns * cell[0], lines * cell[1])
    fcntl.ioctl(screen, termios.TIOCSWINSZ, size)
    printed, asked = b"", False
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if not select.select([screen], [], [], 1)[0]:
                continue
            part = os.read(screen, 1 << 16)
        except OSError:  # the process has closed the terminal
            break
        if not part:
            break
        printed += part
        if not asked and b"\x1b[c" in printed and answers:
            asked = True
            os.write(screen, answers)
    _, status = os.waitpid(process, 0)
    os.close(screen)
    return os.waitstatus_to_exitcode(status), printed.decode().replace("\r\n", "\n").replace(QUESTION, "")


def colour_of_256(index):
    """Red, green and blue of one of the colours 16 to 255, as xterm documents them."""
    if index >= 232:
        return (8 + 10 * (index - 232),) * 3
    index -= 16
    return tuple(0 if step == 0 else 55 + 40 * step for step in (index // 36, index // 6 % 6, index % 6))


def pixels_of_line(line):
    """The two rows of pixels of a line of half blocks, -1 where the colour is that of the terminal; spaces have none."""
    upper, lower = [], []
    above = below = (-1, -1, -1)
    for match in CELLS.finditer(line):
        if match[2]:
            upper.append(above if match[2] == "▀" else (-1, -1, -1))
            lower.append(below if match[2] == "▀" else (-1, -1, -1))
            continue
        numbers = [int(number or 0) for number in match[1].split(";")]
        if numbers == [0]:
            above = below = (-1, -1, -1)
        while numbers and numbers[0] in (38, 48):
            kind, how = numbers[:2]
            colour, count = (tuple(numbers[2:5]), 5) if how == 2 else (colour_of_256(numbers[2]), 3)
            above, below = (colour, below) if kind == 38 else (above, colour)
            numbers = numbers[count:]
        if "48" not in match[1].split(";") and match[1] not in ("", "0"):
            below = (-1, -1, -1)
    return upper, lower


def pixels_of_half_blocks(lines):
    """The pixels (2 n, w, 3) of n lines of half blocks."""
    return np.array([row for line in lines for row in pixels_of_line(line)])


def kitty_pictures(text):
    """The PNG files that are sent by Kitty's protocol, each with the keys of its first part."""
    pictures, data, keys = [], b"", {}
    for control, payload in re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text):
        part = dict(item.split("=") for item in control.split(","))
        assert len(payload) <= 4096
        keys = keys or part
        data += payload.encode()
        if part.get("m", "0") == "0":
            pictures.append((base64.b64decode(data, validate=True), keys))
            data, keys = b"", {}
    assert not data
    return pictures


def iterm2_pictures(text):
    """The PNG files that are sent by iTerm2's protocol, each with its arguments."""
    found = re.findall(r"\x1b\]1337;File=([^:]*):([^\x07]*)\x07", text)
    return [(base64.b64decode(data, validate=True), dict(item.split("=") for item in keys.split(";"))) for keys, data in found]


def sixel_pixels(text):
    """The pixels of a Sixel picture, drawn as a VT340 draws them."""
    (body,) = re.findall(r"\x1bP[\d;]*q(.*?)\x1b\\", text, re.DOTALL)
    _, _, width, height = (int(number) for number in re.match(r'"(\d+);(\d+);(\d+);(\d+)', body).groups())
    pixels = np.full((height, width, 3), -1)
    palette, colour, x, y, count = {}, 0, 0, 0, 1
    for match in re.finditer(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)|([$\-])|([?-~])", body[body.index("#") :]):
        if match[1]:
            colour = int(match[1])
            if match[2]:
                palette[colour] = [round(int(match[index]) * 2.55) for index in (2, 3, 4)]
        elif match[5]:
            count = int(match[5])
        elif match[6]:
            x, y = 0, y + 6 * (match[6] == "-")
        else:
            bits = ord(match[7]) - 63
            for row in range(6):
                if bits >> row & 1:
                    assert y + row < height
                    assert (pixels[y + row, x : x + count] == -1).all()
                    pixels[y + row, x : x + count] = palette[colour]
            x, count = x + count, 1
    return pixels
