"""Applies a specification to the weights of a kernel: divides, normalises and rotates them, and adds the description."""

import math

from msgspec.structs import replace

from ..errors import KernelError
from ..kernels.arithmetic import divided
from ..kernels.kernel import Kernel
from .diagnostics import Document, Fault
from .kernel_spec import KernelSpec, Sum
from .lazy_kernel import Compute
from .limits import LimitError
from .toml_positions import Keys


def build_kernel(spec: KernelSpec, made: Kernel, document: Document) -> Kernel:
    """Return the kernel of a specification; ``made`` is the kernel of its body. Raises KernelError, or Fault at a key."""
    divisor = _divisor_of(spec, made, document)
    kernel = replace(
        made,
        name=spec.name,
        matrix=made.matrix if divisor == 1 else divided(made.matrix, divisor),
        about=spec.about,
        source=spec.source,
        tags=spec.tags,
        offset=spec.offset + (made.offset / divisor if isinstance(spec.body, Sum) else made.offset),
        anchor=spec.anchor or made.anchor,
        range=spec.range,
    )
    return kernel.turn(spec.rotate)


def _divisor_of(spec: KernelSpec, made: Kernel, document: Document) -> float:
    """Return the divisor: a number, or the sum, absolute sum or root of the sum of squares of the weights. Raises Fault."""
    if spec.normalize is None:
        return spec.divisor
    norms = {"sum": made.sum, "abs": made.absolute_sum, "l2": math.hypot(*made.numbers)}
    divisor = norms[spec.normalize]
    if abs(divisor) <= 1e-12 * made.absolute_sum:
        advice = "; use normalize = 'abs', or divisor" if made.absolute_sum else ", as all its weights are 0"
        raise Fault((*spec.keys, "normalize"), f"cannot be {spec.normalize!r}: the sum is 0{advice}", document)
    return divisor


def locate_errors(compute: Compute, keys: Keys, document: Document) -> Compute:
    """Wrap a computation so that a KernelError becomes a Fault at these keys. Fault and LimitError are raised again."""

    def located() -> Kernel:
        try:
            return compute()
        except (Fault, LimitError):
            raise
        except KernelError as error:
            raise Fault(keys, str(error), document) from None

    return located


def prefix_errors(compute: Compute, name: str) -> Compute:
    """Wrap a computation so that a Fault becomes a KernelError of the text that asks for this kernel with other parameters."""

    def prefixed() -> Kernel:
        try:
            return compute()
        except Fault as fault:
            raise KernelError(f"{name}: {fault.message}") from None

    return prefixed
