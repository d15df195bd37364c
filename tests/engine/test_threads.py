"""Threads and buffers that are kept between calls."""

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


def test_every_task_runs_once_on_threads_that_are_kept():
    """Two tasks run at the same time, on threads that the next call uses again; an IndexError of a task is raised."""
    thread_ids, barrier = [], threading.Barrier(2, timeout=30)

    def task():
        barrier.wait()
        thread_ids.append(threading.get_ident())

    alive = set()
    for _ in range(3):
        run_all([task, task], 2)
        time.sleep(0.2)  # a thread registers as idle a little later
        alive.add(threading.active_count())
    assert len(thread_ids) == 6
    assert len(alive) == 1
    with pytest.raises(IndexError):
        run_all([lambda: [].pop()], 1)


def test_an_error_stops_the_rest():
    """An error is raised in the calling thread whichever thread has it, and no further tasks are started."""
    done, failed = [], threading.Event()

    def fail():
        failed.set()
        raise ValueError("no")

    def wait():
        failed.wait(30)
        time.sleep(0.2)
        done.append(1)

    for workers, tasks in itertools.product((2, 4), ([wait, fail, *[wait] * 20], [fail, wait, *[wait] * 20])):
        done.clear()
        failed.clear()
        with pytest.raises(ValueError, match="no"):
            run_all(list(tasks), workers)
        count = len(done)
        assert count <= 2 * workers
        time.sleep(0.3)
        assert len(done) == count


def test_an_interrupt_waits_for_running_tasks():
    """Running tasks are finished before the error is raised."""
    done, started = [], threading.Event()

    def interrupted():
        started.wait(30)
        raise KeyboardInterrupt

    def slow():
        started.set()
        time.sleep(0.2)
        done.append(1)
        raise MemoryError

    for tasks in ([interrupted, slow], [slow, interrupted]):
        done.clear()
        started.clear()
        with pytest.raises((KeyboardInterrupt, MemoryError)):
            run_all(list(tasks), 2)
        assert done


def test_many_calls_leave_few_threads():
    """2000 calls leave at most as many threads as processors, or 8."""
    for _ in range(2000):
        run_all([int] * 4, 2)
    assert sum(thread.name.startswith("convcli") for thread in threading.enumerate()) <= max(8, os.cpu_count())


def _sum_of_map(queue):
    total = convcli.filter2d(IMAGE, ONE, threads=2, dtype=np.uint8).sum()
    queue.put((int(total), [thread.name for thread in threading.enumerate() if thread.name.startswith("convcli")]))


def test_a_forked_process_starts_threads_of_its_own():
    """The threads of the parent do not exist in the child."""
    convcli.filter2d(IMAGE, ONE, threads=2)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_sum_of_map, args=(queue,))
    process.start()
    total, names = queue.get(timeout=60)
    assert total == IMAGE.sum()
    assert names
    process.join(60)


def test_memory_of_a_large_map_is_reused_when_it_is_free():
    """It is not used again while a view of it exists."""
    first = convcli.filter2d(IMAGE, ONE)
    assert first.nbytes > MIN_REUSED_BYTES
    address = first.ctypes.data
    del first
    second = convcli.filter2d(IMAGE, 2 * ONE)
    assert second.ctypes.data == address
    row = second[7:8].T
    del second
    third = convcli.filter2d(IMAGE, 3 * ONE)
    assert_array_equal(row[:, 0], 2.0 * IMAGE[7])
    assert third.ctypes.data != address


def test_memory_of_another_size_is_released():
    """A buffer is used again for at least half its size; smaller arrays than MIN_REUSED_BYTES are not kept."""
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
def test_large_maps_equal_their_parts(width, dtype):
    """Large maps are written past the caches, small ones are not; rows begin at a cache line, or do not. Both are equal."""
    image = np.random.default_rng(1).integers(0, 256, (1501, width, 3)).astype(dtype)
    kernel = np.array([[1, -2.5, 3], [0, 1.25, -1]])
    full = convcli.filter2d(image, kernel, threads=3)
    assert full.nbytes > MIN_REUSED_BYTES
    for start in range(0, 1500, 100):
        part = convcli.filter2d(image, kernel, rows=(start, start + 101))
        assert part.nbytes < MIN_REUSED_BYTES
        assert_array_equal(full[start : start + 101], part)
