"""Documentation that is tested: help texts, the README, the manual and their commands."""

import hashlib
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest

import convcli
from convcli import filter2d
from convcli.cli.help import TOPICS, read_topic
from convcli.cli.main import convcli as command_line
from convcli.cli.options import SECTIONS
from convcli.config.load import load_kernels, load_registry
from convcli.config.search_path import ConfigLocation, built_in_file
from convcli.geometry.borders import MODES
from convcli.networks.analysis import analyse
from convcli.networks.op_registry import OPS
from examples import make_files

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
MANUAL = {topic: read_topic(topic) for topic in TOPICS}


def blocks_of(text):
    """The language and the body of each code block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


BLOCKS = blocks_of(README)
DRAWN = {
    name: line
    for text in (README, *MANUAL.values())
    for line, name in re.findall(r"`(convcli [^`]* -o (samples/[^`]*))`", text)
}
"""The commands that draw the pictures of the README and of the manual, by the names of these."""


def commands(command=command_line, name="convcli"):
    """Yield every command with its full name."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for sub in command.list_commands(context):
            yield from commands(command.get_command(context, sub), f"{name} {sub}")


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_has_help_that_starts_with_an_example(name, command):
    """The example is a call of that command, and every option has a help text."""
    lines = [line.strip() for line in command.help.splitlines() if line.strip() not in ("", "\b")]
    assert lines[0].startswith("convcli ")
    if not isinstance(command, click.Group):
        assert lines[0].startswith(name)
    for option in (p for p in command.params if isinstance(p, click.Option)):
        assert option.help, option.name


def test_the_first_screen_has_two_commands():
    """One command installs and filters, the other installs and tests."""
    first, second = [body.strip() for kind, body in BLOCKS if kind == "sh"][:2]
    assert "\n" not in first
    assert "\n" not in second
    assert first.startswith("python -m pip install . && convcli apply samples/astronaut.png ")
    assert second == "python -m pip install -e '.[dev]' && python -m pytest"
    assert README.index("samples/sobel-x.jpg") < README.index(first)
    assert README[: README.index(second)].count("\n") < 30


def test_ci_reads_the_commands_from_the_readme():
    """The script contains neither of them."""
    script = (ROOT / ".ci" / "run").read_text()
    assert "README.md" in script
    assert "pytest" not in script
    assert "convcli apply" not in script


def examples():
    """Every line of the README and the manual that calls convcli, except the installation."""
    lines = {}
    for text in (README, *MANUAL.values()):
        for kind, body in blocks_of(text):
            lines |= {
                line: None for line in body.splitlines() if kind == "sh" and "convcli " in line and "pip install" not in line
            }
    return list(lines)


@pytest.mark.parametrize("line", examples())
def test_every_example_of_the_readme_and_the_manual_runs(line, samples, tmp_path):
    """As written, by a shell, on real pictures."""
    make_files(line, tmp_path, samples)
    before = sum(path.is_file() for path in tmp_path.rglob("*"))
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["bash", "-euo", "pipefail", "-c", line]
    result = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, timeout=120, check=False, text=True)
    assert result.returncode == 0, result.stderr
    assert "Error" not in result.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    # The second of eight shards of two pictures may be empty; --in-place makes no new file.
    assert len(files) > before or result.stdout or "--shard" in line or "--in-place" in line


def test_the_tour_runs_in_order(samples, tmp_path):
    """In one folder, where each command finds the outputs of those before it."""
    (tmp_path / "photos").mkdir()
    for name in ("photo.jpg", "photos/a.jpg"):
        with PIL.Image.open(samples / "rocket.jpg") as picture:
            picture.resize((64, 48)).save(tmp_path / name)
    shutil.copytree(samples / "digits", tmp_path / "samples" / "digits")
    tour = [body for kind, body in BLOCKS if kind == "sh"][2]
    assert tour.count("\n") == 15
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", tour], cwd=tmp_path, env=env, capture_output=True, check=False, text=True
    )
    assert (result.returncode, "Error" in result.stderr) == (0, False), result.stderr


def test_the_topics_are_described_as_in_the_readme():
    """``convcli help`` lists the table of the README."""
    rows = re.findall(r"^\| \[(\w+)\]\(convcli/manual/\1\.md\) \| (.*) \|$", README, re.MULTILINE)
    assert [(topic, about.replace("`", "")) for topic, about in rows] == list(TOPICS.items())


@pytest.mark.parametrize("text", [README, MANUAL["python"]], ids=["README", "python"])
def test_the_python_example_runs(text):
    """The results have the shapes of its comments."""
    body = "\n".join(body for kind, body in blocks_of(text) if kind == "python")
    names = {}
    exec(compile(body, "README.md", "exec"), names)
    assert names["soft"].shape == (480, 640, 3)
    assert names["one_map"].shape == (240, 320)
    assert names["maps"].shape == (4, 480, 640)


def test_the_config_example_of_the_manual_is_read(tmp_path):
    """By the parser of config files."""
    first, second = [body for kind, body in blocks_of(MANUAL["config"]) if kind == "toml"]
    (tmp_path / "k.toml").write_text(first)
    load_registry([ConfigLocation(tmp_path / "k.toml", ""), ConfigLocation(built_in_file(), "")])  # needs no weights file
    (tmp_path / "k.toml").write_text(first + second)
    np.savez(tmp_path / "weights.npz", **{"conv1.weight": np.arange(16 * 25).reshape(16, 1, 5, 5)})
    registry = load_registry([ConfigLocation(tmp_path / "k.toml", ""), ConfigLocation(built_in_file(), "")])
    assert registry.find("mine-both").kernels[0].sum == 1
    assert registry.find("seventh").matrix[0][0] == 7 * 25


def test_the_network_of_the_manual_is_read(tmp_path):
    """Its layers fit together; the manual names all operations and their keys."""
    body, block, _ = [body for kind, body in blocks_of(MANUAL["networks"]) if kind == "toml"]
    (tmp_path / "k.toml").write_text(body)
    np.savez(tmp_path / "weights.npz", **{"conv1.weight": np.zeros((4, 3, 5, 5)), "conv1.bias": np.zeros(4)})
    network = load_registry([ConfigLocation(tmp_path / "k.toml", ""), ConfigLocation(built_in_file(), "")]).network("mine")
    assert [row.output_shape for row in analyse(network, (3, 64, 64))][-1] == (10, 15, 15)
    (tmp_path / "k.toml").write_text(block)
    network = load_registry([ConfigLocation(tmp_path / "k.toml", ""), ConfigLocation(built_in_file(), "")]).network("block")
    assert [row.output_shape for row in analyse(network, (64, 56, 56))][-1] == (64, 56, 56)
    named = set(re.findall(r"`([a-z-]+)`", MANUAL["networks"]))
    assert set(OPS) | {key for op in OPS.values() for key in op.keys} <= named


def test_the_summary_in_the_manual_is_the_output(run):
    """Character for character."""
    assert f"```\n{run('summary', 'lenet-5').out}```" in MANUAL["networks"]


def test_the_manual_names_every_function():
    """The public functions on arrays are in the topic on Python."""
    names = {name for module, names in convcli.PUBLIC.items() if module.startswith("ops.") for name in names}
    assert names <= set(re.findall(r"\b(?:convcli\.)?(\w+)\b", MANUAL["python"]))


def test_the_manual_names_every_kernel():
    """Members of a family need not be named one by one."""
    named = set(re.findall(r"`([a-z0-9-]+)`", MANUAL["kernels"]))
    for kernel in load_kernels().values():
        family = re.sub(r"-(n|ne|e|se|s|sw|w|nw|\d)$", "", kernel.name)
        assert kernel.name in named or family in ("kirsch", "robinson", "frei-chen"), kernel.name


def test_the_help_and_the_manual_draw_every_border():
    """With its drawing."""
    (option,) = (param for param in dict(commands())["convcli apply"].params if param.name == "border")
    for mode in MODES:
        assert mode.is_constant or f"{mode.name} ({mode.picture})" in option.help
        row = next(line for line in MANUAL["apply"].splitlines() if line.startswith(f"| `{mode.name}`"))
        assert mode.picture.replace("|", " \\| ") in row
        assert mode.name in filter2d.__doc__


def test_the_readme_and_contributing_name_only_files_that_exist():
    """In links and in code paths."""
    for text in (README, (ROOT / "CONTRIBUTING.md").read_text(), *MANUAL.values()):
        for path in re.findall(r"\]\(([^)#:]+)\)|`((?:convcli|tests|samples)/[\w/.]+)`", text):
            name = path[0] or path[1]
            assert (ROOT / name).exists() or (ROOT / "convcli" / "manual" / name).exists(), name


def test_samples_have_the_checksums_of_their_licences():
    """Each picture that is a copy has a line with its checksum."""
    text = (ROOT / "samples" / "LICENSES.md").read_text()
    sums = dict(re.findall(r"`([\w.-]+)` \|.*\| ([0-9a-f]{64}) \|", text))
    for path in (ROOT / "samples").iterdir():
        if f"samples/{path.name}" in DRAWN:
            assert path.name in text
        elif path.suffix not in (".md", ".ipynb", ""):  # digits is a folder of drawings
            assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[path.name]


def frames_of(path):
    """The pixels (H, W, 3) of the frames of a picture."""
    with PIL.Image.open(path) as picture:
        return [np.asarray(frame.convert("RGB")) for frame in PIL.ImageSequence.Iterator(picture)]


@pytest.mark.parametrize("name", DRAWN)
def test_pictures_are_drawn_by_the_commands_beside_them(run, tmp_path, monkeypatch, name):
    """The pictures in the README and in the manual equal those that their commands draw today; JPEG almost."""
    monkeypatch.chdir(ROOT)
    drawn = tmp_path / Path(name).name
    run(*shlex.split(DRAWN[name])[1:-1], drawn)
    frames = zip(frames_of(ROOT / name), frames_of(drawn), strict=True)
    for expected, found in frames:
        difference = np.abs(expected.astype(int) - found)
        assert difference.mean() < (0.5 if drawn.suffix == ".jpg" else 1e-9)


@pytest.mark.parametrize("name", ["apply", "run", "at", "slide", "summary", "view"])
def test_help_lists_every_option_under_a_heading(run, name):
    """Each option is listed once, under the heading of its section."""
    command = importlib.import_module(f"convcli.cli.{name}").command
    listed = [option for names in SECTIONS.values() for option in names.split()]
    assert len(set(listed)) == len(listed)
    context = click.Context(command, info_name=name)
    params = [param for param in command.get_params(context) if isinstance(param, click.Option)]
    assert {param.opts[-1] for param in params} <= set(listed)
    text = run(name, "--help").out
    headings = re.findall(r"^(\w+):", text, flags=re.MULTILINE)
    assert headings[1:] == [heading for heading in SECTIONS if heading in headings]
    for param in params:
        assert len(re.findall(rf"^  (?:-\w, )?{param.opts[-1]}\b", text, flags=re.MULTILINE)) == 1, param.name


def test_the_readme_is_one_page_and_links_to_the_manual():
    """It links to all topics, and every file of the manual is a topic."""
    assert README.count("\n") <= 160
    linked = re.findall(r"\]\(convcli/manual/(\w+)\.md\)", README)
    assert linked == list(TOPICS)
    assert sorted(TOPICS) == sorted(path.stem for path in (ROOT / "convcli" / "manual").iterdir())


def test_help_shows_topics(run, shell):
    """Plain Markdown in a pipe; an unknown topic gives one line."""
    _, *listed = run("help").out.splitlines()
    assert [line.split()[0] for line in listed] == list(TOPICS)
    assert run("help", "networks").out == MANUAL["networks"]
    assert shell("help", "apply").stdout.decode() == MANUAL["apply"]
    result = run("help", "network")
    assert (result.status, result.err.count("\n")) == (2, 1)
    assert "topic 'network' is unknown; there are apply, kernels, " in result.err
    assert "did you mean 'networks'?" in result.err
