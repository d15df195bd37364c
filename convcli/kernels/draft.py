"""Kernels and banks before their weights are computed: what is known of them by then, and what computing them takes."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TypeAlias

from .kernel import Anchor, Bank, Kernel, turned
from .numbers import LARGEST

Guard: TypeAlias = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Draft:
    """A kernel yet to be computed.

    ``largest`` is what no weight can exceed, ``cost`` the weights that are computed on the way. ``decided`` tells that nothing
    can be wrong with it that only its weights would show. ``compute`` raises Fault.
    """

    name: str
    shape: tuple[int, ...]
    anchor: Anchor | None
    largest: float
    cost: int
    compute: Callable[[], Kernel]
    decided: bool = True

    @property
    def is_safe(self) -> bool:
        """Whether computing it finds no fault."""
        return self.decided and self.largest <= LARGEST

    @property
    def kernels(self) -> "tuple[Draft, ...]":
        """Itself, as a bank of one would have it."""
        return (self,)

    def turn(self, degrees: int) -> "Draft":
        """The kernel turned counter-clockwise by a multiple of 90 degrees."""
        if degrees % 360 == 0:
            return self
        shape, anchor = turned(self.shape, self.anchor, degrees)
        return replace(self, shape=shape, anchor=anchor, compute=lambda: self.compute().turn(degrees))

    def named(self, name: str) -> "Draft":
        """The same kernel under another name."""
        return replace(self, name=name, compute=lambda: self.compute().named(name))

    def guarded(self, guard: Guard) -> "Draft":
        """The same, computed under a guard."""

        def compute() -> Kernel:
            with guard():
                return self.compute()

        return replace(self, compute=compute)


@dataclass(frozen=True)
class BankDraft:
    """A bank yet to be computed."""

    kernels: tuple[Draft, ...]
    bank: Bank
    """All else that is known of it; it holds no kernels."""

    @property
    def name(self) -> str:
        """The bank's."""
        return self.bank.name

    @property
    def cost(self) -> int:
        """Weights that are computed for all its kernels."""
        return sum(kernel.cost for kernel in self.kernels)

    def compute(self) -> Bank:
        """The bank. Raises Fault."""
        kernels = [kernel.compute() for kernel in self.kernels]
        if self.bank.merge is None and self.bank.range is not None:
            kernels = [replace(kernel, range=kernel.range or self.bank.range) for kernel in kernels]
        return replace(self.bank, kernels=tuple(kernels))

    def turn(self, degrees: int) -> "BankDraft":
        """Every kernel turned counter-clockwise by a multiple of 90 degrees."""
        return replace(self, kernels=tuple(kernel.turn(degrees) for kernel in self.kernels))

    def named(self, name: str) -> "BankDraft":
        """The same bank under another name."""
        return replace(self, bank=self.bank.named(name))

    def guarded(self, guard: Guard) -> "BankDraft":
        """The same, each kernel computed under a guard."""
        return replace(self, kernels=tuple(kernel.guarded(guard) for kernel in self.kernels))


AnyDraft: TypeAlias = Draft | BankDraft


def drafted(found: Kernel | Bank) -> AnyDraft:
    """What is made already."""
    if isinstance(found, Bank):
        return BankDraft(tuple(drafted_kernel(one) for one in found.kernels), replace(found, kernels=()))
    return drafted_kernel(found)


def drafted_kernel(one: Kernel) -> Draft:
    """A kernel that is made already."""
    return Draft(one.name, one.shape, one.anchor, max(abs(number) for number in one.numbers), math.prod(one.shape), lambda: one)
