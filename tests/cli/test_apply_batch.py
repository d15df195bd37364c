"""convcli apply on many pictures: failures, reports, --in-place, --dry-run, --jobs."""

import json
import re

import numpy as np
import PIL.Image
import scipy.ndimage

from pictures import SOBEL_X, TRANSPARENT_RED_BESIDE_WHITE, pixels


def test_a_bad_picture_fails_alone(run, samples, tmp_path):
    """The others are processed; the status is 1; the bad picture is reported in one line."""
    (tmp_path / "bad.png").write_bytes((samples / "camera.png").read_bytes()[:5000])
    inputs = [samples / "camera.png", tmp_path / "bad.png", samples / "horse.png"]
    result = run("apply", *inputs, "-k", "blur", "-o", f"{tmp_path}/out/")
    assert result.status == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["camera.png", "horse.png"]
    errors = [line for line in result.lines if line.startswith("Error")]
    assert len(errors) == 1
    assert errors[0].startswith(f"Error: {tmp_path}/bad.png: is truncated or corrupt")
    assert result.lines[-1] == "1 of 3 inputs failed, 2 done"


def test_fail_fast_stops_at_the_first_failure(run, samples, tmp_path):
    """Outputs that are written stay; the other inputs are not tried."""
    inputs = [samples / "camera.png", tmp_path / "none.png", samples / "horse.png"]
    result = run("apply", *inputs, "-k", "blur", "-o", f"{tmp_path}/out/", "--fail-fast", "-j", 1)
    assert result.status == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["camera.png"]
    assert result.lines[-1] == "1 of 3 inputs failed, 1 done, 1 not tried"


def test_in_place_replaces_each_picture(run, samples, tmp_path):
    """The bytes equal those of another output, permissions are kept, and a picture that fails is unchanged."""
    for name in ("camera.png", "rocket.jpg", "horse.png"):
        (tmp_path / name).write_bytes((samples / name).read_bytes())
    (tmp_path / "camera.png").chmod(0o640)
    bad = (samples / "chelsea.png").read_bytes()[:9000]
    (tmp_path / "bad.png").write_bytes(bad)
    run("apply", samples / "camera.png", samples / "rocket.jpg", "-k", "blur", "-q", "-o", f"{tmp_path}/out/")
    result = run("apply", tmp_path / "camera.png", tmp_path / "rocket.jpg", tmp_path / "bad.png", "-k", "blur", "--in-place")
    assert result.status == 1
    for name in ("camera.png", "rocket.jpg"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert (tmp_path / "camera.png").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "bad.png").read_bytes() == bad
    np.save(tmp_path / "w.npy", np.ones((3, 3)))
    for arguments, message in [
        (["-", "-k", "blur"], "--in-place replaces files, and standard input is not a file"),
        ([tmp_path / "horse.png", "-k", "blur", "-o", "x.png"], "-o and --in-place exclude each other"),
        ([tmp_path / "horse.png", "-k", "blur", "-k", "edge"], "--in-place writes one map per picture, got 2"),
        ([tmp_path / "w.npy", "-k", f"@{tmp_path}/w.npy"], "the output is an input"),
    ]:
        refused = run("apply", *arguments, "--in-place")
        assert (refused.status, len(refused.lines)) == (2, 1)
        assert message in refused.err
    assert (tmp_path / "horse.png").read_bytes() == (samples / "horse.png").read_bytes()


def test_json_lines_report_each_picture(run, samples, tmp_path):
    """On standard output and in the report: outputs, statistics, errors, and the summary."""
    inputs = [samples / "camera.png", tmp_path / "none.png"]
    arguments = [
        "apply",
        *inputs,
        "-k",
        "sobel-x",
        "-q",
        "--json",
        "--report",
        tmp_path / "report.jsonl",
        "-o",
        f"{tmp_path}/out/",
    ]
    result = run(*arguments)
    assert result.status == 1
    assert (tmp_path / "report.jsonl").read_text() == result.out
    good, bad, summary = map(json.loads, result.out.splitlines())
    response = scipy.ndimage.correlate(pixels(samples / "camera.png").astype(float), SOBEL_X, mode="mirror")
    expected = {
        "path": f"{tmp_path}/out/camera.png",
        "map": "sobel-x",
        "shape": [512, 512, 1],
        "maps": 1,
        "frames": 1,
        "range": "abs",
        "low": -255,
        "high": 255,
        "minimum": response.min(),
        "maximum": response.max(),
        "below": int((response < -255).sum()),
        "above": int((response > 255).sum()),
        "unknown": 0,
        "count": 512 * 512,
    }
    assert good == {
        "input": f"{samples}/camera.png",
        "status": "done",
        "outputs": [expected],
        "skipped": [],
        "notices": [],
        "error": None,
    }
    assert (bad["status"], bad["outputs"], bad["error"]) == ("failed", [], "no such file")
    assert summary == {"inputs": 2, "done": 1, "skipped": 0, "failed": 1, "not_tried": 0}
    assert run(*arguments[:-1], "-").status == 2
    refused = run("apply", samples / "camera.png", "-k", "blur", "--report", samples / "camera.png", "-o", tmp_path / "x.png")
    assert "the output is an input" in refused.err
    photo = (samples / "camera.png").read_bytes()
    (tmp_path / "a.png").write_bytes(photo)
    refused = run("apply", tmp_path / "a.png", "-k", "blur", "--report", tmp_path / "a.png", "--in-place")
    assert (refused.status, len(refused.lines)) == (2, 1)
    assert "the output is an input" in refused.err
    assert (tmp_path / "a.png").read_bytes() == photo
    conflict = run("apply", tmp_path / "a.png", "-k", "blur", "--report", tmp_path / "x.png", "-o", tmp_path / "x.png")
    assert "x.png: the report is also an output" in conflict.err
    full = run("apply", samples / "camera.png", "-k", "blur", "-q", "--report", "/dev/full", "-o", tmp_path / "x.png")
    assert (full.status, full.lines) == (1, ["Error: /dev/full: cannot be written: No space left on device"])
    impossible = run(
        "apply", samples / "camera.png", "-k", "blur", "--report", samples / "camera.png" / "r", "-o", tmp_path / "x.png"
    )
    assert (impossible.status, len(impossible.lines)) == (1, 1)


def test_a_report_is_written_where_requested(run, samples, tmp_path):
    """Folders are created; another report is replaced, no other file; - is standard output; a dry run writes none."""
    arguments = ["apply", samples / "horse.png", "-k", "blur", "-q", "-o", tmp_path / "x.png"]
    report = tmp_path / "new" / "folder" / "r.jsonl"
    for _ in range(2):
        assert run(*arguments, "--report", report).status == 0
        assert len(report.read_text().splitlines()) == 2
    assert run(*arguments, "--report", "-").out == report.read_text()
    before = report.read_text()
    dry = run(*arguments, "-n", "--report", report)
    assert (dry.status, len(dry.lines), report.read_text()) == (2, 1, before)
    assert "print the lines with --json" in dry.err
    for dry in (["--json"], ["--report", "-"], ["--json", "-v"]):
        planned = run(*arguments[:-3], "-o", tmp_path / "x.png", "-n", *dry)
        assert planned.status == 0
        assert json.loads(planned.out.splitlines()[0])["outputs"][0]["map"] == "blur"
    (tmp_path / "x.png").unlink()
    for content in ("mine", "[" * 100_000, '{"input": 1, "exposure": 2}\nmine', "[]", "3"):
        (tmp_path / "notes.txt").write_text(content)
        other = run(*arguments, "--report", tmp_path / "notes.txt")
        assert (other.status, (tmp_path / "notes.txt").read_text(), (tmp_path / "x.png").exists()) == (2, content, False)
        message = f"Error: {tmp_path}/notes.txt: exists already and is not a report; give another name for the report"
        assert other.lines == [message]


def test_inputs_with_impossible_outputs_fail_alone(run, samples, tmp_path):
    """In place, where the format is not written or is another; by a template with the suffix of the input."""
    folder = tmp_path / "in"
    folder.mkdir()
    with PIL.Image.open(samples / "horse.png") as picture:
        for name in ("a.png", "b.ico", "c.pbm", "d.jpg"):
            picture.convert("1" if name == "c.pbm" else "L").save(folder / name)
        picture.convert("L").save(folder / "e", "png")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = run("apply", folder, folder / "e", "-k", "blur", "--in-place", "-q")
    assert result.status == 1
    assert result.lines == [
        f"Error: {folder}/b.ico: cannot be replaced, as .ico is not written; give -o",
        f"Error: {folder}/c.pbm: cannot be replaced, as .pbm is not written; give -o",
        f"Error: {folder}/e: cannot be replaced, as its name has no suffix that gives the format; give --format too",
    ]
    changed = {path.name for path in folder.iterdir() if path.read_bytes() != before[path.name]}
    assert changed == {"a.png", "d.jpg"}
    result = run("apply", folder / "a.png", folder / "d.jpg", folder / "e", "-k", "blur", "--in-place", "--format", "png", "-q")
    message = "--in-place keeps its name, and .jpg is not png; leave out --format, or give -o"
    assert (result.status, result.lines) == (1, [f"Error: {folder}/d.jpg: {message}"])
    assert (folder / "e").read_bytes() != before["e"]
    result = run("apply", folder, "-k", "blur", "-q", "-o", f"{tmp_path}/out/{{name}}")
    assert result.status == 1
    assert [line.split(": ")[1] for line in result.lines] == [f"{folder}/b.ico", f"{folder}/c.pbm"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "d.jpg"]
    single = run("apply", folder / "b.ico", "-k", "blur", "-q", "-o", f"{tmp_path}/two/{{name}}")
    assert (single.status, len(single.lines)) == (2, 1)


def test_quiet_excludes_verbose(run, samples, tmp_path):
    """Both are wrong usage."""
    result = run("apply", samples / "horse.png", "-k", "blur", "-o", tmp_path / "x.png", "-q", "-v")
    assert (result.status, len(result.lines)) == (2, 1)
    assert "-q and -v exclude each other" in result.err


def test_dry_run_lists_outputs_and_writes_nothing(run, samples, tmp_path):
    """Sizes and names are those of the real run."""
    arguments = [
        "apply",
        samples / "chelsea.png",
        "-k",
        "sobel-x",
        "-k",
        "average:size=5",
        "--stride",
        "3",
        "-o",
        f"{tmp_path}/out/",
    ]
    planned = run(*arguments, "--dry-run")
    assert planned.status == 0
    assert not (tmp_path / "out").exists()
    source, target = f"{samples}/chelsea.png (451 x 300 RGB 8-bit)", f"{tmp_path}/out/chelsea_sobel-x.png"
    first = f"{source} -> {target} (151 x 100, 3 channels) sobel-x, abs"
    assert planned.out.splitlines()[0] == first
    assert run(*arguments).status == 0
    assert pixels(tmp_path / "out" / "chelsea_sobel-x.png").shape == (100, 151, 3)
    assert run("apply", tmp_path / "none.png", "-k", "blur", "-o", tmp_path / "x.png", "-n").status == 1


def test_quiet_and_verbose_change_the_messages(run, samples, tmp_path):
    """Errors only; sizes and counts."""
    arguments = ["apply", samples / "horse.png", "-k", "blur", "-o", tmp_path / "x.png"]
    assert run(*arguments, "-q").err == ""
    commented = ["apply", samples / "rocket.jpg", "-k", "blur", "-o", tmp_path / "y.png"]
    assert "comment not kept" in run(*commented).err
    assert run(*commented, "-q").err == ""
    verbose = run(*arguments, "-v").lines
    assert verbose[0] == f"{samples}/horse.png: 400 x 328 RGB with alpha 8-bit"
    assert re.search(rf"\(400 x 328, 3 channels; 0 \+ \d+ of {400 * 328 * 3} samples outside\)$", verbose[-1])
    assert run("apply", tmp_path / "none.png", "-k", "blur", "-o", tmp_path / "y.png", "-q").lines == [
        f"Error: {tmp_path}/none.png: no such file"
    ]


def test_jobs_do_not_change_a_byte(run, samples, tmp_path):
    """The output is the same with one thread and with five."""
    for jobs in (1, 5):
        run("apply", samples / "astronaut.png", "-k", "gaussian:sigma=3", "-j", jobs, "-o", tmp_path / f"{jobs}.png")
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "5.png").read_bytes()


def test_concurrent_pictures_give_the_same_bytes(run, samples, tmp_path, rng):
    """Messages have the order of the inputs; bad files between them fail alone."""
    inputs = []
    for i in range(24):
        path = tmp_path / f"{i:02}.png"
        if i % 8 == 5:
            path.write_bytes(b"bad")
        else:
            PIL.Image.fromarray(rng.integers(0, 256, (40 + i, 50, 3), dtype=np.uint8)).save(path)
        inputs.append(path)
    for jobs in (1, 2, 8):
        result = run("apply", *inputs, "-k", "gaussian:sigma=2", "-j", jobs, "-o", f"{tmp_path}/{jobs}/")
        assert result.status == 1
        names = [re.search(r"(\d\d)\.png: ", line)[1] for line in result.lines if ".png: " in line]
        assert names == sorted(names)
        assert len(names) == 24
        assert result.lines[-1] == "3 of 24 inputs failed, 21 done"
    single = {path.name: path.read_bytes() for path in (tmp_path / "1").iterdir()}
    assert len(single) == 21
    for jobs in ("2", "8"):
        assert {path.name: path.read_bytes() for path in (tmp_path / jobs).iterdir()} == single


def test_a_written_map_is_reported_beside_a_failed_one(run, samples, tmp_path):
    """One map is written and reported, the other fails with status 1."""
    options = ["-k", "blur", "-k", "box:size=401", "--padding", "valid", "-o", f"{tmp_path}/{{kernel}}.png"]
    result = run("apply", samples / "horse.png", *options, "-q")
    assert (result.status, len(result.lines)) == (1, 1)
    result = run("apply", samples / "horse.png", *options, "--overwrite")
    assert any("blur min" in line for line in result.lines)
    assert [path.name for path in tmp_path.iterdir()] == ["blur.png"]


def test_a_dry_run_fails_where_the_run_would(run, tmp_path):
    """For alpha, and floats without a range."""
    PIL.Image.fromarray(TRANSPARENT_RED_BESIDE_WHITE).save(tmp_path / "alpha.png")
    np.save(tmp_path / "real.npy", np.zeros((4, 4)))
    for name, out in (("alpha.png", "x.jpg"), ("real.npy", "x.png")):
        for extra in ([], ["-n"]):
            result = run("apply", tmp_path / name, "-k", "blur", "-o", tmp_path / out, *extra)
            assert (result.status, len(result.lines)) == (1, 1), result.err
        assert not (tmp_path / out).exists()
