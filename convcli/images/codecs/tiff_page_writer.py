"""Writes the pages of a TIFF file with tifffile, with their metadata.

A block of EXIF begins the file unchanged, so that the offsets in it remain valid, and the first directory points into it. In
BigTIFF, whose directories differ, and for further pages, the directories of a block are written anew.
"""

import hashlib
import operator
import struct
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from ...errors import ArgumentError
from ..encoding import Encoding
from ..exif_block import BYTE, EXIF, GPS, LONG, LONG8, Block, in_order, write_at
from ..exif_tiff import NO_BLOCK, append_subdirectory, start_tiff
from ..frames import LevelsOfFrame
from ..image import Array, Metadata
from ..metadata import DESCRIPTION, XMP_TAG
from .tiff_colour import UNSPECIFIED
from .tiff_series import RGB_LETTERS
from .tiff_writer import UNASSOCIATED, compression_of_pictures, imagej_text, tile_of

CLASSIC_BYTES = (1 << 32) - (1 << 25)
"""Most bytes of planes in a TIFF file whose offsets have 32 bits; the rest is for directories and metadata."""

COMPRESSION = ("compression", "compressionargs", "predictor")
"""Options of tifffile."""

POINTERS = (EXIF, GPS)
"""Tags that point to directories of EXIF, which tifffile does not write: the next number stands for one at first."""

IMAGEJ_PLANES = (("images", "{}"), ("channels", "{}"), ("hyperstack", "true"), ("mode", "grayscale"))


def labels_of_maps(names: Sequence[str], channels: int) -> tuple[str, ...]:
    """Return a label for each plane of maps: the names, and letters or numbers of their channels."""
    parts = RGB_LETTERS if channels == 3 else [str(channel) for channel in range(channels)]
    return tuple(names) if channels == 1 else tuple(f"{name} {part}" for name in names for part in parts)


class PageWriter:
    """Writes pages to a file that begins with the block of EXIF of the first, and points to the directories of the block."""

    def __init__(
        self, file: BinaryIO, metadata: Metadata, program: str, size: int, encoding: Encoding, repeated: Sequence[int] = ()
    ) -> None:
        """``size`` is that of the file in bytes, ``repeated`` are tags that all pages of a series have."""
        import tifffile  # 10 ms, needed for stacks only

        self.file, self.metadata, self.program = file, metadata, program
        self.is_large = size > CLASSIC_BYTES
        self.is_big = self.is_large and program != "imagej"  # ImageJ reads one directory, which all planes follow
        if self.is_large and not self.is_big and encoding.compression not in (None, "none"):
            raise ArgumentError("a stack of ImageJ of more than 4 GB cannot be compressed; give --compression none")
        block = start_tiff(metadata.exif or NO_BLOCK, [])
        order: Any = "<" if block.getvalue()[:2] == b"II" else ">"
        self.order, self.repeated, self.encoding = order, repeated, encoding
        self.writer = tifffile.TiffWriter(
            file, bigtiff=self.is_big, byteorder=order, imagej=program == "imagej", ome=program == "ome", shaped=None
        )
        begins_with_block = metadata.exif and not self.is_big
        if begins_with_block:
            self.writer.filehandle.write(block.getvalue()[8:])
        self.tags = self._tags_of(Block.of(block), not begins_with_block) if metadata.exif else []
        self.pages, self.pages_of_pointers = 0, [0] if metadata.exif else []

    def _tags_of(self, block: Block, is_elsewhere: bool) -> list[tuple[int, int, int, bytes, bool]]:
        """Return the tags of the first directory of a block as tifffile takes them.

        Where the file does not begin with the block, the directories that they point to are written to its end.
        """
        entries = block.directory(block.first_directory)
        values = {
            entry.tag: (
                entry.type,
                entry.count,
                in_order(block.read(entry.value_position, entry.size), entry.type, block.byte_order, self.order),
            )
            for entry in entries
            if not (is_elsewhere and entry.tag in POINTERS) and not (entry.tag == DESCRIPTION and self.program)
        }
        for inner in block.subdirectories(entries) if is_elsewhere else ():
            position = append_subdirectory(block, inner, self.file, self.order, self.is_big)
            values[inner.tag] = LONG8 if self.is_big else LONG, 1, position
        return [
            (tag + (tag in POINTERS), *value, tag not in self.repeated)
            for tag, value in sorted(values.items(), key=operator.itemgetter(0))
        ]

    def __enter__(self) -> "PageWriter":
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is not None:
            return
        self.writer.close()
        if self.pages_of_pointers:
            self._name_pointers()

    def _name_pointers(self) -> None:
        """Give the pointers to directories of EXIF their numbers."""
        import tifffile

        self.file.seek(0)
        pages = tifffile.TiffFile(self.file).pages
        pointers = [tag for number in self.pages_of_pointers for tag in pages[number].aspage().tags if tag.code - 1 in POINTERS]
        for tag in pointers:
            write_at(self.file, tag.offset, struct.pack(f"{self.order}H", tag.code - 1))
        self.file.seek(0, 2)

    def _common(self, metadata: Metadata) -> dict[str, Any]:
        """Return the options that metadata give a page. Further pages do not repeat the directories of EXIF of the first."""
        tags: list[Any] = []
        if metadata.exif and metadata.exif == self.metadata.exif:
            tags = [tag for tag in self.tags if self.pages == 0 or tag[0] - 1 not in POINTERS]
        elif metadata.exif:
            tags = self._tags_of(Block.of(start_tiff(metadata.exif, [])), is_elsewhere=True)
            self.pages_of_pointers += [self.pages] if any(tag[0] - 1 in POINTERS for tag in tags) else []
        if metadata.xmp:
            tags.append((XMP_TAG, BYTE, len(metadata.xmp), metadata.xmp, True))
        self.pages += 1
        calibration = metadata.calibration
        resolution = {"resolution": metadata.dpi, "resolutionunit": "inch"} if metadata.dpi else {}
        if calibration and not metadata.dpi:
            resolution = {"resolution": tuple(map(float, calibration.per_unit)), "resolutionunit": "none"}
        return {"software": False, "extratags": tags, "iccprofile": metadata.icc, **resolution}

    def write_page(self, frame: LevelsOfFrame) -> None:
        """Write levels (H, W, C) as a page of its own."""
        levels, has_alpha, metadata, encoding = frame
        samples, stored = levels.shape[2], levels[:, :, 0] if levels.shape[2] == 1 else levels
        colour, is_first, common = samples - has_alpha == 3, self.pages == 0, self._common(metadata)
        kinds = [UNSPECIFIED] * (samples - has_alpha - (3 if colour else 1)) + [UNASSOCIATED] * has_alpha
        planar: dict[str, Any] = {"extrasamples": kinds} if kinds else {}
        if samples - has_alpha not in (1, 3):
            stored, planar["planarconfig"] = np.moveaxis(levels, 2, 0), "separate"
            if is_first and not has_alpha and all(tag != DESCRIPTION for tag, *_ in self.tags):
                planar["description"] = imagej_text([(word, value.format(samples)) for word, value in IMAGEJ_PLANES])
                common["extratags"] += _label_tags(metadata.label, samples, self.writer.tiff.byteorder)
        stored_alike = {"tile": tile_of(encoding, levels.shape), **compression_of_pictures(encoding, levels.dtype)}
        options = {**common, "photometric": "rgb" if colour else "minisblack", **planar, **stored_alike}
        self.writer.write(stored, contiguous=False, metadata=None, **options)

    def write_series(self, planes: Iterator[Array], shape: Sequence[int], dtype: Any, options: dict[str, Any]) -> None:
        """Write the planes of a series. ``options`` are those of ``tifffile.TiffWriter.write``."""
        if self.program == "ome":
            text = repr((shape, dtype, options, self.tags))
            options["metadata"]["UUID"] = _uuid(text)  # of the same input, the same bytes
        if self.is_large and self.program == "imagej":
            options = {name: value for name, value in options.items() if name not in COMPRESSION} | {"truncate": True}
        options = {**self._common(self.metadata), **options}
        is_one_plane = options["metadata"]["axes"].startswith("Y")
        if is_one_plane and self.program == "ome" and (tile := tile_of(self.encoding, shape)):
            self.writer.write(next(planes), tile=tile, **options)
            return
        options |= {"shape": tuple(shape), "dtype": dtype}
        if options.get("compression"):
            self.writer.write(planes, **options)
            return
        # tifffile would keep a plane while the next is computed, and copy it
        place, handle = self.writer.write(None, returnoffset=True, **options), self.writer.filehandle
        assert place is not None  # without compression, the planes lie at one place
        begin = place[0]
        end = handle.tell()
        handle.seek(begin)
        for plane in planes:
            handle.write(np.ascontiguousarray(plane, dtype.newbyteorder(self.writer.tiff.byteorder)).data)
            del plane
        handle.seek(end)


def _label_tags(label: str, samples: int, order: Any) -> list[Any]:
    """Return the tags with ImageJ's labels of the planes of a map; none for one without a label."""
    from tifffile.tifffile import imagej_metadata_tag

    return list(imagej_metadata_tag({"Labels": labels_of_maps([label], samples)}, order)) if label else []


def _uuid(text: str) -> str:
    digits = hashlib.sha256(text.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], f"8{digits[13:16]}", f"8{digits[17:20]}", digits[20:32]))
