"""The files that examples of the README and the manual name."""

import shutil

import imagecodecs
import numpy as np
import PIL.Image

MY_NET = """
[kernels.lens]
matrix = [[1]]

[networks.my-net]
input  = { channels = 3, size = 16, range = "0..1" }
labels = ["cat", "dog"]
layers = [
  { op = "conv", name = "conv1", filters = 4, size = 3 },
  { op = "relu" },
  { op = "global-avg-pool" },
  { op = "flatten" },
  { op = "dense", name = "dense1", units = 2 },
  { op = "softmax" },
]
"""


def make_files(line, folder, samples):
    """Write the files that a command reads into a folder."""
    (folder / "photos" / "2026").mkdir(parents=True)
    for name in ("photo.jpg", "other.jpg", "photos/a.jpg", "photos/2026/b.jpg"):
        shutil.copy(samples / "rocket.jpg", folder / name)
    shutil.copy(samples / "camera.png", folder)
    with PIL.Image.open(samples / "rocket.jpg") as picture:
        for name in ("c.tif", "d.png"):
            picture.save(folder / name)
        if "mask.png" in line:
            PIL.Image.new("1", picture.size, 1).save(folder / "mask.png")
        if "film.gif" in line:
            first, *others = [picture.resize((48, 32)).rotate(90 * turn).quantize() for turn in range(3)]
            first.save(folder / "film.gif", save_all=True, append_images=others)
        if "samples/digits" in line:
            shutil.copytree(samples / "digits", folder / "samples" / "digits")
        if "photo.png" in line:
            picture.save(folder / "photo.png")
            picture.convert("L").save(folder / "grey.png")
        if "pictures/" in line:
            for name in ("cat", "dog"):
                (folder / "pictures" / name).mkdir(parents=True)
                for turn in range(4):
                    picture.rotate(90 * turn).save(folder / "pictures" / name / f"{turn}.jpg")
    if "stack.npy" in line:
        np.save(folder / "stack.npy", np.zeros((3, 8, 9), np.uint8))
    if "room.hdr" in line:
        (folder / "room.hdr").write_bytes(imagecodecs.rgbe_encode(np.ones((8, 9, 3), np.float32), header=True))
    if "heights" in line:
        PIL.Image.fromarray(np.full((20, 30), -9999, np.float32)).save(folder / "heights.tif")
        np.save(folder / "heights.npy", np.full((20, 30), np.nan))
    _make_networks(line, folder, samples)


def _make_networks(line, folder, samples):
    """Write models, weights and data."""
    rng = np.random.default_rng(0)
    if "model.onnx" in line:
        from onnx_models import make_model, node, save

        weight = rng.normal(size=(4, 3, 3, 3)).astype("f4")
        shape = ("N", 3, 64, 64) if "summary" in line else ("N", 3, "H", "W")
        save(make_model([node("Conv", ["x", "w"], "/features/0/Conv")], {"w": weight}, shape), folder / "model.onnx")
    if "my-net" in line or "lens" in line:
        (folder / "kernels.toml").write_text(MY_NET if "--name lens" not in line else "")
    if "run my-net" in line and "--weights" in line:
        shapes = {"conv1.weight": (4, 3, 3, 3), "conv1.bias": (4,), "dense1.weight": (2, 4), "dense1.bias": (2,)}
        np.savez(folder / "weights.npz", **{name: rng.normal(size=shape) for name, shape in shapes.items()})
    if "sharp.png" in line or "other.png" in line:
        for name in ("sharp.png", "blurred.png", "other.png"):
            shutil.copy(samples / "camera.png", folder / name)
    if "@filters.npz" in line:
        np.savez(folder / "filters.npz", filters=rng.normal(size=(8, 1, 5, 5)))
    if "digits.npz" in line:
        np.savez(folder / "digits.npz", x=rng.integers(0, 256, (40, 28, 28)).astype("u1"), y=np.arange(40) % 10)
    if "weights.pt" in line:
        from torch_files import Tensor, save

        save({"conv1.weight": Tensor(rng.normal(size=(4, 3, 3, 3)).astype("f4"))}, folder / "weights.pt")
