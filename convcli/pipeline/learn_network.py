"""Trains a network on pictures from files, and writes its weights."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from ..errors import ArgumentError, ImageError, KernelError
from ..images.atomic_write import write_atomically
from ..images.formats import READ_SUFFIXES
from ..images.image import Array, Image
from ..images.read import open_frames, open_input
from ..kernels.weight_arrays import array_names, read_array
from ..kernels.weight_files import naming_file
from ..kernels.weight_suffixes import ARCHIVE_SUFFIXES
from ..kernels.weights import WeightsFile
from ..learning.datasets import Dataset, dataset_of, idx_pair, read_idx_dataset, read_npz_dataset
from ..learning.trained_network import TrainedNetwork
from ..networks.network import Input, Network
from .network_input import enter

WRITTEN = (".npz", ".safetensors")
"""Suffixes of files that weights are written to."""


def read_dataset(path: Path, network: Network) -> Dataset:
    """Return pictures as a network takes them, (N, C, H, W) float32, with their classes.

    ``path`` is an .npz file of x and y, an IDX file or a folder with a pair of them, or a folder with a folder of pictures for
    each class. Arrays smaller than the input of the network are put in its middle, pictures are resized to it.

    Raises ImageError, and ArgumentError where the pictures do not fit the network.
    """
    if path.is_dir() and idx_pair(path) is None:
        return _read_folders(path, network)
    pair = None if path.suffix.lower() == ".npz" else idx_pair(path)
    if not path.exists():
        raise ImageError(f"{path}: no such file or folder")
    try:
        found = read_idx_dataset(*pair) if pair is not None else read_npz_dataset(path)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    return replace(found, pictures=_arrays_as_inputs(found.pictures, network))


def _arrays_as_inputs(pictures: Array, network: Network) -> Array:
    """Return arrays (N, C, H, W) in the range of a network, float32, in the middle of its input."""
    entry = network.input
    height, width = entry.size or pictures.shape[2:]
    count, channels = pictures.shape[:2]
    if channels != entry.channels or pictures.shape[2] > height or pictures.shape[3] > width:
        raise ArgumentError(
            f"network {network.name!r} takes {entry.channels} channels of {width} x {height}, and the pictures have {channels} "
            f"of {pictures.shape[3]} x {pictures.shape[2]}"
        )
    as_they_are = replace(entry, prepare="")  # arrays are in the form that the network learns
    white = {"u1": 255, "u2": 65535, "b1": 1}.get(pictures.dtype.str[1:])
    out = np.empty((count, channels, height, width), np.float32)
    for index, picture in enumerate(pictures):
        whole = np.zeros((height, width, channels), np.float32 if white is None else picture.dtype)
        top, left = (height - picture.shape[1]) // 2, (width - picture.shape[2]) // 2
        whole[top : top + picture.shape[1], left : left + picture.shape[2]] = picture.transpose(1, 2, 0)
        out[index] = enter(Image(whole, white), as_they_are, (height, width))
    return out


def _read_folders(path: Path, network: Network) -> Dataset:
    """Return the pictures of folders, each of which is a class; in the order of their names, numbers as numbers."""
    folders = sorted((entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")), key=_order_of)
    if len(folders) < 2:
        raise ImageError(f"{path}: must hold a folder of pictures for each of two or more classes, and holds {len(folders)}")
    pictures: list[Array] = []
    classes: list[int] = []
    for number, folder in enumerate(folders):
        for file in sorted(folder.iterdir(), key=_order_of):
            if file.suffix.lower() in READ_SUFFIXES and file.is_file():
                pictures.append(read_input(file, network.input))
                classes.append(number)
    if not pictures:
        raise ImageError(f"{path}: no pictures in the folders of its classes, {', '.join(folder.name for folder in folders)}")
    return dataset_of(np.stack(pictures), np.array(classes), [folder.name for folder in folders])


def _order_of(path: Path) -> tuple[int, int, str]:
    return (0, int(path.stem), path.name) if path.stem.isdigit() else (1, 0, path.name)


def read_input(path: Path, entry: Input) -> Array:
    """Return a picture as a network takes it: (C, H, W) float32, resized. Raises ImageError, which names the file."""
    try:
        with open_input(path) as file:
            image = open_frames(file).read(0, lambda header: None)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    if image.size[2] not in (1, entry.channels) and (image.size[2], entry.channels) != (3, 1):
        raise ImageError(f"{path}: has {image.size[2]} channels, and the network takes {entry.channels}")
    return enter(image, entry, entry.size or image.size[:2]).astype(np.float32)


def read_weights(path: Path) -> dict[str, Array]:
    """Return all arrays of a file of weights. Raises KernelError."""
    file = WeightsFile(path)
    with naming_file(file, ARCHIVE_SUFFIXES):
        names = array_names(file)
        return {name: read_array(replace(file, key=name), lambda shape, dtype: None)[0] for name in names}


def check_written(path: Path) -> None:
    """Raise ArgumentError for a file that weights cannot be written to."""
    if path.suffix.lower() not in WRITTEN:
        raise ArgumentError(f"output {str(path)!r}: weights are written as {' or '.join(WRITTEN)}")
    if path.suffix.lower() == ".safetensors":
        try:
            import safetensors  # noqa: F401
        except ImportError:
            raise KernelError("needs the safetensors library; install it with: pip install 'convcli[safetensors]'") from None
    if not os.access(path.absolute().parent, os.W_OK):
        raise ArgumentError(f"output {str(path)!r}: its folder cannot be written")


def write_weights(path: Path, arrays: dict[str, Array]) -> None:
    """Write arrays to a file, whole or not at all. The same arrays give the same bytes."""
    if path.suffix.lower() == ".safetensors":
        from safetensors.numpy import save

        data: bytes = save(arrays)
    else:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        data = buffer.getvalue()
    with write_atomically(path) as file:
        file.write(data)


def confusion(network: TrainedNetwork, dataset: Dataset) -> Array:
    """Return the counts of pictures by their class (rows) and the class that was found (columns)."""
    from ..learning.training import classes_found

    counts = np.zeros((network.classes, network.classes), np.int64)
    np.add.at(counts, (dataset.classes, classes_found(network, dataset.pictures)), 1)
    return counts


def labels_for(network: TrainedNetwork, dataset: Dataset) -> Iterator[str]:
    """Yield a name for each class of a network."""
    names = network.network.labels or dataset.labels
    for number in range(network.classes):
        yield names[number] if number < len(names) else str(number)
