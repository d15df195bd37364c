"""Draws the kernels of a network after each epoch of its training."""

from pathlib import Path

from ..drawing.canvas import PixelCanvas
from ..drawing.options import SheetOptions
from ..drawing.sheet import draw_on
from ..errors import ArgumentError
from ..images.atomic_write import write_atomically
from ..images.encoding import Encoding
from ..images.formats import format_named
from ..images.image import Array, Image
from ..images.write import fit
from ..learning.trained_network import TrainedNetwork
from ..networks.layer import ArraySource
from .view_request import WeightsOfLayer
from .view_sheet import Contents, arrange_contents
from .view_weights import view_layer


class TrainingSheets:
    """Writes a PNG of the kernels of the first convolution of a network into a folder, with the number of the epoch as name.

    Raises ArgumentError where the network has no kernels.
    """

    def __init__(self, network: TrainedNetwork, folder: Path, epochs: int) -> None:
        self.network, self.folder = network, folder
        self.digits = len(str(epochs))
        weights = {name: array for name, array in network.parameters.items() if name.endswith(".weight") and array.ndim == 4}
        if not weights:
            raise ArgumentError(f"network {network.network.name!r} has no kernels to draw; leave out --sheets")
        self.layer = network.network.layers[network.network.layer_named(next(iter(weights)).removesuffix(".weight"))]

    def write(self, epoch: int) -> Path:
        """Draw the kernels as they are, and return the file. ``epoch`` is counted from 1."""
        weights = self.network.parameters[f"{self.layer.name}.weight"]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.layer.name}-{epoch:0{self.digits}}.png"
        with write_atomically(path) as file:
            file.write(self._png_of(weights))
        return path

    def _png_of(self, weights: Array) -> bytes:
        source = ArraySource("weight", weights.shape, "", lambda: weights)
        contents = Contents()
        contents.add([view_layer(WeightsOfLayer(self.network.network.name, self.layer.name, self.layer.kind, source))])
        sheet = arrange_contents(contents, SheetOptions())
        assert sheet is not None
        canvas = PixelCanvas(sheet.layout.height, sheet.layout.width)
        draw_on(canvas, sheet)
        picture = Image(canvas.pixels, 255)
        return fit(picture, format_named("png"), Encoding()).encode(picture)
