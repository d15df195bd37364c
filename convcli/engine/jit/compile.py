"""Compiles a loop to machine code that stands alone: Numba makes it, and nothing of Numba is needed to run it.

Numba's own files of machine code ask for Numba when they are loaded, and importing that takes longer than a small picture.
Here all that the loop itself does not call is taken out.
"""

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

import llvmlite.binding as llvm
import numba as untyped_numba

from ..simd import llvm as simd
from ..simd import reference
from .native import Loop, Unfit, machine, plain, vector_bytes, words

numba: Any = untyped_numba  # its annotations are few, and some are wrong

POLICY: Any = {"fastmath": {"contract"}, "error_model": "numpy"}
"""contract: one rounding for a multiply-add; sums keep their order, NaN and infinity their meaning. numpy: no exceptions."""

ALONE = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Nobody counts who refers to an array, which takes 300 ns for each row, and Python cannot call the code by itself."""

OUTSIDE = frozenset({"memset", "memcpy", "memmove", "sqrt", "sqrtf"})
"""What the code may call of the C library, which every Python has loaded. Its vector instructions are LLVM's own."""


def build(loop: Loop, symbol: str, arguments: tuple[Any, ...]) -> bytes:
    """An object file with one function, the loop for arguments of these types, under this symbol.

    Raises Unfit if the code would not stand alone.
    """
    return bytes(machine().emit_object(_module(loop, symbol, plain(arguments))))


def assembly(loop: Loop, arguments: tuple[Any, ...]) -> str:
    """The machine code of a loop for arguments of these types, as text."""
    return str(machine().emit_assembly(_module(loop, loop.__name__, plain(arguments))))


def jitted(loop: Loop, jit: Callable[..., Any] = numba.njit, **options: Any) -> Any:
    """A loop, and each function that it calls, as a function of Numba; ``jit`` says of which target."""
    module = vars(sys.modules[loop.__module__])
    namespace = {**module, "VECTOR_BYTES": vector_bytes()}
    for name, value in module.items():
        if isinstance(value, FunctionType) and value is getattr(reference, name, None):
            namespace[name] = getattr(simd, name)
        elif isinstance(value, FunctionType):
            own = FunctionType(value.__code__, namespace, name)
            namespace[name] = jit(own, **POLICY, **options, forceinline=True)
    return namespace[loop.__name__]


def _module(loop: Loop, symbol: str, arguments: list[Any]) -> Any:
    try:
        from . import numba_target

        dispatcher = jitted(loop, numba_target.jit, **ALONE)
        dispatcher.compile(tuple(numba.typeof(argument) for argument in arguments))
    except (AttributeError, ImportError, TypeError) as error:  # Numba's inner parts have changed
        raise Unfit(str(error)) from None
    module = llvm.parse_assembly(dispatcher.inspect_llvm(dispatcher.signatures[0]))
    wanted = module.get_function(dispatcher.overloads[dispatcher.signatures[0]].fndesc.llvm_func_name)
    wanted.name = f"{symbol}.loop"
    taken = [str(argument.type) for argument in wanted.arguments]
    if len(taken) != len(words(arguments)) + 2:
        raise Unfit(f"{symbol} takes its arguments in another way")
    module.link_in(llvm.parse_assembly(_entry(symbol, taken)))
    for function in module.functions:
        if not function.is_declaration and function.name != symbol:
            function.linkage = "internal"
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_unrolling = False  # a vector is four registers wide: more code would not be faster, and takes a second to make
    builder = llvm.create_pass_builder(machine(), options)
    builder.getModulePassManager().run(module, builder)
    foreign = {function.name for function in module.functions if function.is_declaration} - OUTSIDE
    if not all(name.startswith("llvm.") for name in foreign):
        raise Unfit(f"{symbol} needs {', '.join(sorted(foreign))}")
    return module


def _entry(symbol: str, taken: list[str]) -> str:
    """A function that takes the address of 64-bit words, one for each argument of the loop: Python makes these much faster
    than hundreds of arguments. The first two are where Numba writes what is returned and raised: nothing.
    """
    loads = "".join(
        f"  %place{i} = getelementptr i64, ptr %words, i64 {i}\n  %word{i} = load {kind}, ptr %place{i}\n"
        for i, kind in enumerate(taken[2:])
    )
    passed = ", ".join(["ptr %nothing", "ptr %nothing", *(f"{kind} %word{i}" for i, kind in enumerate(taken[2:]))])
    return (
        f"declare i32 @{symbol}.loop({', '.join(taken)})\n"
        f"define i32 @{symbol}(ptr %words) {{\n"
        f"  %nothing = alloca ptr\n{loads}  %failed = call i32 @{symbol}.loop({passed})\n  ret i32 %failed\n}}\n"
    )
