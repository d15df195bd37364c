"""Checks the boxes of a sheet."""

import numpy as np


def boxes_of(layout):
    """All boxes with pixels."""
    for group in layout.groups:
        yield group.heading
        yield from group.legend
        for cell in filter(None, group.cells):
            yield from (cell.tile, cell.inset, cell.caption)


def assert_apart(layout):
    """Paint each box on a sheet: no pixel is painted twice, none lies outside."""
    painted = np.zeros((layout.height, layout.width), np.uint8)
    for box in boxes_of(layout):
        if box.width and box.height:
            assert min(box.x, box.y) >= 0
            assert box.x + box.width <= layout.width
            assert box.y + box.height <= layout.height
            part = painted[box.y : box.y + box.height, box.x : box.x + box.width]
            assert not part.any(), box
            part[:] = 1
