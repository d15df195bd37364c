"""Finds kernels and networks by name in all config files that were read, the most specific first."""

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import KernelError, nearest_name
from ..kernels.generator_call import GeneratorCall
from ..kernels.kernel import Bank, Kernel
from ..kernels.parameters import Value
from ..kernels.syntax import Reference, parse_kernel
from ..kernels.weights import WeightsFile
from .bank_spec import Entry
from .diagnostics import ConfigError, Fault
from .kernel_spec import KernelSpec
from .lazy_kernel import Lazy, LazyKernel
from .limits import MAX_CHECKED_WEIGHTS, MAX_WEIGHT_COUNT, LimitError
from .name_table import NameTable
from .reader import ConfigFile
from .search_path import built_in_file
from .validator import Validator

if TYPE_CHECKING:
    from ..networks.network import Network
    from .network_spec import NetworkSpec


MODEL_SUFFIX = ".onnx"


def is_model_file(name: str) -> bool:
    """Whether the name of a network is that of a file.

    >>> is_model_file("models/Net.ONNX"), is_model_file("lenet-5")
    (True, False)
    """
    return name.lower().endswith(MODEL_SUFFIX)


class Registry:
    """All named kernels, banks and networks of some config files, the most specific first.

    A name in a file means the kernel of that file, else that of a less specific file, else that of a more specific one.
    ``unreadable`` holds the error messages of files that could not be read.
    """

    def __init__(self, files: Iterable[ConfigFile], unreadable: Iterable[str] = ()) -> None:
        self.files = tuple(files)
        self.unreadable = tuple(unreadable)
        self.defaults: dict[str, Any] = {}
        for file in reversed(self.files):
            self.defaults |= file.defaults
        names = NameTable(self.files)
        self.entries = names.entries
        self._validator = Validator(names)

    @functools.cached_property
    def networks(self) -> dict[str, tuple["NetworkSpec", ConfigFile]]:
        """The networks by name, each with its file."""
        return {name: (network, file) for file in reversed(self.files) for name, network in file.networks.items()}

    def find(self, text: str) -> Kernel | Bank:
        """Return the kernel or bank that a text as after ``-k`` means. Its name is that text. Raises KernelError."""
        self._validator.begin(MAX_WEIGHT_COUNT)
        try:
            return self._find(text).compute()
        except LimitError as error:
            raise KernelError(f"{text}: {error}") from None
        finally:
            self._validator.begin(MAX_WEIGHT_COUNT)

    def network(self, name: str, weights: Path | None = None) -> "Network":
        """Return the network of a name, or of an ONNX file. Its weights are found, but not yet loaded. Raises KernelError.

        ``weights`` is a file of arrays LAYER.ROLE, which the network has in place of its own.
        """
        if weights is not None and is_model_file(name):
            raise KernelError(f"{name} has its own weights; leave out {weights}")
        if name not in self.networks and is_model_file(name):
            from ..models.onnx_network import read_onnx  # imports NumPy

            return read_onnx(Path(name))
        if name not in self.networks:
            near = nearest_name(name, self.networks) or f"; there are {', '.join(self.networks)}"
            raise KernelError(f"network {name!r} is unknown{near}; a file must end in {MODEL_SUFFIX}")
        spec, file = self.networks[name]
        if weights is not None:
            spec = spec.with_weights(weights)
            spec.refuse_without_arrays()
        self._validator.begin(MAX_WEIGHT_COUNT)
        try:
            return spec.resolve(lambda text: self._find(text, file))
        except Fault as fault:
            if weights is not None:  # no fault of the config
                raise KernelError(fault.message) from None
            raise Fault(fault.keys, fault.message, file.document) from None

    def network_of(self, text: str, inputs: int, **sliding: Any) -> "Network":
        """Return a network of one layer for a text as after ``-k``, with ``inputs`` channels. Raises KernelError."""
        from .network_spec import one_layer

        self._validator.begin(MAX_WEIGHT_COUNT)
        return one_layer(text, inputs, self._find, **sliding)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all kernels, then of all banks, each from the least to the most specific file."""
        return iter(sorted(self.entries, key=lambda name: not isinstance(self.entries[name], KernelSpec)))

    def parameters_of(self, name: str) -> dict[str, Value]:
        """Return the parameters that a kernel or bank accepts, with their values, without those in the grid of a bank."""
        entry = self.entries[name]
        spec, grid = (entry, ()) if isinstance(entry, KernelSpec) else (entry.template, entry.grid)
        accepted = spec.body.all_parameters if spec is not None and isinstance(spec.body, GeneratorCall) else {}
        return {key: value for key, value in accepted.items() if key not in dict(grid)}

    def parameters_in(self, text: str) -> dict[str, Value]:
        """Return the parameters of the kernel or bank that a text as after ``-k`` means, with their values in that text."""
        asked = parse_kernel(text)
        return self.parameters_of(asked.name) | dict(asked.parameters) if isinstance(asked, Reference) else {}

    def read_files(self, texts: Iterable[str] = (), network: str | None = None) -> list[Path]:
        """Return the paths of all files that a command may read for its kernels: config files and their weights files.

        So are those that texts as after ``-k`` name, and that of a network.
        """
        entries: list[Any] = [entry for file in self.files for entry in file.entries.values()]
        for file in self.files:
            if file.path != built_in_file():  # reading its networks takes time: of these, that which is asked for
                entries += file.networks.values()
        if network is not None and network in self.networks:
            entries.append(self.networks[network][0])
        weights = [weights.path for entry in entries for weights in entry.files]
        models = [entry.model for entry in entries if getattr(entry, "model", None) is not None]
        named = [asked.path for asked in map(parse_kernel, texts) if isinstance(asked, WeightsFile)]
        models += [Path(network)] if network is not None and is_model_file(network) else []
        return [*(file.path for file in self.files), *weights, *models, *named]

    def check(self, file: ConfigFile) -> None:
        """Record the faults of the kernels, banks and networks of a file in its diagnostics."""
        networks = file.networks  # read before anything is validated, as kernels and banks are
        self._validator.begin(MAX_CHECKED_WEIGHTS)
        for name, entry in file.entries.items():
            if file.diagnostics.full:
                break
            try:
                validated = self._validator.entry((file, name))
            except LimitError as error:
                rule = f"up to here, the file {error}; what follows was not looked at; split it"
                file.diagnostics.add(entry.keys, rule)
                break
            for kernel in validated.unverified:
                self._check_weights(kernel, entry, file)
        for network in networks.values():
            if file.diagnostics.full:
                break
            self._check_network(network, file)
        self._validator.begin(MAX_WEIGHT_COUNT)

    def _check_weights(self, kernel: LazyKernel, entry: Entry, file: ConfigFile) -> None:
        """Compute a kernel, and record faults that show only in its weights."""
        if self._validator.resources.limits.computed.left < 0:
            return
        try:
            kernel.compute()
        except LimitError:
            rule = "takes, with those before it, more weights to check than a file may; divide them by a divisor"
            file.diagnostics.add(entry.keys, rule)
        except Fault as fault:
            if fault.document is file.document:
                file.diagnostics.add(fault.keys, fault.message)

    def _check_network(self, network: "NetworkSpec", file: ConfigFile) -> None:
        """Record a fault if the weights of a layer are not found, or if a layer does not accept its input."""
        if network.keys in file.diagnostics.unreadable:
            return
        try:
            network.resolve(lambda text: self._find(text, file))
        except LimitError as error:
            file.diagnostics.add(network.keys, str(error))
        except Fault as fault:
            file.diagnostics.add(fault.keys, fault.message)
        except ConfigError:
            pass  # the faults of a kernel, which are already recorded

    def _find(self, text: str | WeightsFile, scope: ConfigFile | None = None) -> Lazy:
        """Return the kernel or bank that a text as after ``-k`` or a weights file means. Raises KernelError."""
        asked = parse_kernel(text) if isinstance(text, str) else text
        lazy = self._validator.resolve(asked, str(text).strip(), scope)
        if lazy is None:
            raise ConfigError(file.diagnostics for file in self.files)
        return lazy
