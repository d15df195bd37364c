"""Kernels as a config file describes them, yet to be computed."""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..errors import KernelError
from ..kernels.arithmetic import added, divided, laid_over
from ..kernels.expressions import MAX_WEIGHT
from ..kernels.generators import Formula, ParameterError, Recipe, takers_of
from ..kernels.kernel import Anchor, Kernel, Matrix, turned
from ..kernels.weights import Weights, WeightsError, WeightsFile
from .diagnostics import Fault, Keys, Unread
from .lazy_kernel import AnyDraft, BankDraft, Draft, at, draft_of, draft_of_filter

MOST_MAPS = 1000
"""Kernels of one bank, or of one sum, at most."""

MOST_WEIGHTS = 4_000_000
"""Weights of one bank, or of all kernels of a sum, at most."""

SURELY = MAX_WEIGHT / 2
"""What is below that before it is rounded does not exceed the limit after."""

DEEPEST = 20
"""Kernels within kernels within kernels, at most."""

Parameters: TypeAlias = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Drafter:
    """What a definition is drafted with.

    ``find`` looks up the kernels that it names. ``tell`` takes what is wrong with one of several things, and returns where
    the others are to be looked at too, or raises it. ``suspect`` takes a kernel within a sum that only its weights can show
    to be wrong, as the sum itself may never be computed. ``is_faulty`` tells the tables and keys that were not read well.
    ``load`` reads a file of weights, and raises WeightsError. ``count`` counts the kernels that are drafted, ``spend`` the
    weights that are computed; all three raise TooMuch.
    """

    find: Callable[[str | WeightsFile], AnyDraft]
    tell: Callable[[KernelError], None]
    suspect: Callable[[Draft], None]
    is_faulty: Callable[[Keys], bool]
    load: Callable[[WeightsFile], Weights]
    count: Callable[[], None]
    spend: Callable[[int], None]


@dataclass(frozen=True)
class Part:
    """A kernel within another or within a bank, and where it stands: the text after -k, a definition in place, or a file."""

    keys: Keys
    kernel: "str | KernelSpec | WeightsFile"
    weight: float = 1.0
    name: str | None = None

    def draft(self, drafter: Drafter) -> AnyDraft:
        """The kernel, yet to be computed. Raises Fault."""
        try:
            with at(self.keys):
                draft = self._find(drafter)
        except Unread as error:
            self._refuse_depth(error.depth)
            raise Unread(error.depth + 1) from None
        self._refuse_depth(draft.depth)
        draft = draft.guarded(lambda: at(self.keys))
        return draft.named(self.name) if self.name else draft

    def _refuse_depth(self, depth: int) -> None:
        if depth >= DEEPEST:
            raise Fault(self.keys, f"kernels within kernels, more than {DEEPEST} deep", tangled=True)

    def _find(self, drafter: Drafter) -> AnyDraft:
        if isinstance(self.kernel, KernelSpec):
            return self.kernel.draft(drafter)
        return drafter.find(self.kernel)


@dataclass(frozen=True)
class Filter:
    """Weights in a file; of several filters, the one of that index."""

    file: WeightsFile
    index: int | None = None

    def load(self, keys: Keys, drafter: Drafter) -> Weights:
        """All filters of the file. Raises Fault, at the file, its key or its layout."""
        try:
            return drafter.load(self.file)
        except WeightsError as error:
            raise Fault((*keys, error.about), str(error)) from None


@dataclass(frozen=True)
class Product:
    """A column times a row: a matrix yet to be computed."""

    column: tuple[float, ...]
    row: tuple[float, ...]

    def formula(self) -> Formula:
        """What computes the matrix."""
        largest = max(map(abs, self.column)) * max(map(abs, self.row))
        nonzero = ("abs", "l2") if largest > 1e-100 else ()
        return Formula((len(self.column), len(self.row)), self._multiply, largest, nonzero)

    def _multiply(self) -> Matrix:
        return tuple(tuple(a * b for b in self.row) for a in self.column)


NO_BODY: Matrix = ((0.0,),)
"""Stands where nothing that gives weights was read."""

Body: TypeAlias = Matrix | Recipe | Product | Filter | tuple[Part, ...]


@dataclass(frozen=True)
class KernelSpec:
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
        return (self.body.file,) if isinstance(self.body, Filter) else files_in(self.parts)

    def change(self, parameters: Parameters) -> "KernelSpec":
        """The same with other parameters for its generator. Raises KernelError."""
        if not isinstance(self.body, Recipe):
            raise KernelError(f"kernel {self.name!r} takes no parameters, got {parameters[0][0]}{takers_of(parameters[0][0])}")
        return replace(self, body=self.body.change(parameters))

    def draft(self, drafter: Drafter) -> Draft:
        """The kernel, yet to be computed; its parameters, shape and anchor are looked at. Raises Fault."""
        drafter.count()
        if drafter.is_faulty(self.keys):
            self._draft_what_is_well(drafter)
            raise Unread
        with at(self.keys):
            body, nonzero = self._draft_body(drafter)
            return self.finish(body, drafter, nonzero)

    def _draft_what_is_well(self, drafter: Drafter) -> None:
        """Look at what can be looked at in a table with faults."""
        if not self.has_body(drafter):
            self._draft_terms(drafter)
            if isinstance(self.body, Filter) and not any(drafter.is_faulty((*self.keys, key)) for key in ("file", "key")):
                with reporting(drafter):
                    self.body.load(self.keys, drafter)
            return
        with reporting(drafter), at(self.keys):
            body, nonzero = self._draft_body(drafter)
            drafter.suspect(self.finish(body, drafter, nonzero))

    def has_body(self, drafter: Drafter) -> bool:
        """Whether what gives the weights was read well."""
        keys: tuple[str, ...] = ("matrix", "tensor")
        if isinstance(self.body, Recipe):
            keys = ("generator", *self.body.accepted)
        elif isinstance(self.body, Filter):
            keys = ("file", "key", "layout", "index")
        elif isinstance(self.body, Product):
            keys = ("column", "row")
        elif _is_sum(self.body):
            keys = ("sum",)
        return self.body != NO_BODY and not any(drafter.is_faulty((*self.keys, key)) for key in keys)

    def finish(self, body: Draft, drafter: Drafter, nonzero: tuple[str, ...] = ()) -> Draft:
        """What the body gives, divided and turned, with everything else that the definition tells.

        ``nonzero`` are the norms of the body that are certainly not 0. Raises Fault.
        """
        anchor = self.anchor or body.anchor
        if self.anchor and (self.anchor[0] >= body.shape[0] or self.anchor[1] >= body.shape[1]):
            rows, columns = (side - 1 for side in body.shape[:2])
            rule = f"must lie in the kernel, from [0, 0] to [{rows}, {columns}], got {list(self.anchor)}"
            drafter.tell(Fault((*self.keys, "anchor"), rule))
            anchor = None
        shape, anchor = turned(body.shape, anchor, self.rotate)
        if self.normalize:  # of a generator's kernel, whose sum is 1 where it is certainly not 0
            largest = abs(self.offset) + max(body.largest, 1.0)
            sure = body.sure and self.normalize in nonzero
        else:
            largest = abs(self.offset) + body.largest / min(abs(self.divisor), 1.0)
            sure = body.sure and largest <= SURELY
        return Draft(
            name=self.name,
            shape=shape,
            anchor=anchor,
            largest=largest if sure else MAX_WEIGHT,
            sure=sure,
            compute=lambda: self._compute(body),
            depth=body.depth,
        )

    def _compute(self, body: Draft) -> Kernel:
        """The kernel. Raises Fault."""
        with at(self.keys):
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

    def _draft_body(self, drafter: Drafter) -> tuple[Draft, tuple[str, ...]]:
        """What the definition is made of, and the norms of it that are certainly not 0. Raises KernelError."""
        if isinstance(self.body, Recipe | Product):
            try:
                formula = self.body.formula()
            except ParameterError as error:
                for name, text in error.wrong:
                    drafter.tell(Fault((*self.keys, name), text))
                raise Unread from None

            def compute() -> Kernel:
                drafter.spend(math.prod(formula.shape))
                return Kernel(self.name, formula.compute())

            sure = formula.largest <= SURELY
            draft = Draft(self.name, formula.shape, None, formula.largest if sure else MAX_WEIGHT, sure, compute)
            return draft, formula.nonzero
        if isinstance(self.body, Filter):
            weights = self.body.load(self.keys, drafter)
            index = 0  # stands for a wrong one, so that what else is wrong is seen
            with reporting(drafter), at((*self.keys, "file" if self.body.index is None else "index")):
                index = weights.filter_index(self.body.index)
            return draft_of_filter(weights, self.name, index, drafter.spend), ()
        if _is_sum(self.body):
            return self._sum(drafter), ()
        return draft_of(Kernel(self.name, self.body)), ()  # type: ignore[arg-type]

    def _draft_terms(self, drafter: Drafter) -> list[tuple[float, Draft]]:
        """The kernels that are summed, and their weights."""
        terms: list[tuple[float, Draft]] = []
        for part in self.parts:
            with reporting(drafter):
                term = part.draft(drafter)
                if isinstance(term, BankDraft):
                    raise Fault(part.keys, f"{term.name!r} is a bank; only kernels can be summed")
                if terms and term.shape[2:] != terms[0][1].shape[2:]:
                    raise Fault(part.keys, f"{term.name!r} and {terms[0][1].name!r} do not have the same channels")
                terms.append((part.weight, term))
                if not term.sure:
                    drafter.suspect(term)
        return terms

    def _sum(self, drafter: Drafter) -> Draft:
        """The weighted sum of kernels, laid over each other by their anchors."""
        terms = self._draft_terms(drafter)
        if len(terms) < len(self.parts):
            raise Unread
        shape, anchor = laid_over([term.shape for _, term in terms], [term.anchor for _, term in terms])
        size = math.prod(shape) + sum(term.size for _, term in terms)
        if size > MOST_WEIGHTS:
            raise KernelError(f"the sum and its kernels have {size} weights; the limit is {MOST_WEIGHTS}")

        def compute() -> Kernel:
            drafter.spend(size)
            return added(self.name, [(weight, term.compute()) for weight, term in terms])

        largest = sum(abs(weight) * term.largest for weight, term in terms)
        sure = all(term.sure for _, term in terms) and largest <= SURELY
        return Draft(
            self.name, shape, anchor, largest if sure else MAX_WEIGHT, sure, compute, 1 + max(term.depth for _, term in terms)
        )


def files_in(parts: tuple[Part, ...]) -> tuple[WeightsFile, ...]:
    """The files of weights that stand in some parts."""
    inner = (part.kernel.files if isinstance(part.kernel, KernelSpec) else (part.kernel,) for part in parts)
    return tuple(file for files in inner for file in files if isinstance(file, WeightsFile))


@contextlib.contextmanager
def reporting(drafter: Drafter) -> Iterator[None]:
    """Tell what is wrong with one of several things, and go on with the others where the drafter says so."""
    try:
        yield
    except KernelError as error:
        drafter.tell(error)


def _is_sum(body: Body) -> bool:
    return isinstance(body, tuple) and isinstance(body[0], Part)
