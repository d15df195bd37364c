"""The codecs of all formats."""

from ..formats import Format
from .arrays import NpyCodec, NpzCodec
from .codec import Codec
from .pillow import PillowCodec
from .png import PngCodec
from .ppm import PpmCodec
from .tiff import TiffCodec

CODECS: dict[str, Codec] = {
    "pillow": PillowCodec(),
    "png": PngCodec(),
    "ppm": PpmCodec(),
    "tiff": TiffCodec(),
    "npy": NpyCodec(),
    "npz": NpzCodec(),
}


def codec_of(file_format: Format | None) -> Codec:
    """Return the codec of a format; for None, the codec of Pillow, which recognises the format itself."""
    return CODECS[file_format.codec if file_format else "pillow"]
