"""The syntax of the text after -k."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcli.config.load import load_registry
from convcli.errors import KernelError
from convcli.kernels.expressions import parse_number
from convcli.kernels.kernel import Bank, Kernel
from convcli.kernels.syntax import Inline, Reference, parse_kernel
from convcli.kernels.weights import WeightsFile

GOOD = [
    ("sharpen", Reference("sharpen")),
    (" sharpen ", Reference("sharpen")),
    ("gaussian:sigma=2", Reference("gaussian", (("sigma", 2.0),))),
    ("gabor:theta=45, wavelength=6@90", Reference("gabor", (("theta", 45.0), ("wavelength", 6.0)), 90)),
    ("sobel-x@270", Reference("sobel-x", (), 270)),
    ("0 -1 0; -1 5 -1; 0 -1 0", Inline(((0.0, -1.0, 0.0), (-1.0, 5.0, -1.0), (0.0, -1.0, 0.0)))),
    ("0,-1,0\n-1,5,-1\n0,-1,0", Inline(((0.0, -1.0, 0.0), (-1.0, 5.0, -1.0), (0.0, -1.0, 0.0)))),
    ("gaussian:sigma=2:truncate=3", Reference("gaussian", (("sigma", 2.0), ("truncate", 3.0)))),
    ("gaussian:sigma=2x1/2@90", Reference("gaussian", (("sigma", (2.0, 0.5)),), 90)),
    ("average:size=3 X 7", Reference("average", (("size", (3.0, 7.0)),))),
    ("sobel-x:divisor=8,offset=128@90", Reference("sobel-x", (), 90, 8.0, 128.0)),
    ("gaussian:sigma=2:offset=-1", Reference("gaussian", (("sigma", 2.0),), 0, 1.0, -1.0)),
    ("-1 0 1:divisor=2:offset=128", Inline(((-0.5, 0.0, 0.5),), 128.0)),
    ("1 2; 3 4 : divisor = 1/2", Inline(((2.0, 4.0), (6.0, 8.0)))),
    ("2x2: 1,2 3,4:offset=5", Inline(((1.0, 2.0), (3.0, 4.0)), 5.0)),
    ("[[1, 2]]:divisor=4,offset=5", Inline(((0.25, 0.5),), 5.0)),
    ("1/4 1/2 1/4;", Inline(((0.25, 0.5, 0.25),))),
    ("-1", Inline(((-1.0,),))),
    ("1e-3 .5 +2.", Inline(((0.001, 0.5, 2.0),))),
    ("@a b.npy", WeightsFile(Path("a b.npy"))),
    ("@dir/w.npz#conv1.weight", WeightsFile(Path("dir/w.npz"), "conv1.weight")),
]


@pytest.mark.parametrize(("text", "value"), GOOD)
def test_valid_texts_are_parsed(text, value):
    """Each form of the grammar gives its value."""
    assert parse_kernel(text) == value


BAD = [
    ("", "kernel is empty"),
    (" ; ", "kernel is empty"),
    ("1 2; 3", "matrix '1 2; 3': row 2 has 1 numbers, row 1 has 2"),
    ("1 2;; 3 4", "row 2 has 0 numbers, row 1 has 2"),
    ("1 a; 3 4", "matrix: row 1, column 2: 'a' is not a number"),
    ("1 2; 3 0x4", "matrix: row 2, column 2: '0x4' is not a number"),
    ("1 nan", "'nan' is not a number"),
    ("1 inf", "'inf' is not a number"),
    ("1 1e400", "'1e400' is beyond 1e.30"),
    ("1 1/0", "'1/0' divides by 0"),
    ("1_000", "'1_000' is not a number"),
    ("١", "is neither a name|is not a number"),
    ("sharp en", "kernel 'sharp en' is neither a name, a matrix such as"),
    ("gaussian:", "must be written NAME=NUMBER"),
    ("gaussian:2", "parameters of gaussian must be written NAME=NUMBER, such as gaussian:sigma=2, got '2'"),
    ("gaussian:sigma=", "parameter sigma of gaussian: '' is not a number"),
    ("gaussian:sigma=two", "parameter sigma of gaussian: 'two' is not a number"),
    ("gaussian:sigma=1,sigma=2", "parameter 'sigma' of gaussian is given twice"),
    ("gaussian:sigma=2x", "parameter sigma of gaussian: '2x' is not a number"),
    ("gaussian:sigma=2x1x1", "parameter sigma of gaussian: '2x1x1' is not a number"),
    ("gabor:theta=1x2", "parameter theta of gabor: '1x2' is not a number"),
    ("Gaussian:0x2", "parameters of Gaussian must be written NAME=NUMBER, such as gaussian:sigma=2, got '0x2'"),
    ("Disk:4.3", "such as disk:radius=2, got '4.3'"),
    ("Laplacian:3", r"got '3'; did you mean 'laplacian', 'laplacian-8' or 'log:sigma=1.4'\?"),
    ("sobel-x:divisor=0", "divisor of sobel-x must not be 0"),
    ("sobel-x:divisor=1e-40", "divisor of sobel-x must be at least 1e-30, got 1e-40"),
    ("sobel-x:offset=1x2", "divisor and offset of sobel-x must be one number each, got 1 and 1x2"),
    ("1 2:divisor=0", "divisor of a matrix must not be 0"),
    ("1 2:divisor=x", "parameter divisor of a matrix: 'x' is not a number"),
    ("1 2:divisor=1,2", "parameters of a matrix must be written NAME=NUMBER, such as divisor=16, got '2'"),
    ("1 2:ofset=3", r"matrix '1 2': takes divisor and offset, not ofset; did you mean 'offset'\?"),
    ("1 2:divisor", "matrix: row 1, column 2: '2:divisor' is not a number"),
    ("sobel-x@45", "can be turned by 90, 180 or 270 degrees, not by '45'"),
    ("sobel-x@", "not by ''"),
    ("@", "@ must be followed by the name of a file"),
    ("@#key", "@ must be followed by the name of a file"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_invalid_texts_are_refused(text, message):
    """The error names the place, the rule and the value."""
    with pytest.raises(KernelError, match=message):
        parse_kernel(text)


@given(st.text(max_size=30))
def test_any_text_is_a_kernel_or_a_kernel_error(text):
    """Neither the grammar nor the registry raises anything else."""
    if text.strip().startswith("@"):
        return
    with contextlib.suppress(KernelError):
        assert isinstance(load_registry().find(text), Kernel | Bank)


@given(st.fractions(-(10**20), 10**20, max_denominator=1000))
def test_fractions_are_exact(value):
    """a/b is the double nearest to the quotient of two integers."""
    assert parse_number(f"{value.numerator}/{value.denominator}") == value.numerator / value.denominator


SOBEL = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))


@pytest.mark.parametrize(("text", "matrix"), [
    ("3x3: -1,0,1 -2,0,2 -1,0,1", SOBEL),
    ("3X3: -1,0,1 -2,0,2 -1,0,1", SOBEL),
    ("3: -1,0,1,-2,0,2,-1,0,1", SOBEL),
    ("3x3:-1 0 1;-2 0 2;-1 0 1", SOBEL),
    ("2x3: 1,2 3,4 5,6", ((1, 2), (3, 4), (5, 6))),  # width x height
    ("9x1: 1 2 3 4 5 6 7 8 9", ((1, 2, 3, 4, 5, 6, 7, 8, 9),)),
    ("2x2: nan,1/2 -,-1", ((0, 0.5), (0, -1))),
    ("[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]", SOBEL),
    ("[[-1  0  1]\n [-2  0  2]\n [-1  0  1]]", SOBEL),  # as NumPy prints it
    ("[[1, 2, 3, 4]]", ((1, 2, 3, 4),)),
    ("[1, 2, 3]", ((1, 2, 3),)),
    ("1 2 3 4;", ((1, 2, 3, 4),)),
    ("-1,0,1", ((-1, 0, 1),)),
])  # fmt: skip
def test_matrix_notations_of_other_systems_are_accepted(text, matrix):
    """The notations of ImageMagick, JSON and NumPy."""
    assert parse_kernel(text).matrix == matrix


@pytest.mark.parametrize(("text", "message"), [
    ("-1,0,1,-2,0,2,-1,0,1", "9 numbers in a row are as many as 3 x 3 has; write ; between the rows, or '3x3:'"),
    ("[1,2,3,4]", "matrix '1,2,3,4': 4 numbers in a row are as many as 2 x 2 has; .* or '4x1:' for one row"),
    (" ".join("1" * 81), r"matrix '1 1 1 .*\.\.\.': 81 numbers in a row are as many as 9 x 9 has"),
    ("3x3+1+1: 0,0,0 0,1,0 0,0,0", "takes sizes and numbers, not an origin; in a config file that is anchor"),
    ("3x3@: 0,0,0 0,1,0 0,0,0", "takes sizes and numbers, not a kernel that it turns"),
    ("3x3: 1,2", "matrix '3x3: 1,2': 3 x 3 has 9 numbers, and 2 follow"),
    ("3x3:", "3 x 3 has 9 numbers, and 0 follow"),
    ("0x0:", "sides must be at least 1, got 0 x 0"),
    (";1 2", "row 2 has 2 numbers, row 1 has 0"),
    ("@w.npz#k:layout=", "layout must name each axis once, by o, i, h and w, such as oihw or hwio, got ''"),
    ("@w.npz#k:lay=hwio", "may have layout=AXES and index=N after its name"),
    ("[[1,2],[3]]", "row 2 has 1 numbers, row 1 has 2"),
    ("[[[1]]]", r"must be rows in brackets, such as \[\[0, 1, 0\]"),
    ("[[1,2", "must be rows in brackets"),
    ("[", "must be rows in brackets"),
    ("[]", "kernel is empty"),
    ("[[1,2]]x", "must be rows in brackets"),
    ("gabor:theta=pi/4", "parameter theta of gabor: 'pi/4' is in radians, and must be in degrees; write 45"),
    ("gabor:psi=-pi/2", "'-pi/2' is in radians, and must be in degrees; write -90"),
    ("motion:angle=pi", "write 180"),
    ("gabor:theta=180/pi", "'180/pi' is in radians, and must be in degrees$"),
])  # fmt: skip
def test_ambiguous_texts_are_refused(text, message):
    """Nine numbers in a row would be 1 x 9, and pi / 4 less than a degree."""
    with pytest.raises(KernelError, match=message):
        parse_kernel(text)


def test_long_texts_give_a_short_error():
    """The error quotes the beginning only."""
    with pytest.raises(KernelError, match="must be rows in brackets") as caught:
        parse_kernel("[" * 100_000)
    assert len(str(caught.value)) < 200
