"""Prints a table of real and generated files: what is in them, and whether they are read as independent decoders read them.

    python -m pip install -e '.[bench]'
    python tests/benchmarks/file_table.py

Each file goes through ``convcli apply -k 1``, the identity, to a file of its own format, or to TIFF where that is not written.
"read" compares what convcli reads with an independent decoder, "kept" the input with the output. Both are "exact", or the
largest difference of a sample. Exit status 1 if a file that must be exact is not.
"""

import io
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import PIL.Image
import png
import tifffile

from convcli.images.formats import BY_SUFFIX
from convcli.images.image import Image
from convcli.images.read import open_frames

ROOT = Path(__file__).resolve().parents[2]
LOSSY = (".jpg", ".avif")
"""Outputs of these formats are compressed again."""

FLOAT64, FLOAT32_STEP = "float64.tif", 2**-24
"""TIFF outputs have floats of 32 bits, with a notice."""

METADATA = ("icc", "exif", "xmp", "iptc", "dpi", "calibration", "text", "comment", "png_chunks")


def levels(channels: int, dtype: type = np.uint8, frames: int = 0) -> np.ndarray:
    """Return smooth levels with some noise: (H, W), (H, W, C) or (frames, H, W[, C])."""
    rng = np.random.default_rng(channels)
    y, x = np.mgrid[:61, :83]
    highest = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1.0
    count = max(frames, 1)
    planes = [(np.sin(x / 9 + k) + np.cos(y / 7 + k / 3)) / 5 + 0.5 for k in range(count * channels)]
    stack = np.stack(planes).reshape(count, channels, 61, 83).transpose(0, 2, 3, 1)
    stack = stack + rng.uniform(-0.05, 0.05, (count, 61, 83, 1))
    stack = (stack * highest).astype(dtype)
    stack = stack[..., 0] if channels == 1 else stack
    return stack if frames else stack[0]


def pillow(suffix: str, pixels: np.ndarray, **options: object) -> Callable[[Path], None]:
    """Return a writer by Pillow; of several frames where pixels have them and ``save_all`` is given."""

    def write(path: Path) -> None:
        frames = pixels if options.get("save_all") else [pixels]
        first, *others = [PIL.Image.fromarray(frame) for frame in frames]
        more = {"append_images": others} if others else {}
        first.save(path, **options, **more)

    return write


def tiff(pixels: np.ndarray, **options: object) -> Callable[[Path], None]:
    """Return a writer by tifffile."""
    return lambda path: tifffile.imwrite(path, pixels, **options)


def encoded(encode: Callable[..., bytes], pixels: np.ndarray, **options: object) -> Callable[[Path], None]:
    """Return a writer by a function of imagecodecs."""
    return lambda path: path.write_bytes(encode(pixels, **options)) and None


def pypng(pixels: np.ndarray, **options: object) -> Callable[[Path], None]:
    """Return a writer by pypng."""

    def write(path: Path) -> None:
        height, width = pixels.shape[:2]
        with path.open("wb") as file:
            png.Writer(width, height, **options).write(file, pixels.reshape(height, -1).tolist())

    return write


def generated() -> dict[str, Callable[[Path], None]]:
    """Return the writers of files by name."""
    grey, colour, deep, deep_grey = levels(1), levels(3), levels(3, np.uint16), levels(1, np.uint16)
    alpha = np.dstack([colour, grey])
    zoom = {"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    hyperstack = levels(1, np.uint16, frames=12).reshape(2, 3, 2, 61, 83)
    files = {
        "grey.png": pillow(".png", grey),
        "rgba.png": pillow(".png", alpha),
        "1-bit.png": pypng(grey >> 7, greyscale=True, bitdepth=1),
        "4-bit.png": pypng(grey >> 4, greyscale=True, bitdepth=4),
        "rgb16.png": pypng(deep, greyscale=False, bitdepth=16),
        "la16.png": pypng(np.dstack([deep_grey, deep_grey]), greyscale=True, alpha=True, bitdepth=16),
        "rgba16-interlaced.png": pypng(np.dstack([deep, deep_grey]), greyscale=False, alpha=True, bitdepth=16, interlace=True),
        "animated.png": pillow(".png", levels(3, frames=4), save_all=True, duration=80, loop=3),
        "grey.jpg": pillow(".jpg", grey, quality=90),
        "progressive-420.jpg": pillow(".jpg", colour, quality=80, progressive=True, subsampling=2),
        "animated.gif": pillow(".gif", levels(1, frames=4), save_all=True, duration=[100, 50, 200, 100], loop=0),
        "lossless.webp": pillow(".webp", colour, lossless=True),
        "animated.webp": pillow(".webp", levels(3, frames=4), save_all=True, lossless=True, duration=40),
        "8-bit.avif": pillow(".avif", colour, speed=9),
        "10-bit.avif": encoded(imagecodecs.avif_encode, deep >> 6, level=100, bitspersample=10),
        "lossless.jp2": encoded(imagecodecs.jpeg2k_encode, colour, level=0, codecformat="jp2"),
        "lossless16.jp2": encoded(imagecodecs.jpeg2k_encode, deep, level=0, codecformat="jp2"),
        "lossless.jxl": encoded(imagecodecs.jpegxl_encode, colour, lossless=True),
        "lossless16.jxl": encoded(imagecodecs.jpegxl_encode, deep, lossless=True),
        "rgb.bmp": pillow(".bmp", colour),
        "sizes.ico": pillow(".ico", levels(3)[:48, :48], sizes=[(16, 16), (48, 48)]),
        "rgb.ppm": pillow(".ppm", colour),
        "rgb16.ppm": lambda path: path.write_bytes(b"P6 83 61 65535\n" + deep.astype(">u2").tobytes()) and None,
        "light.hdr": encoded(imagecodecs.rgbe_encode, levels(3, np.float32), header=True),
        "rgb.npy": lambda path: np.save(path, colour),
        "multi-page.tif": tiff(levels(3, frames=3), photometric="rgb", metadata=None),
        "imagej-z.tif": tiff(levels(1, np.uint16, frames=6), imagej=True, resolution=(5, 5), metadata=zoom),
        "imagej-tzc.tif": tiff(hyperstack, imagej=True, metadata={"axes": "TZCYX"}),
        "five-channels.ome.tif": tiff(levels(1, np.uint16, frames=5), ome=True, metadata={"axes": "CYX", "PhysicalSizeX": 0.2}),
        "volume.tif": tiff(levels(1, frames=16), volumetric=True, tile=(16, 16, 16), metadata=None),
        "int16.tif": tiff(deep_grey.astype(np.int16)),
        "float16.tif": tiff(levels(1, np.float16)),
        FLOAT64: tiff(levels(1, np.float64), compression="zlib", predictor=3),
        "white-is-0.tif": tiff(grey, photometric="miniswhite"),
        "rgba16.tif": tiff(np.dstack([deep, deep_grey]), photometric="rgb", extrasamples=["unassalpha"], byteorder=">"),
        "planar.tif": tiff(np.moveaxis(colour, 2, 0).copy(), photometric="rgb", planarconfig="separate"),
        "big-tiles.tif": tiff(deep, photometric="rgb", bigtiff=True, tile=(16, 16)),
        "jpeg2000.tif": tiff(deep, photometric="rgb", compression="jpeg2000"),
    }
    for name in ("lzw", "zlib", "zstd", "packbits", "lzma"):
        predictor = None if name == "packbits" else 2
        files[f"rgb16-{name}.tif"] = tiff(deep, photometric="rgb", compression=name, predictor=predictor)
    return files


def independent(path: Path) -> np.ndarray:
    """Return the first picture of a file by another decoder, alpha last; JPEG XL and deep AVIF by imagecodecs too."""
    data = path.read_bytes()
    if path.suffix == ".png" and data[24] == 16:
        width, height, rows, info = png.Reader(bytes=data).asDirect()
        return np.vstack([np.array(row) for row in rows]).reshape(height, width, info["planes"])
    if path.suffix == ".hdr":
        return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGR2RGB)
    if path.suffix in (".jp2", ".jxl") or path.name == "10-bit.avif":
        decode = {".jp2": imagecodecs.jpeg2k_decode, ".jxl": imagecodecs.jpegxl_decode, ".avif": imagecodecs.avif_decode}
        return decode[path.suffix](data)
    if path.name == "rgb16.ppm":
        return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGR2RGB)
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".tif":
        return by_tifffile(path)
    with PIL.Image.open(io.BytesIO(data)) as picture:
        alpha = "A" in picture.getbands() or "transparency" in picture.info
        return np.asarray(picture.convert("RGBA" if alpha else "L" if picture.mode in ("1", "L") else "RGB"))


def by_tifffile(path: Path) -> np.ndarray:
    """Return the first frame of a TIFF file: the planes along C, S and the rows and columns of its first series."""
    with tifffile.TiffFile(path) as file:
        page, series = file.pages[0], file.series[0]
        if path.name == "multi-page.tif" or not (file.is_imagej or file.is_ome or path.name == "volume.tif"):
            pixels = page.asarray()
            pixels = np.moveaxis(pixels, 0, 2) if page.axes.startswith("S") else pixels
        else:
            pixels, axes = series.asarray(), series.axes
            for axis in [axis for axis in axes if axis not in "CYXS"]:
                pixels, axes = pixels.take(0, axes.index(axis)), axes.replace(axis, "")
            pixels = np.moveaxis(pixels, axes.index("C"), -1) if "C" in axes else pixels
        return page.dtype.type(255) - pixels if page.photometric == 0 else pixels


def widened(pixels: np.ndarray, image: Image) -> np.ndarray:
    """Return levels of 10 bits as those of 16."""
    if image.white == 65535 and image.format == "AVIF":
        return np.round(pixels * (65535 / 1023)).astype(np.uint16)
    return pixels


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest difference of two arrays of pixels, infinite where their shapes differ."""
    first, second = np.atleast_3d(first).astype(float), np.atleast_3d(second).astype(float)
    return float(np.abs(first - second).max()) if first.shape == second.shape else np.inf


def frames_of(path: Path) -> list[Image]:
    """Read all frames of a file."""
    with path.open("rb") as file:
        frames = open_frames(file)
        return [frames.read(index, lambda header: None) for index in range(frames.series.count)]


def all_samples(image: Image) -> np.ndarray:
    """Return the samples of an image, alpha last."""
    return image.pixels if image.alpha is None else np.dstack([image.pixels, image.alpha])


def change(image: Image, back: Image) -> float:
    """Return the largest difference of a sample of an image and of what came back, in shares of white where both have one."""
    scales = (image.white, back.white) if image.white and back.white else (1, 1)
    first, second = (all_samples(either) / scale for either, scale in zip((image, back), scales, strict=True))
    return difference(first, second)


def rows(folder: Path) -> Iterator[tuple[list[str], bool]]:
    """Yield the cells of each file, and whether it is as it must be."""
    real = [*(ROOT / "samples").glob("*.*g"), *(ROOT / "tests/images/cameras").glob("*.jpg")]
    files = [path for path in sorted(real) if path.suffix in BY_SUFFIX]
    for name, write in generated().items():
        write(folder / name)
        files.append(folder / name)
    for path in files:
        images = frames_of(path)
        first = images[0]
        other = independent(path)
        read = difference(all_samples(first), widened(other, first))
        output = folder / f"out-{path.stem}{path.suffix if path.suffix in BY_SUFFIX else '.tif'}"
        command = [sys.executable, "-m", "convcli", "apply", str(path), "-k", "1", "-q", "--overwrite", "-o", str(output)]
        subprocess.run(command, check=True, capture_output=True)
        back = frames_of(output)
        pairs = zip(images, back, strict=path.suffix != ".ico")  # whose sizes are versions of one picture
        kept = max(change(image, returned) for image, returned in pairs)
        fields = [name for name in METADATA if getattr(first.metadata, name)]
        lost = [name for name in fields if not getattr(back[0].metadata, name)]
        depth = str(first.pixels.dtype) if first.white is None else f"{8 * first.pixels.itemsize}"
        channels = f"{first.size[2]}{'' if first.alpha is None else ' + alpha'}"
        cells = [path.name, f"{first.size[1]} x {first.size[0]}", channels, depth, str(len(images)), " ".join(fields)]
        cells += [" ".join(lost), "exact" if read == 0 else f"{read:.3g}", "exact" if kept == 0 else f"{kept:.2g}"]
        yield cells, read == 0 and (kept == 0 or path.suffix in LOSSY or (path.name == FLOAT64 and kept < FLOAT32_STEP))


def main() -> None:
    """Print the table."""
    sys.stdout.write("| file | size | channels | bits | frames | metadata | lost | read | kept |\n" + "|---" * 9 + "|\n")
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for cells, is_right in rows(Path(folder)):
            sys.stdout.write(f"| {' | '.join(cells)} |\n")
            failed += [] if is_right else [cells[0]]
    if failed:
        sys.exit(f"not exact: {', '.join(failed)}")


if __name__ == "__main__":
    main()
