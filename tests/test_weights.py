"""Kernels from .npy and .npz files."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convcli.errors import KernelError
from convcli.kernels.catalogue import load_catalogue


def find(text):
    """What -k with this text gives."""
    return load_catalogue().find(text)


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 2), (5, 5, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_one_kernel(tmp_path, shape, dtype, rng):
    """(kw,), (kh, kw) and (kh, kw, C), value for value."""
    array = rng.integers(-9, 9, shape).astype(dtype)
    np.save(tmp_path / "w.npy", array)
    kernel = find(f"@{tmp_path / 'w.npy'}")
    assert_array_equal(kernel.weights, array[None] if array.ndim == 1 else array, strict=False)
    assert kernel.name == "w"


def test_a_bank_in_the_order_of_pytorch(tmp_path, rng):
    """(N, C, kh, kw) gives N kernels (kh, kw, C)."""
    array = rng.normal(size=(4, 3, 5, 7))
    np.savez(tmp_path / "w.npz", **{"conv1.weight": array, "other": np.ones(3)})
    bank = find(f"@{tmp_path / 'w.npz'}#conv1.weight")
    assert [kernel.name for kernel in bank.kernels] == [f"conv1.weight-{i}" for i in range(4)]
    assert_array_equal(bank.kernels[2].weights, array[2].transpose(1, 2, 0))


def test_one_channel_banks_are_plain_matrices(tmp_path):
    """(N, 1, kh, kw), as LeNet's first layer."""
    np.save(tmp_path / "w.npy", np.ones((6, 1, 5, 5)))
    assert [kernel.shape for kernel in find(f"@{tmp_path / 'w.npy'}").kernels] == [(5, 5)] * 6


def test_the_only_array_needs_no_key(tmp_path):
    """An .npz of one array."""
    np.savez(tmp_path / "w.npz", k=np.ones((3, 3)))
    assert find(f"@{tmp_path / 'w.npz'}").sum == 9


class Canary:
    """Leaves a file behind if a pickle of it is ever run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def npy(array):
    """An .npy file as bytes."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def lying_header(shape):
    """An .npy header that promises more than the file holds."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + b"\0" * 64


BAD = [
    (b"", "is not a readable .npy file"),
    (b"\x93NUMPY\x01\x00", "is not a readable .npy file"),
    (b"not an array at all", "is not a readable .npy file"),
    (npy(np.ones((3, 3)))[:-8], "is not a readable .npy file"),
    (npy(np.ones((3, 3)) * 1j), "must hold numbers, got dtype complex128"),
    (npy(np.array([["a"]])), "must hold numbers"),
    (npy(np.array([(1, 2.0)], dtype=[("a", int), ("b", float)])), "must hold numbers"),
    (npy(np.array([[True]])), "must hold numbers, got dtype bool"),
    (npy(np.ones(())), "must have shape"),
    (npy(np.ones((1, 1, 1, 1, 1))), "must have shape"),
    (npy(np.ones((0, 3))), "must have shape"),
    (npy(np.array([[np.nan]])), "must hold finite numbers"),
    (npy(np.array([[np.inf]])), "must hold finite numbers"),
    (npy(np.ones((1, 2000))), r"has shape \(1, 2000\); the largest kernel side is 1023"),
    (npy(np.ones((3, 9))).replace(b"(3, 9)", b"(-3,9)"), "is not a readable .npy file"),
    (lying_header((1000, 1000)), "is not a readable .npy file"),
    (lying_header((1000, 1000, 10)), "more than the limit"),
    (lying_header((10**9, 10**9, 10**9)), "more than the limit of 4000000 numbers"),
    (lying_header((10**9, 10**9, 3, 3)), "more than the limit"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_bad_arrays_are_refused(tmp_path, data, message):
    """Before memory is taken."""
    (tmp_path / "w.npy").write_bytes(data)
    with pytest.raises(KernelError, match=message):
        find(f"@{tmp_path / 'w.npy'}")


def test_pickles_are_never_run(tmp_path):
    """In .npy, in .npz, and as a raw pickle under the name of an array."""
    canary = tmp_path / "canary"
    pickled = npy(np.array([Canary(canary)], dtype=object))
    (tmp_path / "a.npy").write_bytes(pickled)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Canary(canary)))
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("k.npy", pickled)
    for name in ("a.npy", "b.npy", "c.npz"):
        with pytest.raises(KernelError, match="is not a readable|dtype object"):
            find(f"@{tmp_path / name}")
    assert not canary.exists()


def test_zip_bombs_are_refused_by_their_directory(tmp_path):
    """A small file that would unpack to 1 GB."""
    with zipfile.ZipFile(tmp_path / "w.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("k.npy", "w") as member:
        member.write(lying_header((11000, 11000)))
        for _ in range(128):
            member.write(bytes(1 << 20))
    with pytest.raises(KernelError, match="the limit is"):
        find(f"@{tmp_path / 'w.npz'}#k")


def test_wrong_names(tmp_path):
    """A missing file, a missing key, an unknown suffix, a key for a file without names."""
    np.savez(tmp_path / "w.npz", a=np.ones((3, 3)), b=np.ones((3, 3)))
    np.save(tmp_path / "w.npy", np.ones((3, 3)))
    (tmp_path / "w.gif").write_text("1")
    for text, message in [
        ("none.npy", "no such file"),
        ("w.npz#c", "#c: there is no array of that name; the file holds a, b"),
        ("w.npz", "holds 2 arrays; name one"),
        ("w.gif", "the file must end in .npy, .npz, .safetensors"),
        ("w.npy#a", "leave out #a"),
    ]:
        with pytest.raises(KernelError, match=message):
            find(f"@{tmp_path / text}")
