"""Kernels as a config file describes them: frozen data, with the keys that lead to each part."""

from dataclasses import dataclass, replace
from typing import TypeAlias

from ..errors import KernelError
from ..kernels.generators import Formula, GeneratorCall, generators_with
from ..kernels.kernel import Anchor, Matrix
from ..kernels.syntax import KernelText
from ..kernels.weights import WeightsFile
from .toml_positions import Keys

Parameters: TypeAlias = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Part:
    """A kernel within another or within a bank: a definition in place, or ``text`` as after ``-k`` and what it means."""

    keys: Keys
    kernel: "KernelSpec | KernelText"
    text: str = ""
    weight: float = 1.0
    name: str | None = None


@dataclass(frozen=True)
class Sum:
    """A weighted sum of kernels."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class FileFilter:
    """Weights in a file; of several filters, the one of that index."""

    file: WeightsFile
    index: int | None = None


@dataclass(frozen=True)
class Product:
    """A column times a row."""

    column: tuple[float, ...]
    row: tuple[float, ...]

    def formula(self) -> Formula:
        """What computes the matrix."""
        weight_bound = max(map(abs, self.column)) * max(map(abs, self.row))
        nonzero_norms = ("abs", "l2") if weight_bound > 1e-100 else ()
        return Formula((len(self.column), len(self.row)), self._multiply, weight_bound, nonzero_norms)

    def _multiply(self) -> Matrix:
        return tuple(tuple(a * b for b in self.row) for a in self.column)


Body: TypeAlias = Matrix | GeneratorCall | Product | FileFilter | Sum
"""What gives the weights."""


@dataclass(frozen=True)
class KernelSpec:
    """A kernel: what gives its weights, None where that could not be read, and what is done with them.

    ``grid_keys`` lead to the parameters that stand in the grid of a bank.
    """

    name: str
    keys: Keys
    body: Body | None
    divisor: float = 1.0
    normalize: str | None = None
    rotate: int = 0
    offset: float = 0.0
    anchor: Anchor | None = None
    about: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()
    range: str | None = None
    grid_keys: tuple[tuple[str, Keys], ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The kernels that this one is a sum of."""
        return self.body.parts if isinstance(self.body, Sum) else ()

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The files of weights that stand in it."""
        return (self.body.file,) if isinstance(self.body, FileFilter) else files_of(self.parts)

    def keys_of(self, parameter: str) -> Keys:
        """Where a parameter of its generator stands."""
        return dict(self.grid_keys).get(parameter, (*self.keys, parameter))

    def change(self, parameters: Parameters) -> "KernelSpec":
        """The same with other parameters for its generator. Raises KernelError."""
        if not isinstance(self.body, GeneratorCall):
            name = parameters[0][0]
            raise KernelError(f"kernel {self.name!r} takes no parameters, got {name}{generators_with(name)}")
        return replace(self, body=self.body.change(parameters))


def files_of(parts: tuple[Part, ...]) -> tuple[WeightsFile, ...]:
    """The files of weights that stand in some parts."""
    inner = (part.kernel.files if isinstance(part.kernel, KernelSpec) else (part.kernel,) for part in parts)
    return tuple(file for files in inner for file in files if isinstance(file, WeightsFile))
