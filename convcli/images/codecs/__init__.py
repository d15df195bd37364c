"""The codecs of all formats."""

from ..formats import Format
from .arrays import NpyCodec, NpzCodec
from .codec import Codec
from .pillow import PillowCodec
from .tiff import TiffCodec

CODECS: dict[str, Codec] = {"pillow": PillowCodec(), "tiff": TiffCodec(), "npy": NpyCodec(), "npz": NpzCodec()}


def codec_of(form: Format | None) -> Codec:
    """What decodes and encodes a format; for a file of no format that is known, the one that tries them all."""
    return CODECS[form.codec if form else "pillow"]
