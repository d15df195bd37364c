"""The interface of codecs, each for the files of one format or of several."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from ..file_format import Format
from ..frames import Frames, LevelsOfFrame, Series
from ..image import Admit, Array, Image
from ..provenance import Provenance
from ..storage import MapStorage, Storage


class Codec:
    """A stateless reader and writer of files. A codec implements the methods that its ``Format`` entries need."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read the first picture of a file, upright. ``admit`` is called with its header before the pixels are read.

        Raises ImageError, and whatever the library raises on damaged data.
        """
        raise NotImplementedError

    def open_frames(self, file: BinaryIO, max_pixels: int, axes: str | None) -> Frames:
        """Return the frames of an open file. Raises as ``decode`` does; so does the function that reads a frame."""
        return Frames(Series(), lambda index, admit: self.decode(file, max_pixels, admit, axes))

    def encode(self, levels: Array, has_alpha: bool, storage: Storage) -> bytes:
        """Encode levels (H, W, C), uint8 or uint16, alpha last, and return the bytes. Raises whatever the library raises.

        TIFF encodes float32 too, without alpha.
        """
        raise NotImplementedError

    def write_frames(self, file: BinaryIO, frames: Iterable[LevelsOfFrame], series: Series, storage: Storage) -> None:
        """Write frames, each its levels (H, W, C) and whether the last channel is alpha. They are computed one at a time.

        Raises whatever the library raises.
        """
        raise NotImplementedError

    def exif_error(self, exif: bytes) -> str:
        """Return why an EXIF block cannot be written, such as "ends before its values do"; empty where it can."""
        return ""

    def write_maps(self, file: BinaryIO, frames: Iterable[Sequence[Array]], storage: MapStorage) -> None:
        """Write the float maps (H, W, C) of frames. They are computed one frame at a time.

        The maps of a name have the same shape in all frames, and one dtype. Raises whatever the library raises.
        """
        raise NotImplementedError

    def read_provenance(self, path: Path) -> Provenance | None:
        """Return the provenance that a file carries, or None. Raises whatever the library raises."""
        return None

    def is_complete(self, path: Path, file_format: Format) -> bool:
        """Return whether a file that opens is complete. Raises whatever the library raises."""
        return file_format.is_complete(path)
