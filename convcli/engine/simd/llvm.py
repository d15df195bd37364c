"""Vector operations in machine code: the functions of ``reference``, each as one intrinsic of Numba.

LLVM would otherwise keep the accumulators of a row in memory, at half the speed: only a single value stays in registers.
An intrinsic gives the types of a call and emits its code
(https://numba.readthedocs.io/en/stable/extending/high-level.html).
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ..buffers import LINE
from ..jit import native
from .llvm_builder import (
    CONTRACT,
    WORD,
    Vector,
    address,
    call_llvm,
    constant,
    emit_add,
    emit_mul,
    emit_sub,
    is_real,
    itemsize,
    load_vector,
    operand_type,
    splat,
    to_unsigned,
    typed_code,
)
from .llvm_sums import slide as slide
from .llvm_taps import add_pairs as add_pairs
from .llvm_taps import add_taps as add_taps
from .llvm_taps import add_taps_to_both as add_taps_to_both
from .llvm_taps import in_order as in_order


@intrinsic
def load(typing, line, x):
    return load_vector(line, Vector(line.dtype))


@intrinsic
def half(typing, line, x):
    return load_vector(line, Vector(line.dtype, part=2))


@intrinsic
def quarter(typing, line, x):
    return load_vector(line, Vector(line.dtype, part=4))


@intrinsic(prefer_literal=True)
def deinterleave(typing, source, x, line, even_start, odd_start, group):
    if not isinstance(group, types.IntegerLiteral):
        return None
    size = group.literal_value
    count = native.vector_bytes() // 4 // size * size

    def make(context, builder, values):
        source_array, source_start, line_array, *starts = values[:5]
        loaded_type = ir.VectorType(context.get_value_type(source.dtype), 2 * count)
        stored_type = ir.VectorType(context.get_value_type(line.dtype), count)
        pointer = builder.bitcast(address(context, builder, source, source_array, source_start), loaded_type.as_pointer())
        loaded = builder.load(pointer, align=itemsize(source))
        for parity, start in enumerate(starts):
            lanes = [2 * i - i % size + parity * size for i in range(count)]
            mask = ir.Constant(ir.VectorType(WORD, count), lanes)
            half_vector = builder.shuffle_vector(loaded, ir.Constant(loaded_type, ir.Undefined), mask)
            if source.dtype != line.dtype:
                convert = builder.zext if isinstance(stored_type.element, ir.IntType) else builder.uitofp
                half_vector = convert(half_vector, stored_type)
            pointer = builder.bitcast(address(context, builder, line, line_array, start), stored_type.as_pointer())
            builder.store(half_vector, pointer, align=itemsize(line))
        return ir.Constant(ir.IntType(64), count)

    index = types.int64
    return typed_code(index, (source, index, line, index, index, group), make)


@intrinsic(prefer_literal=True)
def split_quarters(typing, source, x, count, line, start, step):
    if not isinstance(count, types.IntegerLiteral):
        return None
    vector = Vector(source.dtype, part=4)
    size, phases = vector.lanes, count.literal_value

    def make(context, builder, values):
        source_array, source_start, _, line_array, target, step = values
        loaded_type = ir.VectorType(context.get_value_type(source.dtype), phases * size)
        pointer = builder.bitcast(address(context, builder, source, source_array, source_start), loaded_type.as_pointer())
        loaded = builder.load(pointer, align=itemsize(source))
        for phase in range(phases):
            mask = ir.Constant(ir.VectorType(WORD, size), [phase + phases * i for i in range(size)])
            numbers = builder.shuffle_vector(loaded, ir.Constant(loaded_type, ir.Undefined), mask)
            position = builder.add(target, builder.mul(step, step.type(phase)))
            pointer = builder.bitcast(address(context, builder, line, line_array, position), numbers.type.as_pointer())
            builder.store(numbers, pointer, align=itemsize(line))

    index = types.int64
    return typed_code(types.void, (source, index, count, line, index, index), make)


def store_vector(vector, line, streamed=False):
    def make(context, builder, values):
        value, array, start = values
        if line.dtype in types.unsigned_domain:
            value = to_unsigned(builder, value, 8 * itemsize(vector), 8 * itemsize(line))
        pointer = builder.bitcast(address(context, builder, line, array, start), value.type.as_pointer())
        instruction = builder.store(value, pointer, align=LINE if streamed else itemsize(line))
        if streamed:
            instruction.set_metadata("nontemporal", builder.module.add_metadata([WORD(1)]))

    return typed_code(types.void, (vector, line, types.int64), make)


@intrinsic
def store(typing, vector, line, x):
    return store_vector(vector, line)


@intrinsic
def stream(typing, vector, line, x):
    return store_vector(vector, line, streamed=True)


@intrinsic
def item(typing, line, i):
    return typed_code(
        line.dtype, (line, types.int64), lambda c, builder, values: builder.load(address(c, builder, line, *values))
    )


def fill(number, vector):
    return typed_code(vector, (number,), lambda c, builder, values: splat(builder, values[0], c.get_value_type(vector)))


@intrinsic
def broadcast(typing, number):
    return fill(number, Vector(number))


@intrinsic
def broadcast_half(typing, number):
    return fill(number, Vector(number, part=2))


@intrinsic
def broadcast_quarter(typing, number):
    return fill(number, Vector(number, part=4))


@intrinsic
def multiply(typing, vector, other):
    return typed_code(vector, (vector, operand_type(vector, other)), lambda c, builder, values: emit_mul(builder, *values))


@intrinsic
def multiply_add(typing, vector, other, total):

    def make(_context, builder, values):
        return emit_add(builder, emit_mul(builder, *values[:2]), values[2], CONTRACT)

    return typed_code(vector, (vector, operand_type(vector, other), vector), make)


def to_real(context, builder, vector, result, value, low):
    """Convert a vector to real numbers. int16 lanes hold integers modulo 2**16, of which ``low`` is the least."""
    if result == vector:
        return value
    if vector.dtype == types.int32:
        return builder.sitofp(value, context.get_value_type(result))
    low = builder.trunc(low, WORD)
    above = builder.sub(value, splat(builder, builder.trunc(low, value.type.element), value.type))
    words = ir.VectorType(WORD, vector.lanes)
    wide = builder.add(builder.zext(above, words), splat(builder, low, words))
    return builder.sitofp(wide, context.get_value_type(result))


def real_vector(vector, unit):
    return vector if vector.dtype == unit else Vector(unit, lanes=vector.lanes)


@intrinsic
def scale_and_add(typing, vector, unit, bias, low):
    result = real_vector(vector, unit)

    def make(context, builder, values):
        value = to_real(context, builder, vector, result, values[0], values[-1])
        unit, bias = (splat(builder, number, value.type) for number in values[1:-1])
        return emit_add(builder, emit_mul(builder, value, unit), bias, CONTRACT)

    return typed_code(result, (vector, unit, unit, types.int64), make)


@intrinsic
def scale_and_add_precisely(typing, vector, unit, rest, bias, low):
    result = real_vector(vector, unit)

    def make(context, builder, values):
        value = to_real(context, builder, vector, result, values[0], values[-1])
        unit, rest, bias = (splat(builder, number, value.type) for number in values[1:-1])
        small = emit_add(builder, emit_mul(builder, value, rest), bias, CONTRACT)
        return emit_add(builder, emit_mul(builder, value, unit), small, CONTRACT)

    return typed_code(result, (vector, unit, unit, unit, types.int64), make)


@intrinsic
def add(typing, vector, other):

    def make(_context, builder, values):
        left, right = values
        return emit_add(builder, left, right if isinstance(right.type, ir.VectorType) else splat(builder, right, left.type))

    return typed_code(vector, (vector, operand_type(vector, other)), make)


@intrinsic
def subtract(typing, vector, other):
    return typed_code(vector, (vector, other), lambda c, builder, values: emit_sub(builder, *values))


@intrinsic
def rint(typing, vector):
    return typed_code(vector, (vector,), lambda c, builder, values: call_llvm(builder, "rint", *values))


@intrinsic
def interleave(typing, vector, other):
    def make(_context, builder, values):
        mask = [i // 2 + i % 2 * vector.lanes for i in range(2 * vector.lanes)]
        return builder.shuffle_vector(*values, ir.Constant(ir.VectorType(WORD, len(mask)), mask))

    return typed_code(Vector(vector.dtype, lanes=2 * vector.lanes), (vector, other), make)


def select_where(vector, order):
    """Select lanes of the first vector where the comparison holds, else lanes of the second."""

    def make(_context, builder, values):
        return builder.select(builder.fcmp_ordered(order, *values), *values)

    return typed_code(vector, (vector, vector), make)


def count_true(builder, flags):
    """Count the lanes of a Boolean vector that are true."""
    bits = builder.bitcast(flags, ir.IntType(flags.type.count))
    return builder.zext(builder.ctpop(bits), ir.IntType(64)) if bits.type.width < 64 else builder.ctpop(bits)


def count_where(vector, order):
    def make(_context, builder, values):
        value, number = values
        return count_true(builder, builder.fcmp_ordered(order, value, splat(builder, number, value.type)))

    return typed_code(types.int64, (vector, vector.dtype), make)


@intrinsic
def minimum(typing, vector, other):
    return select_where(vector, "<")


@intrinsic
def maximum(typing, vector, other):
    return select_where(vector, ">")


@intrinsic
def maximum_or_nan(typing, vector, other):

    def make(context, builder, values):
        first = values[0]
        greater, is_nan = builder.fcmp_ordered(">", *values), builder.fcmp_unordered("uno", first, first)
        return builder.select(builder.or_(greater, is_nan), *values)

    return typed_code(vector, (vector, other), make)


@intrinsic
def count_below(typing, vector, number):
    return count_where(vector, "<")


@intrinsic
def count_above(typing, vector, number):
    return count_where(vector, ">")


@intrinsic
def count_nan(typing, vector):
    return typed_code(
        types.int64, (vector,), lambda c, builder, values: count_true(builder, builder.fcmp_unordered("uno", *values, *values))
    )


@intrinsic
def finite_or_zero(typing, vector):

    def make(_context, builder, values):
        (value,) = values
        if not is_real(value):
            return value
        small = builder.fcmp_ordered("<", call_llvm(builder, "fabs", value), constant(value.type, float("inf")))
        return builder.select(small, value, constant(value.type, 0.0))

    return typed_code(vector, (vector,), make)


@intrinsic
def transpose_block(typing, source, x, stride, target, y, target_stride):
    """In each of log2(size) rounds, pairs of rows exchange halves, then quarters, and so on (Eklundh 1972)."""
    vector = Vector(source.dtype, part=4)

    def make(context, builder, values):
        source_array, x, stride, target_array, y, target_stride = values
        size, pointer = vector.lanes, context.get_value_type(vector).as_pointer()
        lanes = range(size)

        def row_pointer(array, start, step, i):
            index = builder.add(start, builder.mul(step, step.type(i)))
            return builder.bitcast(address(context, builder, source, array, index), pointer)

        def shuffle(first, second, mask):
            return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(WORD, size), mask))

        rows = [builder.load(row_pointer(source_array, x, stride, i), align=itemsize(source)) for i in lanes]
        distance = 1
        while distance < size:
            for i in lanes:
                if not i & distance:
                    first, second = rows[i], rows[i | distance]
                    rows[i] = shuffle(first, second, [size + (j ^ distance) if j & distance else j for j in lanes])
                    rows[i | distance] = shuffle(first, second, [size + j if j & distance else j ^ distance for j in lanes])
            distance *= 2
        for i in lanes:
            builder.store(rows[i], row_pointer(target_array, y, target_stride, i), align=itemsize(source))

    index = types.int64
    return typed_code(types.void, (source, index, index, target, index, index), make)
