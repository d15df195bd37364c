"""``show``: arrays, kernels, banks and networks as pictures in notebooks."""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from ..drawing.canvas import PixelCanvas
from ..drawing.html_page import attribute, table, text
from ..drawing.options import SheetOptions
from ..drawing.sheet import ArrangedSheet, draw_on
from ..drawing.svg import png_file, png_uri
from ..drawing.tile import can_be_numbered
from ..errors import ArgumentError, ImageError, KernelError
from ..images.image import Array
from ..kernels.kernel import Bank, Kernel, kernels_of
from ..networks.analysis import analyse
from ..networks.layer import shape_text
from ..networks.network import Network
from ..ops.validation import as_flag, as_number, check_array
from .request_base import AXES, COLUMNS, NORMALIZE, SCALE, TILE
from .view_arrays import view_array
from .view_request import weights_of
from .view_sheet import Contents, arrange_contents
from .view_weights import view_kernel, view_layer
from .viewed import Viewed


class Picture(Struct, frozen=True, eq=False):
    """A sheet of tiles, which notebooks show."""

    name: str
    sheet: ArrangedSheet
    notices: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Picture of {self.name}, {self.sheet.layout.width} x {self.sheet.layout.height} pixels>"

    @property
    def pixels(self) -> Array:
        """The colours (H, W, 3), uint8."""
        canvas = PixelCanvas(self.sheet.layout.height, self.sheet.layout.width)
        draw_on(canvas, self.sheet)
        return canvas.pixels

    def _repr_png_(self) -> bytes:
        """Return the bytes of a PNG file, for IPython."""
        return png_file(self.pixels)

    def _repr_html_(self) -> str:
        """Return the picture as an element of HTML, with the notices below it, for IPython."""
        notices = "".join(f"<p>{text(notice)}</p>" for notice in self.notices)
        return f'<img alt="{attribute(self.name)}" src="{png_uri(self.pixels)}">{notices}'


def show(
    what: "ArrayLike | Kernel | Bank | Network | list[Any]",
    *,
    axes: str | None = None,
    layer: str | None = None,
    columns: int | None = None,
    tile: int | None = None,
    scale: int | None = None,
    labels: bool = True,
    normalize: str = "shared",
    percentile: float = 100.0,
    colormap: str | None = None,
    numbers: bool = False,
) -> Picture:
    """Draw maps, kernels or the weights of a layer as one sheet, which notebooks show.

    Parameters
    ----------
    what
        A real array of maps, (H, W), (N, H, W), (N, C, H, W), (H, W, 3) or (N, H, W, 3), a kernel, a bank, a network, or a list
        of these. Arrays of uint8 and uint16 are pictures; others are numbers on a scale.
    axes : str, optional
        The axes of an array, such as "ZYX": maps Z, channels C, rows Y, columns X.
    layer : str, optional
        A layer of a network; None is the first that has weights.
    columns, tile, scale, labels, normalize, percentile, colormap, numbers
        As the options of ``convcli view``: tiles of a row; their longest side in pixels, or pixels for each sample; whether
        there is text; "shared" or "each"; the percentile at which scales end; the colour map; whether values are written.

    Returns
    -------
    Picture
        ``pixels`` are its colours (H, W, 3), uint8.

    Raises
    ------
    ArgumentError (a ValueError)
        If there is nothing to draw, or an option or a shape does not fit.

    Examples
    --------
    >>> import numpy as np, convcli
    >>> convcli.show(np.eye(3), labels=False, tile=90).pixels.shape[2]
    3
    """
    for option, value, (least, most) in (("columns", columns, COLUMNS), ("tile", tile, TILE), ("scale", scale, SCALE)):
        if value is not None and not (isinstance(value, int) and least <= value <= most):
            raise ArgumentError(f"{option} must be a whole number from {least} to {most}, got {value!r}")
    if normalize not in NORMALIZE:
        raise ArgumentError(f"normalize must be {' or '.join(NORMALIZE)}, got {normalize!r}")
    if axes is not None and (not isinstance(axes, str) or axes.upper() not in AXES):
        raise ArgumentError(f"axes must be one of {', '.join(AXES)}, got {axes!r}")
    if colormap is not None and not isinstance(colormap, str):
        raise ArgumentError(f"colormap must be a name, got {colormap!r}")
    labels, numbers, percentile = as_flag("labels", labels), as_flag("numbers", numbers), as_number("percentile", percentile)
    if layer is not None and not isinstance(what, Network):
        raise ArgumentError(f"layer is one of a network, got a {type(what).__name__}")
    if isinstance(what, str):
        raise ArgumentError(f"what must be an array, a kernel, a bank or a network; convcli.kernel({what!r}) is a kernel")
    items = what if isinstance(what, list) and what and all(isinstance(item, SHOWN) for item in what) else [what]
    names = ["array"] if len(items) == 1 else [f"array {index}" for index in range(len(items))]
    contents, letters = Contents(), axes and axes.upper()
    contents.add(_viewed(name, item, letters, layer) for name, item in zip(names, items, strict=True))
    try:
        options = SheetOptions(columns, tile, scale, labels, normalize, percentile, colormap, numbers)
        sheet = arrange_contents(contents, options)
    except ArgumentError as error:
        raise ArgumentError(str(error).replace("--", "")) from None  # options of commands are arguments here
    if sheet is None:
        raise ArgumentError("; ".join(contents.errors) or "what must not be empty")
    return Picture(", ".join(viewed.name for viewed in contents.viewed), sheet, tuple(contents.notices))


def picture_of(value: Kernel | Bank | Network) -> Picture | None:
    """Return what a notebook shows of a value: with numbers where they have room.

    None for a network without weights, and for one whose weights cannot be read: IPython would print a traceback.
    """
    if isinstance(value, Network):
        try:
            return show(value)
        except ArgumentError:
            return None
    return show(value, numbers=all(can_be_numbered(kernel.shape) for kernel in kernels_of(value)))


def elements_of(value: Kernel | Bank | Network) -> str:
    """Return elements of HTML: the name, what it is about, the layers of a network, and the picture."""
    picture = picture_of(value)
    parts = [f"<p>{text(f'{value.name}: {value.about}' if value.about else value.name)}</p>"]
    if isinstance(value, Network):
        parts.append(_table_of_layers(value))
    return "\n".join([*parts, *([picture._repr_html_()] if picture else [])])


def _table_of_layers(network: Network) -> str:
    """Return a table of the layers; with their shapes and parameters, where the network has an input size."""
    if network.input.size is None:
        return table(("layer", "kind"), [(layer.name, layer.kind) for layer in network.layers])
    rows = [
        (found.layer.name, found.layer.kind, shape_text(found.output_shape), f"{found.weights + found.biases:,}")
        for found in analyse(network, network.shape_for(network.input.size))
    ]
    return table(("layer", "kind", "output", "trainable parameters"), rows, first_number=2)


SHOWN = np.ndarray, Kernel, Bank, Network
"""What a list of several things to be shown may hold; other lists are arrays."""


def _viewed(name: str, item: Any, axes: str | None, layer: str | None) -> Viewed:
    """Return the parts of what is shown. Raises ArgumentError."""
    try:
        if isinstance(item, Kernel | Bank):
            return view_kernel(item)
        if isinstance(item, Network):
            return view_layer(weights_of(item, [layer] if layer is not None else [])[0])
        return view_array(name, check_array("what", item), axes)
    except ImageError as error:
        raise ArgumentError(f"what {error}") from None
    except KernelError as error:
        raise ArgumentError(str(error)) from None
