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
    (["apply", "x.png", "-k", "blur", "-o", "y.gif"], 2),
    (["apply", "x.png", "-k", "blur", "-o", "y.png", "--range", "loud"], 2),
    (["at", "--help"], 0),
    (["at", "3", "x.png", "-k", "blur"], 2),
    (["at", "3,2", "x.png", "-k", "sobelx"], 2),
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


def test_layers_are_imported_for_networks_only(tmp_path):
    """Their classes take 25 ms to import; a config file without networks does not need them, one with networks does."""
    (tmp_path / "a.toml").write_text("[kernels.a]\nmatrix = [[1]]\n")
    (tmp_path / "b.toml").write_text("[networks.b]\ninput = { channels = 1 }\nlayers = [{ op = 'abs' }]\n")
    program = """
import sys
from convcli.cli.main import main
main(["apply", "x.png", "-k", "a", "--config", sys.argv[1], "-o", "y.gif"])
sys.exit("convcli.networks" in sys.modules)
"""
    for name, imported in (("a.toml", 0), ("b.toml", 1)):
        assert subprocess.run([sys.executable, "-c", program, tmp_path / name], check=False).returncode == imported, name


def test_importing_the_package_is_light():
    """The public functions are imported when they are first used."""
    program = "import sys, convcli; sys.exit(bool({'numpy', 'numba', 'click', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
