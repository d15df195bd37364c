"""Learns a kernel from two pictures, and writes it into a config file."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..config.reader import parse_toml
from ..errors import ArgumentError
from ..geometry.borders import Border
from ..geometry.whole_numbers import Sides
from ..images import write
from ..images.atomic_write import write_atomically
from ..images.encoding import Encoding
from ..images.formats import format_named
from ..images.image import Array, Image
from ..images.read import open_frames, open_input
from ..kernels.kernel import Kernel
from ..learning.kernel_fit import KernelFit, fit_kernel
from ..ops.filter import filter2d

JPEG_ROUNDS, SETTLED = 12, 1e-4
"""How often a fit to a JPEG file is repeated at most; and the change, as a share of the largest weight, at which it ends."""

DIGITS = 8
"""Significant digits of the weights in a config file."""


class LearnRequest(Struct, frozen=True):
    """What is to be fitted: as the arguments of ``fit_kernel``; ``channels`` None is what the two pictures suggest."""

    size: Sides
    stride: Sides = (1, 1)
    border: Border | None = None
    flip: bool = False
    offset: bool = False
    channels: str | None = None
    nonnegative: bool = False
    total: float | None = None
    ridge: float = 0.0


class LearnedKernel(Struct, frozen=True, eq=False):
    """A kernel, how well it fits, and the level of white of the second picture, 1 where it has none.

    The residual and the offset of ``fit`` are in levels.
    """

    kernel: Kernel
    fit: KernelFit
    white: float


def read_picture(path: Path) -> Image:
    """Return a picture, or the first frame of several. Raises ImageError."""
    with open_input(path) as file:
        frames = open_frames(file)
        image = frames.read(0, lambda header: None).with_first_used(1, frames.series.count, "frames")
    if image.alpha is not None:
        image = replace(image, alpha=None).with_notices("alpha takes no part: colours are taken as if they were opaque")
    return image


def learn_kernel(request: LearnRequest, before: Image, after: Image, name: str) -> list[LearnedKernel]:
    """Return the kernels that turn one picture into the other: one, or one for each channel. Raises ArgumentError."""
    first, second = (image.pixels.astype(np.float64) / (image.white or 1) for image in (before, after))
    channels = request.channels or _suggested(before, after)
    options: dict[str, Any] = {
        key: getattr(request, key) for key in request.__struct_fields__ if key not in ("size", "channels")
    }
    white = float(after.white or 1)
    options["ridge"] = request.ridge / float(before.white or 1) ** 2  # given in squared levels of the first picture
    limits = None if after.white is None else (0.0, 1.0)
    fits = fit_kernel(first, second, request.size, channels=channels, limits=limits, **options)
    if after.format == "JPEG":
        fits = _fitted_to_jpeg(first, after, fits, request, {"channels": channels, "limits": limits, **options})
    learned = []
    for index, fit in enumerate(fits):
        own = name if len(fits) == 1 else f"{name}-{index}"
        in_levels = replace(fit, offset=fit.offset * white, residual=fit.residual * white)
        learned.append(LearnedKernel(_kernel_of(own, in_levels), in_levels, white))
    return learned


def _fitted_to_jpeg(
    first: Array, after: Image, fits: tuple[KernelFit, ...], request: LearnRequest, options: dict[str, Any]
) -> tuple[KernelFit, ...]:
    """Return kernels whose maps, stored as a JPEG file like the second picture, are that picture.

    JPEG makes small frequencies 0, so that a fit to its samples has too small weights for them: 0.027 too small in the middle
    of a blur of quality 90. What the maps lose when they are stored in the same way is added to the picture, and the fit
    repeated; samples are left out where the maps, and not the picture, are beyond black and white.
    """
    stored = after.pixels / 255
    change = 1.0
    for _ in range(JPEG_ROUNDS):
        if change < SETTLED:
            break
        before = [fit.weights for fit in fits]
        maps = _maps_of(first, fits, request, options["channels"])
        lost = np.clip(maps, 0, 1) - _as_stored(maps, after) / 255
        wanted = np.where((maps <= 0) | (maps >= 1), -1.0, np.clip(stored + lost, -0.5, 1.5))
        fits = fit_kernel(first, wanted, request.size, **options | {"limits": (-1.0, 2.0)})
        largest = max(float(np.abs(fit.weights).max()) for fit in fits) or 1.0
        change = max(float(np.abs(fit.weights - old).max()) for fit, old in zip(fits, before, strict=True)) / largest
    return fits


def _maps_of(first: Array, fits: tuple[KernelFit, ...], request: LearnRequest, channels: str) -> Array:
    """Return the maps of kernels on a picture (H, W, C), of which 1 is white."""
    how: dict[str, Any] = {"stride": request.stride, "border": request.border or "reflect", "flip": request.flip}
    if channels == "shared":
        return filter2d(first, fits[0].weights, **how) + fits[0].offset
    planes = [first] * len(fits) if channels == "sum" else [first[..., index] for index in range(len(fits))]
    return np.stack([filter2d(plane, fit.weights, **how) + fit.offset for plane, fit in zip(planes, fits, strict=True)], axis=2)


def _as_stored(maps: Array, after: Image) -> Array:
    """Return the levels that a JPEG file of maps has, with the tables of another one."""
    image = replace(after, pixels=np.clip(np.rint(maps * 255), 0, 255).astype(np.uint8))
    data = write.fit(image, format_named("jpeg"), Encoding(), None).encode(image)
    return open_frames(io.BytesIO(data)).read(0, lambda header: None).pixels


def _suggested(before: Image, after: Image) -> str:
    """Return "sum" where the second picture is grey and the first is not, else "shared"."""
    return "sum" if after.size[2] == 1 < before.size[2] else "shared"


def _kernel_of(name: str, fit: KernelFit) -> Kernel:
    rounded = [[_rounded(weight) for weight in np.ravel(row).tolist()] for row in fit.weights]
    if fit.weights.ndim == 2:
        matrix: Any = tuple(map(tuple, rounded))
    else:
        depth = fit.weights.shape[2]
        matrix = tuple(tuple(tuple(row[i : i + depth]) for i in range(0, len(row), depth)) for row in rounded)
    return Kernel(name, matrix, offset=_rounded(fit.offset))


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def add_to_config(path: Path, learned: list[LearnedKernel], about: str) -> None:
    """Add kernels to a config file, which is made where there is none. Raises ArgumentError where a name is taken."""
    try:
        text = path.read_text("utf-8") if path.exists() else ""
        taken = parse_toml(text)
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ArgumentError(f"{path}: cannot be added to: {reason}") from None
    names = {name for section in ("kernels", "banks") for name in taken.get(section, {})}
    for item in learned:
        if item.kernel.name in names:
            raise ArgumentError(f"{path}: there is a kernel {item.kernel.name!r} already; give another --name")
    tables = [_table_of(item, about) for item in learned]
    separator = "\n" if text and not text.endswith("\n") else ""
    with write_atomically(path) as file:
        file.write((text + separator + "".join(f"\n{table}" if text else table for table in tables)).encode())


def _table_of(item: LearnedKernel, about: str) -> str:
    kernel = item.kernel
    key = "matrix" if len(kernel.shape) == 2 else "tensor"
    rows = ",\n".join(f"  {_spelled(row)}" for row in kernel.matrix)
    fitted = f"{about}; residual {item.fit.residual:.3g}"
    offset = f"offset = {kernel.offset!r}\n" if kernel.offset else ""
    return f"[kernels.{kernel.name}]\nabout  = {_quoted(fitted)}\n{offset}{key} = [\n{rows},\n]\n"


def _spelled(value: Any) -> str:
    return f"[{', '.join(map(_spelled, value))}]" if isinstance(value, tuple) else repr(value)


def _quoted(text: str) -> str:
    """Return a text as a string of TOML."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return (
        '"' + "".join(f"\\u{ord(letter):04x}" if ord(letter) < 32 or ord(letter) == 127 else letter for letter in plain) + '"'
    )
