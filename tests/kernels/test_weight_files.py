"""Kernels from .npy, .npz, .safetensors and text files."""

import io
import json
import pickle
import struct
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from numpy.testing import assert_array_equal

from convcli.config.load import load_registry
from convcli.config.search_path import ConfigLocation, built_in_file
from convcli.errors import MAX_CANDIDATES, KernelError, nearest
from convcli.kernels import weight_files
from convcli.kernels.weight_files import load_weights
from convcli.kernels.weights import WeightsFile
from convcli.pipeline.loaded_network import LoadedNetwork


def find(text):
    """The kernel or bank of a text after -k."""
    return load_registry().find(text)


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 2), (5, 5, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_one_kernel_keeps_its_values(tmp_path, shape, dtype, rng):
    """(kw,), (kh, kw) and (kh, kw, C) keep every value."""
    array = rng.integers(-9, 9, shape).astype(dtype)
    np.save(tmp_path / "w.npy", array)
    kernel = find(f"@{tmp_path / 'w.npy'}")
    assert_array_equal(kernel.weights, array[None] if array.ndim == 1 else array, strict=False)
    assert kernel.name == "w"


def test_banks_have_the_order_of_pytorch(tmp_path, rng):
    """(N, C, kh, kw) gives N kernels (kh, kw, C)."""
    array = rng.normal(size=(4, 3, 5, 7))
    np.savez(tmp_path / "w.npz", **{"conv1.weight": array, "other": np.ones(3)})
    bank = find(f"@{tmp_path / 'w.npz'}#conv1.weight")
    assert [kernel.name for kernel in bank.kernels] == [f"conv1.weight-{i}" for i in range(4)]
    assert_array_equal(bank.kernels[2].weights, array[2].transpose(1, 2, 0))


def test_one_channel_banks_are_plain_matrices(tmp_path):
    """(N, 1, kh, kw), as LeNet's first layer, gives kernels (kh, kw)."""
    np.save(tmp_path / "w.npy", np.ones((6, 1, 5, 5)))
    assert [kernel.shape for kernel in find(f"@{tmp_path / 'w.npy'}").kernels] == [(5, 5)] * 6


def test_the_only_array_needs_no_key(tmp_path):
    """An .npz of one array is read without #key."""
    np.savez(tmp_path / "w.npz", k=np.ones((3, 3)))
    assert find(f"@{tmp_path / 'w.npz'}").sum == 9


class Canary:
    """Creates a file when its pickle is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def npy(array):
    """The bytes of an .npy file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def wrong_header(shape):
    """An .npy header that declares more data than the file has."""
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
    (npy(np.ones((3, 9))).replace(b"(3, 9), ", b"((((((((("[:8]), "is not a readable .npy file"),
    (b"\x93NUMPY\x02\x00" + (20000).to_bytes(4, "little") + b"(" * 20000, "is not a readable .npy file"),
    (wrong_header((True, 9)), "is not a readable .npy file"),
    (b"\x93NUMPY\x02\x00" + (1 << 30).to_bytes(4, "little") + b"{" * 99, "its header has 1073741824 bytes"),
    (npy(np.ones((3, 3), np.longdouble)), "must hold numbers, got dtype float128"),
    (wrong_header((1000, 1000)), "is not a readable .npy file"),
    (wrong_header((1000, 1000, 10)), "more than the limit"),
    (wrong_header((10**9, 10**9, 10**9)), "more than the limit of 4000000 numbers"),
    (wrong_header((10**9, 10**9, 3, 3)), "more than the limit"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_bad_arrays_are_refused(tmp_path, data, message):
    """They are refused before memory is allocated."""
    (tmp_path / "w.npy").write_bytes(data)
    with pytest.raises(KernelError, match=message):
        find(f"@{tmp_path / 'w.npy'}")


def test_pickles_are_never_run(tmp_path):
    """In .npy, in .npz, and as a raw pickle with the suffix .npy."""
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
        member.write(wrong_header((11000, 11000)))
        for _ in range(128):
            member.write(bytes(1 << 20))
    with pytest.raises(KernelError, match="the limit is"):
        find(f"@{tmp_path / 'w.npz'}#k")


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil"])
def test_names_outside_of_the_archive_are_refused(tmp_path, name):
    """Nothing is unpacked to disk, but no correct program writes such names."""
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr(f"{name}.npy", npy(np.ones((3, 3))))
    with pytest.raises(KernelError, match="holds a name that points outside of the archive"):
        find(f"@{tmp_path / 'w.npz'}")


def test_wrong_names_are_refused(tmp_path):
    """A missing file, a missing key, an unknown suffix, and a key for a file without names."""
    np.savez(tmp_path / "w.npz", a=np.ones((3, 3)), b=np.ones((3, 3)))
    np.save(tmp_path / "w.npy", np.ones((3, 3)))
    (tmp_path / "w.gif").write_text("1")
    for text, message in [
        ("none.npy", "no such file"),
        ("w.npz#c", "#c: there is no array of that name; the file holds a, b"),
        ("w.npz", "holds 2 arrays: a, b; name one by its key"),
        ("w.gif", "the file must end in .npy, .npz, .safetensors"),
        ("w.npy#a", "leave out #a"),
    ]:
        with pytest.raises(KernelError, match=message):
            find(f"@{tmp_path / text}")


def test_safetensors_are_read(tmp_path, rng):
    """Files of the library are read; a dtype that NumPy lacks, a wrong header and a truncated file give one line."""
    weights = rng.normal(size=(4, 3, 5, 7)).astype(np.float32)
    safetensors.numpy.save_file({"conv1.weight": weights, "half": np.ones((3, 3), np.float16)}, tmp_path / "w.safetensors")
    bank = find(f"@{tmp_path / 'w.safetensors'}#conv1.weight")
    assert_array_equal(bank.weights, weights.transpose(0, 2, 3, 1))
    assert find(f"@{tmp_path / 'w.safetensors'}#half").sum == 9
    data = (tmp_path / "w.safetensors").read_bytes()
    header = b'{"k":{"dtype":"F8_E4M3","shape":[1,1],"data_offsets":[0,1]}}'
    for name, content, message in [
        ("cut", data[:-9], "is not a readable .safetensors file"),
        ("empty", b"", "is not a readable .safetensors file"),
        ("lying", (1 << 40).to_bytes(8, "little") + data[8:], "is not a readable .safetensors file"),
        ("tiny", len(header).to_bytes(8, "little") + header + b"\0", "must hold numbers that NumPy knows, got dtype F8_E4M3"),
    ]:
        (tmp_path / f"{name}.safetensors").write_bytes(content)
        with pytest.raises(KernelError, match=message):
            find(f"@{tmp_path / name}.safetensors")
    with pytest.raises(KernelError, match="holds 2 arrays: conv1.weight, half; name one"):
        find(f"@{tmp_path / 'w.safetensors'}")


def test_a_missing_safetensors_library_is_reported(tmp_path, monkeypatch):
    """Without the library, the error says how to install it."""
    (tmp_path / "w.safetensors").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(
        KernelError, match=r"needs the safetensors library; install it with: pip install 'convcli\[safetensors\]'"
    ):
        find(f"@{tmp_path / 'w.safetensors'}")


@pytest.mark.parametrize("layout", ["oihw", "hwio", "iohw", "whio"])
def test_layouts_give_the_order_of_axes(tmp_path, rng, layout):
    """The same filters in any order of axes; index selects one of them."""
    filters = rng.normal(size=(4, 3, 5, 7))  # o i h w
    np.savez(tmp_path / "w.npz", w=np.einsum(f"oihw->{layout}", filters))
    file = WeightsFile(tmp_path / "w.npz", "w", layout)
    weights = load_weights(file)
    for index in range(4):
        assert_array_equal(weights.kernel("k", index).weights, filters[index].transpose(1, 2, 0))
    assert weights.filter_index(2) == 2
    with pytest.raises(KernelError, match="holds the filters 0 to 3, and index is 4"):
        weights.filter_index(4)
    np.save(tmp_path / "w.npy", np.ones((3, 3)))
    (tmp_path / "w.txt").write_text("1")
    for name in ("w.npy", "w.txt"):
        with pytest.raises(KernelError, match="holds one kernel, not several filters; leave out index"):
            load_weights(WeightsFile(tmp_path / name)).filter_index(0)
    with pytest.raises(KernelError, match=r"has 4 dimensions, shape .*, which the layout 'hw' does not match"):
        load_weights(WeightsFile(tmp_path / "w.npz", "w", "hw"))


TEXTS = [
    ("k.txt", "# numbers\n1/4 1/2, 1/4\n\n0 -1e3 'x'\n".replace("'x'", "sqrt(4)"), [[0.25, 0.5, 0.25], [0, -1000, 2]], 0),
    ("k.csv", "1,2\r\n3,4\r\n", [[1, 2], [3, 4]], 0),
    ("k.dat", "\ufeff1;2", [[1, 2]], 0),
    ("k.mat", "3 2\n1 2 3\n4 5 6\n", [[1, 2, 3], [4, 5, 6]], 0),
    ("k.mat", "2 2 8 128\n1, 2\n3, 4", [[1 / 8, 2 / 8], [3 / 8, 4 / 8]], 128),
]


@pytest.mark.parametrize(("name", "text", "matrix", "offset"), TEXTS)
def test_text_files_are_read(tmp_path, name, text, matrix, offset):
    """Rows of numbers; the first line of libvips' .mat gives width, height, scale and offset."""
    (tmp_path / name).write_bytes(text.encode())
    kernel = find(f"@{tmp_path / name}")
    assert_array_equal(kernel.weights, matrix)
    assert kernel.offset == offset


@pytest.mark.parametrize(
    "decimal", ["1", "-.5", "+2.", "1e3", "1E-3", "-1.5e+30", "0" * 99 + "1", "1e31", "1e999", ".", "e5", "1e", "1-1"]
)
def test_decimals_are_read_as_the_grammar_reads_them(tmp_path, decimal):
    """A row of decimals has a parser of its own; it agrees with that of a row with an expression."""
    results = []
    for row in (decimal, f"{decimal} 1/2"):
        (tmp_path / "k.txt").write_text(row)
        try:
            results.append(find(f"@{tmp_path / 'k.txt'}").matrix[0][0])
        except KernelError as error:
            results.append(str(error))
    assert results[0] == results[1]


def test_many_filters_are_refused_and_many_names_shortened(tmp_path):
    """An array of 4097 filters is refused; of many names, some are listed and the nearest is suggested."""
    np.save(tmp_path / "w.npy", np.ones((4097, 1, 1, 1), np.int8))
    with pytest.raises(KernelError, match=r"has shape \(4097, 1, 1, 1\), 4097 filters; the limit is 4096"):
        find(f"@{tmp_path / 'w.npy'}")
    np.savez(tmp_path / "w.npz", **{f"layer{i}": np.ones((3, 3)) for i in range(30)})
    with pytest.raises(KernelError, match=r"layer25, layer26, \.\.\.; did you mean 'layer3'\?"):
        find(f"@{tmp_path / 'w.npz'}#layer_3")


def test_what_a_config_reads_is_bounded(tmp_path):
    """Large files, many files, archives of many arrays, long texts and repeated banks are counted; a limit is reported once."""
    (tmp_path / "t.txt").write_text("0.5 " * 1000 + "\n" + ("0.5 " * 1000 + "\n") * 900)
    (tmp_path / "e.txt").write_text(("1/2 " * 1000 + "\n") * 70)
    np.save(tmp_path / "small.npy", np.ones((3, 3)))
    np.save(tmp_path / "large.npy", np.zeros((4000, 100, 3, 3), np.float32))
    np.savez(tmp_path / "names.npz", **{f"k{i}": np.ones((3, 3)) for i in range(1000)})
    for name, limit in (("t.txt", 2), ("e.txt", 3), ("small.npy", 3400), ("large.npy", 4), ("names.npz", 300)):
        tables = []
        for i in range(limit + 1):
            (tmp_path / f"{i}-{name}").hardlink_to(tmp_path / name)
            keys = {"large.npy": "index = 0", "names.npz": f"key = 'k{i}'"}.get(name, "")
            tables.append(f"[kernels.k{i}]\nfile = '{i}-{name}'\n{keys}\n")
        (tmp_path / "k.toml").write_text("".join(tables[: limit // 2]))
        load_registry([ConfigLocation(tmp_path / "k.toml", ""), ConfigLocation(built_in_file(), "")])
        (tmp_path / "k.toml").write_text("".join(tables))
        with pytest.raises(KernelError, match="up to here, the file names more weights than may be read") as caught:
            load_registry([ConfigLocation(tmp_path / "k.toml", ""), ConfigLocation(built_in_file(), "")])
        assert len(caught.value.lines) == 1
    (tmp_path / "k.toml").write_text(f"[kernels.s]\nsum = {['@large.npy'] * 50}")
    with pytest.raises(KernelError, match="up to here, the file makes more kernels than a file may"):
        load_registry([ConfigLocation(tmp_path / "k.toml", ""), ConfigLocation(built_in_file(), "")])


def test_the_size_in_a_zip_directory_is_a_limit(tmp_path):
    """No more is unpacked than the directory declares; data after an array is refused."""
    array = npy(np.ones((3, 3)))
    with zipfile.ZipFile(tmp_path / "w.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("k.npy", array + bytes(50 << 20))
    data = bytearray((tmp_path / "w.npz").read_bytes())
    with pytest.raises(KernelError, match="holds more data after the array"):
        find(f"@{tmp_path / 'w.npz'}")
    data[-22 - 46 - 5 + 24 : -22 - 46 - 5 + 28] = len(array).to_bytes(4, "little")  # the size that the directory declares
    (tmp_path / "w.npz").write_bytes(data)
    tracemalloc.start()
    with pytest.raises(KernelError, match="is not a readable .npz file|holds more behind"):
        find(f"@{tmp_path / 'w.npz'}")
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_long_directories_are_refused_unread(tmp_path, monkeypatch):
    """Directories of many arrays are refused by their length, in both end records of an archive, before they are read."""
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        for i in range(20_000):
            archive.writestr(f"{i}.npy", b"")
    count = 20_000
    header = json.dumps({f"k{i}": {"dtype": "U8", "shape": [1, 1], "data_offsets": [i, i + 1]} for i in range(count)}).encode()
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(count))
    with zipfile.ZipFile(tmp_path / "large.npz", "w") as archive:
        archive.writestr("k.npy", npy(np.ones((3, 3))))
    assert find(f"@{tmp_path / 'large.npz'}").matrix == ((1,) * 3,) * 3
    data = (tmp_path / "large.npz").read_bytes()
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 2 << 20, len(data))
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(data) - 22, 1)
    (tmp_path / "large.npz").write_bytes(data[:-22] + record + locator + data[-22:])
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("was read"))
    monkeypatch.setattr(safetensors, "safe_open", lambda *_, **__: pytest.fail("was read"))
    for name in ("w.npz", "large.npz", "w.safetensors"):
        with pytest.raises(KernelError, match="holds too many arrays"):
            find(f"@{tmp_path / name}")


def test_sums_of_filters_beyond_the_limit_are_refused(tmp_path):
    """The sum of two filters, each within the limit, is checked too."""
    np.save(tmp_path / "w.npy", np.full((3, 3), 9e29))
    (tmp_path / "k.toml").write_text("[kernels.s]\nsum = ['@w.npy', '@w.npy']")
    with pytest.raises(KernelError, match="must be a finite number of at most 1e\\+30|at most 1e\\+30"):
        load_registry([ConfigLocation(tmp_path / "k.toml", ""), ConfigLocation(built_in_file(), "")])


def test_the_nearest_of_many_names_is_found(tmp_path):
    """Of more than 200 names, up to 200 with the same first letter and a similar length are compared."""
    names = [f"b{i}" for i in range(MAX_CANDIDATES)] + ["gaussian"]
    assert nearest("gausian", names) == "gaussian"
    assert nearest("qaussian", names) is None
    assert nearest("qaussian", names[1:]) == "gaussian"
    assert nearest("bgaussia", [f"b{i:06}" for i in range(MAX_CANDIDATES)] + ["bgaussian"]) is None


def test_a_file_that_cannot_be_read_is_read_once(tmp_path, monkeypatch):
    """The error is reported at each place that names the file; many such files exceed a limit."""
    read = []
    load = weight_files.load_weights
    monkeypatch.setattr(weight_files, "load_weights", lambda file: read.append(file) or load(file))
    (tmp_path / "bad.txt").write_text("1 2\n" * 1000 + "x")
    (tmp_path / "k.toml").write_text(f"[kernels.s]\nsum = {['@bad.txt'] * 50}")
    locations = [ConfigLocation(tmp_path / "k.toml", ""), ConfigLocation(built_in_file(), "")]
    with pytest.raises(KernelError) as caught:
        load_registry(locations)
    assert (len(caught.value.lines), len(read)) == (50, 1)
    names = [f"@{i}.txt" for i in range(50)]
    for name in names:
        (tmp_path / name[1:]).write_text("1 2\n" * 200_000 + "x")
    (tmp_path / "k.toml").write_text(f"[kernels.s]\nsum = {names}")
    with pytest.raises(KernelError, match="names more weights than may be read") as caught:
        load_registry(locations)
    assert 2 < len(caught.value.lines) < 10


def test_filters_that_are_computed_for_a_check_are_counted(tmp_path):
    """They count towards the same limit as generated kernels."""
    np.save(tmp_path / "w.npy", np.ones((500, 100, 7, 7), np.int8))
    (tmp_path / "k.toml").write_text("[banks.b]\nfile = 'w.npy'\nnormalize = 'l2'")
    with pytest.raises(KernelError, match="more weights to check than a file may"):
        load_registry([ConfigLocation(tmp_path / "k.toml", ""), ConfigLocation(built_in_file(), "")])


def test_the_largest_texts_are_within_the_limits(tmp_path):
    """There is a limit of characters, and one of the numbers of a kernel."""
    (tmp_path / "k.txt").write_text((("1-0 " * 1000)[:-1] + "\n") * 74)
    assert find(f"@{tmp_path / 'k.txt'}").shape == (74, 1000)
    (tmp_path / "k.txt").write_text((("1-0 " * 1000)[:-1] + "\n") * 100)
    with pytest.raises(KernelError, match="more than 300000 characters"):
        find(f"@{tmp_path / 'k.txt'}")


BAD_TEXTS = [
    ("k.txt", b"", "holds no numbers"),
    ("k.txt", b"1 2\n3", "line 2 has 1 numbers, line 1 has 2"),
    ("k.txt", b"1 2\n3 x", "line 2, column 2: 'x' is not a number"),
    ("k.txt", b"1,5 2,5", "line 1 has numbers separated by commas and by spaces; write a decimal point, not a comma"),
    ("k.txt", b"1 2; 3 4", "line 1 has semicolons, and commas or spaces too; write each row on a line of its own"),
    ("k.txt", b"1,5;2,5", "line 1 has semicolons, and commas or spaces too"),
    ("k.txt", b"1 nan", "line 1, column 2: 'nan' is not a number"),
    ("k.txt", b"\xff", "is not a readable .txt file"),
    ("k.txt", b"1\n" * 3000, "beyond the largest kernel, 1023 x 1023"),
    ("k.txt", b"1 " * 2000, "line 1 is beyond the largest kernel"),
    ("k.txt", b"1\n" * 1500, "has 1500 rows; the largest kernel side is 1023"),
    ("k.txt", (b"1/2 " * 1000 + b"\n") * 100, "more than 300000 characters in rows that are not plain decimal numbers"),
    ("k.txt", b"#" * (5 << 20), "is larger than the limit of 4194304 bytes for text"),
    ("k.mat", b"MATLAB 5.0 MAT-file", "is a MATLAB file"),
    ("k.mat", b"2\n1 2", "its first line must be WIDTH HEIGHT"),
    ("k.mat", b"3 1\n1 2", "promises 3 x 1 numbers, and 2 x 1 follow"),
    ("k.mat", b"2 1 0\n1 2", "divides by a scale of 0"),
]


@pytest.mark.parametrize(("name", "data", "message"), BAD_TEXTS)
def test_bad_texts_are_refused(tmp_path, name, data, message):
    """The error names the line."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(KernelError, match=message):
        find(f"@{tmp_path / name}")
    with pytest.raises(KernelError, match="leave out #key"):
        find(f"@{tmp_path / name}#key")


def test_files_that_are_no_archive_are_refused(tmp_path):
    """A text, and an archive without its end."""
    np.savez(tmp_path / "w.npz", k=np.ones((3, 3)))
    for data in (b"hi there this is not a zip", (tmp_path / "w.npz").read_bytes()[:-30]):
        (tmp_path / "w.npz").write_bytes(data)
        with pytest.raises(KernelError, match="is not a readable .npz file: File is not a zip file"):
            find(f"@{tmp_path / 'w.npz'}")


def test_a_second_array_in_a_file_is_refused(tmp_path):
    """numpy.save can append a second array to a file."""
    (tmp_path / "w.npy").write_bytes(2 * npy(np.ones((3, 3))))
    with pytest.raises(KernelError, match="holds more data after the array"):
        find(f"@{tmp_path / 'w.npy'}")


def test_large_kernels_are_released_after_use(tmp_path):
    """Each kernel is made when it is needed and then released; within one sum, a kernel is made once."""
    (tmp_path / "k.toml").write_text(
        "".join(f"[kernels.k{i}]\ngenerator = 'gaussian'\nsigma = 25\n" for i in range(8)) + f"[kernels.s]\nsum = {['k1'] * 9}"
    )
    registry = load_registry([ConfigLocation(tmp_path / "k.toml", ""), ConfigLocation(built_in_file(), "")])
    tracemalloc.start()
    for name in registry.files[0].entries:
        registry.find(name)
    current, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert current < 1e6
    assert peak < 6 * 32 * 201**2


def test_a_network_opens_its_archive_once_to_check_and_once_to_load(tmp_path, monkeypatch):
    """Not once for each of its arrays; and each network reads the file as it is then."""
    opened = []
    archive_of = zipfile.ZipFile

    def open_archive(*arguments, **options):
        opened.append(archive_of(*arguments, **options))
        return opened[-1]

    arrays = {f"w{i}": np.full((2, 2 if i else 1, 3, 3), float(i)) for i in range(4)}
    np.savez(tmp_path / "w.npz", **arrays)
    layers = ", ".join(f"{{ op = 'conv', file = 'w.npz', key = 'w{i}' }}" for i in range(4))
    (tmp_path / "kernels.toml").write_text(f"[networks.n]\ninput = {{ channels = 1 }}\nlayers = [{layers}]\n")
    registry = load_registry([ConfigLocation(tmp_path / "kernels.toml", "test")])
    monkeypatch.setattr(zipfile, "ZipFile", open_archive)
    loaded = LoadedNetwork(registry.network("n"))
    assert [array["weight"].max() for array in loaded.load().values()] == [0, 1, 2, 3]
    assert len(opened) == 2
    assert all(archive.fp is None for archive in opened)
    np.savez(tmp_path / "w.npz", **{key: array + 1 for key, array in arrays.items()})
    again = LoadedNetwork(registry.network("n"))
    assert [array["weight"].max() for array in again.load().values()] == [1, 2, 3, 4]
