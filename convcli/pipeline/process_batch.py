"""Processes many pictures, several at a time. An error in one does not stop the others.

``_process`` does the work for one picture, from its file to its outputs. It runs on threads, which share what belongs to this
process: the ``Budget`` of memory, the standard streams (``Pipes``), the names of ``FrameOutputs``, ``stop_loops``, which ends
work on an interrupt, and the weights of a ``LoadedNetwork``. Requests of ``apply``, tasks, outcomes and errors are plain
values that can be pickled, but for the ``Format`` of a target, which holds functions and is found by its name. Paths in a
task may be relative.
"""

import contextlib
import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

from msgspec.structs import replace

from ..engine.jit.run import Stopped, check_stopped, stop_loops
from ..engine.threads import usable_processors
from ..errors import ConvcliError, ImageError
from ..images.atomic_write import discard_unfinished
from ..images.codecs.pillow import truncated_allowed
from .input_frames import OnFrame, no_report
from .memory_budget import Budget
from .output_conflicts import FrameOutputs
from .process_image import Outcome, Shared, plan_task, run_task
from .request_base import BaseRequest
from .tasks import Task
from .write_output import Pipes

INTERRUPT_WAIT_SECONDS = 1.2
"""How long an interrupted batch waits for the pictures that are being processed."""

THREAD_NAME = "convcli-job"

FINISHING = 8
"""Threads beyond the number of jobs: those of pictures whose outputs are synced and renamed, which takes no processor."""


def run_tasks(
    request: BaseRequest,
    tasks: Iterable[Task],
    pipes: Pipes,
    *,
    dry_run: bool = False,
    fail_fast: bool = False,
    on_frame: OnFrame | None = None,
) -> Generator[Outcome, None, None]:
    """Process every task, and yield the outcomes in the order of the tasks. An error that concerns one picture is its outcome.

    Each picture is processed by one thread, from reading to writing, and as many at a time as there are jobs. While a thread
    waits for the disk to finish its outputs, another takes its turn. At most twice as many pictures as there are threads are
    started before their outcomes are consumed. A dry run writes nothing. ``fail_fast`` starts none after the first that fails.
    ``on_frame`` is called by these threads for each frame that is read.
    """
    tasks = list(tasks)
    jobs = request.threads or usable_processors()
    workers = max(min(jobs, len(tasks)), 1)
    worker_request = replace(request, threads=max(jobs // workers, 1))
    budget = Budget(None if request.max_memory is None else max(request.max_memory - request.resident_bytes, 0))
    failed = threading.Event() if fail_fast else None
    shared = Shared(pipes, budget, FrameOutputs(request), on_frame or no_report)
    do_task = functools.partial(plan_task if dry_run else run_task, worker_request, shared=shared)
    process = functools.partial(_process, do_task, processors=threading.Semaphore(workers), failed=failed)
    stop_loops(False)
    threads = min(workers + FINISHING, len(tasks))
    pool = ThreadPoolExecutor(max(threads, 1), THREAD_NAME)
    settings = contextlib.ExitStack()
    settings.enter_context(truncated_allowed(request.allow_truncated))  # before any thread reads
    pending: deque[Future[Outcome | None]] = deque()
    rest = iter(tasks)
    try:
        while True:
            while len(pending) < 2 * threads and (task := next(rest, None)) is not None:
                pending.append(pool.submit(process, task))
            if not pending:
                break
            outcome = pending[0].result()
            pending.popleft()
            if outcome is not None:
                yield outcome
    except GeneratorExit:
        stop_loops()
        raise
    except BaseException:  # an interrupt too: finished outcomes are reported before it is raised again
        stop_loops()
        yield from _finished(pending)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        settings.close()


def outcomes_after(outcomes: Generator[Outcome, None, None], interruption: BaseException) -> Iterator[Outcome]:
    """Yield the outcomes of pictures that are done when a run is interrupted while it reports."""
    try:
        yield outcomes.throw(interruption)
        yield from outcomes
    except type(interruption):
        return


def _finished(pending: Iterable[Future[Outcome | None]]) -> Iterator[Outcome]:
    """Yield the outcomes of pictures that are done, or will be within half of INTERRUPT_WAIT_SECONDS."""
    started = [future for future in pending if not future.cancel()]
    wait(started, INTERRUPT_WAIT_SECONDS / 2)
    for future in started:
        if future.done() and (outcome := future.result()) is not None:
            yield outcome


def _process(
    do_task: Callable[[Task], Outcome], task: Task, processors: threading.Semaphore, failed: threading.Event | None
) -> Outcome | None:
    """Do one task; None where the run was stopped, or ``failed`` is set, as an outcome with an error does."""
    try:
        with processors:
            check_stopped()
            if failed is not None and failed.is_set():
                return None
            outcome = do_task(task)
        outcome = outcome.finished()
    except ConvcliError as error:
        outcome = Outcome(task, error=error)
    except Stopped:
        return None
    except MemoryError:
        text = "does not fit in memory with its feature maps; a lower --max-pixels refuses such files by their header"
        outcome = Outcome(task, error=ImageError(text))
    if failed is not None and outcome.error is not None:
        failed.set()
    return outcome


def abandon() -> None:
    """Wait up to INTERRUPT_WAIT_SECONDS for running pictures, then remove their unfinished files."""
    end = time.monotonic() + INTERRUPT_WAIT_SECONDS
    for thread in threading.enumerate():
        if thread.name.startswith(THREAD_NAME):
            thread.join(max(end - time.monotonic(), 0))
    discard_unfinished()
