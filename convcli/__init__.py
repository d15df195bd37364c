"""convcli: the convolution layer as a Unix tool.

The public Python interface, imported when first used, so that ``import convcli`` costs nothing:

    convcli.filter2d    slide one kernel over an image
    convcli.conv2d      the convolution layer of the deep-learning frameworks
    convcli.kernel      a kernel or bank by the text that -k takes
    convcli.load_kernels  all kernels and banks of a kernels.toml, or of all that are found, by name
    convcli.Kernel, Bank  what these give: frozen values
    convcli.ConvcliError, ArgumentError, KernelError, ImageError, OutputError

The house, floor by floor; imports go down only, and kernels and images do not know each other:

    cli/       words in, words out: apply, at, kernels, config, cache; options, each spelled once, in groups; batch (works
               through pictures); report (JSON lines); pointing (one pixel, drawn); render, where Rich lives
    jobs/      wishes carried out: inputs, wishes (what any command asks for, frozen), request (what apply asks for), naming,
               responder (what gives maps), respond (maps of kernels), run (one picture), batch (many), memory (how much one
               takes), point (one pixel, explained), warm (compiles what may be needed)
    kernels/   what to convolve with: kernel (values), library (formulas), numbers (1/9), grammar (the text after -k), weights
               (files of them), config (kernels.toml) with bodies, values and lines, definition and banks (what a table says),
               draft (kernels yet to be computed), arithmetic, faults (what is wrong, and what costs too much), places (which
               config files there are), catalogue (names to kernels)
    images/    pixels and files: image (values), read, write, tiff, stacks, alpha, levels (response to stored levels), formats,
               place (whole or not at all), mark (what an output was made from), existing (what stands under its name)
    core/      numbers, arrays in, arrays out: geometry (sizes, pads, borders) and its words, plan (index tables, bands), method
               (which way to sum), factor (columns times rows), sums (the lists that the loops work through), spectrum (tiles,
               for large kernels), layer (many channels), tables (all that, kept), conv, merge; loops, waves and volume (every
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
    from .core.conv import conv2d, filter2d
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
    "conv2d",
    "filter2d",
    "kernel",
    "load_kernels",
]
_HOMES = {
    "conv2d": "core.conv",
    "filter2d": "core.conv",
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
