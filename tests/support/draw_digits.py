"""Draws the ten digits of samples/digits, as if written with a pen and photographed.

python tests/support/draw_digits.py samples/digits
"""

import sys
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw

STROKES = {
    0: [[(50, 12), (25, 25), (20, 55), (32, 85), (52, 88), (72, 70), (78, 40), (66, 16), (46, 12)]],
    1: [[(38, 28), (54, 12), (52, 45), (50, 90)]],
    2: [[(24, 30), (34, 14), (56, 11), (70, 25), (64, 46), (42, 68), (22, 88), (48, 84), (80, 86)]],
    3: [[(26, 18), (48, 10), (68, 20), (64, 38), (44, 46), (66, 54), (72, 72), (54, 88), (24, 82)]],
    4: [[(36, 12), (28, 34), (22, 56), (50, 54), (80, 52)], [(62, 20), (60, 50), (56, 92)]],
    5: [[(70, 12), (34, 14), (30, 42), (54, 40), (72, 54), (70, 76), (48, 90), (22, 82)]],
    6: [[(62, 10), (38, 30), (26, 58), (34, 84), (56, 88), (68, 70), (56, 54), (34, 62)]],
    7: [[(20, 16), (48, 14), (78, 14), (60, 44), (44, 90)]],
    8: [[(64, 18), (44, 10), (28, 24), (42, 42), (64, 58), (66, 80), (46, 90), (28, 78), (38, 56), (62, 38), (66, 18)]],
    9: [[(68, 30), (50, 12), (30, 24), (34, 44), (56, 46), (68, 30), (66, 60), (58, 92)]],
}
"""The points of the strokes of each digit, on a square of 100."""

SUPERSAMPLED = 4
"""Times that the drawing is larger than the picture that is made of it."""


def curve_through(points):
    """Points of a smooth curve through points: a Catmull-Rom spline."""
    ends = np.array([points[0], *points, points[-1]], float)
    share = np.linspace(0, 1, 24)[:, None]
    parts = []
    for before, start, end, after in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        slopes = (end - before) / 2, (after - start) / 2
        cubic = 2 * start - 2 * end + slopes[0] + slopes[1], -3 * start + 3 * end - 2 * slopes[0] - slopes[1]
        parts.append(((cubic[0] * share + cubic[1]) * share + slopes[0]) * share + start)
    return np.concatenate(parts)


def photo_of(number, rng):
    """A digit in dark ink on paper that is lit from one side: (H, W, 3) uint8."""
    height, width = (int(side) for side in rng.integers(160, 260, 2))
    side = rng.uniform(0.45, 0.7) * min(height, width)
    corner = rng.uniform(0.05, 0.95, 2) * (width - side, height - side)
    angle, pen = rng.normal(0, 0.05), rng.uniform(5, 8) * side / 100
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    large = PIL.Image.new("L", (width * SUPERSAMPLED, height * SUPERSAMPLED))
    draw = PIL.ImageDraw.Draw(large)
    for stroke in STROKES[number]:
        shaken = np.array(stroke, float) + rng.normal(0, 1.2, (len(stroke), 2))
        for x, y in (((curve_through(shaken) - 50) @ turn / 100 + 0.5) * side + corner) * SUPERSAMPLED:
            radius = pen * SUPERSAMPLED / 2
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    ink = np.asarray(large.resize((width, height), PIL.Image.Resampling.BOX))[:, :, None] / 255
    rows, columns = np.mgrid[:height, :width]
    light = 0.85 + 0.12 * (columns / width * rng.uniform(-1, 1) + rows / height * rng.uniform(-1, 1))
    paper = light[:, :, None] * (236, 230, 216)
    levels = paper * (1 - ink) + np.array((38, 46, 92)) * ink + rng.normal(0, 2.5, (height, width, 1))
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def main(folder):
    """Write the digits into a folder."""
    rng = np.random.default_rng(1998)
    folder.mkdir(parents=True, exist_ok=True)
    for number in STROKES:
        PIL.Image.fromarray(photo_of(number, rng)).save(folder / f"{number}.jpg", quality=88)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
