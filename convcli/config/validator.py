"""Validates the kernels and banks of config files, each once, and resolves references to them."""

from msgspec import Struct
from msgspec.structs import replace

from ..errors import KernelError
from ..kernels.kernel import Kernel
from ..kernels.parameters import ParameterError
from ..kernels.syntax import Inline, KernelText, Reference
from ..kernels.weights import WeightsFile
from .diagnostics import Diagnostics
from .entry_validator import EntryValidator
from .kernel_builder import prefix_errors
from .lazy_kernel import Lazy, LazyBank, LazyKernel, lazy_constant, lazy_file
from .limits import COPY_COST, NAME_COST, Limits
from .name_table import Key, NameTable
from .reader import ConfigFile
from .resources import Resources


class Validated(Struct, frozen=True):
    """A kernel or a bank (``lazy``, None if it has faults).

    ``unverified`` are the kernels in it that may have faults which show only in their weights. If a sum has faults, they
    include its terms.
    """

    lazy: Lazy | None
    unverified: tuple[LazyKernel, ...]


class Validator:
    """Validates each kernel and bank of config files once, when it is first needed."""

    def __init__(self, names: NameTable) -> None:
        self.names = names
        self.resources = Resources()
        self._validated: dict[Key, Validated] = {}
        self._computed: dict[Key, Kernel] = {}

    def begin(self, weights: int) -> None:
        """Reset all counters, allow this number of computed weights, and discard the computed kernels."""
        self.resources.limits = Limits(weights)
        self._computed.clear()

    def entry(self, key: Key) -> Validated:
        """Validate a kernel or bank of a file. Its faults are recorded in the diagnostics of the file. Raises LimitError."""
        if key not in self._validated:
            file, name = key
            run = self._run(key, file.diagnostics)
            lazy = run.validate(file.entries[name])
            self._validated[key] = Validated(self._remember(key, lazy), tuple(run.unverified))
        return self._validated[key]

    def resolve(self, asked: KernelText, text: str, scope: ConfigFile | None = None, holder: Key | None = None) -> Lazy | None:
        """Return the kernel or bank that a text as after ``-k`` means; None if its faults are recorded in its file.

        Names are looked up first in the file ``scope``. ``holder`` is the kernel or bank whose definition contains the text.
        Raises KernelError if the text itself is wrong.
        """
        if isinstance(asked, Inline):
            rows, columns = len(asked.matrix), len(asked.matrix[0])
            return lazy_constant(Kernel(f"matrix-{rows}x{columns}", asked.matrix, "written out", offset=asked.offset))
        if isinstance(asked, WeightsFile):
            lazy = lazy_file(self.resources.load(replace(asked, index=None)), asked.index, self.resources.count_weights)
            self.resources.limits.defined.count(COPY_COST * len(lazy.kernels))
            return lazy
        key = self.names.find(asked.name, scope)
        if key == holder or not asked.parameters:  # what takes parameters names no kernels
            self.names.check_depth(key, holder)
        found = self._change(key, asked) if asked.parameters else self.entry(key).lazy
        if found is None:
            return None
        self.resources.limits.defined.count(NAME_COST + COPY_COST * len(found.kernels))
        if asked.offset and isinstance(found, LazyBank) and found.bank.merge:
            raise KernelError(f"bank {asked.name!r} merges its maps, and an offset cannot be added to each; leave it out")
        return found.turn(asked.turn).scale(asked.divisor, asked.offset).named(text)

    def _run(self, key: Key, diagnostics: Diagnostics) -> EntryValidator:
        return EntryValidator(key, diagnostics, self.names, self.resources, self.resolve)

    def _change(self, key: Key, asked: Reference) -> Lazy | None:
        """Validate an entry with other parameters. Raises KernelError for its faults, as they come from the parameters."""
        file, name = key
        try:
            entry = file.entries[name].change(asked.parameters)
        except ParameterError as error:
            raise KernelError(f"{name}: {error}") from None
        diagnostics = Diagnostics(file.document)
        lazy = self._run(key, diagnostics).validate(entry)
        if diagnostics.faults:
            raise KernelError(f"{name}: {diagnostics.faults[0].message}")
        return lazy and lazy.wrap(lambda compute: prefix_errors(compute, name))

    def _remember(self, key: Key, lazy: Lazy | None) -> Lazy | None:
        """Return a kernel whose weights are computed once and cached until the next ``begin``; a bank or None unchanged."""
        if not isinstance(lazy, LazyKernel):
            return lazy

        def compute() -> Kernel:
            if key not in self._computed:
                self._computed[key] = lazy.compute()
            return self._computed[key]

        return replace(lazy, compute=compute)
