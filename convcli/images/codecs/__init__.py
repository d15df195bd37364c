"""The codecs of all formats. Those of rare formats are imported when they are used."""

import functools
from importlib import import_module

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
RARE = {"avif": "AvifCodec", "jp2": "Jp2Codec", "jxl": "JxlCodec", "hdr": "HdrCodec", "heic": "HeicCodec", "exr": "ExrCodec"}
"""Classes of codecs by their modules."""


def codec_of(file_format: Format | None) -> Codec:
    """Return the codec of a format; for None, the codec of Pillow, which recognises the format itself."""
    name = file_format.codec if file_format else "pillow"
    return CODECS[name] if name in CODECS else _rare_codec(name)


@functools.cache
def _rare_codec(name: str) -> Codec:
    codec: Codec = getattr(import_module(f".{name}", __name__), RARE[name])()
    return codec
