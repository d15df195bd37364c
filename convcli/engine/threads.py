"""Threads that are reused by later calls: starting them takes half a millisecond."""

import functools
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

MAX_THREADS = max(os.cpu_count() or 1, 8)
"""Threads of the pool. A calling thread works too, and does all of its tasks where the pool is busy."""


def run_all(tasks: list[Callable[[], None]], workers: int) -> None:
    """Run all tasks in order on at most ``workers`` threads, this one included. The list is empty afterwards.

    After an error or Ctrl-C no task is started any more, and those that run are waited for.
    """
    if len(tasks) == 1:
        tasks.pop()()
        return
    tasks.reverse()

    def work() -> None:
        while tasks:
            try:
                task = tasks.pop()
            except IndexError:  # another thread took the last one
                return
            try:
                task()
            except BaseException:  # an interrupt too: no other thread starts a task, and the caller gets the exception
                tasks.clear()
                raise

    helpers: list[Future[None]] = []
    try:
        for _ in range(min(workers, len(tasks)) - 1):
            helpers.append(_threads().submit(work))
        work()
        for helper in helpers:
            if not helper.cancel():
                helper.result()
    finally:
        tasks.clear()
        wait([helper for helper in helpers if not helper.cancel()])
        helpers.clear()  # breaks a reference cycle: an error refers to this frame, and a helper to the error


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_THREADS, "convcli")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # a forked child has none of the threads


def usable_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
