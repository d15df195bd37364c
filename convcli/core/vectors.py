"""The functions of ``strips`` in machine code: each is one operation of LLVM on a vector as long as a strip.

Left to itself, LLVM would keep the sums of a row in memory, at half the speed: it works in registers on what is one value.
"""

from typing import Any

import numba as untyped_numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

from . import native

numba: Any = untyped_numba
CONTRACT = ("contract",)  # as in loops.POLICY


class Strip(types.Type):  # type: ignore[misc]
    """A strip of float32 or float64."""

    def __init__(self, dtype: Any, part: int = 1) -> None:
        self.dtype, self.lanes = dtype, native.strip_bytes() // part * 8 // dtype.bitwidth
        super().__init__(f"Strip({dtype}, {self.lanes})")


@register_model(Strip)
class _StripModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, strip: Strip) -> None:
        number = ir.FloatType() if strip.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, strip, ir.VectorType(number, strip.lanes))


def _number(vector: Any, value: float) -> Any:
    return ir.Constant(vector, [value] * vector.count)


def _spread(builder: Any, number: Any, vector: Any) -> Any:
    """A vector of one number."""
    nothing, index = ir.Constant(vector, ir.Undefined), ir.IntType(32)
    single = builder.insert_element(nothing, number, index(0))
    return builder.shuffle_vector(single, nothing, ir.Constant(ir.VectorType(index, vector.count), [0] * vector.count))


def _address(context: Any, builder: Any, kind: Any, line: Any, x: Any, vector: Any) -> Any:
    data = context.make_array(kind)(context, builder, line).data
    return builder.bitcast(builder.gep(data, [x]), vector.as_pointer())


def _call(builder: Any, name: str, value: Any) -> Any:
    """One of LLVM's own functions of a vector."""
    suffix = f"v{value.type.count}f{32 if isinstance(value.type.element, ir.FloatType) else 64}"
    kind = ir.FunctionType(value.type, [value.type])
    return builder.call(untyped_numba.core.cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.{suffix}"), [value])


def _load(line: Any, strip: Strip) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector = context.get_value_type(strip)
        place = _address(context, builder, line, *values, vector)
        return builder.load(place, align=line.dtype.bitwidth // 8)

    return strip(line, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def load(typing: Any, line: Any, x: Any) -> Any:
    """See strips."""
    return _load(line, Strip(line.dtype))


@intrinsic  # type: ignore[untyped-decorator]
def sliver(typing: Any, line: Any, x: Any) -> Any:
    """See strips."""
    return _load(line, Strip(line.dtype, part=4))


@intrinsic  # type: ignore[untyped-decorator]
def store(typing: Any, strip: Any, line: Any, x: Any) -> Any:
    """See strips."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        value, own, x = values
        if isinstance(line.dtype, types.Integer):
            least, most = _number(value.type, 0.0), _number(value.type, float(2**line.dtype.bitwidth - 1))
            value = builder.select(builder.fcmp_ordered(">", value, least), value, least)  # NaN is not larger
            value = builder.select(builder.fcmp_ordered("<", value, most), value, most)
            bits, kept = strip.dtype.bitwidth, 23 if strip.dtype == types.float32 else 52
            value = builder.fadd(value, _number(value.type, 1.5 * 2**kept))  # its last bits are whole then, rounded by the rule
            value = builder.bitcast(value, ir.VectorType(ir.IntType(bits), strip.lanes))
            value = builder.trunc(value, ir.VectorType(ir.IntType(line.dtype.bitwidth), strip.lanes))
        place = _address(context, builder, line, own, x, value.type)
        builder.store(value, place, align=line.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(strip, line, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def pick(typing: Any, line: Any, i: Any) -> Any:
    """See strips."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(builder.gep(context.make_array(line)(context, builder, values[0]).data, [values[1]]))

    return line.dtype(line, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def fill(typing: Any, number: Any) -> Any:
    """See strips."""
    strip = Strip(number)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _spread(builder, values[0], context.get_value_type(strip))

    return strip(number), generate


def _times(builder: Any, strip: Any, other: Any) -> Any:
    """A vector times another, or times a number; the product may become a part of a multiply-add."""
    factor = other if isinstance(other.type, ir.VectorType) else _spread(builder, other, strip.type)
    return builder.fmul(strip, factor, flags=CONTRACT)


@intrinsic  # type: ignore[untyped-decorator]
def times(typing: Any, strip: Any, other: Any) -> Any:
    """See strips."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _times(builder, *values)

    return strip(strip, other if isinstance(other, Strip) else strip.dtype), generate


@intrinsic  # type: ignore[untyped-decorator]
def mul_add(typing: Any, strip: Any, other: Any, total: Any) -> Any:
    """See strips."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fadd(_times(builder, *values[:2]), values[2], flags=CONTRACT)

    return strip(strip, other if isinstance(other, Strip) else strip.dtype, strip), generate


@intrinsic  # type: ignore[untyped-decorator]
def turn(typing: Any, source: Any, x: Any, stride: Any, target: Any, y: Any, turned: Any) -> Any:
    """See strips. In each of log2(size) rounds, pairs of slivers exchange halves, halves of halves .. (Eklundh 1972)."""
    strip = Strip(source.dtype, part=4)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        own, x, stride, other, y, turned = values
        vector, size = context.get_value_type(strip), strip.lanes
        kinds, bytes_ = ir.VectorType(ir.IntType(32), size), source.dtype.bitwidth // 8

        def place(kind: Any, array: Any, begin: Any, step: Any, i: int) -> Any:
            at = builder.add(begin, builder.mul(step, step.type(i)))
            return _address(context, builder, kind, array, at, vector)

        rows = [builder.load(place(source, own, x, stride, i), align=bytes_) for i in range(size)]
        far = 1
        while far < size:
            for i in range(size):
                if not i & far:
                    one, two = rows[i], rows[i | far]
                    first = [lane if not lane & far else size + (lane ^ far) for lane in range(size)]
                    second = [lane ^ far if not lane & far else size + lane for lane in range(size)]
                    rows[i] = builder.shuffle_vector(one, two, ir.Constant(kinds, first))
                    rows[i | far] = builder.shuffle_vector(one, two, ir.Constant(kinds, second))
            far *= 2
        for i in range(size):
            builder.store(rows[i], place(target, other, y, turned, i), align=bytes_)
        return context.get_dummy_value()

    words = types.int64
    return types.void(source, words, words, target, words, words), generate


@intrinsic  # type: ignore[untyped-decorator]
def plus(typing: Any, one: Any, other: Any) -> Any:
    """See strips."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fadd(*values)

    return one(one, other), generate


@intrinsic  # type: ignore[untyped-decorator]
def minus(typing: Any, one: Any, other: Any) -> Any:
    """See strips."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fsub(*values)

    return one(one, other), generate


@intrinsic  # type: ignore[untyped-decorator]
def finite(typing: Any, strip: Any) -> Any:
    """See strips."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        (value,) = values
        small = builder.fcmp_ordered("<", _call(builder, "fabs", value), _number(value.type, float("inf")))
        return builder.select(small, value, _number(value.type, 0.0))

    return strip(strip), generate
