"""Banks as a config file describes them: lists of kernels, grids of parameters, filters of a file, yet to be computed."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..errors import KernelError
from ..kernels.generators import ParameterError, Recipe, takers_of
from ..kernels.kernel import Bank, Kernel
from ..kernels.weights import WeightsFile
from .diagnostics import Fault, Keys, Unread
from .kernel_spec import MOST_MAPS, MOST_WEIGHTS, Drafter, Filter, KernelSpec, Parameters, Part, files_in, reporting
from .lazy_kernel import BankDraft, Draft, at, draft_of_filter


@dataclass(frozen=True)
class BankSpec:
    """A bank: its kernels one by one, or one definition for all of them, over a grid of parameters or over a file's filters."""

    name: str
    keys: Keys
    kernels: tuple[Part, ...] = ()
    each: KernelSpec | None = None
    grid: tuple[tuple[str, tuple[float, ...]], ...] = ()
    merge: str | None = None
    about: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()
    range: str | None = None
    doubled: tuple[str, ...] = ()  # parameters that stand in the table too, beside its grid

    @property
    def parts(self) -> tuple[Part, ...]:
        """The kernels that are named or written in it."""
        return self.kernels

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The files of weights that its kernels come from by themselves."""
        return self.each.files if self.each else files_in(self.parts)

    def change(self, parameters: Parameters) -> "BankSpec":
        """The same with other parameters for its generator; one that it has a grid of is held at that value."""
        if self.each is None or not isinstance(self.each.body, Recipe):
            raise KernelError(f"bank {self.name!r} takes no parameters, got {parameters[0][0]}{takers_of(parameters[0][0])}")
        held = {name: (value,) for name, value in parameters}
        grid = tuple((name, held.get(name, values)) for name, values in self.grid)
        return replace(self, each=self.each.change(parameters), grid=grid)

    def draft(self, drafter: Drafter) -> BankDraft:
        """The bank, yet to be computed. Raises Fault."""
        drafter.count()
        if drafter.is_faulty(self.keys):
            each = self.each and self.each.has_body(drafter) and not drafter.is_faulty((*self.keys, "grid"))
            for _ in itertools.chain(self._draft_parts(drafter), self._draft_each(drafter) if each else ()):
                pass
            raise Unread
        with at(self.keys):
            drafts = itertools.chain(self._draft_parts(drafter), self._draft_each(drafter))
            kernels = tuple(itertools.islice(drafts, MOST_MAPS + 1))
            if len(kernels) > MOST_MAPS:
                raise KernelError(f"bank {self.name!r} holds more than {MOST_MAPS} kernels, the limit")
            if self.range is not None and self.merge is None:
                kernels = tuple(kernel.then(self._with_range) for kernel in kernels)
            depth = 1 + max((kernel.depth for kernel in kernels), default=0) if self.parts else 1
            bank = BankDraft(kernels, Bank(self.name, (), self.merge, self.about, self.source, self.tags, self.range), depth)
            if bank.size > MOST_WEIGHTS:
                raise KernelError(f"the kernels of the bank have {bank.size} weights; the limit is {MOST_WEIGHTS}")
            return bank

    def _with_range(self, kernel: Kernel) -> Kernel:
        return replace(kernel, range=kernel.range or self.range)

    def _draft_parts(self, drafter: Drafter) -> Iterator[Draft]:
        for part in self.kernels:
            with reporting(drafter):
                found = part.draft(drafter)
                if isinstance(found, BankDraft) and found.bank.merge:
                    raise Fault(part.keys, f"{found.name!r} is merged into one map and cannot be part of a bank")
                yield from found.kernels

    def _draft_each(self, drafter: Drafter) -> Iterator[Draft]:
        if self.each is not None:
            with reporting(drafter):
                each = (
                    self._load(self.each, drafter) if isinstance(self.each.body, Filter) else self._expand(self.each, drafter)
                )
                yield from each

    def _expand(self, each: KernelSpec, drafter: Drafter) -> Iterator[Draft]:
        """One kernel for each point of the grid, named after it: gabor8:theta=22.5."""
        names = [name for name, _ in self.grid]

        def tell(error: KernelError) -> None:
            if isinstance(error, Fault) and error.keys[-1] in names:
                place = names.index(str(error.keys[-1]))
                error = Fault((*self.keys, "grid", names[place], self.grid[place][1].index(point[place])), str(error))
            drafter.tell(error)

        for name in self.doubled:
            drafter.tell(Fault((*self.keys, "grid", name), "stands in the table too; leave one of them out"))
        for name, values in self.grid:
            if len(set(values)) < len(values):
                drafter.tell(Fault((*self.keys, "grid", name), "holds a value twice"))
        inside = replace(drafter, tell=tell)
        for point in itertools.product(*(dict.fromkeys(values) for _, values in self.grid)):
            words = ",".join(f"{name}={value:.10g}" for name, value in zip(names, point, strict=True))
            with reporting(inside):
                try:
                    one = each.change(tuple(zip(names, point, strict=True)))
                except ParameterError as error:
                    raise Fault((*self.keys, error.wrong[0][0]), str(error)) from None
                yield replace(one, name=f"{self.name}:{words}" if words else self.name).draft(inside)

    def _load(self, each: KernelSpec, drafter: Drafter) -> Iterator[Draft]:
        """One kernel for each filter of the file."""
        assert isinstance(each.body, Filter)
        weights = each.body.load(self.keys, drafter)
        for index in range(len(weights.filters)):
            one = replace(each, name=f"{self.name}-{index}")
            yield one.finish(draft_of_filter(weights, one.name, index, drafter.spend), drafter)


Entry: TypeAlias = KernelSpec | BankSpec
"""What stands under a name in a config file."""
