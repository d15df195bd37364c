"""JPEG XL: codestreams with imagecodecs (libjxl), the boxes with EXIF and XMP here (ISO/IEC 18181-2)."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from msgspec.structs import replace

from ...errors import ImageError
from ..boxes import Box, box_of, contents_of
from ..compression import Compression
from ..curves import SRGB
from ..encoding import DEFAULT_QUALITY
from ..exif import text_in
from ..exif_block import PREFIX
from ..file_parts import XMP
from ..image import Admit, Array, Header, Image, check_pixels, image_of_samples, scaled_levels
from ..jxl_header import JxlHeader, as_srgb, boxes_of, header_of
from ..metadata import FileMetadata, metadata_of_blocks
from ..provenance import SOFTWARE, Provenance, find_provenance
from ..storage import Storage
from .codec import Codec

SIGNATURE_BOX = box_of(b"JXL ", b"\r\n\x87\n")
START = SIGNATURE_BOX + box_of(b"ftyp", b"jxl " + bytes(4) + b"jxl ")
EXIF, XML, COMPRESSED, LEVEL = b"Exif", b"xml ", b"brob", b"jxll"
KNOWN_BOXES = (b"JXL ", b"ftyp", LEVEL, b"jxlc", b"jxlp", b"jbrd", b"jxli", b"free", EXIF, XML, COMPRESSED)
MAX_METADATA = 1 << 26
"""Largest size of EXIF or XMP that was compressed, in bytes."""

MAX_BITS = 16
EFFORT = 3
"""On one thread, a photograph of a quarter of a megapixel takes 0.13 s and 335 kB lossless, 0.02 s and 59 kB at quality 92; at
effort 5, 0.31 s and 329 kB, 0.07 s and 60 kB."""

BYTES_PER_SAMPLE = 4
"""Memory of a sample while it is read, in addition to the image: libjxl stores samples of lossless pictures as integers."""


class JxlCodec(Codec):
    """JPEG XL, as files of boxes and as codestreams."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read the first frame. Raises ImageError, and whatever imagecodecs raises on damaged data."""
        import imagecodecs

        boxes = boxes_of(file)
        header = header_of(file, boxes)
        check_pixels(header.width, header.height, max_pixels)
        if header.is_alpha_multiplied:
            raise ImageError("is JPEG XL with colours multiplied by alpha, which are not read; convert it to PNG")
        if not header.is_float and header.bits > MAX_BITS:
            raise ImageError(f"is JPEG XL of {header.bits} bits; read are 1 to {MAX_BITS} bits, and floats; convert it to TIFF")
        channels = header.colours + header.has_alpha
        itemsize = 4 if header.is_float else 1 if header.bits <= 8 else 2
        height, width = (header.height, header.width)[:: -1 if header.orientation >= 5 else 1]
        size = file.seek(0, 2)
        admit(Header(height, width, channels, itemsize, size + height * width * channels * (BYTES_PER_SAMPLE + itemsize)))
        file.seek(0)
        samples: Array = np.asarray(imagecodecs.jpegxl_decode(file.read(), index=0))
        samples = np.atleast_3d(samples)
        if samples.shape != (height, width, channels):
            raise ValueError(f"its pixels have shape {samples.shape}")
        levels = samples.astype(np.float32, copy=False) if header.is_float else scaled_levels(samples, 2**header.bits - 1)
        return _image_of(levels, header, _metadata_of(file, boxes, header))

    def encode(self, levels: Array, has_alpha: bool, storage: Storage) -> bytes:
        """Encode levels. Raises whatever imagecodecs raises.

        Quality 100 is lossless. Below, the distance is that of libjxl's function JxlEncoderDistanceFromQuality.
        """
        import imagecodecs

        metadata, quality = storage.metadata, storage.encoding.quality or DEFAULT_QUALITY
        is_lossless = bool(storage.encoding.inherited) or quality == 100
        pixels = np.ascontiguousarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
        if pixels.dtype == np.uint16 and not is_lossless:
            pixels = _linear(levels, has_alpha).reshape(pixels.shape)
        how = {"lossless": True} if is_lossless else {"distance": distance_of(quality)}
        data = bytes(imagecodecs.jpegxl_encode(pixels, effort=EFFORT, usecontainer=True, **how))
        *first, (_, begin, _) = boxes_of(io.BytesIO(data))
        level = [box_of(name, data[start:end]) for name, start, end in first if name == LEVEL]
        exif = box_of(EXIF, bytes(4) + metadata.exif.removeprefix(PREFIX)) if metadata.exif else b""
        xmp = box_of(XML, metadata.xmp) if metadata.xmp else b""
        codestream = as_srgb(data[begin:]) if pixels.dtype == np.uint16 else data[begin:]
        return b"".join((START, *level, exif, xmp, box_of(b"jxlc", codestream)))

    def read_provenance(self, path: Path) -> Provenance | None:
        """Return the provenance in the EXIF of a picture. Raises OSError, ValueError and more on damaged data."""
        with path.open("rb") as file:
            exif = _exif_of(_contents(file, boxes_of(file), EXIF))
        return find_provenance(text_in(exif, SOFTWARE)) if exif else None


def _linear(levels: Array, has_alpha: bool) -> Array:
    """Return 16-bit sRGB levels as levels of linear light, which libjxl expects 16-bit samples to be."""
    light = np.round(SRGB.decode(np.arange(65536) / 65535) * 65535).astype(np.uint16)
    linear = light[levels]
    if has_alpha:
        linear[:, :, -1] = levels[:, :, -1]
    return linear


def distance_of(quality: int) -> float:
    """Return the distance of a quality 1..99, by libjxl's JxlEncoderDistanceFromQuality; 1 is hard to see.

    >>> distance_of(90)
    1.0
    """
    if quality >= 30:
        return round(0.1 + (100 - quality) * 0.09, 2)
    return 53 / 3000 * quality * quality - 23 / 20 * quality + 25


def _contents(file: BinaryIO, boxes: list[Box], wanted: bytes) -> bytes | None:
    """Return the contents of the first box of a name, which may be compressed with Brotli."""
    import imagecodecs

    for box in boxes:
        if box[0] == wanted:
            return contents_of(file, box)
        if box[0] == COMPRESSED and (data := contents_of(file, box)).startswith(wanted):
            return bytes(imagecodecs.brotli_decode(data[4:], out=MAX_METADATA))
    return None


def _exif_of(box: bytes | None) -> bytes | None:
    """Return the block of EXIF in a box, which begins with the offset of the block."""
    return box[4 + int.from_bytes(box[:4], "big") :] if box else None


def _metadata_of(file: BinaryIO, boxes: list[Box], header: JxlHeader) -> FileMetadata:
    """Return the metadata. The orientation is that of the codestream, and the one in EXIF repeats it."""
    blocks: dict[bytes, bytes | None] = dict.fromkeys((EXIF, XML))
    lost = list(_lost(file, boxes, header))
    for name in blocks:
        try:
            blocks[name] = _contents(file, boxes, name)
        except Exception as error:  # Brotli's own, and ValueError for a box that is truncated
            lost.append(f"its {name.decode().strip()} data, which is damaged ({error})")
    exif = _exif_of(blocks[EXIF])
    lost += [XMP] if blocks[XML] else []
    metadata = metadata_of_blocks(exif, blocks[XML], lost, is_turned=header.orientation != 1)
    if header.is_srgb or header.has_profile:
        return metadata
    codes = None if header.gamma else (header.primaries, header.transfer, 0, 1)
    return replace(metadata, metadata=replace(metadata.metadata, cicp=codes, gamma=header.gamma))


def _lost(file: BinaryIO, boxes: list[Box], header: JxlHeader) -> Iterator[str]:
    """Describe what is not carried over."""
    size = file.seek(0, 2)
    whole = [box for box in boxes if box[2] <= size]
    others = [name for name, _, _ in whole if name not in KNOWN_BOXES]
    others += [data for box in whole if box[0] == COMPRESSED and (data := contents_of(file, box)[:4]) not in (EXIF, XML)]
    yield from (f"its box {name.decode('latin-1')}" for name in dict.fromkeys(others) if name != b"jbrd")
    if not header.is_srgb:
        yield "its colour profile" if header.has_profile else "its colour space"
    if whole[-1][2] < size:
        yield f"{size - whole[-1][2]} bytes after its end"


def _image_of(levels: Array, header: JxlHeader, metadata: FileMetadata) -> Image:
    white = None if header.is_float else 255 if levels.itemsize == 1 else 65535
    compression = None if header.is_lossy else Compression("jxl", {"lossless": True})
    image = metadata.add_to(replace(image_of_samples(levels, white, "JXL", metadata.metadata), compression=compression))
    if header.is_animation:
        return image.with_notices("is an animation; the first frame is used").with_losses("further frames")
    return image
