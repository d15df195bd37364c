"""What every command asks for that makes maps of pictures, checked once, frozen. Light: nothing here imports NumPy."""

import abc
import functools
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ArgumentError
from ..images.formats import MAX_PIXELS, Format
from ..range_rules import Range
from .inputs import Input

if TYPE_CHECKING:
    pass

DEPTHS = ("same", "float")

MEANING = 3
"""Increased when the same options give other pixels than before, so that outputs of earlier versions are made again."""


class Map(Protocol):
    """What gives one feature map: a kernel, a merged bank, a channel of a layer. Its name is that of the map."""

    @property
    def name(self) -> str:
        """Unique among the maps of a request."""


@dataclass(frozen=True)
class BaseRequest(abc.ABC):
    """Which pictures, which feature maps of them, where to, and how they are stored.

    Raises ArgumentError when two options exclude each other.
    """

    inputs: tuple[Input, ...]
    maps: tuple[Any, ...]  # each a Map
    output: str
    form: Format | None = None
    range: Range = Range()
    depth: str = "same"
    png_level: int = 1
    quality: int = 92
    max_pixels: int = MAX_PIXELS
    axes: str | None = None  # of arrays, where their shapes do not tell
    max_memory: int | None = None  # bytes; None is three quarters of what is free
    threads: int | None = None
    overwrite: bool = False
    shard: tuple[int, int] | None = None  # this part of so many
    skip_existing: bool = False
    flat: bool = False
    in_place: bool = False  # each picture is replaced by its only feature map; output is then empty
    report: str | None = None  # a file that tells what became of each picture
    also_read: tuple[str, ...] = ()  # files beside the inputs: weights and the config

    def __post_init__(self) -> None:
        if any(one.name == "" for one in self.inputs):
            raise ArgumentError("an input has an empty name; name a picture, or - for standard input")
        if sum(one.source is None for one in self.inputs) > 1:
            raise ArgumentError("- stands for standard input, which can be read once only")

    @functools.cached_property
    def pictures(self) -> int:
        """How many inputs there are of which something may come."""
        return sum(not one.fault for one in self.inputs)

    @functools.cached_property
    def names_its_output(self) -> bool:
        """Whether the user named the output file, which is then replaced, as by every shell tool; a name made here is not."""
        folder = self.output.endswith(("/", os.sep)) or os.path.isdir(self.output)
        return not folder and "{" not in self.output and self.pictures == 1

    @property
    def held(self) -> int:
        """Bytes that are held from the first picture to the last."""
        return 0

    @property
    @abc.abstractmethod
    def digests(self) -> tuple[str, ...]:
        """What tells each map, and how it becomes levels, from any other, whatever the picture."""

    @property
    @abc.abstractmethod
    def facts(self) -> tuple[Any, ...]:
        """What else makes the pixels of every map what they are, of plain values."""

    @abc.abstractmethod
    def map_shape(self, size: tuple[int, int, int], one: Any, strict: bool = True) -> tuple[int, int, int]:
        """(H', W', C') of a map of a picture (H, W, C). Raises ArgumentError where there can be none."""

    @abc.abstractmethod
    def rule_for(self, one: Any) -> Range:
        """How the response of a map becomes levels."""

    @property
    @abc.abstractmethod
    def tokens(self) -> tuple[str, ...]:
        """The parts of a template that tell maps apart."""

    @property
    @abc.abstractmethod
    def apart(self) -> str:
        """Those that give each map an output of its own, in words."""

    @abc.abstractmethod
    def token_values(self, index: int) -> dict[str, str]:
        """Those parts for one map."""

    @abc.abstractmethod
    def suffix_in(self, form: Format) -> str:
        """What follows {stem} in a folder: a part of a template, empty where one output holds all."""

    def stack_name(self, one: Any) -> str:
        """The name of a map in a file of several; maps of one name are one array."""
        name: str = one.name
        return name

    def refuse_together(self, form: Format, maps: Sequence[int]) -> None:
        """Raise ArgumentError where one output cannot hold these maps."""
        if len(maps) > 1 and not form.stack:
            raise ArgumentError(
                f"{form.name} holds one feature map, and there are {len(maps)}; write .npy, .npz or .tif, or give a folder or "
                f"a template with {self.apart}"
            )

    def digest_for(self, form: Format, maps: Sequence[int]) -> str:
        """32 hexadecimal digits that tell what is asked for in one output from anything else that may be asked for."""
        hardness = getattr(self, form.setting) if form.setting else None
        stored = (self.depth, self.stacks_in(form))
        facts = (MEANING, form.name, hardness, stored, self.facts, [self.digests[index] for index in maps])
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]

    def stacks_in(self, form: Format) -> bool:
        """Whether maps go to this format raw, all in one file: always for arrays, in TIFF for several or for --depth float."""
        return form.stack and (not form.picture or self.depth == "float" or len(self.maps) > 1)

    def check_memory(self, height: int, width: int) -> None:
        """Raise ArgumentError for a map of more pixels than any may have."""
        if height * width > self.max_pixels:
            raise ArgumentError(
                f"a map of {width} x {height} pixels is beyond the limit of {self.max_pixels}; raise it with --max-pixels"
            )
