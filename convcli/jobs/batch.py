"""Many pictures, one after the other; a bad one fails alone."""

from collections.abc import Iterable, Iterator

from ..errors import ConvcliError, ImageError
from .naming import Task
from .request import Request
from .run import Outcome, Pipes, plan_task, run_task


def run_tasks(request: Request, tasks: Iterable[Task], pipes: Pipes, *, dry_run: bool = False) -> Iterator[Outcome]:
    """Carry out every task; an error that concerns one picture is its outcome, and the next one follows.

    A dry run writes nothing.
    """
    for task in tasks:
        try:
            yield plan_task(request, task, pipes) if dry_run else run_task(request, task, pipes)
        except ConvcliError as error:
            yield Outcome(task, error=error)
        except MemoryError:
            text = "does not fit in memory with its feature maps; a lower --max-pixels refuses such files by their header"
            yield Outcome(task, error=ImageError(text))
