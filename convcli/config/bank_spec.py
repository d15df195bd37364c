"""Banks as a config file describes them: lists of kernels, grids of parameters, all filters of a file."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..errors import KernelError
from ..kernels.generators import GeneratorCall, generators_with
from ..kernels.weights import WeightsFile
from .kernel_spec import KernelSpec, Parameters, Part, files_of
from .toml_positions import Keys

Grid: TypeAlias = tuple[tuple[str, tuple[float, ...]], ...]
"""Parameters, and the values that each runs through."""


@dataclass(frozen=True)
class BankSpec:
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
        """The files of weights that stand in it."""
        return self.template.files if self.template else files_of(self.parts)

    def change(self, parameters: Parameters) -> "BankSpec":
        """The same with other parameters for its generator; one that it has a grid of is held at that value."""
        if self.template is None or not isinstance(self.template.body, GeneratorCall):
            name = parameters[0][0]
            raise KernelError(f"bank {self.name!r} takes no parameters, got {name}{generators_with(name)}")
        held = {name: (value,) for name, value in parameters}
        grid = tuple((name, held.get(name, values)) for name, values in self.grid)
        return replace(self, template=self.template.change(parameters), grid=grid)

    def points(self) -> Iterator[Parameters]:
        """Every combination of the values in the grid."""
        names = [name for name, _ in self.grid]
        for values in itertools.product(*(dict.fromkeys(values) for _, values in self.grid)):
            yield tuple(zip(names, values, strict=True))

    def name_at(self, point: Parameters) -> str:
        """The name of the kernel at a point of the grid, such as gabor8:theta=22.5."""
        words = ",".join(f"{name}={value:.10g}" for name, value in point)
        return f"{self.name}:{words}" if words else self.name

    def keys_at(self, point: Parameters) -> tuple[tuple[str, Keys], ...]:
        """Where the parameters of a point stand in the grid."""
        grid = dict(self.grid)
        return tuple((name, (*self.keys, "grid", name, grid[name].index(value))) for name, value in point)


Entry: TypeAlias = KernelSpec | BankSpec
"""What stands under a name in a config file."""
