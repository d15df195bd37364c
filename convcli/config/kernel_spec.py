"""Kernels as a config file describes them: frozen data, with the keys that lead to each part."""

from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from ..errors import KernelError
from ..kernels.generator_call import GeneratorCall, Parameters, takes_none
from ..kernels.generators import Formula
from ..kernels.kernel import Anchor, Matrix
from ..kernels.syntax import KernelText
from ..kernels.weights import WeightsFile
from .toml_positions import Keys


class Part(Struct, frozen=True):
    """A kernel in a sum or in a bank: a nested definition, or a ``text`` as after ``-k`` and its parsed value."""

    keys: Keys
    kernel: "KernelSpec | KernelText"
    text: str = ""
    weight: float = 1.0
    name: str | None = None


class Sum(Struct, frozen=True):
    """A weighted sum of kernels."""

    parts: tuple[Part, ...]


class FileFilter(Struct, frozen=True):
    """Weights in a file; ``index`` selects one of several filters."""

    file: WeightsFile
    index: int | None = None


class Product(Struct, frozen=True):
    """A column times a row."""

    column: tuple[float, ...]
    row: tuple[float, ...]

    def formula(self) -> Formula:
        """Return the formula that computes the matrix."""
        weight_bound = max(map(abs, self.column)) * max(map(abs, self.row))
        nonzero_norms = ("abs", "l2") if weight_bound > 1e-100 else ()
        return Formula((len(self.column), len(self.row)), self._multiply, weight_bound, nonzero_norms)

    def _multiply(self) -> Matrix:
        return tuple(tuple(a * b for b in self.row) for a in self.column)


Body: TypeAlias = Matrix | GeneratorCall | Product | FileFilter | Sum
"""The definition of the weights of a kernel."""


class KernelSpec(Struct, frozen=True):
    """A kernel: the definition of its weights (``body``, None if it is invalid), and the changes made to them.

    ``grid_keys`` are the keys that lead to parameters in the grid of a bank.
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
        """The terms of a sum; empty for any other kernel."""
        return self.body.parts if isinstance(self.body, Sum) else ()

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The weights files that the kernel names."""
        return (self.body.file,) if isinstance(self.body, FileFilter) else files_of(self.parts)

    def keys_of(self, parameter: str) -> Keys:
        """Return the keys that lead to a parameter of the generator."""
        return dict(self.grid_keys).get(parameter, (*self.keys, parameter))

    def change(self, parameters: Parameters) -> "KernelSpec":
        """Return a copy with other generator parameters. Raises KernelError."""
        if not isinstance(self.body, GeneratorCall):
            raise KernelError(takes_none("kernel", self.name, parameters))
        return replace(self, body=self.body.change(parameters))


def files_of(parts: tuple[Part, ...]) -> tuple[WeightsFile, ...]:
    """Return the weights files that some parts name."""
    inner = (part.kernel.files if isinstance(part.kernel, KernelSpec) else (part.kernel,) for part in parts)
    return tuple(file for files in inner for file in files if isinstance(file, WeightsFile))
