"""Pages of HTML that load nothing: no script, no font, no picture from elsewhere. All texts in them are escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from .svg import printable

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may load for a page: pictures that are in it, and styles that are in it."""


def head_of(title: str, style: str, generator: str) -> str:
    """Return what is before the body of a page, with the opening tag of the body. ``generator`` may be empty."""
    mark = f'\n<meta name="generator" content="{attribute(generator)}">' if generator else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">{mark}
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title>
<style>
{style}
</style>
</head>
<body>
"""


FOOT = "</body>\n</html>\n"


def text(value: object) -> str:
    """Return a text as HTML shows it."""
    return escape(printable(str(value)))


attribute = text
"""Return a text as it stands between the quotes of an attribute."""


def bidi_isolated(value: object) -> str:
    """Return a name as HTML shows it, whatever the direction of its letters."""
    return f"<bdi>{text(value)}</bdi>"


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], first_number: int | None = None, name: str = "") -> str:
    """Return a table of texts. Columns from ``first_number`` on are aligned to the right. ``name`` is its class."""

    def cells(tag: str, values: Sequence[object]) -> str:
        classes = ['class="n"' if first_number is not None and index >= first_number else "" for index in range(len(values))]
        return "".join(
            f"<{tag}{' ' + kind if kind else ''}>{text(value)}</{tag}>" for kind, value in zip(classes, values, strict=True)
        )

    lines = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    head = f"<thead><tr>{cells('th', headings)}</tr></thead>\n" if headings else ""
    kind = f' class="{name}"' if name else ""
    return f'<div class="wide"><table{kind}>\n{head}<tbody>\n{lines}\n</tbody>\n</table></div>'
