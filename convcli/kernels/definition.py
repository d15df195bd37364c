"""Kernels and banks as a config file describes them, yet to be made."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..errors import KernelError
from .arithmetic import added, divided
from .faults import Fault, Keys, Located, Meter, TooMuch
from .kernel import Bank, Kernel, Matrix
from .library import ParameterError, Recipe
from .weights import WeightsFile, load_file, load_weights

MOST_MAPS = 1000
"""Kernels of one bank at most."""

NORMS = ("sum", "abs", "l2")

Parameters: TypeAlias = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Maker:
    """What a definition is made with: ``find`` looks up the kernels that it names, ``meter`` counts the weights."""

    find: Callable[[str], Kernel | Bank]
    meter: Meter


@dataclass(frozen=True)
class Part:
    """A kernel within another or within a bank, and where it stands: the text after -k, a definition in place, or a file."""

    keys: Keys
    kernel: "str | Definition | WeightsFile"
    weight: float = 1.0
    name: str | None = None

    def make(self, maker: Maker) -> Kernel | Bank:
        """The kernel. Raises Fault."""
        if isinstance(self.kernel, Definition):
            return self.kernel.make(maker)
        try:
            found = load_file(self.kernel) if isinstance(self.kernel, WeightsFile) else maker.find(self.kernel)
            return found.named(self.name) if self.name else found
        except (Located, TooMuch):
            raise
        except KernelError as error:
            raise Fault(self.keys, str(error)) from None


@dataclass(frozen=True)
class Filter:
    """Weights in a file; of several filters, the one of that index."""

    file: WeightsFile
    index: int | None = None


@dataclass(frozen=True)
class Product:
    """A column times a row: a matrix yet to be made."""

    column: tuple[float, ...]
    row: tuple[float, ...]

    def make(self) -> Matrix:
        """Compute the matrix."""
        return tuple(tuple(a * b for b in self.row) for a in self.column)


Body: TypeAlias = Matrix | Recipe | Product | Filter | tuple[Part, ...]


@dataclass(frozen=True)
class Definition:
    """A kernel: what gives its weights, and what is then done with them: divided, normalised, turned."""

    name: str
    keys: Keys
    body: Body
    divisor: float = 1.0
    normalize: str | None = None
    rotate: int = 0
    offset: float = 0.0
    anchor: tuple[int, int] | None = None
    about: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()
    range: str | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """The kernels that this one is a sum of."""
        return self.body if _is_sum(self.body) else ()  # type: ignore[return-value]

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The files of weights that it is made from by itself."""
        return (self.body.file,) if isinstance(self.body, Filter) else _files_in(self.parts)

    def change(self, parameters: Parameters) -> "Definition":
        """The same with other parameters for its generator. Raises KernelError."""
        if not isinstance(self.body, Recipe):
            raise KernelError(f"kernel {self.name!r} takes no parameters, got {parameters[0][0]}")
        return replace(self, body=self.body.change(parameters))

    def check_part(self, part: Part, found: Kernel | Bank) -> None:
        """Raise Fault where a kernel cannot be part of a sum."""
        if isinstance(found, Bank):
            raise Fault(part.keys, f"{found.name!r} is a bank; only kernels can be summed")

    def make(self, maker: Maker) -> Kernel:
        """The kernel. Raises Fault."""
        try:
            found = self._find_body(maker)
        except (Fault, Located, TooMuch):
            raise
        except ParameterError as error:
            raise Fault((*self.keys, error.parameter), str(error)) from None
        except KernelError as error:
            raise Fault(self.keys, str(error)) from None
        return self.finish(found)

    def finish(self, found: Kernel) -> Kernel:
        """What the body gives, divided and turned, with everything else that the definition tells. Raises Fault."""
        if self.anchor and (self.anchor[0] >= found.shape[0] or self.anchor[1] >= found.shape[1]):
            rows, columns = (side - 1 for side in found.shape[:2])
            rule = f"must lie in the kernel, from [0, 0] to [{rows}, {columns}], got {list(self.anchor)}"
            raise Fault((*self.keys, "anchor"), rule)
        divisor = self._divisor_of(found)
        try:
            kernel = replace(
                found,
                name=self.name,
                matrix=found.matrix if divisor == 1 else divided(found.matrix, divisor),
                about=self.about,
                source=self.source,
                tags=self.tags,
                offset=self.offset + (found.offset / divisor if self.parts else found.offset),
                anchor=self.anchor or found.anchor,
                range=self.range,
            )
        except KernelError as error:
            raise Fault(self.keys, str(error)) from None
        return kernel.turn(self.rotate)

    def _divisor_of(self, found: Kernel) -> float:
        """The number that the weights are divided by, their sum, their absolute sum, or the root of the sum of squares."""
        if self.normalize is None:
            return self.divisor
        norms = {"sum": found.sum, "abs": found.absolute_sum, "l2": math.hypot(*found.numbers)}
        divisor = norms[self.normalize]
        if abs(divisor) <= 1e-12 * found.absolute_sum:
            advice = "; use normalize = 'abs', or divisor" if found.absolute_sum else ", as all its weights are 0"
            raise Fault((*self.keys, "normalize"), f"cannot be {self.normalize!r}: the sum is 0{advice}")
        return divisor

    def _find_body(self, maker: Maker) -> Kernel:
        if isinstance(self.body, Product):
            maker.meter.spend(len(self.body.column) * len(self.body.row))
            return Kernel(self.name, self.body.make())
        if isinstance(self.body, Recipe):
            kernel = Kernel(self.name, self.body.make())
            maker.meter.spend(math.prod(kernel.shape))
            return kernel
        if isinstance(self.body, Filter):
            return self._load(self.body)
        return self._sum(maker) if _is_sum(self.body) else Kernel(self.name, self.body)  # type: ignore[arg-type]

    def _load(self, body: Filter) -> Kernel:
        try:
            weights = load_weights(body.file, body.index)
        except KernelError as error:
            raise Fault((*self.keys, "file"), str(error)) from None
        if weights.several:
            count = len(weights.matrices)
            raise Fault(
                (*self.keys, "file"), f"holds {count} filters; choose one by index, 0 to {count - 1}, or make it a bank"
            )
        return Kernel(self.name, weights.matrices[0], offset=weights.offset)

    def _sum(self, maker: Maker) -> Kernel:
        """The weighted sum of kernels, laid over each other by their anchors."""
        terms: list[tuple[float, Kernel]] = []
        for part in self.parts:
            kernel = part.make(maker)
            self.check_part(part, kernel)
            assert isinstance(kernel, Kernel)
            maker.meter.spend(math.prod(kernel.shape))
            if kernel.shape[2:] != (terms[0][1].shape[2:] if terms else kernel.shape[2:]):
                raise Fault(part.keys, f"{kernel.name!r} and {terms[0][1].name!r} do not have the same channels")
            terms.append((part.weight, kernel))
        return added(self.name, terms)


@dataclass(frozen=True)
class BankDefinition:
    """A bank: its kernels one by one, or one definition for all of them, over a grid of parameters or over a file's filters."""

    name: str
    keys: Keys
    kernels: tuple[Part, ...] = ()
    each: Definition | None = None
    grid: tuple[tuple[str, tuple[float, ...]], ...] = ()
    merge: str | None = None
    about: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()
    range: str | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """The kernels that are named or written in it."""
        return self.kernels

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The files of weights that its kernels come from by themselves."""
        return self.each.files if self.each else _files_in(self.parts)

    def change(self, parameters: Parameters) -> "BankDefinition":
        """The same with other parameters for its generator; one that it has a grid of is held at that value."""
        if self.each is None or not isinstance(self.each.body, Recipe):
            raise KernelError(f"bank {self.name!r} takes no parameters, got {parameters[0][0]}")
        held = {name: (value,) for name, value in parameters}
        grid = tuple((name, held.get(name, values)) for name, values in self.grid)
        return replace(self, each=self.each.change(parameters), grid=grid)

    def check_part(self, part: Part, found: Kernel | Bank) -> None:
        """Raise Fault where a kernel cannot be part of a bank."""
        if isinstance(found, Bank) and found.merge:
            raise Fault(part.keys, f"{found.name!r} is merged into one map and cannot be part of a bank")

    def make(self, maker: Maker) -> Bank:
        """The bank. Raises Fault."""
        kernels = list(itertools.islice(self._make_kernels(maker), MOST_MAPS + 1))
        if len(kernels) > MOST_MAPS:
            raise Fault(self.keys, f"bank {self.name!r} holds more than {MOST_MAPS} kernels, the limit")
        if self.merge is None and self.range is not None:
            kernels = [replace(kernel, range=kernel.range or self.range) for kernel in kernels]
        return Bank(self.name, tuple(kernels), self.merge, self.about, self.source, self.tags, self.range)

    def _make_kernels(self, maker: Maker) -> Iterator[Kernel]:
        for part in self.kernels:
            found = part.make(maker)
            self.check_part(part, found)
            yield from found.kernels if isinstance(found, Bank) else (found,)
        if self.each is not None:
            yield from self._load(self.each) if isinstance(self.each.body, Filter) else self._expand(self.each, maker)

    def _expand(self, each: Definition, maker: Maker) -> Iterator[Kernel]:
        """One kernel for each point of the grid, named after it: gabor8:theta=22.5."""
        names = [name for name, _ in self.grid]
        for point in itertools.product(*(values for _, values in self.grid)):
            words = ",".join(f"{name}={value:.10g}" for name, value in zip(names, point, strict=True))
            try:
                one = each.change(tuple(zip(names, point, strict=True)))
                yield replace(one, name=f"{self.name}:{words}" if words else self.name).make(maker)
            except ParameterError as error:
                raise Fault((*self.keys, "grid", error.parameter), str(error)) from None
            except Fault as fault:
                raise Fault(
                    (*self.keys, "grid", fault.keys[-1]) if fault.keys[-1] in names else fault.keys, str(fault)
                ) from None

    def _load(self, each: Definition) -> Iterator[Kernel]:
        """One kernel for each filter of the file."""
        assert isinstance(each.body, Filter)
        try:
            weights = load_weights(each.body.file)
        except KernelError as error:
            raise Fault((*self.keys, "file"), str(error)) from None
        for index, matrix in enumerate(weights.matrices):
            one = replace(each, name=f"{self.name}-{index}")
            yield one.finish(Kernel(one.name, matrix, offset=weights.offset))


Entry: TypeAlias = Definition | BankDefinition


def _files_in(parts: tuple[Part, ...]) -> tuple[WeightsFile, ...]:
    inner = (part.kernel.files if isinstance(part.kernel, Definition) else (part.kernel,) for part in parts)
    return tuple(file for files in inner for file in files if isinstance(file, WeightsFile))


def _is_sum(body: Body) -> bool:
    return isinstance(body, tuple) and isinstance(body[0], Part)
