"""The curves of an ICC profile: those of profiles that describe colours by three curves and a matrix, or grey by one curve.

Source: ICC.1:2022, https://www.color.org/specification/ICC.1-2022-05.pdf: header 7.2, tags 7.3, curveType 10.6,
parametricCurveType 10.18.
"""

import struct
from typing import Any

from .curves import Curve, ParametricCurve, power_curve

HEADER_BYTES, SIGNATURE, COLOUR_SPACE = 128, slice(36, 40), slice(16, 20)
CURVE_TAGS = {b"RGB ": (b"rTRC", b"gTRC", b"bTRC"), b"GRAY": (b"kTRC",)}
PARAMETERS = ("gamma", "gamma a b", "gamma a b e", "gamma a b c d", "gamma a b c d e f")
"""Names of the parameters of each function of parametricCurveType."""


class BrokenProfile(ValueError):
    """A profile that holds no curves. The message says why, after "its colour profile"."""


def curves_of_profile(profile: bytes) -> tuple[Curve, ...]:
    """Return the curves of red, green and blue, or that of grey; a single one where all are equal. Raises BrokenProfile."""
    space = profile[COLOUR_SPACE]
    if len(profile) < HEADER_BYTES + 4 or profile[SIGNATURE] != b"acsp":
        raise BrokenProfile("is damaged")
    if space not in CURVE_TAGS:
        raise BrokenProfile(f"is for {space.decode('latin-1').strip()}, not for RGB or grey")
    tags = _tags_of(profile)
    missing = [name.decode() for name in CURVE_TAGS[space] if name not in tags]
    if missing:
        raise BrokenProfile(f"has no curves ({', '.join(missing)}), only tables of colours")
    try:
        curves = [_curve_of(tags[name]) for name in CURVE_TAGS[space]]
    except (struct.error, IndexError):
        raise BrokenProfile("is damaged") from None
    if not all(curve.is_usable for curve in curves):
        raise BrokenProfile("has curves that do not grow from black to white")
    return tuple(curves[:1] if len(set(curves)) == 1 else curves)


def _tags_of(profile: bytes) -> dict[bytes, bytes]:
    """Return the data of the tags by their signatures."""
    (count,) = struct.unpack_from(">I", profile, HEADER_BYTES)
    entries = profile[HEADER_BYTES + 4 :][: 12 * min(count, 1000)]
    table = struct.iter_unpack(">4sII", entries[: len(entries) // 12 * 12])
    return {name: profile[begin : begin + size] for name, begin, size in table}


def _curve_of(tag: bytes) -> Curve:
    """Return the curve in the data of a tag. Raises BrokenProfile, struct.error and IndexError."""
    kind = tag[:4]
    if kind == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return power_curve(1.0)
        if count == 1:
            return power_curve(struct.unpack_from(">H", tag, 12)[0] / 256)
        if len(tag) < 12 + 2 * count:
            raise BrokenProfile("is damaged")
        return ParametricCurve(
            f"table of {count} values", table=tuple(v / 65535 for v in struct.unpack_from(f">{count}H", tag, 12))
        )
    if kind == b"para":
        (function,) = struct.unpack_from(">H", tag, 8)
        names = PARAMETERS[function].split()
        numbers = [number / 65536 for number in struct.unpack_from(f">{len(names)}i", tag, 12)]
        return _parametric(function, dict(zip(names, numbers, strict=True)))
    raise BrokenProfile(f"has curves of the kind {kind.decode('latin-1')}, not curv or para")


def _parametric(function: int, parameters: dict[str, Any]) -> Curve:
    """Return the curve of a function of parametricCurveType, whose parameters 1 and 2 say only that it begins at -b/a."""
    if function in (1, 2):
        a, b = parameters["a"], parameters["b"]
        if a == 0:
            raise BrokenProfile("has curves that do not grow from black to white")
        parameters |= {"d": -b / a, "f": parameters.get("e", 0.0)}
    name = f"gamma {parameters['gamma']:.6g}" + (" with a straight part" if function > 2 else "")
    return ParametricCurve(name, **parameters)
