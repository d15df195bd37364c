"""One layer of a network: output shape, parameters, cost, receptive field, and its computation.

Shapes are (C, H, W) for maps and (C,) for a vector. Nothing here imports NumPy before a layer is run.
"""

import abc
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

from msgspec import NODEFAULT, Struct, field
from msgspec.structs import fields

from ..errors import ArgumentError
from ..geometry.axes import Axis

if TYPE_CHECKING:
    import numpy as np

Shape: TypeAlias = tuple[int, ...]
Array: TypeAlias = "np.ndarray[Any, Any]"


T = TypeVar("T")

INPUT = "input"
"""The name of the input of a network among the inputs of a layer."""


class Parameter(Struct, frozen=True):
    """An array of a layer: its role, its shape, the count of its numbers, and whether they are learned.

    The count is less than the shape says where a table of connections leaves some weights out.
    """

    role: str
    shape: Shape
    count: int
    learned: bool = True

    @classmethod
    def full(cls, role: str, *shape: int, learned: bool = True) -> "Parameter":
        """Return a parameter whose count is that of its shape."""
        return cls(role, shape, math.prod(shape), learned)


class ArraySource(Struct, frozen=True):
    """The source of an array for a parameter: ``load`` reads it, as float64 or float32 by ``itemsize``, and raises KernelError.

    ``shared``: the array is one plane of weights, which all channels share.
    """

    role: str
    shape: Shape
    origin: str
    load: Callable[[], Array]
    shared: bool = False
    itemsize: int = 8

    def __repr__(self) -> str:
        # Without ``load``, whose address differs from process to process: digests of requests are made of this text.
        shown = ("role", "shape", "origin", "shared", "itemsize")
        return f"ArraySource({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


class InputTaps(Struct, frozen=True):
    """The inputs that an output of a layer reads along one axis.

    Tap k of output o reads input (o * stride + first + k * dilation) / upsampling, where that is an integer.
    """

    taps: int = 1
    stride: int = 1
    first: int = 0
    dilation: int = 1
    upsampling: int = 1

    @classmethod
    def sliding(cls, axis: Axis) -> "InputTaps":
        """Return the taps of a window that slides along an axis.

        >>> list(InputTaps.sliding(Axis(9, 3, stride=2, dilation=1, before=1, after=1)).inputs_of(4))
        [7, 8, 9]
        """
        return cls(axis.kernel, axis.stride, -axis.before, axis.dilation)

    def inputs_of(self, output: int) -> Iterator[int]:
        """Yield the inputs that an output reads, as if the input had no edges.

        >>> list(InputTaps(taps=2, dilation=-1, upsampling=2).inputs_of(3))  # up-sampled by 2
        [1]
        """
        for tap in range(self.taps):
            index, rest = divmod(output * self.stride + self.first + tap * self.dilation, self.upsampling)
            if rest == 0:
                yield index


class Layer(Struct, frozen=True, kw_only=True):
    """A layer of a network. Methods raise ArgumentError for an input shape that the layer does not accept.

    ``inputs`` are the names of the layers whose outputs it takes, or INPUT; where there are none, it takes that of the layer
    before. A layer that takes several joins them: its other methods and ``run`` get what they are together.
    """

    op: ClassVar[str]
    """The name of the operation in a config file."""

    family: ClassVar[str] = "other"
    """conv, dense or other: summaries show the share of the first two."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Roles of the arrays that ``run`` requires. Without them a layer can be analysed only."""

    name: str
    sources: tuple[ArraySource, ...] = ()
    inputs: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The name of the operation in a config file; it differs from ``op`` where a class serves several operations."""
        return self.op

    @classmethod
    def fields_from(cls, array: ArraySource, groups: int) -> dict[str, Any]:
        """Return the fields of the layer that follow from the shape of an array."""
        return {}

    def joined_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the shape of the inputs together."""
        return _single(shapes)

    @classmethod
    def joined_channels(cls, channels: Sequence[int | None]) -> int | None:
        """Return the number of maps of the inputs together; None is a vector."""
        return _single(channels)

    def join(self, inputs: Sequence[Array]) -> Array:
        """Return the inputs together."""
        return _single(inputs)

    def channels(self, before: int | None) -> int | None:
        """Return the number of output maps for ``before`` input maps of any size; None is a vector."""
        return before

    def out(self, shape: Shape) -> Shape:
        """Return the output shape."""
        return shape

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """Return the arrays of the layer."""
        return ()

    def multiply_adds(self, shape: Shape) -> int:
        """Return the multiply-adds for one input."""
        return 0

    def input_taps(self, shape: Shape) -> tuple[InputTaps, InputTaps] | None:
        """Return the inputs that each output reads, along rows and columns; None where it reads all of them."""
        return InputTaps(), InputTaps()

    def note(self, shape: Shape) -> str:
        """Return a remark about this layer on this shape, or an empty text."""
        return ""

    def scratch(self, shape: Shape) -> int:
        """Return the count of temporary numbers while the layer runs, besides its input and output."""
        return 0

    def prepared(self, arrays: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return loaded arrays in the form that ``run`` takes."""
        return arrays

    @abc.abstractmethod
    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        """Compute the layer on maps (C, H, W) or a vector (C,), with the arrays of its parameters by role."""

    @property
    def lacks_weights(self) -> bool:
        """Whether a required array has no source: the layer can be analysed, but not run."""
        return not set(self.needs) <= {source.role for source in self.sources}

    def check_sources(self, shape: Shape) -> None:
        """Raise ArgumentError where the shape of an array is not that of its parameter."""
        shapes = {parameter.role: parameter.shape for parameter in self.parameters(shape)}
        for source in self.sources:
            required = shapes[source.role]
            expected = (required[0], *required[2:]) if source.shared else required
            if source.shape != expected:
                raise ArgumentError(f"the {source.role} of {source.origin} has shape {source.shape}, and must have {required}")


def _single(inputs: Sequence[T]) -> T:
    if len(inputs) != 1:
        raise ArgumentError(f"takes one input, and gets {len(inputs)}; join them in a layer before, by concat, add or multiply")
    return inputs[0]


class Op(Struct, frozen=True):
    """An operation of a config file, the one definition for the config reader, schema, manual, ``summary`` and ``cache warm``.

    ``layer`` is the class with its defaults, shapes, costs and computation. ``keys`` are the keys of the operation: fields of
    the layer, with - for _. ``arrays`` maps the roles of arrays from a file to the key that names the array, and its axes, of
    which those called 1 may be missing. ``takes_kernels``: the weights may be those of a kernel or a bank. ``fixed`` are
    fields of the layer without a key. ``about`` describes the operation, where the docstring of the layer covers several.
    """

    layer: type[Layer]
    keys: tuple[str, ...] = ()
    arrays: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    takes_kernels: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""

    @property
    def defaults(self) -> dict[str, Any]:
        """The default of each key; NODEFAULT for those that are required unless the weights imply them.

        ``bias`` is included where the bias of the layer is optional.
        """
        values = {field_.name.replace("_", "-"): field_.default for field_ in fields(self.layer)}
        return {key: values[key] for key in (*self.keys, "bias") if key in values}

    @property
    def required(self) -> tuple[str, ...]:
        """The keys that are required unless the weights imply them."""
        return tuple(key for key, value in self.defaults.items() if value is NODEFAULT)


class PixelError(ArgumentError):
    """A vector is required, and the input has maps of several pixels; for an image of another size they may have one pixel."""


def as_maps(shape: Shape) -> tuple[int, int, int]:
    """Return the shape as (C, H, W). Raises ArgumentError for a vector."""
    if len(shape) != 3:
        raise ArgumentError(f"takes maps, and gets a vector of {shape[0]} numbers")
    channels, height, width = shape
    return channels, height, width


def as_vector(shape: Shape) -> int:
    """Return the length of a vector, or of maps of one pixel. Raises PixelError, an ArgumentError, for larger maps."""
    if len(shape) == 3 and shape[1:] != (1, 1):
        raise PixelError(f"takes a vector, and gets maps of {shape_text(shape)}; put a flatten layer before it")
    return shape[0]


def shape_text(shape: Shape) -> str:
    """Return a shape as text: 28 x 28 x 6, or 120.

    >>> shape_text((6, 28, 28)), shape_text((120,))
    ('28 x 28 x 6', '120')
    """
    return " x ".join(map(str, (*shape[1:], shape[0])))


def fractional_size(axes: tuple[Axis, Axis]) -> str:
    """Return the size formula of axes whose stride leaves a remainder, or an empty text.

    >>> from ..geometry.axes import make_axes
    >>> fractional_size(make_axes((224, 224), (11, 11), 4, 0, 1))
    '(224 - 11) / 4 + 1 = 54.25 is taken as 54'
    """
    formulas = [_size_formula(axis) for axis in axes]
    if formulas[0] == formulas[1]:
        return formulas[0]
    return "; ".join(f"{formula} {name}" for formula, name in zip(formulas, ("rows", "columns"), strict=True) if formula)


def _size_formula(axis: Axis) -> str:
    length = axis.size + axis.before + axis.after - axis.extent
    if length % axis.stride == 0:
        return ""
    pads = f" + {axis.before + axis.after}" if axis.before + axis.after else ""
    exact = f"{length / axis.stride + 1:.6g}"
    return f"({axis.size}{pads} - {axis.extent}) / {axis.stride} + 1 = {exact} is taken as {axis.out}"
