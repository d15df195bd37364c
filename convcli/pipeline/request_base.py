"""The part of a request that all commands share that write feature maps. Imports no NumPy, so that start-up is fast."""

import abc
import functools
import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from ..errors import ArgumentError
from ..geometry.axes import Placement
from ..images.encoding import DEFAULT_QUALITY, Encoding
from ..images.file_format import Format
from ..images.formats import MAX_PIXELS
from ..range_rules import Range
from .frame_slice import FrameSlice
from .inputs import Input

if TYPE_CHECKING:  # imported where a sheet is asked for
    from ..drawing.options import SheetOptions

DEPTHS = ("same", "float")
NORMALIZE = ("shared", "each")
AXES = ("YX", "YXC", "CYX", "ZYX", "ZYXC", "ZCYX")
COLUMNS, TILE, SCALE = (1, 1000), (8, 4096), (1, 256)
"""The words of --normalize and --axes, and the least and largest values of --columns, --tile and --scale."""

PIXELS_VERSION = 6
"""Increased when the same options give other pixels than before, so that --skip-existing does not keep old outputs."""


class Map(Protocol):
    """The source of one feature map: a kernel, a merged bank, or a channel of a layer."""

    @property
    def name(self) -> str:
        """Name of the feature map, unique in a request."""


class BaseRequest(Struct, frozen=True, dict=True):
    """The inputs, the feature maps of each, the output, and how it is stored.

    Raises ArgumentError where standard input is used twice.
    """

    inputs: tuple[Input, ...]
    maps: tuple[Any, ...]  # each a Map
    output: str
    file_format: Format | None = None
    range: Range = Range()
    depth: str = "same"
    png_level: int = 1
    quality: int | None = None  # None: as the input where it has the same format, else DEFAULT_QUALITY
    compression: str | None = None  # of TIFF; None: as the input where it is TIFF, else deflate; floats not at all
    max_pixels: int = MAX_PIXELS
    allow_truncated: bool = False
    axes: str | None = None  # axes of .npy inputs, where the shape is ambiguous
    frames: FrameSlice | None = None  # None: all, or the first of several versions of one picture
    max_memory: int | None = None  # in bytes; None is three quarters of the free memory
    threads: int | None = None
    overwrite: bool = False
    shard: tuple[int, int] | None = None  # (index, count), the index from 1
    skip_existing: bool = False
    flat: bool = False
    strip: bool = False  # outputs have no metadata, and sidecars hold their provenance
    keep_times: bool = False  # outputs have the access and modification times of their inputs
    no_sync: bool = False  # outputs are renamed before they are on the disk
    in_place: bool = False  # each picture is replaced by its only feature map; output is then empty
    report: str | None = None  # file for the JSON lines of --report
    html: str | None = None  # file for the page of --html; "-" is standard output
    sheet: "SheetOptions | None" = None  # all maps of an output are drawn as one picture
    other_inputs: tuple[str, ...] = ()  # files that are read in addition: weights, config files, lists of names

    def __post_init__(self) -> None:
        if sum(input_.source is None for input_ in self.inputs) > 1:
            raise ArgumentError("- stands for standard input, which can be read only once")
        pipes = [os.path.realpath(input_.source) for input_ in self.inputs if input_.is_pipe and input_.source]
        if len(set(pipes)) < len(pipes):
            raise ArgumentError("a pipe is an input twice, and can be read only once; save its picture to a file")

    @functools.cached_property
    def pictures(self) -> int:
        """Number of inputs without an error."""
        return sum(not input_.error for input_ in self.inputs)

    @property
    def preparation(self) -> str:
        """What is done with a picture before it enters a network, in a word; empty where nothing is."""
        return ""

    @property
    def is_illustrated(self) -> bool:
        """Whether tiles and histograms of maps are kept for a page."""
        return self.html is not None

    @property
    def encoding(self) -> Encoding:
        """The compression that is asked for."""
        return Encoding(self.png_level, self.quality, self.compression)

    @functools.cached_property
    def names_its_output(self) -> bool:
        """Whether the output is one file that the user named. It is replaced without --overwrite, as other tools do."""
        folder = self.output.endswith(("/", os.sep)) or os.path.isdir(self.output)
        return not folder and "{" not in self.output and self.pictures == 1

    @property
    def resident_bytes(self) -> int:
        """Bytes of memory that are used during the whole run, such as weights."""
        return 0

    @property
    @abc.abstractmethod
    def digests(self) -> tuple[str, ...]:
        """For each map, a text that identifies it and its rule for levels, independent of the picture."""

    @property
    @abc.abstractmethod
    def settings(self) -> tuple[Any, ...]:
        """The options that the pixels of every map depend on, as plain values.

        Part of the provenance of outputs: a new option is added only where it is not the default, so that outputs of earlier
        versions stay up to date.
        """

    def size_for(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size (H, W) that a picture of a size has when its maps are computed."""
        return size

    @property
    @abc.abstractmethod
    def is_of_grey(self) -> bool:
        """Whether a picture in colour becomes grey before its maps are computed."""

    @abc.abstractmethod
    def map_shape(self, size: tuple[int, int, int], map_: Any, strict: bool = True) -> tuple[int, int, int]:
        """Return (H', W', C') of a map of a picture (H, W, C). Raises ArgumentError where it cannot be computed.

        Without ``strict``, the number of channels is not checked.
        """

    def placement(self, size: tuple[int, int, int], map_: Any) -> Placement | None:
        """Return where a map lies on a picture (H, W, C); None where this is not known, so that positions on maps are lost."""
        return None

    def common_placement(self, size: tuple[int, int, int], maps: Sequence[int]) -> Placement | None:
        """Return where some maps lie on a picture (H, W, C); None where this is not known, or where they lie elsewhere."""
        placements = {self.placement(size, self.maps[index]) for index in maps}
        return placements.pop() if len(placements) == 1 else None

    def gain(self, image: Any, map_: Any) -> float | None:
        """Return the response of a map to a picture of level 1: the sum of the weights.

        None where the channels of the map are no weighted sums of the levels of one channel.
        """
        return None

    @abc.abstractmethod
    def rule_for(self, map_: Any) -> Range:
        """Return the rule by which the response of a map becomes levels."""

    @property
    @abc.abstractmethod
    def tokens(self) -> tuple[str, ...]:
        """Template tokens that depend on the map."""

    @property
    @abc.abstractmethod
    def distinguishing_tokens(self) -> str:
        """The tokens that give each map its own output, as a phrase for messages."""

    @abc.abstractmethod
    def token_values(self, index: int) -> dict[str, str]:
        """Return the values of ``tokens`` for a map."""

    @abc.abstractmethod
    def suffix_in(self, file_format: Format) -> str:
        """Return the part of a template that follows {stem} for outputs in a folder; empty where one output holds all maps."""

    def stack_name(self, map_: Any) -> str:
        """Return the name of a map in a stack. Maps of one name are one array."""
        name: str = map_.name
        return name

    def refuse_together(self, file_format: Format, maps: Sequence[int]) -> None:
        """Raise ArgumentError where one output cannot hold these maps."""
        if self.sheet is not None:
            if not file_format.picture:
                raise ArgumentError(f"--sheet draws a picture, and {file_format.name} holds numbers; write .png or .webp")
            return
        if len(maps) > 1 and not file_format.stack:
            raise ArgumentError(
                f"{file_format.name} holds one feature map, and there are {len(maps)}; write .npy, .npz or .tif, "
                f"or give a folder or a template with {self.distinguishing_tokens}"
            )

    def digests_of_versions(self, file_format: Format, maps: Sequence[int]) -> list[str]:
        """Return the digests that this version and earlier ones gave to an output of one picture, whatever its compression."""
        return [self.digest_for(file_format, maps, version=version) for version in range(1, PIXELS_VERSION + 1)]

    def digest_for(
        self,
        file_format: Format,
        maps: Sequence[int],
        inherits_compression: bool = False,
        frames: str = "",
        version: int | None = None,
    ) -> str:
        """Return the digest, 32 hexadecimal digits, of all that the bytes of an output depend on apart from the picture.

        ``inherits_compression`` is whether an output without --quality is compressed as its input. ``frames`` are those that
        it holds, where the file of the picture has several.
        """
        compression = getattr(self, file_format.setting) if file_format.setting else None
        if file_format.setting == "quality" and compression is None and not inherits_compression:
            compression = DEFAULT_QUALITY  # as in earlier versions, whose outputs stay up to date
        layout = (self.depth, self.stacks_in(file_format))
        identity = (
            PIXELS_VERSION if version is None else version,
            file_format.name,
            compression,
            layout,
            self.settings,
            [self.digests[index] for index in maps],
            *(["strip"] if self.strip else []),
            *([f"frames {frames}"] if frames else []),
            *([] if self.sheet is None else [self.sheet, self.sheet.version]),
        )
        return hashlib.sha256(repr(identity).encode()).hexdigest()[:32]

    def stacks_in(self, file_format: Format) -> bool:
        """Return whether maps are stored raw in one file: always in arrays, in TIFF for several maps or --depth float."""
        return (
            self.sheet is None
            and file_format.stack
            and (not file_format.picture or self.depth == "float" or len(self.maps) > 1)
        )

    def check_memory(self, height: int, width: int) -> None:
        """Raise ArgumentError for a map of more than ``max_pixels`` pixels."""
        if height * width > self.max_pixels:
            raise ArgumentError(
                f"a map of {width} x {height} pixels is beyond the limit of {self.max_pixels}; raise it with --max-pixels"
            )
