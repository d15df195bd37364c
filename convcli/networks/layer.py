"""One layer of a network: what it makes of a shape, which numbers it holds, what it costs, how far it looks, how it is run.

Shapes are (C, H, W) for maps and (C,) for a vector. Nothing here imports NumPy before a layer is run.
"""

import abc
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from ..errors import ArgumentError
from ..geometry.axes import Axis

if TYPE_CHECKING:
    import numpy as np

Shape: TypeAlias = tuple[int, ...]
Array: TypeAlias = "np.ndarray[Any, Any]"


@dataclass(frozen=True)
class Parameter:
    """An array of numbers that a layer holds: its role, its shape, how many numbers of it there are, and whether they are
    learned. A table of connections leaves some out of the shape.
    """

    role: str
    shape: Shape
    count: int
    learned: bool = True

    @classmethod
    def full(cls, role: str, *shape: int, learned: bool = True) -> "Parameter":
        """An array of which every number is held."""
        return cls(role, shape, math.prod(shape), learned)


@dataclass(frozen=True)
class Given:
    """An array that a layer was given for a parameter; ``load`` reads it, as float64 or float32 by ``itemsize``, and raises
    KernelError.

    ``shared`` tells that the array is one plane of weights, used for every channel alike.
    """

    role: str
    shape: Shape
    origin: str
    load: Callable[[], Array] = field(repr=False, compare=False)
    shared: bool = False
    itemsize: int = 8


@dataclass(frozen=True)
class Look:
    """Which inputs an output of a layer reads, along one axis: output o, by each of its taps k, the input
    (o * step + first + k * spread) / parts, where that is a whole number.
    """

    taps: int = 1
    step: int = 1
    first: int = 0
    spread: int = 1
    parts: int = 1

    @classmethod
    def along(cls, axis: Axis) -> "Look":
        """That of a window which slides.

        >>> list(Look.along(Axis(9, 3, stride=2, dilation=1, before=1, after=1)).reads(4))
        [7, 8, 9]
        """
        return cls(axis.kernel, axis.stride, -axis.before, axis.dilation)

    def reads(self, output: int) -> Iterator[int]:
        """The inputs that an output reads, as if there were some on all sides.

        >>> list(Look(taps=2, spread=-1, parts=2).reads(3))  # up-sampled by 2
        [1]
        """
        for tap in range(self.taps):
            place, rest = divmod(output * self.step + self.first + tap * self.spread, self.parts)
            if rest == 0:
                yield place


@dataclass(frozen=True, kw_only=True)
class Layer(abc.ABC):
    """A layer under its name. Methods that take a shape raise ArgumentError where the layer cannot take it."""

    op: ClassVar[str]
    """What a config calls it."""

    family: ClassVar[str] = "other"
    """conv or dense, of which summaries tell the share."""

    needs: ClassVar[tuple[str, ...]] = ()
    """The roles of the arrays without which it can be counted, and not run."""

    name: str
    given: tuple[Given, ...] = ()

    @property
    def kind(self) -> str:
        """What a config calls it."""
        return self.op

    @classmethod
    def told_by(cls, array: Given, groups: int) -> dict[str, Any]:
        """What an array says of the layer that it is given to."""
        return {}

    def channels(self, before: int | None) -> int | None:
        """How many maps it gives for so many, whatever their size; None is a vector."""
        return before

    def out(self, shape: Shape) -> Shape:
        """The shape of what it gives."""
        return shape

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """The arrays that it holds."""
        return ()

    def multiply_adds(self, shape: Shape) -> int:
        """Products with its weights that are added up, for one input."""
        return 0

    def looks(self, shape: Shape) -> tuple[Look, Look] | None:
        """How each output looks at the input's rows and columns; None where it sees all of them."""
        return Look(), Look()

    def note(self, shape: Shape) -> str:
        """What is worth knowing about this layer on this shape."""
        return ""

    def scratch(self, shape: Shape) -> int:
        """Numbers that are held while it is run, beside what it takes and gives."""
        return 0

    def prepared(self, arrays: Mapping[str, Array]) -> Mapping[str, Array]:
        """The arrays as ``run`` takes them."""
        return arrays

    @abc.abstractmethod
    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        """Compute it on maps (C, H, W) or a vector (C,), with the arrays of its parameters by their roles."""

    @property
    def lacks_weights(self) -> bool:
        """Whether it was not given all that it needs; it can be counted then, but not run."""
        return not set(self.needs) <= {one.role for one in self.given}

    def check_given(self, shape: Shape) -> None:
        """Raise ArgumentError where an array that it was given has another shape than it needs."""
        needed = {one.role: one.shape for one in self.parameters(shape)}
        for given in self.given:
            asked = needed[given.role]
            expected = (asked[0], *asked[2:]) if given.shared else asked
            if given.shape != expected:
                raise ArgumentError(f"the {given.role} of {given.origin} has shape {given.shape}, and must have {asked}")


@dataclass(frozen=True)
class Op:
    """An operation that a config file may name. The reader of config files, their JSON schema, the manual, ``summary`` and
    ``cache warm`` follow from it and from the class of its layer, which knows defaults, shapes and costs, and computes.

    ``keys`` is what may be said of it: fields of the layer, with - for _. ``arrays`` are those that it takes from a file, by
    their roles: the key that names the array, and its axes, of which those called 1 may be left out. ``takes_kernels`` tells
    whether its weights may be those of a kernel or a bank. ``fixed`` are fields of the layer that no key says, and ``about`` is
    what it computes, where the docstring of the layer is about other operations too.
    """

    layer: type[Layer]
    keys: tuple[str, ...] = ()
    arrays: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    takes_kernels: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""

    @property
    def defaults(self) -> dict[str, Any]:
        """What each key stands for where it is not said; MISSING for those that must be said unless weights tell.

        ``bias`` is among them where the layer may have a bias or not.
        """
        values = {one.name.replace("_", "-"): one.default for one in fields(self.layer)}
        return {key: values[key] for key in (*self.keys, "bias") if key in values}

    @property
    def required(self) -> tuple[str, ...]:
        """The keys that must be said unless weights tell."""
        return tuple(key for key, value in self.defaults.items() if value is MISSING)


class PixelError(ArgumentError):
    """A vector is asked for and there are maps, which may be a pixel each for a picture of another size."""


def as_maps(shape: Shape) -> tuple[int, int, int]:
    """(C, H, W). Raises ArgumentError for a vector."""
    if len(shape) != 3:
        raise ArgumentError(f"takes maps, and gets a vector of {shape[0]} numbers")
    channels, height, width = shape
    return channels, height, width


def as_vector(shape: Shape) -> int:
    """How many numbers a vector has. Raises PixelError, an ArgumentError, for maps of more than a pixel."""
    if len(shape) == 3 and shape[1:] != (1, 1):
        raise PixelError(f"takes a vector, and gets maps of {described(shape)}; put a flatten layer before it")
    return shape[0]


def described(shape: Shape) -> str:
    """A shape as people write it: 28 x 28 x 6, or 120.

    >>> described((6, 28, 28)), described((120,))
    ('28 x 28 x 6', '120')
    """
    return " x ".join(map(str, (*shape[1:], shape[0])))


def uneven(axes: tuple[Axis, Axis]) -> str:
    """Where a stride does not divide what it steps over, the sum that shows it; else nothing.

    >>> from ..geometry.axes import make_axes
    >>> uneven(make_axes((224, 224), (11, 11), 4, 0, 1))
    '(224 - 11) / 4 + 1 = 54.25 is taken as 54'
    """
    told = [_uneven(axis) for axis in axes]
    if told[0] == told[1]:
        return told[0]
    return "; ".join(f"{text} {word}" for text, word in zip(told, ("rows", "columns"), strict=True) if text)


def _uneven(axis: Axis) -> str:
    stepped = axis.size + axis.before + axis.after - axis.extent
    if stepped % axis.stride == 0:
        return ""
    pads = f" + {axis.before + axis.after}" if axis.before + axis.after else ""
    exact = f"{stepped / axis.stride + 1:.6g}"
    return f"({axis.size}{pads} - {axis.extent}) / {axis.stride} + 1 = {exact} is taken as {axis.out}"
