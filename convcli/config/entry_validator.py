"""Validates one kernel or bank of a config file: returns a lazy kernel or bank, or records the faults."""

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

from msgspec.structs import replace

from ..errors import KernelError
from ..kernels.arithmetic import added, laid_over
from ..kernels.expressions import MAX_WEIGHT
from ..kernels.generator_call import GeneratorCall
from ..kernels.kernel import Bank, Kernel, turned
from ..kernels.parameters import ParameterError
from ..kernels.syntax import KernelText
from ..kernels.weights import Weights, WeightsError
from .bank_spec import BankSpec, Entry
from .diagnostics import Diagnostics
from .kernel_builder import build_kernel, locate_errors
from .kernel_spec import FileFilter, KernelSpec, Part, Product, Sum
from .lazy_kernel import SAFE_WEIGHT, Lazy, LazyBank, LazyKernel, lazy_constant, lazy_filter
from .limits import KERNEL_COST, MAX_DEPTH, MAX_MAPS, MAX_WEIGHT_COUNT, LimitError
from .name_table import Key, NameTable
from .reader import ConfigFile
from .resources import Resources
from .toml_positions import Keys

Resolve: TypeAlias = Callable[[KernelText, str, ConfigFile, Key], Lazy | None]
"""Resolves the name or weights file in a definition; returns None if its faults are recorded elsewhere. Raises KernelError."""


class EntryValidator:
    """Validates one kernel or bank, with all kernels defined inside it."""

    def __init__(self, key: Key, diagnostics: Diagnostics, names: NameTable, resources: Resources, resolve: Resolve) -> None:
        self.key = key
        self.file = key[0]
        self.diagnostics = diagnostics
        self.names = names
        self.resources = resources
        self.resolve = resolve
        self.unverified: list[LazyKernel] = []
        self.failed = False

    def validate(self, entry: Entry) -> Lazy | None:
        """Return the kernel or bank; None if it, or a kernel that it uses, has faults. Raises LimitError."""
        lazy = self._validate_kernel(entry) if isinstance(entry, KernelSpec) else self._validate_bank(entry)
        self._add_unverified(*(lazy.kernels if lazy else ()))
        return None if self.failed else lazy

    def _record_fault(self, keys: Keys, message: str) -> None:
        self.failed = True
        self.diagnostics.add(keys, message)

    @contextlib.contextmanager
    def _recording_errors(self, keys: Keys) -> Iterator[None]:
        """Record a KernelError that is raised in this block. A LimitError is raised again."""
        try:
            yield
        except LimitError:
            raise
        except KernelError as error:
            self._record_fault(keys, str(error))

    def _add_unverified(self, *kernels: LazyKernel) -> None:
        self.unverified.extend(kernel for kernel in kernels if not kernel.known_valid)

    def _is_readable(self, keys: Keys) -> bool:
        """Whether a table or key was read without faults. A key that a misspelt key may stand for counts as faulty."""
        return keys not in self.file.diagnostics.unreadable

    def _are_readable(self, table: Keys, *keys: str) -> bool:
        return all(self._is_readable((*table, key)) for key in keys)

    def _validate_kernel(self, spec: KernelSpec) -> LazyKernel | None:
        """Return a kernel; None if it is invalid. In a table with faults, the keys without faults are still checked."""
        self.resources.limits.defined.count(KERNEL_COST)
        readable = self._is_readable(spec.keys)
        kernel = None
        if readable or self._weights_are_readable(spec):
            with self._recording_errors(spec.keys):
                body = self._base_kernel(spec)
                kernel = body and self._apply_changes(spec, body)
        elif isinstance(spec.body, Sum):
            self._validate_terms(spec.body)
        elif isinstance(spec.body, FileFilter) and self._are_readable(spec.keys, "file", "key"):
            self._load_weights(spec.body, spec.keys)
        if readable:
            return kernel
        self.failed = True
        self._add_unverified(*([kernel] if kernel else []))
        return None

    def _weights_are_readable(self, spec: KernelSpec) -> bool:
        """Whether the keys that define the weights were read without faults."""
        body = spec.body
        if body is None:
            return False
        if isinstance(body, GeneratorCall):
            return self._are_readable(spec.keys, "generator", *body.all_parameters)
        keys: dict[type, tuple[str, ...]] = {
            FileFilter: ("file", "key", "layout", "index"),
            Product: ("column", "row"),
            Sum: ("sum",),
        }
        return self._are_readable(spec.keys, *keys.get(type(body), ("matrix", "tensor")))

    def _base_kernel(self, spec: KernelSpec) -> LazyKernel | None:
        """Return the kernel that the keys for the weights define. Raises KernelError."""
        body = spec.body
        if body is None:
            return None
        if isinstance(body, GeneratorCall | Product):
            return self._from_formula(spec, body)
        if isinstance(body, FileFilter):
            return self._from_file(spec, body)
        if isinstance(body, Sum):
            return self._from_sum(spec, body)
        return lazy_constant(Kernel(spec.name, body))

    def _from_formula(self, spec: KernelSpec, body: GeneratorCall | Product) -> LazyKernel | None:
        try:
            formula = body.formula()
        except ParameterError as error:
            self._record_parameter_faults(spec, error)
            return None

        def compute() -> Kernel:
            self.resources.count_weights(math.prod(formula.shape))
            return Kernel(spec.name, formula.compute())

        known_valid = formula.weight_bound <= SAFE_WEIGHT
        weight_bound = formula.weight_bound if known_valid else MAX_WEIGHT
        return LazyKernel(spec.name, formula.shape, None, weight_bound, known_valid, compute, formula.nonzero_norms)

    def _record_parameter_faults(self, spec: KernelSpec, error: ParameterError) -> None:
        for name, message in error.errors:
            self._record_fault(spec.keys_of(name), message)

    def _load_weights(self, body: FileFilter, keys: Keys) -> Weights | None:
        """Return all filters of a file. A fault is recorded for the file, its key or its layout."""
        try:
            return self.resources.load(body.file)
        except WeightsError as error:
            self._record_fault((*keys, error.about), str(error))
            return None

    def _from_file(self, spec: KernelSpec, body: FileFilter) -> LazyKernel | None:
        weights = self._load_weights(body, spec.keys)
        if weights is None:
            return None
        index = 0  # replaces an invalid index, so that the anchor is checked too
        with self._recording_errors((*spec.keys, "file" if body.index is None else "index")):
            index = weights.filter_index(body.index)
        return lazy_filter(weights, spec.name, index, self.resources.count_weights)

    def _validate_terms(self, body: Sum) -> list[tuple[float, LazyKernel]]:
        """Return (weight, kernel) of each term of a sum that has no faults."""
        terms: list[tuple[float, LazyKernel]] = []
        for part in body.parts:
            term = self._validate_part(part)
            if isinstance(term, LazyBank):
                self._record_fault(part.keys, f"{term.name!r} is a bank; only kernels can be summed")
            elif term and terms and term.shape[2:] != terms[0][1].shape[2:]:
                self._record_fault(part.keys, f"{term.name!r} and {terms[0][1].name!r} do not have the same channels")
            elif term:
                terms.append((part.weight, term))
                self._add_unverified(term)
        return terms

    def _from_sum(self, spec: KernelSpec, body: Sum) -> LazyKernel | None:
        """Return the weighted sum of kernels, aligned at their anchors. Raises KernelError."""
        terms = self._validate_terms(body)
        if len(terms) < len(body.parts):
            return None
        shape, anchor = laid_over([term.shape for _, term in terms], [term.anchor for _, term in terms])
        size = math.prod(shape) + sum(term.size for _, term in terms)
        if size > MAX_WEIGHT_COUNT:
            raise KernelError(f"the sum and its kernels have {size} weights; the limit is {MAX_WEIGHT_COUNT}")

        def compute() -> Kernel:
            self.resources.count_weights(size)
            return added(spec.name, [(weight, term.compute()) for weight, term in terms])

        weight_bound = sum(abs(weight) * term.weight_bound for weight, term in terms)
        known_valid = all(term.known_valid for _, term in terms) and weight_bound <= SAFE_WEIGHT
        return LazyKernel(spec.name, shape, anchor, weight_bound if known_valid else MAX_WEIGHT, known_valid, compute)

    def _validate_part(self, part: Part) -> Lazy | None:
        """Return a kernel or bank that is used inside another; None if it has faults."""
        lazy: Lazy | None = None
        with self._recording_errors(part.keys):
            if isinstance(part.kernel, KernelSpec):
                lazy = self._validate_kernel(part.kernel)
                if lazy and self.names.depth_of(part.kernel, self.key) >= MAX_DEPTH:
                    raise KernelError(f"kernels within kernels, more than {MAX_DEPTH} deep")
            else:
                lazy = self.resolve(part.kernel, part.text, self.file, self.key)
        if lazy is None:
            self.failed = True
            return None
        lazy = lazy.wrap(lambda compute: locate_errors(compute, part.keys, self.file.document))
        return lazy.named(part.name) if part.name else lazy

    def _apply_changes(self, spec: KernelSpec, body: LazyKernel) -> LazyKernel:
        """Return the kernel with the divisor, rotation, offset and anchor of its table applied."""
        anchor = spec.anchor or body.anchor
        if spec.anchor and (spec.anchor[0] >= body.shape[0] or spec.anchor[1] >= body.shape[1]):
            rows, columns = (side - 1 for side in body.shape[:2])
            rule = f"must lie in the kernel, from [0, 0] to [{rows}, {columns}], got {list(spec.anchor)}"
            self._record_fault((*spec.keys, "anchor"), rule)
            anchor = None
        shape, anchor = turned(body.shape, anchor, spec.rotate)
        if spec.normalize:  # a generator's kernel whose sum is certainly not 0 has the sum 1
            weight_bound = abs(spec.offset) + max(body.weight_bound, 1.0)
            known_valid = body.known_valid and spec.normalize in body.nonzero_norms
        else:
            weight_bound = abs(spec.offset) + body.weight_bound / min(abs(spec.divisor), 1.0)
            known_valid = body.known_valid and weight_bound <= SAFE_WEIGHT
        document = self.file.document
        compute = locate_errors(lambda: build_kernel(spec, body.compute(), document), spec.keys, document)
        return LazyKernel(spec.name, shape, anchor, weight_bound if known_valid else MAX_WEIGHT, known_valid, compute)

    def _validate_bank(self, spec: BankSpec) -> LazyBank | None:
        self.resources.limits.defined.count(KERNEL_COST)
        candidates = itertools.chain(self._listed_kernels(spec), self._from_template(spec))
        kernels = tuple(itertools.islice(candidates, MAX_MAPS + 1))
        if len(kernels) > MAX_MAPS:
            self._record_fault(spec.keys, f"bank {spec.name!r} has more than {MAX_MAPS} kernels, the limit")
            return None
        if not self._is_readable(spec.keys):
            self.failed = True
            self._add_unverified(*kernels)
            return None
        if spec.range is not None and spec.merge is None:
            kernels = tuple(kernel.then(lambda made: replace(made, range=made.range or spec.range)) for kernel in kernels)
        bank = LazyBank(kernels, Bank(spec.name, (), spec.merge, spec.about, spec.source, spec.tags, spec.range))
        if bank.size > MAX_WEIGHT_COUNT:
            self._record_fault(spec.keys, f"the kernels of the bank have {bank.size} weights; the limit is {MAX_WEIGHT_COUNT}")
            return None
        return bank

    def _listed_kernels(self, spec: BankSpec) -> Iterator[LazyKernel]:
        """Yield the kernels that the ``kernels`` key of a bank lists."""
        for part in spec.parts:
            lazy = self._validate_part(part)
            if isinstance(lazy, LazyBank) and lazy.bank.merge:
                self._record_fault(part.keys, f"{lazy.name!r} is merged into one map and cannot be part of a bank")
            elif lazy:
                yield from lazy.kernels

    def _from_template(self, spec: BankSpec) -> Iterator[LazyKernel]:
        """Yield the kernels of the template of a bank: one per filter of a file, or one per point of a grid."""
        template = spec.template
        if template is None or not (self._weights_are_readable(template) and self._are_readable(spec.keys, "grid")):
            return
        if isinstance(template.body, FileFilter):
            yield from self._from_all_filters(spec, template, template.body)
        elif isinstance(template.body, GeneratorCall):
            yield from self._from_grid(spec, template)

    def _from_all_filters(self, spec: BankSpec, template: KernelSpec, body: FileFilter) -> Iterator[LazyKernel]:
        """Yield a kernel for each filter of a file."""
        weights = self._load_weights(body, spec.keys)
        if weights is not None:
            for index in range(len(weights.filters)):
                named = replace(template, name=f"{spec.name}-{index}")
                yield self._apply_changes(named, lazy_filter(weights, named.name, index, self.resources.count_weights))

    def _from_grid(self, spec: BankSpec, template: KernelSpec) -> Iterator[LazyKernel]:
        """Yield a kernel for each point of a grid."""
        for name in spec.duplicated:
            self._record_fault((*spec.keys, "grid", name), "is also a key of the bank; leave one of them out")
        for name, values in spec.grid:
            if len(set(values)) < len(values):
                self._record_fault((*spec.keys, "grid", name), "has duplicate values")
        for point in spec.points():
            located = replace(template, name=spec.name_at(point), grid_keys=spec.keys_at(point))
            try:
                kernel = self._validate_kernel(located.change(point))
            except ParameterError as error:
                self._record_parameter_faults(located, error)
                continue
            if kernel:
                yield kernel
