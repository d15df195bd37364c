"""Weights from files of PyTorch: what torch.save writes is read, and no code in a file is run."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convcli.errors import KernelError
from convcli.kernels.weight_arrays import read_array
from convcli.kernels.weight_files import list_arrays, load_weights, naming_file
from convcli.kernels.weights import WeightsFile
from torch_files import Tensor, save, save_legacy


def read(path, key=None):
    """An array of a file."""
    with naming_file(WeightsFile(path, key)):
        return read_array(WeightsFile(path, key))[0]


@pytest.mark.parametrize("write", [save, save_legacy])
def test_state_dictionaries_are_read(tmp_path, rng, write):
    """With their names and dtypes; those of nested dictionaries have dots."""
    weight, bias = rng.normal(size=(4, 3, 5, 5)).astype("f4"), rng.normal(size=4)
    half, count = rng.normal(size=(2, 2)).astype("f2"), np.array(7, "i8")
    state = OrderedDict([("conv1.weight", Tensor(weight)), ("conv1.bias", Tensor(bias)), ("half", Tensor(half))])
    state._metadata = {"": {"version": 1}}
    path = write({"epoch": 3, "state_dict": state, "best": [1.5, None], "count": Tensor(count)}, tmp_path / "w.pt")
    assert [(header.key, header.shape, header.dtype) for header in list_arrays(WeightsFile(path))] == [
        ("state_dict.conv1.weight", (4, 3, 5, 5), "float32"),
        ("state_dict.conv1.bias", (4,), "float64"),
        ("state_dict.half", (2, 2), "float16"),
        ("count", (), "int64"),
    ]
    assert_array_equal(read(path, "state_dict.conv1.weight"), weight)
    loaded = load_weights(WeightsFile(path, "state_dict.conv1.weight"))
    assert_array_equal(loaded.filters, weight.transpose(0, 2, 3, 1))
    with pytest.raises(KernelError, match="there is no array of that name; the file holds .*; did you mean 'state_dict.half'"):
        read(path, "state_dict.halb")


@pytest.mark.parametrize("write", [save, save_legacy])
def test_views_and_bfloat16(tmp_path, rng, write):
    """A part of a storage, a transposed one, an expanded one; bfloat16 is the upper half of float32."""
    numbers = rng.normal(size=24).astype("f4")
    bits = np.array([1.5, -2.0, 0.15625], "f4").view("u4") >> 16
    tensors = {
        "part": Tensor(numbers, offset=4, shape=(2, 3), strides=(3, 1)),
        "turned": Tensor(numbers, shape=(4, 6), strides=(1, 4)),
        "expanded": Tensor(numbers, offset=1, shape=(3, 2), strides=(0, 1)),
        "bf16": Tensor(bits.astype("u2"), kind="BFloat16Storage"),
    }
    path = write(tensors, tmp_path / "w.pth")
    assert_array_equal(read(path, "part"), numbers[4:10].reshape(2, 3))
    assert_array_equal(read(path, "turned"), numbers.reshape(6, 4).T)
    assert_array_equal(read(path, "expanded"), [numbers[1:3]] * 3)
    with naming_file(WeightsFile(path)):
        found, _ = read_array(WeightsFile(path, "bf16"), lambda shape, dtype: None)
    assert found.dtype == np.float32
    assert_array_equal(found, [1.5, -2.0, 0.15625])


class Bomb:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def mkdir(path):
    """What a hostile pickle would call: an effect that can be seen."""
    Path(path).mkdir()


BOMBS = {
    "os.mkdir": lambda canary: Bomb(os.mkdir, canary),
    "eval": lambda canary: Bomb(eval, f"__import__('os').mkdir({canary!r})"),
    "exec": lambda canary: Bomb(exec, f"import os; os.mkdir({canary!r})"),
    "getattr": lambda canary: Bomb(getattr, Bomb(__import__, "os"), "mkdir"),
    "import": lambda canary: Bomb(__import__, "antigravity"),
    "subprocess": lambda canary: Bomb(__import__("subprocess").call, ["mkdir", canary]),
    "numpy": lambda canary: np.zeros(3),
    "partial": lambda canary: Bomb(__import__("functools").partial, os.mkdir, canary),
    "nested": lambda canary: OrderedDict(a=[{"b": (Bomb(os.mkdir, canary),)}]),
    "module": lambda canary: Bomb(mkdir, canary),
}


@pytest.mark.parametrize("write", [save, save_legacy])
@pytest.mark.parametrize("name", BOMBS)
def test_no_code_in_a_file_is_run(tmp_path, name, write):
    """The error names the function; a folder that it would make is not there."""
    canary = tmp_path / "canary"
    path = write({"w": Tensor(np.ones((3, 3), "f4")), "x": BOMBS[name](str(canary))}, tmp_path / "w.pt")
    with pytest.raises(
        KernelError, match=r"which is neither a tensor nor a dictionary; save its state dictionary by torch.save"
    ):
        read(path, "w")
    assert not canary.exists()


def test_the_canaries_sing_elsewhere(tmp_path):
    """The same pickle, read by Python's own unpickler, makes the folder: the test above can fail."""
    canary = tmp_path / "canary"
    pickle.loads(pickle.dumps(BOMBS["os.mkdir"](str(canary))))
    assert canary.exists()


def raw(path, data, storages=()):
    """Write a file with this pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        for key, numbers in enumerate(storages):
            archive.writestr(f"archive/data/{key}", numbers)
    return path


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (Tensor(np.ones(4, "f4"), shape=(1 << 40, 1 << 10), strides=(0, 0)), "more than the limit of 4000000 numbers"),
        (Tensor(np.ones(4, "f4"), shape=(5,), strides=(1,)), r"a tensor of shape \(5,\) in a storage of 4 numbers"),
        (Tensor(np.ones(4, "f4"), offset=3, shape=(2,), strides=(1,)), "in a storage of 4 numbers"),
        (Tensor(np.ones(4, "f4"), offset=-1, shape=(2,), strides=(1,)), "a tensor of an unknown kind"),
        (Tensor(np.ones(4, "f4"), shape=(2,), strides=(-1,)), "a tensor of an unknown kind"),
        (Tensor(np.ones(4, "f4"), shape=(2, 2), strides=(1,)), "is not a readable PyTorch file"),
        (
            Tensor(np.ones(4, "f4"), count=1 << 50, shape=(1 << 49,), strides=(1,)),
            "more than the limit of 4000000 numbers",
        ),
        (Tensor(np.ones(4, "f4"), count=8, shape=(8,), strides=(1,)), "does not hold the numbers of storage '0'"),
    ],
)
@pytest.mark.parametrize("write", [save, save_legacy])
def test_tensors_that_lie_are_refused(tmp_path, write, tensor, message):
    """Their numbers must be in the file, and nothing is allocated before that is known."""
    with pytest.raises(KernelError, match=message):
        read(write({"w": tensor}, tmp_path / "w.pt"), "w")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a readable PyTorch file"),
        (b"\x80\x02}q\x00.", "holds 0 arrays"),
        (b"\x80\x02K\x01.", "holds 0 arrays"),
        (b"garbage", "is not a readable PyTorch file"),
        (b"\x80\x02(" * 9, "is not a readable PyTorch file"),
        (b"cos\nmkdir\n(S'x'\ntR.", "holds os.mkdir, which is neither"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x031+1\x85R.", "holds builtins.eval, which is neither"),
        (b"\x80\x02cctorch\n.", "is not a readable PyTorch file|neither"),
        (b"\x82\x01.", "is not a readable PyTorch file"),
    ],
)
def test_broken_pickles_are_refused(tmp_path, data, message):
    """In one line, whatever Python's unpickler says."""
    with pytest.raises(KernelError, match=message) as caught:
        read(raw(tmp_path / "w.pt", data))
    assert "\n" not in str(caught.value)


def test_containers_that_hold_themselves_are_read_once(tmp_path):
    """A dictionary that is in itself a thousand times, and one whose method is replaced."""
    inner = {"w": Tensor(np.ones((3, 3), "f4"))}
    inner |= {str(index): inner for index in range(1000)}
    assert [header.key for header in list_arrays(WeightsFile(save(inner, tmp_path / "w.pt")))] == ["w"]
    replaced = b"\x80\x02ccollections\nOrderedDict\n)R}X\x05\0\0\0itemsK\x05sb."  # an OrderedDict whose items is 5
    assert list_arrays(WeightsFile(raw(tmp_path / "r.pt", replaced))) == []
    deep = {"w": Tensor(np.ones((3, 3), "f4"))}
    for _ in range(400):
        deep = {"d": deep}
    assert len(list_arrays(WeightsFile(save(deep, tmp_path / "w.pt")))) == 1


def test_other_archives_are_refused(tmp_path):
    """A zip file without a pickle; one with two; of another byte order; a large pickle; no archive at all."""
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("x.txt", "x")
    with pytest.raises(KernelError, match="is an archive without the pickle of PyTorch"):
        read(tmp_path / "a.pt")
    with pytest.raises(KernelError, match="stores the largest byte first"):
        read(save({"w": Tensor(np.ones(3, "f4"))}, tmp_path / "b.pt", byteorder=b"big"))
    with pytest.raises(KernelError, match="has a pickle of 17000000 bytes; the limit is 16777216"):
        read(raw(tmp_path / "c.pt", b"x" * 17_000_000))
    (tmp_path / "d.pt").write_bytes(b"text")
    with pytest.raises(KernelError, match="is not a readable PyTorch file"):
        read(tmp_path / "d.pt")
    buffer = io.BytesIO()
    pickle.dump(5, buffer, protocol=2)
    pickle.dump(1001, buffer, protocol=2)
    (tmp_path / "e.pt").write_bytes(buffer.getvalue())
    with pytest.raises(KernelError, match="is not a file of torch.save"):
        read(tmp_path / "e.pt")
