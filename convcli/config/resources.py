"""The resources of validation: limits, and the weights files that were read."""

import contextlib

from ..kernels.weights import Weights, WeightsError, WeightsFile
from .limits import MAX_WEIGHT_COUNT, LimitError, Limits


class Resources:
    """Counts what validation uses, and reads each weights file once."""

    def __init__(self) -> None:
        self.limits = Limits(MAX_WEIGHT_COUNT)
        self._weights: dict[WeightsFile, Weights | WeightsError] = {}

    def load(self, file: WeightsFile) -> Weights:
        """Return the weights of a file, which is read only once, even if that fails. Raises WeightsError and LimitError."""
        if file not in self._weights:
            from ..kernels.weight_files import failed_read_cost, load_weights  # zipfile among others: 4 ms

            self.limits.read.count(0)
            try:
                weights = load_weights(file)
            except WeightsError as error:
                self._weights[file] = error
                with contextlib.suppress(LimitError):  # raised for the next file
                    self.limits.read.count(failed_read_cost(file))
            else:
                self._weights[file] = weights
                self.limits.read.count(weights.cost)
        found = self._weights[file]
        if isinstance(found, WeightsError):
            raise WeightsError(str(found), found.about)
        return found

    def count_weights(self, amount: int) -> None:
        """Count weights before they are computed. Raises LimitError."""
        self.limits.computed.count(amount)
