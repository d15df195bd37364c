"""Groups of commands, whose error for an unknown command names those that there are."""

from typing import Any

import click

from ..errors import nearest_name


class CommandGroup(click.Group):
    """A group of commands."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command. The error for an unknown one suggests the nearest."""
        names = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in names:
            near = nearest_name(args[0], names) or f"; there are {', '.join(names)}"
            raise click.UsageError(f"no command {args[0]!r}{near}", ctx)
        return super().resolve_command(ctx, args)
