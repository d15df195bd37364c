"""Measures conv2d against ONNX Runtime on AlexNet's five convolutions and three of VGG-16's: one image, random weights.

    python -m pip install -e '.[bench]'
    python tests/benchmarks/layers.py [--threads 1 --threads 2] [--json FILE]

Both run alternately in one process, after their results were compared; before each call is a pause, as the threads of ONNX
Runtime spin for a while after one. For each number of threads, prints the thousand million multiply-adds per second that a loop
in registers reaches, all threads together. For each layer: million multiply-adds, the least milliseconds of both, the rate of
convcli, by direct sums, as a part of that peak (Winograd's method multiplies less often, so that it can be above 1), and ONNX
Runtime's time divided by convcli's: above 1, convcli is faster. Both have seen the weights before the measurement.
"""

import argparse
import statistics
import sys
import time

import numpy as np
import onnxruntime
from machine import peak
from measuring import save_rows
from onnx import TensorProto, helper

import convcli

LAYERS = {  # channels, maps, side, kernel, stride, padding, groups
    "AlexNet 1": (3, 96, 227, 11, 4, 0, 1),
    "AlexNet 2": (96, 256, 27, 5, 1, 2, 2),
    "AlexNet 3": (256, 384, 13, 3, 1, 1, 1),
    "AlexNet 4": (384, 384, 13, 3, 1, 1, 2),
    "AlexNet 5": (384, 256, 13, 3, 1, 1, 2),
    "VGG-16 1_2": (64, 64, 224, 3, 1, 1, 1),
    "VGG-16 3_2": (256, 256, 56, 3, 1, 1, 1),
    "VGG-16 5_1": (512, 512, 14, 3, 1, 1, 1),
}
RUNS, PAUSE = 30, 0.004


def session_for(weight, bias, stride, padding, groups, threads):
    """Make an ONNX Runtime session for a graph of one convolution."""
    node = helper.make_node(
        "Conv",
        ["x", "w", "b"],
        ["y"],
        strides=[stride] * 2,
        pads=[padding] * 4,
        group=groups,
        kernel_shape=list(weight.shape[2:]),
    )
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            helper.make_tensor("w", TensorProto.FLOAT, weight.shape, weight.ravel()),
            helper.make_tensor("b", TensorProto.FLOAT, bias.shape, bias),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def least_times(*calls):
    """Least milliseconds of each call, alternating."""
    times = [[] for _ in calls]
    for _ in range(RUNS):
        for call, runs in zip(calls, times, strict=True):
            time.sleep(PAUSE)
            start = time.perf_counter()
            call()
            runs.append(1000 * (time.perf_counter() - start))
    return [min(runs) for runs in times]


def measure(name, threads):
    """Return multiply-adds of a layer, and the milliseconds of ONNX Runtime and convcli."""
    channels, maps, side, kernel, stride, padding, groups = LAYERS[name]
    rng, inner = np.random.default_rng(0), channels // groups
    x = rng.normal(size=(1, channels, side, side)).astype(np.float32)
    weight = rng.normal(size=(maps, inner, kernel, kernel)) / (inner * kernel**2) ** 0.5
    weight, bias = weight.astype(np.float32), rng.normal(size=maps).astype(np.float32)
    session = session_for(weight, bias, stride, padding, groups, threads)
    options = {"stride": stride, "padding": padding, "groups": groups, "threads": threads}
    expected, result = session.run(None, {"x": x})[0], convcli.conv2d(x, weight, bias, **options)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4)
    times = least_times(lambda: session.run(None, {"x": x}), lambda: convcli.conv2d(x, weight, bias, **options))
    return expected.size * inner * kernel**2, *times


def main():
    """Print a table for each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, action="append")
    parser.add_argument("--json", help="where the figures go, those of each number of threads after the others")
    arguments = parser.parse_args()
    rows = []
    for threads in arguments.threads or [1, 2]:
        most, ratios = peak(threads), []
        sys.stdout.write(f"threads {threads}; peak in registers {most / 1e9:.1f} thousand million multiply-adds/s\n")
        sys.stdout.write("layer        million multiply-adds   ONNX Runtime   convcli   part of peak   ratio\n")
        for name in LAYERS:
            work, theirs, ours = measure(name, threads)
            part, ratio = work / ours * 1000 / most, theirs / ours
            ratios.append(ratio)
            rows.append(
                {
                    "threads": threads,
                    "layer": name,
                    "work": work,
                    "ONNX Runtime": theirs,
                    "convcli": ours,
                    "part": part,
                    "ratio": ratio,
                }
            )
            sys.stdout.write(f"{name:<12} {work / 1e6:22.0f} {theirs:14.2f} {ours:9.2f} {part:14.2f} {ratio:7.2f}\n")
        sys.stdout.write(f"geometric mean {statistics.geometric_mean(ratios):.2f}\n")
    save_rows(arguments.json, rows)


if __name__ == "__main__":
    main()
