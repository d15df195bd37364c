"""Imports go down only, each outside library is used in one place, every dependency is declared."""

import ast
import graphlib
import itertools
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "convcli"
LEVELS = {
    "errors": 0,
    "npy_reader": 1,
    "range_rules": 1,
    "geometry": 2,
    "engine": 3,
    "ops": 4,
    "networks": 5,
    "kernels": 5,
    "images": 5,
}
LEVELS |= {"config": 6, "pipeline": 7, "cli": 8, "__init__": 9, "__main__": 9}
PLACES = {
    "numba": {"engine/jit/compile.py", "engine/jit/numba_target.py", "engine/simd/llvm"},
    "llvmlite": {"engine/jit/", "engine/simd/llvm"},
    "PIL": {"images/"},
    "tifffile": {"images/codecs/tiff.py"},
    "tomllib": {"config/"},
    "click": {"cli/"},
    "rich": {"cli/output.py"},
    "safetensors": {"kernels/weight_arrays.py"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports_of(path):
    """(name, whether it is ours) of all that a file imports: our packages, and the top packages of others."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], False
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0:
                yield node.module.split(".")[0], False
            else:
                folder = path.relative_to(PACKAGE).parts[: -node.level]
                target = [*folder, *(node.module or "").split(".")] if node.module else list(folder)
                names = [target[0]] if target and target[0] else [alias.name for alias in node.names]
                for name in names:
                    yield name, True


def unit_of(path):
    """The package or top module that a file belongs to."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path):
    """From packages of a lower level; those of one level do not import each other."""
    own = unit_of(path)
    for name, ours in imports_of(path):
        if ours and name != own:
            assert LEVELS[name] < LEVELS[own], f"{path} must not import {name}"
        if not ours and name in PLACES:
            place = str(path.relative_to(PACKAGE))
            assert any(place.startswith(allowed) for allowed in PLACES[name]), f"{name} is for {PLACES[name]}, not for {place}"


def test_every_import_is_a_declared_dependency():
    """What the package imports stands in pyproject.toml, and nothing else does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name not in ("bench", "dev")}
    lines = [*project["dependencies"], *itertools.chain(*extras.values())]
    declared = {re.split(r"[<>=!~ \[;]", line)[0].lower() for line in lines}
    imported = {name for path in FILES for name, ours in imports_of(path) if not ours}
    outside = {{"PIL": "pillow"}.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"convcli"}}
    assert outside == declared


def test_no_shell_no_eval_no_pickle():
    """Nothing in a file or on the command line is ever run."""
    for path in FILES:
        text = path.read_text()
        assert not re.search(r"\beval\(|\bexec\(|shell=True|\bos\.system|allow_pickle=True|\bimport pickle", text), path


def test_pillow_opens_a_fixed_list_of_formats():
    """PIL.Image.open is called with formats= everywhere."""
    calls = [
        node
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Image.open")
    ]
    assert calls
    assert all("formats" in {keyword.arg for keyword in call.keywords} for call in calls)


def test_public_names_exist():
    """__all__ is what there is."""
    import convcli

    assert all(getattr(convcli, name) for name in convcli.__all__)
    assert dir(convcli) == sorted(convcli.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        convcli.nothing  # noqa: B018


def modules_in(path):
    """The modules of ours that a file imports, by name, also those for type checking alone."""
    own = path.relative_to(PACKAGE.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = ".".join([*own[: -node.level], *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def test_no_circles_of_imports():
    """A module can be read after all that it imports."""
    names = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in FILES}
    graph = {name: {other for other in modules_in(path) if other in names} for name, path in names.items()}
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
