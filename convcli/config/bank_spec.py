"""Banks as a config file describes them: lists of kernels, grids of parameters, all filters of a file."""

import itertools
from collections.abc import Iterator
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from ..errors import KernelError
from ..kernels.generator_call import GeneratorCall, Parameters, takes_none
from ..kernels.parameters import Value, spelled
from ..kernels.weights import WeightsFile
from .kernel_spec import KernelSpec, Part, files_of
from .toml_positions import Keys

Grid: TypeAlias = tuple[tuple[str, tuple[Value, ...]], ...]
"""Parameters, each with its values."""


class BankSpec(Struct, frozen=True):
    """A bank: a list of kernels, or a ``template`` for each point of a grid of parameters or each filter of a file."""

    name: str
    keys: Keys
    parts: tuple[Part, ...] = ()
    template: KernelSpec | None = None
    grid: Grid = ()
    merge: str | None = None
    about: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()
    range: str | None = None
    duplicated: tuple[str, ...] = ()  # parameters that are keys of the table and of its grid

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The weights files that the bank names."""
        return self.template.files if self.template else files_of(self.parts)

    def change(self, parameters: Parameters) -> "BankSpec":
        """Return a copy with other generator parameters; a parameter of the grid keeps only that value. Raises KernelError."""
        if self.template is None or not isinstance(self.template.body, GeneratorCall):
            raise KernelError(takes_none("bank", self.name, parameters))
        held = {name: (value,) for name, value in parameters}
        grid = tuple((name, held.get(name, values)) for name, values in self.grid)
        return replace(self, template=self.template.change(parameters), grid=grid)

    def points(self) -> Iterator[Parameters]:
        """Yield every combination of the values in the grid."""
        names = [name for name, _ in self.grid]
        for values in itertools.product(*(dict.fromkeys(values) for _, values in self.grid)):
            yield tuple(zip(names, values, strict=True))

    def name_at(self, point: Parameters) -> str:
        """Return the name of the kernel at a point of the grid, such as gabor8:theta=22.5."""
        words = ",".join(f"{name}={spelled(value, 10)}" for name, value in point)
        return f"{self.name}:{words}" if words else self.name

    def keys_at(self, point: Parameters) -> tuple[tuple[str, Keys], ...]:
        """Return the parameters of a point, each with the keys that lead to its value in the grid."""
        grid = dict(self.grid)
        return tuple((name, (*self.keys, "grid", name, grid[name].index(value))) for name, value in point)


Entry: TypeAlias = KernelSpec | BankSpec
"""The definition of a kernel or bank in a config file."""
