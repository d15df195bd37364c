"""The request of ``apply``. Imports no NumPy, so that start-up is fast."""

import array
import functools
import hashlib
import math
import sys
from typing import Any

from ..errors import ArgumentError
from ..geometry.axes import Axis, Placement, kernel_extents, make_axes
from ..geometry.borders import Border, check_border
from ..geometry.padding import Padding, resolve_padding
from ..geometry.whole_numbers import Sides, as_pair
from ..images.file_format import Format
from ..kernels.kernel import Bank, Kernel, kernels_of, same_padding
from ..range_rules import Range, parse_range
from .mask_file import MaskFile
from .request_base import BaseRequest

_axes = functools.lru_cache(64)(make_axes)  # a picture needs them six times, and most of a batch have few sizes


class ApplyRequest(BaseRequest, frozen=True, dict=True):
    """A request of ``apply``. Each map is that of a kernel, or of a merged bank; their weights are computed, plain values.

    Raises ArgumentError where two options exclude each other.
    """

    maps: tuple[Kernel | Bank, ...]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = "same"
    border: Border = "reflect"
    dilation: tuple[int, int] = (1, 1)
    flip: bool = False
    channels: str = "each"
    light: str = "encoded"
    missing: str | None = None  # None spreads NaN, and ignores samples that mask or nodata marks
    mask: MaskFile | None = None
    nodata: float | None = None  # the value of missing samples
    method: str | None = None  # None chooses the method that costs least
    explain: bool = False  # report the method of each kernel

    def __post_init__(self) -> None:
        super().__post_init__()
        check_border(self.border)
        summing = next((kernel.name for kernel in self.kernels if len(kernel.shape) == 3), None)
        if summing is not None and self.channels == "gray":
            raise ArgumentError(f"kernel {summing!r} sums over the channels itself; leave out --channels gray")
        as_pair("stride", self.stride, least=1)
        for kernel in self.kernels:
            extents = kernel_extents((kernel.shape[0], kernel.shape[1]), as_pair("dilation", self.dilation, least=1))
            resolve_padding(self.padding, extents)
            if self.missing_rule == "ignore" and kernel.sums_to_zero:
                raise ArgumentError(
                    f"kernel {kernel.name!r} sums to {kernel.sum:.3g}, and --missing ignore divides by the sum of weights; "
                    "use --missing zero or spread"
                )

    @property
    def missing_rule(self) -> str:
        """What missing samples do, one of MISSING."""
        return self.missing or ("spread" if self.mask is None and self.nodata is None else "ignore")

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """All kernels of all maps."""
        return tuple(kernel for map_ in self.maps for kernel in kernels_of(map_))

    @functools.cached_property
    def digests(self) -> tuple[str, ...]:
        """For each map, a digest of its kernels and its rule for levels, independent of the picture."""
        return tuple(self._digest(map_) for map_ in self.maps)

    def _digest(self, map_: Kernel | Bank) -> str:
        kernels = kernels_of(map_)
        kernel_facts = [
            (kernel.name, kernel.shape, kernel.offset, kernel.anchor, self.padding_for(kernel)) for kernel in kernels
        ]
        digest = hashlib.sha256(repr((map_.name, getattr(map_, "merge", None), self.rule_for(map_), kernel_facts)).encode())
        for kernel in kernels:
            numbers = array.array("d", kernel.numbers)
            if sys.byteorder == "big":
                numbers.byteswap()
            digest.update(numbers.tobytes())
        return digest.hexdigest()

    @property
    def settings(self) -> tuple[Any, ...]:
        """The options that the pixels of every map depend on."""
        light = (self.light,) if self.light != "encoded" else ()
        mask = None if self.mask is None else self.mask.digest
        missing = (self.missing_rule, self.nodata, mask) if self.may_miss else ()
        return self.stride, self.border, self.dilation, self.flip, self.channels, self.method, *light, *missing

    @property
    def may_miss(self) -> bool:
        """Whether samples of a picture may be missing in another way than as NaN that spreads."""
        return self.missing_rule != "spread" or self.mask is not None or self.nodata is not None

    def map_shape(self, size: tuple[int, int, int], map_: Kernel | Bank, strict: bool = True) -> tuple[int, int, int]:
        """Return (H', W', C') of a map of a picture (H, W, C).

        Raises ArgumentError where the kernel does not fit, where the map is too large, and, if ``strict``, where the kernel has
        another number of channels.
        """
        if isinstance(map_, Bank):
            shapes = {self.map_shape(size, kernel, strict) for kernel in map_.kernels}
            if len(shapes) > 1:
                sizes = " and ".join(" x ".join(map(str, shape)) for shape in sorted(shapes))
                raise ArgumentError(f"bank {map_.name!r} merges maps of different shapes: {sizes}")
            return shapes.pop()
        channels = size[2]
        if strict:
            self._check_channels(map_, channels)
        rows, columns = self.axes_for(map_, size[:2])
        self.check_memory(rows.out, columns.out)
        return rows.out, columns.out, channels if self.keeps_channels(map_) else 1

    def placement(self, size: tuple[int, int, int], map_: Kernel | Bank) -> Placement | None:
        """Return where a map lies on a picture: an output pixel lies on the pixel under the anchor of the kernel.

        So a map with the padding "same" and stride 1 lies on the picture, also of a kernel of even size.
        """
        placements = {self._placement_of(kernel, size) for kernel in kernels_of(map_)}
        return placements.pop() if len(placements) == 1 else None

    def gain(self, image: Any, map_: Kernel | Bank) -> float | None:
        """Return the sum of the weights of a kernel, exactly 0 or 1 where only rounding makes it another number.

        None for a merged bank, for a kernel with an offset, for sums over channels, in linear light, and for a kernel that sums
        to zero on a picture with alpha, which is then no divisor.
        """
        if isinstance(map_, Bank) or map_.offset or self.light != "encoded":
            return None
        if not self.keeps_channels(map_) and image.size[2] != 1:
            return None
        if map_.sums_to_zero:
            return 0.0 if image.alpha is None else None
        return 1.0 if math.isclose(map_.sum, 1, rel_tol=1e-6) else map_.sum

    def _placement_of(self, kernel: Kernel, size: tuple[int, int, int]) -> Placement:
        axes = self.axes_for(kernel, size[:2])
        anchors = resolve_padding(self.same_padding(kernel), (axes[0].extent, axes[1].extent))
        first = (anchors[0][0] - axes[0].before, anchors[1][0] - axes[1].before)
        return Placement(first, (axes[0].stride, axes[1].stride))

    @property
    def is_of_grey(self) -> bool:
        """Whether a picture in colour becomes grey before its maps are computed."""
        return self.channels == "gray"

    def keeps_channels(self, kernel: Kernel) -> bool:
        """Return whether a kernel filters every channel on its own."""
        return self.channels == "each" and len(kernel.shape) == 2

    def _check_channels(self, kernel: Kernel, channels: int) -> None:
        if len(kernel.shape) == 3 and kernel.shape[2] != channels:
            raise ArgumentError(f"kernel {kernel.name!r} sums over {kernel.shape[2]} channels, and the picture has {channels}")
        if len(kernel.shape) == 2 and self.channels == "gray" and channels not in (1, 3):
            raise ArgumentError(f"--channels gray needs 1 or 3 channels, and the picture has {channels}; use each or sum")

    def rule_for(self, map_: Kernel | Bank) -> Range:
        """Return the rule by which the response of a map becomes levels. The range of a kernel takes the place of auto."""
        rule = parse_range(map_.range) if self.range.name == "auto" and map_.range else self.range
        return rule.resolve(map_.is_signed)

    def axes_for(self, kernel: Kernel, size: Sides) -> tuple[Axis, Axis]:
        """Return the axes of a kernel over a picture (H, W). Raises ArgumentError where it does not fit."""
        return _axes(size, kernel.shape[:2], self.stride, self.padding_for(kernel), self.dilation)

    def padding_for(self, kernel: Kernel) -> Padding:
        """Return the padding of a kernel. For "same", it puts the anchor of the kernel over the pixel."""
        return self.same_padding(kernel) if self.padding == "same" else self.padding

    def same_padding(self, kernel: Kernel) -> Padding:
        """Return the "same" padding that puts the anchor of a kernel over the pixel."""
        return same_padding(kernel.shape, kernel.anchor, self.flip, self.dilation)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The name of the kernel, and the index of the map."""
        return "kernel", "index"

    @property
    def distinguishing_tokens(self) -> str:
        """The name of the kernel is enough."""
        return "{kernel}"

    def token_values(self, index: int) -> dict[str, str]:
        """Return the values of ``tokens`` for a map."""
        return {"kernel": self.maps[index].name, "index": str(index)}

    def suffix_in(self, file_format: Format) -> str:
        """Return the kernel token, where there are several maps and each has its own output."""
        return "_{kernel}" if len(self.maps) > 1 and not self.stacks_in(file_format) else ""
