"""Counts of pictures by their result."""

from msgspec import Struct


class Counts(Struct):
    """Numbers of pictures: in all, and by their result."""

    inputs: int
    done: int = 0
    skipped: int = 0
    failed: int = 0

    @property
    def not_tried(self) -> int:
        """Pictures that were not started, after --fail-fast."""
        return self.inputs - self.done - self.skipped - self.failed

    def add(self, status: str) -> None:
        """Count a picture with a status such as ``"done"``."""
        setattr(self, status, getattr(self, status) + 1)
