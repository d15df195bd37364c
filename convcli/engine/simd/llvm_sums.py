"""The intrinsic that updates sums along a line: ``slide`` of ``reference``."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .llvm_builder import WORD, Vector, address, constant, itemsize, load_at, typed_code
from .reference import SLID_PIXELS

SHUFFLED_BYTES = 16
"""Bytes within which a shuffle takes one cycle."""


@intrinsic(prefer_literal=True)
def slide(typing, line, x, ahead, sums, total, group):
    if not isinstance(group, types.IntegerLiteral):
        return None
    size = group.literal_value
    # Of 3 or 4 channels, a pixel is a vector: all sums wait for the ones before, for one cycle.
    lanes, count, step = (4, SLID_PIXELS, size) if size > 2 else (total.lanes, 4, total.lanes)

    def make(context, builder, values):
        line_array, x, ahead, sums_array, total, _ = values
        loaded, number = Vector(line.dtype, lanes=lanes), context.get_value_type(Vector(sums.dtype, lanes=lanes))
        last = take(builder, total, range(lanes))
        for i in range(count):
            at = builder.add(x, x.type(i * step))
            entering, leaving = (load_at(context, builder, line, line_array, j, loaded) for j in (builder.add(at, ahead), at))
            more = builder.sub(entering, leaving)
            if line.dtype != sums.dtype:
                more = builder.sext(more, number)
            more = more if size > 2 else prefix_sums(builder, more, size)
            pointer = builder.bitcast(address(context, builder, sums, sums_array, at), number.as_pointer())
            moved = builder.add(last, more)
            builder.store(moved, pointer, align=itemsize(sums))
            # The next total does not wait for the sums that are stored: one addition for each vector.
            last = (
                moved if size > 2 else builder.add(last, take(builder, more, [lanes - size + j % size for j in range(lanes)]))
            )
        return take(builder, last, [j % lanes for j in range(total.type.count)])

    index = types.int64
    return typed_code(total, (line, index, index, sums, total, group), make)


def take(builder, vector, lanes):
    """Return the given lanes of a vector, and 0 in place of None."""
    count = vector.type.count
    mask = [count if lane is None else lane for lane in lanes]
    return builder.shuffle_vector(vector, constant(vector.type, 0), ir.Constant(ir.VectorType(WORD, len(mask)), mask))


def prefix_sums(builder, vector, group):
    """Return the sums of each lane and of the lanes ``group``, 2 * group .. before it (Hillis and Steele 1986)."""
    lanes, distance = range(vector.type.count), group
    within = SHUFFLED_BYTES * 8 // vector.type.element.width
    while distance < within:
        before = [i - distance if i % within >= distance else None for i in lanes]
        vector = builder.add(vector, take(builder, vector, before))
        distance *= 2
    while within < vector.type.count:  # the second of two blocks gets the last sums of the first
        last = [i // within * within - group + i % group if i // within % 2 else None for i in lanes]
        vector = builder.add(vector, take(builder, vector, last))
        within *= 2
    return vector
