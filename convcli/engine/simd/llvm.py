"""Vector operations in machine code: the functions of ``reference``, each one operation of LLVM.

Left to itself, LLVM would keep the sums of a row in memory, at half the speed: it works in registers on what is one value.
An intrinsic of Numba tells the types of a call, and makes its code (https://numba.readthedocs.io/en/stable/extending/high-level.html).
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

from ..buffers import LINE
from ..jit import native

CONTRACT = ("contract",)  # as in jit.compile.POLICY
WORD = ir.IntType(32)
NUMBERS = {types.float32: ir.FloatType(), types.float64: ir.DoubleType(), types.int16: ir.IntType(16)}


class Vector(types.Type):
    """A vector of float32, float64 or int16, or a part of one, or a longer one."""

    def __init__(self, dtype, part=1, lanes=None):
        self.dtype, self.lanes = dtype, lanes or native.vector_bytes() // part * 8 // dtype.bitwidth
        super().__init__(f"Vector({dtype}, {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        super().__init__(manager, vector, ir.VectorType(NUMBERS[vector.dtype], vector.lanes))


def _code(result, takes, make):
    """What an intrinsic gives and takes, and its code: made by ``make(context, builder, values)``."""

    def generate(context, builder, _signature, values):
        made = make(context, builder, values)
        return context.get_dummy_value() if result == types.void else made

    return result(*takes), generate


def _bytes(kind):
    return kind.dtype.bitwidth // 8


def _constant(vector, value):
    return ir.Constant(vector, [value] * vector.count)


def _spread(builder, number, vector):
    """A vector of one number."""
    nothing = ir.Constant(vector, ir.Undefined)
    single = builder.insert_element(nothing, number, WORD(0))
    return builder.shuffle_vector(single, nothing, ir.Constant(ir.VectorType(WORD, vector.count), [0] * vector.count))


def _place(context, builder, kind, line, x):
    """The address of number x in an array of that kind."""
    return builder.gep(context.make_array(kind)(context, builder, line).data, [x])


def _call(builder, name, value):
    """One of LLVM's own functions of a vector."""
    bits = 32 if isinstance(value.type.element, ir.FloatType) else 64
    kind = ir.FunctionType(value.type, [value.type])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{value.type.count}f{bits}")
    return builder.call(function, [value])


def _load(line, vector):
    def make(context, builder, values):
        pointer = context.get_value_type(vector).as_pointer()
        return builder.load(builder.bitcast(_place(context, builder, line, *values), pointer), align=_bytes(line))

    return _code(vector, (line, types.int64), make)


def _rounded(builder, value, bits, wanted):
    """A vector of real numbers of so many bits as unsigned whole ones: rounded half to even, saturated, NaN as 0."""
    least, most = _constant(value.type, 0.0), _constant(value.type, float(2**wanted - 1))
    value = builder.select(builder.fcmp_ordered(">", value, least), value, least)  # NaN is not larger
    value = builder.select(builder.fcmp_ordered("<", value, most), value, most)
    # Beside a number so large, what is left of the sum are whole numbers, in its last bits.
    value = builder.fadd(value, _constant(value.type, 1.5 * 2 ** (23 if bits == 32 else 52)))
    value = builder.bitcast(value, ir.VectorType(ir.IntType(bits), value.type.count))
    return builder.trunc(value, ir.VectorType(ir.IntType(wanted), value.type.count))


def _is_real(value):
    return not isinstance(value.type.element, ir.IntType)


def _times(builder, vector, other):
    """A vector times another, or times a number; the product may become a part of a multiply-add."""
    factor = other if isinstance(other.type, ir.VectorType) else _spread(builder, other, vector.type)
    return builder.fmul(vector, factor, flags=CONTRACT) if _is_real(vector) else builder.mul(vector, factor)


def _plus(builder, one, other, flags=()):
    return builder.fadd(one, other, flags=flags) if _is_real(one) else builder.add(one, other)


def _minus(builder, one, other):
    return builder.fsub(one, other) if _is_real(one) else builder.sub(one, other)


def _factor(vector, other):
    return other if isinstance(other, Vector) else vector.dtype


@intrinsic
def load(typing, line, x):
    return _load(line, Vector(line.dtype))


@intrinsic
def half(typing, line, x):
    return _load(line, Vector(line.dtype, part=2))


@intrinsic
def quarter(typing, line, x):
    return _load(line, Vector(line.dtype, part=4))


@intrinsic(prefer_literal=True)
def deinterleave(typing, source, x, line, one, other, group):
    if not isinstance(group, types.IntegerLiteral):
        return None
    size = group.literal_value
    count = native.vector_bytes() // 4 // size * size

    def make(context, builder, values):
        own, begin, *places = values[0], values[1], values[3], values[4]
        held = ir.VectorType(context.get_value_type(source.dtype), 2 * count)
        wanted = ir.VectorType(context.get_value_type(line.dtype), count)
        place = builder.bitcast(_place(context, builder, source, own, begin), held.as_pointer())
        both = builder.load(place, align=_bytes(source))
        for parity, at in enumerate(places):
            picked = [2 * i - i % size + parity * size for i in range(count)]
            few = builder.shuffle_vector(both, ir.Constant(held, ir.Undefined), ir.Constant(ir.VectorType(WORD, count), picked))
            if source.dtype != line.dtype:
                few = builder.zext(few, wanted) if isinstance(wanted.element, ir.IntType) else builder.uitofp(few, wanted)
            place = builder.bitcast(_place(context, builder, line, values[2], at), wanted.as_pointer())
            builder.store(few, place, align=_bytes(line))
        return ir.Constant(ir.IntType(64), count)

    word = types.int64
    return _code(word, (source, word, line, word, word, group), make)


def _store(vector, line, streamed=False):
    def make(context, builder, values):
        value, own, at = values
        if line.dtype in types.unsigned_domain:
            value = _rounded(builder, value, 8 * _bytes(vector), 8 * _bytes(line))
        place = builder.bitcast(_place(context, builder, line, own, at), value.type.as_pointer())
        stored = builder.store(value, place, align=LINE if streamed else _bytes(line))
        if streamed:
            stored.set_metadata("nontemporal", builder.module.add_metadata([WORD(1)]))

    return _code(types.void, (vector, line, types.int64), make)


@intrinsic
def store(typing, vector, line, x):
    return _store(vector, line)


@intrinsic
def stream(typing, vector, line, x):
    return _store(vector, line, streamed=True)


@intrinsic
def item(typing, line, i):
    return _code(line.dtype, (line, types.int64), lambda c, builder, values: builder.load(_place(c, builder, line, *values)))


def _fill(number, vector):
    return _code(vector, (number,), lambda c, builder, values: _spread(builder, values[0], c.get_value_type(vector)))


@intrinsic
def broadcast(typing, number):
    return _fill(number, Vector(number))


@intrinsic
def broadcast_half(typing, number):
    return _fill(number, Vector(number, part=2))


@intrinsic
def multiply(typing, vector, other):
    return _code(vector, (vector, _factor(vector, other)), lambda c, builder, values: _times(builder, *values))


@intrinsic
def multiply_add(typing, vector, other, total):

    def make(_context, builder, values):
        return _plus(builder, _times(builder, *values[:2]), values[2], CONTRACT)

    return _code(vector, (vector, _factor(vector, other), vector), make)


def _widened(context, builder, vector, result, value, low):
    """A vector as real numbers; those of int16 are whole numbers of 16 bits from low on."""
    if result == vector:
        return value
    low = builder.trunc(low, WORD)
    above = builder.sub(value, _spread(builder, builder.trunc(low, value.type.element), value.type))
    words = ir.VectorType(WORD, vector.lanes)
    wide = builder.add(builder.zext(above, words), _spread(builder, low, words))
    return builder.sitofp(wide, context.get_value_type(result))


def _real_vector(vector, unit):
    return vector if vector.dtype == unit else Vector(unit, lanes=vector.lanes)


@intrinsic
def scale_and_add(typing, vector, unit, bias, low):
    result = _real_vector(vector, unit)

    def make(context, builder, values):
        value = _widened(context, builder, vector, result, values[0], values[-1])
        unit, bias = (_spread(builder, number, value.type) for number in values[1:-1])
        return _plus(builder, _times(builder, value, unit), bias, CONTRACT)

    return _code(result, (vector, unit, unit, types.int64), make)


@intrinsic
def scale_and_add_precisely(typing, vector, unit, rest, bias, low):
    result = _real_vector(vector, unit)

    def make(context, builder, values):
        value = _widened(context, builder, vector, result, values[0], values[-1])
        unit, rest, bias = (_spread(builder, number, value.type) for number in values[1:-1])
        small = _plus(builder, _times(builder, value, rest), bias, CONTRACT)
        return _plus(builder, _times(builder, value, unit), small, CONTRACT)

    return _code(result, (vector, unit, unit, unit, types.int64), make)


@intrinsic
def add(typing, one, other):

    def make(_context, builder, values):
        vector, more = values
        return _plus(builder, vector, more if isinstance(more.type, ir.VectorType) else _spread(builder, more, vector.type))

    return _code(one, (one, _factor(one, other)), make)


@intrinsic
def subtract(typing, one, other):
    return _code(one, (one, other), lambda c, builder, values: _minus(builder, *values))


@intrinsic
def rint(typing, vector):
    return _code(vector, (vector,), lambda c, builder, values: _call(builder, "rint", *values))


def _chosen(vector, order):
    """The numbers of one vector that stand in this order to those of another, else the other's."""

    def make(_context, builder, values):
        return builder.select(builder.fcmp_ordered(order, *values), *values)

    return _code(vector, (vector, vector), make)


def _counted(builder, truths):
    """How many of a vector of truths are."""
    bits = builder.bitcast(truths, ir.IntType(truths.type.count))
    return builder.zext(builder.ctpop(bits), ir.IntType(64)) if bits.type.width < 64 else builder.ctpop(bits)


def _comparing(vector, order):
    def make(_context, builder, values):
        value, number = values
        return _counted(builder, builder.fcmp_ordered(order, value, _spread(builder, number, value.type)))

    return _code(types.int64, (vector, vector.dtype), make)


@intrinsic
def minimum(typing, vector, other):
    return _chosen(vector, "<")


@intrinsic
def maximum(typing, vector, other):
    return _chosen(vector, ">")


@intrinsic
def maximum_or_nan(typing, vector, other):

    def make(context, builder, values):
        first = values[0]
        greater, unknown = builder.fcmp_ordered(">", *values), builder.fcmp_unordered("uno", first, first)
        return builder.select(builder.or_(greater, unknown), *values)

    return _code(vector, (vector, other), make)


@intrinsic
def count_below(typing, vector, number):
    return _comparing(vector, "<")


@intrinsic
def count_above(typing, vector, number):
    return _comparing(vector, ">")


@intrinsic
def count_unknown(typing, vector):
    return _code(
        types.int64, (vector,), lambda c, builder, values: _counted(builder, builder.fcmp_unordered("uno", *values, *values))
    )


@intrinsic
def finite_or_zero(typing, vector):

    def make(_context, builder, values):
        (value,) = values
        if not _is_real(value):
            return value
        small = builder.fcmp_ordered("<", _call(builder, "fabs", value), _constant(value.type, float("inf")))
        return builder.select(small, value, _constant(value.type, 0.0))

    return _code(vector, (vector,), make)


@intrinsic
def transpose_block(typing, source, x, stride, target, y, target_stride):
    """In each of log2(size) rounds, pairs of quarter vectors exchange halves, halves of halves .. (Eklundh 1972)."""
    vector = Vector(source.dtype, part=4)

    def make(context, builder, values):
        own, x, stride, other, y, target_stride = values
        size, pointer = vector.lanes, context.get_value_type(vector).as_pointer()
        lanes = range(size)

        def place(array, begin, step, i):
            at = builder.add(begin, builder.mul(step, step.type(i)))
            return builder.bitcast(_place(context, builder, source, array, at), pointer)

        def mixed(one, two, picked):
            return builder.shuffle_vector(one, two, ir.Constant(ir.VectorType(WORD, size), picked))

        rows = [builder.load(place(own, x, stride, i), align=_bytes(source)) for i in lanes]
        far = 1
        while far < size:
            for i in lanes:
                if not i & far:
                    one, two = rows[i], rows[i | far]
                    rows[i] = mixed(one, two, [size + (lane ^ far) if lane & far else lane for lane in lanes])
                    rows[i | far] = mixed(one, two, [size + lane if lane & far else lane ^ far for lane in lanes])
            far *= 2
        for i in lanes:
            builder.store(rows[i], place(other, y, target_stride, i), align=_bytes(source))

    words = types.int64
    return _code(types.void, (source, words, words, target, words, words), make)
