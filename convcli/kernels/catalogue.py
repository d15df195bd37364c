"""Finds kernels by name: the built-in kernels.toml, with a user's file over it."""

import functools
import importlib.resources
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import KernelError, nearest_name
from .config import BankRecipe, Entry, read_config
from .grammar import Inline, Reference, WeightsFile, parse_kernel
from .kernel import Bank, Kernel
from .library import Recipe
from .weights import load_weights


@dataclass(frozen=True)
class Catalogue:
    """Every named kernel and bank."""

    entries: dict[str, Entry]

    def find(self, text: str, within: tuple[str, ...] = ()) -> Kernel | Bank:
        """The kernel or bank that the text after ``-k`` asks for, named as it was typed. Raises KernelError."""
        asked = parse_kernel(text)
        if isinstance(asked, Inline):
            kh, kw = len(asked.matrix), len(asked.matrix[0])
            return Kernel(f"matrix-{kh}x{kw}", asked.matrix, "given on the command line")
        if isinstance(asked, WeightsFile):
            return load_weights(asked)
        return self._find_named(asked, within).turn(asked.turn).named(text.strip())

    def _find_named(self, asked: Reference, within: tuple[str, ...]) -> Kernel | Bank:
        entry = self.entries.get(asked.name)
        if entry is None:
            raise KernelError(
                f"kernel {asked.name!r} is unknown; 'convcli kernels list' shows all{nearest_name(asked.name, self.entries)}"
            )
        if isinstance(entry, Recipe):
            return entry.change(asked.parameters).make()
        if asked.parameters:
            raise KernelError(f"kernel {asked.name!r} takes no parameters, got {asked.parameters[0][0]}")
        return self._make_bank(entry, within) if isinstance(entry, BankRecipe) else entry

    def _make_bank(self, recipe: BankRecipe, within: tuple[str, ...]) -> Bank:
        if recipe.name in within:
            raise KernelError(f"bank {recipe.name!r} holds itself: {' > '.join((*within, recipe.name))}")
        kernels: list[Kernel] = []
        for text in recipe.kernels:
            try:
                found = self.find(text, (*within, recipe.name))
            except KernelError as error:
                raise KernelError(f"bank {recipe.name!r}: {error}") from None
            if isinstance(found, Bank) and found.merge:
                raise KernelError(f"bank {recipe.name!r}: {text!r} is merged into one map and cannot be part of a bank")
            kernels.extend(found.kernels if isinstance(found, Bank) else [found])
        return Bank(recipe.name, tuple(kernels), recipe.merge, recipe.about, recipe.source)

    def __iter__(self) -> Iterator[Kernel | Bank]:
        """All kernels, then all banks, in the order of the files."""
        return (self.find(name) for name in sorted(self.entries, key=self._is_bank))

    def parameters_of(self, name: str) -> dict[str, float]:
        """The parameters that a named kernel takes, with their values."""
        entry = self.entries[name]
        return entry.accepted if isinstance(entry, Recipe) else {}

    def _is_bank(self, name: str) -> bool:
        return isinstance(self.entries[name], BankRecipe)


def feature_maps(found: Kernel | Bank) -> list[Kernel | Bank]:
    """What gives one feature map each: a kernel, a merged bank, or every kernel of another bank."""
    if isinstance(found, Bank) and found.merge is None:
        return list(found.kernels)
    return [found]


def unique_names(maps: list[Kernel | Bank]) -> list[Kernel | Bank]:
    """Number the maps whose names are taken: blur, blur-2, blur-3."""
    taken = {one.name for one in maps}
    used: set[str] = set()
    named = []
    for one in maps:
        name = one.name
        count = 1
        while name in used:
            count += 1
            candidate = f"{one.name}-{count}"
            name = candidate if candidate not in taken else name
        used.add(name)
        named.append(one.named(name))
    return named


def load_catalogue(config: Path | None = None) -> Catalogue:
    """The built-in kernels, with those of a config file over them. Raises KernelError if the file is faulty."""
    if config is None:
        return Catalogue(_built_in())
    own = read_config(config)
    catalogue = Catalogue({**_built_in(), **own})
    for name, entry in own.items():
        if isinstance(entry, BankRecipe):
            try:
                catalogue.find(name)
            except KernelError as error:
                raise KernelError(f"{config}: {error}") from None
    return catalogue


@functools.cache
def _built_in() -> dict[str, Entry]:
    """The kernels.toml inside the package, or beside it in a checkout."""
    package = Path(str(importlib.resources.files("convcli")))
    inside = package / "kernels.toml"
    return read_config(inside if inside.is_file() else package.parent / "kernels.toml")
