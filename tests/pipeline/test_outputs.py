"""The output file of each feature map."""

import os

import pytest

from convcli.config.load import load_registry
from convcli.errors import ArgumentError
from convcli.images.formats import format_named
from convcli.pipeline.apply_request import ApplyRequest
from convcli.pipeline.inputs import Search, find_inputs
from convcli.pipeline.outputs import make_tasks
from convcli.range_rules import parse_range

REGISTRY = load_registry()


def outputs(inputs, output, kernels=("blur",), **options):
    """(path, maps) of every target."""
    found_inputs = find_inputs(inputs, Search(recursive=True))
    request = ApplyRequest(inputs=tuple(found_inputs), maps=tuple(REGISTRY.find(k) for k in kernels), output=output, **options)
    return [(str(target.path), target.maps) for task in make_tasks(request) for target in task.targets]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_named_file_is_the_output():
    """A stack contains every map."""
    assert outputs(["a.png"], "b.jpg") == [("b.jpg", (0,))]
    assert outputs(["a.png"], "b.npy", ["blur", "edge"]) == [("b.npy", (0, 1))]
    assert outputs(["a.png"], "b.tif", ["blur", "edge"]) == [("b.tif", (0, 1))]


def test_outputs_in_a_folder_have_the_name_of_the_input(folder):
    """The name of the input; with several kernels, theirs too; the format of the input if it can be written."""
    assert outputs(["x/a.png", "b.JPG"], "out/") == [("out/a.png", (0,)), ("out/b.JPG", (0,))]
    assert outputs(["a.ico"], "out/") == [("out/a.png", (0,))]
    assert outputs(["a.npy"], "out/") == [("out/a.png", (0,))]
    assert outputs(["-"], "out/") == [("out/stdin.png", (0,))]
    assert outputs(["a.png"], "out/", ["blur", "edge"]) == [("out/a_blur.png", (0,)), ("out/a_edge.png", (1,))]
    assert outputs(["a.png"], "out/", ["blur", "edge"], file_format=format_named("npz")) == [("out/a.npz", (0, 1))]
    (folder / "there").mkdir()
    assert outputs(["a.png"], "there") == [("there/a.png", (0,))]
    (folder / "{odd}").mkdir()
    assert outputs(["a.png"], "{{odd}}/{name}") == [("{odd}/a.png", (0,))]


def test_real_numbers_in_a_folder_stay_what_they_are():
    """HDR and EXR hold no levels; --range, of the run or of a kernel, makes levels of them."""
    assert outputs(["a.hdr", "b.EXR", "c.pic"], "out/") == [("out/a.tif", (0,)), ("out/b.tif", (0,)), ("out/c.tif", (0,))]
    assert outputs(["a.hdr"], "out/", ["blur", "edge"]) == [("out/a.tif", (0, 1))]
    assert outputs(["a.hdr"], "out/", range=parse_range("0..1")) == [("out/a.png", (0,))]
    assert outputs(["a.hdr"], "out/", range=parse_range("stretch")) == [("out/a.png", (0,))]
    assert outputs(["a.hdr"], "out/", file_format=format_named("jpg")) == [("out/a.jpg", (0,))]


def test_templates_fill_in_their_tokens(folder):
    """Every token, and doubled braces."""
    assert outputs(["trip/a.b.png"], "{parent}-{stem}-{index}-{kernel}{ext}", ["sobel-x"]) == [("trip-a.b-0-sobel-x.png", (0,))]
    assert outputs(["a.png"], "{stem}.npz", ["blur", "edge"]) == [("a.npz", (0, 1))]
    assert outputs(["a.png"], "{stem}_{kernel}.npy", ["blur", "edge"]) == [("a_blur.npy", (0,)), ("a_edge.npy", (1,))]


def test_float_depth_needs_a_format_of_floats():
    """Floats are not written as levels."""
    with pytest.raises(ArgumentError, match="--depth float needs .tif, .npy or .npz, got png"):
        outputs(["a.png"], "b.png", depth="float")
    assert outputs(["a.png"], "b.tif", depth="float") == [("b.tif", (0,))]


def test_kernel_names_are_safe_in_file_names():
    """No separators and no colons."""
    assert outputs(["a.png"], "{kernel}.png", ["gaussian:sigma=2"]) == [("gaussian-sigma=2.png", (0,))]


def test_standard_output_needs_a_format():
    """A format is required, and one picture is accepted."""
    assert outputs(["a.png"], "-", file_format=format_named("png")) == [("None", (0,))]
    with pytest.raises(ArgumentError, match="writing to standard output needs --format"):
        outputs(["a.png"], "-")
    with pytest.raises(ArgumentError, match="standard output holds one picture, got 2"):
        outputs(["a.png", "b.png"], "-", file_format=format_named("png"))


BAD = [
    (["a.png", "b.png"], "c.png", ["blur"], "one file cannot hold 2 results; give a folder"),
    (["a.png", "b.png"], "c.png", ["blur", "edge"], r"or a template, such as -o 'out/\{stem\}_\{kernel\}.png'"),
    (["a.png"], "c.png", ["blur", "edge"], "png holds one feature map, and there are 2"),
    (["a.png"], "c", ["blur"], "has no suffix that gives the format"),
    (["a.png"], "c.ico", ["blur"], "has the unknown suffix '.ico'"),
    (["a.png"], "{stme}.png", ["blur"], r"\{stme\} is unknown; there are .*; did you mean 'stem'\?"),
    (["a.png"], "{stem.__class__}.png", ["blur"], "is unknown"),
    (["a.png"], "{0}.png", ["blur"], "is unknown"),
    (["a.png"], "{stem:>99999999}.png", ["blur"], "is unknown"),
    (["a.png"], "{}.png", ["blur"], "is unknown"),
    (["a.png"], "{stem.png", ["blur"], "{ stands alone; write {{"),
    (
        ["x/a.png", "y/a.png"],
        "out/",
        ["blur"],
        "name out/a.png, both of x/a.png and y/a.png; give a template, such as -o 'out/{parent}/{stem}.png'",
    ),
    (["x/a.png", "z/x/a.png"], "out/", ["blur"], "give --base FOLDER, a folder above both"),
    (["a.png", "a.jpg"], "out/{stem}.png", ["blur"], "give a template, such as -o 'out/{name}.png'"),
    (["a.png", "b.png"], "out/{kernel}.png", ["blur"], "give a template, such as -o 'out/{stem}.png'"),
    (["a.png"], "out/{stem}{kernel}.png", ["blur", "blur"], "png holds one feature map, and there are 2"),
    (["-", "-"], "out/", ["blur"], "which can be read only once"),
    (["a.png", "b.jpg"], "out/{name}.png", ["blur", "edge"], "png holds one feature map, and there are 2"),
    (["a.png", "b.jpg"], "out/{ext}/{stem}.ico", ["blur"], "has the unknown suffix '.ico'"),
]


@pytest.mark.parametrize(("inputs", "output", "kernels", "message"), BAD)
def test_bad_names_are_refused_before_any_work(inputs, output, kernels, message):
    """The error names a remedy."""
    with pytest.raises(ArgumentError, match=message):
        outputs(inputs, output, kernels)


def test_the_output_is_never_the_input(folder):
    """By name, by link, by hard link, or by another path; nor is it another input."""
    (folder / "a.png").write_bytes(b"")
    (folder / "b.png").write_bytes(b"x")
    (folder / "link.png").symlink_to("a.png")
    os.link(folder / "a.png", folder / "hard.png")
    (folder / "dir").mkdir()
    for output in ("a.png", "./a.png", "dir/../a.png", "link.png", "hard.png", str(folder / "a.png")):
        with pytest.raises(ArgumentError, match="the output is an input"):
            outputs(["a.png"], output)
    with pytest.raises(ArgumentError, match="the output is an input"):
        outputs(["a.png", "b.png"], "./", overwrite=True)


def test_weights_and_config_are_inputs_too(folder):
    """They are not overwritten."""
    (folder / "k.npy").write_bytes(b"")
    with pytest.raises(ArgumentError, match="k.npy: the output is an input"):
        outputs(["a.png"], "k.npy", other_inputs=("k.npy",))


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "y/" * 3000 + "a.png", "loop.png"])
def test_names_that_the_system_refuses_are_accepted_here(folder, name):
    """Names too long, or a loop of links: reading or writing reports them later."""
    (folder / "loop.png").symlink_to("loop.png")
    assert outputs([name], "b.png")
    assert outputs(["a.png"], name)


def test_files_with_generated_names_are_not_replaced(folder):
    """A file whose name is generated is replaced with --overwrite only; a file that the user names is replaced."""
    (folder / "out").mkdir()
    (folder / "out" / "a.png").write_bytes(b"")
    (folder / "b.png").write_bytes(b"")
    for output in ("out/", "out", "out/{stem}.png"):
        with pytest.raises(ArgumentError, match="out/a.png exists already; replace it with --overwrite"):
            outputs(["a.png"], output)
        assert outputs(["a.png"], output, overwrite=True) == [("out/a.png", (0,))]
    assert outputs(["a.png"], "b.png") == [("b.png", (0,))]
