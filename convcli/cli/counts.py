"""How many pictures there are, and what became of them."""

from dataclasses import dataclass


@dataclass
class Counts:
    """How many pictures there are, and what became of them."""

    inputs: int
    done: int = 0
    skipped: int = 0
    failed: int = 0

    @property
    def not_tried(self) -> int:
        """Those that were left after --fail-fast."""
        return self.inputs - self.done - self.skipped - self.failed

    def add(self, status: str) -> None:
        """Count one more."""
        setattr(self, status, getattr(self, status) + 1)
