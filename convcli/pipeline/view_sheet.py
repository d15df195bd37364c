"""Opens what is viewed, and arranges it as one sheet."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from ..drawing.layout import LARGEST_TILE, MARGIN, WIDTH, Grid, columns_of_grid, grid_for, tile_size
from ..drawing.options import SheetOptions
from ..drawing.sheet import ArrangedSheet, Cell, Group, arrange_sheet, check_pixels
from ..errors import ConvcliError, ImageError
from ..images.codecs.pillow import truncated_allowed
from ..images.formats import format_beginning
from ..images.provenance import digest_of
from ..images.read import open_input
from ..kernels.weight_arrays import sharing_archives
from ..kernels.weight_suffixes import ARCHIVE_SUFFIXES
from .inputs import Input
from .sheet_groups import with_room
from .view_arrays import view_archive, view_npy
from .view_pictures import view_frames
from .view_request import ViewRequest, split_key
from .view_weights import view_kernel, view_layer
from .viewed import MAX_CHANNELS, MAX_PARTS, DrawnIn, Part, Viewed

ZIP = b"PK\3\4"
"""The first bytes of an .npz file."""

MAX_OPEN = 64
"""Files that stay open: the frames of further ones are read from files that are opened again."""

CHANNEL_FACTOR = 2
"""Pixels for each sample of channels side by side, as far as there is room."""


class Contents(Struct):
    """All that is viewed, in order, and what happened: notices, and errors of what could not be read."""

    viewed: list[Viewed] = []
    notices: list[str] = []
    errors: list[str] = []

    def add(self, items: Iterable[Viewed | str]) -> None:
        """Add items, at most MAX_PARTS parts of them, and errors."""
        room = MAX_PARTS
        for found in items:
            if isinstance(found, str):
                self.errors.append(found)
                continue
            if not room:  # those after this one are not opened
                self.notices.append(f"shows at most {MAX_PARTS} tiles; further files, kernels or layers are left out")
                break
            shown = found.parts[:room]
            self.notices += [f"{found.name}: {notice}" for notice in found.notices]
            if len(shown) < found.count:
                self.notices.append(f"{found.name}: shows the first {len(shown)} of {found.count} {found.kind}")
            channels = max(part.shape[2] for part in shown)
            if channels > MAX_CHANNELS:
                self.notices.append(f"{found.name}: shows the first {MAX_CHANNELS} of {channels} channels")
            self.viewed.append(replace(found, parts=shown))
            room -= len(shown)


class OpenFiles(contextlib.ExitStack):
    """Files that stay open until all is drawn, and how many there are."""

    count = 0

    def keep(self, file: contextlib.ExitStack) -> None:
        """Close a file with this."""
        self.push(file)
        self.count += 1


@contextlib.contextmanager
def open_contents(request: ViewRequest, standard_input: BinaryIO | None) -> Iterator[Contents]:
    """Open all that is viewed, at most MAX_PARTS parts. During the block they can be drawn."""
    contents = Contents()
    with OpenFiles() as kept, truncated_allowed(request.allow_truncated), sharing_archives():
        contents.add(_open_all(request, standard_input, kept))
        yield contents


def _open_all(request: ViewRequest, standard_input: BinaryIO | None, kept: OpenFiles) -> Iterator[Viewed | str]:
    """Yield what is viewed, or an error."""
    for input_ in request.inputs:
        name = "standard input" if input_.source is None else input_.name
        try:
            for found in _open_input(request, input_, name, standard_input, kept):
                yield f"{name}: {found}" if isinstance(found, ImageError) else _of_file(found, name)
        except ConvcliError as error:
            yield f"{name}: {error}"
    for kernel in request.kernels:
        yield view_kernel(kernel)
    for layer in request.layers:
        try:
            found = view_layer(layer)
            yield _of_file(found, found.name)
        except ConvcliError as error:
            yield str(error)


def _of_file(viewed: Viewed, name: str) -> Viewed:
    return replace(viewed, parts=tuple(replace(part, file=name) for part in viewed.parts))


def _open_input(
    request: ViewRequest, input_: Input, name: str, standard_input: BinaryIO | None, kept: OpenFiles
) -> Iterator[Viewed | ImageError]:
    """Yield the contents of a file: one item, or one for each array of an archive."""
    if input_.error:
        raise ImageError(input_.error)
    path, key = split_key(input_)
    again = None if input_.is_pipe else path
    with contextlib.ExitStack() as closing:
        file = closing.enter_context(open_input(path, standard_input, allow_pipe=True))
        if path is not None and path.suffix.lower() in ARCHIVE_SUFFIXES:
            for found in view_archive(path, key, request.frames, request.axes, request.max_pixels):
                yield replace(found, digest=_digest_of(file, request)) if isinstance(found, Viewed) else found
            return
        if key is not None:
            raise ImageError(f"holds no arrays by name; leave out #{key}")
        start = file.read(32)
        file.seek(0)
        if start.startswith(ZIP):
            raise ImageError("is an archive; an .npz is read from a file whose name ends so, and .npy from pipes too")
        file_format = format_beginning(start)
        short = Path(name).name if path is not None else name
        if file_format is not None and file_format.name == "npy":
            viewed = view_npy(short, file, again, request.frames, request.axes, request.max_pixels)
            stays_open = again is None
        else:
            stays_open = again is None or kept.count < MAX_OPEN
            viewed = view_frames(short, file, again, request.frames, request.max_pixels, stays_open, request.prepared)
            stays_open &= again is None or len(viewed.parts) > 1
        viewed = replace(viewed, digest=_digest_of(file, request))  # not before: a file that is refused may be very large
        if stays_open:
            kept.keep(closing.pop_all())  # frames are read when they are drawn
        alone = (replace(viewed, parts=(part,), count=1) for part in viewed.parts)
        yield from alone if request.prepared else [viewed]


def _digest_of(file: BinaryIO, request: ViewRequest) -> str:
    """Return the digest of an open file, which stays where it is; an empty text where no file carries it."""
    if not request.output or request.strip:
        return ""
    place = file.tell()
    file.seek(0)
    digest = digest_of(file)
    file.seek(place)
    return digest


class Section(Struct, frozen=True):
    """Parts with a common heading, and a common scale where they are of one file."""

    heading: str
    parts: tuple[Part, ...]


def sections_of(contents: Contents) -> list[Section]:
    """Return the sections of a sheet: one for each file, bank or layer with several parts; those of one part together."""
    sections: list[Section] = []
    for viewed in contents.viewed:
        if len(viewed.parts) > 1:
            sections.append(Section(_heading(viewed), viewed.parts))
        elif sections and not sections[-1].heading:
            sections[-1] = Section("", (*sections[-1].parts, *viewed.parts))
        else:
            sections.append(Section("", viewed.parts))
    return sections


def _heading(viewed: Viewed) -> str:
    sizes = {part.shape for part in viewed.parts}
    height, width, channels = viewed.parts[0].shape
    size = f" of {width} x {height}" if viewed.kind in ("maps", "frames") else f" of {height} x {width}"
    if channels not in (1, 3):
        size += f" x {channels}"
    count = len(viewed.parts) if len(viewed.parts) == viewed.count else f"the first {len(viewed.parts)} of {viewed.count}"
    return f"{viewed.name}: {count} {viewed.kind}{size if len(sizes) == 1 else ''}"


def plan_view(sections: Sequence[Section], options: SheetOptions, notices: list[str], width: int | None = None) -> Grid:
    """Return the grid of a sheet that is at most ``width`` pixels wide, or WIDTH where no sizes are given. Adds notices.

    Raises ArgumentError where --numbers has no room, and where tiles are too large.
    """
    shapes = [part.shape for section in sections for part in section.parts]
    if options.numbers:
        options = with_room(options, shapes, [], notices)
    counts, further = [len(section.parts) for section in sections], 30 * len(sections)
    columns = columns_of_grid([part.name for part in sections[0].parts]) if len(sections) == 1 else None
    grid = grid_for(counts, shapes, options, columns, further, width)
    needed = max((side_of_block(shape, options.scale) for shape in shapes), default=0)
    if needed > grid.side and options.tile is None:
        grid = grid_for(counts, shapes, replace(options, tile=needed, scale=None), columns, further, width or WIDTH)
    elif len(shapes) == 1 and options.tile is None and options.scale is None:
        grid = Grid(1, max(1, min((width or WIDTH) - 2 * MARGIN, max(LARGEST_TILE, *shapes[0][:2]))))
    height, wide = tile_size(shapes, grid.side, options.scale)
    check_pixels(len(shapes) * height * wide)
    return grid


def side_of_block(shape: tuple[int, int, int], factor: int | None) -> int:
    """Return the side of a square in which the channels of an array can be told apart; 0 where it is one tile."""
    height, width, channels = shape
    if channels in (1, 3):
        return 0
    across = math.ceil(math.sqrt(min(channels, MAX_CHANNELS)))
    side = across * (max(height, width) * (factor or CHANNEL_FACTOR) + 2) - 2
    return side if factor else min(side, LARGEST_TILE)


def read_groups(sections: Sequence[Section], drawn_in: DrawnIn, contents: Contents) -> list[Group]:
    """Read all parts, each reduced to its size as soon as it is read. What cannot be read is an error of ``contents``."""
    groups = []
    for section in sections:
        cells, are_of_one = [], len({part.file for part in section.parts}) == 1
        for part in section.parts:
            try:
                tiles = part.tiles(drawn_in)
                cells.append(Cell(tiles if are_of_one else tuple(replace(tile, file=part.file) for tile in tiles)))
            except ConvcliError as error:
                contents.errors.append(f"{part.name}: {error}")
            except MemoryError:
                contents.errors.append(f"{part.name}: does not fit in memory")
        groups.append(Group(tuple(cells), drawn_in.side, section.heading, drawn_in.factor))
    return groups


def arrange_contents(contents: Contents, options: SheetOptions, width: int | None = None) -> ArrangedSheet | None:
    """Read all parts, and return the sheet of them, at most ``width`` pixels wide; None where nothing could be read.

    Raises ArgumentError where the options do not fit.
    """
    sections = sections_of(contents)
    grid = plan_view(sections, options, contents.notices, width)
    groups = read_groups(sections, DrawnIn(grid.side, options.scale), contents)
    if not any(group.tiles for group in groups):
        return None
    sheet = arrange_sheet(groups, grid.columns, options)
    contents.notices += sheet.notices
    return sheet
