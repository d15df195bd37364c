"""Reads config files into a registry of kernels, and checks them."""

import contextlib
import functools
import gc
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import KernelError
from ..kernels.kernel import Bank, Kernel
from .built_in import parse_built_in
from .diagnostics import ConfigError
from .reader import ConfigFile, read_config
from .registry import Registry
from .search_path import ConfigLocation, built_in_file, find_locations

if TYPE_CHECKING:  # only networks need its layers
    from ..networks.network import Network


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Disable Python's garbage collector, which frees nothing while config files are loaded, and takes 60 % of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


@_uncollected()
def load_registry(locations: Iterable[ConfigLocation] | None = None, thorough: bool = False) -> Registry:
    """Load and check the kernels of these config files, or of all that are found.

    Raises KernelError with a line for every fault of every file. The built-in file is checked only if ``thorough``, as in
    the tests.
    """
    registry = peek_registry(find_locations() if locations is None else locations)
    check_registry(registry, thorough)
    return registry


@_uncollected()
def check_registry(registry: Registry, thorough: bool = False) -> None:
    """Raise ConfigError, a KernelError, with a line for each file that cannot be read and for every fault of the others."""
    checked = [file for file in registry.files if thorough or file.path != built_in_file()]
    for file in checked:
        registry.check(file)
    faulty = [file.diagnostics for file in checked if file.diagnostics.faults]
    if faulty or registry.unreadable:
        raise ConfigError(faulty, registry.unreadable)


def peek_registry(locations: Iterable[ConfigLocation]) -> Registry:
    """Load the kernels of these config files without a check. For a file that cannot be read, the message is stored."""
    files: list[ConfigFile] = []
    unreadable: list[str] = []
    for location in locations:
        try:
            files.append(_built_in() if location.path == built_in_file() else read_config(location.path))
        except KernelError as error:
            unreadable.extend(error.lines)
    return Registry(files, unreadable)


@functools.cache
def _built_in() -> ConfigFile:
    return read_config(built_in_file(), parse_built_in)


def load_kernels(path: str | os.PathLike[str] | None = None) -> dict[str, Kernel | Bank]:
    """Load all kernels and banks of one kernels.toml, by name; without a path, all that a command run here would find.

    Without a path, they are the built-in ones and those of ``$CONVCLI_CONFIG``, of the nearest kernels.toml from the working
    folder upward, and of the user's own. Raises KernelError with a line for each fault of a file.

    >>> load_kernels()["sobel-x"].weights.tolist()
    [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]
    """
    if path is not None and not isinstance(path, str | os.PathLike):
        raise KernelError(f"path must be the name of a kernels.toml, got {type(path).__name__}")
    registry = load_registry(
        None if path is None else [ConfigLocation(Path(path), "path"), ConfigLocation(built_in_file(), "built in")]
    )
    names = registry.entries if path is None else registry.files[0].entries
    return {name: registry.find(name) for name in names}


def kernel(text: str) -> Kernel | Bank:
    """Return the kernel or bank that ``-k`` with this text means, from the config files that a command run here would read.

    Raises KernelError.

    >>> kernel("gaussian:sigma=2").weights.shape
    (17, 17)
    """
    if not isinstance(text, str):
        raise KernelError(f"kernel must be a text such as 'gaussian:sigma=2', got {type(text).__name__}")
    return load_registry().find(text)


def load_network(name: str) -> "Network":
    """Return a network by its name in the config files that a command run here would read.

    Raises KernelError for an unknown name, and with a line for each fault of a file.

    >>> import numpy as np
    >>> net = load_network("edge-energy")
    >>> net(np.zeros((1, 32, 48))).shape, net.maps(np.zeros((5, 1, 32, 48)), ["edges"])["edges"].shape
    ((8, 8, 12), (5, 8, 32, 48))
    """
    if not isinstance(name, str):
        raise KernelError(f"network must be a name such as 'edge-energy', got {type(name).__name__}")
    return load_registry().network(name)
