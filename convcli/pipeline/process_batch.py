"""Processes many pictures, several at a time. An error in one does not stop the others.

``_process`` does the work for one picture, from its file to its outputs, and ``_finish`` gives these their names. Both run on
threads, which share what belongs to this process: the ``Budget`` of memory, the standard streams (``Pipes``), the names of
``FrameOutputs``, ``stop_loops``, which ends work on an interrupt, and the weights of a ``LoadedNetwork``. Requests of
``apply``, tasks, outcomes and errors are plain values that can be pickled, but for the ``Format`` of a target, which holds
functions and is found by its name, and for files that wait for their names. Paths in a task may be relative.
"""

import contextlib
import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait

from msgspec.structs import replace

from ..engine.jit.run import Stopped, stop_loops
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
"""Threads that sync and rename outputs, which takes time but no processor."""


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

    Each picture is processed by one thread, from reading to writing, and as many at a time as there are jobs; meanwhile other
    threads finish the outputs of earlier ones. So many are started before their outcomes are consumed, and twice as many as
    there are jobs. A dry run writes nothing. ``fail_fast`` starts none after the first that fails. ``on_frame`` is called by
    these threads for each frame that is read.
    """
    tasks = list(tasks)
    jobs = request.threads or usable_processors()
    workers = max(min(jobs, len(tasks)), 1)
    worker_request = replace(request, threads=max(jobs // workers, 1))
    budget = Budget(None if request.max_memory is None else max(request.max_memory - request.resident_bytes, 0))
    failed = threading.Event() if fail_fast else None
    shared = Shared(pipes, budget, FrameOutputs(request), on_frame or no_report)
    do_task = functools.partial(plan_task if dry_run else run_task, worker_request, shared=shared)
    process = functools.partial(_process, do_task, failed=failed)
    finish = functools.partial(_finish, failed=failed)
    stop_loops(False)
    processing = ThreadPoolExecutor(workers, THREAD_NAME)
    finishing = ThreadPoolExecutor(FINISHING, THREAD_NAME) if len(tasks) > 1 else processing
    settings = contextlib.ExitStack()
    settings.enter_context(truncated_allowed(request.allow_truncated))  # before any thread reads
    pending: deque[Future[Outcome | None]] = deque()
    rest = iter(tasks)
    try:
        while True:
            while len(pending) < 2 * workers + FINISHING and (task := next(rest, None)) is not None:
                pending.append(finishing.submit(finish, processing.submit(process, task)))
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
        processing.shutdown(wait=False, cancel_futures=True)
        yield from _finished(pending)
        raise
    finally:
        processing.shutdown(wait=False, cancel_futures=True)
        finishing.shutdown(wait=False)  # none is cancelled, so that no output is left without its name
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
    done, _ = wait(pending, INTERRUPT_WAIT_SECONDS / 2)
    for future in pending:
        if future in done and (outcome := future.result()) is not None:
            yield outcome


def _process(do_task: Callable[[Task], Outcome], task: Task, failed: threading.Event | None) -> Outcome | None:
    """Do one task; None where the run was stopped, or ``failed`` is set, as an outcome with an error does."""
    if failed is not None and failed.is_set():
        return None
    try:
        outcome = do_task(task)
    except ConvcliError as error:
        outcome = Outcome(task, error=error)
    except Stopped:
        return None
    except MemoryError:
        text = "does not fit in memory with its feature maps; a lower --max-pixels refuses such files by their header"
        outcome = Outcome(task, error=ImageError(text))
    return _noted(outcome, failed)


def _finish(processed: Future[Outcome | None], failed: threading.Event | None) -> Outcome | None:
    """Wait for a task, and sync and rename its outputs; None where it was not done."""
    try:
        outcome = processed.result()
    except CancelledError:
        return None
    return None if outcome is None else _noted(outcome.finished(), failed)


def _noted(outcome: Outcome, failed: threading.Event | None) -> Outcome:
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
