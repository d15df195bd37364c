"""The codecs of all formats. Each is imported when it is used: together they take 10 ms."""

import functools
import logging
from importlib import import_module

from ..file_format import Format
from .codec import Codec

CODECS = {
    "pillow": "pillow.PillowCodec",
    "png": "png.PngCodec",
    "jpeg": "jpeg.JpegCodec",
    "tiff": "tiff.TiffCodec",
    "gif": "gif.GifCodec",
    "webp": "webp.WebpCodec",
    "avif": "avif.AvifCodec",
    "jp2": "jp2.Jp2Codec",
    "jxl": "jxl.JxlCodec",
    "heic": "heic.HeicCodec",
    "ico": "ico.IcoCodec",
    "ppm": "ppm.PpmCodec",
    "hdr": "hdr.HdrCodec",
    "exr": "exr.ExrCodec",
    "npy": "arrays.NpyCodec",
    "npz": "arrays.NpzCodec",
}
"""Modules and classes."""

for library in ("imagecodecs", "tifffile"):  # what they warn of becomes an error, a notice, or is of no concern
    logging.getLogger(library).addHandler(logging.NullHandler())


def codec_of(file_format: Format | None) -> Codec:
    """Return the codec of a format; for None, the codec of Pillow, which recognises the format itself."""
    return _codec(file_format.codec if file_format else "pillow")


@functools.cache
def _codec(name: str) -> Codec:
    module, _, codec_class = CODECS[name].partition(".")
    codec: Codec = getattr(import_module(f".{module}", __name__), codec_class)()
    return codec
