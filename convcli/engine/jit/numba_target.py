"""A custom Numba target that translates a loop to an LLVM module without machine code.

Numba's own target would also optimise and compile each function that a loop calls, though none is called on its own. That would
take a third of the time. ``compile`` optimises the loop once, with all functions inlined.

A target is a few subclasses, as in Numba's example (numba/tests/test_target_extension.py): other users of Numba in the process
are not affected.
"""

from functools import cached_property
from typing import Any

from numba.core import codegen, registry
from numba.core.compiler_lock import global_compiler_lock


class _Library(codegen.JITCodeLibrary):
    """The LLVM module of one function, with the functions that it calls."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        manager, builder = self._codegen._module_pass_manager(opt=0)  # inlines what must be inlined
        manager.run(self._final_module, builder)

    def _finalize_specific(self) -> None:
        pass

    def get_pointer_to_function(self, name: str) -> int:
        """Return any address but 0, which would mean that the function does not exist. It is never called."""
        self._ensure_finalized()
        return 1


class _Codegen(codegen.JITCPUCodegen):
    _library_class = _Library

    def _add_module(self, module: Any) -> None:
        pass

    def set_env(self, env_name: str, env: Any) -> None:
        pass


class _Target(registry.CPUTarget):
    typing_context = registry.cpu_target.typing_context

    @cached_property
    def target_context(self) -> Any:
        """Numba's CPU context, with another code generator."""
        with global_compiler_lock:
            context = registry.cpu_target.target_context
            context.refresh()  # compiles Numba's runtime, once in a process, which this target could not
            return context.subtarget(_internal_codegen=_Codegen("convcli"))


class _Dispatcher(registry.CPUDispatcher):
    targetdescr = _Target("cpu")


def jit(function: Any, **options: Any) -> Any:
    """Compile as ``numba.njit`` does, for this target."""
    return _Dispatcher(function, targetoptions={"nopython": True, **options})
