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
    """Writes a PNG of the kernels of the first convolution of a network into a folder, named by the number of the epoch.

    ``epochs`` are those that follow, from 0. Raises ArgumentError where the network has no kernels, or a file exists.
    """

    def __init__(self, network: TrainedNetwork, folder: Path, epochs: range) -> None:
        self.network, self.folder = network, folder
        self.digits = len(str(epochs.stop))
        weights = {name: array for name, array in network.parameters.items() if name.endswith(".weight") and array.ndim == 4}
        if not weights:
            raise ArgumentError(f"network {network.network.name!r} has no kernels to draw; leave out --sheets")
        self.layer = network.network.layers[network.network.layer_named(next(iter(weights)).removesuffix(".weight"))]
        existing = next((path for path in map(self._path, (epoch + 1 for epoch in epochs)) if path.exists()), None)
        if existing is not None:
            raise ArgumentError(f"{existing}: exists already; give --sheets another folder")

    def _path(self, epoch: int) -> Path:
        return self.folder / f"{self.layer.name}-{epoch:0{self.digits}}.png"

    def write(self, epoch: int) -> None:
        """Draw the kernels as they are. ``epoch`` is counted from 1."""
        weights = self.network.parameters[f"{self.layer.name}.weight"]
        self.folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(self._path(epoch)) as file:
            file.write(self._png_of(weights))

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
