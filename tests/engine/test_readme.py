"""The worked example of the engine: its blocks run, and print what stands there."""

import doctest
import re
from pathlib import Path

import convcli

README = Path(convcli.__file__).parent / "engine" / "README.md"


def test_the_example_prints_what_stands_there():
    """All Python blocks in order, as one session."""
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(), flags=re.MULTILINE | re.DOTALL)
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, README.name, str(README), 0)
    told: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=told.append)
    assert result.attempted > 30
    assert result.failed == 0, "".join(told)


def test_the_names_in_the_example_exist():
    """Files, functions and fields, in `code` words."""
    engine = README.parent
    sources = "\n".join(path.read_text() for path in engine.parent.rglob("*.py"))
    for name in re.findall(r"`([\w/.]+\.py)`", README.read_text()):
        assert (engine / name).exists() or (engine.parents[1] / name).exists(), name
    for name in re.findall(r"`(\w+)`", README.read_text()):
        assert re.search(rf"\b{name}\b", sources), name
