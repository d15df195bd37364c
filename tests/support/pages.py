"""Pages of HTML, parsed by the standard library."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import PIL.Image

EMPTY = {"meta", "img", "br", "path", "hr"}
"""Elements without an end tag on these pages."""


class Page(HTMLParser):
    """A parsed page: its elements (tag, attributes, text), each with those that it is in. Unbalanced tags are an error."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.open = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        """Open an element."""
        element = {"tag": tag, "in": list(self.open), "text": "", **dict(attrs)}
        assert len(dict(attrs)) == len(attrs)
        self.elements.append(element)
        if tag not in EMPTY and not self.get_starttag_text().endswith("/>"):
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        """Open an element that has no end tag."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        """Close the innermost element."""
        assert self.open, f"{tag} closes nothing"
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        """Add text to all open elements."""
        self.text += data
        for element in self.open:
            element["text"] += data

    def all(self, tag, inside=None, **attributes):
        """The elements of a tag with these attributes, perhaps inside another element."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [
            element
            for element in self.elements
            if element["tag"] == tag
            and all(element.get(name) == value for name, value in wanted.items())
            and (inside is None or any(outer is inside for outer in element["in"]))
        ]

    def one(self, tag, inside=None, **attributes):
        """The only such element."""
        (found,) = self.all(tag, inside, **attributes)
        return found


def picture_of(img):
    """The pixels of an element img, whose picture is in its data URI."""
    kind, data = re.fullmatch(r"data:image/(png|jpeg);base64,([A-Za-z0-9+/=]+)", img["src"]).groups()
    with PIL.Image.open(io.BytesIO(base64.b64decode(data, validate=True)), formats=[kind.upper()]) as picture:
        return np.asarray(picture.convert("RGB"))


def bars_of(svg, page):
    """The heights of the bars of a histogram, by their bins, and the bins that are drawn as clipped."""
    heights, clipped = {}, set()
    for path in page.all("path", svg):
        for place, height in re.findall(r"M(\d+) 100v-(\d+)h1v\2z", path["d"]):
            heights[int(place)] = int(height)
            if path["class"] == "out":
                clipped.add(int(place))
    return heights, clipped


def loads_nothing(page):
    """Whether nothing on a page is loaded, but for pictures that are in it, and its policy forbids the rest."""
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"})["content"]
    forbidden = {"script", "link", "iframe", "object", "embed", "base", "form", "audio", "video", "source", "image", "use"}
    for element in page.elements:
        if element["tag"] in forbidden or any(name.startswith("on") for name in element):
            return False
        if not element.get("src", "data:").startswith("data:image/") and "src" in element:
            return False
        if "href" in element and not element["href"].startswith("#"):
            return False
        if "url(" in element.get("style", "") or "srcset" in element:
            return False
    styles = "".join(style["text"] for style in page.all("style"))
    return policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'" and not re.search("url|@import", styles)
