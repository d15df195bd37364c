"""Selection of inputs: folders, patterns, links and lists."""

import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from convcli.pipeline.inputs import Search, find_inputs, read_names, select_shard

TREE = ["x.png", "a/y.JPG", "a/b/z.tif", "a/b/notes.txt", "a/.hidden.png", ".secret/q.png", "odd[1].png"]


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    """A tree with hidden files, other files, and a link that makes a loop."""
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a" / "b" / "loop").symlink_to("../..")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found_inputs(*arguments, **search):
    """(name, relative folder) of each input."""
    return [(item.name, str(item.relative_folder)) for item in find_inputs(arguments, Search(**search))]


def test_a_folder_gives_its_pictures():
    """By suffix, sorted; with -r those of subfolders; hidden files if requested; loops of links are not followed."""
    assert found_inputs("a") == [("a/y.JPG", ".")]
    assert found_inputs(".", recursive=True) == [
        ("./odd[1].png", "."),
        ("./x.png", "."),
        ("./a/y.JPG", "a"),
        ("./a/b/z.tif", "a/b"),
    ]
    assert ("a/.hidden.png", ".") in found_inputs("a/", hidden=True)
    assert ("./.secret/q.png", ".secret") in found_inputs(".", hidden=True, recursive=True)


def test_patterns_select_pictures():
    """``**`` matches any folders; the relative folder is what the wildcards match; brackets in an existing name are literal."""
    assert found_inputs("*.png") == [("odd[1].png", "."), ("x.png", ".")]
    assert found_inputs("**/*.*") == [
        ("a/b/z.tif", "a/b"),
        ("a/y.JPG", "a"),
        ("odd[1].png", "."),
        ("x.png", "."),
    ]
    assert found_inputs("a/**") == found_inputs("a/**/") == found_inputs("a/**/*") == [("a/b/z.tif", "b"), ("a/y.JPG", ".")]
    assert found_inputs("**/*.txt") == [("a/b/notes.txt", "a/b")]
    assert found_inputs("a/**/*.tif") == [("a/b/z.tif", "b")]
    assert found_inputs("a/*/z.ti?") == [("a/b/z.tif", "b")]
    assert found_inputs("odd[1].png") == [("odd[1].png", ".")]
    assert found_inputs("**/[yz].*") == [("a/b/z.tif", "a/b"), ("a/y.JPG", "a")]
    assert ("a/.hidden.png", "a") in found_inputs("a*/**/.*.png", hidden=True)


def test_arguments_without_pictures_fail_alone(run, samples, tree, monkeypatch):
    """An empty folder, a pattern without a match and an unreadable folder are reported; the others are processed."""
    (tree / "empty").mkdir()
    (tree / "deep" / "shut").mkdir(parents=True)
    shutil.copy(samples / "horse.png", tree / "deep" / "h.png")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    arguments = ("empty", "*.webp", "-r", "deep", "deep/**/*.png", "-k", "blur", "--report", "r.jsonl", "-o", "out/")
    result = run("apply", *arguments)
    assert result.status == 1
    errors = [line for line in result.lines if line.startswith("Error:")]
    assert errors[0].startswith("Error: empty: holds no pictures (.png ")
    assert errors[1:] == ["Error: *.webp: matches no file", "Error: deep/shut: cannot be searched: Permission denied"]
    assert result.lines[-1] == "3 of 4 inputs failed, 1 done"
    assert [path.name for path in (tree / "out").iterdir()] == ["h.png"]
    lines = [json.loads(line) for line in (tree / "r.jsonl").read_text().splitlines()]
    assert [line["input"] for line in lines[:-1]] == ["deep/h.png", "empty", "*.webp", "deep/shut"]
    single = run("apply", "empty", "-k", "blur", "-o", "x.png")
    assert (single.status, len(single.lines)) == (1, 1)
    assert "; -r searches its subfolders too" in single.err


def test_outputs_mirror_the_base(run, samples, tmp_path):
    """--base holds for any names; a name outside of it fails alone; shards do not depend on where the base is."""
    folder = tmp_path / "data"
    for name in ("x/y", "z"):
        (folder / name).mkdir(parents=True)
        shutil.copy(samples / "horse.png", folder / name / "c.png")
    names = [str(folder / "x/y/c.png"), str(folder / "z/c.png")]
    (tmp_path / "names").write_text("\n".join(names))
    for arguments in (["--files-from", tmp_path / "names"], names):
        result = run(
            "apply", *arguments, samples / "camera.png", "--base", folder, "-k", "blur", "-q", "-o", f"{tmp_path}/out/"
        )
        assert (result.status, result.lines) == (1, [f"Error: {samples}/camera.png: is not below the --base {folder}"])
        out = tmp_path / "out"
        assert sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == ["x/y/c.png", "z/c.png"]
        shutil.rmtree(out)
    pairs = [find_inputs([f"{base}/{i}.png" for i in range(40)], Search(base=base)) for base in ("/mnt/one", "two")]
    parts = [[item.source.name for item in select_shard(pair, 2, 3)] for pair in pairs]
    assert parts[0] == parts[1] != []


def test_an_empty_list_is_a_success(run, tmp_path):
    """An empty list is a success, as an empty shard is."""
    (tmp_path / "names").write_text("\n")
    result = run("apply", "--files-from", tmp_path / "names", "-k", "blur", "-o", f"{tmp_path}/out/", "--json")
    assert (result.status, result.lines) == (0, ["the list names no input: nothing to do"])
    assert json.loads(result.out) == {"inputs": 0, "done": 0, "skipped": 0, "failed": 0, "not_tried": 0}
    assert run("apply", "-k", "blur", "-o", "out/").lines == ["Error: no input; name a picture, or - for standard input"]


def test_a_picture_found_twice_is_one_input():
    """A picture named twice stays two inputs, which are refused later, as two results would have one name."""
    assert found_inputs("*.png", "x*.png") == [("odd[1].png", "."), ("x.png", ".")]
    assert found_inputs("x.png", "x.png") == [("x.png", "."), ("x.png", ".")]


def test_lists_of_names_are_read(tree):
    """Names are separated by lines or by NUL, may contain any bytes, and are not patterns."""
    assert read_names(b"a b\n\nc\r\n", null=False) == ["a b", "c"]
    assert read_names(b"new\nline\0\xff\0", null=True) == ["new\nline", os.fsdecode(b"\xff")]
    first, second = find_inputs([], Search(), ["*.png", "-"])
    assert (first.name, second.name) == ("*.png", "-")
    assert second.source is not None


def test_shards_partition_the_inputs(tree):
    """Each input is in exactly one shard, whatever folder contains the tree, and whatever other inputs there are."""
    for i in range(50):
        (tree / "a" / "b" / f"{i}.png").write_bytes(b"")
    shutil.copytree(tree / "a", tree / "elsewhere" / "a", symlinks=True)
    inputs, copies = (find_inputs([folder], Search(recursive=True)) for folder in ("a", "elsewhere/a"))
    parts = [select_shard(inputs, part, 3) for part in (1, 2, 3)]
    assert sorted(item.name for part in parts for item in part) == sorted(item.name for item in inputs)
    assert min(map(len, parts)) > 5
    for part in (1, 2, 3):
        assert [item.name for item in select_shard(copies, part, 3)] == [f"elsewhere/{item.name}" for item in parts[part - 1]]
    assert [item.name for item in select_shard(inputs[:20], 2, 3)] == [item.name for item in parts[1] if item in inputs[:20]]


def test_a_run_processes_its_shard(run, samples, tmp_path):
    """Two halves make the whole; a wrong part is wrong usage; an empty part is a success."""
    inputs = [tmp_path / "in" / f"{i}.png" for i in range(5)]
    inputs[0].parent.mkdir()
    for path in inputs:
        shutil.copy(samples / "horse.png", path)
    for part in ("1/2", "2/2"):
        assert run("apply", *inputs, "--shard", part, "-k", "blur", "-q", "-o", f"{tmp_path}/out/").status == 0
    assert len(list((tmp_path / "out").iterdir())) == len(inputs)
    assert run("apply", *inputs, "--shard", "1/1000000000000", "-k", "blur", "-o", "out/", "-n").status == 0
    for wrong in ("0/2", "3/2", "1", "a/b"):
        result = run("apply", *inputs, "--shard", wrong, "-k", "blur", "-o", "out/")
        assert (result.status, len(result.lines)) == (2, 1)
        assert "shard must be I/N with I from 1 to N, such as 2/8" in result.err
    for part in range(1, 10):
        arguments = ["--shard", f"{part}/9", "-k", "blur", "-q", "-o", f"{tmp_path}/one/"]
        assert run("apply", inputs[0], *arguments).status == 0
    assert len(list((tmp_path / "one").iterdir())) == 1


def test_a_tree_is_mirrored(run, samples, tree):
    """The output folder mirrors the tree. With --flat two outputs of one name are refused; {relpath} is the relative folder."""
    shutil.copy(samples / "horse.png", tree / "a" / "b" / "h.png")
    shutil.copy(samples / "horse.png", tree / "a" / "h.png")
    arguments = ["apply", "-r", "a", "-k", "blur", "-q", "--stride", "9"]
    for name in ("a/y.JPG", "a/b/z.tif"):
        (tree / name).unlink()
    assert run(*arguments, "-o", "out/").status == 0
    assert sorted(str(path) for path in tree.glob("out/**/*.png")) == [f"{tree}/out/b/h.png", f"{tree}/out/h.png"]
    flat = run(*arguments, "--flat", "-o", "flat/")
    assert (flat.status, len(flat.lines)) == (2, 1)
    assert "two results would have the name flat/h.png, both of a/h.png and a/b/h.png" in flat.err
    assert run("apply", "a/**/h.png", "-k", "blur", "-q", "-o", "t/{relpath}/{stem}_{kernel}.png").status == 0
    assert sorted(str(path) for path in tree.glob("t/**/*.png")) == [f"{tree}/t/b/h_blur.png", f"{tree}/t/h_blur.png"]


def test_outputs_in_a_searched_folder_are_no_inputs(run, samples, tree):
    """Outputs of an earlier run are not inputs, in a folder of their own or beside the inputs."""
    (tree / "p").mkdir()
    shutil.copy(samples / "horse.png", tree / "p" / "h.png")
    for output in ("p/out/", "p/{stem}_{kernel}.png"):
        for _ in range(2):
            result = run("apply", "-r", "p", "-k", "blur", "-o", output, "--overwrite", "-q")
            assert result.status == 0, result.err
        names = sorted(str(path.relative_to(tree)) for path in (tree / "p").rglob("*.png"))
        if output == "p/out/":
            assert names == ["p/h.png", "p/out/h.png"]
            shutil.rmtree(tree / "p" / "out")
        else:
            assert names == ["p/h.png", "p/h_blur.png"]


def test_files_from_reads_a_list(run, shell, samples, tree):
    """The list is a file or standard input; a missing input fails alone."""
    (tree / "list").write_text(f"{samples}/horse.png\nnone.png\n")
    result = run("apply", "--files-from", "list", "-k", "blur", "-o", "out/")
    assert result.status == 1
    assert "Error: none.png: no such file" in result.lines
    assert [path.name for path in (tree / "out").iterdir()] == ["horse.png"]
    data = f"{samples}/horse.png\0{samples}/camera.png\0".encode()
    assert shell("apply", "--files-from", "-", "-0", "-k", "blur", "-o", "two/", input=data, cwd=tree).returncode == 0
    assert sorted(path.name for path in (tree / "two").iterdir()) == ["camera.png", "horse.png"]
    for arguments, message in [
        (["x.png", "-0"], "give --files-from too"),
        (["--files-from", "none"], "none: the list of names cannot be read: No such file or directory"),
        (["-", "--files-from", "-"], "standard input cannot be both a picture and the list of names"),
    ]:
        result = run("apply", *arguments, "-k", "blur", "-o", "out/")
        assert (result.status, len(result.lines)) == (2, 1)
        assert message in result.err


def two_folders(tmp_path, samples):
    """Make p/a.png and q/a.png, different pictures."""
    for folder, name in (("p", "horse.png"), ("q", "camera.png")):
        (tmp_path / folder).mkdir()
        shutil.copy(samples / name, tmp_path / folder / "a.png")
    return tmp_path / "p", tmp_path / "q"


@pytest.mark.parametrize("shard", [[], ["--shard", "1/2"], ["--shard", "2/2"]])
def test_an_input_is_never_replaced(run, samples, tmp_path, shard):
    """Neither by the output of a picture in another folder nor by its own; in any shard."""
    p, q = two_folders(tmp_path, samples)
    before = (q / "a.png").read_bytes(), (p / "a.png").read_bytes()
    for inputs, out in (([p, q], q), (["-r", p], p), ([p / "a.png", q / "a.png"], q)):
        result = run("apply", *inputs, "-k", "blur", "-o", f"{out}/", "--overwrite", *shard)
        assert (result.status, len(result.lines)) == (2, 1), result.err
    shutil.copy(q / "a.png", q / "a_x.png")
    result = run(
        "apply", p / "a.png", q / "a.png", q / "a_x.png", "-k", "blur", "-o", f"{q}/{{stem}}_x.png", "--overwrite", *shard
    )
    assert result.status == 2
    assert ((q / "a.png").read_bytes(), (p / "a.png").read_bytes()) == before


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_outputs_of_all_shards_are_no_inputs(run, samples, tmp_path, suffix):
    """Two shards never write one file; an empty shard reports such a conflict too."""
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(5):
        shutil.copy(samples / "horse.png", folder / f"{i}.png")
    arguments = ["apply", "-r", folder, "-k", "blur", "-q", "--skip-existing", "-o", f"{folder}/out/{{stem}}{suffix}"]
    for _ in range(2):
        for part in range(1, 8):
            report = tmp_path / "report"
            assert run(*arguments, "--shard", f"{part}/7", "--report", report).status == 0
            assert json.loads(report.read_text().splitlines()[-1])["failed"] == 0
    assert {path.name for path in (folder / "out").glob(f"*{suffix}")} == {f"{i}{suffix}" for i in range(5)}
    assert not [path for path in (folder / "out").iterdir() if path.is_dir()]
    (tmp_path / "more").mkdir()
    shutil.copy(samples / "horse.png", tmp_path / "more" / "0.png")
    result = run("apply", folder / "0.png", tmp_path / "more" / "0.png", "-k", "blur", "-o", f"{tmp_path}/x/", "--shard", "1/7")
    assert (result.status, "two results would have the name" in result.err) == (2, True)


def test_outputs_beside_their_inputs_are_no_inputs_later(run, samples, tmp_path):
    """They carry a provenance mark; a picture of the user with such a name stops the run."""
    folder = tmp_path / "flat"
    folder.mkdir()
    shutil.copy(samples / "horse.png", folder / "a.png")
    arguments = ["apply", folder, "-k", "blur", "-q", "--overwrite", "-o", f"{folder}/{{stem}}_x.png"]
    assert run(*arguments).status == 0
    assert run(*arguments).status == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "a_x.png"]
    shutil.copy(samples / "camera.png", folder / "a_x.png")
    result = run(*arguments)
    assert (result.status, "the output is an input" in result.err) == (2, True)


def test_links_to_one_picture_are_changed_once_in_place(run, samples, tmp_path):
    """The picture is filtered once, whether the links were found or named, also if it is named again."""
    folder = tmp_path / "flat"
    folder.mkdir()
    (tmp_path / "outside").mkdir()
    for path in (folder / "r.png", folder / "one.png", tmp_path / "outside" / "o.png"):
        shutil.copy(samples / "camera.png", path)
    (folder / "k.png").symlink_to("r.png")
    for name in ("p.png", "q.png"):
        (folder / name).symlink_to("../outside/o.png")
    named = [folder / name for name in ("k.png", "r.png", "one.png", "p.png", "q.png", "r.png")]
    for inputs in ([folder], named):
        result = run("apply", *inputs, "-k", "blur", "--in-place", "--json", "-n")
        names = [Path(json.loads(line)["input"]).name for line in result.out.splitlines()[:-1]]
        assert (result.status, sorted(names)) == (0, ["one.png", "p.png", "r.png"])
    result = run("apply", folder, "-k", "blur", "--in-place", "--json")
    assert result.status == 0
    names = [Path(json.loads(line)["input"]).name for line in result.out.splitlines()[:-1]]
    assert names == ["one.png", "p.png", "r.png"]
    assert run("apply", samples / "camera.png", "-k", "blur", "-q", "-o", tmp_path / "once.png").status == 0
    expected = np.array(PIL.Image.open(tmp_path / "once.png"))
    for name in ("r.png", "k.png", "p.png", "q.png"):
        np.testing.assert_array_equal(PIL.Image.open(folder / name), expected)
    assert (folder / "k.png").is_symlink()


def test_the_list_of_names_is_not_overwritten(run, samples, tmp_path):
    """The list of names is not overwritten by --report."""
    listing = tmp_path / "list"
    listing.write_text(f"{samples}/horse.png\n")
    result = run("apply", "--files-from", listing, "-k", "blur", "-o", f"{tmp_path}/x/", "--report", listing)
    assert (result.status, listing.read_text()) == (2, f"{samples}/horse.png\n")


def test_a_pattern_may_start_with_a_file(tmp_path, monkeypatch):
    """The pattern matches the folders beside the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f" / "g").mkdir(parents=True)
    for name in ("a.png", "f/b.png", "f/g/c.png"):
        (tmp_path / name).touch()
    assert [item.name for item in find_inputs(["*/**/*.png"], Search())] == ["f/b.png", "f/g/c.png"]


def test_a_deep_tree_is_searched(tmp_path, monkeypatch):
    """The search needs no recursion."""
    folder = tmp_path / "deep" / "/".join("d" * 150)
    folder.mkdir(parents=True)
    (folder / "a.png").touch()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 60)
    try:
        (item,) = find_inputs([str(tmp_path / "deep")], Search(recursive=True))
    finally:
        sys.setrecursionlimit(limit)
    assert item.source == folder / "a.png"


def test_names_from_find_are_mirrored(run, samples, tmp_path, monkeypatch):
    """Outputs in a later list are not inputs, however the names are written."""
    folder = tmp_path / "tree2"
    for name in ("x", "y"):
        (folder / name).mkdir(parents=True)
        shutil.copy(samples / "horse.png", folder / name / "c.png")
    monkeypatch.chdir(folder)
    for _ in range(2):
        listing = tmp_path / "names"
        names = sorted(f"./{path.relative_to(folder)}" for path in folder.rglob("*.png"))
        listing.write_text("\n".join(names))
        result = run("apply", "--files-from", listing, "-k", "blur", "-o", "out/", "--skip-existing", "-q")
        assert (result.status, result.err) == (0, "")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("out/**/*.png")) == ["out/x/c.png", "out/y/c.png"]


def test_a_link_to_itself_fails_alone(run, samples, tmp_path):
    """It fails alone."""
    folder = tmp_path / "flat"
    folder.mkdir()
    shutil.copy(samples / "horse.png", folder / "a.png")
    (folder / "loop.png").symlink_to("loop.png")
    result = run("apply", folder, "-k", "blur", "-q", "-o", f"{tmp_path}/out/")
    assert (result.status, len(result.lines)) == (1, 1)
    assert result.lines[0].startswith(f"Error: {folder}/loop.png: ")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def test_a_list_from_closed_standard_input_is_refused(samples, tmp_path):
    """It is wrong usage."""
    command = f"{sys.executable} -m convcli apply --files-from - -k blur -o {tmp_path}/out/ <&-"
    result = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False, text=True)
    assert (result.returncode, result.stderr) == (2, "Error: standard input is closed (see convcli apply --help)\n")


def test_an_output_through_a_missing_folder_is_compared_with_inputs(run, samples, tmp_path):
    """A name such as new/../in/a.png is the input once new exists."""
    (tmp_path / "in").mkdir()
    shutil.copy(samples / "horse.png", tmp_path / "in" / "a.png")
    before = (tmp_path / "in" / "a.png").read_bytes()
    for output in ("new/../in/a.png", "new/../in/", "new/../in/{name}"):
        result = run("apply", tmp_path / "in" / "a.png", "-k", "blur", "-o", f"{tmp_path}/{output}", "--overwrite")
        assert (result.status, len(result.lines)) == (2, 1)
        assert "the output is an input" in result.err
    assert (tmp_path / "in" / "a.png").read_bytes() == before


def test_a_named_input_in_the_output_folder_is_processed(run, samples, tmp_path, monkeypatch):
    """With --base, an input may be in the output folder; outputs in a list of names are not inputs."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos/raw/a.png", "other/b.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(samples / "horse.png", name)
    assert run("apply", "photos/raw/a.png", "other/b.png", "--base", ".", "-k", "blur", "-q", "-o", "photos/").status == 0
    assert sorted(str(path) for path in Path("photos").rglob("*.png") if "photos/photos" in str(path)) == [
        "photos/photos/raw/a.png"
    ]
    assert Path("photos/other/b.png").exists()
    for _ in range(2):
        Path("names").write_text("\n".join(str(path.resolve()) for path in sorted(Path("other").rglob("*.png"))))
        arguments = [
            "--files-from",
            "names",
            "--base",
            tmp_path / "other",
            "-k",
            "blur",
            "-q",
            "--skip-existing",
            "-o",
            "other/out/",
        ]
        assert run("apply", *arguments).status == 0
    assert sorted(map(str, Path("other").rglob("*.png"))) == ["other/b.png", "other/out/b.png"]


def test_failed_arguments_are_not_counted_as_pictures(run, samples, tree, monkeypatch):
    """A picture beside an empty folder is one picture; the first error of a folder is reported."""
    (tree / "empty").mkdir()
    shutil.copy(samples / "horse.png", tree / "h.png")
    result = run("apply", "h.png", "empty", "-k", "blur", "-q", "-o", "one.webp")
    assert (result.status, len(result.lines), Path("one.webp").exists()) == (1, 1, True)
    assert found_inputs("*/../x.png") == [("a/../x.png", ".")]
    monkeypatch.setattr(os, "scandir", lambda path: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    inputs = find_inputs(["empty", "empty", "**/x.png"], Search())
    assert [(item.name, item.error) for item in inputs if item.error] == [
        ("empty", "cannot be searched: Permission denied"),
        (".", "cannot be searched: Permission denied"),
    ]


def test_impossible_outputs_are_refused(run, samples, tree):
    """An output below a file, a missing base, a folder as report, and a list of names with NUL bytes."""
    shutil.copy(samples / "horse.png", "h.png")
    wrong = {
        ("-o", "h.png/x/"): "h.png/x/: is a file, or lies below one; give another folder",
        ("-o", "h.png/y.png"): "h.png/y.png: is a file, or lies below one; give another folder",
        ("-o", "h.png/{stem}.png"): "h.png/{stem}.png: is a file, or lies below one; give another folder",
        ("-o", "x.png/", "--base", "none"): "Invalid value for '--base': Directory 'none' does not exist",
        ("-o", "out/", "--report", "a"): "Invalid value for '--report': File 'a' is a directory",
        ("-o", "out/", "--files-from", "names"): "names: the list of names holds NUL bytes; give -0 if the names end with them",
    }
    Path("names").write_bytes(b"h.png\0h.png\0")
    for arguments, message in wrong.items():
        result = run("apply", "h.png", "-k", "blur", *arguments)
        assert (result.status, len(result.lines)) == (2, 1), result.err
        assert message in result.err
    assert not Path("out").exists()


def test_an_unsuitable_format_of_one_input_fails_alone(run, samples, tree):
    """A GIF in a folder would become PNG, which stores no floats; with --format png nothing is written."""
    PIL.Image.new("L", (5, 5)).save("g.gif")
    PIL.Image.new("L", (5, 5)).save("t.tif")
    result = run("apply", "g.gif", "t.tif", "-k", "blur", "--depth", "float", "-q", "-o", "out/")
    assert (result.status, len(result.lines), [path.name for path in Path("out").iterdir()]) == (1, 1, ["t.tif"])
    assert result.err.startswith("Error: g.gif: --depth float needs .tif, .npy or .npz")
    assert run("apply", "g.gif", "t.tif", "-k", "blur", "--depth", "float", "--format", "png", "-o", "out/").status == 2


@pytest.mark.parametrize(
    ("searched", "output"),
    [
        ("photos", "link/"),
        ("other", "photos/out/"),
        ("photos", "link/{stem}_{kernel}{ext}"),
        ("other", "photos/{relpath}/{stem}_{kernel}{ext}"),
    ],
)
def test_outputs_are_recognized_through_links(run, samples, tree, searched, output):
    """A second run finds them by a link and does not take them for inputs."""
    (tree / "photos" / "out").mkdir(parents=True)
    (tree / "link").symlink_to("photos/out")
    (tree / "other").symlink_to("photos")
    PIL.Image.open(samples / "horse.png").save("photos/h.bmp")
    arguments = ["apply", "-r", searched, "-k", "blur", "--json", "-o", output]
    for _ in range(2):  # BMP stores no mark
        result = run(*arguments, "--overwrite")
        assert (result.status, len(result.out.splitlines())) == (0, 2)
        if "{" in output:
            break  # beside pictures, a file without a mark is a picture
    for path in tree.rglob("photos/**/*.bmp"):
        path.unlink()
    shutil.copy(samples / "horse.png", "photos/h.png")
    for status in ("done", "skipped"):
        result = run(*arguments, "--skip-existing")
        assert (result.status, [json.loads(line)["status"] for line in result.out.splitlines()[:-1]]) == (0, [status])


def test_a_picture_with_two_names_is_one_input_or_refused(run, samples, tree):
    """Found twice it is one input; named twice it is an error."""
    (tree / "photos").mkdir()
    shutil.copy(samples / "horse.png", "photos/h.png")
    Path("names").write_text("photos\n./photos\nphotos/h.png\n")
    for arguments in (["photos", "./photos", "photos/../photos/*.png"], ["--files-from", "names"]):
        result = run("apply", *arguments, "-k", "blur", "--json", "-o", "out/", "--overwrite")
        assert (result.status, len(result.out.splitlines())) == (0, 2)
    for second in ("photos/h.png", "./photos/h.png"):
        result = run("apply", "photos/h.png", second, "-k", "blur", "-o", "out/", "--overwrite")
        assert (result.status, len(result.lines)) == (2, 1)
        assert "name that picture once" in result.err


def test_a_sidecar_beside_its_file_is_no_input(run, tree):
    """As * of a shell names both, also in other words; one that is named without its file is."""
    for name in ("s.bmp", "s.bmp.convcli", "t.bmp.convcli"):
        (tree / name).write_bytes(b"")
    assert found_inputs("s.bmp", "s.bmp.convcli", "t.bmp.convcli") == [("s.bmp", "."), ("t.bmp.convcli", ".")]
    assert found_inputs("./s.bmp.convcli", str(tree / "s.bmp")) == [(str(tree / "s.bmp"), ".")]
    assert [item.name for item in find_inputs([], Search(), ["s.bmp.convcli", "s.bmp"])] == ["s.bmp"]
    PIL.Image.new("L", (5, 5)).save("s.bmp")
    (tree / "s.bmp.convcli").unlink()
    arguments = ["-k", "blur", "--in-place", "--skip-existing"]
    assert run("apply", "s.bmp", *arguments).status == 0
    result = run("apply", *sorted(path.name for path in tree.glob("s*")), *arguments, "--json")
    assert (result.status, '"skipped"' in result.out) == (0, True)
