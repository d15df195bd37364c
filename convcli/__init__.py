"""convcli: the convolution layer as a Unix tool.

The public Python interface is the functions and classes in ``PUBLIC``. They are imported when first used, so that
``import convcli`` is fast.

Packages. A package imports only from packages below it in this list; ``kernels``, ``networks`` and ``images`` do
not import each other.

    cli/        the command line: one command per file, options, output (Rich is used here only)
    pipeline/   processing of one picture and of many: requests, inputs, outputs, map sources, process_image, process_batch
    config/     kernels.toml: search path, parsers, specifications, validator, builder, diagnostics, registry
    drawing/    pictures of numbers: colour maps, scales, text, tiles, sheets, slides; as pixels, SVG, HTML, and for terminals
    models/     networks in the files of other programs: ONNX
    learning/   kernels that are fitted to pictures
    networks/   layers of networks: operations, shapes, parameters, costs, receptive field
    images/     pixels and files: formats, read, write, TIFF, array files, metadata, alpha, light, mask, quantize,
                atomic write, provenance
    kernels/    kernels and banks: their values, generators, expressions, the syntax after -k, weight files
    ops/        the public operations on arrays, and checks of their arguments
    engine/     how operations are computed: planner, layout, tap programs, FFT, im2col, Winograd, threads;
                loops/ (all compiled loops), simd/ (vector operations in NumPy and in LLVM), jit/ (compiles, caches and
                runs machine code)
    geometry/   sizes, padding and borders of a sliding kernel
    errors      the exceptions;  range_rules  the words of --range;  npy_reader  reads untrusted .npy files;
    drawn       values that notebooks show as pictures

Each external library is used in one place: numba in engine/jit, Pillow, tifffile, imagecodecs, pillow_heif and OpenEXR in
images, Pillow for text in drawing too, colorcet in drawing/colormaps, tomllib in config, safetensors in
kernels/weight_arrays, onnx in models, click in cli, rich in cli/output. Data flows one way, and each arrow is a frozen
value or an array:

    words -> request -> task -> image -> layout -> response -> levels -> file
"""

import importlib
from typing import Any

PUBLIC = {
    "errors": ("ArgumentError", "ConvcliError", "ImageError", "KernelError", "OutputError"),
    "kernels.kernel": ("Bank", "Kernel"),
    "networks.network": ("Network",),
    "config.load": ("kernel", "load_kernels", "load_network"),
    "pipeline.show": ("show",),
    "ops.filter": ("filter2d",),
    "ops.conv": ("conv2d",),
    "ops.transposed": ("conv_transpose2d",),
    "ops.depthwise": ("connected_weight", "depthwise_conv2d", "pointwise_conv2d", "separable_conv2d"),
    "ops.pooling": (
        "adaptive_avg_pool2d",
        "adaptive_max_pool2d",
        "avg_pool2d",
        "global_avg_pool2d",
        "global_max_pool2d",
        "lp_pool2d",
        "max_pool2d",
        "upsample_nearest",
    ),
    "ops.rearrange": ("pad2d", "pixel_shuffle", "resize_bilinear"),
    "ops.activations": (
        "abs",
        "clip",
        "elu",
        "erf",
        "gelu",
        "hard_sigmoid",
        "hard_swish",
        "leaky_relu",
        "prelu",
        "relu",
        "scaled_tanh",
        "sigmoid",
        "silu",
        "softmax",
        "square",
        "tanh",
    ),
    "ops.normalization": ("affine", "batch_norm", "instance_norm", "local_response_norm"),
    "ops.dense": ("dense", "flatten"),
}
"""Public names by the module that defines them."""

_MODULES = {name: module for module, names in PUBLIC.items() for name in names}
__all__ = sorted(_MODULES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Import a public name, and the modules that it needs, when it is first used."""
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("convcli")
    if name in _MODULES:
        value = globals()[name] = getattr(importlib.import_module(f"convcli.{_MODULES[name]}"), name)
        return value
    raise AttributeError(f"module 'convcli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
