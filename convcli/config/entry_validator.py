"""Validates one kernel or bank of a config file: its specification becomes a lazy kernel, or its faults are noted."""

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

from ..errors import KernelError
from ..kernels.arithmetic import added, laid_over
from ..kernels.expressions import MAX_WEIGHT
from ..kernels.generators import ParameterError, Recipe
from ..kernels.kernel import Bank, Kernel, turned
from ..kernels.syntax import KernelText
from ..kernels.weights import Weights, WeightsError
from .bank_spec import BankSpec, Entry
from .diagnostics import Diagnostics
from .kernel_builder import build_kernel, locate_errors
from .kernel_spec import FileFilter, KernelSpec, Part, Product, Sum
from .lazy_kernel import SURELY, Lazy, LazyBank, LazyKernel, lazy_constant, lazy_filter
from .limits import DEEPEST, KERNEL_COST, MOST_MAPS, MOST_WEIGHTS, LimitError
from .name_table import Key, NameTable
from .reader import ConfigFile
from .resources import Resources
from .toml_positions import Keys

Resolve: TypeAlias = Callable[[KernelText, str, ConfigFile, Key], Lazy | None]
"""Gives what a text means for a kernel of a file; None where its faults are noted elsewhere. Raises KernelError."""


class EntryValidator:
    """Validates one kernel or bank, with all that is written in it."""

    def __init__(self, key: Key, diagnostics: Diagnostics, names: NameTable, resources: Resources, resolve: Resolve) -> None:
        self.key = key
        self.file = key[0]
        self.diagnostics = diagnostics
        self.names = names
        self.resources = resources
        self.resolve = resolve
        self.unsure: list[LazyKernel] = []
        self.failed = False

    def validate(self, entry: Entry) -> Lazy | None:
        """The kernel or bank, None where it has faults, or is made of a kernel that has some. Raises LimitError."""
        lazy = self._kernel(entry) if isinstance(entry, KernelSpec) else self._bank(entry)
        self._suspect(*(lazy.kernels if lazy else ()))
        return None if self.failed else lazy

    def _note(self, keys: Keys, message: str) -> None:
        self.failed = True
        self.diagnostics.note(keys, message)

    @contextlib.contextmanager
    def _noting(self, keys: Keys) -> Iterator[None]:
        """Note a KernelError of this block."""
        try:
            yield
        except LimitError:
            raise
        except KernelError as error:
            self._note(keys, str(error))

    def _suspect(self, *kernels: LazyKernel) -> None:
        self.unsure.extend(kernel for kernel in kernels if not kernel.sure)

    def _is_readable(self, keys: Keys) -> bool:
        """Whether a table or a key was read well; a key that a misspelt one may stand for was not."""
        return keys not in self.file.diagnostics.unreadable

    def _are_readable(self, table: Keys, *keys: str) -> bool:
        return all(self._is_readable((*table, key)) for key in keys)

    def _kernel(self, spec: KernelSpec) -> LazyKernel | None:
        """A kernel, None where it cannot be made; of a table with faults, what was read well is looked at."""
        self.resources.limits.defined.count(KERNEL_COST)
        readable = self._is_readable(spec.keys)
        kernel = None
        if readable or self._has_body(spec):
            with self._noting(spec.keys):
                body = self._body(spec)
                kernel = body and self._finish(spec, body)
        elif isinstance(spec.body, Sum):
            self._terms(spec.body)
        elif isinstance(spec.body, FileFilter) and self._are_readable(spec.keys, "file", "key"):
            self._load(spec.body, spec.keys)
        if readable:
            return kernel
        self.failed = True
        self._suspect(*([kernel] if kernel else []))
        return None

    def _has_body(self, spec: KernelSpec) -> bool:
        """Whether what gives the weights was read well."""
        body = spec.body
        if body is None:
            return False
        if isinstance(body, Recipe):
            return self._are_readable(spec.keys, "generator", *body.accepted)
        keys = {FileFilter: ("file", "key", "layout", "index"), Product: ("column", "row"), Sum: ("sum",)}
        return self._are_readable(spec.keys, *keys.get(type(body), ("matrix", "tensor")))

    def _body(self, spec: KernelSpec) -> LazyKernel | None:
        """What gives the weights. Raises KernelError."""
        body = spec.body
        if body is None:
            return None
        if isinstance(body, Recipe | Product):
            return self._formula(spec, body)
        if isinstance(body, FileFilter):
            return self._filter(spec, body)
        if isinstance(body, Sum):
            return self._sum(spec, body)
        return lazy_constant(Kernel(spec.name, body))

    def _formula(self, spec: KernelSpec, body: Recipe | Product) -> LazyKernel | None:
        try:
            formula = body.formula()
        except ParameterError as error:
            self._note_parameters(spec, error)
            return None

        def compute() -> Kernel:
            self.resources.count_weights(math.prod(formula.shape))
            return Kernel(spec.name, formula.compute())

        sure = formula.largest <= SURELY
        largest = formula.largest if sure else MAX_WEIGHT
        return LazyKernel(spec.name, formula.shape, None, largest, sure, compute, formula.nonzero)

    def _note_parameters(self, spec: KernelSpec, error: ParameterError) -> None:
        for name, message in error.wrong:
            self._note(spec.keys_of(name), message)

    def _load(self, body: FileFilter, keys: Keys) -> Weights | None:
        """All filters of a file; the fault is one of the file, its key or its layout."""
        try:
            return self.resources.load(body.file)
        except WeightsError as error:
            self._note((*keys, error.about), str(error))
            return None

    def _filter(self, spec: KernelSpec, body: FileFilter) -> LazyKernel | None:
        weights = self._load(body, spec.keys)
        if weights is None:
            return None
        index = 0  # in place of a wrong one, so that the anchor is looked at too
        with self._noting((*spec.keys, "file" if body.index is None else "index")):
            index = weights.filter_index(body.index)
        return lazy_filter(weights, spec.name, index, self.resources.count_weights)

    def _terms(self, body: Sum) -> list[tuple[float, LazyKernel]]:
        """The kernels of a sum that have no faults, and their weights."""
        terms: list[tuple[float, LazyKernel]] = []
        for part in body.parts:
            term = self._part(part)
            if isinstance(term, LazyBank):
                self._note(part.keys, f"{term.name!r} is a bank; only kernels can be summed")
            elif term and terms and term.shape[2:] != terms[0][1].shape[2:]:
                self._note(part.keys, f"{term.name!r} and {terms[0][1].name!r} do not have the same channels")
            elif term:
                terms.append((part.weight, term))
                self._suspect(term)
        return terms

    def _sum(self, spec: KernelSpec, body: Sum) -> LazyKernel | None:
        """The weighted sum of kernels, laid over each other by their anchors. Raises KernelError."""
        terms = self._terms(body)
        if len(terms) < len(body.parts):
            return None
        shape, anchor = laid_over([term.shape for _, term in terms], [term.anchor for _, term in terms])
        size = math.prod(shape) + sum(term.size for _, term in terms)
        if size > MOST_WEIGHTS:
            raise KernelError(f"the sum and its kernels have {size} weights; the limit is {MOST_WEIGHTS}")

        def compute() -> Kernel:
            self.resources.count_weights(size)
            return added(spec.name, [(weight, term.compute()) for weight, term in terms])

        largest = sum(abs(weight) * term.largest for weight, term in terms)
        sure = all(term.sure for _, term in terms) and largest <= SURELY
        return LazyKernel(spec.name, shape, anchor, largest if sure else MAX_WEIGHT, sure, compute)

    def _part(self, part: Part) -> Lazy | None:
        """A kernel or bank within another."""
        found: Lazy | None = None
        with self._noting(part.keys):
            if isinstance(part.kernel, KernelSpec):
                found = self._kernel(part.kernel)
                if found and self.names.depth_of(part.kernel, self.key) >= DEEPEST:
                    raise KernelError(f"kernels within kernels, more than {DEEPEST} deep")
            else:
                found = self.resolve(part.kernel, part.text, self.file, self.key)
        if found is None:
            self.failed = True
            return None
        found = found.wrap(lambda compute: locate_errors(compute, part.keys, self.file.document))
        return found.named(part.name) if part.name else found

    def _finish(self, spec: KernelSpec, body: LazyKernel) -> LazyKernel:
        """What the body gives, divided and turned, with everything else that the table says."""
        anchor = spec.anchor or body.anchor
        if spec.anchor and (spec.anchor[0] >= body.shape[0] or spec.anchor[1] >= body.shape[1]):
            rows, columns = (side - 1 for side in body.shape[:2])
            rule = f"must lie in the kernel, from [0, 0] to [{rows}, {columns}], got {list(spec.anchor)}"
            self._note((*spec.keys, "anchor"), rule)
            anchor = None
        shape, anchor = turned(body.shape, anchor, spec.rotate)
        if spec.normalize:  # of a generator's kernel, whose sum is 1 where it is certainly not 0
            largest = abs(spec.offset) + max(body.largest, 1.0)
            sure = body.sure and spec.normalize in body.nonzero
        else:
            largest = abs(spec.offset) + body.largest / min(abs(spec.divisor), 1.0)
            sure = body.sure and largest <= SURELY
        document = self.file.document
        compute = locate_errors(lambda: build_kernel(spec, body.compute(), document), spec.keys, document)
        return LazyKernel(spec.name, shape, anchor, largest if sure else MAX_WEIGHT, sure, compute)

    def _bank(self, spec: BankSpec) -> LazyBank | None:
        self.resources.limits.defined.count(KERNEL_COST)
        found = itertools.chain(self._listed(spec), self._each(spec))
        kernels = tuple(itertools.islice(found, MOST_MAPS + 1))
        if len(kernels) > MOST_MAPS:
            self._note(spec.keys, f"bank {spec.name!r} holds more than {MOST_MAPS} kernels, the limit")
            return None
        if not self._is_readable(spec.keys):
            self.failed = True
            self._suspect(*kernels)
            return None
        if spec.range is not None and spec.merge is None:
            kernels = tuple(kernel.then(lambda made: replace(made, range=made.range or spec.range)) for kernel in kernels)
        bank = LazyBank(kernels, Bank(spec.name, (), spec.merge, spec.about, spec.source, spec.tags, spec.range))
        if bank.size > MOST_WEIGHTS:
            self._note(spec.keys, f"the kernels of the bank have {bank.size} weights; the limit is {MOST_WEIGHTS}")
            return None
        return bank

    def _listed(self, spec: BankSpec) -> Iterator[LazyKernel]:
        """The kernels that are named or written in a bank."""
        for part in spec.parts:
            found = self._part(part)
            if isinstance(found, LazyBank) and found.bank.merge:
                self._note(part.keys, f"{found.name!r} is merged into one map and cannot be part of a bank")
            elif found:
                yield from found.kernels

    def _each(self, spec: BankSpec) -> Iterator[LazyKernel]:
        """The kernels of one definition: for each filter of a file, or for each point of a grid."""
        each = spec.each
        if each is None or not (self._has_body(each) and self._are_readable(spec.keys, "grid")):
            return
        if isinstance(each.body, FileFilter):
            yield from self._filters(spec, each, each.body)
        elif isinstance(each.body, Recipe):
            yield from self._points(spec, each)

    def _filters(self, spec: BankSpec, each: KernelSpec, body: FileFilter) -> Iterator[LazyKernel]:
        """A kernel for each filter of a file."""
        weights = self._load(body, spec.keys)
        if weights is not None:
            for index in range(len(weights.filters)):
                named = replace(each, name=f"{spec.name}-{index}")
                yield self._finish(named, lazy_filter(weights, named.name, index, self.resources.count_weights))

    def _points(self, spec: BankSpec, each: KernelSpec) -> Iterator[LazyKernel]:
        """A kernel for each point of a grid."""
        for name in spec.doubled:
            self._note((*spec.keys, "grid", name), "stands in the table too; leave one of them out")
        for name, values in spec.grid:
            if len(set(values)) < len(values):
                self._note((*spec.keys, "grid", name), "holds a value twice")
        for point in spec.points():
            located = replace(each, name=spec.name_at(point), grid_keys=spec.keys_at(point))
            try:
                kernel = self._kernel(located.change(point))
            except ParameterError as error:
                self._note_parameters(located, error)
                continue
            if kernel:
                yield kernel
