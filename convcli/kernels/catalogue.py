"""Finds kernels by name, in every config file that is read, the most specific first."""

import contextlib
import functools
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from ..errors import KernelError, nearest_name
from .config import ConfigFile, read_config
from .definition import Definition, Drafter, Entry, Part
from .draft import AnyDraft, drafted
from .faults import Fault, Located, Meter, TooMany, TooMuch
from .grammar import Inline, Reference, parse_kernel
from .kernel import Bank, Kernel
from .library import ParameterError, Recipe
from .places import Place, built_in_file, find_places
from .weights import WeightsFile, load_file

DEEPEST = 20
"""Kernels within kernels within kernels."""

MOST_WEIGHTS = 4_000_000
"""Weights that are computed for one kernel or bank at most."""

MOST_CHECKED = 500_000
"""Weights that are computed to check a file, half a second's work: of kernels with faults that only their weights show."""

KERNEL_COST = 40
"""A kernel that is drafted counts as so many weights that are computed; both take about as long."""

COPY_COST = 10
"""So does a kernel of a bank that is named by another."""

Chain: TypeAlias = tuple[tuple[Path, str], ...]
"""The files and names of the kernels that are being drafted, each within the one before."""


class TooDeep(KernelError):
    """Kernels within kernels within kernels, too many of them."""


class Survey(NamedTuple):
    """What is known of an entry before it is drafted: whether that opens a file of weights, and how many levels it has."""

    opens: bool
    depth: int


class Catalogue:
    """Every named kernel and bank of some config files, most specific first.

    A name within a file means that file's own kernel of that name, if it has one, else that of the most specific file.
    """

    def __init__(self, files: Iterable[ConfigFile]) -> None:
        self.files = tuple(files)
        self.entries: dict[str, Entry] = {}
        self.defaults: dict[str, Any] = {}
        for file in reversed(self.files):
            self.entries |= file.entries
            self.defaults |= file.defaults
        self._surveyed: dict[tuple[Path, str], Survey | KernelError] = {}
        self._drafts: dict[tuple[Path, str], AnyDraft] = {}

    def find(self, text: str) -> Kernel | Bank:
        """The kernel or bank that the text after ``-k`` asks for, named as it was typed. Raises KernelError."""
        draft = self._draft_text(text, None, (), Meter(MOST_WEIGHTS))
        Meter(MOST_WEIGHTS).spend(draft.cost)
        return draft.compute()

    def __iter__(self) -> Iterator[str]:
        """All kernels' names, then all banks', the built-in ones first, in the order of the files."""
        return iter(sorted(self.entries, key=lambda name: not isinstance(self.entries[name], Definition)))

    def parameters_of(self, name: str) -> dict[str, float]:
        """The parameters that a kernel or bank takes, with their values; not those that a bank runs through."""
        entry = self.entries[name]
        one, grid = (entry, ()) if isinstance(entry, Definition) else (entry.each, entry.grid)
        accepted = one.body.accepted if one is not None and isinstance(one.body, Recipe) else {}
        return {key: value for key, value in accepted.items() if key not in dict(grid)}

    def read_files(self) -> list[Path]:
        """Every file that a command may read for its kernels: configs, and the weights that they name."""
        weights = [one.path for file in self.files for entry in file.entries.values() for one in entry.files]
        return [*(file.path for file in self.files), *weights]

    def check(self, file: ConfigFile, with_weights: bool = False) -> None:
        """See that each kernel of a file can be made; one from a file of weights only if they are to be read too.

        Raises Located, a KernelError with a line for each fault.
        """
        check = _Check(file, file.faults, Meter(MOST_CHECKED), with_weights)
        with contextlib.suppress(TooMany):
            for entry in list(file.entries.values()):
                before = check.meter.left
                self._check_entry(entry, check, ((file.path, entry.name),))
                if before >= 0 > check.meter.left:
                    rule = "up to here, the file takes too long to check, and what follows was left out; split it"
                    check.faults.append(Fault(entry.keys, rule))
        file.check(check.faults)

    def _check_entry(self, entry: Entry, check: "_Check", within: Chain) -> None:
        """Look at each part of an entry, then draft it, and compute what only its weights can show to be wrong."""
        before = len(check.faults)
        opens = bool(entry.files)
        for part in entry.parts:
            try:
                opens |= self._check_part(entry, part, check, within)
            except Located:  # the fault of a named kernel, which is told where that one stands
                return
            except TooMuch:  # the names of the other parts are still looked at
                continue
            except KernelError as error:
                check.faults.append(error if isinstance(error, Fault) else Fault(part.keys, str(error)))
        faulty = len(check.faults) > before or any(fault.keys[: len(entry.keys)] == entry.keys for fault in check.faults)
        if faulty or check.meter.left < 0 or (opens and not check.with_weights):
            return
        try:
            if len(entry.keys) == 2:
                draft = self._draft(entry, check.file, within, check.meter)
            else:
                draft = entry.draft(self._drafter(check.file, within, check.meter))
            if draft.cost > MOST_WEIGHTS:
                raise Fault(entry.keys, f"takes {draft.cost} weights to make; the limit is {MOST_WEIGHTS}")
            for kernel in draft.kernels:
                if not kernel.is_safe:
                    check.meter.spend(kernel.cost)
                    kernel.compute()
        except (Located, TooMuch):
            return
        except Fault as fault:
            check.faults.append(fault)

    def _check_part(self, entry: Entry, part: Part, check: "_Check", within: Chain) -> bool:
        """Whether drafting a part opens a file of weights. Raises KernelError where it cannot stand there."""
        survey = self._survey(part, check.file, within)
        if isinstance(part.kernel, Definition):
            self._check_entry(part.kernel, check, within)
        elif check.meter.left >= 0 and (check.with_weights or not survey.opens):
            entry.check_part(part, part.draft(self._drafter(check.file, within, check.meter)))
        return survey.opens

    def _drafter(self, file: ConfigFile, within: Chain, meter: Meter) -> Drafter:
        return Drafter(lambda text: self._draft_text(text, file, within, meter), lambda: meter.spend(KERNEL_COST))

    def _draft_text(self, text: str, scope: ConfigFile | None, within: Chain, meter: Meter) -> AnyDraft:
        """What the text after ``-k`` asks for, within a kernel of a file or alone. Raises KernelError."""
        asked = parse_kernel(text)
        if isinstance(asked, Inline):
            kh, kw = len(asked.matrix), len(asked.matrix[0])
            return drafted(Kernel(f"matrix-{kh}x{kw}", asked.matrix, "written out"))
        if isinstance(asked, WeightsFile):
            return drafted(load_file(asked))
        entry, file = self._look_up(asked.name, scope)
        within = (*within, (file.path, asked.name))
        with _blaming(file, asked):
            draft = self._draft(_changed(entry, asked), file, within, meter, bool(asked.parameters))
        meter.spend(COPY_COST * len(draft.kernels))
        return draft.turn(asked.turn).named(text.strip()).guarded(lambda: _blaming(file, asked))

    def _look_up(self, name: str, scope: ConfigFile | None) -> tuple[Entry, ConfigFile]:
        """An entry by its name: for a kernel of a file, in that file first, then in those behind it, then in those before."""
        start = self.files.index(scope) if scope else 0
        for file in (*self.files[start:], *self.files[:start]):
            if name in file.entries:
                return file.entries[name], file
        near = nearest_name(name, self.entries)
        raise KernelError(f"kernel {name!r} is unknown; 'convcli kernels list' shows all{near}")

    def _draft(self, entry: Entry, file: ConfigFile, within: Chain, meter: Meter, changed: bool = False) -> AnyDraft:
        """Draft an entry, once, unless its parameters are changed. Raises Fault, or KernelError from an entry within."""
        key = (file.path, entry.name)
        if changed or key not in self._drafts:
            _refuse_circle(within)
            draft = entry.draft(self._drafter(file, within, meter))
            if changed:
                return draft
            self._drafts[key] = draft
        return self._drafts[key]

    def _survey(self, part: Part, file: ConfigFile, within: Chain) -> Survey:
        """Look at a part without drafting it. Raises KernelError if its names are unknown, in a circle, or too deep."""
        if isinstance(part.kernel, Definition):
            return self._survey_parts(part.kernel, file, within)
        if isinstance(part.kernel, WeightsFile):
            return Survey(opens=True, depth=1)
        asked = parse_kernel(part.kernel)
        if not isinstance(asked, Reference):
            return Survey(opens=False, depth=1)
        entry, file = self._look_up(asked.name, file)
        _changed(entry, asked)
        key = (file.path, asked.name)
        if key not in self._surveyed:
            try:
                self._surveyed[key] = self._survey_parts(entry, file, (*within, key))
            except TooDeep as error:
                if len(within) >= DEEPEST:  # seen from here, it may not be too deep
                    raise
                self._surveyed[key] = error
            except KernelError as error:
                self._surveyed[key] = error
        survey = self._surveyed[key]
        if isinstance(survey, KernelError):
            raise KernelError(str(survey))
        _refuse_depth(survey.depth + 1)
        return survey

    def _survey_parts(self, entry: Entry, file: ConfigFile, within: Chain) -> Survey:
        _refuse_circle(within)
        surveys = [self._survey(part, file, within) for part in entry.parts]
        opens = bool(entry.files) or any(survey.opens for survey in surveys)
        return Survey(opens, 1 + max((survey.depth for survey in surveys), default=0))


@dataclass(frozen=True)
class _Check:
    """A file that is being checked: what was found wrong, and how much work it may still take."""

    file: ConfigFile
    faults: list[Fault]
    meter: Meter
    with_weights: bool


@contextlib.contextmanager
def _blaming(file: ConfigFile, asked: Reference) -> Iterator[None]:
    """Tell where a fault stands: in the file, or in the text that asks for other parameters."""
    try:
        yield
    except Fault as fault:
        if file.path == built_in_file() or asked.parameters:
            raise KernelError(f"{asked.name}: {fault}") from None
        file.check([fault])


def _changed(entry: Entry, asked: Reference) -> Entry:
    """The entry with the parameters that are asked for. Raises KernelError."""
    if not asked.parameters:
        return entry
    try:
        return entry.change(asked.parameters)
    except ParameterError as error:
        raise KernelError(f"{asked.name}: {error}") from None


def _refuse_circle(within: Chain) -> None:
    """Raise KernelError where a kernel holds itself, or is too deep."""
    if within[-1] in within[:-1]:
        names = [name for _, name in within[within.index(within[-1]) :]]
        raise KernelError(f"{names[0]!r} holds itself: {' > '.join(names)}")
    _refuse_depth(len(within), 2 * DEEPEST)  # so that the outer half of a chain that ends here is known to be too deep


def _refuse_depth(depth: int, limit: int = DEEPEST) -> None:
    if depth > limit:
        raise TooDeep(f"kernels within kernels, more than {DEEPEST} deep")


def load_catalogue(places: Iterable[Place] | None = None, with_weights: bool = False, only: Collection[Path] = ()) -> Catalogue:
    """The kernels of these config files, or of all that are found; files of weights are read now only if that is asked for.

    Raises KernelError with a line for every fault of every file, or of these ``only``; the others then serve for names.
    """
    files: list[ConfigFile] = []
    told: list[str] = []
    for place in find_places() if places is None else places:
        try:
            files.append(_built_in() if place.path == built_in_file() else read_config(place.path))
        except KernelError as error:
            told.extend(error.lines if not only or place.path in only else ())
    catalogue = Catalogue(files)
    for file in files:
        try:
            # The tests check the built-in one.
            if file.path in only if only else with_weights or file.path != built_in_file():
                catalogue.check(file, with_weights)
        except KernelError as error:
            told.extend(error.lines)
    if told:
        raise Located(told)
    return catalogue


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
    catalogue = load_catalogue(None if path is None else [Place(Path(path), "path"), Place(built_in_file(), "built in")])
    names = catalogue.entries if path is None else catalogue.files[0].entries
    return {name: catalogue.find(name) for name in names}


def kernel(text: str) -> Kernel | Bank:
    """The kernel or bank that ``-k`` with this text would take, from the config files that a command run here would read.

    Raises KernelError.

    >>> kernel("gaussian:sigma=2").weights.shape
    (17, 17)
    """
    return load_catalogue().find(text)
