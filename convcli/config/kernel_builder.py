"""Computes what a specification does with the weights of a kernel: divides, normalises, turns and describes them."""

import math
from dataclasses import replace

from ..errors import KernelError
from ..kernels.arithmetic import divided
from ..kernels.kernel import Kernel
from .diagnostics import Document, Fault
from .kernel_spec import KernelSpec, Sum
from .lazy_kernel import Compute
from .limits import LimitError
from .toml_positions import Keys


def build_kernel(spec: KernelSpec, made: Kernel, document: Document) -> Kernel:
    """The kernel of a specification, from what its body made. Raises KernelError, a Fault where that is known better."""
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
    """The number that the weights are divided by, their sum, their absolute sum, or the root of the sum of squares."""
    if spec.normalize is None:
        return spec.divisor
    norms = {"sum": made.sum, "abs": made.absolute_sum, "l2": math.hypot(*made.numbers)}
    divisor = norms[spec.normalize]
    if abs(divisor) <= 1e-12 * made.absolute_sum:
        advice = "; use normalize = 'abs', or divisor" if made.absolute_sum else ", as all its weights are 0"
        raise Fault((*spec.keys, "normalize"), f"cannot be {spec.normalize!r}: the sum is 0{advice}", document)
    return divisor


def locate_errors(compute: Compute, keys: Keys, document: Document) -> Compute:
    """A computation whose errors are faults of these keys, unless they are of others already."""

    def located() -> Kernel:
        try:
            return compute()
        except (Fault, LimitError):
            raise
        except KernelError as error:
            raise Fault(keys, str(error), document) from None

    return located


def prefix_errors(compute: Compute, name: str) -> Compute:
    """A computation whose faults are those of the text that asks for the kernel of this name, with other parameters."""

    def prefixed() -> Kernel:
        try:
            return compute()
        except Fault as fault:
            raise KernelError(f"{name}: {fault.message}") from None

    return prefixed
