"""How pictures and maps are stored in a file: its format, its compression, and what the file says about them."""

from collections.abc import Sequence

from msgspec import Struct

from .encoding import Encoding
from .file_format import Format
from .frames import Series
from .image import Metadata
from .provenance import Provenance


class Storage(Struct, frozen=True):
    """How a picture is stored, or the frames of a file. ``metadata`` are those of the picture, or of the first frame.

    ``are_pages`` is whether the frames are pages of a TIFF file, each with metadata of its own.
    """

    file_format: Format
    encoding: Encoding = Encoding()
    metadata: Metadata = Metadata()
    are_pages: bool = False


class MapStorage(Struct, frozen=True):
    """How the float maps of one or several frames are stored. Each frame has a map for each of ``names``.

    ``metadata`` is what all maps have of the metadata of the picture: their position on a map, in TIFF.
    """

    file_format: Format
    names: Sequence[str]
    series: Series = Series()
    encoding: Encoding = Encoding()
    provenance: Provenance | None = None
    metadata: Metadata = Metadata()
