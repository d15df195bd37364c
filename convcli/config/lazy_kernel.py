"""Kernels and banks before their weights are computed: what is known of them by then, and what computes them."""

import contextlib
import math
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..errors import KernelError
from ..kernels.expressions import MAX_WEIGHT
from ..kernels.kernel import Anchor, Bank, Kernel, turned
from ..kernels.weights import Weights
from .diagnostics import Fault, Keys, Tangled, Told

Guard: TypeAlias = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Draft:
    """A kernel yet to be computed.

    ``largest`` is what its weights and its offset do not exceed, if it can be computed; ``sure`` tells that it can. ``depth``
    counts the kernels that it is made of, each within the one before, itself among them. ``compute`` raises Fault.
    """

    name: str
    shape: tuple[int, ...]
    anchor: Anchor | None
    largest: float
    sure: bool
    compute: Callable[[], Kernel]
    depth: int = 1

    @property
    def size(self) -> int:
        """How many weights it has."""
        return math.prod(self.shape)

    @property
    def kernels(self) -> "tuple[Draft, ...]":
        """Itself, as a bank of one would have it."""
        return (self,)

    def then(self, change: Callable[[Kernel], Kernel]) -> "Draft":
        """The kernel with a change that its computing ends with."""
        return replace(self, compute=lambda: change(self.compute()))

    def turn(self, degrees: int) -> "Draft":
        """The kernel turned counter-clockwise by a multiple of 90 degrees."""
        if degrees % 360 == 0:
            return self
        shape, anchor = turned(self.shape, self.anchor, degrees)
        return replace(self, shape=shape, anchor=anchor).then(lambda kernel: kernel.turn(degrees))

    def named(self, name: str) -> "Draft":
        """A copy under another name."""
        return replace(self, name=name).then(lambda kernel: kernel.named(name))

    def guarded(self, guard: Guard) -> "Draft":
        """A copy that is computed under a guard."""

        def compute() -> Kernel:
            with guard():
                return self.compute()

        return replace(self, compute=compute)


@dataclass(frozen=True)
class BankDraft:
    """A bank yet to be computed; ``bank`` is all else that is known of it, and holds no kernels."""

    kernels: tuple[Draft, ...]
    bank: Bank
    depth: int = 1

    @property
    def name(self) -> str:
        """The bank's."""
        return self.bank.name

    @property
    def size(self) -> int:
        """How many weights all its kernels have."""
        return sum(kernel.size for kernel in self.kernels)

    def compute(self) -> Bank:
        """The bank. Raises Fault."""
        return replace(self.bank, kernels=tuple(kernel.compute() for kernel in self.kernels))

    def turn(self, degrees: int) -> "BankDraft":
        """Every kernel turned counter-clockwise by a multiple of 90 degrees."""
        return replace(self, kernels=tuple(kernel.turn(degrees) for kernel in self.kernels))

    def named(self, name: str) -> "BankDraft":
        """A copy under another name."""
        return replace(self, bank=self.bank.named(name))

    def guarded(self, guard: Guard) -> "BankDraft":
        """A copy whose kernels are computed under a guard."""
        return replace(self, kernels=tuple(kernel.guarded(guard) for kernel in self.kernels))


AnyDraft: TypeAlias = Draft | BankDraft


def draft_of(kernel: Kernel) -> Draft:
    """A kernel that is made already."""
    largest = max(abs(kernel.offset), max(map(abs, kernel.numbers)))
    return Draft(kernel.name, kernel.shape, kernel.anchor, largest, largest <= MAX_WEIGHT, lambda: kernel)


def draft_of_filter(weights: Weights, name: str, index: int, spend: Callable[[int], None], about: str = "") -> Draft:
    """A filter of a file; ``spend`` counts its weights when they are wanted."""
    shape = weights.filters.shape[1:]

    def compute() -> Kernel:
        spend(math.prod(shape))
        return weights.kernel(name, index, about)

    return Draft(name, shape, None, max(weights.largest, abs(weights.offset)), True, compute)


def draft_of_file(weights: Weights, index: int | None, spend: Callable[[int], None]) -> AnyDraft:
    """One kernel, or the bank of all filters of a file, or that of an index among them, named after its key or the file."""
    file = weights.file
    about = f"from {file.path.name}" + (f", {file.key}" if file.key else "")
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", file.key or file.path.stem)
    if not weights.several or index is not None:
        chosen = weights.filter_index(index)
        return draft_of_filter(weights, f"{name}-{chosen}" if weights.several else name, chosen, spend, about)
    filters = range(len(weights.filters))
    kernels = tuple(draft_of_filter(weights, f"{name}-{i}", i, spend, about) for i in filters)
    return BankDraft(kernels, Bank(name, (), None, about))


@contextlib.contextmanager
def at(keys: Keys) -> Iterator[None]:
    """What goes wrong in this block is a fault of this place in the file, unless it has one already."""
    try:
        yield
    except (Fault, Told):
        raise
    except KernelError as error:
        raise Fault(keys, str(error), isinstance(error, Tangled)) from None
