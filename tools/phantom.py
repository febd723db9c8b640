"""A chest phantom made of ellipsoids, in millimetres and Hounsfield units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIZE = 512
"""Rows and columns of an image."""
PIXEL_MM = 0.75

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]


def _ellipse(x: Field, y: Field, centre: tuple[float, float], half: tuple[float, float]) -> Field:
    """The squared relative radius: below 1 inside the ellipse, so that a shell is a range of values."""
    return ((x - centre[0]) / half[0]) ** 2 + ((y - centre[1]) / half[1]) ** 2


def _ellipsoid(
    x: Field, y: Field, z: float, centre: tuple[float, float, float], half: tuple[float, float, float]
) -> Mask:
    height = ((z - centre[2]) / half[2]) ** 2
    inside: Mask = _ellipse(x, y, centre[:2], half[:2]) + height < 1
    return inside


def hounsfield(z: float) -> NDArray[np.float32]:
    """One axial slice of the phantom in Hounsfield units, without noise, at height `z` in mm (0 = mid-chest).

    Axes are the patient's: x grows to the left, y to the back, z to the head.
    """
    axis = (np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2) * PIXEL_MM
    x, y = np.meshgrid(axis, axis)
    pixels = np.full((SIZE, SIZE), -1000, np.float32)

    def fill(where: Mask, value: float) -> None:
        pixels[where] = value

    table = _ellipse(x, y, (0, -240), (370, 370))
    fill((table > 1) & (table < 1.025) & (np.abs(x) < 170), -350)

    # The trunk is narrower at the shoulders and at the waist.
    scale = 1 - 0.10 * (z / 150) ** 2
    trunk = _ellipse(x, y, (0, 0), (168 * scale, 112 * scale))
    fill(trunk < 1, -95)
    fill(trunk < 0.985, 55)
    fill((trunk < 0.975) & (trunk > 0.86), -95)

    cage = _ellipse(x, y, (0, 0), (150 * scale, 97 * scale))
    fill((cage > 0.84) & (cage < 1), 50)
    fill(cage < 0.84, -70)

    for side in (-1, 1):
        lung = _ellipsoid(x, y, z, (side * 76, -4, 10), (57, 82, 132))
        dome = _ellipsoid(x, y, z, (side * 70, -5, -125), (75, 90, 75 if side < 0 else 65))
        fill(lung & ~dome, -860)
        texture = np.sin(x / 6.1 + z / 9) * np.sin(y / 7.3 - z / 11) * np.sin((x + side * y) / 9.7 + z / 7)
        fill(lung & ~dome & (texture > 0.62), -250)
        fill(dome & (cage < 0.82), 95 if side < 0 else 60)

    fill(_ellipsoid(x, y, z, (22, -28, -35), (52, 42, 55)), 45)
    fill(_ellipsoid(x, y, z, (30, -22, -40), (24, 20, 30)), 160)
    fill(_ellipse(x, y, (24, 46), (12, 12)) < 1, 170)
    fill(_ellipsoid(x, y, z, (5, 8, 55), (22, 34, 20)), 170)
    if z > 20:
        fill(_ellipse(x, y, (0, 14), (11, 11)) < 1, 60)
        fill(_ellipse(x, y, (0, 14), (9, 9)) < 1, -1000)
    else:
        for side in (-1, 1):
            fill(_ellipse(x, y, (side * (20 - z) * 0.6, 14), (6, 6)) < (1 if z > -40 else 0), -1000)

    ribs = (z - 0.45 * y + 400) % 26 < 9
    fill((cage > 0.86) & (cage < 0.975) & ribs & (np.abs(x) > 16), 480)
    fill((cage > 0.89) & (cage < 0.95) & ribs & (np.abs(x) > 18), 220)
    fill((np.abs(x) < 17) & (np.abs(y + 91 * scale) < 6) & (z > -70), 330)

    disc = (z + 400) % 30 < 6
    fill(_ellipse(x, y, (0, 66), (22, 16)) < 1, 90 if disc else 520)
    fill(_ellipse(x, y, (0, 66), (19, 13)) < 1, 90 if disc else 210)
    fill(_ellipse(x, y, (0, 90), (14, 12)) < 1, 420)
    fill(_ellipse(x, y, (0, 90), (8, 8)) < 1, 25)
    fill((np.abs(x) < 3.5) & (y > 99) & (y < 108) & ~np.bool_(disc), 400)

    lesion = _ellipsoid(x, y, z, (-84, -26, 32), (11, 10, 11))
    fill(lesion, 40)

    # Smooth edges as in a scanner's images: each value is a mean over its neighbours.
    for direction in (0, 1):
        pixels += (np.roll(pixels, 1, direction) - 2 * pixels + np.roll(pixels, -1, direction)) / 4
    return pixels
