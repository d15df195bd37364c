"""Kernels and banks whose weights are not yet computed: their known properties, and the functions that compute them."""

import math
import re
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from ..kernels.arithmetic import divided
from ..kernels.expressions import MAX_WEIGHT
from ..kernels.kernel import Anchor, Bank, Kernel, turned
from ..kernels.weights import Weights

SAFE_WEIGHT = MAX_WEIGHT / 2
"""Bound below which weights do not exceed MAX_WEIGHT after rounding."""

Compute: TypeAlias = Callable[[], Kernel]
CountWeights: TypeAlias = Callable[[int], None]


class LazyKernel(Struct, frozen=True):
    """A kernel that is not yet computed.

    If the kernel can be computed, the absolute values of its weights and of its offset are at most ``weight_bound``.
    ``known_valid`` is true if it certainly can. ``nonzero_norms`` are the norms that are certainly not 0. ``compute`` raises
    KernelError.
    """

    name: str
    shape: tuple[int, ...]
    anchor: Anchor | None
    weight_bound: float
    known_valid: bool
    compute: Compute
    nonzero_norms: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def kernels(self) -> "tuple[LazyKernel, ...]":
        """The kernel itself in a tuple, so that kernels and banks can be treated alike."""
        return (self,)

    def wrap(self, wrapper: Callable[[Compute], Compute]) -> "LazyKernel":
        """Return a copy whose ``compute`` is wrapped by ``wrapper``."""
        return replace(self, compute=wrapper(self.compute))

    def then(self, change: Callable[[Kernel], Kernel]) -> "LazyKernel":
        """Return a copy that applies ``change`` to the computed kernel."""
        return replace(self, compute=lambda: change(self.compute()))

    def turn(self, degrees: int) -> "LazyKernel":
        """Return the kernel rotated counter-clockwise by a multiple of 90 degrees."""
        if degrees % 360 == 0:
            return self
        shape, anchor = turned(self.shape, self.anchor, degrees)
        return replace(self, shape=shape, anchor=anchor).then(lambda kernel: kernel.turn(degrees))

    def scale(self, divisor: float, offset: float) -> "LazyKernel":
        """Return the kernel with weights and offset divided by ``divisor``, then ``offset`` added to its offset."""
        if (divisor, offset) == (1, 0):
            return self
        bound = self.weight_bound / min(abs(divisor), 1.0) + abs(offset)
        known_valid = self.known_valid and bound <= SAFE_WEIGHT
        scaled = replace(self, weight_bound=bound if known_valid else MAX_WEIGHT, known_valid=known_valid)
        return scaled.then(
            lambda made: replace(made, matrix=divided(made.matrix, divisor), offset=made.offset / divisor + offset)
        )

    def named(self, name: str) -> "LazyKernel":
        """Return a copy with another name."""
        return replace(self, name=name).then(lambda kernel: kernel.named(name))


class LazyBank(Struct, frozen=True):
    """A bank that is not yet computed. ``bank`` holds all its other properties, and no kernels."""

    kernels: tuple[LazyKernel, ...]
    bank: Bank

    @property
    def name(self) -> str:
        """Name of the bank."""
        return self.bank.name

    @property
    def size(self) -> int:
        """Number of weights of all kernels together."""
        return sum(kernel.size for kernel in self.kernels)

    def compute(self) -> Bank:
        """Compute all kernels and return the bank. Raises KernelError."""
        return replace(self.bank, kernels=tuple(kernel.compute() for kernel in self.kernels))

    def wrap(self, wrapper: Callable[[Compute], Compute]) -> "LazyBank":
        """Return a copy in which the ``compute`` of each kernel is wrapped by ``wrapper``."""
        return replace(self, kernels=tuple(kernel.wrap(wrapper) for kernel in self.kernels))

    def turn(self, degrees: int) -> "LazyBank":
        """Return the bank with every kernel rotated counter-clockwise by a multiple of 90 degrees."""
        return replace(self, kernels=tuple(kernel.turn(degrees) for kernel in self.kernels))

    def scale(self, divisor: float, offset: float) -> "LazyBank":
        """Return the bank with every kernel divided by ``divisor``, and ``offset`` added to its offset."""
        return replace(self, kernels=tuple(kernel.scale(divisor, offset) for kernel in self.kernels))

    def named(self, name: str) -> "LazyBank":
        """Return a copy with another name."""
        return replace(self, bank=self.bank.named(name))


Lazy: TypeAlias = LazyKernel | LazyBank


def lazy_constant(kernel: Kernel) -> LazyKernel:
    """Return a lazy kernel for one that is already computed."""
    weight_bound = max(abs(kernel.offset), max(map(abs, kernel.numbers)))
    return LazyKernel(kernel.name, kernel.shape, kernel.anchor, weight_bound, weight_bound <= MAX_WEIGHT, lambda: kernel)


def lazy_filter(weights: Weights, name: str, index: int, count: CountWeights, about: str = "") -> LazyKernel:
    """Return one filter of a file. ``count`` is called with the number of weights when they are computed."""
    shape = weights.filters.shape[1:]

    def compute() -> Kernel:
        count(math.prod(shape))
        return weights.kernel(name, index, about)

    return LazyKernel(name, shape, None, max(weights.largest, abs(weights.offset)), True, compute)


def lazy_file(weights: Weights, index: int | None, count: CountWeights) -> Lazy:
    """Return the kernel of a file, or its filter with that index, or the bank of all its filters, named after the key or file.

    Raises KernelError for an index that the file does not have.
    """
    file = weights.file
    about = f"from {file.path.name}" + (f", {file.key}" if file.key else "")
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", file.key or file.path.stem)
    if not weights.has_filter_axis or index is not None:
        chosen = weights.filter_index(index)
        return lazy_filter(weights, f"{name}-{chosen}" if weights.has_filter_axis else name, chosen, count, about)
    kernels = tuple(lazy_filter(weights, f"{name}-{i}", i, count, about) for i in range(len(weights.filters)))
    return LazyBank(kernels, Bank(name, (), None, about))
