"""kernels.toml files of a user."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convcli.errors import KernelError
from convcli.kernels.catalogue import load_catalogue

GOOD = """
[kernels.mine]
about = "a matrix"
matrix = [[1, 2], [3, 4.5]]
divisor = 2
[kernels.line]
column = [1]
row = [-1, 0, 1]
[kernels.soft]
generator = "gaussian"
sigma = 2
[kernels.sharpen]
matrix = [[7]]
[banks.both]
kernels = ["mine", "sobel-x@90", "soft:truncate=2", "frei-chen-basis"]
[banks.strength]
kernels = ["sobel-x", "0 1; -1 0"]
merge = "max"
"""


def write(folder, text):
    """A config file with this text."""
    path = folder / "kernels.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_users_file(tmp_path):
    """Matrices, products, generators and banks; a name of the user's hides a built-in one."""
    catalogue = load_catalogue(write(tmp_path, GOOD))
    assert_array_equal(catalogue.find("mine").weights, [[0.5, 1], [1.5, 2.25]])
    assert_array_equal(catalogue.find("line").weights, [[-1, 0, 1]])
    assert catalogue.find("soft").shape == (17, 17)
    assert catalogue.find("soft:sigma=1").shape == (9, 9)
    assert_array_equal(catalogue.find("sharpen").weights, [[7]])
    assert len(catalogue.find("both").kernels) == 12
    assert catalogue.find("strength").merge == "max"
    assert catalogue.find("blur").sum == 1


def test_a_byte_order_mark_is_accepted(tmp_path):
    """Windows editors write it."""
    assert load_catalogue(write(tmp_path, b"\xef\xbb\xbf" + GOOD.encode())).find("mine").shape == (2, 2)


BAD = [
    ("[kernels.k]\nmatrix = [[1, 2], [3]]", r"\[kernels.k\] row 2 has 1 numbers, row 1 has 2"),
    ("[kernels.k]\nmatrix = [[1, '2']]", r"\[kernels.k\] row 1, column 2 must be a number, got '2'"),
    ("[kernels.k]\nmatrix = [[1, true]]", "row 1, column 2 must be a number, got True"),
    ("[kernels.k]\nmatrix = [[1, nan]]", "must be a finite number"),
    ("[kernels.k]\nmatrix = [[1, 1e400]]", "must be a finite number"),
    (f"[kernels.k]\nmatrix = [[{'9' * 400}]]", "must be a finite number of at most 1e.30, got one of 1329 bits"),
    ("[kernels.k]\nmatrix = [[1, -1]]\ndivisor = 1e-320", "kernel 'k' must hold finite numbers of at most 1e.30"),
    ("[kernels.k]\ncolumn = [1e30]\nrow = [1e30]", "kernel 'k' must hold finite numbers"),
    (f"[kernels.k]\nmatrix = [[0x{'f' * 6000}]]", "must be a finite number of at most 1e.30, got one of 24000 bits"),
    ("[kernels.k]\nmatrix = []", "matrix must be a list of rows"),
    ("[kernels.k]\nmatrix = [[]]", "row 1 must be a list of numbers"),
    ("[kernels.k]\nmatrix = 3", "matrix must be a list of rows"),
    ("[kernels.k]\nmatrix = [[1]]\ndivisor = 0", "divisor must not be 0"),
    ("[kernels.k]\nmatrix = [[1]]\ndivsor = 2", r"unknown key 'divsor'; .*; did you mean 'divisor'\?"),
    ("[kernels.k]\nabout = 'x'", "must have one of matrix, generator, or column with row; found none of them"),
    ("[kernels.k]\nmatrix = [[1]]\ngenerator = 'disk'", "found matrix and generator"),
    ("[kernels.k]\ncolumn = [1]", "row must be a list of numbers"),
    ("[kernels.k]\ngenerator = 'gausian'", r"generator 'gausian' is unknown; did you mean 'gaussian'\?"),
    ("[kernels.k]\ngenerator = ['x']", "is unknown"),
    ("[kernels.k]\ngenerator = 'gaussian'\nsgima = 2", "k has no parameter 'sgima'"),
    ("[kernels.k]\ngenerator = 'gaussian'\nsigma = 1e9", "makes a kernel"),
    ("[kernels.k]\ngenerator = 'gaussian'\nsigma = 'two'", "sigma must be a number"),
    ("[kernels.k]\nmatrix = [[1]]\nabout = 3", "about and source must be text"),
    ("[kernels.'../evil']\nmatrix = [[1]]", "must have a name of letters"),
    ("kernels = 3", "must be a table"),
    ("[kernels]\nk = 3", "must be a table"),
    ("[kernel.k]\nmatrix = [[1]]", r"unknown table \[kernel\]; .*did you mean 'kernels'"),
    ("[banks.b]\nkernels = []", "kernels must be a list of kernel names"),
    ("[banks.b]\nkernels = ['no-such']", "bank 'b': kernel 'no-such' is unknown"),
    ("[banks.b]\nkernels = ['b']", "bank 'b' holds itself: b > b"),
    ("[banks.b]\nkernels = ['sobel']", "'sobel' is merged into one map"),
    ("[banks.b]\nkernels = ['blur']\nmerge = 'median'", "merge must be one of l2, max, mean, sum, got 'median'"),
    ("[kernels.k]\nmatrix = [[1]]\n[banks.k]\nkernels = ['blur']", "has the name of a kernel"),
    ("[kernels.k]\nmatrix = 1 2", r"is not valid TOML: .*line 2"),
    ("[kernels.k]\n[kernels.k]", "is not valid TOML"),
    (b"\xff\xfe[\x00", "is not valid TOML"),
    ("a = " + "[" * 600, "is not valid TOML"),
    ("a = " + "9" * 5000, "is not valid TOML"),
    ("#" * (1 << 21), "is larger than 1 MiB"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_faults_are_named(tmp_path, text, message):
    """The file, the table, the key, the rule and the value."""
    path = write(tmp_path, text)
    with pytest.raises(KernelError, match=message) as caught:
        load_catalogue(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_all_faults_of_a_file_at_once(tmp_path):
    """A line each."""
    path = write(tmp_path, "[kernels.a]\nmatrix = 1\n[kernels.b]\ngenerator = 'x'\n[other.c]\n")
    with pytest.raises(KernelError) as caught:
        load_catalogue(path)
    assert len(str(caught.value).splitlines()) == 3


def test_missing_file(tmp_path):
    """The reason is the system's."""
    with pytest.raises(KernelError, match="cannot be read: No such file"):
        load_catalogue(tmp_path / "none.toml")


def test_an_empty_file_is_no_fault(tmp_path):
    """The built-in kernels still work."""
    assert np.isclose(load_catalogue(write(tmp_path, "")).find("blur").sum, 1)
