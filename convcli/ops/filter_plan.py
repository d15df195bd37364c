"""The plan of ``filter2d``: its arguments, checked and resolved for all images of one shape and dtype."""

import functools
import operator
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct, field
from numpy.typing import DTypeLike

from ..engine.box_sums import box_sums_of
from ..engine.buffers import aligned
from ..engine.dtypes import real_of
from ..engine.jit.run import run_loop
from ..engine.kernel_tables import KernelTables, keep_tables, make_kernel_tables
from ..engine.layout import Layout
from ..engine.loops.elementwise import scale_to_levels
from ..engine.offset import Offset
from ..engine.padded_copy import padded_copy
from ..engine.parallel_tasks import tap_tasks
from ..engine.planner import is_box
from ..engine.sample_facts import SampleFacts, facts_of_any, sample_facts_of
from ..engine.simd.reference import Array
from ..engine.threads import run_all
from ..errors import ArgumentError
from ..geometry.axes import make_axes
from ..geometry.borders import ZERO, Border, BorderMode, check_border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Pair
from .kept_plans import KeptPlans
from .validation import as_flag, check_method, limits_of, out_dtype, workers_for

KEPT_PLANS, KEPT_BYTES = 16, 32 << 20
"""Plans that are kept, for the kernels of a run and a few image sizes, and the bytes of all large kernels among them.

A weight takes 40 bytes of tables, a spectrum of 256 x 256 samples 0.6 MB.
"""

FUSED_DTYPES = {np.dtype(name) for name in ("uint8", "uint16")}
"""Dtypes of results to which the loop rounds each vector; other integers are rounded at the end."""

NO_BIAS = np.zeros(1)


class FilterOptions(NamedTuple):
    """Options of ``filter2d`` that a plan depends on."""

    stride: Pair = 1
    padding: Padding = "same"
    border: Border = "reflect"
    dilation: Pair = 1
    flip: bool = False
    dtype: DTypeLike | None = None
    threads: int | None = None
    method: str | None = None


class FilterPlan(Struct, frozen=True, eq=False, dict=True):
    """How a kernel is slid over images of one shape and dtype.

    ``weights`` are (kh, kw) or (kh, kw, C), flipped where that is asked for. ``shape`` is that of the image, ``dtype`` that of
    the samples that the loops read, ``result_dtype`` that of the result. ``tables`` are kept for each set of facts.
    """

    layout: Layout
    weights: Array
    border: BorderMode
    method: str | None
    workers: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    result_dtype: np.dtype[Any]
    tables: dict[SampleFacts, KernelTables] = field(default_factory=dict)

    @functools.cached_property
    def loop_dtype(self) -> np.dtype[Any]:
        """The dtype that the loops write."""
        return self.result_dtype if self.result_dtype in FUSED_DTYPES else real_of(self.dtype)

    @functools.cached_property
    def response_shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        sides = self.layout.rows.out, self.layout.columns.out
        return (*sides, self.layout.pixel) if len(self.shape) == 3 and self.weights.ndim == 2 else sides

    @functools.cached_property
    def facts(self) -> SampleFacts | None:
        """Facts of all images, which suffice for sums of windows; None where the method depends on the samples."""
        facts = facts_of_any(self.dtype, self.layout, self.border)
        return facts if is_box(self.weights[None], self.method) and box_sums_of(self.layout, facts) else None

    def tables_of(self, planes: Array, offset: Offset) -> KernelTables:
        """Return the tables for an image (1, H, samples), or for its padded copy if the border needs one."""
        facts = self.facts or sample_facts_of(planes, self.layout, self.border, offset, self.method)
        tables = self.tables.get(facts)
        if tables is None:
            layout, border = (self.layout.of_padded_copy, ZERO) if self.border.needs_copy else (self.layout, self.border)
            maps = self.weights.reshape(1, 1, *self.weights.shape[:2], layout.depth)
            tables = make_kernel_tables(layout, border, facts, self.method, maps, NO_BIAS)
            keep_tables(self.tables, facts, tables)
        return tables

    def run(self, image: Array, rows: tuple[int, int] | None = None) -> Array:
        """Return the response of an image, or of some rows of it. Raises ArgumentError for other rows than it has."""
        layout, border = self.layout, self.border
        begin, end = (0, layout.rows.out) if rows is None else _check_rows(rows, layout)
        planes = image.astype(self.dtype, copy=False).reshape(1, image.shape[0], -1)
        offset = Offset(planes)
        tables = self.tables_of(planes, offset)
        first = begin - begin % tables.row_multiple  # so that rounding does not depend on the requested rows
        top, bottom = first * layout.rows.stride, (end - 1) * layout.rows.stride + layout.rows.extent
        if border.needs_copy:
            planes = padded_copy(planes, layout, border, top, bottom)
            tables = tables.between(0, bottom - top)
        else:
            tables = tables.between(top)
        out = aligned((1, end - first, layout.out_row), self.loop_dtype)
        run_all(list(tap_tasks(layout, tables, NO_BIAS, planes, border.constant, offset, self.workers, out)), self.workers)
        return as_type(out[:, begin - first :], self.result_dtype).reshape(end - begin, *self.response_shape[1:])


def plan_of(image: Array, kernel: Array, options: FilterOptions) -> FilterPlan:
    """Return the plan for images like this one, (H, W) or (H, W, C), kept or new. Raises ArgumentError."""
    return _plans.get(_make_plan, image, (kernel,), options)


_plans: KeptPlans[FilterPlan] = KeptPlans(KEPT_PLANS, KEPT_BYTES)


def _make_plan(shape: tuple[int, ...], dtype: np.dtype[Any], kernel: Array, options: FilterOptions) -> FilterPlan:
    layout = _layout_of(shape, kernel.shape, options)
    result_dtype = out_dtype(options.dtype, real_of(dtype))
    border = check_border(options.border).for_axes(layout.rows, layout.columns)
    check_method(options.method)
    workers = workers_for(options.threads)
    weights = kernel[::-1, ::-1] if as_flag("flip", options.flip) else kernel
    loaded = np.dtype(np.float64) if result_dtype == np.float64 else dtype
    return FilterPlan(layout, weights, border, options.method, workers, shape, loaded, result_dtype)


def _layout_of(shape: tuple[int, ...], kernel: tuple[int, ...], options: FilterOptions) -> Layout:
    """Return the layout of an image (H, W) or (H, W, C) under a kernel (kh, kw) or (kh, kw, C)."""
    channels = shape[2] if len(shape) == 3 else 1
    if len(kernel) == 3 and kernel[2] != channels:
        raise ArgumentError(
            f"kernel has {kernel[2]} channels, the image has {channels}; they must agree for a (kh, kw, C) kernel"
        )
    height, width = shape[:2]
    rows, columns = make_axes((height, width), (kernel[0], kernel[1]), options.stride, options.padding, options.dilation)
    return Layout(rows, columns, pixel=channels, depth=1 if len(kernel) == 2 else channels)


def _check_rows(rows: tuple[int, int], layout: Layout) -> tuple[int, int]:
    """Return the requested rows, from .. to. Raises ArgumentError."""
    try:
        begin, end = (operator.index(row) for row in rows)
    except (TypeError, ValueError):
        begin, end = -1, -1
    if not 0 <= begin < end <= layout.rows.out:
        raise ArgumentError(
            f"rows must be two whole numbers, from .. to, within the {layout.rows.out} of the result, got {rows}"
        )
    return begin, end


def as_type(out: Array, result_dtype: np.dtype[Any]) -> Array:
    """Convert a result to a dtype, if it was not computed in that."""
    if out.dtype == result_dtype:
        return out
    if result_dtype.kind == "f":
        with np.errstate(over="ignore"):  # a value beyond float16 becomes infinite
            return out.astype(result_dtype)
    values, levels = out.reshape(-1), np.empty(out.size, result_dtype)
    run_loop(scale_to_levels, values, values.dtype.type(0), values.dtype.type(1), *limits_of(result_dtype), levels)
    return levels
