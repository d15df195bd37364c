"""What the kernels of config files may cost: limits of single kernels, and counters for those of a whole file."""

from ..errors import KernelError

MOST_MAPS = 1000
"""Kernels of one bank, or of one sum, at most."""

MOST_WEIGHTS = 4_000_000
"""Weights of one bank, or of all kernels of a sum, at most; and those that a kernel of the command line may compute."""

MOST_CHECKED = 1_100_000
"""Weights that are computed to check a file: those of the kernels that may have faults which only their weights show."""

DEEPEST = 20
"""Kernels within kernels within kernels, at most."""

MOST_DEFINED = 250_000
"""What all kernels of a file may count, by the costs below."""

KERNEL_COST, NAME_COST, COPY_COST = 40, 45, 13
"""What a definition counts, a name of another kernel within it, and each kernel of a bank that is named."""

MOST_READ = 64 << 20
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
        self.defined = Limit(MOST_DEFINED, "makes more kernels than a file may")
        self.computed = Limit(weights, f"takes more than {weights} weights to make; ask for smaller kernels, or fewer")
        self.read = Limit(MOST_READ, f"names more weights than may be read: {MOST_READ >> 20} MiB, or 3000 small files")
