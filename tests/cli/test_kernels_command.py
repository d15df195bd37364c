"""convcli kernels list and show, and shell completion."""

import json

import pytest


def test_kernels_list_is_a_table_and_json(run):
    """In a pipe, one line per kernel; JSON contains the same kernels."""
    table, rows = run("kernels", "list"), json.loads(run("kernels", "list", "--json").out)
    assert len(table.out.splitlines()) == len(rows) + 1
    assert {row["name"] for row in rows} == {line.split()[0] for line in table.out.splitlines()[1:]}
    gaussian = next(row for row in rows if row["name"] == "gaussian")
    assert gaussian["size"] == [9, 9]
    assert gaussian["sum"] == pytest.approx(1)
    assert gaussian["parameters"] == {"sigma": 1, "truncate": 4}
    assert next(row for row in rows if row["name"] == "sobel")["members"] == ["sobel-x", "sobel-y"]


def test_kernels_show_prints_the_weights(run):
    """The weights, the sums, and whether the kernel is separable."""
    text = run("kernels", "show", "sharpen").out
    assert [line.split() for line in text.splitlines()[3:6]] == [["0", "-1", "0"], ["-1", "5", "-1"], ["0", "-1", "0"]]
    assert "sum 1, absolute sum 9, not separable (rank 2)" in text
    assert "separable" in run("kernels", "show", "sobel-x").out
    assert "merged by l2" in run("kernels", "show", "sobel").out
    shown = json.loads(run("kernels", "show", "sobel-x@90", "--json").out)
    assert shown["kernels"][0]["matrix"] == [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]
    assert shown["kernels"][0]["absolute_sum"] == 8
    assert "\x1b" not in text


def test_kernels_show_draws_colours_on_a_terminal(shell):
    """Backgrounds by value, when FORCE_COLOR is set."""
    result = shell("kernels", "show", "sobel-x", env={"FORCE_COLOR": "1", "COLORTERM": "truecolor", "TERM": "xterm-256color"})
    assert b"\x1b[30;48;2" in result.stdout or b"48;2;255" in result.stdout


@pytest.mark.parametrize(("line", "name"), [("convcli apply -k sobel-", "sobel-x"), ("convcli kernels show gau", "gaussian"),
                                               ("convcli apply --border ci", "circular"), ("convcli ap", "apply"),
                                               ("convcli apply --range st", "stretch")])  # fmt: skip
def test_names_are_completed(shell, line, name):
    """Names of kernels, values of options, and commands."""
    arguments = line.split()
    env = {"_CONVCLI_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(arguments) - 1)}
    result = shell(env=env)
    assert f"plain,{name}".encode() in result.stdout


def test_names_are_completed_with_a_broken_config(shell, tmp_path):
    """A file with an error offers its names, an invalid TOML file none; other names are still offered."""
    (tmp_path / "a.toml").write_text("[kernels.sobel-mine]\nmatrix = [[1]]\n[kernels.b]\nfile = 'none.npy'\n")
    (tmp_path / "b.toml").write_text("[")
    line = f"convcli apply --config {tmp_path}/a.toml --config {tmp_path}/b.toml -k sobel-"
    result = shell(env={"_CONVCLI_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": "7"})
    assert set(result.stdout.split()) >= {b"plain,sobel-mine", b"plain,sobel-x"}
    assert result.stderr == b""
