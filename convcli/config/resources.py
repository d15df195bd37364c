"""What validation uses up: limits, and files of weights."""

import contextlib

from ..kernels.weight_files import failed_read_cost, load_weights
from ..kernels.weights import Weights, WeightsError, WeightsFile
from .limits import MAX_WEIGHT_COUNT, LimitError, Limits


class Resources:
    """Counts what is used, and reads each file of weights once."""

    def __init__(self) -> None:
        self.limits = Limits(MAX_WEIGHT_COUNT)
        self._weights: dict[WeightsFile, Weights | WeightsError] = {}

    def load(self, file: WeightsFile) -> Weights:
        """Read a file of weights, once, whether it can be read or not. Raises WeightsError."""
        if file not in self._weights:
            self.limits.read.count(0)
            try:
                weights = load_weights(file)
            except WeightsError as error:
                self._weights[file] = error
                with contextlib.suppress(LimitError):  # which the next file raises
                    self.limits.read.count(failed_read_cost(file))
            else:
                self._weights[file] = weights
                self.limits.read.count(weights.cost)
        found = self._weights[file]
        if isinstance(found, WeightsError):
            raise WeightsError(str(found), found.about)
        return found

    def count_weights(self, amount: int) -> None:
        """Count weights that are computed now. Raises LimitError."""
        self.limits.computed.count(amount)
