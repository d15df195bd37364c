"""Compiles a loop with Numba to machine code that runs without Numba.

Code from Numba's own cache needs Numba to load, and importing that takes longer than filtering a small image. Here the module
keeps only what the loop itself calls.
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

numba: Any = untyped_numba  # its annotations are incomplete, and some are wrong

POLICY: Any = {"fastmath": {"contract"}, "error_model": "numpy"}
"""contract: a multiply-add is rounded once; sums keep their order, NaN and infinity their meaning. numpy: no exceptions."""

STANDALONE = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""No reference counts of arrays, which take 300 ns for each row, and no wrappers for calls from Python or C."""

C_FUNCTIONS = frozenset({"memset", "memcpy", "memmove", "sqrt", "sqrtf"})
"""Functions of the C library that the code may call: every Python process has loaded them."""


def build(loop: Loop, symbol: str, arguments: tuple[Any, ...]) -> bytes:
    """Return an object file with one function ``symbol``: the loop for arguments of these types.

    Raises Unfit if the code calls other functions than ``C_FUNCTIONS``.
    """
    return bytes(machine().emit_object(_module(loop, symbol, plain(arguments))))


def assembly(loop: Loop, arguments: tuple[Any, ...]) -> str:
    """Return the assembly text of a loop for arguments of these types."""
    return str(machine().emit_assembly(_module(loop, loop.__name__, plain(arguments))))


def jitted(loop: Loop, jit: Callable[..., Any] = numba.njit, **options: Any) -> Any:
    """Return a loop as a Numba function, with the functions that it calls. ``jit`` decides the target.

    Each function is bound to the names of its module, with the functions of ``simd.llvm`` in place of those of ``reference``.
    """
    namespaces: dict[str, dict[str, Any]] = {}
    package = loop.__module__.rpartition(".")[0] + "."

    def namespace_of(module: str) -> dict[str, Any]:
        if module in namespaces:
            return namespaces[module]
        names = vars(sys.modules[module])
        namespace = namespaces[module] = {**names, "VECTOR_BYTES": vector_bytes()}
        for name, value in names.items():
            if isinstance(value, FunctionType) and value is getattr(reference, name, None):
                namespace[name] = getattr(simd, name)
            elif isinstance(value, FunctionType) and value.__module__ != module and value.__module__.startswith(package):
                namespace[name] = namespace_of(value.__module__)[value.__name__]
            elif isinstance(value, FunctionType) and value.__module__ == module:
                function = FunctionType(value.__code__, namespace, name)
                namespace[name] = jit(function, **POLICY, **options, forceinline=True)
        return namespace

    return namespace_of(loop.__module__)[loop.__name__]


def _module(loop: Loop, symbol: str, arguments: list[Any]) -> Any:
    """Return the optimised LLVM module of a loop, with the function ``symbol`` as its only entry."""
    try:
        from . import numba_target

        dispatcher = jitted(loop, numba_target.jit, **STANDALONE)
        dispatcher.compile(tuple(numba.typeof(argument) for argument in arguments))
    except (AttributeError, ImportError, TypeError) as error:  # Numba's internals have changed
        raise Unfit(str(error)) from None
    module = llvm.parse_assembly(dispatcher.inspect_llvm(dispatcher.signatures[0]))
    compiled = module.get_function(dispatcher.overloads[dispatcher.signatures[0]].fndesc.llvm_func_name)
    compiled.name = f"{symbol}.loop"
    parameter_types = [str(argument.type) for argument in compiled.arguments]
    if len(parameter_types) != len(words(arguments)) + 2:
        raise Unfit(f"{symbol} takes its arguments in another way")
    module.link_in(llvm.parse_assembly(_entry(symbol, parameter_types)))
    for function in module.functions:
        if not function.is_declaration and function.name != symbol:
            function.linkage = "internal"
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    # A vector is four registers already: unrolled code is no faster, and takes a second to compile.
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine(), options)
    builder.getModulePassManager().run(module, builder)
    external = {function.name for function in module.functions if function.is_declaration} - C_FUNCTIONS
    if not all(name.startswith("llvm.") for name in external):
        raise Unfit(f"{symbol} needs {', '.join(sorted(external))}")
    return module


def _entry(symbol: str, parameter_types: list[str]) -> str:
    """Return LLVM code of a function that takes the address of 64-bit words, one for each argument of the loop.

    ctypes passes one address much faster than hundreds of arguments. The first two parameters of the loop are where Numba
    writes the return value and the exception; the loops have neither.
    """
    loads = "".join(
        f"  %address{i} = getelementptr i64, ptr %words, i64 {i}\n  %word{i} = load {kind}, ptr %address{i}\n"
        for i, kind in enumerate(parameter_types[2:])
    )
    passed = ", ".join(["ptr %unused", "ptr %unused", *(f"{kind} %word{i}" for i, kind in enumerate(parameter_types[2:]))])
    return (
        f"declare i32 @{symbol}.loop({', '.join(parameter_types)})\n"
        f"define i32 @{symbol}(ptr %words) {{\n"
        f"  %unused = alloca ptr\n{loads}  %failed = call i32 @{symbol}.loop({passed})\n  ret i32 %failed\n}}\n"
    )
