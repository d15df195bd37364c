"""The codecs of all formats."""

from ..formats import Format
from .arrays import NpyCodec, NpzCodec
from .avif import AvifCodec
from .codec import Codec
from .gif import GifCodec
from .ico import IcoCodec
from .jpeg import JpegCodec
from .pillow import PillowCodec
from .png import PngCodec
from .ppm import PpmCodec
from .tiff import TiffCodec
from .webp import WebpCodec

CODECS: dict[str, Codec] = {
    "pillow": PillowCodec(),
    "jpeg": JpegCodec(),
    "gif": GifCodec(),
    "webp": WebpCodec(),
    "avif": AvifCodec(),
    "ico": IcoCodec(),
    "png": PngCodec(),
    "ppm": PpmCodec(),
    "tiff": TiffCodec(),
    "npy": NpyCodec(),
    "npz": NpzCodec(),
}


def codec_of(file_format: Format | None) -> Codec:
    """Return the codec of a format; for None, the codec of Pillow, which recognises the format itself."""
    return CODECS[file_format.codec if file_format else "pillow"]
