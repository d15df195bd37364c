"""Kernels and banks as a config file describes them, yet to be made."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..errors import KernelError
from .kernel import MAX_SIDE, Bank, Kernel, Matrix
from .library import ParameterError, Recipe
from .weights import WeightsFile, load_weights

MOST_MAPS = 1000
"""Kernels of one bank at most."""

NORMS = ("sum", "abs", "l2")

Keys: TypeAlias = tuple[str | int, ...]
Find: TypeAlias = Callable[[str], Kernel | Bank]
Parameters: TypeAlias = tuple[tuple[str, float], ...]


class Fault(KernelError):
    """Something wrong in a config file, and the keys that lead to it; only the strings among the last ones are shown."""

    def __init__(self, keys: Keys, message: str) -> None:
        super().__init__(message)
        self.keys = keys


class Located(KernelError):
    """What is wrong in a config file, with file and line: it is told as it is, wherever it comes up."""


@dataclass(frozen=True)
class Part:
    """A kernel within another or within a bank: the text after -k, or a definition in place; and where it stands."""

    keys: Keys
    kernel: "str | Definition"
    weight: float = 1.0

    def make(self, find: Find) -> Kernel | Bank:
        """The kernel. Raises Fault."""
        if isinstance(self.kernel, Definition):
            return self.kernel.make(find)
        try:
            return find(self.kernel)
        except Located:
            raise
        except KernelError as error:
            raise Fault(self.keys, str(error)) from None


@dataclass(frozen=True)
class Filter:
    """Weights in a file; of several filters, the one of that index."""

    file: WeightsFile
    index: int | None = None


Body: TypeAlias = Matrix | Recipe | Filter | tuple[Part, ...]


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
        """The file of weights, if it is made from one."""
        return (self.body.file,) if isinstance(self.body, Filter) else ()

    def change(self, parameters: Parameters) -> "Definition":
        """The same with other parameters for its generator. Raises KernelError."""
        if not isinstance(self.body, Recipe):
            raise KernelError(f"kernel {self.name!r} takes no parameters, got {parameters[0][0]}")
        return replace(self, body=self.body.change(parameters))

    def make(self, find: Find) -> Kernel:
        """The kernel; ``find`` looks up the names in it. Raises Fault."""
        try:
            found = self._find_body(find)
            kernel = replace(
                found,
                name=self.name,
                matrix=_scaled(found.matrix, self.divisor, self.normalize),
                about=self.about,
                source=self.source,
                tags=self.tags,
                offset=found.offset + self.offset,
                anchor=self.anchor or found.anchor,
                range=self.range,
            )
        except (Fault, Located):
            raise
        except ParameterError as error:
            raise Fault((*self.keys, error.parameter), str(error)) from None
        except KernelError as error:
            raise Fault(self.keys, str(error)) from None
        if self.anchor and (self.anchor[0] >= kernel.shape[0] or self.anchor[1] >= kernel.shape[1]):
            rows, columns = (side - 1 for side in kernel.shape[:2])
            rule = f"must lie in the kernel, from [0, 0] to [{rows}, {columns}], got {list(self.anchor)}"
            raise Fault((*self.keys, "anchor"), rule)
        return kernel.turn(self.rotate)

    def _find_body(self, find: Find) -> Kernel:
        if isinstance(self.body, Recipe):
            return Kernel(self.name, self.body.make())
        if isinstance(self.body, Filter):
            return self._load(self.body)
        return self._sum(find) if _is_sum(self.body) else Kernel(self.name, self.body)  # type: ignore[arg-type]

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

    def _sum(self, find: Find) -> Kernel:
        """The weighted sum of kernels, laid over each other by their anchors."""
        terms: list[tuple[float, Kernel]] = []
        for part in self.parts:
            kernel = part.make(find)
            if isinstance(kernel, Bank):
                raise Fault(part.keys, f"{kernel.name!r} is a bank; only kernels can be summed")
            if kernel.shape[2:] != (terms[0][1].shape[2:] if terms else kernel.shape[2:]):
                raise Fault(part.keys, f"{kernel.name!r} and {terms[0][1].name!r} do not have the same channels")
            terms.append((part.weight, kernel))
        return _added(self.name, terms)


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
        """The file of weights, if its kernels come from one."""
        return self.each.files if self.each else ()

    def change(self, parameters: Parameters) -> "BankDefinition":
        """The same with other parameters for its generator; one that it has a grid of is held at that value."""
        if self.each is None or not isinstance(self.each.body, Recipe):
            raise KernelError(f"bank {self.name!r} takes no parameters, got {parameters[0][0]}")
        held = dict(parameters)
        return replace(self, each=self.each.change(parameters), grid=tuple(axis for axis in self.grid if axis[0] not in held))

    def make(self, find: Find) -> Bank:
        """The bank; ``find`` looks up the names in it. Raises Fault."""
        kernels = list(itertools.islice(self._make_kernels(find), MOST_MAPS + 1))
        if len(kernels) > MOST_MAPS:
            raise Fault(self.keys, f"bank {self.name!r} holds more than {MOST_MAPS} kernels, the limit")
        if self.merge is None and self.range is not None:
            kernels = [replace(kernel, range=kernel.range or self.range) for kernel in kernels]
        return Bank(self.name, tuple(kernels), self.merge, self.about, self.source, self.tags, self.range)

    def _make_kernels(self, find: Find) -> Iterator[Kernel]:
        for part in self.kernels:
            found = part.make(find)
            if isinstance(found, Bank) and found.merge:
                raise Fault(part.keys, f"{found.name!r} is merged into one map and cannot be part of a bank")
            yield from found.kernels if isinstance(found, Bank) else (found,)
        if self.each is not None:
            yield from self._load(self.each) if isinstance(self.each.body, Filter) else self._expand(self.each, find)

    def _expand(self, each: Definition, find: Find) -> Iterator[Kernel]:
        """One kernel for each point of the grid, named after it: gabor8:theta=22.5."""
        names = [name for name, _ in self.grid]
        for point in itertools.product(*(values for _, values in self.grid)):
            words = ",".join(f"{name}={value:.10g}" for name, value in zip(names, point, strict=True))
            try:
                one = each.change(tuple(zip(names, point, strict=True)))
                yield replace(one, name=f"{self.name}:{words}" if words else self.name).make(find)
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
            body = replace(each, name=f"{self.name}-{index}", body=matrix, offset=each.offset + weights.offset)
            yield body.make(lambda name: Bank(name, ()))  # a matrix looks up nothing


Entry: TypeAlias = Definition | BankDefinition


def _is_sum(body: Body) -> bool:
    return isinstance(body, tuple) and isinstance(body[0], Part)


def _scaled(matrix: Matrix, divisor: float, norm: str | None) -> Matrix:
    """The matrix divided by a number, or by its sum, its absolute sum or the root of its sum of squares."""
    if norm is not None:
        numbers = list(Kernel("", matrix).numbers)
        absolute = math.fsum(map(abs, numbers))
        divisor = {"sum": math.fsum(numbers), "abs": absolute, "l2": math.hypot(*numbers)}[norm]
        if abs(divisor) <= 1e-12 * absolute:
            advice = "; use normalize = 'abs', or divisor" if absolute else ""
            raise ParameterError("normalize", f"cannot be {norm!r}, because its {norm} is 0{advice}")
    if divisor == 1:
        return matrix
    return _mapped(matrix, lambda number: number / divisor)


def _mapped(matrix: Matrix, change: Callable[[float], float]) -> Matrix:
    return tuple(tuple(tuple(map(change, cell)) if isinstance(cell, tuple) else change(cell) for cell in row) for row in matrix)


def _added(name: str, terms: list[tuple[float, Kernel]]) -> Kernel:
    """The sum of weight times kernel, each kernel with its anchor in the same place."""
    anchors = [kernel.anchor_or_middle for _, kernel in terms]
    above, left = (max(anchor[axis] for anchor in anchors) for axis in (0, 1))
    below, right = (
        max(kernel.shape[axis] - anchor[axis] for (_, kernel), anchor in zip(terms, anchors, strict=True)) for axis in (0, 1)
    )
    height, width, channels = above + below, left + right, terms[0][1].shape[2:]
    if max(height, width) > MAX_SIDE:
        raise KernelError(f"the sum is {height} x {width}; the largest kernel side is {MAX_SIDE}")
    depth = channels[0] if channels else 1
    total = [[[0.0] * depth for _ in range(width)] for _ in range(height)]
    for (weight, kernel), anchor in zip(terms, anchors, strict=True):
        for y, row in enumerate(kernel.matrix, start=above - anchor[0]):
            for x, cell in enumerate(row, start=left - anchor[1]):
                for c, number in enumerate(cell if isinstance(cell, tuple) else (cell,)):
                    total[y][x][c] += weight * number
    matrix = tuple(tuple(tuple(cell) if channels else cell[0] for cell in row) for row in total)
    anchor = (above, left)
    offset = math.fsum(weight * kernel.offset for weight, kernel in terms)
    summed = Kernel(name, matrix, offset=offset)
    return summed if summed.anchor_or_middle == anchor else replace(summed, anchor=anchor)
