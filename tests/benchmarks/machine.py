"""Describes the machine: processor, memory, versions, and the multiply-adds per second of one thread in float32.

python tests/benchmarks/machine.py [--json FILE]
"""

import argparse
import functools
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np

from convcli.engine.jit.native import vector_bytes
from convcli.engine.jit.run import run_loop
from convcli.engine.simd.reference import VECTOR_BYTES, broadcast, multiply_add, store

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "NumPy": "numpy",
    "Numba": "numba",
    "llvmlite": "llvmlite",
    "imagecodecs": "imagecodecs",
    "OpenCV": "opencv-python-headless",
    "libvips": "pyvips-binary",
    "SciPy": "scipy",
    "Pillow": "pillow",
    "ONNX Runtime": "onnxruntime",
}
ROUNDS, RUNS = 2_000_000, 20
"""Multiply-adds of each vector in a run, which takes 10 ms, and the number of runs."""


def multiply_in_registers(factor, rounds, out):
    """Multiply and add ``rounds`` times to each of three vectors: 12 registers, of the 8 to 10 that hide the latency."""
    size = VECTOR_BYTES // out.itemsize
    a, b, c = broadcast(factor), broadcast(factor), broadcast(factor)
    for _ in range(rounds):
        a, b, c = multiply_add(a, factor, a), multiply_add(b, factor, b), multiply_add(c, factor, c)
    store(a, out, 0)
    store(b, out, size)
    store(c, out, 2 * size)


@functools.cache
def peak(threads=1):
    """Multiply-adds per second of all threads in float32, without reading memory: the most of several short runs."""
    outs, seconds = [np.empty(3 * vector_bytes() // 4, np.float32) for _ in range(threads)], []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(RUNS + 1):
            start = time.perf_counter()
            list(pool.map(functools.partial(run_loop, multiply_in_registers, np.float32(1e-6), ROUNDS), outs))
            seconds.append(time.perf_counter() - start)
    return threads * ROUNDS * outs[0].size / min(seconds)


def magick():
    """The path of ImageMagick, or None."""
    return shutil.which("magick") or shutil.which("convert", path="/usr/bin")


def first_line(*command):
    """The first line that a command prints, or nothing."""
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return result.stdout.partition("\n")[0]


def processor():
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return first_line("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def version(package):
    """The version of an installed package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions():
    """The versions of Python, of convcli with its commit, and of what is installed of the rest, by name."""
    commit = first_line("git", "describe", "--always", "--dirty")
    found = {"Python": platform.python_version(), "convcli": f"{version('convcli')} ({commit})"}
    found |= {name: version(package) for name, package in PACKAGES.items() if version(package)}
    line = first_line(magick(), "-version") if magick() else ""
    return found | ({"ImageMagick": line.split()[2]} if line else {})


def describe():
    """The machine as a dictionary that JSON can hold."""
    features = llvm.get_host_cpu_features()
    extensions = {"avx512f": "AVX-512", "avx2": "AVX2", "neon": "NEON"}
    return {
        "processor": processor(),
        "architecture": llvm.get_host_cpu_name(),
        "vectors": next((name for feature, name in extensions.items() if features.get(feature)), "none"),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "system": f"{platform.system()} {platform.release()}",
        "peak": peak(),
        "versions": versions(),
    }


def lines_of(facts):
    """The description as lines of text."""
    return [
        f"{facts['processor']} ({facts['architecture']}, {facts['vectors']}), {facts['processors']} usable processors, "
        f"{facts['memory'] / 2**30:.0f} GiB, {facts['system']}",
        f"{facts['peak'] / 1e9:.1f} thousand million multiply-adds per second of one thread in float32",
        ", ".join(f"{name} {number}" for name, number in facts["versions"].items()),
    ]


def main():
    """Print the description."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    path, facts = parser.parse_args().json, describe()
    sys.stdout.write("\n".join(lines_of(facts)) + "\n")
    if path:
        path.write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
