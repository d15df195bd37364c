"""Limits for the kernels of config files: constants for single kernels, and counters for a whole file."""

from ..errors import KernelError

MAX_MAPS = 1000
"""Largest number of kernels in one bank or one sum."""

MAX_WEIGHT_COUNT = 4_000_000
"""Largest number of weights of one bank, of all kernels of a sum, or computed for a kernel of the command line."""

MAX_CHECKED_WEIGHTS = 1_100_000
"""Largest number of weights that are computed to check a file, for kernels whose faults show only in their weights."""

MAX_DEPTH = 20
"""Largest nesting depth of kernels that are defined by other kernels."""

MAX_DEFINITION_COST = 250_000
"""Largest cost of all kernels of a file, the sum of the costs below."""

KERNEL_COST, NAME_COST, COPY_COST = 40, 45, 13
"""Costs of a definition, of the name of another kernel or bank in it, and of each kernel that such a name gives."""

MAX_READ_COST = 64 << 20
"""Largest cost in bytes of all weights files of a config file; the convolutions of VGG-16 have 59 million."""


class LimitError(KernelError):
    """The kernels of a file exceed a limit."""


class Limit:
    """A counter with a limit. ``rule`` is the error message when the limit is exceeded."""

    def __init__(self, limit: int, rule: str) -> None:
        self.left = limit
        self.rule = rule

    def count(self, amount: int) -> None:
        """Add an amount to the counter. Raises LimitError."""
        self.left -= amount
        if self.left < 0:
            raise LimitError(self.rule)


class Limits:
    """The limits for a file, or for a text after ``-k``: definitions, computed ``weights``, and bytes of weights files."""

    def __init__(self, weights: int) -> None:
        self.defined = Limit(MAX_DEFINITION_COST, "makes more kernels than a file may")
        self.computed = Limit(weights, f"takes more than {weights} weights to make; ask for smaller kernels, or fewer")
        self.read = Limit(MAX_READ_COST, f"names more weights than may be read: {MAX_READ_COST >> 20} MiB, or 3000 small files")
