"""convcli help: the topics of the manual."""

import importlib.resources
import sys

import click
from click.shell_completion import CompletionItem

from ..errors import ArgumentError, nearest_name
from . import output

TOPICS = ("apply", "kernels", "config", "batch", "networks", "formats", "python", "performance", "errors")


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

    Shows a topic of the manual; without one, the topics that there are. Into a pipe it is plain Markdown.
    """
    if topic is None:
        with output.printing():
            click.echo("\n".join(f"{name:12} {title_of(name)}" for name in TOPICS))
        return
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


def title_of(topic: str) -> str:
    """Return the heading of a topic."""
    return read_topic(topic).partition("\n")[0].removeprefix("# ")
