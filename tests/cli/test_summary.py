"""convcli summary: text and JSON for networks, kernels, banks and weight files."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest

NETWORKS = {
    "lenet-5": 60_000,
    "alexnet": 60_965_224,
    "alexnet-one-tower": 62_378_344,
    "vgg-16": 138_357_544,
    "mobilenet": 4_231_976,
}


@pytest.mark.parametrize(("name", "total"), NETWORKS.items())
def test_built_in_networks_have_the_published_parameters(run, name, total):
    """The published number of parameters is on the line of totals, and each layer has a line."""
    result = run("summary", name)
    assert (result.status, result.err) == (0, "")
    assert f"\n{total:,} trainable parameters: " in result.out
    layers = json.loads(run("summary", name, "--json").out)["layers"]
    for layer in layers:
        assert any(line.startswith(layer["name"]) for line in result.out.splitlines())


def test_json_contains_every_figure(run):
    """AlexNet's first layer, pool and dense layer, and the totals; shapes are rows, columns, channels."""
    output = json.loads(run("summary", "alexnet", "--json").out)
    layers = {layer["name"]: layer for layer in output["layers"]}
    assert layers["conv1"] == {
        "name": "conv1", "op": "conv", "inputs": [], "input": [227, 227, 3], "output": [55, 55, 96],
        "weights": 34_848, "biases": 96, "fixed": 0, "multiply_adds": 105_415_200, "field": [11, 11], "stride": [4.0, 4.0],
        "memory": 1_161_600, "note": "",
        "separable": {"weights": 651, "multiply_adds": 55 * 55 * 651},
    }  # fmt: skip
    assert (layers["pool2"]["field"], layers["pool2"]["stride"]) == ([67, 67], [16.0, 16.0])
    assert (layers["fc6"]["field"], layers["fc6"]["output"], layers["fc6"]["separable"]) == (None, [4096], None)
    assert layers["conv2"]["separable"] is None  # a layer with groups
    assert output["input"] == [227, 227, 3]
    assert output["totals"]["parameters"] == 60_965_224
    assert output["convolutions"]["parameters"] + output["dense"]["parameters"] == 60_965_224
    assert output["dense"]["multiply_adds"] == 37_748_736 + 16_777_216 + 4_096_000


def test_shares_and_notes_are_printed(run):
    """Computed by hand: 49,792 of 60,000 parameters of lenet-5 are in convolutions. A stride that does not divide is noted."""
    out = run("summary", "lenet-5").out
    assert "convolutions: 49,792 parameters (82.99 %), 315,600 multiply-adds (96.19 %)" in out
    assert "dense layers: 10,164 parameters (16.94 %), 10,080 multiply-adds (3.072 %)" in out
    assert "840 that are not trainable" in out
    assert "note" not in out
    assert "note: conv1: (224 - 11) / 4 + 1 = 54.25 is taken as 54" in run("summary", "alexnet", "--input", "224x224x3").out


def test_kernels_banks_and_files_are_layers(run, tmp_path):
    """A kernel is applied to each channel, a bank gives a map per kernel, a file is a layer of its filters."""

    def layer(*arguments):
        (row,) = json.loads(run("summary", *arguments, "--json").out)["layers"]
        return row

    blur = layer("blur", "--input", "480x640x3", "--stride", "2")
    assert (blur["op"], blur["output"], blur["weights"], blur["multiply_adds"]) == (
        "depthwise",
        [240, 320, 3],
        9,
        240 * 320 * 27,
    )
    rows, columns = blur["note"].split("; ")
    assert rows == "(480 + 2 - 3) / 2 + 1 = 240.5 is taken as 240 rows"
    assert columns == "(640 + 2 - 3) / 2 + 1 = 320.5 is taken as 320 columns"
    summed = layer("blur", "--input", "480x640x3", "--channels", "sum", "--padding", "valid", "--dilation", "3")
    assert (summed["op"], summed["output"], summed["field"]) == ("conv", [474, 634, 1], [7, 7])
    assert (summed["weights"], summed["multiply_adds"]) == (9, 474 * 634 * 27)
    assert layer("compass", "--input", "9x9")["output"] == [9, 9, 8]
    assert layer("blur", "--input", "9x9x3", "--channels", "gray")["input"] == [9, 9, 1]
    assert layer("sobel", "--input", "9x9")["output"] == [9, 9, 2]
    assert "2 kernels, whose maps are merged by l2 after this" in run("summary", "sobel", "--input", "9x9").out
    np.save(tmp_path / "w.npy", np.zeros((4, 3, 5, 5)))
    learned = layer(f"@{tmp_path}/w.npy", "--input", "32x32x3", "--padding", "valid")
    assert (learned["output"], learned["weights"], learned["separable"]["weights"]) == ([28, 28, 4], 300, 75 + 12)


@pytest.mark.parametrize(("arguments", "message"), [
    (["blurr", "--input", "9x9"], "'blurr' is not a network, kernel or bank; did you mean 'blur'?"),
    (["alexnt", "--input", "9x9"], "did you mean 'alexnet'?"),
    (["blur"], "give one, such as --input 480x640x3"),
    (["edge-energy"], "network 'edge-energy' takes pictures of any size; give one, such as --input 512x512x1"),
    (["edge-energy", "--input", "9x9x3"], "takes 1 channels, and --input has 3"),
    (["alexnet", "--input", "10x10x3"], "layer 'conv1' after the input, which gives 10 x 10 x 3: a kernel that covers 11 x 11"),
    (["alexnet", "--input", "60x60x3"], "layer 'pool5' after 'relu5', which gives 2 x 2 x 256: "),
    (["alexnet", "--stride", "2"], "--stride does not apply: alexnet is a network, whose layers define their own options"),
    (["blur", "--input", "0x9"], "input must be HxWxC such as 227x227x3, each from 1 to 65535, got '0x9'"),
    (["blur", "--input", "9"], "input must be HxWxC"),
    (["blur", "--input", "9x9x99999"], "each from 1 to 65535"),
    (["blur", "--input", "9x9x2", "--channels", "gray"], "--channels gray needs 1 or 3 channels, and --input has 2"),
    (["lenet5"], "'lenet5' is not a network, kernel or bank; did you mean 'lenet-5'?"),
])  # fmt: skip
def test_wrong_usage_is_one_line(run, arguments, message):
    """The error is one line, with status 2."""
    result = run("summary", *arguments)
    assert (result.status, result.out, len(result.lines)) == (2, "", 1)
    assert message in result.err


def test_networks_are_listed(run, tmp_path):
    """Networks of a config file and the built-in ones, with their inputs."""
    (tmp_path / "n.toml").write_text("[networks.mine]\nabout = 'x'\ninput = { channels = 2 }\nlayers = [{ op = 'relu' }]")
    arguments = ["summary", "--list", "--config", tmp_path / "n.toml"]
    networks = {entry["name"]: entry for entry in json.loads(run(*arguments, "--json").out)}
    assert {*NETWORKS, "edge-energy", "mine"} <= set(networks)
    assert networks["mine"] == {"name": "mine", "about": "x", "source": "", "layers": 1, "size": None, "channels": 2}
    assert networks["lenet-5"]["size"] == [32, 32]
    assert "give one, such as --input 512x512x2" in run("summary", "mine", *arguments[2:]).err
    lines = run(*arguments).out.splitlines()
    assert len(lines) == len(networks) + 1
    assert [line.split()[:5] for line in lines if line.startswith("alexnet ")] == [["alexnet", "227", "x", "227", "x"]]
    for wrong in (["summary", "--list", "alexnet"], ["summary", "--json"]):
        assert run(*wrong).err == (
            "Error: name a network, a kernel or a bank, or give --list, and not both (see convcli summary --help)\n"
        )


def test_a_field_too_large_is_one_line(run, tmp_path):
    """One line, and no part of a table before it."""
    layer = "{ op = 'conv', filters = 1, size = 3, stride = 60000, padding = 60000 }"
    (tmp_path / "n.toml").write_text(f"[networks.n]\ninput = {{ channels = 1 }}\nlayers = [{', '.join([layer] * 9)}]")
    result = run("summary", "n", "--config", tmp_path / "n.toml", "--input", "9x9")
    assert (result.status, result.out, len(result.lines)) == (2, "", 1)
    assert "has a receptive field of more than 2147483648 pixels" in result.err


def test_shapes_equal_those_of_apply(run, samples, tmp_path):
    """The printed shape is that of the map, with every option that changes it."""
    options = ["--stride", "2x3", "--padding", "1,2x0,3", "--dilation", "2", "--channels", "sum"]
    layer = json.loads(run("summary", "gabor:theta=45", "--input", "300x451x3", *options, "--json").out)["layers"][0]
    assert run("apply", samples / "chelsea.png", "-k", "gabor:theta=45", *options, "-o", tmp_path / "y.npy").status == 0
    assert layer["output"] == [*np.load(tmp_path / "y.npy").shape[1:], 1]


def test_the_table_fits_a_terminal(tmp_path):
    """On 80 columns names are whole and counts have three digits; on 200 columns counts are written in full."""
    for width, expected in ((80, "conv1                  55x55x96   34.8 k      96     105 M"), (200, "105,415,200")):
        command = f"stty cols {width}; {sys.executable} -m convcli summary alexnet --no-config"
        leader, follower = pty.openpty()
        env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")} | {"TERM": "xterm"}
        with subprocess.Popen(["bash", "-c", command], stdin=follower, stdout=follower, stderr=follower, env=env) as process:
            os.close(follower)
            output = b""
            with contextlib.suppress(OSError):  # the end: the other side is closed
                while part := os.read(leader, 65536):
                    output += part
        os.close(leader)
        assert process.returncode == 0
        lines = re.sub(r"\x1b\[[0-9;]*m", "", output.decode()).splitlines()
        table = lines[lines.index("") + 1 :]
        table = table[: table.index("")]
        assert len(table) == 1 + 22
        assert max(map(len, table)) <= width
        assert any(expected in line for line in table)
        assert any(line.startswith("local-response-norm2 ") for line in table)
