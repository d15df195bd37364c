"""The page of a slide: its script runs in an engine without a browser; tests/benchmarks/browser.py runs it in Chromium."""

import base64
import html.parser
import json
import re

import pytest
import quickjs

from convcli.drawing.slide_page import Frame, page_of

DOCUMENT = """
var listeners = {}, timers = {}, made = 0;
var elements = {};
var document = {
  getElementById: id => elements[id] = elements[id] || {id},
  addEventListener: (name, listener) => { listeners[name] = listener; },
};
function setInterval(work) { timers[++made] = work; return made; }
function clearInterval(timer) { delete timers[timer]; }
function press(key, more) {
  let prevented = false;
  listeners.keydown({key, preventDefault: () => { prevented = true; }, ...more});
  return prevented;
}
function click(id) { elements[id].onclick(); }
function tick() { for (const timer of Object.values(timers)) timer(); }
"""
HOSTILE = "</script><script>alert(1)</script> & <b> \u2028 'x' \"y\" \udcff"


@pytest.fixture
def page():
    """The script of a page of four frames, running."""
    frames = [Frame(b"RIFF%d" % index, f"caption {index}") for index in range(4)]
    text = page_of("title", (20, 30), frames, 4, "made").decode()
    context = quickjs.Context()
    context.eval(DOCUMENT)
    context.eval(re.search(r"<script>(.*)</script>", text, re.DOTALL)[1])
    return context


def shown(page):
    """The index of the picture, after all other parts were found to say the same."""
    source, caption, alt, place, count = json.loads(
        page.eval(
            "JSON.stringify([elements.picture.src, elements.caption.textContent, elements.picture.alt, elements.place.value,"
            "elements.count.textContent])"
        )
    )
    index = int(base64.b64decode(source.removeprefix("data:image/webp;base64,"))[4:])
    assert (caption, alt, place, count) == (f"caption {index}", f"caption {index}", index, f"{index + 1} / 4")
    assert page.eval("elements.start.disabled && elements.back.disabled") == (index == 0)
    assert page.eval("elements.end.disabled && elements.next.disabled") == (index == 3)
    return index


def test_keys_step_forwards_and_back(page):
    """And stop at both ends."""
    assert shown(page) == 0
    for key, index in [
        ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 3), ("ArrowRight", 3), ("Home", 0), ("ArrowLeft", 0),
        ("PageDown", 1), ("ArrowDown", 2), ("PageUp", 1), ("ArrowUp", 0),
    ]:  # fmt: skip
        assert page.eval(f"press({key!r})")
        assert shown(page) == index, key
    assert not page.eval("press('x')")
    assert not page.eval("press('ArrowRight', {ctrlKey: true})")
    assert shown(page) == 0


def test_buttons_and_the_slider_step(page):
    """As keys do."""
    for button, index in [("next", 1), ("end", 3), ("back", 2), ("start", 0)]:
        page.eval(f"click({button!r})")
        assert shown(page) == index, button
    page.eval("elements.place.oninput({target: {value: '2'}})")
    assert shown(page) == 2


def test_space_plays_and_pauses(page):
    """To the end, where it stops; then from the start. A step pauses."""
    page.eval("press(' ')")
    assert page.eval("elements.play.textContent") == "pause"
    for index in (1, 2, 3):
        page.eval("tick()")
        assert shown(page) == index
    assert (page.eval("Object.keys(timers).length"), page.eval("elements.play.textContent")) == (0, "play")
    page.eval("click('play'); tick()")
    assert shown(page) == 1
    page.eval("press('ArrowLeft'); tick()")
    assert (shown(page), page.eval("Object.keys(timers).length")) == (0, 0)
    page.eval("press(' '); tick(); press(' '); tick()")
    assert shown(page) == 1


class Tags(html.parser.HTMLParser):
    """Collects the tags of a page, with their attributes, and the text of its title."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Keep a tag."""
        self.found.append((tag, dict(attrs)))


def test_texts_are_escaped_and_nothing_is_loaded():
    """A hostile name stays a text, and the only addresses are data."""
    text = page_of(HOSTILE, (20, 30), [Frame(b"RIFF0", HOSTILE), Frame(b"RIFF1", "-->")], 2, HOSTILE).decode()
    tags = Tags(text)
    assert [tag for tag, _ in tags.found].count("script") == 1
    addresses = [attributes[name] for _, attributes in tags.found for name in ("src", "href", "action") if name in attributes]
    assert addresses
    assert all(address.startswith("data:image/webp;base64,") for address in addresses)
    assert "url(" not in text
    assert "default-src 'none'" in text
    picture = next(attributes for tag, attributes in tags.found if tag == "img")
    assert picture["alt"].replace("\\udcff", "\udcff") == HOSTILE
    context = quickjs.Context()
    context.eval(DOCUMENT)
    context.eval(re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1])
    assert json.loads(context.eval("JSON.stringify(elements.caption.textContent)")) == HOSTILE
