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
    """The boxes of a sheet."""
    assert_boxes_apart(boxes_of(layout), layout.width, layout.height)


def assert_boxes_apart(boxes, width, height):
    """Paint each box on a canvas: no pixel is painted twice, none lies outside."""
    painted = np.zeros((height, width), np.uint8)
    for box in boxes:
        if box.width and box.height:
            assert min(box.x, box.y) >= 0
            assert box.x + box.width <= width
            assert box.y + box.height <= height
            part = painted[box.y : box.y + box.height, box.x : box.x + box.width]
            assert not part.any(), box
            part[:] = 1
