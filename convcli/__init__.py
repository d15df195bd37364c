"""convcli: the convolution layer as a Unix tool.

The public Python interface, imported when first used, so that ``import convcli`` costs nothing:

    convcli.filter2d    slide one kernel over an image
    convcli.conv2d      the convolution layer of the deep-learning frameworks
    convcli.ConvcliError, ArgumentError, KernelError, ImageError, OutputError

The house, floor by floor; imports go down only, and kernels and images do not know each other:

    cli/       words in, words out: apply, kernels; options, each spelled once; render, where Rich lives
    jobs/      one request carried out: request (what was asked for, frozen), naming, run (one picture), batch (many)
    kernels/   what to convolve with: kernel (values), library (formulas), grammar (the text after -k), config (kernels.toml),
               weights (.npy, .npz), catalogue (names to kernels)
    images/    pixels and files: image (values), read, write, tiff, stacks, alpha, levels (response to stored levels), and the
               words for them: formats, ranges
    core/      numbers, arrays in, arrays out: geometry (sizes, pads, borders), plan (tables, taps, bands), conv, merge,
               loops (every compiled loop), compiler (machine code and its cache)
    arrays.py  reads .npy files that nobody should trust
    errors.py  one small tree

Each outside library has one home: numba in core, Pillow and tifffile in images, tomllib in kernels/config.py, click in cli,
rich in cli/render.py. Data flows one way, each arrow a frozen value or an array:

    words -> Request -> Task -> Image -> Plan -> response -> levels -> file
"""

from typing import TYPE_CHECKING, Any

from .errors import ArgumentError, ConvcliError, ImageError, KernelError, OutputError

if TYPE_CHECKING:
    from .core.conv import conv2d, filter2d

__all__ = ["ArgumentError", "ConvcliError", "ImageError", "KernelError", "OutputError", "conv2d", "filter2d"]


def __getattr__(name: str) -> Any:
    """Import the convolutions, and NumPy and Numba with them, when they are asked for."""
    if name in ("conv2d", "filter2d"):
        from .core import conv

        return getattr(conv, name)
    raise AttributeError(f"module 'convcli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
