"""apply --skip-existing: up-to-date outputs are skipped, others are made again, files of the user are kept."""

import json
import os
import shutil
import zipfile

import imagecodecs
import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest
import tifffile

from convcli.images.atomic_write import PREFIX, _cleaned_folders
from convcli.images.formats import format_of
from convcli.images.output_state import OutputState, read_output_state
from convcli.images.provenance import Provenance, Sidecar, find_provenance, sidecar_path
from convcli.pipeline import request_base, write_output
from convcli.pipeline import write_pictures as run_module
from convcli.pipeline.apply_request import ApplyRequest

MARK = Provenance("a" * 32, "0" * 32)


@pytest.fixture
def photo(samples, tmp_path):
    """A copy of a sample picture, which a test may change."""
    path = tmp_path / "photo.png"
    with PIL.Image.open(samples / "chelsea.png") as picture:
        picture.save(path)
    return path


def statuses(run, *arguments):
    """The status of each input of a run, from its JSON output."""
    result = run("apply", *arguments, "-q", "--json")
    *lines, _ = map(json.loads, result.out.splitlines())
    return [line["status"] for line in lines]


OUTPUTS = ("x.png", "x.jpg", "x.webp", "x.avif", "x.jp2", "x.jxl", "x.tif", "x.gif", "x.bmp", "x.ppm", "x.npy", "x.npz")


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_up_to_date_are_skipped(run, photo, tmp_path, name):
    """In every format, bytes and inode stay; with another sigma the output equals a fresh one."""
    arguments = [photo, "--skip-existing", "-o", f"{tmp_path}/out/{{stem}}{name[1:]}"]
    out = tmp_path / "out" / f"photo{name[1:]}"
    assert statuses(run, *arguments, "-k", "gaussian:sigma=2") == ["done"]
    before = out.read_bytes(), out.stat().st_ino
    assert statuses(run, *arguments, "-k", "gaussian:sigma=2") == ["skipped"]
    assert (out.read_bytes(), out.stat().st_ino) == before
    assert statuses(run, *arguments, "-k", "gaussian:sigma=2.5") == ["done"]
    assert statuses(run, *arguments, "-k", "gaussian:sigma=2.5") == ["skipped"]
    fresh = tmp_path / f"fresh{name[1:]}"
    run("apply", photo, "-k", "gaussian:sigma=2.5", "-o", fresh, "-q")
    assert fresh.read_bytes() == out.read_bytes() != before[0]


def test_a_stack_in_tiff_keeps_its_description(run, photo, tmp_path):
    """The provenance mark does not replace ImageJ's description."""
    arguments = [photo, "--skip-existing", "-k", "sobel-x", "-k", "blur", "-o", f"{tmp_path}/{{stem}}_all.tif"]
    assert statuses(run, *arguments) == ["done"]
    assert statuses(run, *arguments) == ["skipped"]
    with PIL.Image.open(tmp_path / "photo_all.tif") as picture:
        assert picture.tag_v2[270].startswith("ImageJ=")


BASE = ["-k", "sharpen", "--png-level", "1"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-k", "edge"],
        ["-k", "sharpen@90"],
        ["-k", "0 -1 0; -1 5 -1; 0 -1 0.001"],
        ["-k", "sharpen", "--stride", "2"],
        ["-k", "sharpen", "--padding", "valid"],
        ["-k", "sharpen", "--border", "edge"],
        ["-k", "sharpen", "--dilation", "2"],
        ["-k", "sharpen", "--flip"],
        ["-k", "sharpen", "--channels", "sum"],
        ["-k", "sharpen", "--range", "stretch"],
        ["-k", "sharpen", "--png-level", "9"],
    ],
    ids=" ".join,
)
def test_changed_options_make_an_output_again(run, photo, tmp_path, arguments):
    """Every option that changes samples or bytes."""
    out = ["--skip-existing", "-o", f"{tmp_path}/{{stem}}_out.png"]
    assert statuses(run, photo, *BASE, *out) == ["done"]
    assert statuses(run, photo, *arguments, *out) == ["done"]


def test_jobs_limits_and_names_do_not_make_an_output_again(run, photo, tmp_path):
    """The number of jobs and the limits of memory and pixels; another name or date of the input."""
    out = ["--skip-existing", "-o", f"{tmp_path}/out.png"]
    assert statuses(run, photo, *BASE, *out) == ["done"]
    assert statuses(run, photo, *BASE, *out, "-j", "3", "--max-memory", "2G", "--max-pixels", "9999999") == ["skipped"]
    other = photo.rename(tmp_path / "other.png")
    assert statuses(run, other, *BASE, *out) == ["skipped"]
    other.touch()
    assert statuses(run, other, *BASE, *out) == ["skipped"]


def test_another_picture_with_the_same_name_is_processed(run, photo, tmp_path):
    """The digest of the input decides, not its name."""
    out = ["--skip-existing", "-o", f"{tmp_path}/out/"]
    assert statuses(run, photo, *BASE, *out) == ["done"]
    with PIL.Image.open(photo) as picture:
        rotated = picture.rotate(180)
    rotated.save(photo)
    assert statuses(run, photo, *BASE, *out) == ["done"]
    assert statuses(run, photo, *BASE, *out) == ["skipped"]


def test_only_missing_maps_are_made(run, photo, tmp_path):
    """One of several outputs of a picture is up to date."""
    out = ["--skip-existing", "-o", f"{tmp_path}/out/{{kernel}}.png"]
    assert statuses(run, photo, "-k", "blur", *out) == ["done"]
    result = run("apply", photo, "-k", "blur", "-k", "edge", *out, "--json", "-q")
    line = json.loads(result.out.splitlines()[0])
    assert [entry["map"] for entry in line["outputs"]] == ["edge"]
    assert line["skipped"] == [f"{tmp_path}/out/blur.png"]
    assert line["status"] == "done"


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_file_of_the_user_is_kept(run, photo, tmp_path, name):
    """Its input fails with one line; --overwrite replaces it; the other input is processed."""
    template = f"{tmp_path}/out/{{stem}}{name[1:]}"
    user_file = tmp_path / "out" / f"photo{name[1:]}"
    user_file.parent.mkdir()
    if name in ("x.npy", "x.npz"):
        user_file.write_bytes(b"anything")
    elif name == "x.jxl":
        user_file.write_bytes(imagecodecs.jpegxl_encode(np.zeros((9, 9), np.uint8)))
    else:
        with PIL.Image.open(photo) as picture:
            picture.save(user_file)
    before = user_file.read_bytes()
    second = tmp_path / "second.png"
    shutil.copy(photo, second)
    arguments = ["apply", photo, second, "-k", "blur", "--skip-existing", "-o", template]
    result = run(*arguments, "-q")
    assert (result.status, result.lines) == (
        1,
        [
            f"Error: {photo}: {user_file}: exists already, and carries no provenance of convcli; replace it with --overwrite, "
            "or move it away"
        ],
    )
    assert user_file.read_bytes() == before
    assert user_file.with_stem("second").exists()
    assert run(*arguments, "-q", "--overwrite").status == 0
    assert user_file.read_bytes() != before


def test_in_place_each_picture_is_changed_once(run, photo, tmp_path):
    """However often an interrupted batch is repeated; another kernel is applied to the result."""
    inputs = [photo, *(tmp_path / f"{i}{suffix}" for i, suffix in enumerate((".png", ".jpg", ".bmp", ".npy")))]
    with PIL.Image.open(photo) as picture:
        for path in inputs[1:4]:
            picture.save(path)
        np.save(inputs[4], np.asarray(picture))
    originals = {path: path.read_bytes() for path in inputs}
    arguments = ["-k", "sharpen", "--in-place", "--skip-existing"]
    assert statuses(run, *inputs[:2], *arguments) == ["done"] * 2  # an interrupted run
    assert statuses(run, *inputs, *arguments) == ["skipped"] * 2 + ["done"] * 3
    assert statuses(run, *inputs, *arguments) == ["skipped"] * 5
    for path in inputs:
        copy = tmp_path / "twin" / path.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(originals[path])
        run("apply", copy, "-k", "sharpen", "--in-place", "-q")
        assert copy.read_bytes() == path.read_bytes()
    assert statuses(run, photo, "-k", "blur", "--in-place", "--skip-existing") == ["done"]


def test_a_dry_run_lists_the_remaining_outputs(run, photo, samples, tmp_path):
    """It writes nothing."""
    arguments = [samples / "horse.png", photo, "-k", "blur", "--skip-existing", "-o", f"{tmp_path}/out/"]
    run("apply", photo, *arguments[2:], "-q")
    result = run("apply", *arguments, "-n", "-v")
    assert [line.split(" -> ")[1].split()[0] for line in result.out.splitlines()] == [f"{tmp_path}/out/horse.png"]
    assert f"{tmp_path}/out/photo.png: up to date, not written" in result.lines
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["photo.png"]


def test_the_summary_counts_skipped_inputs(run, photo, samples, tmp_path):
    """A line is printed where not all inputs were done."""
    arguments = ["-k", "blur", "--skip-existing", "-o", f"{tmp_path}/out/"]
    assert run("apply", photo, *arguments, "-q").lines == []
    assert run("apply", photo, samples / "horse.png", tmp_path / "none.png", *arguments).lines[-1] == (
        "1 of 3 inputs failed, 1 done, 1 skipped"
    )
    assert run("apply", photo, *arguments).lines == ["1 of 1 inputs skipped"]


def test_the_software_of_a_camera_stays_before_the_mark(run, tmp_path):
    """An output that becomes an input has one mark, that of the last run."""
    exif = PIL.Image.Exif()
    exif[305] = "Camera 1.0"
    exif.get_ifd(0x8769)[0x829A] = 0.5
    exif[0x8769] = exif.get_ifd(0x8769)
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "a.jpg", exif=exif)
    for source, name in (("a.jpg", "b.jpg"), ("b.jpg", "c.tif"), ("c.tif", "d.png"), ("d.png", "e.webp")):
        run("apply", tmp_path / source, "-k", "blur", "-o", tmp_path / name, "-q")
        with PIL.Image.open(tmp_path / name) as picture:
            tags = picture.getexif()
            before, _, mark = tags[305].partition("; ")
            assert before == "Camera 1.0"
            assert str(find_provenance(mark)) == mark
            assert tags.get_ifd(0x8769)[0x829A] == 0.5


def test_exif_without_room_for_a_mark_gets_a_sidecar(run, tmp_path):
    """EXIF is kept, and the mark is written to a sidecar. In place, the kernel is still applied only once."""
    exif = PIL.Image.Exif()
    exif[270] = "x" * 64_950
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "a.jpg", exif=exif)
    arguments = [tmp_path / "a.jpg", "-k", "blur", "--skip-existing", "-o", tmp_path / "b.jpg"]
    assert statuses(run, *arguments) == ["done"]
    assert statuses(run, *arguments) == ["skipped"]
    with PIL.Image.open(tmp_path / "b.jpg") as picture:
        assert len(picture.getexif()[270]) == 64_950
    arguments = [tmp_path / "a.jpg", "-k", "blur", "--skip-existing", "--in-place"]
    assert statuses(run, *arguments) == ["done"]
    before = (tmp_path / "a.jpg").read_bytes()
    assert statuses(run, *arguments) == ["skipped"]
    assert (tmp_path / "a.jpg").read_bytes() == before


def test_a_sidecar_belongs_to_one_file(tmp_path):
    """A file that an output replaces belongs to convcli but is not up to date; all other files belong to the user."""
    path, file_format = tmp_path / "a.npy", format_of("a.npy")
    assert read_output_state(path, file_format) == OutputState(exists=False)
    path.write_bytes(b"one")
    assert read_output_state(path, file_format) == OutputState(exists=True)
    digest = "7692c3ad3540bb803c020b3aee66cd88"  # the start of: printf one | sha256sum
    for replaced, ours in ((None, False), ("e" * 32, False), (digest, True)):
        sidecar_path(path).write_text(str(Sidecar(MARK, "f" * 32, replaced)))
        assert read_output_state(path, file_format) == OutputState(exists=True, ours=ours)
    sidecar_path(path).write_text(str(Sidecar(MARK, digest)))
    assert read_output_state(path, file_format) == OutputState(exists=True, ours=True, provenance=MARK)
    for broken in ("", "[]", "{}", '{"mark": 3, "file": 4}', "\0"):
        sidecar_path(path).write_text(broken)
        assert read_output_state(path, file_format) == OutputState(exists=True)


def test_files_of_the_user_in_place_of_outputs_are_kept(run, photo, tmp_path):
    """An array beside a sidecar of convcli, a named file, and a file in place of the sidecar."""
    arguments = [photo, "-k", "blur", "--skip-existing", "-q", "-o"]
    run("apply", *arguments, f"{tmp_path}/{{stem}}.npy")
    np.save(tmp_path / "photo.npy", np.arange(3))
    result = run("apply", *arguments, f"{tmp_path}/{{stem}}.npy")
    assert (result.status, "carries no provenance of convcli" in result.err) == (1, True)
    assert np.load(tmp_path / "photo.npy").tolist() == [0, 1, 2]
    (tmp_path / "named.png").write_bytes(photo.read_bytes())
    result = run("apply", *arguments, tmp_path / "named.png")
    assert (result.status, "carries no provenance of convcli" in result.err) == (1, True)
    assert (tmp_path / "named.png").read_bytes() == photo.read_bytes()
    (tmp_path / "x.bmp.convcli").write_text("theirs")
    result = run("apply", *arguments, tmp_path / "x.bmp")
    assert result.lines == [
        f"Error: {photo}: {tmp_path}/x.bmp.convcli: exists already, and is not a sidecar of convcli; move it away"
    ]
    assert (tmp_path / "x.bmp.convcli").read_text() == "theirs"
    assert not (tmp_path / "x.bmp").exists()


def test_an_output_that_is_no_regular_file_is_not_opened(run, photo, tmp_path):
    """Opening a pipe without a reader would block."""
    os.mkfifo(tmp_path / "out.png")
    result = run("apply", photo, "-k", "blur", "--skip-existing", "-o", tmp_path / "out.png")
    assert (result.status, "carries no provenance of convcli" in result.err) == (1, True)


def test_a_foreign_picture_is_not_decoded(tmp_path, monkeypatch):
    """Only the header is read."""
    PIL.Image.new("RGB", (50, 50)).save(tmp_path / "a.png")
    monkeypatch.setattr(PIL.PngImagePlugin.PngImageFile, "load", lambda *_: pytest.fail("the pixels are loaded"))
    assert read_output_state(tmp_path / "a.png", format_of("a.png")) == OutputState(exists=True)


def test_sidecars_are_written_only_where_needed(run, photo, tmp_path):
    """With --skip-existing, and in formats that cannot store a mark."""
    for name in OUTPUTS:
        run("apply", photo, "-k", "blur", "-o", tmp_path / "without" / name, "-q")
        run("apply", photo, "-k", "blur", "-o", tmp_path / "with" / name, "-q", "--skip-existing")
    assert sorted(path.name for path in (tmp_path / "without").iterdir()) == sorted(OUTPUTS)
    sidecars = {path.name for path in (tmp_path / "with").iterdir()} - set(OUTPUTS)
    assert sidecars == {"x.bmp.convcli", "x.ppm.convcli", "x.npy.convcli"}
    assert zipfile.ZipFile(tmp_path / "with" / "x.npz").comment.startswith(b"convcli:1:")
    assert sorted(np.load(tmp_path / "with" / "x.npz")) == ["blur"]


def test_the_digest_of_a_request_is_stable(monkeypatch):
    """On other machines and in later versions. A change, as of the pixels, makes all marked outputs be computed again."""
    from convcli.kernels.kernel import Kernel
    from convcli.pipeline.inputs import Search, find_inputs

    request = ApplyRequest(
        find_inputs(["a.png"], Search()), (Kernel("k", ((0.5, -0.25),), offset=3.0),), "b.png", stride=(2, 1)
    )
    assert request.digest_for(format_of("b.png"), [0]) == "a541e1910bd45c7aad2baa705531af23"
    monkeypatch.setattr(request_base, "PIXELS_VERSION", 3)
    assert request.digest_for(format_of("b.png"), [0]) == "655a782960a16bbbe4a6794875677ff6"


def test_the_digest_of_a_network_is_stable(run, samples, tmp_path, monkeypatch):
    """It does not depend on names of layers and fields in the code; this one is of version 0.1.0, with its pixels."""
    monkeypatch.setattr(request_base, "PIXELS_VERSION", 3)
    out = tmp_path / "maps.npz"
    assert run("run", "edge-energy", samples / "camera.png", "--tap", "pooled", "-o", out, "-q").status == 0
    with zipfile.ZipFile(out) as archive:
        assert find_provenance(archive.comment.decode()).asked == "5b1e67fdbf363e51906d8a710b66ae7f"


@pytest.mark.parametrize("name", [*OUTPUTS, "maps.tif"])
def test_a_truncated_output_is_made_again(run, photo, tmp_path, name):
    """At any length, unless only padding after the data is missing."""
    kernels = ["-k", "blur", *(["-k", "edge", "-k", "sobel-x"] if name == "maps.tif" else [])]
    arguments = ["apply", photo, "--stride", "9", "-q", "--skip-existing", *kernels, "-o", f"{tmp_path}/{name}"]
    assert run(*arguments).status == 0
    out, file_format = tmp_path / name, format_of(name)
    data = out.read_bytes()
    assert read_output_state(out, file_format).provenance is not None
    for length in (*range(0, len(data), len(data) // 50), *range(len(data) - 250, len(data))):
        out.write_bytes(data[:length])
        if read_output_state(out, file_format).provenance is not None:
            with tifffile.TiffFile(out) as cut:
                assert length > len(data) - 20
                assert [label for label in cut.imagej_metadata["Labels"][::3]] == ["blur R", "edge R", "sobel-x R"]
                assert cut.asarray().shape[0] == 3
        elif not file_format.holds_provenance:
            assert not read_output_state(out, file_format).ours
    if file_format.holds_provenance and file_format.name != "npz":
        out.write_bytes(data[: 9 * len(data) // 10])
        assert read_output_state(out, file_format).provenance is None


def test_in_place_a_marked_but_changed_picture_is_refused(run, photo, tmp_path):
    """A PNG with bytes after its end is refused, as it would be filtered a second time."""
    arguments = ["apply", photo, "-k", "blur", "--in-place", "--skip-existing", "-q"]
    assert run(*arguments).status == 0
    photo.write_bytes(photo.read_bytes() + b"more")
    before = photo.read_bytes()
    for options in ([], ["--overwrite"], ["-n"]):
        result = run(*arguments, *options)
        assert (result.status, len(result.lines), photo.read_bytes()) == (1, 1, before)
        assert "carries provenance of convcli, but is truncated or was changed since; restore it" in result.err


@pytest.mark.parametrize("name", ["x.png", "x.bmp"])
def test_files_created_meanwhile_are_kept(run, photo, tmp_path, monkeypatch, name):
    """A file created while the maps were computed; an equal output of another run is left, with its sidecar."""
    out = tmp_path / "out" / f"photo{name[1:]}"
    arguments = ["apply", photo, "-k", "blur", "-q", "--skip-existing", "-o", f"{tmp_path}/out/{{stem}}{name[1:]}"]
    assert run(*arguments).status == 0
    expected = {path.name: path.read_bytes() for path in out.parent.iterdir()}
    compute = run_module.fit

    def meanwhile(*inputs):
        out.write_bytes(b"mine")
        return compute(*inputs)

    monkeypatch.setattr(run_module, "fit", meanwhile)
    result = run(*arguments[:3], "edge", *arguments[4:])
    assert (result.status, out.read_bytes()) == (1, b"mine")
    assert "exists already, and carries no provenance of convcli" in result.err
    shutil.rmtree(out.parent)

    def same(*inputs):
        out.parent.mkdir()
        for path, data in expected.items():
            (out.parent / path).write_bytes(data)
        return compute(*inputs)

    monkeypatch.setattr(run_module, "fit", same)
    monkeypatch.setattr(write_output, "_state_of", lambda *_: OutputState(exists=False))  # the state was read before
    assert run(*arguments).status == 0
    assert {path.name: path.read_bytes() for path in out.parent.iterdir()} == expected


def test_a_dry_run_removes_nothing(run, photo, tmp_path):
    """Temporary files of dead runs are removed by the next run that writes."""
    arguments = ["apply", photo, "-k", "blur", "-q", "--skip-existing", "-o", f"{tmp_path}/out/"]
    assert run(*arguments).status == 0
    temporary = tmp_path / "out" / f"{PREFIX}0123456789ab.part"
    temporary.write_bytes(b"")
    _cleaned_folders.clear()
    assert run(*arguments, "-n").status == 0
    assert temporary.exists()
    assert run(*arguments).status == 0
    assert not temporary.exists()


def test_in_place_through_links_a_picture_is_changed_once(run, photo, tmp_path):
    """The sidecar is beside the picture, not beside the link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").mkdir()
    for suffix in (".bmp", ".png"):
        assert run("apply", photo, "-k", "identity", "-q", "-o", tmp_path / "real" / f"x{suffix}").status == 0
        (tmp_path / "linked" / f"x{suffix}").symlink_to(f"../real/x{suffix}")
    arguments = ["-k", "blur", "--in-place", "--skip-existing"]
    assert statuses(run, tmp_path / "linked", *arguments) == ["done"] * 2
    for folder in ("real", "linked"):
        assert statuses(run, tmp_path / folder, *arguments) == ["skipped"] * 2
    assert sorted(path.name for path in tmp_path.rglob("*.convcli")) == ["x.bmp.convcli"]


def test_in_place_accepts_one_map(run, photo):
    """Several maps are wrong usage."""
    result = run("apply", photo, "-k", "blur", "-k", "edge", "--in-place")
    assert (result.status, len(result.lines)) == (2, 1)
    assert "--in-place writes one map per picture, got 2; give -o" in result.err
