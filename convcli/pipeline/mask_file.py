"""The picture of ``--mask``. Imports no NumPy, so that start-up is fast."""

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from ..errors import ArgumentError

if TYPE_CHECKING:
    from ..images.image import Array


class MaskFile(Struct, frozen=True, dict=True):
    """A picture that is 0 where pixels are missing. It is read once, also for copies of the request that has it."""

    name: str
    max_pixels: int

    @functools.cached_property
    def seen(self) -> "Array":
        """Which pixels are not 0: (H, W) bool. Raises ArgumentError."""
        from ..images.mask import read_mask  # imports NumPy, which is slow

        return read_mask(self.name, self.max_pixels)

    @functools.cached_property
    def digest(self) -> str:
        """Digest of the file. Raises ArgumentError."""
        try:
            return hashlib.sha256(Path(self.name).read_bytes()).hexdigest()
        except OSError as error:
            raise ArgumentError(f"--mask {self.name}: cannot be read: {error.strerror or error}") from None


def mask_file(name: str | None, max_pixels: int) -> MaskFile | None:
    """Return the picture of a name, None without one."""
    return None if name is None else MaskFile(name, max_pixels)
