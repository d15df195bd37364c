"""The keys of layers: the schema accepts what the parser accepts, and the generated files are up to date."""

import json
from pathlib import Path

import jsonschema
import pytest

import generate
from convcli.config.diagnostics import Diagnostics, Document
from convcli.config.field_values import Table
from convcli.config.layer_keys import KEYS
from convcli.config.layer_spec import read_layers, weight_keys
from convcli.networks.joins import Join
from convcli.networks.op_registry import OPS

VALUES = [2, 0, -1, 1023, 1024, 65535, 65536, True, False, 1.5, -0.5, 1e31]
VALUES += ["x", "2x1", "2X01", "0", "0x2", "1/9", "7", "-7.5", "same", "SAME_UPPER", "SAME", "edge", "mirror", "1,2x0,3", "1,2"]
VALUES += [[], [1], [0, 0], [1, 2], [1, 2, 3], [2, "2"], [[0, 1], [2]], [[0, 1], [2, 3]], [[0, 0]], [[1], [-1]], {}]
INPUTS = ["x", ["x"], ["x", "y"], ["x", "x", "y"], [], 3, ["x", 3], ["x"] * 64, ["x"] * 65, True, {}]
"""What a layer may be said to take, of earlier layers x and y."""

NAMES = {key for op in OPS.values() for key in (*op.keys, *weight_keys(op))}


@pytest.mark.parametrize("path", generate.FILES, ids=lambda path: path.name)
def test_generated_files_are_up_to_date(path):
    """The schema and the manual equal what the operations, their layers and their keys generate."""
    assert path.read_text("utf-8") == generate.FILES[path](), f"{path} is stale; run: python tests/support/generate.py"


def test_every_key_belongs_to_an_operation():
    """No key is left over when an operation is removed."""
    owned = {name for op_name, op in OPS.items() for key in op.keys for name in (f"{op_name}.{key}", key) if name in KEYS}
    assert owned == set(KEYS)


def shortest_tables(name, op):
    """The shortest valid tables of an operation: without weights, and with weights from each source."""
    yield {"op": name} | dict.fromkeys(op.required, 2) | ({"input": ["x", "y"]} if issubclass(op.layer, Join) else {})
    sources = [source for source in ("kernel", "bank", "file") if source in weight_keys(op)]
    array_keys = {op.arrays[role][0]: "array" for role in op.layer.needs if role != "weight"} if op.arrays else {}
    yield from ({"op": name, source: "some"} | (array_keys if source == "file" else {}) for source in sources)


def parser_accepts(layer):
    """Whether the parser accepts a layer after two others."""
    diagnostics = Diagnostics(Document(Path("kernels.toml"), ""))
    layers = [{"op": "relu", "name": "x"}, {"op": "relu", "name": "y"}, layer]
    read_layers(Table({"layers": layers}, ("networks", "n"), diagnostics), Path())
    return not diagnostics.faults


@pytest.mark.parametrize("op_name", OPS)
def test_the_schema_is_as_strict_as_the_parser(op_name):
    """Both accept a layer, or neither does: values of all kinds for each key, and a value for each key of other operations."""
    schema = json.loads(generate.SCHEMA.read_text("utf-8"))
    validator = jsonschema.Draft7Validator({"definitions": schema["definitions"], "$ref": "#/definitions/layer"})
    op = OPS[op_name]
    keys = [*op.keys, *weight_keys(op)]
    if "bias" not in op.defaults:  # its layers always have a bias; without a file the key is not checked
        keys = [key for key in keys if key != "bias"]
    for table in shortest_tables(op_name, op):
        assert parser_accepts(table), table
        assert validator.is_valid(table), table
        inputs = [("input", value) for value in INPUTS]
        others = [(name, 2) for name in sorted(NAMES - {*keys, *weight_keys(op)})]
        for name, value in (*((name, value) for name in keys for value in VALUES), *inputs, *others):
            layer = {**table, name: value}
            assert parser_accepts(layer) == validator.is_valid(layer), layer
        for name in set(table) - {"op"}:
            layer = {key: value for key, value in table.items() if key != name}
            assert parser_accepts(layer) == validator.is_valid(layer), layer
