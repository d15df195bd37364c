"""Kernels and banks before their weights are computed: what is known of them by then, and what computes them."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..kernels.expressions import MAX_WEIGHT
from ..kernels.kernel import Anchor, Bank, Kernel, turned
from ..kernels.weights import Weights

SURELY = MAX_WEIGHT / 2
"""What is below that before it is rounded does not exceed the limit after."""

Compute: TypeAlias = Callable[[], Kernel]
Count: TypeAlias = Callable[[int], None]


@dataclass(frozen=True)
class LazyKernel:
    """A kernel yet to be computed.

    ``largest`` is what its weights and its offset do not exceed, if it can be computed; ``sure`` says that it can.
    ``nonzero`` are the norms of it that are certainly not 0. ``compute`` raises KernelError.
    """

    name: str
    shape: tuple[int, ...]
    anchor: Anchor | None
    largest: float
    sure: bool
    compute: Compute
    nonzero: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many weights it has."""
        return math.prod(self.shape)

    @property
    def kernels(self) -> "tuple[LazyKernel, ...]":
        """Itself, as a bank of one would have it."""
        return (self,)

    def wrap(self, wrapper: Callable[[Compute], Compute]) -> "LazyKernel":
        """A copy that is computed by what ``wrapper`` makes of this one's ``compute``."""
        return replace(self, compute=wrapper(self.compute))

    def then(self, change: Callable[[Kernel], Kernel]) -> "LazyKernel":
        """A copy with a change that its computing ends with."""
        return replace(self, compute=lambda: change(self.compute()))

    def turn(self, degrees: int) -> "LazyKernel":
        """The kernel turned counter-clockwise by a multiple of 90 degrees."""
        if degrees % 360 == 0:
            return self
        shape, anchor = turned(self.shape, self.anchor, degrees)
        return replace(self, shape=shape, anchor=anchor).then(lambda kernel: kernel.turn(degrees))

    def named(self, name: str) -> "LazyKernel":
        """A copy under another name."""
        return replace(self, name=name).then(lambda kernel: kernel.named(name))


@dataclass(frozen=True)
class LazyBank:
    """A bank yet to be computed; ``bank`` is all else that is known of it, and holds no kernels."""

    kernels: tuple[LazyKernel, ...]
    bank: Bank

    @property
    def name(self) -> str:
        """The bank's."""
        return self.bank.name

    @property
    def size(self) -> int:
        """How many weights all its kernels have."""
        return sum(kernel.size for kernel in self.kernels)

    def compute(self) -> Bank:
        """The bank. Raises KernelError."""
        return replace(self.bank, kernels=tuple(kernel.compute() for kernel in self.kernels))

    def wrap(self, wrapper: Callable[[Compute], Compute]) -> "LazyBank":
        """A copy whose kernels are computed by what ``wrapper`` makes of their ``compute``."""
        return replace(self, kernels=tuple(kernel.wrap(wrapper) for kernel in self.kernels))

    def turn(self, degrees: int) -> "LazyBank":
        """Every kernel turned counter-clockwise by a multiple of 90 degrees."""
        return replace(self, kernels=tuple(kernel.turn(degrees) for kernel in self.kernels))

    def named(self, name: str) -> "LazyBank":
        """A copy under another name."""
        return replace(self, bank=self.bank.named(name))


Lazy: TypeAlias = LazyKernel | LazyBank


def lazy_constant(kernel: Kernel) -> LazyKernel:
    """A kernel that is made already."""
    largest = max(abs(kernel.offset), max(map(abs, kernel.numbers)))
    return LazyKernel(kernel.name, kernel.shape, kernel.anchor, largest, largest <= MAX_WEIGHT, lambda: kernel)


def lazy_filter(weights: Weights, name: str, index: int, count: Count, about: str = "") -> LazyKernel:
    """A filter of a file; ``count`` counts its weights when they are computed."""
    shape = weights.filters.shape[1:]

    def compute() -> Kernel:
        count(math.prod(shape))
        return weights.kernel(name, index, about)

    return LazyKernel(name, shape, None, max(weights.largest, abs(weights.offset)), True, compute)


def lazy_file(weights: Weights, index: int | None, count: Count) -> Lazy:
    """One kernel, or the bank of all filters of a file, or that of an index among them, named after its key or the file.

    Raises KernelError for an index that the file does not have.
    """
    file = weights.file
    about = f"from {file.path.name}" + (f", {file.key}" if file.key else "")
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", file.key or file.path.stem)
    if not weights.several or index is not None:
        chosen = weights.filter_index(index)
        return lazy_filter(weights, f"{name}-{chosen}" if weights.several else name, chosen, count, about)
    kernels = tuple(lazy_filter(weights, f"{name}-{i}", i, count, about) for i in range(len(weights.filters)))
    return LazyBank(kernels, Bank(name, (), None, about))
