"""Finds kernels by name, in every config file that is read, the most specific first."""

import contextlib
import functools
import gc
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import KernelError, nearest_name
from ..kernels.generators import ParameterError, Recipe
from ..kernels.kernel import Bank, Kernel
from ..kernels.syntax import Inline, Reference, parse_kernel
from ..kernels.weight_files import cost_of_failing, hint_of_file, load_weights
from ..kernels.weights import Weights, WeightsError, WeightsFile
from ..networks.network import Network
from .bank_spec import Entry
from .diagnostics import ENOUGH_FAULTS, Fault, Keys, Located, Meter, Tangled, TooMany, TooMuch
from .kernel_spec import DEEPEST, MOST_WEIGHTS, Drafter, KernelSpec
from .lazy_kernel import AnyDraft, Draft, draft_of, draft_of_file
from .network_spec import NetworkSpec, one_layer
from .reader import ConfigFile, read_config
from .search_path import ConfigLocation, built_in_file, find_locations

MOST_CHECKED = 1_100_000
"""Weights that are computed to check a file: those of the kernels that may have faults which only their weights show."""

KERNEL_COST, NAME_COST, COPY_COST = 40, 45, 13
"""What a kernel that is drafted counts, a name of another within it, and each kernel of a bank that is named."""

MOST_READ = 64 << 20
"""What all files of weights of a file may count: VGG-16's convolutions have 59 million bytes."""

MOST_DRAFTED = 250_000
"""What all kernels of a file may count that are drafted to check it."""

Chain: TypeAlias = tuple[tuple[Path, str], ...]
"""The files and names of the kernels that are being drafted, each within the one before."""


class Registry:
    """Every named kernel and bank of some config files, most specific first.

    A name within a file means that file's own kernel of that name, if it has one, else that of the most specific file.
    """

    def __init__(self, files: Iterable[ConfigFile]) -> None:
        self.files = tuple(files)
        self.entries: dict[str, Entry] = {}
        self.networks: dict[str, tuple[NetworkSpec, ConfigFile]] = {}
        self.defaults: dict[str, Any] = {}
        for file in reversed(self.files):
            self.entries |= file.entries
            self.networks |= {name: (network, file) for name, network in file.networks.items()}
            self.defaults |= file.defaults
        self._drafts: dict[tuple[Path, str], AnyDraft | Fault] = {}
        self._made: dict[tuple[Path, str], Kernel] = {}
        self._missed: set[str] = set()  # unknown names; to find the nearest takes 10 ms
        self._measure(MOST_WEIGHTS)
        self._loaded: dict[WeightsFile, Weights | WeightsError] = {}

    def find(self, text: str) -> Kernel | Bank:
        """The kernel or bank that the text after ``-k`` asks for, named as it was typed. Raises KernelError."""
        self._measure(MOST_WEIGHTS)
        try:
            return self._find(text, None, ()).compute()
        except TooMuch as error:
            raise KernelError(f"{text}: {error}") from None
        finally:
            self._made.clear()

    def network(self, name: str) -> Network:
        """The network of a name, with what loads its weights. Raises KernelError."""
        if name not in self.networks:
            near = nearest_name(name, self.networks) or f"; there are {', '.join(self.networks)}"
            raise KernelError(f"network {name!r} is unknown{near}")
        definition, file = self.networks[name]
        self._measure(MOST_WEIGHTS)
        try:
            return definition.resolve(lambda text: self._find(text, file, ()))
        except Fault as fault:
            raise Located(functools.partial(file.locate, [fault])) from None

    def network_of(self, text: str, taken: int, **sliding: Any) -> Network:
        """The text after ``-k`` as a network of one layer, on so many channels. Raises KernelError."""
        self._measure(MOST_WEIGHTS)
        return one_layer(text, taken, lambda name: self._find(name, None, ()), **sliding)

    def __iter__(self) -> Iterator[str]:
        """All kernels' names, then all banks', the built-in ones first, in the order of the files."""
        return iter(sorted(self.entries, key=lambda name: not isinstance(self.entries[name], KernelSpec)))

    def parameters_of(self, name: str) -> dict[str, float]:
        """The parameters that a kernel or bank takes, with their values; not those that a bank runs through."""
        entry = self.entries[name]
        one, grid = (entry, ()) if isinstance(entry, KernelSpec) else (entry.each, entry.grid)
        accepted = one.body.accepted if one is not None and isinstance(one.body, Recipe) else {}
        return {key: value for key, value in accepted.items() if key not in dict(grid)}

    def read_files(self) -> list[Path]:
        """Every file that a command may read for its kernels: configs, and the weights that they name."""
        entries = [entry for file in self.files for entry in (*file.entries.values(), *file.networks.values())]
        weights = [one.path for entry in entries for one in entry.files]
        return [*(file.path for file in self.files), *weights]

    def check(self, file: ConfigFile) -> None:
        """See that each kernel of a file can be made. Raises Located, a KernelError with a line for each fault."""
        check = _Check(file.faults)
        self._measure(MOST_CHECKED)
        with contextlib.suppress(TooMany):
            for entry in file.entries.values():
                try:
                    self._check_entry(entry, file, check)
                except TooMuch as error:
                    rule = f"up to here, the file {error}; what follows was not looked at; split it"
                    check.faults.append(Fault(entry.keys, rule))
                    break
            for network in file.networks.values():
                self._check_network(network, file, check)
        self._made.clear()
        file.check(check.faults)

    def _measure(self, computed: int) -> None:
        """Begin to count what is drafted, computed and read."""
        self._drafting = Meter(MOST_DRAFTED, "makes more kernels than a file may")
        self._computing = Meter(computed, f"takes more than {computed} weights to make; ask for smaller kernels, or fewer")
        self._reading = Meter(MOST_READ, f"names more weights than may be read: {MOST_READ >> 20} MiB, or 3000 small files")

    def _check_entry(self, entry: Entry, file: ConfigFile, check: "_Check") -> None:
        """Draft an entry, and compute what only its weights can show to be wrong."""
        key = (file.path, entry.name)
        before = check.told
        check.suspects.clear()
        try:
            draft = entry.draft(self._drafter(file, (key,), check))
            if check.told == before:
                self._drafts.setdefault(key, self._remembering(key, draft))
            check.suspects.extend(draft.kernels)
        except KernelError as error:
            check.tell(error)
        for kernel in check.suspects:
            if not kernel.sure and self._computing.left >= 0:
                try:
                    kernel.compute()
                except TooMuch:
                    rule = "takes, with those before it, more weights to check than a file may; divide them by a divisor"
                    check.tell(Fault(entry.keys, rule))
                except KernelError as error:
                    check.tell(error)

    def _check_network(self, network: NetworkSpec, file: ConfigFile, check: "_Check") -> None:
        """See that each layer finds its weights, and that each takes what it gets, if the size of the input is told."""
        if check.is_faulty(network.keys):
            return
        try:
            network.resolve(lambda text: self._find(text, file, ()))
        except TooMuch as error:
            check.faults.append(Fault(network.keys, str(error)))
        except KernelError as error:
            check.tell(error)

    def _drafter(self, file: ConfigFile, within: Chain, check: "_Check") -> Drafter:
        return Drafter(
            find=lambda text: self._find(text, file, within),
            tell=check.tell,
            suspect=check.suspects.append,
            is_faulty=check.is_faulty,
            load=self._load,
            count=lambda: self._drafting.spend(KERNEL_COST),
            spend=lambda weights: self._computing.spend(weights),
        )

    def _find(self, text: str | WeightsFile, scope: ConfigFile | None, within: Chain) -> AnyDraft:
        """What the text after ``-k`` or a file of weights gives, for a kernel of a file or alone. Raises KernelError."""
        asked = parse_kernel(text) if isinstance(text, str) else text
        if isinstance(asked, Inline):
            kh, kw = len(asked.matrix), len(asked.matrix[0])
            return draft_of(Kernel(f"matrix-{kh}x{kw}", asked.matrix, "written out"))
        if isinstance(asked, WeightsFile):
            held = self._load(replace(asked, index=None))
            draft = draft_of_file(held, asked.index, lambda weights: self._computing.spend(weights))
            self._drafting.spend(COPY_COST * len(draft.kernels))
            return draft
        entry, file = self._look_up(asked.name, scope)
        within = (*within, (file.path, asked.name))
        with _blaming(file, asked):
            draft = self._draft(entry, asked, file, within)
        self._drafting.spend(NAME_COST + COPY_COST * len(draft.kernels))
        return draft.turn(asked.turn).named(str(text).strip()).guarded(lambda: _blaming(file, asked))

    def _load(self, file: WeightsFile) -> Weights:
        """Read a file of weights, once, whether it can be read or not. Raises WeightsError."""
        if file not in self._loaded:
            self._reading.spend(0)
            try:
                weights = load_weights(file)
            except WeightsError as error:
                self._loaded[file] = error
                with contextlib.suppress(TooMuch):  # which the next file is told
                    self._reading.spend(cost_of_failing(file))
            else:
                self._loaded[file] = weights
                self._reading.spend(weights.cost)
        found = self._loaded[file]
        if isinstance(found, WeightsError):
            raise WeightsError(str(found), found.about)
        return found

    def _look_up(self, name: str, scope: ConfigFile | None) -> tuple[Entry, ConfigFile]:
        """An entry by its name: for a kernel of a file, in that file first, then in those behind it, then in those before."""
        start = self.files.index(scope) if scope else 0
        for file in (*self.files[start:], *self.files[:start]):
            if name in file.entries:
                return file.entries[name], file
        if name in self.networks:
            raise KernelError(f"{name!r} is a network, which is no kernel; see convcli summary {name}")
        self._missed.add(name)
        near = nearest_name(name, self.entries) if len(self._missed) <= ENOUGH_FAULTS else ""
        raise KernelError(f"kernel {name!r} is unknown; 'convcli kernels list' shows all{near or hint_of_file(name)}")

    def _draft(self, entry: Entry, asked: Reference, file: ConfigFile, within: Chain) -> AnyDraft:
        """Draft an entry, once, unless its parameters are changed. Raises KernelError."""
        _refuse_circle(within)
        key = (file.path, entry.name)
        if asked.parameters or key not in self._drafts:
            drafter = self._drafter(file, within, _Trust(file.faults))
            if asked.parameters:
                return _changed(entry, asked).draft(drafter)
            try:
                self._drafts[key] = self._remembering(key, entry.draft(drafter))
            except Fault as fault:
                if fault.tangled:  # seen from elsewhere, it may not be
                    raise
                self._drafts[key] = fault
        draft = self._drafts[key]
        if isinstance(draft, Fault):
            raise draft
        return draft

    def _remembering(self, key: tuple[Path, str], draft: AnyDraft) -> AnyDraft:
        """The draft of a kernel that is computed once for all that are made of it, and not kept for longer."""
        if not isinstance(draft, Draft):
            return draft

        def compute() -> Kernel:
            if key not in self._made:
                self._made[key] = draft.compute()
            return self._made[key]

        return replace(draft, compute=compute)


class _Check:
    """What was found wrong with a file: while it was read, and since."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        self.told = 0
        self.suspects: list[Draft] = []
        self.known = {fault.keys for fault in faults}
        places = [keys for fault in faults for keys in (fault.keys, fault.meant) if keys]
        self.tables = {keys[:length] for keys in places for length in range(len(keys) + 1)}

    def is_faulty(self, keys: Keys) -> bool:
        """Whether a table or a key was not read well, or is perhaps misspelt."""
        return keys in self.tables

    def tell(self, error: KernelError) -> None:
        """Note a fault, one for each place; what is told elsewhere is none."""
        self.told += 1
        if isinstance(error, TooMuch):
            raise error
        if isinstance(error, Fault) and error.keys not in self.known:
            self.known.add(error.keys)
            self.faults.append(error)


class _Trust(_Check):
    """What is wrong with a kernel that another names, which is told in its own place: the first of it is enough."""

    def tell(self, error: KernelError) -> None:
        """Raise it."""
        raise error


@contextlib.contextmanager
def _blaming(file: ConfigFile, asked: Reference) -> Iterator[None]:
    """Tell where a fault stands: in the file, or in the text that asks for other parameters."""
    try:
        yield
    except Fault as fault:
        if fault.tangled:
            raise Tangled(str(fault)) from None
        if file.path == built_in_file() or asked.parameters:
            raise KernelError(f"{asked.name}: {fault}") from None
        raise Located(functools.partial(file.locate, [fault])) from None


def _changed(entry: Entry, asked: Reference) -> Entry:
    """The entry with the parameters that are asked for. Raises KernelError."""
    try:
        return entry.change(asked.parameters)
    except ParameterError as error:
        raise KernelError(f"{asked.name}: {error}") from None


def _refuse_circle(within: Chain) -> None:
    """Raise Tangled where a kernel holds itself, or is so deep in others that they are too deep whatever it holds."""
    if within[-1] in within[:-1]:
        names = [name for _, name in within[within.index(within[-1]) :]]
        raise Tangled(f"{names[0]!r} holds itself: {' > '.join(names)}")
    if len(within) > 2 * DEEPEST:
        raise Tangled(f"kernels within kernels, more than {DEEPEST} deep")


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Python's garbage collector left alone: it finds nothing among what a config becomes, and takes 60 % of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


@_uncollected()
def load_registry(places: Iterable[ConfigLocation] | None = None, thorough: bool = False) -> Registry:
    """The kernels of these config files, or of all that are found.

    Raises KernelError with a line for every fault of every file. The built-in one is looked at only where that is to be
    ``thorough``; the tests do so.
    """
    told: list[str] = []
    registry = peek_registry(find_locations() if places is None else places, told)
    check_registry(registry, told, thorough)
    return registry


@_uncollected()
def check_registry(registry: Registry, told: Iterable[str], thorough: bool = False) -> None:
    """Raise Located, a KernelError, with what is told already and a line for every fault of every file."""
    lines = list(told)
    for file in registry.files:
        try:
            if thorough or file.path != built_in_file():
                registry.check(file)
        except KernelError as error:
            lines.extend(error.lines)
    if lines:
        raise Located(lambda: lines)


def peek_registry(places: Iterable[ConfigLocation], told: list[str]) -> Registry:
    """The kernels of these config files, where a file can be read, unchecked; ``told`` takes a line for each that cannot."""
    files: list[ConfigFile] = []
    for place in places:
        try:
            files.append(_built_in() if place.path == built_in_file() else read_config(place.path))
        except KernelError as error:
            told.extend(error.lines)
    return Registry(files)


@functools.cache
def _built_in() -> ConfigFile:
    return read_config(built_in_file())


def load_kernels(path: str | os.PathLike[str] | None = None) -> dict[str, Kernel | Bank]:
    """Every kernel and bank by name: those of one kernels.toml, or, without a path, all that a command run here would know.

    Those are the built-in ones, and those of the config files found from the working folder, the user's and
    ``$CONVCLI_CONFIG``. Raises KernelError with a line for each fault of a file.

    >>> load_kernels()["sobel-x"].weights.tolist()
    [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]
    """
    if path is not None and not isinstance(path, str | os.PathLike):
        raise KernelError(f"path must be the name of a kernels.toml, got {type(path).__name__}")
    registry = load_registry(
        None if path is None else [ConfigLocation(Path(path), "path"), ConfigLocation(built_in_file(), "built in")]
    )
    names = registry.entries if path is None else registry.files[0].entries
    return {name: registry.find(name) for name in names}


def kernel(text: str) -> Kernel | Bank:
    """The kernel or bank that ``-k`` with this text would take, from the config files that a command run here would read.

    Raises KernelError.

    >>> kernel("gaussian:sigma=2").weights.shape
    (17, 17)
    """
    if not isinstance(text, str):
        raise KernelError(f"kernel must be a text such as 'gaussian:sigma=2', got {type(text).__name__}")
    return load_registry().find(text)
