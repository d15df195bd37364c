"""Estimates the memory that one image and its feature maps take, from the header of the image."""

import contextlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from ..errors import ConvcliError
from ..geometry.borders import check_border
from ..images.image import Header
from ..kernels.kernel import Bank, kernels_of
from .apply_request import ApplyRequest
from .request_base import BaseRequest
from .tasks import Target

if TYPE_CHECKING:  # its layers take 10 ms to import, which apply does not need
    from ..drawing.options import SheetOptions
    from .network_request import NetworkRequest

CHUNK_BYTES = 6_000_000
"""Bytes of a response that is stored as levels, chunk by chunk."""

MISSING_BYTES = 24_000_000
"""Bytes of the float64 sums of the rows of a map that are computed at a time where samples are missing."""

SHEET_BYTES = 8_000_000
"""Bytes of a sheet of about a megapixel while it is drawn and encoded."""

SHEET_PIXEL_BYTES = 16
"""Bytes of each of its pixels where their number is given: floats, colours, and copies of the encoder."""

FLOAT32_BYTES = 4

ENCODER_COPIES = 4
"""Copies of each frame where an encoder takes all at once, measured with AVIF."""


def estimate(request: BaseRequest, targets: Sequence[Target], header: Header, frames: int = 1) -> int:
    """Return the bytes that one image takes, from reading it to writing its outputs, without the process itself.

    Of a file with several ``frames`` that one output holds, frames are read, computed and written one at a time.

    The estimate is within a quarter of what tests/pipeline/test_memory.py measures, on 4 megapixels of several dtypes.
    """
    if not isinstance(request, ApplyRequest):
        held = max((_held(request, target, header, frames) for target in targets), default=0)
        return _estimate_network(cast("NetworkRequest", request), header) + held
    pixels, real = header.height * header.width, max(header.itemsize, 4)
    image = pixels * header.channels * header.itemsize + header.held
    if request.may_miss:
        image += pixels * (1 if header.channels in (2, 4) else header.channels) + MISSING_BYTES  # which samples are missing
    kinds = {(target.file_format.name, target.maps, target.path is None, target.frame is None): target for target in targets}
    written = [
        _estimate_output(request, target, header, real) + _held(request, target, header, frames) for target in kinds.values()
    ]
    explained = _samples(request, header, real) if request.explain or request.method or request.is_illustrated else 0
    return max(image + header.reading, image + max(explained, *written, 0))


def _estimate_output(request: ApplyRequest, target: Target, header: Header, real: int) -> int:
    if request.sheet is not None:
        return _estimate_sheet(request, request.sheet, target, header, real)
    if not request.stacks_in(target.file_format):
        copies = target.file_format.encoding_copies[header.channels in (2, 4)]
        numbers = sum(_count(request, index, header, header.channels) for index in target.maps)
        response = min(CHUNK_BYTES, numbers * real)
        padded = _padded(request, target, header, real) * response // max(numbers * real, 1)
        rows = response * math.prod(request.stride) if request.light == "linear" else 0  # samples that are read for a chunk
        computing = response + padded + min(rows, _samples(request, header, real))
        return header.itemsize * numbers + max(computing, (copies - 1) * header.itemsize * numbers)  # encoded when computed
    colours = header.channels - (header.channels in (2, 4))  # a stack holds no alpha
    maps = sum(_count(request, index, header, colours) for index in target.maps)
    merging = sum(_count(request, index, header, colours) for index in target.maps if isinstance(request.maps[index], Bank))
    return maps * real + _samples(request, header, real) + _padded(request, target, header, real) + merging * real


def _estimate_sheet(request: ApplyRequest, options: "SheetOptions", target: Target, header: Header, real: int) -> int:
    """Return the bytes of a sheet, and of the largest of its maps: each is reduced before the next one is computed."""
    largest = max((_count(request, index, header, header.channels) for index in target.maps), default=0)
    copies = 1 + any(isinstance(request.maps[index], Bank) for index in target.maps)
    computing = copies * largest * real + _samples(request, header, real) + _padded(request, target, header, real)
    side = options.tile or (options.scale or 0) * max(header.height, header.width)
    return computing + max(SHEET_BYTES, SHEET_PIXEL_BYTES * side**2 * len(target.maps))


def _held(request: BaseRequest, target: Target, header: Header, frames: int) -> int:
    """Return the bytes that are held while the next frame is computed, of an output of several."""
    if frames == 1 or request.sheet is not None or target.frame is not None:
        return 0
    is_raw = request.stacks_in(target.file_format)
    channels = header.channels - (is_raw and header.channels in (2, 4))
    itemsize = max(header.itemsize, 4) if is_raw else header.itemsize
    maps = sum(_count(request, index, header, channels) for index in target.maps) * itemsize
    if target.file_format.holds_frames_in_memory:
        return frames * maps * ENCODER_COPIES
    if target.path is None:  # the whole file, before standard output gets it
        return frames * maps
    return 2 * maps  # the first frame, and the one before, which is compared with the next or not freed yet


def _samples(request: ApplyRequest, header: Header, real: int) -> int:
    """Return the bytes of the colours of an image in linear light or multiplied by its alpha, 0 where they are its pixels."""
    has_alpha = header.channels in (2, 4)
    copied = has_alpha or (request.light == "linear" and header.itemsize <= 2)
    return header.height * header.width * (header.channels - has_alpha) * real if copied else 0


def _padded(request: ApplyRequest, target: Target, header: Header, real: int) -> int:
    """Return the bytes of the largest padded copy of the colours, 0 where the border needs none."""
    channels, sizes, largest = header.channels - (header.channels in (2, 4)), (header.height, header.width), 0
    for kernel in (kernel for index in target.maps for kernel in kernels_of(request.maps[index])):
        with contextlib.suppress(ConvcliError):  # reported when the image is processed
            rows, columns = request.axes_for(kernel, sizes)
            if check_border(request.border).for_axes(rows, columns).needs_copy:
                largest = max(largest, rows.padded * columns.padded * channels * real)
    return largest


def _count(request: BaseRequest, index: int, header: Header, channels: int) -> int:
    """Return the count of values in a feature map; 0 where it cannot be computed."""
    try:
        return math.prod(request.map_shape((header.height, header.width, channels), request.maps[index], strict=False))
    except ConvcliError:
        return 0


def _estimate_network(request: "NetworkRequest", header: Header) -> int:
    """Return the bytes of the image, of the inputs and the output of a layer, and of the maps that are kept meanwhile."""
    height, width = header.height, header.width
    image = height * width * header.channels * header.itemsize + header.held
    try:
        analyses = request.model.analyses(request.size_for((height, width)))
    except ConvcliError:  # reported when the image is processed
        return image + header.reading
    entering = math.prod(analyses[0].input_shape)
    resized = (request.network.input.channels + 1) * height * width if analyses[0].input_shape[1:] != (height, width) else 0
    last_readers = {link: index for index in request.model.needed for link in analyses[index].inputs}
    held, peak = {-1: entering}, entering + resized  # held: the counts of numbers in the outputs of layers, by index
    for index in request.model.needed:
        analysis = analyses[index]
        out = math.prod(analysis.output_shape)
        peak = max(peak, sum(held.values()) + out + analysis.layer.scratch(analysis.input_shape))
        held[index] = out
        for link in (index, *analysis.inputs):
            is_tapped = link >= 0 and analyses[link].layer.name in request.model.tapped_layers
            if last_readers.get(link, index) == index and not is_tapped:
                held.pop(link, None)
    sources = [source for layer in request.model.layers for source in layer.sources]
    doubles = [math.prod(source.shape) for source in sources if source.itemsize > FLOAT32_BYTES]
    cast = max(doubles, default=0)  # for float32 images
    return image + max(header.reading, peak * max(header.itemsize, FLOAT32_BYTES) + cast * FLOAT32_BYTES)
