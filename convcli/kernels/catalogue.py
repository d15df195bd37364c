"""Finds kernels by name, in every config file that is read, the most specific first."""

import contextlib
import functools
import math
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from ..errors import KernelError, nearest_name
from .config import ConfigFile, read_config
from .definition import Definition, Entry, Maker, Part
from .faults import Fault, Located, Meter, TooMany, TooMuch
from .grammar import Inline, Reference, parse_kernel
from .kernel import Bank, Kernel, kernels_of
from .library import ParameterError, Recipe
from .places import Place, built_in_file, find_places
from .weights import WeightsFile, load_file

DEEPEST = 20
"""Kernels within kernels within kernels."""

MOST_WEIGHTS = 4_000_000
"""Weights that are computed for one kernel or bank at most."""

MOST_CHECKED = 1_200_000
"""Weights that are computed to check a file: about a second's work."""

MOST_EAGER = 200_000
"""Weights that are computed of a file when something else is wanted: a tenth of a second's work."""

Chain: TypeAlias = tuple[tuple[Path, str], ...]
"""The files and names of the kernels that are being made, each within the one before."""


class TooDeep(KernelError):
    """Kernels within kernels within kernels, too many of them."""


class Survey(NamedTuple):
    """What is known of an entry before it is made: whether that opens a file of weights, and how many levels it has."""

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
        self._made: dict[tuple[Path, str], Kernel | Bank] = {}

    def find(self, text: str) -> Kernel | Bank:
        """The kernel or bank that the text after ``-k`` asks for, named as it was typed. Raises KernelError."""
        return self._find(text, None, (), Meter(MOST_WEIGHTS))

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

        Without the weights, no more is made than takes a moment: what is left out is seen when it is used. Raises Located, a
        KernelError with a line for each fault.
        """
        faults = file.faults
        meter = Meter(MOST_CHECKED if with_weights else MOST_EAGER)
        check = _Check(file, faults, meter, with_weights)
        with contextlib.suppress(TooMany):
            for entry in list(file.entries.values()):
                before = meter.left
                self._check_entry(entry, check, ((file.path, entry.name),))
                if with_weights and before >= 0 > meter.left:
                    faults.append(Fault(entry.keys, f"up to here, the file {_too_much(meter)}; what follows was not made"))
        file.check(faults)

    def _check_entry(self, entry: Entry, check: "_Check", within: Chain) -> None:
        """Look at each part of an entry, then make it where that is wanted and nothing is known to be wrong."""
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
                self._make(entry, check.file, within, check.meter)
            else:
                entry.make(self._maker(check.file, within, check.meter))
        except (Located, TooMuch):
            return
        except Fault as fault:
            check.faults.append(fault)

    def _check_part(self, entry: Entry, part: Part, check: "_Check", within: Chain) -> bool:
        """Whether making a part opens a file of weights. Raises KernelError where it cannot stand there."""
        survey = self._survey(part, check.file, within)
        if isinstance(part.kernel, Definition):
            self._check_entry(part.kernel, check, within)
        elif check.meter.left >= 0 and (check.with_weights or not survey.opens):
            entry.check_part(part, part.make(self._maker(check.file, within, check.meter)))
        return survey.opens

    def _maker(self, file: ConfigFile, within: Chain, meter: Meter) -> Maker:
        return Maker(lambda text: self._find(text, file, within, meter), meter)

    def _find(self, text: str, scope: ConfigFile | None, within: Chain, meter: Meter) -> Kernel | Bank:
        asked = parse_kernel(text)
        if isinstance(asked, Inline):
            kh, kw = len(asked.matrix), len(asked.matrix[0])
            return Kernel(f"matrix-{kh}x{kw}", asked.matrix, "written out")
        if isinstance(asked, WeightsFile):
            return load_file(asked)
        entry, file = self._look_up(asked.name, scope)
        within = (*within, (file.path, asked.name))
        try:
            found = self._make(_changed(entry, asked), file, within, meter, bool(asked.parameters))
        except Fault as fault:
            if file.path == built_in_file() or asked.parameters:
                raise KernelError(f"{asked.name}: {fault}") from None
            file.check([fault])
        meter.spend(sum(math.prod(one.shape) for one in kernels_of(found)))  # for the copies below
        return found.turn(asked.turn).named(text.strip())

    def _look_up(self, name: str, scope: ConfigFile | None) -> tuple[Entry, ConfigFile]:
        """An entry by its name: for a kernel of a file, in that file first, then in those behind it, then in those before."""
        start = self.files.index(scope) if scope else 0
        for file in (*self.files[start:], *self.files[:start]):
            if name in file.entries:
                return file.entries[name], file
        near = nearest_name(name, self.entries)
        raise KernelError(f"kernel {name!r} is unknown; 'convcli kernels list' shows all{near}")

    def _make(self, entry: Entry, file: ConfigFile, within: Chain, meter: Meter, changed: bool = False) -> Kernel | Bank:
        """Make an entry, once, unless its parameters are changed. Raises Fault, or KernelError from an entry within."""
        key = (file.path, entry.name)
        if changed or key not in self._made:
            _refuse_circle(within)
            made = entry.make(self._maker(file, within, meter))
            if changed:
                return made
            self._made[key] = made
        return self._made[key]

    def _survey(self, part: Part, file: ConfigFile, within: Chain) -> Survey:
        """Look at a part without making it. Raises KernelError if its names are unknown, lead in a circle, or are too deep."""
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
    """A file that is being checked: what was found wrong, and how far it is made."""

    file: ConfigFile
    faults: list[Fault]
    meter: Meter
    with_weights: bool


def _too_much(meter: Meter) -> str:
    return f"takes more than {meter.limit} weights to make, the limit"


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
