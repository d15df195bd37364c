"""Limits of the kernels of config files: of single kernels, and counters for those of a whole file."""

from ..errors import KernelError

MAX_MAPS = 1000
"""Largest number of kernels in one bank or one sum."""

MAX_WEIGHT_COUNT = 4_000_000
"""Largest number of weights of one bank, of all kernels of a sum, or computed for a kernel of the command line."""

MAX_CHECKED_WEIGHTS = 1_100_000
"""Weights that are computed to check a file: those of the kernels that may have faults which only their weights show."""

MAX_DEPTH = 20
"""Largest depth of kernels that are defined by other kernels."""

MAX_DEFINITION_COST = 250_000
"""What all kernels of a file may count, by the costs below."""

KERNEL_COST, NAME_COST, COPY_COST = 40, 45, 13
"""What a definition counts, a name of another kernel within it, and each kernel of a bank that is named."""

MAX_READ_COST = 64 << 20
"""What all files of weights of a file may count: VGG-16's convolutions have 59 million bytes."""


class LimitError(KernelError):
    """Making the kernels of a file takes more than it may."""


class Limit:
    """Counts up to a limit; ``rule`` says what is beyond it."""

    def __init__(self, limit: int, rule: str) -> None:
        self.left = limit
        self.rule = rule

    def count(self, amount: int) -> None:
        """Count some more. Raises LimitError."""
        self.left -= amount
        if self.left < 0:
            raise LimitError(self.rule)


class Limits:
    """The limits of a file, or of a text after ``-k``: of definitions, of ``weights`` to compute, and of weights in files."""

    def __init__(self, weights: int) -> None:
        self.defined = Limit(MAX_DEFINITION_COST, "makes more kernels than a file may")
        self.computed = Limit(weights, f"takes more than {weights} weights to make; ask for smaller kernels, or fewer")
        self.read = Limit(MAX_READ_COST, f"names more weights than may be read: {MAX_READ_COST >> 20} MiB, or 3000 small files")
