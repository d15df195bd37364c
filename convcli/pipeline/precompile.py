"""Compiles the loops of ``apply`` and ``run`` in advance, by applying kernels and layers to tiny images of every dtype."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ..config.layer_keys import keys_of
from ..errors import ArgumentError
from ..images.alpha import premultiplied
from ..images.image import Image
from ..images.quantize import quantize, to_levels
from ..kernels.kernel import Kernel
from ..networks.layer import Array
from ..networks.op_registry import OPS
from ..ops.conv import conv2d
from ..ops.merge import merge
from ..range_rules import parse_range
from .apply_request import ApplyRequest
from .inputs import Input
from .kernel_maps import KernelMaps

WHITES = {np.uint8: 255, np.uint16: 65535, np.float32: None, np.float64: None}


def warm_up() -> Iterator[Callable[[], object]]:
    """Yield functions that each compile some loops."""
    kernels = [Kernel("mean", ((0.25, 0.25),), offset=1.0), Kernel("real", ((0.3, 0.7),))]  # sums in 16 bits, and in float32
    kernels.append(Kernel("smooth", tuple(tuple(a * b for b in (0.2, 0.5, 0.2)) for a in (0.2, 0.5, 0.2))))  # along rows first
    kernels += [Kernel("box", ((1 / side**2,) * side,) * side) for side in (3, 17)]  # sums of 16 bits, and of 32
    inputs = (Input("-", None),)
    requests = [ApplyRequest(inputs, tuple(kernels), "out.png", method=method) for method in (None, "fft")]
    requests.append(ApplyRequest(inputs, tuple(kernels), "out.png", light="linear"))
    for dtype, alpha in itertools.product(WHITES, (False, True)):
        pixels = np.ones((4, 4, 4), dtype)
        image = Image(pixels[:, :, :3], WHITES[dtype], alpha=pixels[:, :, 3] if alpha else None)
        for request, kernel in itertools.product(requests, kernels):
            yield partial(KernelMaps(request, image).compute_map, kernel)
            yield partial(KernelMaps(request, image).samples.read, np.arange(4), np.empty((4, 4, 3)))  # for "at"
        if alpha:
            yield partial(premultiplied, image, slice(None))  # views of pixels that hold alpha too, as run reads them
    for real in (np.float32, np.float64):
        response = np.ones((4, 4, 3), real)
        for white in (255, 65535):
            yield partial(quantize, response, parse_range("abs"), white, white)
            yield partial(to_levels, response, np.uint8 if white == 255 else np.uint16)
        maps, weight = np.ones((4, 9, 9), real), np.ones((4, 4, 3, 3), real)
        yield partial(conv2d, maps, weight)
        yield partial(conv2d, maps[:1], weight[:, :1])
        for op in OPS:
            yield partial(_run_layer, op, maps)
        for how in ("l2", "max", "mean", "sum"):
            yield partial(merge, [response.copy(), response.copy()], how)


def _run_layer(op: str, maps: Array) -> None:
    """Run a layer of an operation with its required keys only. 2 is a valid value of all of them."""
    keys = {key: keys_of(op)[key].read(2) for key in OPS[op].required}
    layer = OPS[op].layer(name=op, **OPS[op].fixed, **keys)
    with contextlib.suppress(ArgumentError):  # layers of vectors, and resize, which needs a size, have no compiled loops
        arrays = {p.role: np.ones(p.shape, maps.dtype) for p in layer.parameters(maps.shape)}
        layer.run(maps, arrays, None)
