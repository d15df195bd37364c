"""convcli: the convolution layer as a Unix tool.

The public Python interface, imported when first used, so that ``import convcli`` costs nothing:

    convcli.filter2d    slide one kernel over an image
    convcli.conv2d      the convolution layer of the deep-learning frameworks
    convcli.conv_transpose2d, depthwise_conv2d, pointwise_conv2d, separable_conv2d  its relatives
    convcli.max_pool2d, avg_pool2d, global_avg_pool2d, upsample_nearest  fewer pixels, or more
    convcli.relu, leaky_relu, sigmoid, tanh, abs, square, softmax  activations
    convcli.local_response_norm, batch_norm, affine, flatten, dense  what else networks are made of
    convcli.connected_weight  the weight of a layer whose maps see some planes only
    convcli.kernel      a kernel or bank by the text that -k takes
    convcli.load_kernels  all kernels and banks of a kernels.toml, or of all that are found, by name
    convcli.Kernel, Bank  what these give: frozen values
    convcli.ConvcliError, ArgumentError, KernelError, ImageError, OutputError

The house, floor by floor; imports go down only, and kernels and images do not know each other:

    cli/       words in, words out: apply, at, run, summary, kernels, config, cache; options, spelled once, in groups; batch
               (works through pictures); report (JSON lines); pointing (one pixel, drawn); render, where Rich lives
    jobs/      wishes carried out: inputs, wishes (what any command asks for, frozen), request (what apply asks for), taps (what
               run does) and model (a network with its weights), naming, responder (what gives maps): respond (maps of kernels)
               and forward (maps of layers); run (one picture), batch (many), memory (how much one takes), point (one pixel,
               explained), warm (compiles what may be needed)
    kernels/   what to convolve with: kernel (values), library (formulas), numbers (1/9), grammar (the text after -k), weights
               (files of them), config (kernels.toml) with bodies, values and lines, definition and banks (what a table says),
               draft (kernels yet to be computed), arithmetic, networks and their layers and tensors (arrays in files), faults
               (what is wrong, and what costs too much), places (which config files there are), catalogue (names to kernels)
    images/    pixels and files: image (values), read, write, tiff, stacks, alpha, levels (response to stored levels), formats,
               metadata (what is carried over), parts (what is not), exif (as bytes), place (whole or not at all), mark (what an
               output was made from), existing (what stands under its name), resize
    networks/  layers as values: what each makes of a shape, holds, costs and sees, and what runs it: layer, convolutions,
               pools, plain (all others), network (one layer after the other), trace (what each makes of an
               input)
    core/      numbers, arrays in, arrays out: geometry (sizes, pads, borders) and its words, arguments (what is asked of them),
               plan (index tables, bands), offset (what samples are less, so that rounding is small), method (which
               way to sum), factor (columns times rows), sums (the lists that the loops work through), spectrum (tiles, for
               large kernels), layer (many channels), tables (all that, kept), conv, merge; what else networks are made of:
               transposed, separable, pooling, activations, normalization, dense; loops, elementwise_loops, waves, volume and windows (every
               compiled loop), strips (what they are written with), compiler (runs them), build and vectors (machine code by
               Numba), native (the same without Numba), codefolder (where it is kept), crew (threads), buffers (memory)
    ranges.py  the words of --range
    arrays.py  reads .npy files that nobody should trust
    errors.py  one small tree

Each outside library has one home: numba in core, Pillow and tifffile in images, tomllib in kernels/config.py,
safetensors in kernels/weights.py, click in cli, rich in cli/render.py. Data flows one way, each arrow a frozen value or an
array:

    words -> Wishes -> Task -> Image -> Plan -> response -> levels -> file
"""

import importlib
from typing import TYPE_CHECKING, Any

from .errors import ArgumentError, ConvcliError, ImageError, KernelError, OutputError

if TYPE_CHECKING:
    from .core.activations import abs, leaky_relu, relu, sigmoid, softmax, square, tanh
    from .core.conv import conv2d, filter2d
    from .core.dense import dense, flatten
    from .core.normalization import affine, batch_norm, local_response_norm
    from .core.pooling import avg_pool2d, global_avg_pool2d, max_pool2d, upsample_nearest
    from .core.separable import connected_weight, depthwise_conv2d, pointwise_conv2d, separable_conv2d
    from .core.transposed import conv_transpose2d
    from .kernels.catalogue import kernel, load_kernels
    from .kernels.kernel import Bank, Kernel

__all__ = [
    "ArgumentError",
    "Bank",
    "ConvcliError",
    "ImageError",
    "Kernel",
    "KernelError",
    "OutputError",
    "abs",
    "affine",
    "avg_pool2d",
    "batch_norm",
    "connected_weight",
    "conv2d",
    "conv_transpose2d",
    "dense",
    "depthwise_conv2d",
    "filter2d",
    "flatten",
    "global_avg_pool2d",
    "kernel",
    "leaky_relu",
    "load_kernels",
    "local_response_norm",
    "max_pool2d",
    "pointwise_conv2d",
    "relu",
    "separable_conv2d",
    "sigmoid",
    "softmax",
    "square",
    "tanh",
    "upsample_nearest",
]
_HOMES = {
    "abs": "core.activations",
    "affine": "core.normalization",
    "avg_pool2d": "core.pooling",
    "batch_norm": "core.normalization",
    "connected_weight": "core.separable",
    "conv2d": "core.conv",
    "conv_transpose2d": "core.transposed",
    "dense": "core.dense",
    "depthwise_conv2d": "core.separable",
    "filter2d": "core.conv",
    "flatten": "core.dense",
    "global_avg_pool2d": "core.pooling",
    "leaky_relu": "core.activations",
    "local_response_norm": "core.normalization",
    "max_pool2d": "core.pooling",
    "pointwise_conv2d": "core.separable",
    "relu": "core.activations",
    "separable_conv2d": "core.separable",
    "sigmoid": "core.activations",
    "softmax": "core.activations",
    "square": "core.activations",
    "tanh": "core.activations",
    "upsample_nearest": "core.pooling",
    "kernel": "kernels.catalogue",
    "load_kernels": "kernels.catalogue",
    "Bank": "kernels.kernel",
    "Kernel": "kernels.kernel",
}


def __getattr__(name: str) -> Any:
    """Import what is public when it is asked for, and only then what it needs, such as NumPy and Numba."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"convcli.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'convcli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
