"""What decodes and encodes the files of one format, or of several."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from ..formats import Encoding, Format
from ..image import Admit, Array, Image, Metadata
from ..provenance import Provenance


class Codec:
    """Decodes and encodes; has no state. Which of its methods are called follows from what a ``Format`` says that it holds."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read the first picture of a file, upright, once ``admit`` has let its header pass.

        Raises ImageError, and whatever the library raises on damaged data.
        """
        raise NotImplementedError

    def encode(self, levels: Array, has_alpha: bool, form: Format, encoding: Encoding, metadata: Metadata) -> bytes:
        """Levels (H, W, C), uint8 or uint16, alpha last, as a file. Raises whatever the library raises."""
        raise NotImplementedError

    def fault_of_exif(self, exif: bytes) -> str:
        """Why the EXIF block of a picture cannot be written, in words; none where it can."""
        return ""

    def write_maps(self, file: BinaryIO, maps: Sequence[Array], names: Sequence[str], provenance: Provenance | None) -> None:
        """Write float maps, each (H, W, C)."""
        raise NotImplementedError

    def read_provenance(self, path: Path) -> Provenance | None:
        """What a file was made from, where it says so. Raises whatever the library raises."""
        return None

    def is_whole(self, path: Path, form: Format) -> bool:
        """Whether a file that opens has its end. Raises whatever the library raises."""
        return form.is_whole(path)
