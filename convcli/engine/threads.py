"""Threads that are kept from one call to the next: starting them takes half a millisecond."""

import functools
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

MOST = max(os.cpu_count() or 1, 8)
"""Threads beside those that ask for work, which do it themselves where all are busy."""


def run_all(tasks: list[Callable[[], None]], workers: int) -> None:
    """Run all tasks, the first ones first, on so many threads at most, of which this is one; the list is empty afterwards.

    After an error, or Ctrl-C, only those under way are waited for.
    """
    tasks.reverse()

    def work() -> None:
        while tasks:
            try:
                task = tasks.pop()
            except IndexError:  # another thread took the last one
                return
            try:
                task()
            except BaseException:  # an interrupt too: the others are to begin nothing more, and the caller is told
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
        helpers.clear()  # an error holds this frame, and a helper the error


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST, "convcli")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # they stay with the parent


def usable_processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
