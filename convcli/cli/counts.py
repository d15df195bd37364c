"""Counts of pictures by their result."""

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from ..pipeline.process_image import Outcome


class Counts(Struct):
    """Numbers of pictures: in all, and by their result; and the last that was counted."""

    inputs: int
    done: int = 0
    skipped: int = 0
    failed: int = 0
    last: "Outcome | None" = None

    @property
    def not_tried(self) -> int:
        """Pictures that were not finished, after --fail-fast or an interrupt."""
        return self.inputs - self.done - self.skipped - self.failed

    @property
    def by_name(self) -> dict[str, int]:
        """All numbers."""
        return {name: getattr(self, name) for name in ("inputs", "done", "skipped", "failed", "not_tried")}

    def add(self, outcome: "Outcome") -> None:
        """Count a picture by its status. One that is added again, after an interrupt, counts once."""
        if outcome is not self.last:
            self.last = outcome
            setattr(self, outcome.status, getattr(self, outcome.status) + 1)
