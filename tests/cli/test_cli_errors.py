"""Errors of users: one clear line, the right exit status, nothing written."""

import os
import shutil
import subprocess
import sys

import pytest

WRONG_USAGE = [
    (["-k", "w.npz"], r"kernel 'w.npz' is unknown; 'convcli kernels list' shows all; weights in a file are given as '@w.npz'"),
    (["-k", "./w.npz"], r"nor @FILE; weights in a file are given as '@./w.npz'"),
    (["-k", "w.npz#k"], r"nor @FILE; weights in a file are given as '@w.npz#k'"),
    (["-k", "sobelx"], r"kernel 'sobelx' is unknown; 'convcli kernels list' shows all; did you mean 'sobel-x'?"),
    (["-k", "1 2; 3"], "matrix '1 2; 3': row 2 has 1 numbers, row 1 has 2"),
    (["-k", "1 x"], "matrix: row 1, column 2: 'x' is not a number"),
    (["-k", ""], "kernel is empty"),
    (["-k", "gaussian:sigma=-1"], "gaussian: sigma must be at least 0.01, got -1"),
    (["-k", "gaussian:sgima=1"], "gaussian: there is no parameter 'sgima'; it takes sigma, truncate; did you mean 'sigma'?"),
    (["-k", "gaussian:sigma=1e9"], "makes a kernel 8e+09 wide; the largest is 1023"),
    (["-k", "@none.npy"], "@none.npy: no such file"),
    (["--stride", "0"], "stride must be a whole number of at least 1, or ROWSxCOLUMNS such as 2x1, got '0'"),
    (["--stride", "2x"], "stride must be"),
    (["--stride", "1x2x3"], "stride must be"),
    (["--stride", "-1"], "stride must be"),
    (["--dilation", "1.5"], "dilation must be"),
    (["--padding", "some"], "padding must be one of valid, same, same-upper, same-lower, full"),
    (["--padding", "-1"], "padding must be"),
    (["--padding", "vald"], "got 'vald'; did you mean 'valid'?"),
    (["--border", "reflekt"], "got 'reflekt'; did you mean 'reflect'?"),
    (["--range", "strech"], "got 'strech'; did you mean 'stretch'?"),
    (["--border", "mirror"], "border mirror means reflect (d c b|a b c d|c b a) to SciPy and symmetric"),
    (["--border", "nan"], "border must be a number up to 1e+30 or one of"),
    (["--border", "1e400"], "border must be a number up to 1e+30 or one of"),
    (["--dilation", "60000"], "a kernel may cover at most 65535 pixels a side, got 120001 x 120001"),
    (["-k", "@" + "x" * 300 + ".npy"], "cannot be read: File name too long"),
    (["-k", "@."], "the file must end in .npy, .npz, .safetensors, .pt, .pth, .h5, .hdf5, .keras, .mat, .txt, .csv or .dat"),
    (["--border", "1e300"], "border must be a number up to 1e+30"),
    (["--stride", "99999999999999999999"], "stride must be at most 65535"),
    (["--padding", "99999999999"], "padding must be at most 65535"),
    (["--stride", "9" * 5000], "stride must be a whole number of at least 1"),
    (["--padding", "9" * 5000], "padding must be one of valid, same, same-upper, same-lower, full"),
    (["-k", "9" * 60000 + "x"], "is longer than 100 characters"),
    (["-k", "@a\nb.npy"], "no such file"),
    (["--padding", "1,2"], "padding must be one of valid, same, same-upper, same-lower, full"),
    (["--padding", "٣"], "padding must be one of valid, same, same-upper, same-lower, full"),
    (["--config", ""], "is not a regular file"),
    (
        ["--border", "none"],
        "border must be a number up to 1e+30 or one of edge, linear-ramp, reflect, symmetric, wrap, zero, got 'none'",
    ),
    (["--range", "loud"], "range must be one of auto, clip, abs, center, stretch, or LO..HI"),
    (["--range", "5..1"], "range LO..HI must rise from LO to HI"),
    (["--channels", "some"], "Invalid value for '--channels'"),
    (["--format", "ico"], "format 'ico' is unknown; there are png, jpeg"),
    (["--quality", "0"], "Invalid value for '--quality'"),
    (["--jobs", "0"], "Invalid value for '-j' / '--jobs'"),
    (["--strid", "2"], "No such option '--strid'"),
    (["--config", "none.toml"], "none.toml: cannot be read: No such file or directory"),
    (["-o", "out"], "has no suffix that gives the format"),
    (["-o", "out.ico"], "has the unknown suffix '.ico'"),
    (["-o", "{stme}.png"], "{stme} is unknown"),
    (["-o", "-"], "writing to standard output needs --format"),
    (["-k", "blur", "-k", "edge"], "png holds one feature map, and there are"),
    (["-k", "blur,sobel-x"], "give each kernel its own -k: -k blur -k sobel-x"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), WRONG_USAGE, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_wrong_usage_is_one_line_and_status_2(run, samples, tmp_path, monkeypatch, arguments, message):
    """The old output is unchanged."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out.png").write_bytes(b"old")
    line = ["apply", samples / "camera.png", *arguments]
    line += [] if "-k" in arguments else ["-k", "blur"]
    line += [] if "-o" in arguments else ["-o", "out.png"]
    result = run(*line)
    assert (result.status, result.out) == (2, "")
    assert len(result.lines) == 1, result.err
    assert result.err.startswith("Error: ")
    assert message in result.err
    assert (tmp_path / "out.png").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["apply", "x.png", "-o", "y.png"], "Missing option '-k' / '--kernel'"),
        (["apply", "x.png", "-k", "blur"], "Missing option '-o' / '--output'"),
        (["apply", "-k", "blur", "-o", "y.png"], "no input; name a picture, or - for standard input"),
        (["aply"], "no command 'aply'; did you mean 'apply'?"),
        (["frobnicate"], "no command 'frobnicate'; there are apply, at, slide, view, run"),
        (["kernels", "lst"], "no command 'lst'; did you mean 'list'?"),
        (["cache", "frobnicate"], "no command 'frobnicate'; there are clear, info, warm"),
        (["kernels", "show", "sobelx"], "did you mean 'sobel-x'?"),
        (["kernels", "list", "--config", "none.toml"], "cannot be read"),
        (
            ["kernels", "list", "extra"],
            "@extra: the file must end in .npy, .npz, .safetensors, .pt, .pth, .h5, .hdf5 or .keras",
        ),
        (["kernels", "list", "w.npz", "extra"], "unexpected extra argument"),
        (["--nothing"], "No such option '--nothing'"),
    ],
)
def test_wrong_usage_of_every_command_is_one_line(run, tmp_path, monkeypatch, line, message):
    """The error is one line, with status 2."""
    monkeypatch.chdir(tmp_path)
    result = run(*line)
    assert (result.status, len(result.lines)) == (2, 1), result.err
    assert message in result.err


def test_every_error_of_a_config_is_a_line(run, samples, tmp_path):
    """All errors are reported together, before a picture is read."""
    (tmp_path / "k.toml").write_text("[kernels.a]\nmatrix = [[1, 2], [3]]\n[kernels.b]\ngenerator = 'gausian'\n")
    result = run("apply", samples / "camera.png", "--config", tmp_path / "k.toml", "-k", "a", "-o", tmp_path / "x.png")
    assert (result.status, len(result.lines)) == (2, 2)
    assert f"Error: {tmp_path}/k.toml:2: kernels.a.matrix: row 2 has 1 numbers, row 1 has 2" == result.lines[0]


BAD_INPUTS = [
    ("none.png", None, "no such file"),
    ("empty.png", b"", "is empty"),
    ("text.png", b"hello", "is not a picture that can be read"),
    ("cut.png", "half", "is truncated or corrupt"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_INPUTS)
def test_bad_inputs_are_one_line_and_status_1(run, samples, tmp_path, name, content, message):
    """The old output is unchanged."""
    path, out = tmp_path / name, tmp_path / "out.png"
    out.write_bytes(b"old")
    if content is not None:
        data = (samples / "camera.png").read_bytes()
        path.write_bytes(data[: len(data) // 2] if content == "half" else content)
    result = run("apply", path, "-k", "blur", "-o", out)
    assert (result.status, len(result.lines)) == (1, 1), result.err
    assert result.err.startswith(f"Error: {path}: {message}")
    assert out.read_bytes() == b"old"


def test_a_kernel_that_does_not_fit_fails_its_picture_alone(run, samples, tmp_path):
    """The error gives the sizes; the other picture is processed."""
    arguments = ["-k", "average:size=401", "--padding", "valid", "-o", f"{tmp_path}/out/"]
    result = run("apply", samples / "horse.png", samples / "camera.png", *arguments)
    assert result.status == 1
    assert "horse.png: a kernel that covers 401 x 401 does not fit an image of 328 x 400" in result.err
    assert (tmp_path / "out" / "camera.png").exists()


def test_a_map_beyond_the_limit_fails_at_once(run, samples, tmp_path):
    """It fails before memory is allocated."""
    result = run("apply", samples / "camera.png", "-k", "blur", "--padding", "60000", "-o", tmp_path / "x.png")
    assert (result.status, len(result.lines)) == (1, 1), result.err
    assert "a map of 120510 x 120510 pixels is beyond the limit of 178956970; raise it with --max-pixels" in result.err


def test_an_empty_input_name_is_refused(run, tmp_path):
    """The error names it and a remedy."""
    assert run("apply", "", "-k", "blur", "-o", tmp_path / "x.png").lines == [
        "Error: an input has an empty name; name a picture, or - for standard input"
    ]


def test_an_impossible_output_path_is_refused(run, samples, tmp_path):
    """The path goes through a file."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "x.png").mkdir()
    result = run("apply", samples / "camera.png", "-k", "blur", "-o", tmp_path / "file" / "x.png")
    assert (result.status, len(result.lines)) == (2, 1), result.err
    assert "is a file, or lies below one" in result.err


def test_file_permissions_are_reported(samples, tmp_path):
    """An unreadable file, an unwritable folder, and a write-protected output give one line each."""
    prefix = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.geteuid() == 0 else []
    if prefix and shutil.which("setpriv") is None:
        pytest.skip("root passes permission bits, and setpriv, which takes that right away, is not installed")
    (tmp_path / "a.png").write_bytes((samples / "camera.png").read_bytes())
    (tmp_path / "a.png").chmod(0)
    (tmp_path / "locked").mkdir(mode=0o500)
    (tmp_path / "kept.png").write_bytes(b"old")
    (tmp_path / "kept.png").chmod(0o444)
    for source, output, reason in [
        (tmp_path / "a.png", tmp_path / "b.png", "a.png: cannot be read: Permission denied"),
        (samples / "camera.png", tmp_path / "locked" / "b.png", "b.png: cannot be written: Permission denied"),
        (samples / "camera.png", tmp_path / "kept.png", "kept.png: cannot be written: it is write-protected"),
    ]:
        command = [*prefix, sys.executable, "-m", "convcli", "apply", source, "-k", "blur", "-q", "-o", output]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (result.returncode, len(result.stderr.splitlines())) == (1, 1), result.stderr
        assert result.stderr.rstrip().endswith(reason)
    assert (tmp_path / "kept.png").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["channels", "compression", "light", "missing"])
def test_a_variable_is_named_only_where_the_wrong_value_comes_from_it(run, samples, monkeypatch, name):
    """In the message about a choice."""
    arguments = ["apply", samples / "camera.png", "-k", "blur", "-o", "x.tif"]
    result = run(*arguments, f"--{name}", "wrong")
    assert (result.status, f"Invalid value for '--{name}': 'wrong' is not one of" in result.err) == (2, True)
    monkeypatch.setenv(f"CONVCLI_{name.upper()}", "wrong")
    result = run(*arguments)
    assert (result.status, f"'--{name}' (env var: 'CONVCLI_{name.upper()}'): 'wrong'" in result.err) == (2, True)
