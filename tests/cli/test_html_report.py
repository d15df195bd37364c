"""--html of apply, run and summary: the page parsed again, its figures against numbers computed here."""

import functools
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import PIL.Image
import pytest
import scipy.ndimage
from numpy.testing import assert_array_equal

from batches import contents, make_pictures
from convcli.cli import html_kernels, html_report
from convcli.cli.html_report import HtmlReport
from convcli.drawing.colormaps import colormap
from convcli.drawing.thumbnail import detail_for
from convcli.pipeline import illustration
from pages import Page, bars_of, loads_nothing, picture_of

SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


@pytest.fixture
def small(tmp_path):
    """A grey picture of 7 x 7."""
    path = tmp_path / "small.png"
    PIL.Image.fromarray((np.arange(49).reshape(7, 7) ** 2 % 251).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def animation(tmp_path):
    """Three frames of 9 x 8, of levels 0 to 10, 11 to 20, 21 to 30."""
    frames = [PIL.Image.fromarray(np.full((8, 9), 10 * index, np.uint8)) for index in (1, 2, 3)]
    frames[0].save(tmp_path / "film.tif", save_all=True, append_images=frames[1:])
    return tmp_path / "film.tif"


def page_of(path):
    """The page in a file, which loads nothing."""
    page = Page(path.read_text())
    assert loads_nothing(page)
    return page


def options_of(page):
    """The rows of the table of options."""
    section = page.one("section", id="asked")
    cells = [element["text"] for element in page.all("td", section)]
    return [tuple(cells[index : index + 3]) for index in range(0, len(cells), 3)]


def figures_of(page, article):
    """The figures of an article: the name and the lines of each, by its caption."""
    return [figure["text"] for figure in page.all("figure", article)]


def test_a_page_shows_input_kernel_and_map(run, small, tmp_path):
    """Each sample is a pixel of its colour, weights are numbers, the line below a map has its range."""
    out, html = tmp_path / "map.png", tmp_path / "r.html"
    result = run("apply", small, "-k", "sobel-x", "-o", out, "--html", html, "--stride", "1")
    assert (result.status, len(result.lines), result.out) == (0, 1, "")
    page = page_of(html)
    with PIL.Image.open(small) as picture:
        levels = np.asarray(picture)
    response = scipy.ndimage.correlate(levels.astype(float), SOBEL, mode="mirror")
    article = page.one("article")
    given, drawn = page.all("img", article)
    assert_array_equal(picture_of(given), levels[:, :, None].repeat(3, axis=2))
    places = np.rint((response / np.abs(response).max() + 1) * 128).astype(int)
    assert_array_equal(picture_of(drawn), colormap("diverging")[places])
    assert (drawn["width"], drawn["height"]) == ("238", "238")  # 34 pixels each
    caption = page.all("figcaption", article)[1]["text"]
    below, above = (response < -255).sum(), (response > 255).sum()
    assert f"sobel-x7 × 7{response.min():g} to {response.max():g}range abs: -255 to 255" in caption
    assert f"clipped: {below} below ({100 * below / 49:.4g} %), {above} above ({100 * above / 49:.4g} %)" in caption
    assert caption.endswith(str(out))
    section = page.one("section", class_="kernels")
    assert [cell["text"] for cell in page.all("td", section)] == [str(weight) for weight in SOBEL.ravel()]
    assert_array_equal(picture_of(page.one("img", section)), colormap("diverging")[(SOBEL + 2) * 64])
    assert page.one("title")["text"] == page.one("h1")["text"] == "convcli apply: 1 picture"
    assert not page.all("nav")
    assert options_of(page) == [
        ("--kernel", "sobel-x", "command line"),
        ("--output", str(out), "command line"),
        ("--stride", "1", "command line"),
        ("--html", str(html), "command line"),
    ]


@pytest.mark.parametrize(
    ("output", "rule"), [("m.png", "stretch"), ("m.png", "-99..300"), ("m.npy", "auto"), ("s.png", "sheet")]
)
def test_histograms_are_those_of_numpy(run, samples, tmp_path, output, rule):
    """Whatever becomes of the map; bins beyond the range are drawn as clipped."""
    arguments = ["--sheet"] if rule == "sheet" else ["--range", rule] if rule != "auto" else []
    html = tmp_path / "r.html"
    photo = samples / "camera.png"
    assert run("apply", photo, "-k", "sobel-x", "-o", tmp_path / output, "--html", html, "-q", *arguments).status == 0
    page = page_of(html)
    with PIL.Image.open(photo) as picture:
        response = scipy.ndimage.correlate(np.asarray(picture).astype(float), SOBEL, mode="mirror")
    svg = page.one("svg")
    bins = int(svg["viewbox"].split()[2])
    first, last = (float(end["text"]) for end in page.all("span", page.one("div", class_="histogram")))
    width = (last - first) / bins
    assert math.log2(width) == round(math.log2(width))
    assert 32 <= bins <= 64
    counts, edges = np.histogram(response, np.linspace(first, last, bins + 1))
    heights, clipped = bars_of(svg, page)
    assert heights == {i: max(round(100 * math.sqrt(n / counts.max())), 1) for i, n in enumerate(counts) if n}
    low, high = {"-99..300": (-99, 300)}.get(rule, (-np.inf, np.inf))
    assert clipped == {i for i, n in enumerate(counts) if n and (edges[i + 1] <= low or edges[i] > high)}


def test_tiles_of_large_maps_are_means(run, samples, tmp_path):
    """A map that is stored band by band is reduced as it is computed; colours are those of the scale in the legend."""
    html = tmp_path / "r.html"
    photo = samples / "camera.png"
    assert run("apply", photo, "-k", "gaussian:sigma=2", "-o", tmp_path / "m.png", "--html", html, "-q").status == 0
    page = page_of(html)
    with PIL.Image.open(photo) as picture:
        levels = np.asarray(picture).astype(float)
    weights = np.exp(-(np.arange(-8, 9) ** 2) / 8)
    for axis in (0, 1):
        levels = scipy.ndimage.correlate1d(levels, weights / weights.sum(), axis, mode="mirror")
    given, drawn = page.all("img", page.one("article"))
    firsts = np.arange(240) * 512 // 240
    sizes = np.diff(firsts, append=512)
    means = np.add.reduceat(np.add.reduceat(levels, firsts, 0), firsts, 1) / np.outer(sizes, sizes)
    found = picture_of(drawn).astype(float)
    assert found.shape == (240, 240, 3)
    assert np.abs(found - means[:, :, None]).max() < 12  # JPEG
    assert np.abs(found - means[:, :, None]).mean() < 1
    assert given["src"] != drawn["src"]


def test_run_shows_layers_and_their_maps(run, samples, tmp_path):
    """The table is that of summary; every map has a tile, every layer a histogram and its range."""
    html = tmp_path / "r.html"
    taps = ("--tap", "edges", "--tap", "pooled")
    result = run("run", "edge-energy", samples / "camera.png", *taps, "-o", tmp_path / "m.npz", "--html", html, "--json")
    page = page_of(html)
    rows = [row["text"] for row in page.all("tr", page.one("section", id="layers"))]
    assert rows[0] == "layeroutputweightsbiasesmultiply-addsfieldstepmemory"
    assert rows[1].startswith(f"edges (conv)512 x 512 x 8{8 * 9}0{8 * 9 * 512 * 512:,}3 x 31 x 1")
    assert rows[3].startswith("pooled (max-pool)256 x 256 x 8000")
    article = page.one("article")
    assert len(page.all("img", article)) == 1 + 16
    assert len(page.all("svg", article)) == 2
    with np.load(tmp_path / "m.npz") as arrays:
        for layer in ("edges", "pooled"):
            low, high = arrays[layer].min(), arrays[layer].max()
            caption = next(text for text in figures_of(page, article) if text.startswith(f"{layer}8 maps"))
            assert f"8 maps{low:g} to {high:g}stored raw{tmp_path / 'm.npz'}" in caption
            assert f"{layer}-3{arrays[layer].shape[2]} × {arrays[layer].shape[1]}" in article["text"]
    assert "Kernels of layer edges" in page.text
    assert json.loads(result.out.splitlines()[0])["status"] == "done"


def test_method_and_cost_are_those_of_explain(run, samples, tmp_path):
    """Without --explain too, whose lines and JSON are only there when it is given."""
    html = tmp_path / "r.html"
    arguments = ("apply", samples / "camera.png", "-k", "gaussian:sigma=2", "-o", tmp_path / "m.png", "--html", html, "--json")
    plain = run(*arguments)
    page = page_of(html)
    cells = [cell["text"] for cell in page.all("td", page.one("article"))]
    explained = run(*arguments, "--explain")
    (way,) = json.loads(explained.out.splitlines()[0])["outputs"][0]["ways"]
    assert cells[:2] == ["gaussian:sigma=2", way["method"]] == ["gaussian:sigma=2", "separable"]
    assert way["reason"] in cells[2]
    assert cells[3] == f"{2 * 17} instead of {17 * 17}"
    assert "ways" not in json.loads(plain.out.splitlines()[0])["outputs"][0]
    assert len(plain.lines) == 1 < len(explained.lines)


def test_a_batch_lists_failures_first_with_reasons(run, samples, tmp_path):
    """With a thumbnail where the picture could be decoded; contents name all pictures in order, and link to them."""
    folder = tmp_path / "in"
    make_pictures(folder, 4, np.random.default_rng(5))
    (folder / "001.png").write_bytes(b"nothing")
    PIL.Image.new("RGB", (8, 6), (200, 100, 20)).save(folder / "small.png")
    html = tmp_path / "r.html"
    result = run(
        "apply", folder, "-k", "sobel-x", "-k", "average:size=31", "--padding", "valid", "-o", f"{tmp_path}/o/", "--html", html
    )
    assert result.status == 1
    page = page_of(html)
    assert page.one("header")["text"].split("\n")[2] == "2 failed, 3 done"
    sections = [element["id"] for element in page.all("section") if "id" in element]
    assert sections.index("failures") < sections.index("pictures")
    unread, refused = page.all("article", page.one("section", id="failures"))
    assert unread["text"].strip().startswith(f"{folder}/001.png")
    reasons = [line.split(": ", 2)[2] for line in result.lines if line.startswith("Error: ")]
    assert [paragraph["text"] for paragraph in page.all("p", class_="bad")] == reasons
    assert not page.all("img", unread)
    assert_array_equal(picture_of(page.all("img", refused)[0]), np.full((6, 8, 3), (200, 100, 20)))
    links = page.all("a", page.one("nav"))
    assert [link["text"] for link in links] == [f"{folder}/{name}.png" for name in ("000", "001", "002", "003", "small")]
    targets = {article["id"]: article["text"].split("\n")[1] for article in page.all("article")}
    assert [targets[link["href"][1:]] for link in links] == [link["text"] for link in links]


TAGS = set(
    "html head meta title style body header h1 h2 h3 p section pre div table thead tbody tr th td nav details summary ol li a "  # noqa: SIM905
    "bdi article ul figure img figcaption b br svg path span i".split()
)
"""The elements of pages."""

HOSTILE = [
    b"<script>alert(1)<\\script>.png",
    b"\"' onload=x y='.png",
    b"new\nline\x1b[31m.png",
    b"\xff\xfe.png",
    "\u202egnp.\u2066kcul".encode() + b".png",
    b"&lt;b&gt;&amp;.png",
    b"-->]]>.png",
]


def test_hostile_names_are_text(run, tmp_path):
    """No name becomes an element or an attribute, or changes the direction of what follows it; kernels neither."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in HOSTILE:
        PIL.Image.new("L", (5, 5), 9).save(tmp_path / "x.png")
        shutil.copy(tmp_path / "x.png", folder / os.fsdecode(name))
    (tmp_path / "k.toml").write_text('[kernels.odd]\nabout = "<img src=http://a.test/x onerror=alert(1)>"\nmatrix = [[1]]\n')
    html = tmp_path / "r.html"
    arguments = ("-k", "odd", "-k", "blur", "--config", tmp_path / "k.toml", "-o", f"{tmp_path}/o/")
    assert run("apply", tmp_path / "in", *arguments, "--html", html, "-q").status == 0
    page = page_of(html)
    assert len(page.all("article")) == len(HOSTILE)
    assert {element["tag"] for element in page.elements} <= TAGS
    for text in (
        "<script>alert(1)<\\script>",
        "\"' onload=x y='",
        "new\\x0aline\\x1b[31m",
        "\\xff\\xfe",
        "\\u202egnp.",
        "&lt;b&gt;",
    ):
        assert text in page.text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", page.text)
    assert "<img src=http://a.test/x onerror=alert(1)>" in page.text


def test_pages_are_the_same_to_the_byte_whatever_the_jobs(run, tmp_path):
    """The same words give the same page; with other jobs only these words differ."""
    folder = tmp_path / "in"
    make_pictures(folder, 9, np.random.default_rng(6))
    html, pages = tmp_path / "r.html", []
    for jobs in (1, 4, 4):
        arguments = ("-k", "sobel-x", "-o", f"{tmp_path}/o/", "--overwrite", "-q", "-j", jobs, "--html", html)
        assert run("apply", folder, *arguments).status == 0
        pages.append(html.read_text())
    assert pages[1] == pages[2]
    assert pages[0].replace("-j 1 ", "-j 4 ").replace("<td>1</td><td>command", "<td>4</td><td>command") == pages[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "o", "r.html"]


def test_a_page_goes_to_standard_output_where_that_is_free(run, small, tmp_path):
    """It is the same as in a file but for its name; a dry run says what would be written, and writes nothing."""
    out = tmp_path / "m.png"
    printed = run("apply", small, "-k", "blur", "-o", out, "--html", "-", "-q")
    assert loads_nothing(Page(printed.out))
    assert out.exists()
    out.unlink()
    dry = run("apply", small, "-k", "blur", "-o", out, "--html", "-", "-n")
    page = Page(dry.out)
    assert (dry.status, out.exists()) == (0, False)
    assert "This was a dry run: nothing was written." in page.text
    assert "1 would be written" in page.text
    assert [cell["text"] for cell in page.all("td", page.one("article"))][:2] == ["blur", "7 × 7"]
    for arguments, reason in (
        (("-o", "-", "--format", "png", "--html", "-"), "--html - and -o - both write to standard output; use --html FILE"),
        (("-o", out, "--json", "--html", "-"), "--html - and --json both write to standard output; use --html FILE"),
        (("-o", out, "--report", "-", "--html", "-"), "--html - and --json both write to standard output"),
        (("-o", out, "-n", "--html", tmp_path / "r.html"), "--html writes a file, and -n writes nothing"),
    ):
        result = run("apply", small, "-k", "blur", *arguments)
        assert (result.status, len(result.lines), result.out) == (2, 1, "")
        assert reason in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["small.png"]


def test_no_other_file_is_replaced(run, small, tmp_path):
    """An input, an output, the other report, a weights file, any file that is not a page of this program; its own page is."""
    out, html = tmp_path / "m.png", tmp_path / "r.html"
    np.save(tmp_path / "w.npy", np.ones((3, 3)))
    (tmp_path / "notes.html").write_text("<!DOCTYPE html><title>mine</title>")
    before = contents(tmp_path)
    for name, reason in (
        (small, "the output is an input"),
        (tmp_path / "w.npy", "the output is an input"),
        (out, "the report is also an output"),
        (tmp_path / "notes.html", "exists already and is not a report; give another name for the report"),
        (tmp_path / "r.jsonl", "--html and --report name the same file"),
        (small / "r.html", "cannot be written"),
        (tmp_path, "is a directory"),
    ):
        result = run("apply", small, "-k", f"@{tmp_path}/w.npy", "-o", out, "--html", name, "--report", tmp_path / "r.jsonl")
        assert (result.status in (1, 2), len(result.lines), reason in result.err) == (True, 1, True), result.err
        assert contents(tmp_path) == before
    full = run("apply", small, "-k", "blur", "-q", "--html", "/dev/full", "-o", out)
    assert (full.status, full.lines) == (1, ["Error: /dev/full: cannot be written: No space left on device"])
    for _ in range(2):
        assert run("apply", small, "-k", "blur", "-q", "--html", html, "-o", out).status == 0
    new = tmp_path / "new" / "folder" / "r.html"
    assert run("apply", small, "-k", "blur", "-q", "--html", new, "-o", out).status == 0
    assert new.exists()


def test_an_interrupted_batch_leaves_a_page_that_says_so(samples, tmp_path):
    """With the pictures that are done."""
    for i in range(60):
        shutil.copy(samples / "astronaut.png", tmp_path / f"{i:02}.png")
    out, html = tmp_path / "out", tmp_path / "r.html"
    arguments = ["apply", tmp_path, "-k", "gaussian:sigma=9", "-q", "-o", f"{out}/", "--html", html]
    accept_sigint = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen([sys.executable, "-m", "convcli", *arguments], stderr=subprocess.PIPE, preexec_fn=accept_sigint)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (out.exists() and any(out.glob("*.png"))):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, b"")
    page = page_of(html)
    done = len(list(out.iterdir()))
    assert 0 < done < 60
    assert "The run was stopped before its end." in page.one("header")["text"]
    assert f"{done} done, {60 - done} not tried" in page.one("header")["text"]
    assert len(page.all("article")) == done
    assert not list(tmp_path.glob(".*"))


def test_a_picture_is_shown_once_after_an_interrupt_while_it_is_written(run, tmp_path, monkeypatch):
    """The run reports the last picture again, in the place of what was written of it."""
    make_pictures(tmp_path / "in", 5, np.random.default_rng(8))
    add = HtmlReport.outcome

    def interrupted(report, outcome):
        add(report, outcome)
        if report.position == 2 and not interruptions:
            interruptions.append(report)
            report.position, report.last_outcome = 1, None  # as if it came between the writes and these
            raise KeyboardInterrupt

    interruptions = []
    monkeypatch.setattr(HtmlReport, "outcome", interrupted)
    html = tmp_path / "r.html"
    assert run("apply", tmp_path / "in", "-k", "blur", "-q", "-o", f"{tmp_path}/o/", "--html", html).status == 130
    page = page_of(html)
    names = [heading["text"] for heading in page.all("h3")]
    assert len(names) == len(set(names)) == len(page.all("li", page.one("nav")))
    assert len(names) >= 2


def test_an_interrupt_before_the_first_picture_leaves_a_page(run, tmp_path, monkeypatch):
    """It says that nothing was tried."""
    make_pictures(tmp_path / "in", 2, np.random.default_rng(8))

    def interrupted(report, outcome):
        raise KeyboardInterrupt

    monkeypatch.setattr(HtmlReport, "outcome", interrupted)
    html = tmp_path / "r.html"
    assert run("apply", tmp_path / "in", "-k", "blur", "-q", "-o", f"{tmp_path}/o/", "--html", html).status == 130
    page = page_of(html)
    assert "2 not tried" in page.one("header")["text"]
    assert "The run was stopped before its end." in page.one("header")["text"]


def test_the_maps_of_each_layer_share_a_scale_of_their_own(run, samples, tmp_path):
    """The legend has a signed scale for the edges, and one from 0 for what is pooled."""
    html = tmp_path / "r.html"
    asked = ("run", "edge-energy", samples / "camera.png", "--tap", "edges", "--tap", "pooled", "-q", "--html", html)
    assert run(*asked, "-o", tmp_path / "m.npz").status == 0
    page = page_of(html)
    legends = [legend["text"] for legend in page.all("div", page.one("article"), class_="legend")]
    assert len(legends) == 2
    assert "-" in legends[0]
    assert "-" not in legends[1]


def test_the_first_kernels_are_drawn(run, small, tmp_path, monkeypatch):
    """Of a bank with more than the page has room for, which it says."""
    monkeypatch.setattr(html_kernels, "MOST_KERNELS", 3)
    html = tmp_path / "r.html"
    assert run("apply", small, "-k", "compass", "-q", "-o", tmp_path / "m.npy", "--html", html).status == 0
    page = page_of(html)
    section = page.one("section", class_="kernels")
    assert "The first 3 of 8 are shown." in section["text"]
    assert len(page.all("img", section)) == 3


def test_names_stand_apart_from_the_direction_of_their_letters(run, small, tmp_path):
    """A name with an override of direction cannot turn the text around it."""
    name = tmp_path / "abc\u05d0\u05d1.png"
    shutil.copy(small, name)
    html = tmp_path / "r.html"
    assert run("apply", name, "-k", "blur", "-q", "-o", tmp_path / "m.npy", "--html", html).status == 0
    page = page_of(html)
    assert page.one("bdi", page.one("h3"))["text"].endswith("abc\u05d0\u05d1.png")


def test_a_page_that_cannot_be_replaced_is_told_before_the_run(small, tmp_path):
    """In a process that may not write into protected files, as those of root may."""
    html, out = tmp_path / "r.html", tmp_path / "m.png"
    command = [sys.executable, "-m", "convcli", "apply", small, "-k", "blur", "-q", "-o", out, "--html", html]
    assert subprocess.run(command, check=False).returncode == 0
    out.unlink()
    html.chmod(0o444)
    drop = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
    result = subprocess.run([*drop, *command], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, f"Error: {html}: cannot be written: it is write-protected\n")
    assert not out.exists()


def test_a_map_of_many_channels_says_that_it_is_their_mean(run, tmp_path):
    """As the input does."""
    np.save(tmp_path / "five.npy", np.random.default_rng(3).random((9, 9, 5)))
    html = tmp_path / "r.html"
    asked = ("apply", tmp_path / "five.npy", "--axes", "yxc", "-k", "blur", "-o", tmp_path / "m.npy", "--html", html, "-q")
    assert run(*asked).status == 0
    page = page_of(html)
    assert [text.count("mean of 5 channels") for text in figures_of(page, page.one("article"))] == [1, 1]


def test_skipped_pictures_are_listed(run, tmp_path):
    """With the outputs that are up to date, beside those that were made."""
    folder, html = tmp_path / "in", tmp_path / "r.html"
    make_pictures(folder, 2, np.random.default_rng(9))
    arguments = ("apply", folder, "-k", "blur", "-q", "-o", f"{tmp_path}/o/", "--skip-existing", "--html", html)
    assert run(*arguments).status == 0
    make_pictures(folder, 3, np.random.default_rng(9))
    assert run(*arguments).status == 0
    page = page_of(html)
    assert "1 done, 2 skipped" in page.one("header")["text"]
    skipped = page.all("article", class_="skipped")
    assert [
        f"up to date, not written: {tmp_path}/o/{name}.png" in element["text"]
        for element, name in zip(skipped, ("000", "001"), strict=True)
    ] == [True, True]
    assert not page.all("img", skipped[0])
    assert len(page.all("img", page.one("article", class_="done"))) == 2


@pytest.mark.parametrize("option", ["--html", "--report"])
def test_a_report_is_no_output_of_a_frame(run, animation, tmp_path, option):
    """Outputs with {frame} are known when the frames are read."""
    name = tmp_path / "film_2.png"
    result = run("apply", animation, "-k", "blur", "-o", tmp_path / "{stem}_{frame}.png", option, name, "-q")
    assert result.status == 1
    assert "the report is also an output; give another name" in result.err
    assert not name.exists() or not name.read_bytes().startswith(b"\x89PNG")


def test_a_file_that_is_made_during_the_run_is_not_replaced(run, small, tmp_path, monkeypatch):
    """The name of the page is looked at again before it is written."""
    html = tmp_path / "r.html"
    monkeypatch.setattr(HtmlReport, "outcome", lambda self, outcome: html.write_text("mine"))
    result = run("apply", small, "-k", "blur", "-o", tmp_path / "m.png", "--html", html, "-q")
    assert result.status == 2
    assert "exists already and is not a report" in result.err
    assert html.read_text() == "mine"


def test_huge_and_tiny_values_have_a_histogram(run, tmp_path):
    """Bins of one picture may be 2 ** 2000 times as wide as those of another part of it."""
    values = np.zeros((600, 600))
    values[0, :2] = [1e300, -1e300]
    values[599, :2] = [1e-300, -1e-300]
    np.save(tmp_path / "huge.npy", values)
    html = tmp_path / "r.html"
    result = run("apply", tmp_path / "huge.npy", "-k", "identity", "-o", tmp_path / "m.npy", "--html", html, "-q")
    assert (result.status, result.lines) == (0, [])
    assert page_of(html).one("div", class_="histogram")


def test_nothing_is_marked_where_nothing_is_clipped(run, samples, tmp_path):
    """A bin that begins at the end of the range holds values that are kept."""
    html = tmp_path / "r.html"
    photo = samples / "camera.png"
    assert run("apply", photo, "-k", "blur", "-o", tmp_path / "m.png", "--html", html, "-q").status == 0
    page = page_of(html)
    assert bars_of(page.one("svg"), page)[1] == set()


def test_of_frames_the_first_is_shown_and_all_are_counted(run, animation, tmp_path):
    """The histogram is that of all frames."""
    html = tmp_path / "r.html"
    assert run("apply", animation, "-k", "identity", "-o", tmp_path / "m.tif", "--html", html, "-q").status == 0
    page = page_of(html)
    given, drawn = page.all("img", page.one("article"))
    assert_array_equal(picture_of(given), np.full((8, 9, 3), 10))
    assert picture_of(drawn).shape == (8, 9, 3)
    assert "3 frames" in figures_of(page, page.one("article"))[1]
    assert "10 to 30" in figures_of(page, page.one("article"))[1]
    heights, _ = bars_of(page.one("svg"), page)
    assert list(heights.values()) == [100, 100, 100]


def test_outputs_of_further_frames_stand_in_a_table(run, animation, tmp_path):
    """The figure is that of the first; 400 frames do not make 400 figures."""
    html = tmp_path / "r.html"
    names = ("-o", tmp_path / "m_{frame}.tif", "--html", html, "-q")
    assert run("apply", animation, "-k", "identity", *names).status == 0
    page = page_of(html)
    assert len(page.all("img", page.one("article"))) == 2
    assert "m_0.tif" in figures_of(page, page.one("article"))[1]
    rows = [row["text"] for row in page.all("tr", page.all("table", page.one("article"))[0])][1:]
    assert [re.search(r"m_\d\.tif", row)[0] for row in rows] == ["m_1.tif", "m_2.tif"]
    assert ["20" in row and "30" not in row for row in rows] == [True, False]


def test_arrays_with_nan_and_without_anything_finite(run, tmp_path):
    """NaN is counted, and has a colour of its own; a map of nothing else has no histogram."""
    numbers = np.arange(64, dtype=np.float32).reshape(8, 8)
    numbers[2, 3] = np.nan
    np.save(tmp_path / "a.npy", numbers)
    np.save(tmp_path / "b.npy", np.full((8, 8), np.nan, np.float32))
    np.save(tmp_path / "c.npy", np.zeros((1, 1), np.float32))
    html = tmp_path / "r.html"
    names = [tmp_path / f"{name}.npy" for name in "abc"]
    result = run("apply", *names, "-k", "identity", "-o", f"{tmp_path}/o/", "--format", "npy", "--html", html, "-q")
    assert result.status == 0, result.err
    page = page_of(html)
    partly, nothing, single = page.all("article")
    assert "1 not a number (1.562 %)" in partly["text"]
    assert "64 not a number (100 %)" in nothing["text"]
    assert [len(page.all("svg", article)) for article in (partly, nothing, single)] == [1, 0, 1]
    assert tuple(picture_of(page.all("img", partly)[1])[2, 3]) == (255, 0, 220)
    assert "NaN" in page.all("div", partly, class_="legend")[0]["text"]


def test_a_thousand_pictures_stay_below_20_mb(run, tmp_path, monkeypatch):
    """Of noise, which compresses worst, with long names and many maps: what two take is less than their share."""
    for module in (illustration, html_report):
        monkeypatch.setattr(module, "detail_for", lambda pictures, maps: detail_for(1000, maps))
    make_pictures(tmp_path / "in", 2, np.random.default_rng(10), side=300)
    for path in (tmp_path / "in").iterdir():
        path.rename(path.with_name(path.stem + "x" * 180 + path.suffix))
    (tmp_path / "k.toml").write_text(f"[banks.many]\ngenerator = 'gabor'\ngrid = {{ theta = {[*range(60)]}, size = [5] }}\n")
    html = tmp_path / "r.html"
    asked = ("apply", tmp_path / "in", "-k", "many", "--config", tmp_path / "k.toml", "-o", f"{tmp_path}/o/", "--html", html)
    assert run(*asked, "-q").status == 0
    text = html.read_text()
    first, second = (text.index(f'<article id="p{position}"') for position in (1, 2))
    assert first + 1000 * (second - first + 300) < 20_000_000  # 300 bytes for the contents
    page = page_of(html)
    article = page.all("article")[0]
    assert [picture_of(img).shape for img in page.all("img", article)] == [(75, 75, 3)] * 3
    assert [len(page.all("tr", table)) for table in page.all("table", article)] == [1 + 3, 1 + 3]
    assert "and 55 more" in article["text"]


def test_after_the_pictures_that_are_shown_failures_alone_are_listed(run, tmp_path, monkeypatch):
    """As many as pictures are shown, so that a page has a bounded size; all are counted."""
    monkeypatch.setattr(html_report, "ILLUSTRATED", 2)
    make_pictures(tmp_path / "in", 4, np.random.default_rng(10))
    for name in "xyz":
        (tmp_path / "in" / f"{name}.png").write_bytes(b"no picture")
    html = tmp_path / "r.html"
    assert run("apply", tmp_path / "in", "-k", "sobel-x", "-o", f"{tmp_path}/o/", "--html", html, "-q").status == 1
    page = page_of(html)
    assert "3 failed, 4 done" in page.text
    assert "The first 2 pictures are shown; --report has a line for each." in page.text
    assert "Of 3 failures, the first 2 are listed." in page.text
    assert [article["id"] for article in page.all("article")] == ["p5", "p6", "p1", "p2"]
    assert [len(page.all("img", article)) for article in page.all("article")] == [0, 0, 2, 2]
    assert len(page.all("li", page.all("nav")[0])) == 4


def test_options_of_config_files_and_of_the_environment_are_named(run, small, tmp_path, monkeypatch):
    """Beside those of the command line, with where they were set."""
    (tmp_path / "k.toml").write_text('[defaults]\nborder = "wrap"\nrange = "stretch"\n')
    monkeypatch.setenv("CONVCLI_STRIDE", "2x1")
    html = tmp_path / "r.html"
    arguments = ("-k", "blur", "-o", tmp_path / "m.png", "--html", html, "-q", "--config", tmp_path / "k.toml")
    assert run("apply", small, *arguments).status == 0
    rows = options_of(page_of(html))
    assert ("--stride", "2x1", "environment variable CONVCLI_STRIDE") in rows
    assert ("--border", "wrap", "config file") in rows
    assert ("--range", "stretch", "config file") in rows
    assert not [row for row in rows if row[0] in ("--padding", "--flip")]


@pytest.mark.parametrize("name", ["alexnet", "edge-energy --input 9x9x1", "'-1 0 1' --input 8x8x1", "sobel --input 8x8x3"])
def test_summary_writes_its_table_as_a_page(run, tmp_path, name):
    """The cells are those that it prints; JSON can be printed at the same time; the page can be printed instead."""
    html = tmp_path / "r.html"
    words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", name)]
    printed = run("summary", *words, "--html", html, "--json")
    facts = json.loads(printed.out)
    page = page_of(html)
    layers = page.one("section", id="layers")
    rows = [[cell["text"] for cell in page.all("td", row)] for row in page.all("tr", layers)][1:]
    products = [f"{layer['multiply_adds']:,}" for layer in facts["layers"]]
    assert [row[-4] for row in rows[: len(products)]] == products
    assert [row[0].split(" ")[0] for row in rows[: len(products)]] == [layer["name"] for layer in facts["layers"]]
    assert f"{facts['totals']['multiply_adds']:,} multiply-adds" in layers["text"]
    assert bool(page.all("img")) == (name != "alexnet")
    assert Page(run("summary", *words, "--html", "-").out).one("h1")["text"] == page.one("h1")["text"]
    for refused in (("--list", "--html", html), (*words, "--json", "--html", "-")):
        assert (result := run("summary", *refused)).status == 2
        assert len(result.lines) == 1
    (tmp_path / "mine.html").write_text("mine")
    assert run("summary", *words, "--html", tmp_path / "mine.html").status == 2
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_a_closed_pipe_ends_the_run_as_elsewhere(samples, tmp_path):
    """Without a traceback."""
    command = f"{sys.executable} -m convcli apply {samples}/camera.png -k blur -q -o {tmp_path}/m.png --html - | head -c 10"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("<!DOCTYPE ", "")
