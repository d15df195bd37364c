"""A generator with its parameters, as -k and config files write them."""

from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from ..errors import nearest
from .foreign_names import generators_meant, parameter_meant
from .generators import GENERATORS, Formula
from .parameters import Lengths, ParameterError, Sides, Value, pair, spelled

Parameters: TypeAlias = tuple[tuple[str, Value], ...]
"""Names of parameters with their values."""

ANGLES = ("angle", "theta", "psi")
"""Parameters in degrees."""


class GeneratorCall(Struct, frozen=True):
    """A generator with its parameters."""

    generator: str
    parameters: Parameters = ()

    @property
    def all_parameters(self) -> dict[str, Value]:
        """All parameters of the generator, with their values in this call."""
        function = GENERATORS[self.generator]
        code = function.__code__
        defaults = dict(zip(code.co_varnames[: code.co_argcount], function.__defaults__ or (), strict=True))
        return {**defaults, **dict(self.parameters)}

    def change(self, parameters: Parameters) -> "GeneratorCall":
        """Return a call with other values for some parameters. Raises ParameterError for unknown parameters."""
        kinds = GENERATORS[self.generator].__annotations__
        errors = []
        for name, value in parameters:
            if name not in self.all_parameters:
                meant = parameter_meant(name, self.all_parameters) or nearest(name, self.all_parameters)
                hint = f"; did you mean {meant!r}?" if meant else generators_with(name)
                errors.append((name, f"there is no parameter {name!r}; it takes {', '.join(self.all_parameters)}{hint}"))
            elif isinstance(value, tuple) and kinds[name] not in (Sides, Lengths):
                errors.append((name, f"{name} must be one number, not rows x columns, got {spelled(value)}"))
            elif kinds[name] in (int, Sides) and any(number != int(number) for number in pair(value)):
                errors.append((name, f"{name} must be a whole number, got {spelled(value)}"))
        if errors:
            raise ParameterError(*errors)
        merged = {**dict(self.parameters), **dict(parameters)}
        return replace(self, parameters=tuple(merged.items()))

    def formula(self) -> Formula:
        """Return the formula of the matrix. Raises ParameterError if a parameter is out of range."""
        kinds = GENERATORS[self.generator].__annotations__
        values = {name: _as_kind(value, kinds[name]) for name, value in self.parameters}
        return GENERATORS[self.generator](**values)


def _as_kind(value: Value, kind: Any) -> Value:
    """Return a value with whole numbers as ints where the type of the parameter is one of these."""
    number = int if kind in (int, Sides) else float
    return (number(value[0]), number(value[1])) if isinstance(value, tuple) else number(value)


def takes_none(kind: str, name: str, parameters: Parameters) -> str:
    """Return the error message for a kernel or bank (``kind``) that takes no parameters.

    >>> takes_none("kernel", "blur", (("sigma", 3.0),))
    "kernel 'blur' takes no parameters, got sigma; did you mean 'gaussian:sigma=3'?"
    """
    given = dict(parameters)
    fault = f"{kind} {name!r} takes no parameters, got {next(iter(given))}"
    calls = [GeneratorCall(generator) for generator in generators_meant(name)]
    calls.sort(key=lambda call: not given.keys() <= call.all_parameters.keys())  # first those that take all of them
    for call in calls:
        accepted = call.all_parameters
        meant = {key: key if key in accepted else parameter_meant(key, accepted) for key in given}
        if all(meant.values()):
            values = (f"{meant[key]}={spelled(value) if meant[key] == key else 'NUMBER'}" for key, value in given.items())
            return f"{fault}; did you mean '{call.generator}:{','.join(values)}'?"
    return fault + generators_with(next(iter(given)))


def generators_with(name: str) -> str:
    """Return the end of an error message that names the generators with this parameter; empty if there are none.

    >>> generators_with("sigma")
    "; 'sigma' is a parameter of gaussian, unsharp, log, gabor"
    """
    generators = [generator for generator in GENERATORS if name in GeneratorCall(generator).all_parameters]
    return f"; {name!r} is a parameter of {', '.join(generators)}" if generators else ""
