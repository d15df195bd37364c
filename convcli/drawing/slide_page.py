"""A page of HTML that shows frames one by one, with buttons and keys. It needs no network: all is in one file."""

import base64
import html
import json
from collections.abc import Sequence

from msgspec import Struct

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="generator" content="{generator}">
<title>{title}</title>
<style>
body {{ margin: 1rem auto; max-width: {width}px; padding: 0 1rem; font: 16px/1.4 system-ui, sans-serif; color: #202020;
  background: #fff }}
img {{ display: block; max-width: 100%; height: auto }}
nav {{ display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin: .5rem 0 }}
button {{ font: inherit; min-width: 2.6em; padding: .3em .7em; border: 1px solid #767676; border-radius: .3em;
  background: #f4f4f4; cursor: pointer }}
button:disabled {{ opacity: .4; cursor: default }}
input {{ flex: 1; min-width: 8rem }}
p {{ margin: .3rem 0; min-height: 2.8em }}
small {{ color: #606060 }}
</style>
</head>
<body>
<img id="picture" width="{width}" height="{height}" src="{first}" alt="{caption}">
<nav>
<button id="start" title="first (Home)" aria-label="first">|&lt;</button>
<button id="back" title="back (left arrow)" aria-label="back">&lt;</button>
<button id="play" title="play or pause (space)">play</button>
<button id="next" title="forwards (right arrow)" aria-label="forwards">&gt;</button>
<button id="end" title="last (End)" aria-label="last">&gt;|</button>
<input id="place" type="range" min="0" max="{last}" value="0" step="1" aria-label="frame">
<output id="count">1 / {count}</output>
</nav>
<p id="caption" aria-live="polite">{caption}</p>
<small>arrow keys: one step; Home and End: first and last; space: play and pause</small>
<script>
const frames = {frames};
const pause = {pause};
const $ = id => document.getElementById(id);
let now = 0, timer = null;
function show(index) {{
  now = Math.max(0, Math.min(frames.length - 1, index));
  const [picture, caption] = frames[now];
  $("picture").src = picture;
  $("picture").alt = $("caption").textContent = caption;
  $("place").value = now;
  $("count").textContent = (now + 1) + " / " + frames.length;
  $("start").disabled = $("back").disabled = now === 0;
  $("end").disabled = $("next").disabled = now === frames.length - 1;
}}
function stop() {{
  clearInterval(timer);
  timer = null;
  $("play").textContent = "play";
}}
function play() {{
  if (timer !== null) return stop();
  if (now === frames.length - 1) show(0);
  $("play").textContent = "pause";
  timer = setInterval(() => {{ show(now + 1); if (now === frames.length - 1) stop(); }}, pause);
}}
function go(index) {{ stop(); show(index); }}
const keys = {{
  ArrowLeft: () => go(now - 1), ArrowRight: () => go(now + 1), ArrowUp: () => go(now - 1), ArrowDown: () => go(now + 1),
  PageUp: () => go(now - 1), PageDown: () => go(now + 1), Home: () => go(0), End: () => go(frames.length - 1), " ": play,
}};
document.addEventListener("keydown", event => {{
  if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  keys[event.key]();
}});
$("start").onclick = () => go(0);
$("back").onclick = () => go(now - 1);
$("play").onclick = play;
$("next").onclick = () => go(now + 1);
$("end").onclick = () => go(frames.length - 1);
$("place").oninput = event => go(Number(event.target.value));
show(0);
</script>
</body>
</html>
"""


class Frame(Struct, frozen=True):
    """A lossless WebP picture, and what it shows."""

    picture: bytes
    caption: str


def page_of(title: str, size: tuple[int, int], frames: Sequence[Frame], fps: float, generator: str) -> bytes:
    """Return a page that shows frames of a size (height, width), in UTF-8. All texts are escaped."""
    pairs = [("data:image/webp;base64," + base64.b64encode(frame.picture).decode(), frame.caption) for frame in frames]
    # Within a script, "<" could begin "</script>" or "<!--".
    data = json.dumps(pairs, separators=(",", ":")).replace("<", "\\u003c")
    page = PAGE.format(
        title=html.escape(title),
        generator=html.escape(generator),
        height=size[0],
        width=size[1],
        first=pairs[0][0],
        caption=html.escape(frames[0].caption),
        last=len(frames) - 1,
        count=len(frames),
        frames=data,
        pause=1000 / fps,
    )
    return page.encode("utf-8", "backslashreplace")
