"""One picture through the house: read, convolve, merge, store, write."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from ..core import loops
from ..core.compiler import run_loop
from ..core.conv import filter2d
from ..core.geometry import check_extents, make_axes, resolve_padding
from ..core.merge import merge
from ..errors import ArgumentError, ConvcliError
from ..images import alpha as transparency
from ..images.image import Array, Image
from ..images.levels import Account, account_for, check_scale, store, to_levels
from ..images.read import read_image
from ..images.write import Encoding, encode, placed, stored_white, write_maps, write_whole
from ..kernels.kernel import Bank, Kernel
from .naming import Target, Task
from .request import Request

LUMA = (0.299, 0.587, 0.114)
"""Red, green and blue in grey: Rec. ITU-R BT.601, as in Pillow and OpenCV."""


@dataclass(frozen=True)
class Written:
    """A map that was written: where, its name, shape (H, W, C), range rule and account; without account, yet to be written."""

    target: Target
    kernel: str
    shape: tuple[int, ...]
    rule: str
    account: Account | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one picture."""

    task: Task
    image: str = ""  # size and kind of the input
    written: tuple[Written, ...] = ()
    notices: tuple[str, ...] = ()
    error: ConvcliError | None = None


@dataclass(frozen=True)
class Response:
    """A feature map: colour (H, W, C) real, and alpha (H, W) real in the image's levels, or None."""

    colour: Array
    alpha: Array | None


@dataclass(frozen=True)
class Pipes:
    """Standard input and output as binary files, where the request uses them."""

    input: BinaryIO | None = None
    output: BinaryIO | None = None


def run_task(request: Request, task: Task, pipes: Pipes) -> Outcome:
    """Read one picture, compute its maps and write them. Raises ConvcliError if it cannot be read.

    What was written before a later map failed is in the outcome, beside the error.
    """
    image = read_image(task.source, pipes.input, request.max_pixels)
    outcome = Outcome(task, image.summary, notices=image.notices)
    for target in task.targets:
        try:
            responses = [respond(request, image, request.maps[index]) for index in target.maps]
            written, notices = _write(request, image, target, responses, pipes)
        except ConvcliError as error:
            return replace(outcome, error=error)
        every_notice = tuple(dict.fromkeys((*outcome.notices, *notices)))
        outcome = replace(outcome, written=(*outcome.written, *written), notices=every_notice)
    return outcome


def plan_task(request: Request, task: Task, pipes: Pipes) -> Outcome:
    """Read one picture and say which maps it would give; write nothing. Raises ConvcliError where that would fail."""
    image = read_image(task.source, pipes.input, request.max_pixels)
    planned = []
    for target in task.targets:
        for one in (request.maps[index] for index in target.maps):
            shape = _map_shape(request, image, one)
            rule = request.rule_for(one)
            raw = _is_raw(request, image, target)
            if not raw:
                check_scale(rule, image.white)
                stored_white(target.form, image, shape[2])
            planned.append(Written(target, one.name, shape, "raw" if raw else rule.name))
    return Outcome(task, image.summary, tuple(planned), image.notices)


def _map_shape(request: Request, image: Image, one: Kernel | Bank) -> tuple[int, int, int]:
    """(H', W', C) of a map. Raises ArgumentError if the kernel does not fit, or if the padding makes the map too large."""
    if isinstance(one, Bank):
        shapes = {_map_shape(request, image, kernel) for kernel in one.kernels}
        if len(shapes) > 1:
            sizes = " and ".join(" x ".join(map(str, shape)) for shape in sorted(shapes))
            raise ArgumentError(f"bank {one.name!r} merges maps of different shapes: {sizes}")
        return shapes.pop()
    weights = _weights_for(request, image, one)
    size, sides = image.pixels.shape[:2], weights.shape[:2]
    rows, columns = make_axes(size, sides, request.stride, request.padding_for(one), request.dilation)
    if rows.out * columns.out > request.max_pixels:
        raise ArgumentError(
            f"a map of {columns.out} x {rows.out} pixels is beyond the limit of {request.max_pixels}; "
            "raise it with --max-pixels"
        )
    return rows.out, columns.out, 1 if weights.ndim == 3 else image.pixels.shape[2]


def respond(request: Request, image: Image, one: Kernel | Bank) -> Response:
    """Compute one feature map of an image."""
    _map_shape(request, image, one)
    if isinstance(one, Kernel):
        return _convolve(request, image, one)
    alphas: list[Array] = []

    def colours() -> Iterator[Array]:
        for kernel in one.kernels:
            response = _convolve(request, image, kernel)
            if response.alpha is not None:
                alphas.append(response.alpha)
            yield response.colour

    assert one.merge is not None
    colour = merge(colours(), one.merge)
    return Response(colour, merge(alphas, "max") if alphas else None)


def _convolve(request: Request, image: Image, kernel: Kernel) -> Response:
    """Slide one kernel over the colours, and over alpha where there is one.

    Colours multiplied by alpha are summed, and divided by the alpha that the kernel saw, in units of its sum, so that the
    result is that of an opaque picture where the picture is opaque. A kernel that sums to zero has no such unit: its
    response stays multiplied, and alpha stays as it was.
    """
    options: dict[str, Any] = {
        "stride": request.stride,
        "padding": request.padding_for(kernel),
        "dilation": request.dilation,
        "flip": request.flip,
        "threads": request.threads,
    }
    weights = _weights_for(request, image, kernel)
    colour = filter2d(transparency.premultiplied(image), weights, border=request.border, **options)
    if weights.ndim == 3:
        colour = colour[:, :, None]
    if image.alpha is None:
        return Response(_plus(colour, kernel.offset), None)
    seen = kernel.weights if kernel.weights.ndim == 2 else kernel.weights.sum(axis=2)
    if kernel.sums_to_zero:
        covered = check_extents(seen.shape, request.dilation)
        (above, _), (left, _) = resolve_padding(request.same_padding(kernel), covered)
        seen = np.zeros(covered)
        seen[above, left] = 1  # the pixel that "same" padding puts under the kernel's anchor
        options |= {"flip": False, "dilation": 1}
    outside = "zero" if request.border == "zero" else image.opaque if not isinstance(request.border, str) else request.border
    alpha = filter2d(image.alpha, seen / seen.sum(), border=outside, **options)
    straight = colour if kernel.sums_to_zero else transparency.straightened(colour, alpha, image.opaque)
    return Response(_plus(straight, kernel.offset), alpha)


def _plus(response: Array, offset: float) -> Array:
    """The response with the kernel's offset added to it, in place."""
    if offset:
        run_loop(loops.add_number, response.dtype.type(offset), response.reshape(-1))
    return response


def _weights_for(request: Request, image: Image, kernel: Kernel) -> Array:
    """The kernel as ``--channels`` asks for it: (kh, kw) for each channel, or (kh, kw, C) to be summed."""
    channels = image.pixels.shape[2]
    weights = kernel.weights
    if weights.ndim == 3:
        if weights.shape[2] != channels:
            raise ArgumentError(f"kernel {kernel.name!r} sums over {weights.shape[2]} channels, and the picture has {channels}")
        return weights
    if request.channels == "each":
        return weights
    if request.channels == "sum":
        return np.repeat(weights[:, :, None], channels, axis=2)
    if channels not in (1, 3):
        raise ArgumentError(f"--channels gray needs 1 or 3 channels, and the picture has {channels}; use each or sum")
    return weights[:, :, None] * (np.ones(1) if channels == 1 else np.array(LUMA))


def _is_raw(request: Request, image: Image, target: Target) -> bool:
    """Whether float numbers are stored: in a stack, and in TIFF where the picture itself is of real numbers."""
    unscaled = image.white is None and not request.rule_for(request.maps[target.maps[0]]).sets_scale
    return request.stacks_in(target.form) or (target.form.stack and unscaled)


def _write(
    request: Request, image: Image, target: Target, responses: list[Response], pipes: Pipes
) -> tuple[list[Written], list[str]]:
    if _is_raw(request, image, target):
        return _write_stack(request, image, target, responses, pipes)
    (index,), (response,) = target.maps, responses
    one = request.maps[index]
    rule = request.rule_for(one)
    white = stored_white(target.form, image, response.colour.shape[2])
    dtype = np.uint8 if white == 255 else np.uint16
    alpha = None if response.alpha is None else to_levels(response.alpha, dtype, white / image.opaque)
    levels, account = store(response.colour, rule, image.white, white, None if alpha is None else alpha > 0)
    picture = replace(image, pixels=levels, white=white, alpha=alpha)
    data, notices = encode(picture, target.form, Encoding(request.png_level, request.quality))
    if white == 255 and image.white == 65535:
        notices.append(f"16-bit levels stored with 8 bits: {target.form.name} holds no more")
    _put(target, pipes, lambda file: file.write(data))
    return [Written(target, one.name, levels.shape, rule.name, account)], notices


def _write_stack(
    request: Request, image: Image, target: Target, responses: list[Response], pipes: Pipes
) -> tuple[list[Written], list[str]]:
    notices = []
    if image.alpha is not None:
        notices.append("alpha not written: a stack holds the feature maps alone")
    if request.range.name != "auto":
        notices.append(f"--range {request.range.name} not applied: float numbers are stored raw")
    names = [request.maps[index].name for index in target.maps]
    maps = [response.colour for response in responses]
    if target.form.name == "tiff" and maps[0].dtype == np.float64:
        notices.append("stored as float32, which ImageJ reads; .npy and .npz hold all 64 bits")
    _put(target, pipes, lambda file: write_maps(file, target.form, maps, names))
    return [Written(target, name, one.shape, "raw", account_for(one)) for name, one in zip(names, maps, strict=True)], notices


def _put(target: Target, pipes: Pipes, write: Callable[[BinaryIO], object]) -> None:
    if target.path is not None:
        with placed(target.path) as file:
            write(file)
    else:
        assert pipes.output is not None
        memory = io.BytesIO()
        write(memory)
        write_whole(pipes.output, memory.getvalue())
