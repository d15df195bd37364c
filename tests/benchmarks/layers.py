"""Measures conv2d against ONNX Runtime on AlexNet's five convolutions and three of VGG-16's: one image, random weights.

    python -m pip install -e '.[bench]'
    python tests/benchmarks/layers.py [--threads 1] [--json FILE]

Both run alternately in one process, after their results were compared. Prints median milliseconds, million multiply-adds, their
rate, and ONNX Runtime's time divided by convcli's: above 1, convcli is faster. ONNX Runtime packs its weights before the
measurement.
"""

import argparse
import statistics
import sys
import time

import numpy as np
import onnxruntime
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
RUNS = 15


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


def median_times(*calls):
    """Median milliseconds of each call, alternating."""
    times = [[] for _ in calls]
    for _ in range(RUNS):
        for call, runs in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            runs.append(1000 * (time.perf_counter() - start))
    return [statistics.median(runs[2:]) for runs in times]


def main():
    """Print a line for each layer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", help="where the figures go")
    arguments = parser.parse_args()
    threads, path, rows = arguments.threads, arguments.json, []
    rng = np.random.default_rng(0)
    ratios = []
    sys.stdout.write("layer        million multiply-adds   ONNX Runtime   convcli   thousand million/s   ratio\n")
    for name, (channels, maps, side, kernel, stride, padding, groups) in LAYERS.items():
        inner = channels // groups
        x = rng.normal(size=(1, channels, side, side)).astype(np.float32)
        weight = rng.normal(size=(maps, inner, kernel, kernel)).astype(np.float32) / (inner * kernel**2) ** 0.5
        weight, bias = weight.astype(np.float32), rng.normal(size=maps).astype(np.float32)
        session = session_for(weight, bias, stride, padding, groups, threads)
        options = {"stride": stride, "padding": padding, "groups": groups, "threads": threads}
        expected, result = session.run(None, {"x": x})[0], convcli.conv2d(x, weight, bias, **options)
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4)
        theirs, ours = median_times(
            lambda session=session, x=x: session.run(None, {"x": x}),
            lambda x=x, weight=weight, bias=bias, options=options: convcli.conv2d(x, weight, bias, **options),
        )
        work = expected.size * inner * kernel**2
        ratios.append(theirs / ours)
        rows.append({"layer": name, "work": work, "ONNX Runtime": theirs, "convcli": ours, "ratio": ratios[-1]})
        sys.stdout.write(
            f"{name:<12} {work / 1e6:22.0f} {theirs:14.2f} {ours:9.2f} {work / ours / 1e6:20.1f} {ratios[-1]:7.2f}\n"
        )
    sys.stdout.write(f"geometric mean {statistics.geometric_mean(ratios):.2f}\n")
    save_rows(path, rows, threads=threads)


if __name__ == "__main__":
    main()
