"""kernels.toml files: what their keys mean, and the errors of invalid files."""

import json
import re
import resource
import subprocess
import sys
import tomllib

import jsonschema
import numpy as np
import pytest
from msgspec.structs import replace
from numpy.testing import assert_allclose, assert_array_equal

import convcli
from config_cases import BAD, GOOD, UNREADABLE
from convcli.config import diagnostics, name_table
from convcli.config.load import load_registry
from convcli.config.reader import read_config
from convcli.config.search_path import ConfigLocation, built_in_file
from convcli.config.toml_positions import find_lines
from convcli.errors import KernelError
from convcli.kernels.generator_call import GeneratorCall


def registry_of(folder, text):
    """Load a config file with this text; the built-in kernels come after it."""
    path = folder / "k.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_registry([ConfigLocation(path, "test"), ConfigLocation(built_in_file(), "built in")])


def errors_of(folder, text):
    """The lines of the error, without the name of the file."""
    with pytest.raises(KernelError) as caught:
        registry_of(folder, text)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{folder / 'k.toml'}:") for line in lines)
    return [line.removeprefix(f"{folder / 'k.toml'}:") for line in lines]


@pytest.mark.parametrize("text", GOOD)
def test_valid_files_are_read(tmp_path, text):
    """Every kernel in the file can be made."""
    registry = registry_of(tmp_path, text)
    for name in registry.files[0].entries:
        assert registry.find(name).name == name


@pytest.mark.parametrize(("text", "line", "message"), [case[:3] for case in BAD] + UNREADABLE)
def test_errors_are_reported_with_their_line(tmp_path, text, line, message):
    """The error gives the line, the key, the rule and the value."""
    error = errors_of(tmp_path, text)[0]
    number, _, rest = error.partition(": ")
    assert message in rest
    assert int(number) == line, error


@pytest.fixture(scope="module")
def schema():
    """The schema as it is shipped, which is itself valid."""
    from convcli.cli.config import _packaged

    schema = json.loads(_packaged("kernels.schema.json"))
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def test_a_network_of_two_sections_is_checked_in_both(tmp_path):
    """A misspelt section is read too; the first network of a name counts, and the faults of both are reported."""
    network = "input = {{ channels = 1 }}\nlayers = [{{ op = '{op}' }}]\n"
    lines = errors_of(tmp_path, "[networks.a]\n" + network.format(op="nonsense") + "[network.a]\n" + network.format(op="no"))
    assert [line.split(":")[0] for line in lines] == ["3", "4", "4", "6"]


def test_files_of_the_built_in_networks_are_read_for_these_alone():
    """To find out which files a command may read. They exist, and hold the weights of all their layers."""
    networks = read_config(built_in_file()).networks
    assert [name for name, spec in networks.items() if spec.files] == ["lenet-5", "lenet-5-modern", "learned-colour"]
    registry = load_registry([ConfigLocation(built_in_file(), "built in")])
    for name, spec in networks.items():
        paths = [file.path for file in spec.files]
        assert registry.read_files(network=name) == [built_in_file(), *paths]
        assert all(path.is_file() for path in paths)
        assert not paths or not any(layer.lacks_weights for layer in registry.network(name).layers)
    assert registry.read_files() == [built_in_file()]


@pytest.mark.parametrize("text", [*GOOD, built_in_file().read_text()])
def test_the_schema_accepts_what_the_parser_accepts(schema, text):
    """Valid files, and the built-in one."""
    assert list(schema.iter_errors(tomllib.loads(text))) == []


@pytest.mark.parametrize(("text", "refused"), [(case[0], case[3]) for case in BAD])
def test_the_schema_rejects_what_the_parser_rejects(schema, text, refused):
    """Except for rules that a schema cannot express: other tables, numbers that depend on each other, and files."""
    assert bool(list(schema.iter_errors(tomllib.loads(text)))) == refused


def test_the_schema_lists_every_generator_and_parameter(schema):
    """The schema lists the generators and their parameters."""
    from convcli.kernels.generator_call import GeneratorCall
    from convcli.kernels.generators import GENERATORS

    part = schema.schema["definitions"]["part"]
    assert part["properties"]["generator"]["enum"] == list(GENERATORS)
    rules = {rule["if"]["properties"]["generator"]["const"]: rule for rule in part["allOf"] if "properties" in rule["if"]}
    for name in GENERATORS:
        accepted = set(GeneratorCall(name).all_parameters)
        assert accepted <= set(part["properties"])
        assert accepted == set(rules[name]["then"]["propertyNames"]["enum"]) & {
            parameter for other in GENERATORS for parameter in GeneratorCall(other).all_parameters
        }


def test_the_schema_and_the_starter_file_list_every_border(schema):
    """The schema and the starter file list the borders."""
    from convcli.cli.config import _packaged
    from convcli.geometry.borders import BORDER_ALIASES, BORDERS

    assert schema.schema["definitions"]["border"]["anyOf"][0]["enum"] == [*BORDERS, *BORDER_ALIASES]
    assert f"# zero, a number, {', '.join(BORDERS[1:])}\n" in _packaged("starter.toml")


def test_all_errors_of_a_file_are_reported(tmp_path):
    """They are in the order of the lines, also within one table."""
    text = (
        "[kernels.a]\nmatrix = [[1, 'x'], [2]]\ndivisor = 0\nabuot = 'x'\n"
        "[banks.b]\nkernels = ['no-such', 'a']\n[other.c]\n[kernels.d]\nsum = ['a', 'blur']\n[defaults]\nstride = 0\n"
    )
    errors = errors_of(tmp_path, text)
    assert [int(line.partition(":")[0]) for line in errors] == [2, 2, 3, 4, 6, 7, 11]
    text = text.replace("[other.c]", "").replace("stride = 0", "").replace("abuot", "about").replace("divisor = 0", "")
    text = text.replace("[[1, 'x'], [2]]", "[[1]]\nanchor = [1, 1]")
    errors = errors_of(tmp_path, text)
    assert [line.partition(": ")[2].partition(":")[0] for line in errors] == ["kernels.a.anchor", "banks.b.kernels[0]"]


def test_errors_of_all_kinds_are_reported_together(tmp_path):
    """A misspelt key does not hide an unknown name, a wrong parameter or a missing file, in one list or in several."""
    errors = errors_of(
        tmp_path,
        """
[kernels.mine]
matrix = [[1]]
divsor = 16
[banks.both]
kernels = ["mine", "sobelx@90", "sobel", "gaussian:sgma=3",
  "@q.npy", { file = "r.npy" }, { matrix = [[1]], xx = 1 }, "1 2 x", "sobel-x@45", ""]
[kernels.s]
sum = [{ file = "t.npy" }, { file = "u.npy" }, "nope"]
[kernels.g]
generator = "gaussian"
sigma = 0
[defaults]
border = "egde"
""",
    )
    keys = [line.partition(": ")[2].partition(": ")[0].removeprefix("banks.both.") for line in errors]
    listed = [f"kernels[{i}]" for i in (1, 2, 3)]
    after = ["kernels[4]", "kernels[5].file", "kernels[6].xx", "kernels[7]", "kernels[8]", "kernels[9]"]
    summed = ["kernels.s.sum[0].file", "kernels.s.sum[1].file", "kernels.s.sum[2]"]
    assert sorted(keys) == sorted(["kernels.mine.divsor", *listed, *after, *summed, "kernels.g.sigma", "defaults.border"])
    assert [int(line.partition(":")[0]) for line in errors] == [4, 6, 6, 6, *[7] * 6, 9, 9, 9, 12, 14]


def test_long_names_and_line_ends_give_one_short_line(tmp_path):
    """Names, keys and texts of any length are shortened."""
    text = f"[kernels.{'k' * 60000}]\n{'x' * 60000} = 1\n[banks.b]\nkernels = ['{'y' * 60000}', \"@a\\nb.npy\"]\n"
    errors = errors_of(tmp_path, text)
    assert len(errors) == 3
    assert all(len(line) < 500 for line in errors)
    assert "a\\nb.npy: no such file" in errors[2]


LARGE = [
    (f"[banks.b]\ngenerator = 'gabor'\nsigma = 60\ngrid = {{ theta = {list(range(256))} }}", "banks.b", 8_000_000),
    (f"[banks.b]\nkernels = {[f'gaussian:sigma={100 + i / 10}' for i in range(100)]}", "banks.b", 64_000_000),
    (f"[kernels.g]\ngenerator = 'gaussian'\nsigma = 100\n[kernels.s]\nsum = {['g'] * 900}", "kernels.s", 577_000_000),
    ("[kernels.s]\nsum = [" + "{ generator = 'gaussian', sigma = 100 }, " * 100 + "]", "kernels.s", 64_000_000),
]


@pytest.fixture
def computed(monkeypatch):
    """The shapes of the kernels that are computed by a formula."""
    shapes = []
    make = GeneratorCall.formula

    def recorded(generator_call):
        formula = make(generator_call)
        return replace(formula, compute=lambda: shapes.append(formula.shape) or formula.compute())

    monkeypatch.setattr(GeneratorCall, "formula", recorded)
    return shapes


@pytest.mark.parametrize(("text", "name", "least"), LARGE, ids=["grid", "list", "sum", "tables"])
def test_large_kernels_are_counted_before_they_are_made(tmp_path, text, name, least, computed):
    """The limit is checked before a weight is computed."""
    with pytest.raises(KernelError, match=rf"{name}: the .* have \d+ weights; the limit is 4000000") as caught:
        registry_of(tmp_path, text)
    assert int(re.search(r"have (\d+)", str(caught.value))[1]) >= least
    assert not computed


def test_kernels_of_a_command_line_are_counted_too(tmp_path, computed):
    """The limit holds for a bank with parameters, as for a kernel of a file."""
    bank = f"[banks.b]\ngenerator = 'gabor'\ngrid = {{ theta = {list(range(256))} }}"
    registry = registry_of(tmp_path, bank)
    with pytest.raises(KernelError, match=r"the kernels of the bank have \d+ weights; the limit is 4000000"):
        registry.find("b:sigma=60")
    assert not computed


def test_errors_after_large_kernels_are_found(tmp_path, computed):
    """Names, parameters, sides, anchors and channels after large kernels are checked, and only small kernels are computed."""
    text = (
        "".join(f"[kernels.g{i}]\ngenerator = 'gabor'\nsize = 1023\n" for i in range(100))
        + "[banks.b]\nkernels = ['g1@90', 'g2@180', 'nope']\n"
        + "[kernels.name]\nsum = ['neither']\n"
        + "[kernels.parameter]\ngenerator = 'gaussian'\nsigma = 0\n"
        + "[kernels.side]\nsum = ['g1', { generator = 'average', size = 1023, anchor = [0, 0] }]\n"
        + "[kernels.anchor]\nanchor = [1023, 0]\ngenerator = 'average'\nsize = 1023\n"
        + "[kernels.channels]\nsum = ['g1', { tensor = [[[1, 2]]] }]\n"
        + "[kernels.turned]\nrotate = 90\nanchor = [0, 5]\nsum = [{ matrix = [[1, 2, 3]] }, { matrix = [[1, 2, 3]] }]\n"
        + "[kernels.zero]\nnormalize = 'sum'\ngenerator = 'log'\n"
        + "[kernels.overflow]\ncolumn = [1e20]\nrow = [1e20]\n"
    )
    with pytest.raises(KernelError) as caught:
        registry_of(tmp_path, text)
    keys = [line.split(": ")[1] for line in caught.value.lines]
    assert keys == [
        "banks.b.kernels[2]",
        "kernels.name.sum[0]",
        "kernels.parameter.sigma",
        "kernels.side",
        "kernels.anchor.anchor",
        "kernels.channels.sum[1]",
        "kernels.turned.anchor",
        "kernels.zero.normalize",
        "kernels.overflow",
    ]
    assert set(computed) == {(13, 13)}


def test_a_file_that_takes_too_long_to_check_is_refused(tmp_path):
    """There is a limit for the weights that a check computes, and one for the number of kernels."""
    grid = f"generator = 'gabor'\ngrid = {{ theta = {list(range(500))} }}\n"
    for text in (
        "".join(f"[kernels.k{i}]\nnormalize = 'sum'\ngenerator = 'gabor'\nsize = 501\n" for i in range(5)),
        "".join(f"[banks.k{i}]\n{grid}" for i in range(50)),
    ):
        with pytest.raises(KernelError, match="more weights to check than a file may|more kernels than") as caught:
            registry_of(tmp_path, text)
        assert len(caught.value.lines) == 1


G = "[kernels.g]\ngenerator = 'gabor'\nnormalize = 'sum'\n"
SEVERAL = {
    "each item of a list": (
        "[kernels.a]\ncolumn = [1, 'x',\n'y']\nrow = [true, 1]\ntags = [1, 2]\nanchor = [-1, 'x']\n"
        "[kernels.b]\ntensor = [[['x', 'y'], [1, 2,\n'z']]]\n[banks.c]\ngenerator = 'average'\n"
        "grid = { size = [3, 3.5,\n-1, 5000] }",
        ["2: kernels.a.column", "3: kernels.a.column", "4: kernels.a.row", "5: kernels.a.tags", "5: kernels.a.tags"]
        + ["6: kernels.a.anchor", "6: kernels.a.anchor", "8: kernels.b.tensor", "8: kernels.b.tensor", "8: kernels.b.tensor"]
        + ["9: kernels.b.tensor", "12: banks.c.grid.size", "13: banks.c.grid.size", "13: banks.c.grid.size"],
    ),
    "beside a misspelt generator": (
        "[kernels.a]\ngenerator = 'gausian'\nsgma = 1\ntruncate = 'x'\ndivsor = 3\n"
        "[kernels.b]\ngenerator = 7\ndivsor = 3\nsigma = 1",
        ["2: kernels.a.generator", "3: kernels.a.sgma", "4: kernels.a.truncate", "5: kernels.a.divsor"]
        + ["7: kernels.b.generator", "8: kernels.b.divsor"],
    ),
    "beside a second definition of the weights": (
        "[kernels.a]\nmatrix = [['x']]\ncolumn = ['y']\nrow = [1]",
        ["1: kernels.a", "2: kernels.a.matrix", "3: kernels.a.column"],
    ),
    "where the definition of the weights is missing": (
        "[kernels.x]\nabout = 'no generator'\nsigma = 2\ntruncate = 3",
        ["1: kernels.x"],
    ),
    "beside a bad name": (
        "[kernels.'1x']\nmatrix = [['x']]\n[kernels.a]\nmatrix = [[1]]\n[banks.a]\nkernels = ['a']\nmerge = 'l3'",
        ["1: kernels.1x", "2: kernels.1x.matrix", "5: banks.a", "7: banks.a.merge"],
    ),
    "in a misspelt section": (
        "[kernel.mine]\nmatrix = [['x']]\n[kernel.yours]\nmatrix = [[1]]\n[banks.d]\nkernels = ['mine', 'yours', 'his']",
        ["1: kernel", "2: kernel.mine.matrix", "6: banks.d.kernels[2]"],
    ),
    "beside a second definition of a bank": (
        "[banks.c]\nkernels = ['nope', { matrix = [['x']] }]\ngenerator = 'gabor'\ngrid = { theta = ['y'] }\n"
        "divisor = 0\nmerge = 'l3'",
        ["1: banks.c", "2: banks.c.kernels[0]", "2: banks.c.kernels[1].matrix", "4: banks.c.grid.theta", "5: banks.c.divisor"]
        + ["6: banks.c.merge"],
    ),
    "a key beside a wrong layout": (
        "[kernels.a]\nfile = 'f.npy'\nkey = 'x'\nlayout = 'oihx'\n[kernels.b]\nfile = 'gone.npy'\nlayout = 'x'",
        ["3: kernels.a.key", "4: kernels.a.layout", "6: kernels.b.file", "7: kernels.b.layout"],
    ),
    "beside a repeated value": (
        "[banks.o]\ngenerator = 'gaussian'\ngrid = { sigma = [1, -1,\n0, 1] }\n"
        "[banks.p]\ngenerator = 'gaussian'\nsigma = 1\ngrid = { sigma = [1,\n0] }",
        ["3: banks.o.grid.sigma", "3: banks.o.grid.sigma", "4: banks.o.grid.sigma"]
        + ["8: banks.p.grid.sigma", "9: banks.p.grid.sigma"],
    ),
    "an index and an anchor": (
        "[kernels.a]\nfile = 'f.npy'\nindex = 9\nanchor = [9, 9]",
        ["3: kernels.a.index", "4: kernels.a.anchor"],
    ),
    "a key of rare characters": (
        '[kernels.a]\nmatrix = [[1]]\n[kernels."\\U0001F600\\u00e9\\\\U"]\nmatrix = [[1]]',
        ["3: kernels.\U0001f600\xe9\\U"],
    ),
    "an error after a matrix of many lines": (
        "[kernels.a]\nmatrix = [\n[1, # ]\n2], [3,\n4]]\n[kernels.b]\nmatrx = 1\n[banks.c]\nkernels = ['a',\n'b', 'nosuch']",
        ["7: kernels.b.matrx", "10: banks.c.kernels[2]"],
    ),
    "weights after parameters": (
        f"[kernels.early]\ngenerator = 'gaussian'\nsigma = 0\n{G}[banks.b]\nkernels = ['blur', 'g:psi=90']\n"
        "[kernels.late]\nsum = ['nope']",
        ["3: kernels.early.sigma", "8: banks.b.kernels[1]", "10: kernels.late.sum[0]"],
    ),
    "weights within a sum": (f"{G}[kernels.s]\nsum = [\n'blur',\n'g:psi=90']", ["7: kernels.s.sum[1]"]),
    "an overflow that is divided away": (
        "[kernels.p]\ncolumn = [1e20]\nrow = [1e20]\ndivisor = 1e30\n[kernels.a]\nmatrix = [[1e30]]\n"
        "[kernels.s]\nsum = ['a', 'a']\ndivisor = 4",
        ["1: kernels.p", "7: kernels.s"],
    ),
    "an overflow of offsets": (
        "[kernels.a]\nmatrix = [[0]]\noffset = 1e30\n[kernels.b]\nsum = [{ kernel = 'a', weight = 1e30 }]",
        ["4: kernels.b"],
    ),
    "an overflow of parameters": (
        "[kernels.g]\ngenerator = 'log'\ndivisor = 1e-29\n[kernels.s]\nsum = [{ kernel = 'g:sigma=0.2', weight = 1e-20 }]",
        ["5: kernels.s.sum[0]"],
    ),
    "several in one list": (
        "[kernels.bad]\ngenerator = 'gaussian'\nsigma = 0\ntruncate = 0\n[banks.b]\nkernels = ['bad', 'nope', 'sobel']\n"
        "[kernels.s]\nsum = ['bad', 'nope2', { generator = 'gaussian', sigma = 0 }, 'sobel', 'blur', { tensor = [[[1]]] }]",
        ["3: kernels.bad.sigma", "4: kernels.bad.truncate", "6: banks.b.kernels[1]", "6: banks.b.kernels[2]"]
        + ["8: kernels.s.sum[1]", "8: kernels.s.sum[2].sigma", "8: kernels.s.sum[3]", "8: kernels.s.sum[5]"],
    ),
    "several in one kernel": (
        "[banks.f]\ngenerator = 'gabor'\nanchor = [99, 99]\n[banks.f.grid]\nsigma = [1, -1, -2]\ngamma = [0, 1]\n"
        "[kernels.z]\nnormalize = 'sum'\nmatrix = [[1, -1]]\nanchor = [7, 7]",
        ["3: banks.f.anchor", "5: banks.f.grid.sigma", "5: banks.f.grid.sigma", "6: banks.f.grid.gamma"]
        + ["8: kernels.z.normalize", "10: kernels.z.anchor"],
    ),
    "all other errors beside an unknown key": (
        "[kernels.a]\nfile = 'gone.npy'\nabot = 'x'\n[banks.b]\nfile = 'w.npy'\nlayout = 'oihw'\nmerg = 'l2'\n"
        "[kernels.c]\nmatrix = [[1, 2], [3, 4]]\nanchor = [5, 5]\ndivsor = 2\n"
        "[banks.d]\nmerg = 'l2'\ngenerator = 'gabor'\ngrid = { wavelength = [-4] }\n"
        "[kernels.e]\nmatrix = [[1, -1]]\nnormalize = 'sum'\nabot = 'x'\n"
        "[kernels.f]\nsum = [{ file = 'w.npy', index = 7, weigt = 2 }]\n"
        "[kernels.g]\ndivisor = 0\ngenerator = 'disk'\nradius = -1",
        [
            "2: kernels.a.file",
            "3: kernels.a.abot",
            "6: banks.b.layout",
            "7: banks.b.merg",
            "10: kernels.c.anchor",
            "11: kernels.c.divsor",
        ]
        + ["13: banks.d.merg", "15: banks.d.grid.wavelength", "18: kernels.e.normalize", "19: kernels.e.abot"]
        + ["21: kernels.f.sum[0].index", "21: kernels.f.sum[0].weigt", "23: kernels.g.divisor", "25: kernels.g.radius"],
    ),
    "no consequences of a misspelt key": (
        "[kernels.a]\ngenerator = 'average'\nsiez = 9\nanchor = [8, 8]\n[kernels.b]\nmatrx = [[1, 2]]\nanchor = [0, 1]\n"
        "[kernels.c]\nfile = 'w.npy'\nlayot = 'wh'\nindex = 3\n[kernels.d]\nanchor = [3, 3]",
        ["3: kernels.a.siez", "6: kernels.b.matrx", "10: kernels.c.layot", "12: kernels.d"],
    ),
    "weights beside other errors": (
        "[kernels.s]\nsum = [{ matrix = [[1, -1]], normalize = 'sum' }, 'nosuch']\n"
        "[kernels.t]\ndivisor = 0\nsum = [{ matrix = [[1, -1]], normalize = 'sum' }]\n"
        "[kernels.u]\nsum = [{ matrix = [[1, -1]], normalize = 'sum' }, { matrix = [[0]], normalize = 'abs' }]\n"
        "[kernels.v]\nsum = [{ matrix = [[1, -1]], normalize = 'sum' }, '@none.npy']",
        ["2: kernels.s.sum[0].normalize", "2: kernels.s.sum[1]", "4: kernels.t.divisor", "5: kernels.t.sum[0].normalize"]
        + ["7: kernels.u.sum[0].normalize", "7: kernels.u.sum[1].normalize", "9: kernels.v.sum[0].normalize"],
    ),
    "a bound exceeded by rounding": (
        "[kernels.a]\nmatrix = [[1]]\noffset = 1e30\n[kernels.b]\nmatrix = [[1]]\noffset = 5e13\n"
        "[kernels.s]\nsum = ['a', 'b', 'b']",
        ["7: kernels.s"],
    ),
    "depth above a weight file": (
        "".join(f"[kernels.c{i}]\nsum = ['c{i + 1}']\n" for i in range(20)) + "[kernels.c20]\nsum = ['@w.npy']",
        ["2: kernels.c0.sum[0]", "4: kernels.c1.sum[0]"],
    ),
    "weights beside a misspelt key of their bank": (
        "[banks.b]\nmerg = 'l2'\nkernels = ['blur', { matrix = [[1, -1]], normalize = 'sum' }, 'nope']",
        ["2: banks.b.merg", "3: banks.b.kernels[1].normalize", "3: banks.b.kernels[2]"],
    ),
    "a cycle after another error": (
        "[kernels.m]\nsum = ['k']\n[kernels.k]\nsum = ['nope', 'j']\n[kernels.j]\nsum = ['k']\n[banks.b]\nkernels = ['m']",
        ["2: kernels.m.sum[0]", "4: kernels.k.sum[0]", "4: kernels.k.sum[1]", "6: kernels.j.sum[0]", "8: banks.b.kernels[0]"],
    ),
    "depth of kernels that are defined in others": (
        "[kernels.k1]\nmatrix = [[1]]\n"
        + "".join(f"[kernels.k{i}]\nsum = ['k{i - 1}']\n" for i in range(2, 20))
        + "[kernels.a]\nsum = [{ sum = ['k18', 'gaussian:sigma=2'] }]\n[kernels.b]\nsum = ['blur', { sum = ['k19'] }]\n"
        + "[kernels.c]\nsum = ['k19', 'a']",
        ["42: kernels.b.sum[1]", "44: kernels.c.sum[1]"],
    ),
    "a kernel that others name": (
        "[kernels.a]\ngenerator = 'disk'\nradius = -1\n[kernels.b]\nsum = ['a']\n[banks.c]\nkernels = ['a', 'b']",
        ["3: kernels.a.radius"],
    ),
}


@pytest.mark.parametrize(("text", "places"), SEVERAL.values(), ids=SEVERAL)
def test_several_errors_are_reported_each_at_its_place(tmp_path, text, places):
    """Errors in names, parameters, sides and weights are all reported, in the order of the lines."""
    np.save(tmp_path / "w.npy", np.ones((3, 3)))
    np.save(tmp_path / "f.npy", np.ones((4, 3, 5, 5)))
    with pytest.raises(KernelError) as caught:
        registry_of(tmp_path, text)
    errors = [": ".join(line.split(":", 1)[1].split(": ")[:2]) for line in caught.value.lines if "none.npy" not in line]
    assert sorted(errors) == sorted(places)
    assert [int(line.partition(":")[0]) for line in errors] == [int(place.partition(":")[0]) for place in places]


@pytest.mark.parametrize(
    "text",
    [
        "[kernels.k]\ngenerator = 'gaussian'\nsigma = 100\nnormalize = 'abs'",
        f"[banks.k]\ngenerator = 'gabor'\nsize = 61\nnormalize = 'l2'\ngrid = {{ theta = {list(range(0, 180, 2))} }}",
        "[kernels.k]\ngenerator = 'gabor'\npsi = 1e26",
    ],
)
def test_large_normalized_kernels_are_accepted(tmp_path, text, computed):
    """They are accepted, and the check computes nothing."""
    registry = registry_of(tmp_path, text)
    assert not computed
    kernels = getattr(registry.find("k"), "kernels", None) or [registry.find("k")]
    assert all(np.isfinite(kernel.weights).all() for kernel in kernels)


def test_a_bank_in_a_bank_keeps_its_range(tmp_path):
    """The range of an inner bank applies to its kernels."""
    text = "[banks.inner]\nkernels = ['sobel-x', 'blur']\nrange = 'center'\n[banks.outer]\nkernels = ['inner', 'edge']"
    kernels = registry_of(tmp_path, text).find("outer").kernels
    assert [kernel.range for kernel in kernels] == ["center", "center", None]


def test_at_most_a_hundred_errors_are_reported(tmp_path):
    """A hundred errors are reported, and a line that there may be more."""
    text = "[kernels.k]\nmatrix = [" + "['x', 'y'],\n" * 200 + "]"
    errors = errors_of(tmp_path, text)
    assert len(errors) == 101
    assert errors[-1] == " and perhaps more; mend these first"
    for text in ("".join(f"x{i} = 1\n" for i in range(200)), "[kernels.k]\nmatrix = [" + "['x', 'y', 'z'],\n" * 200 + "]"):
        assert len(errors_of(tmp_path, text)) == 101


def test_keys_have_their_meaning(tmp_path):
    """The weights equal the same computation in NumPy."""
    registry = registry_of(
        tmp_path,
        """
[kernels.divided]
matrix = [["1/4", 2], [3, "sqrt(2)"]]
divisor = 2
[kernels.product]
column = [1, 2, 3]
row = [4, 5]
normalize = "sum"
[kernels.long]
generator = "gaussian"
sigma = 1.5
normalize = "l2"
[kernels.rotated]
matrix = [[1, 2, 3], [4, 5, 6]]
rotate = 90
anchor = [1, 2]
offset = "255/2"
range = "center"
tags = ["a", "b"]
[kernels.colour]
tensor = [[[1, 2, 3]], [[4, 5, -6]]]
normalize = "abs"
""",
    )
    assert_allclose(registry.find("divided").weights, [[0.125, 1], [1.5, 2**0.5 / 2]])
    assert_allclose(registry.find("product").weights, np.outer([1, 2, 3], [4, 5]) / 54)
    assert np.linalg.norm(registry.find("long").weights) == pytest.approx(1)
    rotated = registry.find("rotated")
    assert_array_equal(rotated.weights, np.rot90([[1, 2, 3], [4, 5, 6]]))
    assert rotated.weights[rotated.anchor] == 6
    assert (rotated.offset, rotated.range, rotated.tags) == (127.5, "center", ("a", "b"))
    assert_allclose(registry.find("colour").weights, np.array([[[1, 2, 3]], [[4, 5, -6]]]) / 21)


def test_a_sum_is_the_sum_of_padded_kernels(tmp_path):
    """Kernels are aligned by their anchors, also even ones and those with an anchor off the centre."""
    text = (
        "[kernels.even]\nmatrix = [[1, 2], [3, 4]]\n[kernels.left]\nmatrix = [[5, 6, 7]]\nanchor = [0, 0]\noffset = 10\n"
        "[kernels.k]\nsum = ['even', { kernel = 'left', weight = -2 }, { matrix = [[1], [1], [1]], weight = '1/2' }]\n"
    )
    kernel = registry_of(tmp_path, text).find("k")
    assert_array_equal(kernel.weights, [[0.5, 0, 0], [1 - 10 + 0.5, 2 - 12, -14], [3.5, 4, 0]])
    assert kernel.anchor == (1, 0)
    assert kernel.offset == -20
    halved = registry_of(tmp_path, text + "divisor = 2\n").find("k")
    assert halved.offset == -10
    assert_array_equal(halved.weights, kernel.weights / 2)
    middle = registry_of(tmp_path, "[kernels.a]\nmatrix = [[1, 0]]\nanchor = [0, 0]\n[kernels.s]\nsum = ['a']\n").find("s")
    assert middle.anchor == (0, 0)


def test_the_response_to_a_sum_is_the_sum_of_responses(tmp_path):
    """A sum of kernels is computed as one convolution."""
    text = "[kernels.k]\nsum = [{ kernel = 'identity', weight = 1.6 }, { generator = 'gaussian', sigma = 1.5, weight = -0.6 }]"
    registry = registry_of(tmp_path, text)
    image = np.random.default_rng(3).uniform(size=(20, 24))
    expected = 1.6 * image - 0.6 * convcli.filter2d(image, registry.find("gaussian:sigma=1.5").weights)
    assert_allclose(convcli.filter2d(image, registry.find("k").weights), expected, atol=1e-12)


def test_banks_contain_their_kernels(tmp_path):
    """Names and tables in a list; a grid with parameters; the range of a bank applies to its kernels."""
    registry = registry_of(
        tmp_path,
        """
[banks.listed]
kernels = ["sobel-x", "sobel-x@90", "frei-chen-basis", { matrix = [[1, 2]] }, { name = "own", generator = "disk" }]
range = "center"
[banks.own]
kernels = [{ matrix = [[1]], range = "clip" }, "blur"]
range = "abs"
[banks.run]
generator = "gabor"
wavelength = 5
grid = { theta = [0, 22.5], psi = [0, 90] }
normalize = "l2"
[banks.one]
kernels = ["sobel-x", "sobel-y"]
merge = "mean"
""",
    )
    listed = registry.find("listed")
    assert [kernel.name for kernel in listed.kernels[:2]] == ["sobel-x", "sobel-x@90"]
    assert [kernel.name for kernel in listed.kernels[-2:]] == ["listed-3", "own"]
    assert len(listed.kernels) == 13
    assert {kernel.range for kernel in listed.kernels} == {"center"}
    assert [kernel.range for kernel in registry.find("own").kernels] == ["clip", "abs"]
    run = registry.find("run")
    assert [kernel.name for kernel in run.kernels] == [f"run:theta={t},psi={p}" for t in ("0", "22.5") for p in (0, 90)]
    expected = registry.find("gabor:theta=22.5,psi=90,wavelength=5").weights
    assert_allclose(run.kernels[3].weights, expected / np.linalg.norm(expected))
    assert [kernel.name for kernel in registry.find("run:theta=45").kernels] == ["run:theta=45,psi=0", "run:theta=45,psi=90"]
    assert registry.find("run:theta=45,psi=0").kernels[0].shape == registry.find("gabor:theta=45,wavelength=5").shape
    assert registry.find("run:wavelength=9").kernels[0].shape == registry.find("gabor:wavelength=9").shape
    assert_array_equal(registry.find("one").weights, [registry.find(f"sobel-{d}").weights for d in "xy"])
    with pytest.raises(KernelError, match="bank 'listed' holds kernels of different shapes, .*sobel-x 3 x 3"):
        assert listed.weights.size


def test_names_are_looked_up_in_the_same_file_first(tmp_path):
    """Then files of lower priority, then of higher: a nearer file does not change what a kernel of another file is made of."""
    near, far = tmp_path / "own.toml", tmp_path / "other.toml"
    near.write_text("[kernels.a]\nmatrix = [[1]]\n[kernels.blur]\nmatrix = [[7]]\n")
    far.write_text("[kernels.a]\nmatrix = [[2]]\n[banks.b]\nkernels = ['a', 'blur']\n")
    registry = load_registry([ConfigLocation(near, ""), ConfigLocation(far, ""), ConfigLocation(built_in_file(), "")])
    assert registry.find("a").sum == 1
    assert [kernel.sum for kernel in registry.find("b").kernels] == [2, 1]
    near.write_text("[kernels.sobel-x]\nmatrix = [[7]]\n")
    assert load_registry([ConfigLocation(near, ""), ConfigLocation(built_in_file(), "")]).find("sobel").kernels[0].shape == (
        3,
        3,
    )


def test_deeply_nested_kernels_are_limited(tmp_path):
    """Each is made once, however often it is named; nesting too deep is an error."""
    doubled = "[kernels.k0]\nmatrix = [[1]]\n" + "".join(
        f"[kernels.k{i}]\nsum = ['k{i - 1}', 'k{i - 1}']\n" for i in range(1, 19)
    )
    assert registry_of(tmp_path, doubled).find("k18").sum == 2**18
    deep = ["[kernels.k0]\nmatrix = [[1]]\n", *(f"[kernels.k{i}]\nsum = ['k{i - 1}']\n" for i in range(1, 70))]
    for tables in (deep, deep[::-1]):
        errors = errors_of(tmp_path, "".join(tables))
        assert len(errors) == 50
        assert all("more than 20 deep" in line for line in errors)
    banks = "[banks.b0]\nkernels = ['blur']\n" + "".join(
        f"[banks.b{i}]\nkernels = {[f'b{i - 1}'] * 10}\n" for i in range(1, 19)
    )
    assert "has more than 1000 kernels, the limit" in errors_of(tmp_path, banks)[0]


def test_long_chains_and_cycles_of_names_are_reported(tmp_path):
    """Chains, cycles and cycles of cycles are reported within limits of memory, time and recursion."""
    chain = [f"[kernels.k{i}]\nsum = ['k{i + 1}', 'k{i + 1}']\n" for i in range(2000)]
    for last in ("matrix = [[1]]", "sum = ['k0']", "sum = ['k1', 'k1999', 'k0']"):
        errors = errors_of(tmp_path, "".join(chain) + "[kernels.k2000]\n" + last)
        assert len(errors) == 101
        assert all("more than 20 deep" in line for line in errors[:100])
    cycle = "".join(f"[kernels.k{i}]\nsum = ['k{(i + 1) % 30}']\n" for i in range(30))
    assert " > ".join(f"k{i % 30}" for i in range(31)) in errors_of(tmp_path, cycle)[0]


def test_each_kernel_is_validated_once(tmp_path, monkeypatch):
    """A kernel is computed once, however often it is named, also before its definition."""
    generators = []
    make = GeneratorCall.formula
    monkeypatch.setattr(
        GeneratorCall, "formula", lambda generator_call: generators.append(generator_call.generator) or make(generator_call)
    )
    text = "".join(f"[kernels.s{i}]\nsum = ['d', 'd@90']\n" for i in range(50)) + "[kernels.d]\ngenerator = 'disk'"
    assert registry_of(tmp_path, text).find("s7").shape == (5, 5)
    assert generators == ["disk"]


def test_byte_order_marks_and_windows_line_ends_are_accepted(tmp_path):
    """A byte order mark and Windows line ends are accepted."""
    registry = registry_of(tmp_path, b"\xef\xbb\xbf[kernels.k]\r\nmatrix = [[1]]\r\n")
    assert registry.find("k").sum == 1
    assert errors_of(tmp_path, b"\xef\xbb\xbf[kernels.k]\r\nmatrix = [[1]]\r\ndivisor = 0\r\n")[0].startswith("3: ")


def test_paths_that_are_no_files_are_refused(tmp_path):
    """A missing file, a folder and a device are refused."""
    for path, message in ((tmp_path / "none", "No such file"), (tmp_path, "regular file"), ("/dev/zero", "regular file")):
        with pytest.raises(KernelError, match=message):
            load_registry([ConfigLocation(tmp_path / path, ""), ConfigLocation(built_in_file(), "")])


HOSTILE = [
    ".".join("a" * 32000) + " = 1",
    "[kernels.k]\nmatrix = " + "[" * 65000,
    "[kernels.k]\ngenerator = 'average'\nsize = 1e9",
    "[kernels.k]\nmatrix = [[" + "9" * 100_000 + "]]",
    "#" * (3 << 20),
    "[kernels.k]\nmatrix = " + str([[1] * 1024] * 300),
    "[kernels.k]\nmatrix = [['" + "9" * 60_000 + "x']]",
    'x = "' + '\\"' * 60_000,
    "[kernels.k0]\nsum = ['blur'" + ", 'blur'" * 900 + ", 'no']\n[kernels.k1]\nsum = ['k0'" + ", 'k0'" * 900 + "]",
    "".join(f"[kernels.k{i}]\nmatrix=[[1]]\n" for i in range(2000)) + f"[banks.b]\nkernels = {['sobel-xx'] * 900}",
    "".join(f"[kernels.k{i}]\nnormalize='sum'\ncolumn={[1] * 1023}\nrow={[1] * 1023}\n" for i in range(100)),
    "[kernels.k]\nsum = [" + "{ generator = 'average', size = 1023 }, " * 20 + "]",
    "[kernels.b]\ngenerator = 'average'\nsize = 1023\n[banks.c]\nkernels = " + str(["b@90"] * 20),
    "[kernels.k]\nsum = " + str(["1"] * 200_000),
    "[kernels.k]\nmatrix = [[1]]\nanchor = [0x" + "f" * 900 + ", 0]\n[defaults]\nstride = 0x" + "f" * 900,
    "".join(f"[kernels.k{i}]\nmatrix=[[1]]\n" for i in range(20_000)),
    "[kernels.k]\nmatrix = [" + "['x']," * 100_000 + "]",
    'x = """\\"""' * 90_000,
    "x = '" + "'" * 900_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_files_cost_little(tmp_path, text):
    """They are refused within 400 MB of address space and three seconds of processor time."""
    (tmp_path / "k.toml").write_text(text)
    limits = (resource.RLIMIT_AS, 400 << 20), (resource.RLIMIT_CPU, 3)

    def confine():
        for kind, limit in limits:
            resource.setrlimit(kind, (limit, limit))

    command = [sys.executable, "-m", "convcli", "kernels", "check", tmp_path / "k.toml"]
    result = subprocess.run(command, capture_output=True, text=True, preexec_fn=confine, check=False)
    assert result.returncode == 2, result.stderr[-300:]
    assert result.stderr.startswith(f"Error: {tmp_path}/k.toml:")


def test_lines_are_found_in_every_kind_of_toml():
    """Headers, dotted keys, arrays over several lines, inline tables, arrays of tables, and strings with brackets."""
    text = '''
title = """ [kernels.x]
matrix = 3 """
[kernels."a.b"] # ]
m = [ [1, 2],
      [3, # 4, [
       4] ]
n.o = { p = [5,
 6], q = 'x = "]' }
[[list]]
x = 1
[[list]]
x = '\\'
[list.sub]
y = 2021-01-01T00:00:00.5
'''
    lines = find_lines(
        text,
        keys_of_lines := [
            ("title",),
            ("kernels", "a.b"),
            ("kernels", "a.b", "m", 0, 1),
            ("kernels", "a.b", "m", 1, 1),
            ("kernels", "a.b", "n", "o", "p", 1),
            ("kernels", "a.b", "n", "o", "q"),
            ("list", 0, "x"),
            ("list", 1, "x"),
            ("list", 1, "sub", "y"),
            ("kernels", "a.b", "none"),
            ("nothing",),
        ],
    )
    assert [lines[keys] for keys in keys_of_lines] == [2, 4, 5, 7, 9, 9, 11, 13, 15, 4, 1]


def test_a_thousand_kernels_are_read(tmp_path):
    """All are read, found and listed."""
    text = "".join(f"[kernels.k{i}]\nmatrix = {[[i % 7] * 5] * 5}\n" for i in range(1000))
    registry = registry_of(tmp_path, text)
    assert registry.find("k999").sum == 25 * (999 % 7)
    assert len(registry.entries) > 1000


def test_lines_are_searched_once(tmp_path, monkeypatch):
    """Once for a file, not for each of a thousand kernels, which took 43 s. At most a hundred names are compared."""
    searches, comparisons = [], []
    find, near = diagnostics.find_lines, name_table.nearest_name
    monkeypatch.setattr(diagnostics, "find_lines", lambda *arguments: searches.append(1) or find(*arguments))
    monkeypatch.setattr(name_table, "nearest_name", lambda *arguments: comparisons.append(1) or near(*arguments))
    with pytest.raises(KernelError) as caught:
        registry_of(tmp_path, "".join(f"[kernels.k{i}]\nsum = ['k{1000 + i}']\n" for i in range(1900)))
    assert len(caught.value.lines) > 100
    assert len(searches) == 1
    assert len(comparisons) <= 100
