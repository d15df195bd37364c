"""The notebook of the samples runs, and shows pictures."""

import base64
import io
from pathlib import Path

import nbclient
import nbformat
import PIL.Image
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def outputs():
    """The data of the last output of each cell of code, by MIME type."""
    notebook = nbformat.read(ROOT / "samples" / "feature-maps.ipynb", as_version=4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": ROOT}}).execute()
    return [cell.outputs[-1].data for cell in notebook.cells if cell.cell_type == "code"]


def test_every_cell_shows_a_picture(outputs):
    """IPython gets the same picture as a file and as an element of HTML."""
    for data in outputs:
        picture = PIL.Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
        assert picture.format == "PNG"
        assert 100 <= min(picture.size) <= max(picture.size) <= 2000
        assert data["image/png"].replace("\n", "") in data["text/html"]


def test_a_kernel_is_described(outputs):
    """The text stands above the picture."""
    assert outputs[0]["text/html"].startswith("<p>sobel-x: change to the right, smoothed 1 2 1</p>\n<img ")
