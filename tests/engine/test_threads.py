"""Threads and memory that are kept from one call to the next."""

import itertools
import multiprocessing
import os
import threading
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import convcli
from convcli.engine import buffers
from convcli.engine.buffers import LINE, MAX_REUSED_BYTES, MIN_REUSED_BYTES, aligned
from convcli.engine.threads import run_all

IMAGE = np.random.default_rng(0).integers(0, 256, (1500, 1500), dtype=np.uint8)
ONE = np.ones((1, 1))


def test_every_task_is_done_once_on_threads_that_stay():
    """Two at once, on threads that are there the next time; an IndexError of a task is its own."""
    seen, together = [], threading.Barrier(2, timeout=30)

    def task():
        together.wait()
        seen.append(threading.get_ident())

    alive = set()
    for _ in range(3):
        run_all([task, task], 2)
        time.sleep(0.2)  # a thread says that it is idle a little later
        alive.add(threading.active_count())
    assert len(seen) == 6
    assert len(alive) == 1
    with pytest.raises(IndexError):
        run_all([lambda: [].pop()], 1)


def test_an_error_stops_the_rest():
    """On whatever thread it happens, it is raised here, and of the other tasks no more are begun."""
    done, met = [], threading.Event()

    def fail():
        met.set()
        raise ValueError("no")

    def wait():
        met.wait(30)
        time.sleep(0.2)
        done.append(1)

    for workers, tasks in itertools.product((2, 4), ([wait, fail, *[wait] * 20], [fail, wait, *[wait] * 20])):
        done.clear()
        met.clear()
        with pytest.raises(ValueError, match="no"):
            run_all(list(tasks), workers)
        count = len(done)
        assert count <= 2 * workers
        time.sleep(0.3)
        assert len(done) == count


def test_an_interrupt_waits_for_what_is_under_way():
    """Of whatever thread has an error besides, it is the interrupt that is raised."""
    done, met = [], threading.Event()

    def interrupted():
        met.wait(30)
        raise KeyboardInterrupt

    def slow():
        met.set()
        time.sleep(0.2)
        done.append(1)
        raise MemoryError

    for tasks in ([interrupted, slow], [slow, interrupted]):
        done.clear()
        met.clear()
        with pytest.raises((KeyboardInterrupt, MemoryError)):
            run_all(list(tasks), 2)
        assert done


def test_many_calls_leave_few_threads():
    """Whether a thread is idle is not known at once."""
    for _ in range(2000):
        run_all([int] * 4, 2)
    assert sum(thread.name.startswith("convcli") for thread in threading.enumerate()) <= max(8, os.cpu_count())


def _sum_of_map(queue):
    total = convcli.filter2d(IMAGE, ONE, threads=2, dtype=np.uint8).sum()
    queue.put((int(total), [thread.name for thread in threading.enumerate() if thread.name.startswith("convcli")]))


def test_a_forked_process_starts_threads_of_its_own():
    """Those of its parent are not there."""
    convcli.filter2d(IMAGE, ONE, threads=2)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_sum_of_map, args=(queue,))
    process.start()
    total, names = queue.get(timeout=60)
    assert total == IMAGE.sum()
    assert names
    process.join(60)


def test_memory_of_a_large_map_is_used_again_once_nobody_holds_it():
    """Not while a view of it is held."""
    first = convcli.filter2d(IMAGE, ONE)
    assert first.nbytes > MIN_REUSED_BYTES
    place = first.ctypes.data
    del first
    second = convcli.filter2d(IMAGE, 2 * ONE)
    assert second.ctypes.data == place
    row = second[7:8].T
    del second
    third = convcli.filter2d(IMAGE, 3 * ONE)
    assert_array_equal(row[:, 0], 2.0 * IMAGE[7])
    assert third.ctypes.data != place


def test_memory_that_does_not_fit_is_given_back():
    """Half of it would be kept for nothing, and what is too small is of no use."""
    buffers._kept.clear()
    kept = []
    for size in [
        MIN_REUSED_BYTES,
        3 * MIN_REUSED_BYTES,
        MIN_REUSED_BYTES + 64,
        2 * MIN_REUSED_BYTES,
        MIN_REUSED_BYTES,
        MAX_REUSED_BYTES,
    ]:
        array = aligned((size,), np.dtype(np.uint8))
        array[:1] = 1
        assert array.ctypes.data % 64 == 0
        assert array.size == size
        assert not buffers._kept
        del array
        kept += [memory.size - LINE for memory in buffers._kept]
    assert kept == [MIN_REUSED_BYTES, 3 * MIN_REUSED_BYTES, MIN_REUSED_BYTES + 64, 2 * MIN_REUSED_BYTES, 2 * MIN_REUSED_BYTES]


@pytest.mark.parametrize("width", [512, 500, 509])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_large_maps_are_those_of_their_parts(width, dtype):
    """Large ones are written past the caches, a few rows of them are not; rows begin with a line of the cache, or do not."""
    image = np.random.default_rng(1).integers(0, 256, (1501, width, 3)).astype(dtype)
    kernel = np.array([[1, -2.5, 3], [0, 1.25, -1]])
    whole = convcli.filter2d(image, kernel, threads=3)
    assert whole.nbytes > MIN_REUSED_BYTES
    for begin in range(0, 1500, 100):
        part = convcli.filter2d(image, kernel, rows=(begin, begin + 101))
        assert part.nbytes < MIN_REUSED_BYTES
        assert_array_equal(whole[begin : begin + 101], part)
