"""LLVM code for vectors: the type of a vector in Numba, and the instructions that the intrinsics of ``llvm`` are built of."""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import models, register_model

from ..jit import native

CONTRACT = ("contract",)  # as in jit.compile.POLICY
WORD = ir.IntType(32)
ELEMENTS = {types.float32: ir.FloatType(), types.float64: ir.DoubleType(), types.int16: ir.IntType(16), types.int32: WORD}


class Vector(types.Type):
    """A vector of float32, float64, int16 or int32: a whole one, a half or quarter (``part``), or one of ``lanes`` numbers."""

    def __init__(self, dtype, part=1, lanes=None):
        self.dtype, self.lanes = dtype, lanes or native.vector_bytes() // part * 8 // dtype.bitwidth
        super().__init__(f"Vector({dtype}, {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        super().__init__(manager, vector, ir.VectorType(ELEMENTS[vector.dtype], vector.lanes))


def typed_code(result, arguments, make):
    """Return the signature of an intrinsic and its code generator, which calls ``make(context, builder, values)``."""

    def generate(context, builder, _signature, values):
        value = make(context, builder, values)
        return context.get_dummy_value() if result == types.void else value

    return result(*arguments), generate


def itemsize(array):
    return array.dtype.bitwidth // 8


def constant(vector, value):
    return ir.Constant(vector, [value] * vector.count)


def splat(builder, number, vector):
    """Fill a vector with one number."""
    undefined = ir.Constant(vector, ir.Undefined)
    single = builder.insert_element(undefined, number, WORD(0))
    return builder.shuffle_vector(single, undefined, ir.Constant(ir.VectorType(WORD, vector.count), [0] * vector.count))


def address(context, builder, array_type, array, index):
    """Return the address of an element of an array."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def call_llvm(builder, name, value, *others, result=None):
    """Call an intrinsic function of LLVM, such as ``rint``, on vectors."""
    kinds = [result or value.type, *([value.type] if result else [])]
    suffix = "".join(f".v{kind.count}{_element_name(kind)}" for kind in kinds)
    signature = ir.FunctionType(kinds[0], [item.type for item in (value, *others)])
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}{suffix}")
    return builder.call(function, [value, *others])


def _element_name(vector):
    element = vector.element
    return f"i{element.width}" if isinstance(element, ir.IntType) else "f32" if isinstance(element, ir.FloatType) else "f64"


def load_at(context, builder, line, array, index, vector):
    """Load the vector that starts at an index of an array of type ``line``."""
    pointer = builder.bitcast(address(context, builder, line, array, index), context.get_value_type(vector).as_pointer())
    return builder.load(pointer, align=itemsize(line))


def load_vector(line, vector):
    return typed_code(
        vector, (line, types.int64), lambda c, builder, values: load_at(c, builder, line, values[0], values[1], vector)
    )


def to_unsigned(builder, value, bits, out_bits):
    """Convert a vector of floats of ``bits`` bits to unsigned integers: rounded half to even, saturated, NaN as 0."""
    white = 2**out_bits - 1
    # LLVM selects by a mask, with one more instruction, where the least is +0.
    least, most = constant(value.type, -0.0), constant(value.type, float(white))
    value = builder.select(builder.fcmp_ordered(">", value, least), value, least)  # NaN is not larger
    value = builder.select(builder.fcmp_ordered("<", value, most), value, most)
    integers = ir.VectorType(ir.IntType(bits), value.type.count)
    if bits == 32:
        value = call_llvm(builder, "lrint", value, result=integers)
        # These limits, which change nothing, let LLVM narrow by instructions that saturate.
        value = call_llvm(builder, "smax", value, constant(integers, 0))
        value = call_llvm(builder, "smin", value, constant(integers, white))
    else:  # there is no such instruction: adding 1.5 * 2**52 leaves no bits for fractions, and the low bits are the integer
        value = builder.bitcast(builder.fadd(value, constant(value.type, 1.5 * 2**52)), integers)
    return builder.trunc(value, ir.VectorType(ir.IntType(out_bits), value.type.count))


def is_real(value):
    return not isinstance(value.type.element, ir.IntType)


def emit_mul(builder, vector, other):
    """Multiply a vector by another or by a number; LLVM may fuse the product into a multiply-add."""
    factor = other if isinstance(other.type, ir.VectorType) else splat(builder, other, vector.type)
    return builder.fmul(vector, factor, flags=CONTRACT) if is_real(vector) else builder.mul(vector, factor)


def emit_add(builder, left, right, flags=()):
    return builder.fadd(left, right, flags=flags) if is_real(left) else builder.add(left, right)


def emit_sub(builder, left, right):
    return builder.fsub(left, right) if is_real(left) else builder.sub(left, right)


def operand_type(vector, other):
    return other if isinstance(other, Vector) else vector.dtype
