"""Compiles what ``apply`` and ``run`` may need, by applying kernels and layers to tiny pictures of every kind."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ..images.image import Image
from ..images.quantize import store, to_levels
from ..kernels.kernel import Kernel
from ..ops.conv import conv2d
from ..ops.depthwise import depthwise_conv2d
from ..ops.merge import merge
from ..ops.normalization import affine
from ..ops.pooling import avg_pool2d, max_pool2d
from ..range_rules import parse_range
from .apply_request import ApplyRequest
from .inputs import Input
from .kernel_maps import KernelMaps

WHITES = {np.uint8: 255, np.uint16: 65535, np.float32: None, np.float64: None}


def warm_up() -> Iterator[Callable[[], object]]:
    """Calls that compile a part each."""
    kernels = [Kernel("mean", ((0.25, 0.25),), offset=1.0), Kernel("real", ((0.3, 0.7),))]  # sums in 16 bits, and in float32
    requests = [ApplyRequest((Input("-", None),), tuple(kernels), "out.png", method=method) for method in (None, "fft")]
    for dtype, alpha in itertools.product(WHITES, (False, True)):
        pixels = np.ones((4, 4, 4), dtype)
        image = Image(pixels[:, :, :3], WHITES[dtype], alpha=pixels[:, :, 3] if alpha else None)
        for request, kernel in itertools.product(requests, kernels):
            yield partial(KernelMaps(request, image).compute_map, kernel)
    for real in (np.float32, np.float64):
        response = np.ones((4, 4, 3), real)
        for white in (255, 65535):
            yield partial(store, response, parse_range("abs"), white, white)
            yield partial(to_levels, response, np.uint8 if white == 255 else np.uint16)
        maps, weight = np.ones((4, 9, 9), real), np.ones((4, 4, 3, 3), real)
        yield partial(conv2d, maps, weight)
        yield partial(conv2d, maps[:1], weight[:, :1])
        yield partial(depthwise_conv2d, maps, weight[:, :1])
        yield partial(max_pool2d, maps, 2)
        yield partial(avg_pool2d, maps, 2)
        yield partial(affine, maps, np.ones(4))
        for how in ("l2", "max", "mean", "sum"):
            yield partial(merge, [response.copy(), response.copy()], how)
