"""What ``apply`` asks for, checked once, frozen. Light: nothing here reads a picture or imports NumPy."""

import array
import functools
import hashlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from ..geometry.axes import check_extents, make_axes
from ..geometry.borders import Border, check_border
from ..geometry.padding import Padding, resolve_padding
from ..geometry.whole_numbers import as_pair
from ..images.formats import Format
from ..kernels.kernel import Bank, Kernel, kernels_of, same_padding
from ..range_rules import Range, parse_range
from .request_base import BaseRequest

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class ApplyRequest(BaseRequest):
    """One ``apply``: its maps are those of kernels, and of banks that are merged.

    Raises ArgumentError when two options exclude each other.
    """

    maps: tuple[Kernel | Bank, ...]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = "same"
    border: Border = "reflect"
    dilation: tuple[int, int] = (1, 1)
    flip: bool = False
    channels: str = "each"
    method: str | None = None  # how the sums are made; None takes what costs least
    explain: bool = False  # tell how

    def __post_init__(self) -> None:
        super().__post_init__()
        check_border(self.border)
        summing = next((kernel.name for kernel in self.kernels if len(kernel.shape) == 3), None)
        if summing is not None and self.channels == "gray":
            raise ArgumentError(f"kernel {summing!r} sums over the channels itself; leave out --channels gray")
        as_pair("stride", self.stride, least=1)
        for kernel in self.kernels:
            covered = check_extents((kernel.shape[0], kernel.shape[1]), as_pair("dilation", self.dilation, least=1))
            resolve_padding(self.padding, covered)

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """Every kernel of every map."""
        return tuple(kernel for one in self.maps for kernel in kernels_of(one))

    @functools.cached_property
    def digests(self) -> tuple[str, ...]:
        """What tells each map, and how it becomes levels, from any other, whatever the picture."""
        return tuple(self._digest(one) for one in self.maps)

    def _digest(self, one: Kernel | Bank) -> str:
        kernels = kernels_of(one)
        facts = [(kernel.name, kernel.shape, kernel.offset, kernel.anchor, self.padding_for(kernel)) for kernel in kernels]
        digest = hashlib.sha256(repr((one.name, getattr(one, "merge", None), self.rule_for(one), facts)).encode())
        for kernel in kernels:
            numbers = array.array("d", kernel.numbers)
            if sys.byteorder == "big":
                numbers.byteswap()
            digest.update(numbers.tobytes())
        return digest.hexdigest()

    @property
    def facts(self) -> tuple[Any, ...]:
        """The options that make the pixels of every map what they are."""
        return self.stride, self.border, self.dilation, self.flip, self.channels, self.method

    def map_shape(self, size: tuple[int, int, int], one: Kernel | Bank, strict: bool = True) -> tuple[int, int, int]:
        """(H', W', C') of a map of a picture (H, W, C).

        Raises ArgumentError if the kernel does not fit or, where that is ``strict``, has other channels, or if the padding
        makes the map too large.
        """
        if isinstance(one, Bank):
            shapes = {self.map_shape(size, kernel, strict) for kernel in one.kernels}
            if len(shapes) > 1:
                sizes = " and ".join(" x ".join(map(str, shape)) for shape in sorted(shapes))
                raise ArgumentError(f"bank {one.name!r} merges maps of different shapes: {sizes}")
            return shapes.pop()
        channels = size[2]
        if strict:
            self._check_channels(one, channels)
        rows, columns = make_axes(size[:2], one.shape[:2], self.stride, self.padding_for(one), self.dilation)  # type: ignore[arg-type]
        self.check_memory(rows.out, columns.out)
        return rows.out, columns.out, channels if self.channels == "each" and len(one.shape) == 2 else 1

    def _check_channels(self, kernel: Kernel, channels: int) -> None:
        if len(kernel.shape) == 3 and kernel.shape[2] != channels:
            raise ArgumentError(f"kernel {kernel.name!r} sums over {kernel.shape[2]} channels, and the picture has {channels}")
        if len(kernel.shape) == 2 and self.channels == "gray" and channels not in (1, 3):
            raise ArgumentError(f"--channels gray needs 1 or 3 channels, and the picture has {channels}; use each or sum")

    def rule_for(self, one: Kernel | Bank) -> Range:
        """How the response of a map becomes levels; auto means what the kernel asks for, where it does."""
        rule = parse_range(one.range) if self.range.name == "auto" and one.range else self.range
        return rule.resolve(one.is_signed)

    def padding_for(self, kernel: Kernel) -> Padding:
        """The padding of one kernel: where it is "same", the kernel's anchor lies over the pixel."""
        return self.same_padding(kernel) if self.padding == "same" else self.padding

    def same_padding(self, kernel: Kernel) -> Padding:
        """The padding that lays the kernel's anchor over the pixel."""
        return same_padding(kernel.shape, kernel.anchor, self.flip, self.dilation)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The name of the kernel, and the place of the map."""
        return "kernel", "index"

    @property
    def apart(self) -> str:
        """That one gives each map an output of its own."""
        return "{kernel}"

    def token_values(self, index: int) -> dict[str, str]:
        """Those of one map."""
        return {"kernel": self.maps[index].name, "index": str(index)}

    def suffix_in(self, form: Format) -> str:
        """The kernel, where there are several and each has an output of its own."""
        return "_{kernel}" if len(self.maps) > 1 and not self.stacks_in(form) else ""
