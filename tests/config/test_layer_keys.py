"""What follows from the operations: the schema is as strict as the reader, and what is generated is not stale."""

import json
from pathlib import Path

import jsonschema
import pytest

import generate
from convcli.config.diagnostics import Diagnostics, Document
from convcli.config.field_values import Table
from convcli.config.layer_keys import KEYS
from convcli.config.layer_spec import read_layers, weight_keys
from convcli.networks.op_registry import OPS

VALUES = [2, 0, -1, 1023, 1024, 65535, 65536, True, False, 1.5, -0.5, 1e31]
VALUES += ["x", "2x1", "2X01", "0", "0x2", "1/9", "7", "-7.5", "same", "SAME_UPPER", "SAME", "edge", "mirror", "1,2x0,3", "1,2"]
VALUES += [[], [1], [0, 0], [1, 2], [1, 2, 3], [2, "2"], [[0, 1], [2]], [[0, 1], [2, 3]], [[0, 0]], [[1], [-1]], {}]
NAMES = {key for op in OPS.values() for key in (*op.keys, *weight_keys(op))}


@pytest.mark.parametrize("path", generate.FILES, ids=lambda path: path.name)
def test_what_is_generated_is_not_stale(path):
    """The schema and the manual say what the operations, their layers and their keys do."""
    assert path.read_text("utf-8") == generate.FILES[path](), f"{path} is stale; run: python tests/support/generate.py"


def test_every_key_belongs_to_an_operation():
    """None is left behind when an operation goes."""
    owned = {name for own, op in OPS.items() for key in op.keys for name in (f"{own}.{key}", key) if name in KEYS}
    assert owned == set(KEYS)


def least_tables(name, op):
    """The least that a config file can say of an operation: on its own, and with weights from each place."""
    yield {"op": name} | dict.fromkeys(op.required, 2)
    ways = [way for way in ("kernel", "bank", "file") if way in weight_keys(op)]
    needed = {op.arrays[role][0]: "array" for role in op.layer.needs if role != "weight"} if op.arrays else {}
    yield from ({"op": name, way: "some"} | (needed if way == "file" else {}) for way in ways)


def is_read(layer):
    """Whether the reader takes a layer."""
    diagnostics = Diagnostics(Document(Path("kernels.toml"), ""))
    read_layers(Table({"layers": [layer]}, ("networks", "n"), diagnostics), Path())
    return not diagnostics.faults


@pytest.mark.parametrize("op_name", OPS)
def test_the_schema_is_as_strict_as_the_reader(op_name):
    """Values of all kinds for each key of an operation, and a value for each key of others: both take them, or neither."""
    schema = json.loads(generate.SCHEMA.read_text("utf-8"))
    validator = jsonschema.Draft7Validator({"definitions": schema["definitions"], "$ref": "#/definitions/layer"})
    op = OPS[op_name]
    own = [*op.keys, *weight_keys(op)]
    if "bias" not in op.defaults:  # always there: what is said of it without a file is not read
        own = [key for key in own if key != "bias"]
    for least in least_tables(op_name, op):
        assert is_read(least), least
        assert validator.is_valid(least), least
        others = [(name, 2) for name in sorted(NAMES - {*own, *weight_keys(op)})]
        for name, value in (*((name, value) for name in own for value in VALUES), *others):
            layer = {**least, name: value}
            assert is_read(layer) == validator.is_valid(layer), layer
        for name in set(least) - {"op"}:
            layer = {key: value for key, value in least.items() if key != name}
            assert is_read(layer) == validator.is_valid(layer), layer
