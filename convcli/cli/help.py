"""convcli help: the topics of the manual."""

import importlib.resources
import sys

import click
from click.shell_completion import CompletionItem

from ..errors import ArgumentError, nearest_name
from . import output

TOPICS = {
    "apply": "stride, padding and borders; frames; one pixel, explained; how responses become levels",
    "kernels": "the built-in kernels, matrices on the command line, weights in files",
    "config": "your own kernels, banks and defaults in kernels.toml",
    "batch": "many pictures: folders, templates, repeated runs, --in-place",
    "networks": "run and summary, your own networks, ONNX files",
    "learning": "learn: kernels, banks and networks from pictures",
    "formats": "file formats, animations and stacks, metadata, alpha, 16 bits",
    "seeing": "pictures of maps and kernels: view, contact sheets, pages of runs; the sliding window, animated",
    "python": "the Python functions",
    "performance": "methods of summation, the cache of compiled code",
    "errors": "error messages and exit status",
}
COMMAND_TOPICS = {
    "at": "apply",
    "slide": "seeing",
    "learn": "learning",
    "run": "networks",
    "summary": "networks",
    "cache": "performance",
}
"""The topics that describe commands of other names."""


class Topic(click.ParamType[str]):
    """The name of a topic of the manual."""

    name = "TOPIC"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the topics that begin with the incomplete word."""
        return [CompletionItem(topic) for topic in TOPICS if topic.startswith(incomplete)]


@click.command()
@click.argument("topic", required=False, type=Topic())
def command(topic: str | None) -> None:
    """
    \b
    convcli help
    convcli help networks
    convcli help config | less

    Shows a topic of the manual, in a pager on a terminal and as plain Markdown in a pipe. Without a topic, lists them.
    The options of a command are shown by convcli COMMAND --help.
    """
    if topic is None:
        with output.printing():
            output.show_columns({"topic": "left", "about": "left"}, [list(row) for row in TOPICS.items()])
        return
    topic = COMMAND_TOPICS.get(topic, topic)
    if topic not in TOPICS:
        raise ArgumentError(f"topic {topic!r} is unknown; there are {', '.join(TOPICS)}{nearest_name(topic, TOPICS)}")
    text = read_topic(topic)
    with output.printing():
        if sys.stdout.isatty():
            output.page_markdown(text)
        else:
            click.echo(text, nl=False)


def read_topic(topic: str) -> str:
    """Return the Markdown text of a topic."""
    return (importlib.resources.files("convcli") / "manual" / f"{topic}.md").read_text("utf-8")
