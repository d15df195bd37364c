"""Imports go down only, each outside library is used in one place, and every dependency is declared."""

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
    "drawn": 1,
    "geometry": 2,
    "engine": 3,
    "ops": 4,
    "networks": 5,
    "models": 5.5,
    "learning": 5.5,
    "kernels": 5,
    "images": 5,
}
LEVELS |= {"drawing": 6, "config": 6, "pipeline": 7, "cli": 8, "__init__": 9, "__main__": 9}
ALLOWED = {
    "numba": {"engine/jit/compile.py", "engine/jit/numba_target.py", "engine/simd/llvm"},
    "llvmlite": {"engine/jit/", "engine/simd/llvm"},
    "PIL": {"images/", "drawing/text.py"},
    "colorcet": {"drawing/colormaps.py"},
    "imagecodecs": {"images/codecs/"},
    "OpenEXR": {"images/codecs/exr.py"},
    "pillow_heif": {"images/codecs/heic.py"},
    "tifffile": {"images/codecs/tiff"},
    "tomllib": {"config/"},
    "click": {"cli/"},
    "rich": {"cli/output.py"},
    "safetensors": {"kernels/weight_arrays.py", "pipeline/learn_network.py"},
    "h5py": {"kernels/keras_arrays.py"},
    "onnx": {"models/onnx"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports_of(path):
    """Yield (name, internal) for each import: top modules of this package, and top packages of others."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], False
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0:
                yield node.module.split(".")[0], False
            else:
                package = path.relative_to(PACKAGE).parts[: -node.level]
                target = [*package, *(node.module or "").split(".")] if node.module else list(package)
                names = [target[0]] if target and target[0] else [alias.name for alias in node.names]
                for name in names:
                    yield name, True


def unit_of(path):
    """The package or top module that contains a file."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path):
    """A package imports from packages of a lower level only; packages of one level do not import each other."""
    package = unit_of(path)
    for name, internal in imports_of(path):
        if internal and name != package:
            assert LEVELS[name] < LEVELS[package], f"{path} must not import {name}"
        if not internal and name in ALLOWED:
            place = str(path.relative_to(PACKAGE))
            assert any(place.startswith(allowed) for allowed in ALLOWED[name]), (
                f"{name} is for {ALLOWED[name]}, not for {place}"
            )


def test_every_import_is_a_declared_dependency():
    """The outside libraries that the package imports are those that pyproject.toml declares."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name not in ("bench", "dev")}
    lines = [*project["dependencies"], *itertools.chain(*extras.values())]
    declared = {re.split(r"[<>=!~ \[;]", line)[0].lower() for line in lines}
    imported = {name for path in FILES for name, internal in imports_of(path) if not internal}
    outside = {{"PIL": "pillow"}.get(name, name.lower()) for name in imported - set(sys.stdlib_module_names) - {"convcli"}}
    assert outside == declared


def test_no_module_uses_shell_eval_or_pickle():
    """No module evaluates text, starts a shell, or unpickles, but for PyTorch's files with a list of what may be named."""
    for path in FILES:
        text = path.read_text()
        assert not re.search(r"\beval\(|\bexec\(|shell=True|\bos\.system|allow_pickle=True|\bpickle\.loads?\(", text), path
        if "import pickle" in text:
            assert path.name == "torch_arrays.py"
            assert text.count("pickle.Unpickler") == text.count("(pickle.Unpickler):\n") == text.count("def find_class(") == 1


def test_pillow_opens_a_fixed_list_of_formats():
    """Every call of PIL.Image.open passes formats=."""
    calls = [
        node
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Image.open")
    ]
    assert calls
    assert all("formats" in {keyword.arg for keyword in call.keywords} for call in calls)


def test_public_names_exist():
    """Every name in __all__ can be imported, and dir() lists the same names."""
    import convcli

    assert all(getattr(convcli, name) for name in convcli.__all__)
    assert dir(convcli) == sorted(convcli.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        convcli.nothing  # noqa: B018


def modules_in(path):
    """Yield the modules of this package that a file imports, including those under TYPE_CHECKING."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = ".".join([*parts[: -node.level], *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def test_imports_have_no_cycle():
    """The graph of imports has no cycle."""
    names = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in FILES}
    graph = {name: {other for other in modules_in(path) if other in names} for name, path in names.items()}
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
