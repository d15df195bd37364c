"""How the samples of a TIFF page become levels, by its photometric interpretation.

TIFF 6.0, https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, sections 4, 5, 16, 20, 21 and 23.

    BlackIsZero, WhiteIsZero   grey; a level of WhiteIsZero is white minus the sample; signed and float samples are refused.
                               Further samples of BlackIsZero that are no alpha are further channels
    RGB                        as they are; so are JPEG, JPEG 2000 and WebP of YCbCr, which their decoders convert
    palette                    the high byte of each colour, as RGB of 8 bits
    CMYK                       (1 - ink) (1 - black), of 8 and 16 bits
    YCbCr                      of 8 bits, by ITU-R BT.601
    CIE and ICC L*a*b*         of 8 and 16 bits, white D50, to sRGB

Samples of other than 8, 16, 32 or 64 bits are scaled so that the highest is white.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
from msgspec import Struct
from msgspec.structs import replace

from ...errors import ImageError
from ..image import Array, Image, as_levels
from ..metadata import FileMetadata

MINISWHITE, MINISBLACK, RGB_PIXELS, PALETTE, SEPARATED, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
EXTRA_SAMPLES, UNSPECIFIED = 338, 0
JPEG_2000 = (33003, 33005, 34712)
PICTURE_COMPRESSIONS = (7, *JPEG_2000, 50001)
"""Compressions whose segments are JPEG, JPEG 2000 and WebP pictures with a size of their own. Decoders return RGB for YCbCr."""

SRGB_OF_XYZ = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]], np.float32
)
"""Linear sRGB of XYZ, white D50: http://www.brucelindbloom.com/index.html?Eqn_RGB_XYZ_Matrix.html."""

D50 = np.array([0.96422, 1.0, 0.82521], np.float32)


class Colour(Struct, frozen=True):
    """A rule: the number of samples per pixel that hold colour, of channels that they become, and what converts them.

    ``convert`` takes levels (H, W, samples) and the page, and returns levels (H, W, channels). ``name`` is that of a colour
    space whose conversion is reported. ``working_copies`` is the memory of a conversion, in copies of the samples.
    """

    samples: int
    channels: int
    convert: Callable[[Array, Any], Array] = lambda levels, page: levels
    name: str = ""
    working_copies: int = 0

    def image_of(self, levels: Array, white: int | None, page: Any, file_metadata: FileMetadata) -> Image:
        """Return the image of levels (H, W, samples), with a notice where its colours are converted."""
        metadata = file_metadata.metadata
        pixels = np.ascontiguousarray(self.convert(levels, page))
        if self is not RGB and page.photometric == MINISWHITE:
            pixels = pixels.dtype.type(white) - pixels
        white = 255 if self is INDEXED else white
        if not self.name:
            return file_metadata.add_to(Image(pixels, white, None, "TIFF", metadata))
        dropped = ", its colour profile dropped" if metadata.icc else ""
        image = file_metadata.add_to(Image(pixels, white, None, "TIFF", replace(metadata, icc=None)))
        return image.with_notices(f"is {self.name}; converted to RGB{dropped}").with_losses(f"its {self.name} colour")


def colour_of(page: Any) -> Colour:
    """Return the rule for a page. Raises ImageError where there is none."""
    if page.dtype is None or page.dtype.kind not in "buif":
        held = f"{page.bitspersample}-bit samples" if page.dtype is None else f"{page.dtype} samples"
        raise ImageError(f"is TIFF of {held}, which are not read; convert them to 8 or 16 bits or to float32")
    if page.photometric == YCBCR and page.compression in PICTURE_COMPRESSIONS:
        return RGB
    colour = COLOURS.get(page.photometric)
    name = getattr(page.photometric, "name", page.photometric) or "unknown"
    if colour is None or page.samplesperpixel < colour.samples:
        raise ImageError(f"is TIFF of kind {name} with {page.samplesperpixel} samples, which is not read; convert it to RGB")
    unsigned = page.dtype.kind in "bu" and page.dtype.itemsize <= 2
    if colour is GREY and page.photometric == MINISWHITE and not unsigned:
        raise ImageError("is TIFF in real numbers with white as 0, which is not read; store it with black as 0")
    if colour.name and not (unsigned and page.bitspersample in ((8,) if colour is LUMA_CHROMA else (8, 16))):
        raise ImageError(f"is TIFF of kind {name} with {page.bitspersample}-bit samples, which is not read; convert it to RGB")
    if colour is INDEXED and (page.colormap is None or not unsigned):
        raise ImageError("is TIFF of kind PALETTE without a palette; convert it to RGB")
    if colour is GREY and page.photometric == MINISBLACK and (further := _further_channels(page)):
        return Colour(1 + further, 1 + further)
    return colour


def keeps_samples(page: Any) -> bool:
    """Return whether the levels of a page are its samples: not converted, and of all the bits of their type."""
    is_whole = page.dtype is not None and (page.dtype.kind != "u" or page.bitspersample == 8 * page.dtype.itemsize)
    return is_whole and page.photometric in (MINISBLACK, RGB_PIXELS)


def of_planes(page: Any, count: int) -> Colour:
    """Return the rule for planes that are channels, each a page of one sample. Raises ImageError."""
    return Colour(count, count) if page.photometric == PALETTE else replace(colour_of(page), samples=count, channels=count)


def _further_channels(page: Any) -> int:
    """Return the number of samples after the first of a grey page that are neither colour nor alpha."""
    kinds = getattr(page.tags.get(EXTRA_SAMPLES), "value", ())
    known = [int(kind) for kind in (kinds if isinstance(kinds, tuple) else (kinds,))]
    return next((index for index, kind in enumerate(known) if kind != UNSPECIFIED), page.samplesperpixel - 1)


def widened(samples: Array, page: Any, colour: Colour) -> tuple[Array, int | None]:
    """Return samples as levels and their level of white: 12 bits of 0..4095 become 16 of 0..65535. Indices stay."""
    if colour is INDEXED:
        return samples.astype(np.uint8 if samples.dtype == bool else samples.dtype), 255
    levels, white = as_levels(samples)
    highest = 2 ** int(page.bitspersample) - 1
    bits = page.tags.get(258)
    mixed = bits is not None and isinstance(bits.value, tuple) and len(set(bits.value)) > 1  # tifffile widens 5, 6 and 5 bits
    if white is None or mixed or samples.dtype == bool or highest >= white:
        return levels, white
    return ((levels.astype(np.uint32) * white + highest // 2) // highest).astype(levels.dtype), white


def _by_pillow(mode: str) -> Callable[[Array, Any], Array]:
    """Return a conversion of 8-bit samples by Pillow."""

    def convert(levels: Array, page: Any) -> Array:
        height, width, _ = levels.shape
        picture = PIL.Image.frombytes(mode, (width, height), np.ascontiguousarray(levels).data.tobytes())
        return np.asarray(picture.convert("RGB"))

    return convert


def _from_palette(levels: Array, page: Any) -> Array:
    table = (np.asarray(page.colormap) // 256).astype(np.uint8).T
    return np.asarray(table.take(levels[:, :, 0], axis=0, mode="clip"))


def _from_cmyk(levels: Array, page: Any) -> Array:
    """Return (1 - ink) (1 - black)."""
    if levels.dtype == np.uint8:
        return _by_pillow("CMYK")(levels, page)
    paper = 65535 - levels.astype(np.uint32)  # a product of two levels has 32 bits
    return ((paper[:, :, :3] * paper[:, :, 3:] + 32767) // 65535).astype(np.uint16)


def _from_lab(levels: Array, page: Any) -> Array:
    """Return sRGB of L*a*b*. CIELAB stores a* and b* as signed numbers, ICCLAB with an offset, and L* of 16 bits to 0xFF00."""
    is_icc = page.photometric == ICCLAB
    if levels.dtype == np.uint8:
        return _by_pillow("LAB")(levels ^ np.array([0, 128, 128], np.uint8) if is_icc else levels, page)
    lightness = levels[:, :, 0].astype(np.float32) * np.float32(100 / (0xFF00 if is_icc else 0xFFFF))
    opponents = np.ascontiguousarray(levels[:, :, 1:]) ^ np.uint16(0x8000 if is_icc else 0)
    a, b = np.moveaxis(opponents.view(np.int16).astype(np.float32) / 256, 2, 0)
    y = (lightness + 16) / 116
    roots = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    xyz = np.where(roots > 6 / 29, roots**3, (roots - np.float32(4 / 29)) * np.float32(108 / 841)) * D50
    linear = np.clip(xyz @ SRGB_OF_XYZ.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** np.float32(1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 65535).astype(np.uint16))


GREY = Colour(1, 1)
RGB = Colour(3, 3)
INDEXED = Colour(1, 3, _from_palette, working_copies=3)
CMYK = Colour(4, 3, _from_cmyk, "CMYK", working_copies=4)
LUMA_CHROMA = Colour(3, 3, _by_pillow("YCbCr"), "YCbCr", working_copies=2)
LAB = Colour(3, 3, _from_lab, "LAB", working_copies=12)
COLOURS = {
    **{MINISWHITE: GREY, MINISBLACK: GREY, RGB_PIXELS: RGB, PALETTE: INDEXED},
    **{SEPARATED: CMYK, YCBCR: LUMA_CHROMA, CIELAB: LAB, ICCLAB: LAB},
}
