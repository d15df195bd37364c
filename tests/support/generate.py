"""Writes what follows from the operations of networks and from the borders into the JSON schema and the manual.

    python tests/support/generate.py

Run it after a change of OPS, of a layer class, of KEYS or of the borders; a test fails until then.
"""

import json
import re
from dataclasses import MISSING
from pathlib import Path

from convcli.config.layer_keys import KEYS, keys_of
from convcli.config.layer_spec import WAYS, weight_keys
from convcli.geometry.borders import BORDER_ALIASES, BORDERS
from convcli.networks.op_registry import OPS

PACKAGE = Path(__file__).resolve().parents[2] / "convcli"
SCHEMA = PACKAGE / "config" / "kernels.schema.json"
MANUAL = PACKAGE / "manual" / "networks.md"
WIDTH = 128

NAME = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_.-]*$", "description": "the op and a number where none is given"}
WEIGHTS = {
    "kernel": "weights: a kernel, as after -k",
    "bank": "weights: a bank, or whatever -k takes",
    "file": "weights: a .npy, .npz or .safetensors file, beside this one",
    "key": "the array of weights in the file",
    "layout": "the axes of that array",
    "pointwise": "the array of 1 x 1 weights in the file",
    "mean": "the array of means in the file",
    "variance": "the array of variances in the file",
}
BIAS = "the array of biases in the file; without weights, whether the layer has biases"

PLAIN = {name: key for name, key in KEYS.items() if "." not in name}
VARIED = {name.rpartition(".")[2] for name in KEYS.keys() - PLAIN.keys()}
"""Keys that are not read alike in all operations."""


def formatted(value, indent=0, used=0):
    """JSON whose parts stand on one line where they fit; ``used`` characters stand beside this one."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or indent + used + len(line) <= WIDTH:
        return line
    inner = indent + 2
    if isinstance(value, dict):
        keys = [f"{json.dumps(key)}: " for key in value]
        parts = [key + formatted(part, inner, len(key) + 1) for key, part in zip(keys, value.values(), strict=True)]
    else:
        parts = [formatted(part, inner, 1) for part in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{' ' * inner}" + f",\n{' ' * inner}".join(parts) + f"\n{' ' * indent}{closing}"


def layer_schema():
    """What the schema says of a layer: all keys that there are, then those of each operation."""
    shared = {name: {**({} if name in VARIED else key.schema), "description": key.about} for name, key in PLAIN.items()}
    weights = {name: {"type": "string", "description": about} for name, about in WEIGHTS.items()}
    return {
        "type": "object",
        "description": "one layer of a network",
        "required": ["op"],
        "properties": {
            "op": {"enum": list(OPS), "description": "the operation"},
            **shared,
            **weights,
            "name": NAME,
            "bias": {"type": ["boolean", "string"], "description": BIAS},
        },
        "allOf": [{"if": {"properties": {"op": {"const": name}}}, "then": op_schema(name, op)} for name, op in OPS.items()],
    }


def op_schema(name, op):
    """What an operation allows and asks for, as ``layer_spec`` reads it."""
    sources, required = weight_keys(op), op.required
    rules = {"propertyNames": {"enum": ["op", "name", *op.keys, *sources]}}
    own = {key: rule.schema for key, rule in keys_of(name).items() if key in VARIED}
    if "layout" in sources:
        axes = op.arrays["weight"][1]
        own["layout"] = {"pattern": "|".join(map(any_order, dict.fromkeys((axes.replace("11", "hw"), axes.replace("11", "")))))}
    if own:
        rules["properties"] = own
    ways = [way for way in WAYS if way in sources]
    if required and ways:
        instead = [["connections", *(key for key in required if key != "filters")]] if "connections" in op.keys else []
        rules["anyOf"] = [{"required": list(keys)} for keys in (required, *instead, *([way] for way in ways))]
    elif required:
        rules["required"] = list(required)
    if sources:
        rules |= weight_rules(op, ways)
    return rules


def any_order(axes):
    """What matches these letters, in lower or upper case, in any order."""
    return "^" + "".join(f"(?=.*[{axis}{axis.upper()}])" for axis in axes) + f".{{{len(axes)}}}$"


def weight_rules(op, ways):
    """One place for the weights; the keys of arrays belong to a file."""
    keys = {role: key for role, (key, _) in op.arrays.items()}
    needed = [keys[role] for role in op.layer.needs if role != "weight"]
    of_file = [key for key in (*keys.values(), "layout") if key != "bias" and key in weight_keys(op)]
    beside = {way: {"not": {"anyOf": [{"required": [other]} for other in ways if other != way]}} for way in ways[:-1]}
    beside["file"] = {"required": needed} if needed else {}
    rules = {}
    if "bias" in op.defaults:
        for way in ways:
            beside[way]["properties"] = {"bias": {"not": {"const": True}} if way == "file" else {"const": False}}
        rules = {"if": {"not": {"required": ["file"]}}, "then": {"properties": {"bias": {"type": "boolean"}}}}
    of_ways = {way: rule for way, rule in beside.items() if rule}
    return {"dependencies": of_ways | {key: ["file"] for key in of_file}, **rules}


def make_schema():
    """The text of the schema, with the parts for layers and borders made anew."""
    schema = json.loads(SCHEMA.read_text("utf-8"))
    schema["definitions"]["layer"] = layer_schema()
    schema["definitions"]["border"]["anyOf"][0]["enum"] = [*BORDERS, *BORDER_ALIASES]
    return formatted(schema) + "\n"


def default_of(value):
    """The default of a key, as written after it in the manual."""
    if value is MISSING:
        return " (required)"
    if value is None:
        return ""
    if isinstance(value, tuple):
        return f" {value[0]}" if len(set(value)) == 1 else f" {list(value)}"
    if isinstance(value, bool):
        return f" {str(value).lower()}"
    return f" {value:.10f}".rstrip("0").rstrip(".") if isinstance(value, float) else f" {value}"


def op_table():
    """The operations with what they compute, and their keys with the defaults."""
    rows = []
    for name, op in OPS.items():
        about = (op.about or op.layer.__doc__).partition("\n\n")[0].replace("``", "`").rstrip(".")
        keys = ", ".join(f"`{key}`{default_of(value)}" for key, value in op.defaults.items())
        rows.append(f"| `{name}` | {' '.join(about.split())} | {keys or 'none'} |")
    return ["| op | what it computes | keys, with their defaults |", "|---|---|---|", *rows]


def key_table():
    """The keys with their meanings."""
    rows = []
    for name, key in KEYS.items():
        op, _, own = name.rpartition(".")
        rows.append(f"| `{own}`{f' of `{op}`' if op else ''} | {key.about} |")
    return ["| key | what it means |", "|---|---|", *rows, f"| `bias` | {BIAS} |"]


def make_manual():
    """The text of the manual, with its tables made anew: each begins with its heading, and ends with an empty line."""
    text = MANUAL.read_text("utf-8")
    for heading, table in ((r"\| op \|", op_table()), (r"\| key \|", key_table())):
        text, count = re.subn(rf"^{heading}.*?\n\n", lambda _: "\n".join(table) + "\n\n", text, flags=re.M | re.S)  # noqa: B023
        assert count == 1, f"{MANUAL}: one table must begin with {heading}, got {count}"
    return text


FILES = {SCHEMA: make_schema, MANUAL: make_manual}
"""The generated files, and what makes the text of each from the one that it has."""

if __name__ == "__main__":
    for path, make in FILES.items():
        path.write_text(make(), "utf-8")
