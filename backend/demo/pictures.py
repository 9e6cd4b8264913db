"""Pictures drawn by arithmetic: an object on a soft ground, the same every time.

Nothing is written on them, so no font is needed. A picture is 500 by 500 and below 60 KB.
"""

from __future__ import annotations

import colorsys
import io
import zlib
from collections.abc import Sequence
from typing import Final

from PIL import Image

from backend.demo.drawings import DRAWINGS, Colour, Pen, shade

SIDE: Final = 500
_FINE: Final = 2  # drawn twice as large, then halved, for smooth edges

COLOURS: Final[dict[str, Colour]] = {
    "米白": (238, 229, 211),
    "雾蓝": (126, 156, 184),
    "抹茶": (140, 166, 104),
    "陶土": (189, 112, 82),
    "墨黑": (66, 68, 74),
    "樱粉": (226, 168, 172),
    "姜黄": (219, 168, 66),
    "浅灰": (176, 178, 182),
    "青瓷": (136, 184, 170),
    "天青": (120, 178, 200),
    "原木": (196, 152, 104),
    "藏青": (58, 78, 120),
}


def any_colour(word: str) -> Colour:
    """A quiet colour that belongs to a word."""
    hue = zlib.crc32(word.encode()) % 360 / 360
    red, green, blue = colorsys.hls_to_rgb(hue, 0.56, 0.36)
    return round(red * 255), round(green * 255), round(blue * 255)


def ground(width: int, height: int, colour: Colour) -> Image.Image:
    """A soft gradient, out of four corners."""
    corners = Image.new("RGB", (2, 2))
    corners.putdata([shade(colour, by) for by in (0.86, 0.74, 0.7, 0.56)])
    return corners.resize((width, height), Image.Resampling.BICUBIC)


def _bytes(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.reduce(_FINE).save(out, "JPEG", quality=84)
    return out.getvalue()


def draw(drawing: str, colour: Colour, *, behind: str = "") -> bytes:
    """One object on its ground; `behind` varies the ground."""
    side = SIDE * _FINE
    image = ground(side, side, any_colour(behind) if behind else colour)
    pen = Pen(image)
    pen.oval(12, 76, 88, 92, shade(any_colour(behind) if behind else colour, 0.42))
    DRAWINGS[drawing](pen, colour)
    return _bytes(image)


def pattern(drawing: str, colour: Colour) -> bytes:
    """The object many times over, small: a second look at it."""
    side = SIDE * _FINE
    image = ground(side, side, shade(colour, 0.25))
    tile = ground(side // 3, side // 3, colour)
    DRAWINGS[drawing](Pen(tile), colour)
    for row in range(3):
        for column in range(3):
            if (row + column) % 2 == 0:
                image.paste(tile, (column * side // 3, row * side // 3))
    return _bytes(image)


def banner(drawings: Sequence[str], colour: Colour) -> bytes:
    """A wide picture with several objects in a row."""
    width, height = 900 * _FINE, 360 * _FINE
    image = ground(width, height, colour)
    size = round(height * 0.74)
    for place, drawing in enumerate(drawings):
        layer = Image.new("RGBA", (size, size), (0, 0, 0, 0))
        DRAWINGS[drawing](Pen(layer), shade(any_colour(drawing), -0.05))
        left = round(width * (0.18 + 0.64 * (place + 0.5) / len(drawings)) - size / 2)
        image.paste(layer, (left, round(height * 0.14)), layer)
    return _bytes(image)
