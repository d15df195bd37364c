"""Opens a page of ``convcli slide`` in headless Chromium, and steps through it with keys and buttons.

A copy of the page gets a script that presses keys and clicks, and writes what is seen into the document, which Chromium
prints. Needs ``chromium`` or ``google-chrome`` in PATH. ``--screenshot FILE`` keeps a picture of the page.
"""

import argparse
import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

GRID = "0 1 1 0; 1 0 0 1; 0 1 1 1; 1 0 1 0"
ACTIONS = (
    "",
    "ArrowRight",
    "ArrowRight",
    "ArrowLeft",
    "End",
    "ArrowRight",
    "Home",
    "ArrowLeft",
    "#next",
    "#end",
    "#back",
    "#start",
)
EXPECTED = (0, 1, 2, 1, 8, 8, 0, 0, 1, 8, 7, 0)
SCRIPT = """
<script>
(async () => {
  const seen = [];
  for (const action of %s) {
    if (action[0] === "#") document.querySelector(action).click();
    else if (action) document.body.dispatchEvent(new KeyboardEvent("keydown", {key: action, bubbles: true, cancelable: true}));
    const picture = document.getElementById("picture");
    await new Promise(resolve => setTimeout(resolve, 50));
    seen.push([document.getElementById("caption").textContent, picture.naturalWidth, picture.clientWidth > 0]);
  }
  document.body.dispatchEvent(new KeyboardEvent("keydown", {key: " ", bubbles: true, cancelable: true}));
  await new Promise(resolve => setTimeout(resolve, 9000));
  seen.push([document.getElementById("caption").textContent, 0, document.getElementById("play").textContent === "play"]);
  document.body.setAttribute("data-seen", JSON.stringify(seen));
})();
</script>
</body>"""


def main() -> int:
    """Check the page, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screenshot", type=Path)
    arguments = parser.parse_args()
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("no chromium, chromium-browser or google-chrome in PATH")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=30000", "--window-size=900,800"]
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "slide.html")
        options = ["-k", "1 0; 0 1", "--padding", "valid", "--fps", "2", "-q", "-o", str(page)]
        subprocess.run([sys.executable, "-m", "convcli", "slide", GRID, *options], check=True)
        if arguments.screenshot:
            subprocess.run([*command, f"--screenshot={arguments.screenshot.resolve()}", page.as_uri()], check=True)
        page.write_text(page.read_text("utf-8").replace("</body>", SCRIPT % json.dumps(ACTIONS)), "utf-8")
        found = subprocess.run([*command, "--dump-dom", page.as_uri()], check=True, capture_output=True, text=True, timeout=120)
    text = re.search(r'data-seen="([^"]*)"', found.stdout)
    if text is None:
        sys.exit("the script did not come to its end:\n" + found.stderr)
    *steps, played = json.loads(html.unescape(text[1]))
    positions = tuple(int(caption.split()[1]) - 1 for caption, _, _ in steps)
    assert positions == EXPECTED, positions
    assert all(width > 300 and shown for _, width, shown in steps), steps
    assert played[0].startswith("position 9 of 9"), played
    assert played[2], "it plays on after the last frame"
    sys.stdout.write(f"{len(steps)} steps, and all 9 frames played, in {browser}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
