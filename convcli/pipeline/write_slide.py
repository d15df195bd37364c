"""Writes a slide: an animation, a figure, or a page with buttons. Frames are drawn and encoded one at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from ..drawing.slide import Slide, figure_of
from ..drawing.slide_page import Frame, page_of
from ..errors import ArgumentError, ImageError
from ..images.encoding import Encoding
from ..images.frames import Series
from ..images.image import Image
from ..images.provenance import Provenance
from ..images.write import fit
from .slide_request import SlideRequest, picture_format
from .write_output import write_once

WHITE = 255

HELD = 3
"""How many times as long the last frame of an animation is shown, before it begins again."""

OnFrame = Callable[[int, int], object]
"""Called with the number of frames that are done, and that of all."""


def frames_of(request: SlideRequest, map_shape: tuple[int, ...]) -> range:
    """Return the positions that are shown: those of --frames, else all, in a picture the one in the middle of the map."""
    rows, columns = map_shape
    if request.frames is None:
        middle = rows // 2 * columns + columns // 2
        return range(middle, middle + 1) if request.format == "png" else range(rows * columns)
    try:
        return request.frames.indices(rows * columns)
    except ImageError as error:
        raise ArgumentError(f"the slide {error}") from None


def durations_of(request: SlideRequest, count: int) -> tuple[float, ...]:
    """Return for how many milliseconds each frame of an animation is shown; none where there is one frame.

    GIF has hundredths of a second.
    """
    each = 10 * round(100 / request.fps) if request.format == "gif" else 1000 / request.fps
    return (*(each,) * (count - 1), each * HELD) if count > 1 else ()


def write_slide(
    request: SlideRequest,
    slide: Slide,
    indices: range,
    provenance: Provenance,
    target: tuple[Path | None, BinaryIO | None],
    on_frame: OnFrame,
) -> tuple[int, int]:
    """Write the frames of a slide to a file, or to standard output. Return height and width of the picture."""
    encoding = Encoding(png_level=6, quality=100, only_changes=True)
    in_page = request.format == "html"
    fitted = fit(Image(slide.background, WHITE), picture_format(request.format), encoding, None if in_page else provenance)

    def drawn() -> Iterator[Image]:
        for done, index in enumerate(indices, start=1):
            yield Image(slide.frame(index), WHITE)
            on_frame(done, len(indices))

    size = slide.layout.height, slide.layout.width
    if in_page:
        frames = (Frame(fitted.encode(image), slide.caption(index)) for index, image in zip(indices, drawn(), strict=True))
        page = page_of(slide.window.title, size, list(frames), request.fps, str(provenance))
        write_once(*target, lambda file: file.write(page))
    elif request.format == "png" or len(indices) == 1:
        picture = Image(figure_of(slide, indices), WHITE)
        size = picture.size[:2]
        data = fit(picture, picture_format(request.format), encoding, provenance).encode(picture)
        write_once(*target, lambda file: file.write(data))
    else:
        series = Series(len(indices), durations=durations_of(request, len(indices)), loop=0)
        write_once(*target, lambda file: fitted.write_frames(file, drawn(), series))
    return size
