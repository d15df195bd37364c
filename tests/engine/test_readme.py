"""The worked example of the engine: its code runs and prints what the text shows."""

import doctest
import re
from pathlib import Path

import convcli

README = Path(convcli.__file__).parent / "engine" / "README.md"


def test_the_example_prints_what_it_shows():
    """All Python blocks run in order as one session."""
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(), flags=re.MULTILINE | re.DOTALL)
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, README.name, str(README), 0)
    output: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=output.append)
    assert result.attempted > 30
    assert result.failed == 0, "".join(output)


def test_the_names_in_the_example_exist():
    """Every file, function and field that the text names exists."""
    engine = README.parent
    sources = "\n".join(path.read_text() for path in engine.parent.rglob("*.py"))
    for name in re.findall(r"`([\w/.]+\.py)`", README.read_text()):
        assert (engine / name).exists() or (engine.parents[1] / name).exists(), name
    for name in re.findall(r"`(\w+)`", README.read_text()):
        assert re.search(rf"\b{name}\b", sources), name
