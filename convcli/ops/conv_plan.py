"""The plan of ``conv2d``: its arguments, checked and resolved for all batches of one shape and dtype."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from ..engine.buffers import aligned
from ..engine.dtypes import real_of
from ..engine.im2col import (
    has_enough,
    is_deep,
    is_depthwise,
    is_finite,
    layer_tables_for,
    parts_of,
    with_packed_weights,
    with_totals,
)
from ..engine.jit.native import Ready
from ..engine.jit.run import run_loop
from ..engine.kernel_tables import KernelTables, keep_tables, make_kernel_tables
from ..engine.layer_tasks import layer_tasks, tile_tasks
from ..engine.layout import Layout
from ..engine.loops.elementwise import add
from ..engine.loops.im2col import LayerTables
from ..engine.loops.winograd import WinogradTables
from ..engine.offset import Offset
from ..engine.padded_copy import padded_copy
from ..engine.parallel_tasks import tap_tasks
from ..engine.sample_facts import SampleFacts, have_no_outliers, sample_facts_of
from ..engine.simd.reference import Array
from ..engine.threads import run_all
from ..engine.winograd import is_faster, refusal_of_layer, refusal_of_samples, winograd_tables_for
from ..errors import ArgumentError
from ..geometry.axes import Axis, make_axes
from ..geometry.borders import ZERO, Border, BorderMode, check_border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Pair
from .kept_plans import LARGE, KeptPlans
from .option_parsers import LAYER_METHODS
from .validation import as_flag, check_bias, check_groups, check_method, workers_for

KEPT_PLANS, KEPT_BYTES = 16, 16 << 20
"""Plans that are kept, and the bytes of all large weights among them: packing weights takes a third of a small layer."""


COPIED_NUMBERS = 1 << 22
"""Numbers of the images that are computed together: several, where one would not keep all threads busy."""

NO_FLOOR = -math.inf
"""The floor of results that are not rectified."""


class ConvOptions(NamedTuple):
    """Options of ``conv2d`` that a plan depends on."""

    stride: Pair = 1
    padding: Padding = 0
    dilation: Pair = 1
    groups: int = 1
    border: Border = "zero"
    flip: bool = False
    threads: int | None = None
    method: str | None = None
    whole: bool = False  # x held integers, whose sums are exact where they fit
    floor: float = NO_FLOOR  # results below are replaced by it


class Group(Struct, frozen=True, eq=False, dict=True):
    """The maps of one group, over a layout without a border that needs a copy.

    ``weights`` are (M, P, kh, kw, 1), ``bias`` (M,). With ``depthwise``, every plane has M / P maps of its own, and the weights
    are (M, 1, kh, kw, 1). ``whole``: samples are integers. ``tables`` are kept for each set of facts. Of a layer in several
    ``parts``, the group has the planes from ``first`` on. Results below ``floor`` are replaced by it.
    """

    layout: Layout
    border: BorderMode
    method: str | None
    weights: Array
    bias: Array
    real: np.dtype[Any]
    whole: bool
    depthwise: bool = False
    parts: int = 1
    first: int = 0
    floor: float = NO_FLOOR
    tables: dict[SampleFacts, KernelTables] = field(default_factory=dict)

    @functools.cached_property
    def is_deep(self) -> bool:
        """Whether loops over copied planes are used, unless a sample under a weight of 0 is not finite."""
        return self.method is None and is_deep(self.layout, self.weights, self.real, self.parts)

    @functools.cached_property
    def has_no_zeros(self) -> bool:
        """Whether no weight is 0."""
        return bool(self.weights.all())

    @functools.cached_property
    def layer_tables(self) -> Ready[LayerTables]:
        """The tables of loops over copied planes."""
        tables = layer_tables_for(self.layout, self.border, self.weights, self.bias, self.floor, self.real, self.parts)
        return Ready(tables if self.depthwise else with_packed_weights(tables))

    @functools.cached_property
    def layer_tables_with_totals(self) -> Ready[LayerTables]:
        """These tables with the sums of the weights, which an offset needs: they take 1 ms for a million weights."""
        return Ready(with_totals(self.layer_tables.value, self.weights))

    @functools.cached_property
    def winograd_tables(self) -> Ready[WinogradTables]:
        """The tables of Winograd's method."""
        return Ready(winograd_tables_for(self.layout, self.border, self.weights, self.bias, self.floor, self.real))

    @functools.cached_property
    def winograd_tables_with_totals(self) -> Ready[WinogradTables]:
        """These tables with the sums of the weights."""
        tables = self.winograd_tables.value
        return Ready(tables._replace(tiles=with_totals(tables.tiles, self.weights)))

    @functools.cached_property
    def winograd_refusal(self) -> str | None:
        """Why Winograd's method cannot or should not be used for the layer, or None."""
        if self.depthwise or self.method not in (None, "winograd"):
            return "is not asked for"
        refusal = refusal_of_layer(self.layout, self.weights, self.real, self.whole)
        return refusal or (None if self.method or is_faster(self.layout, self.weights) else "is not faster")

    def _is_winograd(self, planes: Array, offset: Offset) -> bool:
        """Whether Winograd's method is used for an image. Raises ArgumentError if that was asked for and is impossible."""
        refusal = self.winograd_refusal or refusal_of_samples(planes)
        if refusal and self.method == "winograd":
            raise ArgumentError(f"method winograd cannot be used: it {refusal}; leave the method out")
        if refusal or self.method:
            return refusal is None
        has_constant = self.border.is_constant and self.layout.is_padded
        return have_no_outliers(planes, self.border.constant if has_constant else offset.mean, offset)

    def tasks(self, planes: Array, out: Array, workers: int, without_floor: list[Array]) -> Iterator[Callable[[], None]]:
        """Yield the tasks that compute the maps ``out`` (M, H', W') of an image (P, H, W).

        The maps are appended to ``without_floor`` where the tasks do not apply the floor.
        """
        offset, constant = Offset(planes), self.border.constant
        if self._is_winograd(planes, offset):
            tiles = self.winograd_tables_with_totals if offset.needed else self.winograd_tables
            yield from tile_tasks(tiles, planes, constant, offset, workers, out)
            return
        if self.depthwise or (self.is_deep and (self.has_no_zeros or is_finite(planes))):
            tables = self.layer_tables_with_totals if offset.needed else self.layer_tables
            yield from layer_tasks(self.layout, tables, self.depthwise, planes, constant, offset, workers, out)
            return
        facts = sample_facts_of(planes, self.layout, self.border, offset, self.method)
        found = self.tables.get(facts)
        if found is None:
            found = make_kernel_tables(self.layout, self.border, facts, self.method, self.weights, self.bias)
            if self.weights.size <= LARGE:  # those of more take ten times the memory of the weights
                keep_tables(self.tables, facts, found)
        without_floor.append(out)
        yield from tap_tasks(self.layout, found, self.bias, planes, constant, offset, workers, out)


class ConvPlan(Struct, frozen=True, eq=False):
    """How a layer is computed over batches (N, C, H, W) of one shape and dtype.

    ``layout`` and ``border`` are those before the padded copy that some borders need. ``parts`` each have the groups of some of
    the planes, whose sums are added. ``each_channel`` is None, or computes all groups at once if all samples are finite: each
    group has one channel, and some weights are 0.
    """

    layout: Layout
    border: BorderMode
    workers: int
    parts: tuple[tuple[Group, ...], ...]
    each_channel: Group | None
    floor: float

    @property
    def maps(self) -> int:
        """The number of maps."""
        return len(self.parts[0]) * len(self.parts[0][0].weights)

    def run(self, batch: Array) -> Array:
        """Return the maps (N, M, H', W') of a batch."""
        if self.layout.rows.size != batch.shape[2]:  # a row of all samples
            row = batch.reshape(*batch.shape[:2], 1, math.prod(batch.shape[2:]))
            return self.run(row).reshape(len(batch), self.maps, *batch.shape[2:])
        (groups, *others), maps = self.parts, self.maps
        out = aligned((len(batch), maps, self.layout.rows.out, self.layout.columns.out), real_of(batch.dtype))
        if self.border.needs_copy:
            batch = padded_copy(batch, self.layout, self.border)
        if self.each_channel is not None and is_finite(batch):
            groups = (self.each_channel,)
        without_floor: list[Array] = []
        self._compute(groups, batch, out, without_floor)
        for part in others:
            more = aligned(out.shape, out.dtype)
            self._compute(part, batch, more, [])
            run_loop(add, more.reshape(-1), out.reshape(-1))
        if self.floor != NO_FLOOR:
            for maps_ in [out] if others else without_floor:
                np.maximum(maps_, maps_.dtype.type(self.floor), out=maps_)
        return out

    def _compute(self, groups: tuple[Group, ...], batch: Array, out: Array, without_floor: list[Array]) -> None:
        """Compute maps of all images, several at a time: tasks may hold copies of their images, in real numbers."""
        count = max(COPIED_NUMBERS // max(math.prod(batch.shape[1:]), 1), 1)
        for first in range(0, len(batch), count):
            images = slice(first, first + count)
            run_all(list(self._tasks(groups, batch[images], out[images], without_floor)), self.workers)

    def _tasks(
        self, groups: tuple[Group, ...], batch: Array, out: Array, without_floor: list[Array]
    ) -> Iterator[Callable[[], None]]:
        planes, maps = batch.shape[1] // len(groups), out.shape[1] // len(groups)
        for g, group in enumerate(groups):
            for image, result in zip(batch, out, strict=True):
                begin = g * planes + group.first
                mine = image[begin : begin + (planes if group.depthwise else group.weights.shape[1])]
                yield from group.tasks(mine, result[g * maps : (g + 1) * maps], self.workers, without_floor)


def _as_row(rows: Axis, columns: Axis) -> tuple[Axis, Axis]:
    """Return the axes of planes as one row of all samples, if each gives one output: they are read without a copy."""
    if not (rows.is_identity and columns.is_identity):
        return rows, columns
    return replace(rows, size=1), replace(columns, size=rows.size * columns.size)


def plan_of(batch: Array, weight: Array, bias: Array | None, options: ConvOptions) -> ConvPlan:
    """Return the plan for batches like this one, (N, C, H, W), kept or new. Raises ArgumentError."""
    return _plans.get(make_plan, batch, (weight, bias), options, workers_for(options.threads))


_plans: KeptPlans[ConvPlan] = KeptPlans(KEPT_PLANS, KEPT_BYTES)


def make_plan(
    shape: tuple[int, ...], dtype: np.dtype[Any], weight: Array, bias: Array | None, options: ConvOptions
) -> ConvPlan:
    """Return a new plan for batches of this shape and dtype. It refers to the weights. Raises ArgumentError."""
    channels, height, width = shape[1:]
    check_groups(options.groups, channels, weight.shape)
    biases = check_bias(bias, len(weight))
    kernel = weight.shape[2], weight.shape[3]
    rows, columns = make_axes((height, width), kernel, options.stride, options.padding, options.dilation)
    if options.method is None and has_enough((len(weight) // options.groups, *weight.shape[1:])):
        rows, columns = _as_row(rows, columns)
    layout = Layout(rows, columns, pixel=1, depth=1)
    border = check_border(options.border).for_axes(rows, columns)
    check_method(options.method, LAYER_METHODS)
    workers = workers_for(options.threads)
    weights = (weight[:, :, ::-1, ::-1] if as_flag("flip", options.flip) else weight)[..., None]
    inner, mode = (layout.of_padded_copy, ZERO) if border.needs_copy else (layout, border)
    make = functools.partial(Group, inner, mode, options.method)
    real = real_of(dtype)
    if options.method is None and options.groups == channels > 1 and is_depthwise(inner, weights):
        each = make(weights, biases, real, options.whole, depthwise=True, floor=options.floor)
        if weights.all():
            return ConvPlan(layout, border, workers, ((each,),), None, options.floor)
    else:
        each = None
    split = list(zip(np.split(weights, options.groups), np.split(biases, options.groups), strict=True))
    parts: tuple[tuple[Group, ...], ...] = (tuple(make(w, b, real, options.whole, floor=options.floor) for w, b in split),)
    count, planes = parts_of(weights.shape, real), weights.shape[1]
    if options.method is None and count > 1 and parts[0][0].winograd_refusal:
        edges = itertools.pairwise(planes * i // count for i in range(count + 1))
        parts = tuple(
            tuple(
                make(w[:, i:j], b if i == 0 else np.zeros_like(b), real, options.whole, parts=count, first=i) for w, b in split
            )
            for i, j in edges
        )
    return ConvPlan(layout, border, workers, parts, each, options.floor)
