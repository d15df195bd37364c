"""Measures whole networks against ONNX Runtime: LeNet-5, MobileNet and VGG-16 on one picture, with random weights.

    python -m pip install -e '.[bench]'
    python tests/benchmarks/networks.py [--networks lenet-5,...] [--threads 1 --threads 2] [--runs 7] [--json FILE]

The networks are the built-in ones, with weights from a fixed seed in a file, of which a kernels.toml and an ONNX model are
made. For each number of threads, both compute an array in one process alternately, after their results were compared: they may
differ by TOLERANCE of the largest. Before each call is a pause, as the threads of ONNX Runtime spin for a while after one. Then
whole processes: ``convcli run`` of a picture to a .npy file, and a script that does the same with ONNX Runtime, both with as
many threads as they like. Prints the least milliseconds of both, and ONNX Runtime's divided by convcli's: above 1, convcli is
faster.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
import tomllib
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as convcli does: its threads are those of --threads

import numpy as np
import onnx
import onnxruntime
from machine import ROOT
from measuring import CONVCLI, alternate, crops, print_machine, save_rows, watch
from onnx import helper, numpy_helper

from convcli.config.load import load_registry
from convcli.config.search_path import ConfigLocation, built_in_file
from convcli.networks.analysis import analyse
from convcli.pipeline.loaded_network import LoadedNetwork

NETWORKS = {"lenet-5": "-0.1..1.175", "mobilenet": "-1..1", "vgg-16": "-1..1"}
"""The range of the input of each network."""

TOLERANCE, PAUSE = 1e-4, 0.004

WITH_ONNX = """
import sys, numpy, onnxruntime, PIL.Image
model, source, target, low, high, channels = sys.argv[1:]
picture = PIL.Image.open(source).convert("L" if channels == "1" else "RGB")
x = numpy.atleast_3d(numpy.asarray(picture, numpy.float32)).transpose(2, 0, 1)[None]
x = x * numpy.float32((float(high) - float(low)) / 255) + numpy.float32(low)
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
numpy.save(target, session.run(None, {"x": x})[0])
"""


def random_arrays(layers):
    """Weights for layers, by layer and role: of a size that keeps the maps near 1, as those of a trained network."""
    rng, arrays = np.random.default_rng(0), {}
    for analysis in layers:
        by_role = {parameter.role: parameter.shape for parameter in analysis.parameters}
        op, found = analysis.layer.op, {}
        for role, shape in by_role.items():
            if role == "variance" or (role == "weight" and op in ("affine", "batch-norm")):
                found[role] = rng.uniform(0.5, 1.5, shape)
            elif role == "weight" and op != "rbf":
                found[role] = rng.normal(size=shape) * (2 / np.prod(shape[1:])) ** 0.5
            else:
                found[role] = rng.normal(size=shape) / 10
        arrays[analysis.layer.name] = {role: array.astype(np.float32) for role, array in found.items()}
    return arrays


def as_toml(value):
    """A value of kernels.toml as text."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {as_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else f"'{value}'" if isinstance(value, str) else str(value)


def write_config(name, arrays, path):
    """Write a kernels.toml with a built-in network and its weights."""
    with (ROOT / "kernels.toml").open("rb") as file:
        network = tomllib.load(file)["networks"][name]
    np.savez(path.with_suffix(".npz"), **{f"{n}.{role}": a for n, by_role in arrays.items() for role, a in by_role.items()})
    lines = []
    for layer, (layer_name, by_role) in zip(network["layers"], arrays.items(), strict=True):
        keys = {"key" if role == "weight" else role: f"{layer_name}.{role}" for role in by_role}
        if layer["op"] == "dense":  # as many units as inputs
            keys["layout"] = "oi"
        lines.append(as_toml(layer | ({"file": path.with_suffix(".npz").name} | keys if keys else {})))
    entry = as_toml(network["input"] | {"range": NETWORKS[name]})
    path.write_text(f"[networks.{name}]\ninput = {entry}\nlayers = [\n" + ",\n".join(lines) + "\n]\n")


def nodes_of(layer, arrays, x, y):
    """The ONNX nodes of a layer, from the value x to y, and their arrays."""
    name, op = layer.name, layer.op
    roles = [role for role in ("weight", "bias", "mean", "variance") if role in arrays]
    inputs, given = [x, *(f"{name}.{role}" for role in roles)], {f"{name}.{role}": arrays[role] for role in roles}
    simple = {
        "tanh": "Tanh",
        "relu": "Relu",
        "softmax": "Softmax",
        "flatten": "Flatten",
        "global-avg-pool": "GlobalAveragePool",
    }
    if op in ("conv", "depthwise"):
        pads = {"pads": [layer.padding] * 4} if isinstance(layer.padding, int) else {"auto_pad": "SAME_UPPER"}
        groups = arrays["weight"].shape[0] if op == "depthwise" else layer.groups
        return [helper.make_node("Conv", inputs, [y], strides=layer.stride, group=groups, **pads)], given
    if op in ("max-pool", "avg-pool"):
        pool = "MaxPool" if op == "max-pool" else "AveragePool"
        return [helper.make_node(pool, inputs, [y], kernel_shape=layer.size, strides=layer.stride or layer.size)], given
    if op == "dense":
        return [helper.make_node("Gemm", inputs, [y], transB=1)], given
    if op == "batch-norm":
        return [helper.make_node("BatchNormalization", inputs, [y], epsilon=layer.epsilon)], given
    if op == "affine":
        given = {key: array[:, None, None] for key, array in given.items()}
        multiply = helper.make_node("Mul", inputs[:2], [f"{y}.product"])
        return [multiply, helper.make_node("Add", [f"{y}.product", inputs[2]], [y])], given
    if op == "rbf":
        between = [
            helper.make_node("Sub", inputs, [f"{y}.difference"]),
            helper.make_node("Mul", [f"{y}.difference"] * 2, [f"{y}.square"]),
        ]
        axes = {f"{name}.axes": np.array([1])}
        return [*between, helper.make_node("ReduceSum", [f"{y}.square", f"{name}.axes"], [y], keepdims=0)], given | axes
    return [helper.make_node(simple[layer.kind], [x], [y])], given


def write_model(model, channels, path):
    """Write an ONNX model of a loaded network."""
    nodes, given, x = [], {}, "x"
    loaded = model.load()
    for layer in model.layers:
        y = "y" if layer is model.layers[-1] else layer.name
        more, arrays = nodes_of(layer, loaded[layer.name], x, y)
        nodes, given, x = nodes + more, given | arrays, y
    side = model.network.input.size[0]
    image = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, channels, side, side])
    result = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph(
        nodes, "network", [image], [result], [numpy_helper.from_array(a, key) for key, a in given.items()]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def load(name, folder):
    """Write the files of a network into a folder, and return the network with its weights."""
    locations = [ConfigLocation(folder / f"{name}.toml", "benchmark"), ConfigLocation(built_in_file(), "built in")]
    built_in = load_registry(locations[1:]).network(name)
    analyses = list(analyse(built_in, (built_in.input.channels, *built_in.input.size)))
    write_config(name, random_arrays(analyses), locations[0].path)
    model = LoadedNetwork(load_registry(locations).network(name))
    write_model(model, built_in.input.channels, folder / f"{name}.onnx")
    return model, sum(analysis.multiply_adds for analysis in analyses)


def require_close(name, result, expected):
    """Exit if results differ by more than TOLERANCE of the largest."""
    difference = np.abs(result.ravel() - expected.ravel()).max() / np.abs(expected).max()
    if not difference <= TOLERANCE:
        sys.exit(f"{name}: the results differ by {difference:.1e} of the largest")


def measure_arrays(name, model, folder, threads, runs):
    """Least milliseconds of ONNX Runtime and convcli, for an array in this process."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(folder / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
    given, last = model.network.input, model.tapped_layers[-1]
    x = np.random.default_rng(1).normal(size=(given.channels, *given.size)).astype(np.float32)

    def timed(call):
        time.sleep(PAUSE)
        start = time.perf_counter()
        call()
        return 1000 * (time.perf_counter() - start)

    calls = {"ONNX Runtime": lambda: session.run(None, {"x": x[None]})[0], "convcli": lambda: model.compute(x, threads)[last]}
    require_close(name, calls["convcli"](), calls["ONNX Runtime"]())
    times = alternate({key: lambda call=call: timed(call) for key, call in calls.items()}, runs)
    return {key: min(found) for key, found in times.items()}


def measure_processes(name, channels, folder, runs):
    """Least milliseconds of ONNX Runtime and convcli, as whole processes for one picture."""
    with (folder / f"{name}.toml").open("rb") as file:
        side = tomllib.load(file)["networks"][name]["input"]["size"]
    source, target = folder / "in.png", folder / "out.npy"
    next(iter(crops(1, side, side))).save(source)
    script = [sys.executable, "-c", WITH_ONNX, folder / f"{name}.onnx", source, target, *NETWORKS[name].split("..")]
    ours = [*CONVCLI, "run", name, source, "--config", folder / f"{name}.toml", "-q", "--overwrite", "-o", target]
    commands, results = {"ONNX Runtime": [*script, channels], "convcli": ours}, []
    for command in commands.values():
        watch(command)
        results.append(np.load(target))
    require_close(name, results[1], results[0])
    times = alternate({key: lambda command=command: watch(command) for key, command in commands.items()}, runs)
    return {key: 1000 * min(seconds for seconds, _ in found) for key, found in times.items()}


def main():
    """Print a line for each network: in one process with each number of threads, and as whole processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--threads", type=int, action="append", help="numbers of threads; 0 is whole processes")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", help="where the figures go")
    options = parser.parse_args()
    print_machine()
    rows = []
    sys.stdout.write(
        f"{'network':<12} {'million multiply-adds':>22} {'threads':>8} {'ONNX Runtime':>13} {'convcli':>9} {'ratio':>6}\n"
    )
    for name in options.networks.split(","):
        with tempfile.TemporaryDirectory() as folder:
            model, work = load(name, Path(folder))
            for threads in options.threads or [1, 2, 0]:
                if threads:
                    times = measure_arrays(name, model, Path(folder), threads, options.runs)
                else:
                    times = measure_processes(name, model.network.input.channels, Path(folder), options.runs)
                ratio = times["ONNX Runtime"] / times["convcli"]
                rows.append({"network": name, "work": work, "threads": threads, "ratio": ratio} | times)
                figures = f"{times['ONNX Runtime']:13.2f} {times['convcli']:9.2f} {ratio:6.2f}"
                sys.stdout.write(f"{name:<12} {work / 1e6:22.1f} {threads or 'process':>8} {figures}\n")
                sys.stdout.flush()
    sys.stdout.write(f"geometric mean {statistics.geometric_mean(row['ratio'] for row in rows):.2f}\n")
    save_rows(options.json, rows)


if __name__ == "__main__":
    main()
