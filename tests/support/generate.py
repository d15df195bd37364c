"""Generates files that follow from others: parts of the JSON schema and of the manual, and the parsed built-in kernels.toml.

    python tests/support/generate.py

Run it after a change of OPS, of a layer class, of KEYS, of the borders or of kernels.toml; until then a test fails.
"""

import json
import re
import tomllib
from pathlib import Path

from msgspec import NODEFAULT

from convcli.config.built_in import PARSED, digest_of
from convcli.config.layer_keys import KEYS, keys_of
from convcli.config.layer_spec import MAX_INPUTS, WAYS, weight_keys
from convcli.config.search_path import built_in_file
from convcli.geometry.borders import BORDER_ALIASES, BORDERS
from convcli.networks.joins import Join
from convcli.networks.op_registry import OPS

PACKAGE = Path(__file__).resolve().parents[2] / "convcli"
SCHEMA = PACKAGE / "config" / "kernels.schema.json"
MANUAL = PACKAGE / "manual" / "networks.md"
WIDTH = 128

NAME = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_.-]*$", "description": "the op and a number where none is given"}
WEIGHTS = {
    "kernel": "weights: a kernel, as after -k",
    "bank": "weights: a bank, or a kernel in the syntax of -k",
    "file": "weights: a .npy, .npz or .safetensors file, beside this one",
    "key": "the array of weights in the file",
    "layout": "the axes of that array",
    "pointwise": "the array of 1 x 1 weights in the file",
    "mean": "the array of means in the file",
    "variance": "the array of variances in the file",
}
INPUTS = "the layer whose output it takes, by name, or the list of those that it joins; the layer before where none is given"
BIAS = "the array of biases in the file; without weights, whether the layer has biases"

PLAIN = {name: key for name, key in KEYS.items() if "." not in name}
VARIED = {name.rpartition(".")[2] for name in KEYS.keys() - PLAIN.keys()}
"""Keys whose rule differs between operations."""


def formatted(value, indent=0, used=0):
    """Format JSON: a value stands on one line where it fits. ``used`` is the width of the text before it on that line."""
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
    """The schema of a layer: all keys, then a rule for each operation."""
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
            "input": {
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "minItems": 1, "maxItems": MAX_INPUTS, "items": {"type": "string"}},
                ],
                "description": INPUTS,
            },
            "bias": {"type": ["boolean", "string"], "description": BIAS},
        },
        "allOf": [{"if": {"properties": {"op": {"const": name}}}, "then": op_schema(name, op)} for name, op in OPS.items()],
    }


def op_schema(name, op):
    """The keys that an operation allows and requires, as ``layer_spec`` reads it."""
    sources, required = weight_keys(op), op.required
    rules = {"propertyNames": {"enum": ["op", "name", "input", *op.keys, *sources]}}
    varied = {key: rule.schema for key, rule in keys_of(name).items() if key in VARIED}
    is_join = issubclass(op.layer, Join)
    varied["input"] = {"type": "array", "minItems": 2} if is_join else {"minItems": 1, "maxItems": 1}
    if "layout" in sources:
        axes = op.arrays["weight"][1]
        varied["layout"] = {
            "pattern": "|".join(map(any_order, dict.fromkeys((axes.replace("11", "hw"), axes.replace("11", "")))))
        }
    rules["properties"] = varied
    ways = [way for way in WAYS if way in sources]
    if required and ways:
        alternatives = [["connections", *(key for key in required if key != "filters")]] if "connections" in op.keys else []
        rules["anyOf"] = [{"required": list(keys)} for keys in (required, *alternatives, *([way] for way in ways))]
    elif required or is_join:
        rules["required"] = [*required, *(["input"] if is_join else [])]
    if sources:
        rules |= weight_rules(op, ways)
    return rules


def any_order(axes):
    """A regular expression that matches these letters, in lower or upper case, in any order."""
    return "^" + "".join(f"(?=.*[{axis}{axis.upper()}])" for axis in axes) + f".{{{len(axes)}}}$"


def weight_rules(op, ways):
    """Weights come from one source; the keys of arrays require a file."""
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
    sources = {way: rule for way, rule in beside.items() if rule}
    return {"dependencies": sources | {key: ["file"] for key in of_file}, **rules}


def make_schema():
    """The text of the schema, with the definitions of layers and borders generated again."""
    schema = json.loads(SCHEMA.read_text("utf-8"))
    schema["definitions"]["layer"] = layer_schema()
    schema["definitions"]["border"]["anyOf"][0]["enum"] = [*BORDERS, *BORDER_ALIASES]
    return formatted(schema) + "\n"


def default_of(value):
    """The text of a default, to stand after its key."""
    if value is NODEFAULT:
        return " (required)"
    if value is None:
        return ""
    if isinstance(value, tuple):
        return f" {value[0]}" if len(set(value)) == 1 else f" {list(value)}"
    if isinstance(value, bool):
        return f" {str(value).lower()}"
    return f" {value:.10f}".rstrip("0").rstrip(".") if isinstance(value, float) else f" {value}"


def op_table():
    """The table of operations: what each computes, and its keys with their defaults."""
    rows = []
    for name, op in OPS.items():
        about = (op.about or op.layer.__doc__).partition("\n\n")[0].replace("``", "`").rstrip(".")
        keys = ", ".join(f"`{key}`{default_of(value)}" for key, value in op.defaults.items())
        rows.append(f"| `{name}` | {' '.join(about.split())} | {keys or 'none'} |")
    return ["| op | what it computes | keys, with their defaults |", "|---|---|---|", *rows]


def key_table():
    """The table of keys and their meanings."""
    rows = []
    for name, key in KEYS.items():
        op, _, key_name = name.rpartition(".")
        rows.append(f"| `{key_name}`{f' of `{op}`' if op else ''} | {key.about} |")
    return ["| key | what it means |", "|---|---|", *rows, f"| `bias` | {BIAS} |", f"| `input` | {INPUTS} |"]


def make_manual():
    """The text of the manual, with its tables generated again. A table begins with its heading and ends at an empty line."""
    text = MANUAL.read_text("utf-8")
    for heading, table in ((r"\| op \|", op_table()), (r"\| key \|", key_table())):
        text, count = re.subn(rf"^{heading}.*?\n\n", lambda _: "\n".join(table) + "\n\n", text, flags=re.M | re.S)  # noqa: B023
        assert count == 1, f"{MANUAL}: one table must begin with {heading}, got {count}"
    return text


def make_built_in():
    """The built-in kernels.toml as JSON, with the digest of its text."""
    text = built_in_file().read_text("utf-8")
    return (
        json.dumps({"digest": digest_of(text), "tables": tomllib.loads(text)}, ensure_ascii=False, separators=(",", ":")) + "\n"
    )


FILES = {SCHEMA: make_schema, MANUAL: make_manual, PARSED: make_built_in}
"""The generated files, and the function that makes the text of each."""

if __name__ == "__main__":
    for path, make in FILES.items():
        path.write_text(make(), "utf-8")
