"""Records 96 command lines: exit status, texts, and a digest of every file that they write.

    python tests/support/snapshot.py take before.json
    python tests/support/snapshot.py diff before.json after.json

For changes that should not change behaviour. Each command line runs in a process of its own, in a new folder with the same
inputs. ``diff`` prints the differences, and exits with 1 where files or exit statuses differ.
"""

import difflib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import tifffile

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
CAMERAS = Path(__file__).resolve().parents[1] / "images" / "cameras"

COMMANDS = """
apply a.png -k sharpen -o out.png
apply a.png -k sobel -o out.jpg
apply a.png -k sobel-x -k sobel-y -o maps.npy
apply a.png -k sobel-x -k sobel-y -o maps.npz
apply a.png -k sobel-x -k sobel-y -o maps.tif
apply a.png -k compass -o out/
apply a.png -k compass -o out/ --overwrite --json
apply a.png grey.png -k emboss -o out/ -v
apply -r tree -k unsharp -o out/
apply tree -k unsharp -o out/ -r --flat
apply 'tree/**/*.png' -k blur -o 'out/{relpath}/{stem}_{kernel}.png'
apply --files-from list.txt -k blur -o out/
apply --files-from - -0 -k edge -o out/ < list.nul
apply - -k edge --format png -o - < a.png
apply a.png -k gaussian:sigma=2 --border edge -o out.png --explain
apply a.png -k gaussian:sigma=2 --border symmetric --padding full -o out.png
apply a.png -k gaussian:sigma=2 --border wrap --padding valid -o out.png
apply a.png -k gaussian:sigma=2 --border 128 --stride 2x3 -o out.png
apply a.png -k gaussian:sigma=2 --border zero --dilation 2 -o out.png
apply a.png -k '0 -1 0; -1 5 -1; 0 -1 0' -o out.png --flip
apply a.png -k '1/9 1/9 1/9; 1/9 1/9 1/9; 1/9 1/9 1/9' --channels sum -o out.npy
apply a.png -k laplacian --channels gray --range center -o out.png
apply a.png -k laplacian --range stretch -o out.webp
apply a.png -k laplacian --range -255..255 -o out.bmp
apply a.png -k laplacian --range abs -o out.ppm
apply a.png -k box:size=15 -o out.png --method box --explain --json
apply a.png -k w.npz -o out.png
apply a.png -k noisy -o out.png --config own.toml --method fft --explain
apply a.png -k noisy -o out.png --config own.toml --method direct
apply a.png -k gaussian:sigma=4 --method separable -o out.npy
apply a.png -k sobel-x@90 -o out.png --png-level 9
apply a.png -k @w.npz#k:index=1 -o out.npy
apply a.png -k @w.npz#k:layout=hwio,index=1 -o out.npy
apply a.png -k @w.npz -o out.npy
apply a.png -k @none.npy -o out.npy
apply alpha.png -k gaussian:sigma=2 -o out.png
apply alpha.png -k sobel-x -o out.tif
apply alpha.png -k blur -o out.jpg
apply deep.png -k gaussian:sigma=1 -o out.png
apply deep.tif -k sharpen -o out.tif
apply deep.tif -k sharpen -o out.png
apply real.tif -k log:sigma=2 -o out.tif
apply real.tif -k log:sigma=2 -o out.png
apply real.npy -k log:sigma=2 -o out.npy
apply planes.npy -k blur -o out.npy
apply planes.npy -k blur -o out.npy --axes cyx
apply turned.jpg -k 1 -o out.jpg --quality 100
apply turned.jpg -k 1 -o out.tif
apply turned.jpg -k 1 -o out.png
apply turned.jpg -k 1 -o out.webp --quality 100
apply pages.tif -k 1 -o out.tif
apply text.png -k 1 --in-place
apply pages.tif turned.jpg -k 1 --in-place
apply a.png -k sharpen -o out.png --skip-existing -v
apply a.png -k sharpen -o out.bmp --skip-existing -v
apply a.png broken.png empty.png none.png grey.png -k blur -o out/
apply broken.png a.png -k blur -o out/ --fail-fast
apply a.png -k blur -o a.png
apply a.png -k sobel-z -o out.png
apply a.png -k gaussian:sigma=-1 -o out.png
apply a.png -k gaussian:sgma=1 -o out.png
apply a.png -k '1 2; 3' -o out.png
apply a.png -k '1,2,1,2,4,2,1,2,1' -o out.png
apply a.png -k blur -o out.xyz
apply a.png -k blur
apply a.png -k blur -o out.png --stride 0
apply a.png -k blur -o out.png --padding 1x2x3
apply a.png -k blur -o out.png --border mirror
apply a.png -k blur -o out.png --range up
apply a.png -k blur -o out.png --max-pixels 10
apply a.png -k blur -o out.png --dry-run
apply a.png -k blur -o out.png --config bad.toml
apply a.png --blur -o out.png
at 3,2 a.png -k sobel-x
at 0,0 a.png -k gaussian:sigma=1 --border edge --json
at 3,2 alpha.png -k sobel --stride 2
at 1000,2 a.png -k sobel-x
run edge-energy a.png -o out/
run edge-energy a.png --tap pooled -o maps.npz
run net grey.png --config own.toml -o maps.npy --json
run net a.png --config own.toml -o maps.npy
run nothing a.png -o maps.npy
summary --list
summary alexnet
summary net --config own.toml --input 40x40x1 --json
summary gabor:theta=45 --input 480x640x3 --stride 2
kernels list
kernels list --json
kernels show gaussian:sigma=1
kernels show sobel
kernels show '-1 0 1'
kernels check own.toml
kernels check bad.toml
config path
help
--version
""".strip().splitlines()

OWN = """
[kernels.noisy]
file = "w.npy"

[networks.net]
input = { channels = 1, size = 40 }
layers = [
  { op = "conv", name = "first", filters = 3, size = 3, padding = 1, file = "w.npz", key = "n" },
  { op = "relu" },
  { op = "max-pool", size = 2 },
  { op = "depthwise", file = "w.npz", key = "d", padding = "same" },
  { op = "transposed", file = "w.npz", key = "t", stride = 2 },
  { op = "local-response-norm", size = 3 },
  { op = "avg-pool", size = 3, stride = 2, padding = 1, ceil = true },
  { op = "upsample", factor = 2 },
  { op = "softmax" },
]
"""

BAD = """
[kernels.ragged]
matrix = [[1, 2], [3]]
[kernels.both]
generator = "gausian"
sigma = "two"
colour = 1
[banks.b]
kernels = ["no-such", "both"]
[networks.n]
layers = [{ op = "konv", size = 3 }, { op = "conv", filters = 0 }]
"""


def make_inputs(folder):
    """Write pictures of several kinds, arrays, weights and config files."""
    rng = np.random.default_rng(17)
    with PIL.Image.open(SAMPLES / "astronaut.png") as picture:
        colour = np.asarray(picture.convert("RGB"))[40:104, 180:260]
    grey = colour[:40, :40, 1]
    PIL.Image.fromarray(colour).save(folder / "a.png")
    PIL.Image.fromarray(grey).save(folder / "grey.png")
    PIL.Image.fromarray(np.dstack([colour, rng.integers(0, 256, colour.shape[:2], dtype=np.uint8)])).save(folder / "alpha.png")
    PIL.Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "deep.png")
    tifffile.imwrite(folder / "deep.tif", colour.astype(np.uint16) * 257, photometric="rgb", metadata=None)
    tifffile.imwrite(folder / "real.tif", grey / np.float32(255), metadata=None)
    np.save(folder / "real.npy", grey / 255)
    np.save(folder / "planes.npy", colour.transpose(2, 0, 1))
    shutil.copy(CAMERAS / "canon.jpg", folder / "turned.jpg")
    pages = [PIL.Image.fromarray(grey), PIL.Image.fromarray(255 - grey)]
    pages[0].save(folder / "pages.tif", save_all=True, append_images=pages[1:])
    text = PIL.PngImagePlugin.PngInfo()
    text.add_text("Title", "a title")
    PIL.Image.fromarray(grey).save(folder / "text.png", pnginfo=text, dpi=(300, 300))
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:2000])
    (folder / "empty.png").touch()
    for name in ("tree/b.png", "tree/c/d.png"):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(folder / "grey.png", folder / name)
    (folder / "list.txt").write_text("a.png\ntree/b.png\n")
    (folder / "list.nul").write_bytes(b"a.png\0tree/b.png\0")
    k = rng.normal(size=(4, 3, 3, 3)).round(2)
    np.savez(folder / "w.npz", k=k, n=k[:3, :1], d=k[:3, :1], t=k[:3, :2, :2, :2])
    np.save(folder / "w.npy", rng.normal(size=(9, 9)).round(2))
    (folder / "own.toml").write_text(OWN)
    (folder / "bad.toml").write_text(BAD)


def run(command, inputs):
    """Run a command line. Return its exit status, its texts, and digests of the files that it created or changed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "work"
        shutil.copytree(inputs, folder)
        line = f'"{sys.executable}" -m convcli {command}'
        environment = {**os.environ, "COLUMNS": "100", "CONVCLI_CONFIG": "", "XDG_CONFIG_HOME": name, "HOME": name}
        done = subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True, check=False, timeout=120)
        before = digests(inputs)
        files = {path: digest for path, digest in digests(folder).items() if before.get(path) != digest}
        texts = [text.decode("utf-8", "replace") for text in (done.stdout, done.stderr)]
        if b"\0" in done.stdout:
            texts[0] = hashlib.sha256(done.stdout).hexdigest()
        out, err = (re.sub(rf"{re.escape(name)}|/\S*/site-packages|{re.escape(str(SAMPLES.parent))}", "...", t) for t in texts)
    return {"status": done.returncode, "stdout": out, "stderr": err, "files": files}


def digests(folder):
    """The digest of each file in a folder, by relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def take(out):
    """Run all command lines and write the results."""
    with tempfile.TemporaryDirectory() as name:
        make_inputs(Path(name))
        run("apply a.png -k 1 -o out.png", Path(name))  # compiles
        results = {}
        for command in COMMANDS:
            results[command] = run(command, Path(name))
    Path(out).write_text(json.dumps(results, indent=1))


def diff(before, after):
    """Print the differences. Return True where files or exit statuses differ."""
    old, new = (json.loads(Path(name).read_text()) for name in (before, after))
    differs = False
    for command in old:
        old_result, new_result = old[command], new[command]
        for key in ("status", "files"):
            if old_result[key] != new_result[key]:
                differs = True
                sys.stdout.write(f"{command}\n  {key}: {old_result[key]}\n  {len(key) * chr(32)}  {new_result[key]}\n")
        for key in ("stdout", "stderr"):
            lines = difflib.unified_diff(old_result[key].splitlines(), new_result[key].splitlines(), lineterm="", n=0)
            changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
            if changed:
                sys.stdout.write("\n  ".join([f"{command}  [{key}]", *changed]) + "\n")
    return differs


if __name__ == "__main__":
    if sys.argv[1] == "take":
        take(sys.argv[2])
    else:
        sys.exit(diff(*sys.argv[2:4]))
