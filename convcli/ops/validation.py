"""Checks of the arguments of the public functions, and the dtypes that they compute in."""

import sys
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..engine.dtypes import real_of
from ..engine.simd.reference import Array
from ..engine.threads import usable_processors
from ..errors import ArgumentError
from ..geometry.whole_numbers import as_count
from .option_parsers import METHODS

FLOATS = [np.dtype(name) for name in ("float16", "float32", "float64")]
"""Floating-point dtypes that ``dtype=`` accepts for results."""

MAPS = (3, 4)
"""Dimensions of maps: (C, H, W), or (N, C, H, W)."""


def check_array(name: str, value: ArrayLike, dimensions: tuple[int, ...] | None = None, *, batched: bool = False) -> Array:
    """Read an argument as a non-empty array of real numbers. ``dimensions`` of None allows any number of them.

    With ``batched``, an array of two or four dimensions, the first of which is N, may have N = 0. Raises ArgumentError.

    >>> check_array("x", [[1, 2]], dimensions=(2,)).shape
    (1, 2)
    """
    array = _array_of(name, value)
    if array.dtype.kind not in "buif":
        raise ArgumentError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if dimensions is not None and array.ndim not in dimensions:
        allowed = " or ".join(str(d) for d in dimensions)
        raise ArgumentError(f"{name} must have {allowed} dimensions, got shape {array.shape}")
    if array.size == 0 and not (batched and array.ndim in (2, 4) and all(array.shape[1:])):
        raise ArgumentError(f"{name} must not be empty, got shape {array.shape}")
    return array


def _array_of(name: str, value: ArrayLike) -> Array:
    """Read an argument as an array of any dtype. Raises ArgumentError if it is not one, or has a mask or a gradient."""
    if _is_masked(value):
        raise ArgumentError(
            f"{name} has masked values, and what is under the mask would be read; fill them first, as {name}.filled(0) does"
        )
    if hasattr(value, "sums_to_zero") or hasattr(value, "kernels"):  # a Kernel or a Bank
        raise ArgumentError(f"{name} must be an array, got a {type(value).__name__}; pass its weights, {name}.weights")
    if getattr(value, "requires_grad", False):
        raise ArgumentError(f"{name} is a tensor that needs a gradient, which would be lost; pass {name}.detach()")
    try:
        return np.asarray(value)
    except ValueError:  # ragged nested lists
        raise ArgumentError(f"{name} must be an array, got rows of different lengths") from None
    except (TypeError, RuntimeError) as error:  # a tensor on another device, or of bfloat16
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArgumentError(f"{name} must be an array: {reason}") from None


def _is_masked(value: object) -> bool:
    """Whether an array, or one in nested lists, has masked values."""
    if isinstance(value, list | tuple):
        return any(map(_is_masked, value))
    module = sys.modules.get("numpy.ma")  # whoever made a masked array has imported it; the import takes 10 ms
    masked_array = getattr(module, "MaskedArray", None)  # None while another thread imports it
    return masked_array is not None and isinstance(value, masked_array) and bool(np.any(value.mask))


def as_real(name: str, value: ArrayLike, dimensions: tuple[int, ...] | None = None) -> Array:
    """Read an argument as ``check_array`` does, and convert it to float32 or float64 as ``real_of`` says.

    An array of that dtype is not copied. The batch may be empty. Raises ArgumentError.

    >>> as_real("x", np.arange(3, dtype=np.uint8)).dtype
    dtype('float32')
    """
    array = check_array(name, value, dimensions, batched=True)
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinite
        return np.asarray(array, real_of(array.dtype))


def as_flag(name: str, value: object) -> bool:
    """Read True or False, NumPy's too. Raises ArgumentError.

    >>> as_flag("flip", np.True_)
    True
    """
    if not isinstance(value, bool | np.bool_):
        raise ArgumentError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def as_number(name: str, value: float) -> float:
    """Read a finite real number. Raises ArgumentError.

    >>> as_number("beta", 1)
    1.0
    """
    if isinstance(value, Real) and not isinstance(value, bool | np.bool_) and abs(value) <= float(np.finfo(np.float64).max):
        return float(value)
    raise ArgumentError(f"{name} must be a finite number, got {value!r}")


def per_channel(name: str, value: ArrayLike, channels: int) -> Array:
    """Read one number for each channel as (C, 1, 1) float64, which broadcasts with maps. Raises ArgumentError."""
    numbers = check_array(name, value, dimensions=(1,))
    if numbers.size != channels:
        raise ArgumentError(f"{name} must have one value for each of the {channels} channels of x, got {numbers.size}")
    return numbers.astype(np.float64).reshape(-1, 1, 1)


def workers_for(threads: int | None) -> int:
    """Read the number of threads; None is the number of processors of this process. Raises ArgumentError."""
    return usable_processors() if threads is None else as_count("threads", threads)


def check_method(method: str | None, methods: tuple[str, ...] = METHODS) -> None:
    """Raise ArgumentError for an unknown method."""
    if method is not None and method not in methods:
        raise ArgumentError(f"method must be one of {', '.join(methods)}, or None, got {method!r}")


def check_groups(groups: int, channels: int, shape: tuple[int, ...]) -> None:
    """Raise ArgumentError if groups do not match the channels of x and the shape of weight, (Cout, Cin / groups, kh, kw)."""
    count = as_count("groups", groups)
    if channels % count or shape[0] % count:
        raise ArgumentError(f"groups must divide the {channels} channels of x and the {shape[0]} of weight, got {count}")
    if shape[1] != channels // count:
        raise ArgumentError(
            f"weight must have shape (Cout, Cin / groups, kh, kw) with Cin / groups = {channels // count}, got {shape}"
        )


def check_transposed_groups(groups: int, channels: int, shape: tuple[int, ...]) -> None:
    """Raise ArgumentError if groups do not match the channels of x and the shape of weight, (Cin, Cout / groups, kh, kw)."""
    if channels % as_count("groups", groups):
        raise ArgumentError(f"groups must divide the {channels} channels of x, got {groups}")
    if shape[0] != channels:
        raise ArgumentError(f"weight must have shape (Cin, Cout / groups, kh, kw) with Cin = {channels}, got {shape}")


def check_bias(bias: ArrayLike | None, maps: int) -> Array:
    """Read a bias (maps,); None is zeros. Raises ArgumentError."""
    if bias is None:
        return np.zeros(maps)
    biases = check_array("bias", bias, dimensions=(1,))
    if biases.size != maps:
        raise ArgumentError(f"bias must have one value for each of the {maps} output channels, got {biases.size}")
    return biases


def out_dtype(dtype: DTypeLike | None, real: np.dtype[Any]) -> np.dtype[Any]:
    """Read the dtype of a result: an integer type, float16, float32 or float64; None is ``real``. Raises ArgumentError."""
    if dtype is None:
        return real
    try:
        chosen = np.dtype(dtype).newbyteorder("=")
    except TypeError:
        chosen = np.dtype(object)
    if chosen.kind not in "ui" and chosen not in FLOATS:
        raise ArgumentError(f"dtype must be an integer type, float16, float32 or float64, got {dtype!r}")
    return chosen


def limits_of(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the least and the largest value of an integer dtype, in that dtype."""
    limits = np.iinfo(dtype)
    return dtype.type(limits.min), dtype.type(limits.max)
