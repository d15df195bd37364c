"""The command ``convcli``: finds subcommands, and turns errors and signals into one line and an exit status."""

import contextlib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import click
from click.core import ParameterSource

from ..errors import ConvcliError
from .command_group import CommandGroup
from .output import print_error

COMMANDS = {
    "apply": "Slide kernels over pictures.",
    "at": "Explain one pixel: window, kernel, products, sum.",
    "slide": "Animate a window that slides over an input.",
    "view": "Show pictures, stacks and kernels as tiles.",
    "run": "Send pictures through a network, layer by layer.",
    "summary": "Count what a network or kernel holds and costs.",
    "kernels": "List, show and check kernels.",
    "learn": "Learn kernels, banks and networks from pictures.",
    "config": "The files that kernels come from.",
    "cache": "The machine code that is kept between runs.",
    "help": "Show a topic of the manual.",
}
"""Each command and what it does. The module of its name is imported when the command is used."""

BROKEN_PIPE, INTERRUPTED, TERMINATED = 141, 130, 143


@contextlib.contextmanager
def _quiet_pipes() -> Iterator[None]:
    """Exit with BROKEN_PIPE, without a message, when the reader of a pipe has closed it. Click would exit with status 1."""
    try:
        yield
    except BrokenPipeError:
        raise SystemExit(BROKEN_PIPE) from None


class Commands(CommandGroup):
    """A group that imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"convcli.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Parse the arguments, and print --help and --version."""
        with _quiet_pipes():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Exits with BROKEN_PIPE if the reader of a pipe has closed it."""
        with _quiet_pipes():
            return super().invoke(ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="convcli")
def convcli() -> None:
    """
    \b
    convcli apply photo.jpg -k sharpen -o sharp.jpg
    convcli apply photo.jpg -k sobel-x -k sobel-y -o maps.npy
    convcli kernels list

    The convolution layer as a Unix tool: slide kernels over pictures, and write pictures, feature maps or filter banks.
    """


def run() -> None:
    """Entry point of the shell command."""
    gc.set_threshold(50_000, 20, 20)  # imports make many objects, and no garbage: collections would take 15 ms
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's library would start a thread per processor: 30 ms, unused
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell ignores it for background jobs
        signal.signal(signal.SIGINT, _interrupt)
    status = main()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            status = BROKEN_PIPE
        elif status == 0:
            status = 1
            print_error(f"Error: standard output cannot be written: {error.strerror}")
    batch = sys.modules.get("convcli.pipeline.process_batch")
    if batch is not None and status in (BROKEN_PIPE, INTERRUPTED, TERMINATED):
        batch.abandon()
    with contextlib.suppress(OSError, AttributeError):  # AttributeError: there is no standard error
        sys.stderr.flush()
    os._exit(status)  # all is written; Python would wait for threads that cannot be interrupted, and needs 30 ms to shut down


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status. Each error is printed as one line to standard error."""
    try:
        try:
            status = convcli.main(arguments, prog_name="convcli", standalone_mode=False)
        except (SystemExit, click.exceptions.Exit) as leaving:
            status = leaving.code if isinstance(leaving, SystemExit) else leaving.exit_code
        return status if isinstance(status, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.UsageError as error:
        _name_variable_only_as_source(error)
        path = error.ctx.command_path if error.ctx else "convcli"
        print_error(f"Error: {error.format_message().rstrip('.')} (see {path} --help)")
        return error.exit_code
    except click.ClickException as error:
        print_error(f"Error: {error.format_message()}")
        return error.exit_code
    except ConvcliError as error:
        for line in error.lines:
            print_error(f"Error: {line}")
        return error.exit_status
    except OSError as error:  # from click, which prints help texts; other code turns it into ConvcliError
        if error.filename is not None:
            raise
        print_error(f"Error: standard output cannot be written: {error.strerror or error}")
        return 1
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED


def _name_variable_only_as_source(error: click.UsageError) -> None:
    """Leave the environment variable of an option out of a message about a value that does not come from it."""
    if not isinstance(error, click.BadParameter) or error.param is None or error.ctx is None:
        return
    if error.ctx.get_parameter_source(str(error.param.name)) is not ParameterSource.ENVIRONMENT:
        error.param_hint = click.Parameter.get_error_hint(error.param, error.ctx)


def _terminate(number: int, frame: object) -> None:
    """Handle SIGTERM: exit through every ``finally``, so that no unfinished file stays."""
    signal.signal(number, _end_at_once)
    raise SystemExit(TERMINATED)


def _interrupt(number: int, frame: object) -> None:
    """Handle SIGINT: raise KeyboardInterrupt, as Python does; a second signal ends the process at once."""
    signal.signal(number, _end_at_once)
    raise KeyboardInterrupt


def _end_at_once(number: int, frame: object) -> None:
    """Handle a second signal: exit at once, wherever the first one is being handled."""
    batch = sys.modules.get("convcli.pipeline.process_batch")
    if batch is not None:
        batch.discard_unfinished()
    os._exit(INTERRUPTED if number == signal.SIGINT else TERMINATED)
