"""Pictures with classes: arrays that training takes, from .npz and IDX files and from folders."""

import gzip
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from msgspec import Struct

from ..engine.simd.reference import Array
from ..errors import ImageError
from ..npy_reader import read_npy

LARGEST = 1 << 31
"""Bytes of an array at most."""

IDX_DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
"""The third byte of an IDX file, and its dtype."""


class Dataset(Struct, frozen=True, eq=False):
    """Pictures (N, C, H, W) of any real dtype, their classes (N,) as numbers, and the names of the classes."""

    pictures: Array
    classes: Array
    labels: tuple[str, ...]

    def part(self, places: Array) -> "Dataset":
        """Return some of the pictures."""
        return Dataset(self.pictures[places], self.classes[places], self.labels)


def read_npz_dataset(path: Path) -> Dataset:
    """Return the arrays ``x`` and ``y`` of an .npz file. Raises ImageError."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {}
            for name in ("x", "y"):
                with archive.open(f"{name}.npy") as member:
                    arrays[name] = read_npy(member, _check_size)  # type: ignore[arg-type]
    except KeyError as error:
        raise ImageError(f"must hold the arrays x and y, and there is no {str(error).split(chr(39))[1]}") from None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ImageError(f"is not a readable .npz file: {error}") from None
    return dataset_of(arrays["x"], arrays["y"])


def read_idx_dataset(pictures: Path, classes: Path) -> Dataset:
    """Return the pictures and the classes of two IDX files, as MNIST has them; .gz is unpacked. Raises ImageError."""
    return dataset_of(_read_idx(pictures), _read_idx(classes))


def idx_pair(path: Path) -> tuple[Path, Path] | None:
    """Return the files of pictures and classes that go together with one of them, or that lie in a folder; None otherwise.

    >>> idx_pair(Path("none"))
    """
    folder, prefix = (path, "") if path.is_dir() else (path.parent, path.name.split("-")[0])
    found = []
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        matching = sorted(folder.glob(f"{prefix}*{kind}*")) if folder.is_dir() else []
        preferred = [name for name in matching if name.name.startswith("train")] or matching
        found += preferred[:1]
    return (found[0], found[1]) if len(found) == 2 else None


def _read_idx(path: Path) -> Array:
    """Return the array of an IDX file: http://yann.lecun.com/exdb/mnist, at the end of the page."""
    opener: Callable[[Path], BinaryIO] = gzip.open if path.suffix == ".gz" else _open  # type: ignore[assignment]
    try:
        with opener(path) as file:
            start = file.read(4)
            if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in IDX_DTYPES or not 1 <= start[3] <= 4:
                raise ImageError(f"{path.name}: is not an IDX file")
            dtype = np.dtype(IDX_DTYPES[start[2]])
            shape = tuple(int(length) for length in np.frombuffer(file.read(4 * start[3]), ">u4"))
            if len(shape) != start[3]:
                raise ImageError(f"{path.name}: is truncated")
            _check_size(shape, dtype)
            needed = math.prod(shape) * dtype.itemsize
            data = file.read(needed + 1)
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise ImageError(f"{path.name}: cannot be read: {error}") from None
    if len(data) != needed:
        raise ImageError(
            f"{path.name}: must hold {needed} bytes of numbers, and holds {'more' if len(data) > needed else len(data)}"
        )
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _check_size(shape: tuple[int, ...], dtype: "np.dtype[np.generic]") -> None:
    if math.prod(shape) * dtype.itemsize > LARGEST:
        raise ImageError(f"has an array of shape {shape}, more than {LARGEST} bytes")


def dataset_of(pictures: Array, classes: Array, labels: Sequence[str] = ()) -> Dataset:
    """Return pictures (N, H, W), (N, H, W, C) or (N, C, H, W) with their classes (N,), whole numbers from 0 or texts.

    Raises ImageError.
    """
    if pictures.ndim == 3:
        pictures = pictures[:, None]
    elif pictures.ndim == 4 and pictures.shape[3] in (1, 3) and pictures.shape[1] not in (1, 3):
        pictures = pictures.transpose(0, 3, 1, 2)
    if pictures.ndim != 4 or pictures.dtype.kind not in "buif" or 0 in pictures.shape:
        raise ImageError(
            f"x must hold pictures (N, H, W) or (N, C, H, W) of real numbers, got {pictures.dtype} {pictures.shape}"
        )
    if pictures.dtype.kind == "f" and not np.isfinite(pictures).all():
        raise ImageError("x must hold finite numbers, and holds NaN or infinite ones")
    if classes.ndim == 2 and classes.shape[1] > 1 and set(np.unique(classes).tolist()) <= {0, 1}:
        classes = classes.argmax(axis=1)  # one of several is 1
    classes = classes.reshape(-1) if classes.size == len(classes) else classes
    if classes.shape != (len(pictures),):
        raise ImageError(f"y must hold a class for each of the {len(pictures)} pictures, got shape {classes.shape}")
    if classes.dtype.kind in "US":
        names, classes = np.unique(classes.astype(str), return_inverse=True)
        labels = tuple(names.tolist())
    if classes.dtype.kind not in "iub" or (len(classes) and classes.min() < 0):
        raise ImageError(f"y must hold whole numbers from 0, or texts, got dtype {classes.dtype}")
    numbers = classes.astype(np.int64)
    return Dataset(pictures, numbers, tuple(labels) or tuple(str(number) for number in range(int(numbers.max()) + 1)))


def split(dataset: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Return pictures to learn, and those held out: the same share of each class, chosen by a seed; none where it is 0."""
    if not share:
        return dataset, dataset.part(np.arange(0))
    rng = np.random.default_rng(seed)
    held: list[Array] = []
    for number in np.unique(dataset.classes):
        places = np.flatnonzero(dataset.classes == number)
        held.append(rng.permutation(places)[: max(1, round(share * len(places)))] if len(places) > 1 else places[:0])
    held_out = np.sort(np.concatenate(held))
    return dataset.part(np.setdiff1d(np.arange(len(dataset.classes)), held_out)), dataset.part(held_out)
