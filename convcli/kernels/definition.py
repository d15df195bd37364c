"""Kernels and banks as a config file describes them, yet to be computed."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..errors import KernelError
from .arithmetic import added, divided, laid_over
from .draft import AnyDraft, BankDraft, Draft, drafted, drafted_kernel
from .faults import Fault, Keys, Located, TooMuch
from .kernel import Anchor, Bank, Kernel, Matrix, turned
from .library import Formula, ParameterError, Recipe
from .weights import WeightsFile, load_file, load_weights

MOST_MAPS = 1000
"""Kernels of one bank at most."""

NORMS = ("sum", "abs", "l2")

Parameters: TypeAlias = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Drafter:
    """What a definition is drafted with: ``find`` looks up the kernels that it names, ``count`` counts all that are drafted."""

    find: Callable[[str], AnyDraft]
    count: Callable[[], None]


@dataclass(frozen=True)
class Part:
    """A kernel within another or within a bank, and where it stands: the text after -k, a definition in place, or a file."""

    keys: Keys
    kernel: "str | Definition | WeightsFile"
    weight: float = 1.0
    name: str | None = None

    def draft(self, drafter: Drafter) -> AnyDraft:
        """The kernel, yet to be computed. Raises Fault."""
        if isinstance(self.kernel, Definition):
            return self.kernel.draft(drafter)
        try:
            found = drafted(load_file(self.kernel)) if isinstance(self.kernel, WeightsFile) else drafter.find(self.kernel)
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
    """A column times a row: a matrix yet to be computed."""

    column: tuple[float, ...]
    row: tuple[float, ...]

    @property
    def largest(self) -> float:
        """The largest weight, but for its sign."""
        return max(map(abs, self.column)) * max(map(abs, self.row))

    def formula(self) -> Formula:
        """What computes the matrix."""
        return Formula((len(self.column), len(self.row)), self._multiply)

    def _multiply(self) -> Matrix:
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
    anchor: Anchor | None = None
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

    def check_part(self, part: Part, found: AnyDraft) -> None:
        """Raise Fault where a kernel cannot be part of a sum."""
        if isinstance(found, BankDraft):
            raise Fault(part.keys, f"{found.name!r} is a bank; only kernels can be summed")

    def draft(self, drafter: Drafter) -> Draft:
        """The kernel, yet to be computed; its parameters, shape and anchor are looked at. Raises Fault."""
        drafter.count()
        try:
            return self.finish(self._draft_body(drafter))
        except (Fault, Located, TooMuch):
            raise
        except ParameterError as error:
            raise Fault((*self.keys, error.parameter), str(error)) from None
        except KernelError as error:
            raise Fault(self.keys, str(error)) from None

    def finish(self, body: Draft) -> Draft:
        """What the body gives, divided and turned, with everything else that the definition tells. Raises Fault."""
        if self.anchor and (self.anchor[0] >= body.shape[0] or self.anchor[1] >= body.shape[1]):
            rows, columns = (side - 1 for side in body.shape[:2])
            rule = f"must lie in the kernel, from [0, 0] to [{rows}, {columns}], got {list(self.anchor)}"
            raise Fault((*self.keys, "anchor"), rule)
        shape, anchor = turned(body.shape, self.anchor or body.anchor, self.rotate)
        return Draft(
            name=self.name,
            shape=shape,
            anchor=anchor,
            largest=body.largest / abs(self.divisor),
            cost=body.cost,
            compute=lambda: self._compute(body),
            decided=body.decided and self.normalize is None,
        )

    def _compute(self, body: Draft) -> Kernel:
        """The kernel. Raises Fault."""
        try:
            found = body.compute()
            divisor = self._divisor_of(found)
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
        except (Fault, Located):
            raise
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

    def _draft_body(self, drafter: Drafter) -> Draft:
        if isinstance(self.body, Recipe | Product):
            formula = self.body.formula()
            cost = math.prod(formula.shape)
            return Draft(self.name, formula.shape, None, self.body.largest, cost, lambda: Kernel(self.name, formula.compute()))
        if isinstance(self.body, Filter):
            return drafted_kernel(self._load(self.body))
        return self._sum(drafter) if _is_sum(self.body) else drafted_kernel(Kernel(self.name, self.body))  # type: ignore[arg-type]

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

    def _sum(self, drafter: Drafter) -> Draft:
        """The weighted sum of kernels, laid over each other by their anchors."""
        terms: list[tuple[float, Draft]] = []
        for part in self.parts:
            term = part.draft(drafter)
            self.check_part(part, term)
            assert isinstance(term, Draft)
            terms.append((part.weight, term))
            first = terms[0][1]
            if term.shape[2:] != first.shape[2:]:
                raise Fault(part.keys, f"{term.name!r} and {first.name!r} do not have the same channels")
        shape, anchor = laid_over([term.shape for _, term in terms], [term.anchor for _, term in terms])
        return Draft(
            name=self.name,
            shape=shape,
            anchor=anchor,
            largest=sum(abs(weight) * term.largest for weight, term in terms),
            cost=sum(term.cost + math.prod(term.shape) for _, term in terms),
            compute=lambda: added(self.name, [(weight, term.compute()) for weight, term in terms]),
            decided=all(term.decided for _, term in terms),
        )


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

    def check_part(self, part: Part, found: AnyDraft) -> None:
        """Raise Fault where a kernel cannot be part of a bank."""
        if isinstance(found, BankDraft) and found.bank.merge:
            raise Fault(part.keys, f"{found.name!r} is merged into one map and cannot be part of a bank")

    def draft(self, drafter: Drafter) -> BankDraft:
        """The bank, yet to be computed. Raises Fault."""
        kernels = tuple(itertools.islice(self._draft_kernels(drafter), MOST_MAPS + 1))
        if len(kernels) > MOST_MAPS:
            raise Fault(self.keys, f"bank {self.name!r} holds more than {MOST_MAPS} kernels, the limit")
        return BankDraft(kernels, Bank(self.name, (), self.merge, self.about, self.source, self.tags, self.range))

    def _draft_kernels(self, drafter: Drafter) -> Iterator[Draft]:
        for part in self.kernels:
            found = part.draft(drafter)
            self.check_part(part, found)
            yield from found.kernels
        if self.each is not None:
            yield from self._load(self.each) if isinstance(self.each.body, Filter) else self._expand(self.each, drafter)

    def _expand(self, each: Definition, drafter: Drafter) -> Iterator[Draft]:
        """One kernel for each point of the grid, named after it: gabor8:theta=22.5."""
        names = [name for name, _ in self.grid]
        for point in itertools.product(*(values for _, values in self.grid)):
            words = ",".join(f"{name}={value:.10g}" for name, value in zip(names, point, strict=True))
            try:
                one = each.change(tuple(zip(names, point, strict=True)))
                yield replace(one, name=f"{self.name}:{words}" if words else self.name).draft(drafter)
            except ParameterError as error:
                raise Fault((*self.keys, "grid", error.parameter), str(error)) from None
            except Fault as fault:
                raise Fault(
                    (*self.keys, "grid", fault.keys[-1]) if fault.keys[-1] in names else fault.keys, str(fault)
                ) from None

    def _load(self, each: Definition) -> Iterator[Draft]:
        """One kernel for each filter of the file."""
        assert isinstance(each.body, Filter)
        try:
            weights = load_weights(each.body.file)
        except KernelError as error:
            raise Fault((*self.keys, "file"), str(error)) from None
        for index, matrix in enumerate(weights.matrices):
            one = replace(each, name=f"{self.name}-{index}")
            yield one.finish(drafted_kernel(Kernel(one.name, matrix, offset=weights.offset)))


Entry: TypeAlias = Definition | BankDefinition


def _files_in(parts: tuple[Part, ...]) -> tuple[WeightsFile, ...]:
    inner = (part.kernel.files if isinstance(part.kernel, Definition) else (part.kernel,) for part in parts)
    return tuple(file for files in inner for file in files if isinstance(file, WeightsFile))


def _is_sum(body: Body) -> bool:
    return isinstance(body, tuple) and isinstance(body[0], Part)
