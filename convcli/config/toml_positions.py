"""Finds the lines of keys in TOML text, which tomllib does not report, and rejects text that is too costly to parse."""

import contextlib
import re
from collections.abc import Iterable
from typing import TypeAlias

Keys: TypeAlias = tuple[str | int, ...]
"""The keys and list indices that lead to a value in a document: ("kernels", "soft", "sigma")."""

MAX_DEPTH = 32
"""Largest depth of nested brackets. tomllib parses them by recursion."""

MAX_DOTS = 16
"""Largest number of dots in a key. tomllib takes 8.8 s and 3.9 GB for 32,000, and both grow quadratically (Python 3.11)."""

TEXT = r'"""(?:[^\\]|\\.)*?(?:"""(?:"{0,2})|\Z)|' + r"'''.*?(?:'''(?:'{0,2})|\Z)|" + r'"(?:[^"\\\n]|\\.)*"?|' + r"'[^'\n]*'?"
TEXT_OR_COMMENT = rf"(?s){TEXT}|\#[^\n]*"
TEXT_COMMENT_OR_BRACKET = rf"(?s){TEXT}|\#[^\n]*|[\[\]{{}}]"
DOTTED = rf"(?:\.[^.\n=,\[\]{{}}]*){{{MAX_DOTS + 1}}}"
LONG_NUMBER = r"\b[0-9][0-9_]{999,}"  # Python rejects 4,300 digits, and is slow for fewer
BRACKETS = r"[\[\]{}]"
TOKEN = rf"(?s)({TEXT})|\#[^\n]*|([\[\]{{}},=.\n])|([^\s\"'\#\[\]{{}},=.]+)|\s"


def check_depth(text: str) -> None:
    """Raise ValueError, with the line, for a key or a value that would take tomllib minutes or gigabytes to parse.

    Valid TOML is split as tomllib splits it. tomllib stops at the first invalid token, so the text after it does not matter.
    """
    bare = re.sub(TEXT_OR_COMMENT, _blanked, text)
    dotted = re.search(DOTTED, bare)
    if dotted:
        raise ValueError(f"a key of more than {MAX_DOTS + 1} parts (at line {_line(bare, dotted.start())})")
    number = re.search(LONG_NUMBER, bare)
    if number:
        raise ValueError(f"a number of {len(number[0])} digits (at line {_line(bare, number.start())})")
    depth = 0
    for bracket in re.finditer(BRACKETS, bare):
        depth = max(depth + (1 if bracket[0] in "[{" else -1), 0)
        if depth > MAX_DEPTH:
            raise ValueError(f"brackets more than {MAX_DEPTH} deep (at line {_line(bare, bracket.start())})")


def _blanked(match: re.Match[str]) -> str:
    return "_" + "\n" * match[0].count("\n")


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def find_lines(text: str, wanted: Iterable[Keys]) -> dict[Keys, int]:
    """Return the line of each wanted key in valid TOML; for a missing key, the line of its longest prefix that exists.

    >>> find_lines("[kernels.a]\\nmatrix = [[1],\\n [2]]", [("kernels", "a", "matrix", 1), ("kernels", "a", "x")])
    {('kernels', 'a', 'matrix', 1): 3, ('kernels', 'a', 'x'): 1}
    """
    wanted = list(wanted)
    scanner = _Scanner(text, {keys[:end] for keys in wanted for end in range(len(keys) + 1)}, set(wanted))
    with contextlib.suppress(_AllFound):
        scanner.read_document()
    found = {(): 1} | scanner.found
    return {keys: next(found[keys[:end]] for end in range(len(keys), -1, -1) if keys[:end] in found) for keys in wanted}


class _AllFound(Exception):
    """Raised to stop the scan when all keys are found."""


class _Scanner:
    """Scans valid TOML and records the line of each of the ``wanted`` keys, until all ``sought`` keys are found."""

    def __init__(self, text: str, wanted: set[Keys], sought: set[Keys]) -> None:
        self.text = text
        self.offset = 0  # after the token
        self.line_behind = 1
        self.wanted = wanted
        self.sought = sought
        self.found: dict[Keys, int] = {}
        self.counts: dict[Keys, int] = {}  # tables of each array of tables
        self.token, self.line = "", 1
        self.advance()

    def advance(self) -> str:
        """Return the token, and go to the next: a string, a punctuation mark, a line end or a bare word; "" at the end."""
        token = self.token
        while match := re.compile(TOKEN).match(self.text, self.offset):
            self.line = self.line_behind
            self.move(match.end())
            if match[1] or match[2] or match[3]:
                break
        self.token = match[0] if match else ""
        return token

    def move(self, offset: int) -> None:
        self.line_behind += self.text.count("\n", self.offset, offset)
        self.offset = offset

    def skip_brackets(self) -> None:
        """Go from an opening bracket past its closing bracket, in one step, as there may be thousands of tokens between."""
        depth = 1
        for match in re.compile(TEXT_COMMENT_OR_BRACKET).finditer(self.text, self.offset):
            depth += (match[0] in "[{") - (match[0] in "]}")
            if depth == 0:
                self.move(match.end())
                break
        self.advance()

    def skip_lines(self) -> None:
        while self.token == "\n":
            self.advance()

    def note(self, keys: Keys, line: int) -> None:
        """Record the line of keys and of their prefixes. Raises _AllFound."""
        for end in range(1, len(keys) + 1):
            if keys[:end] in self.wanted:
                self.found.setdefault(keys[:end], line)
                self.sought.discard(keys[:end])
        if not self.sought:
            raise _AllFound

    def read_document(self) -> None:
        table: Keys = ()
        self.skip_lines()
        while self.token:
            if self.token == "[":
                table = self.read_header()
            else:
                self.read_pair(table)
            self.skip_lines()

    def read_header(self) -> Keys:
        line = self.line
        self.advance()
        many = self.token == "["
        if many:
            self.advance()
        keys: Keys = ()
        for part in self.read_key():
            keys = (*keys, part)
            if keys in self.counts:
                keys = (*keys, self.counts[keys] - 1)
        if many:
            keys = keys[:-1] if isinstance(keys[-1], int) else keys
            self.counts[keys] = self.counts.get(keys, 0) + 1
            keys = (*keys, self.counts[keys] - 1)
            self.advance()
        self.advance()
        self.note(keys, line)
        return keys

    def read_key(self) -> list[str]:
        parts = [self.advance()]
        while self.token == ".":
            self.advance()
            parts.append(self.advance())
        return [_unquoted(part) for part in parts]

    def read_pair(self, table: Keys) -> None:
        line = self.line
        keys = (*table, *self.read_key())
        self.note(keys, line)
        self.advance()  # =
        self.read_value(keys)

    def read_value(self, keys: Keys) -> None:
        self.note(keys, self.line)
        if self.token in ("[", "{") and keys not in self.wanted:
            self.skip_brackets()
        elif self.token == "[":
            self.advance()
            self.skip_lines()
            index = 0
            while self.token not in ("]", ""):
                self.read_value((*keys, index))
                index += 1
                self.skip_lines()
                if self.token == ",":
                    self.advance()
                    self.skip_lines()
            self.advance()
        elif self.token == "{":
            self.advance()
            while self.token not in ("}", ""):
                self.read_pair(keys)
                if self.token == ",":
                    self.advance()
            self.advance()
        else:
            while self.token not in (",", "]", "}", "\n", ""):
                self.advance()


def _unquoted(part: str) -> str:
    """Return a key as tomllib returns it, without quotes."""
    import tomllib

    return next(iter(tomllib.loads(f"{part} = 0"))) if part[0] in "'\"" else part
