"""Scene -> pixels with integer arithmetic only, so that no library version changes a pixel.

Shapes are drawn at twice the size and averaged 2 x 2. Coordinates below are in those half
pixels, relative to the thing's centre, y pointing down; ``r`` is the radius.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from harness_tasks.editions.mini.scene import GRID, Scene, Thing

Grid = npt.NDArray[np.int64]
Inside = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]

#: A cell is two patches of 12 pixels wide: a small ViT sees a shape alike in all nine cells.
CELL = 24
SIZE = CELL * GRID
RADIUS = {"small": 7, "large": 10}
RGB = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (60, 90, 240),
    "yellow": (240, 220, 50),
    "purple": (150, 50, 190),
    "white": (245, 245, 245),
    "pink": (250, 150, 190),
    "cyan": (60, 220, 230),
    "gray": (120, 120, 120),
    "black": (15, 15, 15),
    "brown": (110, 70, 35),
    "teal": (20, 105, 100),
    "navy": (20, 25, 90),
    "olive": (105, 110, 30),
}
#: Corners of a five-pointed star on a circle of radius 1000, inner radius 420, point up.
_STAR = (
    (0, -1000), (247, -340), (951, -309), (399, 130), (588, 809),
    (0, 420), (-588, 809), (-399, 130), (-951, -309), (-247, -340),
)  # fmt: skip


def _circle(x: Grid, y: Grid, r: int) -> Inside:
    return x * x + y * y <= r * r


def _square(x: Grid, y: Grid, r: int) -> Inside:
    return np.maximum(abs(x), abs(y)) * 20 <= 17 * r


def _triangle(x: Grid, y: Grid, r: int) -> Inside:
    return (y * 5 <= 4 * r) & (abs(x) * 19 <= (y + r) * 10)


def _star(x: Grid, y: Grid, r: int) -> Inside:
    inside = np.zeros(x.shape, dtype=np.bool_)
    for (ax, ay), (bx, by) in zip(_STAR, _STAR[1:] + _STAR[:1], strict=True):
        crosses = (ay * r > y * 1000) != (by * r > y * 1000)
        # x < the edge's x at this height, multiplied out; the sign of (by - ay) turns it round.
        left = (x * 1000 - ax * r) * (by - ay) < (bx - ax) * (y * 1000 - ay * r)
        inside ^= crosses & (left if by > ay else ~left)
    return inside


def _cross(x: Grid, y: Grid, r: int) -> Inside:
    bar = np.minimum(abs(x), abs(y)) * 3 <= r
    return bar & (np.maximum(abs(x), abs(y)) <= r)


def _ring(x: Grid, y: Grid, r: int) -> Inside:
    squared = x * x + y * y
    return (squared <= r * r) & (squared * 100 >= 36 * r * r)


def _heart(x: Grid, y: Grid, r: int) -> Inside:
    u, v, a = x * 5, -y * 5 + r, r * 4
    curve = u * u + v * v - a * a
    inside: Inside = curve * curve * curve <= u * u * v * v * v * a
    return inside


def _arrow(x: Grid, y: Grid, r: int) -> Inside:
    shaft = (x >= -r) & (x <= 0) & (abs(y) * 3 <= r)
    head = (x >= 0) & (abs(y) <= r - x)
    return shaft | head


_INSIDE: dict[str, Callable[[Grid, Grid, int], Inside]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "ring": _ring,
    "heart": _heart,
    "arrow": _arrow,
}


def _paint(canvas: Grid, thing: Thing) -> None:
    """Paint one thing on the double-size canvas (2 * SIZE, 2 * SIZE, 3), in place."""
    r = 2 * RADIUS[thing.size]
    centre_x = 2 * (thing.column * CELL + CELL // 2 + thing.dx)
    centre_y = 2 * (thing.row * CELL + CELL // 2 + thing.dy)
    window = canvas[centre_y - r : centre_y + r + 1, centre_x - r : centre_x + r + 1]
    y, x = np.mgrid[-r : r + 1, -r : r + 1].astype(np.int64)
    inside = _INSIDE[thing.shape](x, y, r)
    color = np.array(RGB[thing.color], dtype=np.int64)
    window[inside] = color
    if thing.texture == "striped":
        window[inside & (y // 4 % 2 == 1)] = color // 3


def rasterise(scene: Scene) -> Pixels:
    """Return the scene as RGB pixels (SIZE, SIZE, 3), uint8."""
    canvas = np.empty((2 * SIZE, 2 * SIZE, 3), dtype=np.int64)
    canvas[:] = RGB[scene.background]
    for thing in scene.things:
        _paint(canvas, thing)
    quads = canvas.reshape(SIZE, 2, SIZE, 2, 3).sum(axis=(1, 3))
    pixels: Pixels = ((quads + 2) // 4).astype(np.uint8)
    return pixels
