"""The name of a picture in the errors that concern it, for commands that read one picture."""

import contextlib
from collections.abc import Iterator

from ..errors import ConvcliError, ImageError
from ..pipeline.inputs import Input


def name_of(picture: Input) -> str:
    """Return the name of a picture in messages."""
    return "standard input" if picture.source is None else picture.name


@contextlib.contextmanager
def naming_picture(name: str) -> Iterator[None]:
    """Turn errors into an ImageError with the name of the picture, so that the exit status is 1, as in ``apply``."""
    try:
        yield
    except ConvcliError as error:
        raise ImageError(f"{name}: {error}") from None
    except MemoryError:
        raise ImageError(f"{name}: does not fit in memory; a lower --max-pixels refuses such files by their header") from None
