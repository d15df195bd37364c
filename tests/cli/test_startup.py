"""Heavy modules are imported only when samples are read."""

import subprocess
import sys

import pytest

LIGHT_COMMANDS = [
    (["--help"], 0),
    (["--version"], 0),
    (["apply", "--help"], 0),
    (["kernels", "list"], 0),
    (["kernels", "list", "--json"], 0),
    (["apply"], 2),
    (["aply"], 2),
    (["apply", "x.png", "-k", "sobelx", "-o", "y.png"], 2),
    (["apply", "x.png", "-k", "1 2; 3", "-o", "y.png"], 2),
    (["apply", "x.png", "-k", "gaussian:sigma=-1", "-o", "y.png"], 2),
    (["apply", "x.png", "-k", "blur", "-o", "y.png", "--stride", "0"], 2),
    (["apply", "x.png", "-k", "blur", "-o", "y.ico"], 2),
    (["apply", "x.png", "-k", "blur", "-o", "y.png", "--range", "loud"], 2),
    (["view", "--help"], 0),
    (["view", "x.png"], 2),
    (["view", "-k", "gabr", "-o", "y.png"], 2),
    (["at", "--help"], 0),
    (["at", "3", "x.png", "-k", "blur"], 2),
    (["at", "3,2", "x.png", "-k", "sobelx"], 2),
    (["slide", "--help"], 0),
    (["slide", "1 2; 3", "-k", "blur", "-o", "y.gif"], 2),
    (["slide", "x.png", "-k", "sobelx", "-o", "y.gif"], 2),
    (["slide", "x.png", "-k", "blur", "-o", "y.jpg"], 2),
]
PROGRAM = """
import sys
from convcli.cli.main import main
status = main(sys.argv[1:])
heavy = {"numpy", "numba", "PIL", "tifffile", "llvmlite"} & set(sys.modules)
sys.exit(f"{sys.argv[1:]} imports {heavy}" if heavy else status)
"""


@pytest.mark.parametrize(
    ("arguments", "status"), LIGHT_COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_light_commands_import_nothing_heavy(arguments, status):
    """These commands import neither NumPy nor Numba nor Pillow."""
    result = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == status, result.stderr


def test_operations_are_imported_for_networks_only(tmp_path, samples):
    """Their classes take 20 ms to import: apply does not need them, except for a config file that has networks."""
    (tmp_path / "a.toml").write_text("[kernels.a]\nmatrix = [[1]]\n")
    (tmp_path / "b.toml").write_text("[networks.b]\ninput = { channels = 1 }\nlayers = [{ op = 'abs' }]\n")
    program = """
import sys
from convcli.cli.main import main
status = main(["apply", sys.argv[1], "-k", "blur", "--config", sys.argv[2], "-n", "-q", "-o", "y.png"])
print(status, "convcli.networks.op_registry" in sys.modules, file=sys.stderr)
"""
    for name, imported in (("a.toml", False), ("b.toml", True)):
        arguments = [sys.executable, "-c", program, samples / "camera.png", tmp_path / name]
        assert subprocess.run(arguments, capture_output=True, text=True, check=True).stderr == f"0 {imported}\n", name


def test_apply_imports_only_what_a_jpeg_needs(tmp_path, samples):
    """Each of these takes 1 to 15 ms to import; the tables of the built-in kernels.toml were parsed beforehand.

    Of what draws sheets, slides and pages, it imports the base class of values that notebooks show, which draws nothing.
    """
    unneeded = "numpy.ma dataclasses tomllib secrets imagecodecs tifffile rich numba"
    program = f"""
import re
import sys
from convcli.cli.main import main
status = main(["apply", sys.argv[1], "-k", "blur", "-q", "-o", sys.argv[2]])
drawing = {{name for name in sys.modules if re.match(r"convcli\\..*(draw|view|slide|show|sheet|html)", name)}}
print(status, sorted(set({unneeded.split()}) & set(sys.modules)), sorted(drawing), file=sys.stderr)
"""
    arguments = [sys.executable, "-c", program, samples / "rocket.jpg", tmp_path / "y.jpg"]
    for _ in range(2):  # loops may be compiled in the first
        (tmp_path / "y.jpg").unlink(missing_ok=True)
        result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert result.stderr == "0 [] ['convcli.drawn']\n"


def test_importing_the_package_is_light():
    """The public functions are imported when they are first used."""
    program = "import sys, convcli; sys.exit(bool({'numpy', 'numba', 'click', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
