"""Weights from files of Keras: .h5, .hdf5 and .keras, as h5py writes them."""

import io
import zipfile

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import convcli
from convcli.errors import KernelError
from convcli.kernels.weight_arrays import read_array
from convcli.kernels.weight_files import list_arrays, load_weights, naming_file
from convcli.kernels.weights import WeightsFile


def fill(file, rng):
    """Write the weights of a small network as Keras 2 names them, and return them."""
    arrays = {
        "model_weights/conv/conv/kernel:0": rng.normal(size=(3, 3, 3, 3)),
        "model_weights/conv/conv/bias:0": rng.normal(size=3),
        "model_weights/deep/deep/depthwise_kernel:0": rng.normal(size=(3, 3, 3, 2)),
        "model_weights/dense/dense/kernel:0": rng.normal(size=(54, 54)),
        "model_weights/up/up/kernel:0": rng.normal(size=(2, 2, 6, 6)),
    }
    arrays = {name: array.astype("f4") for name, array in arrays.items()}
    for name, array in arrays.items():
        file.create_dataset(name, data=array)
    file.create_dataset("names", data=np.array([b"conv", b"dense"]))
    return arrays


@pytest.fixture(params=["w.h5", "w.hdf5", "w.keras"])
def weights(request, tmp_path, rng):
    """A file, and its arrays."""
    path = tmp_path / request.param
    if path.suffix != ".keras":
        with h5py.File(path, "w") as file:
            return path, fill(file, rng)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        arrays = fill(file, rng)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", buffer.getvalue())
    return path, arrays


def test_arrays_are_listed_and_read(weights):
    """All arrays of numbers; a kernel has the layout hwio."""
    path, arrays = weights
    assert {header.key: header.shape for header in list_arrays(WeightsFile(path))} == {
        name: array.shape for name, array in arrays.items()
    }
    name = "model_weights/conv/conv/kernel:0"
    assert_array_equal(load_weights(WeightsFile(path, name)).filters, arrays[name].transpose(3, 0, 1, 2))


def test_layers_have_the_layouts_of_keras(weights, rng, monkeypatch):
    """Convolution, depthwise with two filters a channel, flattened pixel by pixel, dense: as Keras computes them."""
    path, arrays = weights
    layers = """
  { op = "conv", file = "w", key = "model_weights/conv/conv/kernel:0", bias = "model_weights/conv/conv/bias:0" },
  { op = "depthwise", file = "w", key = "model_weights/deep/deep/depthwise_kernel:0" },
  { op = "flatten", order = "hwc" },
  { op = "dense", file = "w", key = "model_weights/dense/dense/kernel:0" },""".replace('"w"', f'"{path.name}"')
    text = f"[networks.n]\ninput = {{ channels = 3, size = [7, 7] }}\nlayers = [{layers}\n]\n"
    path.with_name("kernels.toml").write_text(text)
    monkeypatch.chdir(path.parent)
    net = convcli.load_network("n")
    x = rng.normal(size=(3, 7, 7))
    conv, bias, deep, dense, _ = (array.astype(float) for array in arrays.values())
    first = np.stack([
        sum((x[c, i : i + 5, j : j + 5] * conv[i, j, c, o]) for c in range(3) for i in range(3) for j in range(3)) + bias[o]
        for o in range(3)
    ])  # fmt: skip
    second = np.stack([
        sum(first[c, i : i + 3, j : j + 3] * deep[i, j, c, m] for i in range(3) for j in range(3))
        for c in range(3) for m in range(2)
    ])  # fmt: skip
    expected = second.transpose(1, 2, 0).ravel() @ dense
    assert_allclose(net(x), expected, rtol=1e-6)


def refused(path, key, message):
    """Assert that an array cannot be read."""
    with pytest.raises(KernelError, match=message) as caught, naming_file(WeightsFile(path, key)):
        read_array(WeightsFile(path, key))
    assert "\n" not in str(caught.value)


def test_other_files_are_never_read_through_a_link(tmp_path, rng):
    """External links, external storage and virtual datasets are no arrays of the file."""
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = np.ones((3, 3))
    (tmp_path / "secret.bin").write_bytes(bytes(72))
    layout = h5py.VirtualLayout((3, 3), "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "secret", (3, 3))
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["own"] = rng.normal(size=(3, 3))
        file["link"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "secret")
        file.create_dataset("raw", (3, 3), "f8", external=[(str(tmp_path / "secret.bin"), 0, 72)])
        file.create_virtual_dataset("virtual", layout)
    assert [header.key for header in list_arrays(WeightsFile(tmp_path / "w.h5"))] == ["own"]
    for key in ("link", "raw", "virtual"):
        refused(tmp_path / "w.h5", key, f"w.h5#{key}: there is no array of that name; the file holds own")


def test_broken_files_are_refused(tmp_path):
    """Empty, of another kind, truncated, a large array that takes no space, an archive without weights."""
    (tmp_path / "a.h5").write_bytes(b"")
    refused(tmp_path / "a.h5", None, "is no HDF5 file")
    (tmp_path / "b.h5").write_bytes(b"PNG" * 99)
    refused(tmp_path / "b.h5", None, "is no HDF5 file")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["x"] = np.ones((64, 64))
        file.create_dataset("huge", (1 << 20, 1 << 20), "f8", chunks=(1024, 1024))
    refused(tmp_path / "c.h5", "huge", r"has shape \(1048576, 1048576\), more than the limit")
    data = (tmp_path / "c.h5").read_bytes()
    (tmp_path / "d.h5").write_bytes(data[: len(data) // 2])
    refused(tmp_path / "d.h5", None, "is not a readable HDF5 file")
    with zipfile.ZipFile(tmp_path / "e.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    refused(tmp_path / "e.keras", None, "is an archive without model.weights.h5")


def test_bfloat16_of_safetensors(tmp_path):
    """Read as float32: the library hands these over to frameworks alone."""
    import json

    numbers = np.array([[1.5, -2.0, 0.15625]] * 3, "f4")
    data = (numbers.view("u4") >> 16).astype("<u2").tobytes()
    header = json.dumps({"w": {"dtype": "BF16", "shape": [3, 3], "data_offsets": [0, len(data)]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + data)
    assert_array_equal(load_weights(WeightsFile(tmp_path / "w.safetensors", "w")).filters[0], numbers)
