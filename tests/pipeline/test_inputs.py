"""Which pictures are meant: real folders, links and lists."""

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
    """A tree with hidden files, other files, and a loop of links."""
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a" / "b" / "loop").symlink_to("../..")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*words, **search):
    """(name, folders below) of each input."""
    return [(one.name, str(one.relative_folder)) for one in find_inputs(words, Search(**search))]


def test_a_folder_gives_its_pictures():
    """By their suffix, sorted; with -r those of every folder below; hidden ones when asked for; a loop has no way in."""
    assert found("a") == [("a/y.JPG", ".")]
    assert found(".", recursive=True) == [
        ("./odd[1].png", "."),
        ("./x.png", "."),
        ("./a/y.JPG", "a"),
        ("./a/b/z.tif", "a/b"),
    ]
    assert ("a/.hidden.png", ".") in found("a/", hidden=True)
    assert ("./.secret/q.png", ".secret") in found(".", hidden=True, recursive=True)


def test_patterns():
    """``**`` is any folders; what is below is what the pattern leaves open; brackets in a real name are that name."""
    assert found("*.png") == [("odd[1].png", "."), ("x.png", ".")]
    assert found("**/*.*") == [
        ("a/b/z.tif", "a/b"),
        ("a/y.JPG", "a"),
        ("odd[1].png", "."),
        ("x.png", "."),
    ]
    assert found("a/**") == found("a/**/") == found("a/**/*") == [("a/b/z.tif", "b"), ("a/y.JPG", ".")]
    assert found("**/*.txt") == [("a/b/notes.txt", "a/b")]
    assert found("a/**/*.tif") == [("a/b/z.tif", "b")]
    assert found("a/*/z.ti?") == [("a/b/z.tif", "b")]
    assert found("odd[1].png") == [("odd[1].png", ".")]
    assert found("**/[yz].*") == [("a/b/z.tif", "a/b"), ("a/y.JPG", "a")]
    assert ("a/.hidden.png", "a") in found("a*/**/.*.png", hidden=True)


def test_what_gives_no_pictures_fails_alone(run, samples, tree, monkeypatch):
    """An empty folder, a pattern that matches nothing, a folder that cannot be searched; the others are done."""
    (tree / "empty").mkdir()
    (tree / "deep" / "shut").mkdir(parents=True)
    shutil.copy(samples / "horse.png", tree / "deep" / "h.png")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    words = ("empty", "*.webp", "-r", "deep", "deep/**/*.png", "-k", "blur", "--report", "r.jsonl", "-o", "out/")
    result = run("apply", *words)
    assert result.status == 1
    told = [line for line in result.lines if line.startswith("Error:")]
    assert told[0].startswith("Error: empty: holds no pictures (.png ")
    assert told[1:] == ["Error: *.webp: matches no file", "Error: deep/shut: cannot be searched: Permission denied"]
    assert result.lines[-1] == "3 of 4 inputs failed, 1 done"
    assert [path.name for path in (tree / "out").iterdir()] == ["h.png"]
    lines = [json.loads(line) for line in (tree / "r.jsonl").read_text().splitlines()]
    assert [line["input"] for line in lines[:-1]] == ["deep/h.png", "empty", "*.webp", "deep/shut"]
    alone = run("apply", "empty", "-k", "blur", "-o", "x.png")
    assert (alone.status, len(alone.lines)) == (1, 1)
    assert "; -r searches its subfolders too" in alone.err


def test_a_base_to_mirror_from(run, samples, tmp_path):
    """For names that lie anywhere; what does not lie below it fails alone; a shard is the same wherever the base lies."""
    folder = tmp_path / "data"
    for name in ("x/y", "z"):
        (folder / name).mkdir(parents=True)
        shutil.copy(samples / "horse.png", folder / name / "c.png")
    names = [str(folder / "x/y/c.png"), str(folder / "z/c.png")]
    (tmp_path / "names").write_text("\n".join(names))
    for words in (["--files-from", tmp_path / "names"], names):
        result = run("apply", *words, samples / "camera.png", "--base", folder, "-k", "blur", "-q", "-o", f"{tmp_path}/out/")
        assert (result.status, result.lines) == (1, [f"Error: {samples}/camera.png: is not below the --base {folder}"])
        out = tmp_path / "out"
        assert sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == ["x/y/c.png", "z/c.png"]
        shutil.rmtree(out)
    pairs = [find_inputs([f"{base}/{i}.png" for i in range(40)], Search(base=base)) for base in ("/mnt/one", "two")]
    parts = [[one.source.name for one in select_shard(pair, 2, 3)] for pair in pairs]
    assert parts[0] == parts[1] != []


def test_a_list_of_nothing_is_done_at_once(run, tmp_path):
    """As an empty shard is."""
    (tmp_path / "names").write_text("\n")
    result = run("apply", "--files-from", tmp_path / "names", "-k", "blur", "-o", f"{tmp_path}/out/", "--json")
    assert (result.status, result.lines) == (0, ["the list names no input: nothing to do"])
    assert json.loads(result.out) == {"inputs": 0, "done": 0, "skipped": 0, "failed": 0, "not_tried": 0}
    assert run("apply", "-k", "blur", "-o", "out/").lines == ["Error: no input; name a picture, or - for standard input"]


def test_what_was_found_twice_is_one_input():
    """What was named twice is two, and is refused later, for two results would have one name."""
    assert found("*.png", "x*.png") == [("odd[1].png", "."), ("x.png", ".")]
    assert found("x.png", "x.png") == [("x.png", "."), ("x.png", ".")]


def test_lists_of_names(tree):
    """One a line or apart by NUL; any bytes; as they stand, so that nothing in them is a pattern."""
    assert read_names(b"a b\n\nc\r\n", null=False) == ["a b", "c"]
    assert read_names(b"new\nline\0\xff\0", null=True) == ["new\nline", os.fsdecode(b"\xff")]
    one, two = find_inputs([], Search(), ["*.png", "-"])
    assert (one.name, two.name) == ("*.png", "-")
    assert two.source is not None


def test_shards_part_the_inputs(tree):
    """Each input is in one of them, whatever folder the tree lies in, and whatever else is there."""
    for i in range(50):
        (tree / "a" / "b" / f"{i}.png").write_bytes(b"")
    shutil.copytree(tree / "a", tree / "elsewhere" / "a", symlinks=True)
    here, there = (find_inputs([folder], Search(recursive=True)) for folder in ("a", "elsewhere/a"))
    parts = [select_shard(here, part, 3) for part in (1, 2, 3)]
    assert sorted(one.name for part in parts for one in part) == sorted(one.name for one in here)
    assert min(map(len, parts)) > 5
    for part in (1, 2, 3):
        assert [one.name for one in select_shard(there, part, 3)] == [f"elsewhere/{one.name}" for one in parts[part - 1]]
    assert [one.name for one in select_shard(here[:20], 2, 3)] == [one.name for one in parts[1] if one in here[:20]]


def test_a_shard_of_a_run(run, samples, tmp_path):
    """Two halves make the whole; a wrong part is wrong usage; a part that is empty is done at once."""
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
        words = ["--shard", f"{part}/9", "-k", "blur", "-q", "-o", f"{tmp_path}/one/"]
        assert run("apply", inputs[0], *words).status == 0
    assert len(list((tmp_path / "one").iterdir())) == 1


def test_a_tree_is_mirrored(run, samples, tree):
    """Into the output folder; --flat does not, and then two of one name are refused; {relpath} says where it goes."""
    shutil.copy(samples / "horse.png", tree / "a" / "b" / "h.png")
    shutil.copy(samples / "horse.png", tree / "a" / "h.png")
    words = ["apply", "-r", "a", "-k", "blur", "-q", "--stride", "9"]
    for name in ("a/y.JPG", "a/b/z.tif"):
        (tree / name).unlink()
    assert run(*words, "-o", "out/").status == 0
    assert sorted(str(path) for path in tree.glob("out/**/*.png")) == [f"{tree}/out/b/h.png", f"{tree}/out/h.png"]
    flat = run(*words, "--flat", "-o", "flat/")
    assert (flat.status, len(flat.lines)) == (2, 1)
    assert "two results would have the name flat/h.png, both of a/h.png and a/b/h.png" in flat.err
    assert run("apply", "a/**/h.png", "-k", "blur", "-q", "-o", "t/{relpath}/{stem}_{kernel}.png").status == 0
    assert sorted(str(path) for path in tree.glob("t/**/*.png")) == [f"{tree}/t/b/h_blur.png", f"{tree}/t/h_blur.png"]


def test_outputs_in_a_searched_folder_are_no_inputs(run, samples, tree):
    """Those of the run before either, in a folder of their own and beside the inputs."""
    (tree / "p").mkdir()
    shutil.copy(samples / "horse.png", tree / "p" / "h.png")
    for output in ("p/out/", "p/{stem}_{kernel}.png"):
        for _ in range(2):
            result = run("apply", "-r", "p", "-k", "blur", "-o", output, "--overwrite", "-q")
            assert result.status == 0, result.err
        made = sorted(str(path.relative_to(tree)) for path in (tree / "p").rglob("*.png"))
        if output == "p/out/":
            assert made == ["p/h.png", "p/out/h.png"]
            shutil.rmtree(tree / "p" / "out")
        else:
            assert made == ["p/h.png", "p/h_blur.png"]


def test_files_from(run, shell, samples, tree):
    """A file or standard input; a missing one fails alone."""
    (tree / "list").write_text(f"{samples}/horse.png\nnone.png\n")
    result = run("apply", "--files-from", "list", "-k", "blur", "-o", "out/")
    assert result.status == 1
    assert "Error: none.png: no such file" in result.lines
    assert [path.name for path in (tree / "out").iterdir()] == ["horse.png"]
    data = f"{samples}/horse.png\0{samples}/camera.png\0".encode()
    assert shell("apply", "--files-from", "-", "-0", "-k", "blur", "-o", "two/", input=data, cwd=tree).returncode == 0
    assert sorted(path.name for path in (tree / "two").iterdir()) == ["camera.png", "horse.png"]
    for words, message in [
        (["x.png", "-0"], "give --files-from too"),
        (["--files-from", "none"], "none: the list of names cannot be read: No such file or directory"),
        (["-", "--files-from", "-"], "standard input cannot be both a picture and the list of names"),
    ]:
        result = run("apply", *words, "-k", "blur", "-o", "out/")
        assert (result.status, len(result.lines)) == (2, 1)
        assert message in result.err


def two_folders(tmp_path, samples):
    """p/a.png and q/a.png, different pictures."""
    for folder, name in (("p", "horse.png"), ("q", "camera.png")):
        (tmp_path / folder).mkdir()
        shutil.copy(samples / name, tmp_path / folder / "a.png")
    return tmp_path / "p", tmp_path / "q"


@pytest.mark.parametrize("shard", [[], ["--shard", "1/2"], ["--shard", "2/2"]])
def test_a_picture_that_was_found_is_never_replaced(run, samples, tmp_path, shard):
    """Not by that of another folder, nor by its own result; in any shard."""
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
    """Nor do two shards write one file; an empty shard tells so."""
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(5):
        shutil.copy(samples / "horse.png", folder / f"{i}.png")
    words = ["apply", "-r", folder, "-k", "blur", "-q", "--skip-existing", "-o", f"{folder}/out/{{stem}}{suffix}"]
    for _ in range(2):
        for part in range(1, 8):
            report = tmp_path / "report"
            assert run(*words, "--shard", f"{part}/7", "--report", report).status == 0
            assert json.loads(report.read_text().splitlines()[-1])["failed"] == 0
    assert {path.name for path in (folder / "out").glob(f"*{suffix}")} == {f"{i}{suffix}" for i in range(5)}
    assert not [path for path in (folder / "out").iterdir() if path.is_dir()]
    (tmp_path / "more").mkdir()
    shutil.copy(samples / "horse.png", tmp_path / "more" / "0.png")
    result = run("apply", folder / "0.png", tmp_path / "more" / "0.png", "-k", "blur", "-o", f"{tmp_path}/x/", "--shard", "1/7")
    assert (result.status, "two results would have the name" in result.err) == (2, True)


def test_outputs_beside_their_inputs_are_no_inputs_later(run, samples, tmp_path):
    """They carry a mark; a picture of the user by such a name stops the run."""
    folder = tmp_path / "flat"
    folder.mkdir()
    shutil.copy(samples / "horse.png", folder / "a.png")
    words = ["apply", folder, "-k", "blur", "-q", "--overwrite", "-o", f"{folder}/{{stem}}_x.png"]
    assert run(*words).status == 0
    assert run(*words).status == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "a_x.png"]
    shutil.copy(samples / "camera.png", folder / "a_x.png")
    result = run(*words)
    assert (result.status, "the output is an input" in result.err) == (2, True)


def test_links_to_one_picture_are_changed_once_in_place(run, samples, tmp_path):
    """Whether a search has found them or they were named; a picture that is named again as well."""
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
        told = [Path(json.loads(line)["input"]).name for line in result.out.splitlines()[:-1]]
        assert (result.status, sorted(told)) == (0, ["one.png", "p.png", "r.png"])
    result = run("apply", folder, "-k", "blur", "--in-place", "--json")
    assert result.status == 0
    told = [Path(json.loads(line)["input"]).name for line in result.out.splitlines()[:-1]]
    assert told == ["one.png", "p.png", "r.png"]
    assert run("apply", samples / "camera.png", "-k", "blur", "-q", "-o", tmp_path / "once.png").status == 0
    once = np.array(PIL.Image.open(tmp_path / "once.png"))
    for name in ("r.png", "k.png", "p.png", "q.png"):
        np.testing.assert_array_equal(PIL.Image.open(folder / name), once)
    assert (folder / "k.png").is_symlink()


def test_the_list_of_names_is_no_report(run, samples, tmp_path):
    """It stays as it is."""
    listing = tmp_path / "list"
    listing.write_text(f"{samples}/horse.png\n")
    result = run("apply", "--files-from", listing, "-k", "blur", "-o", f"{tmp_path}/x/", "--report", listing)
    assert (result.status, listing.read_text()) == (2, f"{samples}/horse.png\n")


def test_a_pattern_whose_head_is_a_file(tmp_path, monkeypatch):
    """Is for the folders beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f" / "g").mkdir(parents=True)
    for name in ("a.png", "f/b.png", "f/g/c.png"):
        (tmp_path / name).touch()
    assert [one.name for one in find_inputs(["*/**/*.png"], Search())] == ["f/b.png", "f/g/c.png"]


def test_a_deep_tree(tmp_path, monkeypatch):
    """Is searched without going as deep in the interpreter."""
    folder = tmp_path / "deep" / "/".join("d" * 150)
    folder.mkdir(parents=True)
    (folder / "a.png").touch()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 60)
    try:
        (one,) = find_inputs([str(tmp_path / "deep")], Search(recursive=True))
    finally:
        sys.setrecursionlimit(limit)
    assert one.source == folder / "a.png"


def test_names_of_find_are_mirrored(run, samples, tmp_path, monkeypatch):
    """And outputs that a later list holds are no inputs, whatever way the names are written."""
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


def test_a_link_that_leads_to_itself(run, samples, tmp_path):
    """Fails alone."""
    folder = tmp_path / "flat"
    folder.mkdir()
    shutil.copy(samples / "horse.png", folder / "a.png")
    (folder / "loop.png").symlink_to("loop.png")
    result = run("apply", folder, "-k", "blur", "-q", "-o", f"{tmp_path}/out/")
    assert (result.status, len(result.lines)) == (1, 1)
    assert result.lines[0].startswith(f"Error: {folder}/loop.png: ")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def test_a_list_from_a_closed_standard_input(samples, tmp_path):
    """Is wrong usage."""
    command = f"{sys.executable} -m convcli apply --files-from - -k blur -o {tmp_path}/out/ <&-"
    result = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False, text=True)
    assert (result.returncode, result.stderr) == (2, "Error: standard input is closed (see convcli apply --help)\n")


def test_an_input_is_known_through_a_folder_that_is_not_there_yet(run, samples, tmp_path):
    """A name such as new/../in/a.png leads to the input once new is made."""
    (tmp_path / "in").mkdir()
    shutil.copy(samples / "horse.png", tmp_path / "in" / "a.png")
    before = (tmp_path / "in" / "a.png").read_bytes()
    for output in ("new/../in/a.png", "new/../in/", "new/../in/{name}"):
        result = run("apply", tmp_path / "in" / "a.png", "-k", "blur", "-o", f"{tmp_path}/{output}", "--overwrite")
        assert (result.status, len(result.lines)) == (2, 1)
        assert "the output is an input" in result.err
    assert (tmp_path / "in" / "a.png").read_bytes() == before


def test_a_named_input_is_never_dropped_for_its_place(run, samples, tmp_path, monkeypatch):
    """With a base, in the folder of the outputs; outputs that a list of names holds are no inputs."""
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
        words = [
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
        assert run("apply", *words).status == 0
    assert sorted(map(str, Path("other").rglob("*.png"))) == ["other/b.png", "other/out/b.png"]


def test_faults_are_no_pictures(run, samples, tree, monkeypatch):
    """One picture beside an empty folder is one picture; the first reason counts; the working folder has a name."""
    (tree / "empty").mkdir()
    shutil.copy(samples / "horse.png", tree / "h.png")
    result = run("apply", "h.png", "empty", "-k", "blur", "-q", "-o", "one.webp")
    assert (result.status, len(result.lines), Path("one.webp").exists()) == (1, 1, True)
    assert found("*/../x.png") == [("a/../x.png", ".")]
    monkeypatch.setattr(os, "scandir", lambda path: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    faults = find_inputs(["empty", "empty", "**/x.png"], Search())
    assert [(one.name, one.error) for one in faults if one.error] == [
        ("empty", "cannot be searched: Permission denied"),
        (".", "cannot be searched: Permission denied"),
    ]


def test_what_cannot_hold_any_output_is_refused(run, samples, tree):
    """An output below a file, a base that is none, a report that is a folder, a list of names that end with NUL bytes."""
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
    for words, said in wrong.items():
        result = run("apply", "h.png", "-k", "blur", *words)
        assert (result.status, len(result.lines)) == (2, 1), result.err
        assert said in result.err
    assert not Path("out").exists()


def test_a_format_that_one_input_brings_along_fails_alone(run, samples, tree):
    """A GIF in a folder would become PNG, which holds no real numbers; where the user says PNG, nothing is done."""
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
def test_outputs_are_known_through_links_to_folders(run, samples, tree, searched, output):
    """A second run finds them where it searches, and takes them for no inputs."""
    (tree / "photos" / "out").mkdir(parents=True)
    (tree / "link").symlink_to("photos/out")
    (tree / "other").symlink_to("photos")
    PIL.Image.open(samples / "horse.png").save("photos/h.bmp")
    words = ["apply", "-r", searched, "-k", "blur", "--json", "-o", output]
    for _ in range(2):  # a format without a mark
        result = run(*words, "--overwrite")
        assert (result.status, len(result.out.splitlines())) == (0, 2)
        if "{" in output:
            break  # beside pictures, what carries no mark is a picture
    for path in tree.rglob("photos/**/*.bmp"):
        path.unlink()
    shutil.copy(samples / "horse.png", "photos/h.png")
    for status in ("done", "skipped"):
        result = run(*words, "--skip-existing")
        assert (result.status, [json.loads(line)["status"] for line in result.out.splitlines()[:-1]]) == (0, [status])


def test_one_picture_by_two_names(run, samples, tree):
    """Found twice it is one; named twice, it is said so."""
    (tree / "photos").mkdir()
    shutil.copy(samples / "horse.png", "photos/h.png")
    Path("names").write_text("photos\n./photos\nphotos/h.png\n")
    for words in (["photos", "./photos", "photos/../photos/*.png"], ["--files-from", "names"]):
        result = run("apply", *words, "-k", "blur", "--json", "-o", "out/", "--overwrite")
        assert (result.status, len(result.out.splitlines())) == (0, 2)
    for again in ("photos/h.png", "./photos/h.png"):
        result = run("apply", "photos/h.png", again, "-k", "blur", "-o", "out/", "--overwrite")
        assert (result.status, len(result.lines)) == (2, 1)
        assert "name that picture once" in result.err
