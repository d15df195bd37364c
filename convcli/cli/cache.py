"""convcli cache: the compiled code that is kept between runs."""

import json

import click

from . import output
from .command_group import CommandGroup
from .messages import Messages


@click.group(cls=CommandGroup)
def command() -> None:
    """
    \b
    convcli cache info
    convcli cache warm
    convcli cache clear

    Loops are compiled for this processor when they are first needed, which takes seconds, and kept in
    $CONVCLI_CACHE_DIR, or else in the user's cache folder, or in a private temporary one.
    """


@command.command("info", short_help="Show where the code is kept, and how much of it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
def show_info(as_json: bool) -> None:
    """
    \b
    convcli cache info
    convcli cache info --json

    Prints the folder that this version uses on this processor, what is kept in it, and what is kept for other versions.
    """
    from ..engine.jit.disk_cache import code_folder, kept_code, refusals

    folder = code_folder()
    sizes = {path: size for path, size in kept_code()}
    own = [size for path, size in sizes.items() if path.parent == folder]
    others = [size for path, size in sizes.items() if path.parent != folder]
    with output.printing():
        if as_json:
            counts = {"loops": len(own), "bytes": sum(own), "others": len(others), "bytes_of_others": sum(others)}
            click.echo(json.dumps({"folder": None if folder is None else str(folder)} | counts))
            return
        for reason in [] if folder else refusals():
            click.echo(reason)
        click.echo(folder or "no folder to keep code in: each run compiles what it needs")
        click.echo(f"{len(own)} loops, {sum(own) / 1e3:.0f} kB; of other versions {len(others)}, {sum(others) / 1e3:.0f} kB")


@command.command("clear", short_help="Remove the code.")
def clear() -> None:
    """
    \b
    convcli cache clear

    Removes all code that convcli keeps, of other versions too, and nothing else. The next run compiles what it needs.
    """
    from ..engine.jit.disk_cache import clear_code

    Messages(quiet=False, verbose=False).note(f"{clear_code()} loops removed")


@command.command("warm", short_help="Compile now what apply needs.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def warm(quiet: bool) -> None:
    """
    \b
    convcli cache warm

    Compiles what 'convcli apply' needs for pictures of 8 and 16 bits and of real numbers, where it is not kept yet: half a
    minute or so, for a container or a shared machine, where no later run should have to.
    """
    from ..pipeline.precompile import warm_up

    steps = list(warm_up())
    with output.Progress(quiet) as bar:
        bar.show(0, len(steps))
        for done, step in enumerate(steps, start=1):
            step()
            bar.show(done, len(steps))
