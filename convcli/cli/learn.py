"""convcli learn: kernels, banks and networks from pictures."""

import click

from . import learn_bank, learn_kernel, learn_network
from .command_group import CommandGroup


@click.group(cls=CommandGroup)
def command() -> None:
    """
    \b
    convcli learn kernel before.png after.png --size 5
    convcli learn kernel sharp.png blurred.png --size 7 --name lens
    convcli learn bank photos/*.jpg -o filters.npz
    convcli learn network lenet-5-modern digits.npz -o weights.npz --augment digits

    Learns kernels, banks and networks from pictures.
    """


for learning in (learn_kernel, learn_bank, learn_network):
    command.add_command(learning.command)
