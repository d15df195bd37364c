"""Many pictures, several at a time; a bad one fails alone."""

import functools
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace

from ..engine.jit.run import Stopped, stop_loops
from ..engine.threads import usable_processors
from ..errors import ConvcliError, ImageError
from ..images.atomic_write import discard_unfinished
from .memory_budget import Budget
from .process_image import Outcome, plan_task, run_task
from .request_base import BaseRequest
from .tasks import Task
from .write_output import Pipes

PATIENCE = 1.2
"""Seconds that an interrupted batch waits for the pictures that are under way."""

NAME = "convcli-job"


def run_tasks(
    request: BaseRequest, tasks: Iterable[Task], pipes: Pipes, *, dry_run: bool = False, fail_fast: bool = False
) -> Generator[Outcome, None, None]:
    """Carry out every task and give the outcomes in the order of the tasks; an error that concerns one picture is its outcome.

    As many pictures as there are jobs are under way at once, each from reading to writing on a thread of its own; no more are
    begun before their outcomes are taken than twice that number. A dry run writes nothing. ``fail_fast`` begins none after
    the first that fails.
    """
    tasks = list(tasks)
    jobs = request.threads or usable_processors()
    workers = max(min(jobs, len(tasks)), 1)
    share = replace(request, threads=max(jobs // workers, 1))
    budget = Budget(None if request.max_memory is None else max(request.max_memory - request.held, 0))
    carry_out = functools.partial(_carry_out, share, pipes=pipes, budget=budget, dry_run=dry_run)
    stop_loops(False)
    pool = ThreadPoolExecutor(workers, NAME)
    under_way: deque[Future[Outcome | None]] = deque()
    failed = threading.Event()
    rest = iter(tasks)

    def work(task: Task) -> Outcome | None:
        if fail_fast and failed.is_set():
            return None
        outcome = carry_out(task)
        if outcome is not None and outcome.error is not None:
            failed.set()
        return outcome

    try:
        while True:
            while len(under_way) < 2 * workers and (task := next(rest, None)) is not None:
                under_way.append(pool.submit(work, task))
            if not under_way:
                break
            outcome = under_way[0].result()
            under_way.popleft()
            if outcome is not None:
                yield outcome
    except GeneratorExit:
        stop_loops()
        raise
    except BaseException:  # an interrupt too: what is finished by then is reported before it goes on
        stop_loops()
        yield from _finished(under_way)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def finished_by(outcomes: Generator[Outcome, None, None], interruption: BaseException) -> Iterator[Outcome]:
    """What a run still gives that is interrupted while its outcomes are told: those of pictures that are done."""
    try:
        yield outcomes.throw(interruption)
        yield from outcomes
    except type(interruption):
        return


def _finished(under_way: Iterable[Future[Outcome | None]]) -> Iterator[Outcome]:
    """The outcomes of pictures that are done by now, or in a moment."""
    begun = [future for future in under_way if not future.cancel()]
    wait(begun, PATIENCE / 2)
    for future in begun:
        if future.done() and (outcome := future.result()) is not None:
            yield outcome


def _carry_out(request: BaseRequest, task: Task, pipes: Pipes, budget: Budget, dry_run: bool) -> Outcome | None:
    try:
        return plan_task(request, task, pipes, budget) if dry_run else run_task(request, task, pipes, budget)
    except ConvcliError as error:
        return Outcome(task, error=error)
    except Stopped:
        return None
    except MemoryError:
        text = "does not fit in memory with its feature maps; a lower --max-pixels refuses such files by their header"
        return Outcome(task, error=ImageError(text))


def abandon() -> None:
    """Wait a moment for the pictures that are under way to be finished or given up, then remove what is half written."""
    end = time.monotonic() + PATIENCE
    for thread in threading.enumerate():
        if thread.name.startswith(NAME):
            thread.join(max(end - time.monotonic(), 0))
    discard_unfinished()
