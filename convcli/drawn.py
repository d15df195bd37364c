"""Values that notebooks show as pictures."""

import importlib
from typing import Any


class Drawn:
    """A value that ``convcli.show`` draws. IPython calls these methods instead of ``repr``."""

    __slots__ = ()

    def _repr_png_(self) -> bytes | None:
        """Return the bytes of a PNG file; None where there is nothing to draw."""
        picture = _drawing().picture_of(self)
        data: bytes | None = picture and picture._repr_png_()
        return data

    def _repr_html_(self) -> str:
        """Return elements of HTML: what it is about, and the picture if there is one."""
        elements: str = _drawing().elements_of(self)
        return elements


def _drawing() -> Any:
    # The packages that draw are above those that hold values, and are imported when a picture is asked for.
    return importlib.import_module("convcli.pipeline.show")
