"""Threads that are kept from one call to the next: starting them takes half a millisecond."""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

MOST = 256
"""Threads beside those that ask for work; they are started when they are first needed."""


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
            except BaseException:
                tasks.clear()
                raise

    helpers = [_threads().submit(work) for _ in range(min(workers, len(tasks)) - 1)]
    try:
        work()
    finally:
        for helper in helpers:
            if not helper.cancel():
                helper.result()


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST, "convcli")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # they stay with the parent
