"""Everything that was asked for, checked once, frozen. Light: nothing here reads a picture or imports NumPy."""

from dataclasses import dataclass

from ..core.geometry import Border, Padding, as_pair, check_border, check_extents, resolve_padding
from ..errors import ArgumentError
from ..images.formats import MAX_PIXELS, Format
from ..kernels.kernel import Bank, Kernel
from ..ranges import Range, parse_range
from .inputs import Input

DEPTHS = ("same", "float")


@dataclass(frozen=True)
class Request:
    """One ``apply``: which pictures, which feature maps of them, where to, and how.

    Raises ArgumentError when two wishes do not go together.
    """

    inputs: tuple[Input, ...]
    maps: tuple[Kernel | Bank, ...]
    output: str
    form: Format | None = None
    stride: tuple[int, int] = (1, 1)
    padding: Padding = "same"
    border: Border = "reflect"
    dilation: tuple[int, int] = (1, 1)
    flip: bool = False
    channels: str = "each"
    range: Range = Range()
    depth: str = "same"
    png_level: int = 1
    quality: int = 92
    max_pixels: int = MAX_PIXELS
    threads: int | None = None
    overwrite: bool = False
    flat: bool = False
    in_place: bool = False  # each picture is replaced by its only feature map; output is then empty
    report: str | None = None  # a file that tells what became of each picture
    also_read: tuple[str, ...] = ()  # files beside the inputs: weights and the config

    def __post_init__(self) -> None:
        if any(one.name == "" for one in self.inputs):
            raise ArgumentError("an input has an empty name; name a picture, or - for standard input")
        if not self.inputs:
            raise ArgumentError("no input; name a picture, or - for standard input")
        if sum(one.source is None for one in self.inputs) > 1:
            raise ArgumentError("- stands for standard input, which can be read once only")
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
        return tuple(kernel for one in self.maps for kernel in (one.kernels if isinstance(one, Bank) else (one,)))

    def rule_for(self, one: Kernel | Bank) -> Range:
        """How the response of a map becomes levels; auto means what the kernel asks for, where it does."""
        rule = parse_range(one.range) if self.range.name == "auto" and one.range else self.range
        return rule.resolve(one.is_signed)

    def padding_for(self, kernel: Kernel) -> Padding:
        """The padding of one kernel: where it is "same", the kernel's anchor lies over the pixel."""
        return self.same_padding(kernel) if self.padding == "same" else self.padding

    def same_padding(self, kernel: Kernel) -> Padding:
        """The padding that lays the kernel's anchor over the pixel."""
        if kernel.anchor is None:
            return "same"
        ends = [(tap, side - 1 - tap) for tap, side in zip(kernel.anchor, kernel.shape, strict=False)]
        turned = [(after, before) for before, after in ends] if self.flip else ends
        rows, columns = ((before * d, after * d) for (before, after), d in zip(turned, self.dilation, strict=True))
        return rows, columns

    def stacks_in(self, form: Format) -> bool:
        """Whether maps go to this format raw, all in one file: always for arrays, in TIFF for several or for --depth float."""
        return form.stack and (not form.picture or self.depth == "float" or len(self.maps) > 1)
