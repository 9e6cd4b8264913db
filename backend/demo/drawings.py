"""The objects of the demo's pictures, each a few ovals and lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

_WHITE: Final = (252, 250, 246)


def shade(colour: Colour, by: float) -> Colour:
    """Lighter above zero, darker below."""
    end = 255 if by > 0 else 0
    red, green, blue = (round(part + (end - part) * abs(by)) for part in colour)
    return red, green, blue


class Pen:
    """Draws in hundredths of the picture, whatever its size."""

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)
        self._unit = image.width / 100

    def _box(self, left: float, top: float, right: float, bottom: float) -> list[float]:
        return [edge * self._unit for edge in (left, top, right, bottom)]

    def oval(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        self._draw.ellipse(self._box(left, top, right, bottom), fill=fill)

    def block(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        fill: Colour,
        *,
        round_by: float = 0,
    ) -> None:
        box = self._box(left, top, right, bottom)
        self._draw.rounded_rectangle(box, radius=round_by * self._unit, fill=fill)

    def shape(self, points: Sequence[Point], fill: Colour) -> None:
        self._draw.polygon([(x * self._unit, y * self._unit) for x, y in points], fill=fill)

    def ring(
        self, box: tuple[float, float, float, float], fill: Colour, width: float,
        start: float = 0, end: float = 360,
    ) -> None:  # fmt: skip
        self._draw.arc(self._box(*box), start, end, fill=fill, width=round(width * self._unit))

    def line(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        self._draw.line(
            [(x * self._unit, y * self._unit) for x, y in points],
            fill=fill,
            width=round(width * self._unit),
            joint="curve",
        )


def cup(pen: Pen, colour: Colour) -> None:
    pen.oval(24, 74, 76, 82, shade(colour, -0.45))
    pen.ring((60, 42, 82, 64), shade(colour, -0.15), 4)
    pen.shape([(28, 36), (70, 36), (64, 76), (34, 76)], colour)
    pen.oval(28, 31, 70, 41, shade(colour, 0.35))
    pen.oval(31, 33, 67, 39, (128, 84, 46))
    for x in (40, 49, 58):
        pen.line([(x, 27), (x + 2, 22), (x - 1, 17)], shade(colour, 0.6), 1.4)


def teapot(pen: Pen, colour: Colour) -> None:
    pen.ring((62, 40, 86, 66), shade(colour, -0.2), 4.5)
    pen.shape([(32, 50), (14, 36), (10, 38), (26, 66)], shade(colour, -0.1))
    pen.oval(24, 38, 72, 78, colour)
    pen.oval(34, 35, 62, 45, shade(colour, -0.25))
    pen.oval(44, 28, 52, 36, shade(colour, -0.35))
    pen.oval(32, 44, 44, 56, shade(colour, 0.3))


def tin(pen: Pen, colour: Colour) -> None:
    pen.oval(28, 72, 72, 84, shade(colour, -0.35))
    pen.block(28, 30, 72, 78, colour)
    pen.oval(28, 24, 72, 36, shade(colour, 0.25))
    pen.block(28, 36, 72, 40, shade(colour, -0.3))
    pen.oval(39, 48, 61, 70, _WHITE)
    leaf(pen, (50, 59), 8, shade(colour, -0.2))


def leaf(pen: Pen, middle: Point, size: float, colour: Colour) -> None:
    x, y = middle
    half = [(math.sin(i * math.pi / 12), i / 12) for i in range(13)]
    right = [(x + w * size * 0.5, y - size + 2 * size * h) for w, h in half]
    left = [(x - w * size * 0.5, y - size + 2 * size * h) for w, h in reversed(half)]
    pen.shape(right + left, colour)
    pen.line([(x, y - size * 0.7), (x, y + size * 1.2)], shade(colour, -0.3), 0.8)


def pouch(pen: Pen, colour: Colour) -> None:
    pen.shape([(30, 22), (70, 22), (74, 82), (26, 82)], colour)
    pen.shape([(30, 22), (70, 22), (70.5, 30), (29.5, 30)], shade(colour, -0.3))
    pen.block(36, 42, 64, 70, _WHITE, round_by=3)
    for x, y in ((44, 52), (55, 52), (49.5, 61)):
        pen.oval(x - 4, y - 5.5, x + 4, y + 5.5, shade(colour, -0.35))
        pen.line([(x, y - 4.5), (x, y + 4.5)], _WHITE, 0.8)


def jar(pen: Pen, colour: Colour) -> None:
    pen.block(30, 34, 70, 82, shade(colour, 0.15), round_by=8)
    pen.block(33, 46, 67, 79, shade(colour, -0.1), round_by=6)
    pen.block(33, 24, 67, 36, shade(colour, -0.5), round_by=3)
    pen.block(39, 54, 61, 70, _WHITE, round_by=2)
    pen.oval(36, 40, 40, 60, shade(colour, 0.6))


def bottle(pen: Pen, colour: Colour) -> None:
    pen.block(42, 16, 58, 28, shade(colour, -0.45), round_by=2)
    pen.shape([(43, 28), (57, 28), (64, 42), (36, 42)], colour)
    pen.block(36, 40, 64, 84, colour, round_by=5)
    pen.block(36, 54, 64, 68, _WHITE)
    pen.block(40, 44, 43, 80, shade(colour, 0.45), round_by=1.5)


def bowl(pen: Pen, colour: Colour) -> None:
    pen.block(40, 70, 60, 78, shade(colour, -0.3), round_by=2)
    points = [(50 + 32 * math.cos(a / 20 * math.pi), 44 + 30 * math.sin(a / 20 * math.pi))
              for a in range(21)]  # fmt: skip
    pen.shape(points, colour)
    pen.oval(18, 38, 82, 52, shade(colour, 0.3))
    pen.oval(23, 40, 77, 50, shade(colour, -0.15))


def plate(pen: Pen, colour: Colour) -> None:
    pen.oval(14, 20, 88, 84, shade(colour, -0.3))
    pen.oval(12, 16, 88, 80, colour)
    pen.oval(26, 28, 74, 68, shade(colour, 0.3))
    pen.ring((18, 21, 82, 75), shade(colour, -0.2), 1)


def pan(pen: Pen, colour: Colour) -> None:
    pen.line([(62, 60), (90, 84)], (120, 84, 54), 7)
    pen.oval(12, 24, 74, 76, shade(colour, -0.35))
    pen.oval(15, 22, 71, 70, colour)
    pen.oval(21, 27, 65, 64, shade(colour, 0.2))


def chopsticks(pen: Pen, colour: Colour) -> None:
    for shift in (0, 9):
        pen.line([(24 + shift, 82), (66 + shift, 18)], colour, 3.4)
        pen.line([(24 + shift, 82), (33 + shift, 68)], shade(colour, -0.4), 3.4)
    pen.block(40, 76, 78, 86, shade(colour, 0.4), round_by=4)


def pillow(pen: Pen, colour: Colour) -> None:
    pen.block(16, 32, 84, 74, shade(colour, -0.15), round_by=16)
    pen.block(18, 28, 82, 68, colour, round_by=15)
    for x, y in ((22, 33), (78, 33), (22, 63), (78, 63)):
        pen.oval(x - 3, y - 3, x + 3, y + 3, shade(colour, -0.2))
    for x in (36, 50, 64):
        pen.line([(x, 36), (x, 60)], shade(colour, 0.4), 1.2)


def bed(pen: Pen, colour: Colour) -> None:
    pen.block(12, 26, 88, 60, (186, 150, 110), round_by=4)
    pen.block(18, 40, 46, 56, _WHITE, round_by=6)
    pen.block(54, 40, 82, 56, _WHITE, round_by=6)
    pen.block(10, 52, 90, 78, colour, round_by=5)
    pen.block(10, 52, 90, 60, shade(colour, 0.4), round_by=3)
    for x in range(18, 90, 14):
        pen.line([(x, 62), (x, 77)], shade(colour, -0.15), 1)


def lamp(pen: Pen, colour: Colour) -> None:
    pen.oval(20, 26, 80, 66, shade(colour, 0.65))
    pen.shape([(38, 22), (62, 22), (74, 52), (26, 52)], colour)
    pen.block(48, 52, 52, 80, (110, 92, 76))
    pen.block(36, 78, 64, 83, (92, 76, 62), round_by=2)


def candle(pen: Pen, colour: Colour) -> None:
    pen.oval(45, 16, 55, 36, (246, 186, 74))
    pen.oval(47.5, 23, 52.5, 35, (255, 232, 160))
    pen.line([(50, 34), (50, 42)], (70, 60, 54), 1.2)
    pen.block(32, 40, 68, 82, shade(colour, 0.2), round_by=5)
    pen.oval(32, 36, 68, 48, shade(colour, 0.5))
    pen.block(38, 56, 62, 70, _WHITE, round_by=2)


def basket(pen: Pen, colour: Colour) -> None:
    pen.ring((30, 16, 70, 66), shade(colour, -0.3), 3.5, 180, 360)
    pen.shape([(18, 42), (82, 42), (74, 82), (26, 82)], colour)
    for y in (50, 58, 66, 74):
        pen.line([(21, y), (79, y)], shade(colour, -0.2), 1.3)
    for x in range(28, 80, 9):
        pen.line([(x, 44), (x * 0.8 + 10, 80)], shade(colour, 0.25), 1.3)


def towel(pen: Pen, colour: Colour) -> None:
    for step, tone in enumerate((-0.15, 0.0, 0.2)):
        top = 62 - step * 16
        pen.block(18, top, 82, top + 18, shade(colour, tone), round_by=8)
        pen.line([(70, top + 2), (70, top + 16)], shade(colour, 0.5), 1.6)


def vase(pen: Pen, colour: Colour) -> None:
    for x, y in ((38, 22), (50, 14), (62, 22)):
        pen.line([(50, 46), (x, y + 4)], (108, 132, 84), 1.6)
        leaf(pen, (x, y), 8, (126, 156, 96))
    pen.oval(30, 46, 70, 86, colour)
    pen.block(43, 38, 57, 54, colour)
    pen.oval(41, 36, 59, 42, shade(colour, -0.35))
    pen.oval(36, 54, 46, 72, shade(colour, 0.35))


def plant(pen: Pen, colour: Colour) -> None:
    for x, y, size in ((30, 42, 15), (70, 42, 15), (50, 30, 18), (40, 36, 13), (60, 36, 13)):
        pen.line([(50, 62), (x, y)], (92, 120, 74), 1.4)
        leaf(pen, (x, y), size, shade((108, 148, 86), (x - 50) / 90))
    pen.shape([(32, 58), (68, 58), (63, 84), (37, 84)], colour)
    pen.block(29, 55, 71, 63, shade(colour, 0.2), round_by=2)


def shirt(pen: Pen, colour: Colour) -> None:
    pen.shape([(34, 22), (66, 22), (90, 40), (80, 54), (70, 46), (70, 84), (30, 84), (30, 46),
               (20, 54), (10, 40)], colour)  # fmt: skip
    pen.oval(40, 16, 60, 30, shade(colour, -0.3))
    pen.line([(50, 30), (50, 84)], shade(colour, -0.15), 1)
    for y in (40, 52, 64, 76):
        pen.oval(48.6, y, 51.4, y + 2.8, shade(colour, 0.6))


def scarf(pen: Pen, colour: Colour) -> None:
    pen.ring((24, 16, 76, 60), colour, 14)
    pen.shape([(40, 50), (58, 50), (54, 86), (34, 86)], shade(colour, -0.15))
    for x in (35, 40, 45, 50):
        pen.line([(x, 84), (x - 0.5, 91)], shade(colour, -0.15), 1.4)
    for y in (60, 70, 80):
        pen.line([(37, y), (56, y)], shade(colour, 0.5), 1.6)


def hat(pen: Pen, colour: Colour) -> None:
    pen.oval(8, 54, 92, 78, shade(colour, -0.2))
    pen.block(28, 26, 72, 64, colour, round_by=16)
    pen.block(28, 54, 72, 62, shade(colour, -0.5))


def socks(pen: Pen, colour: Colour) -> None:
    for shift, tone in ((22, -0.15), (0, 0.0)):
        tint = shade(colour, tone)
        pen.block(26 + shift, 18, 46 + shift, 64, tint, round_by=3)
        pen.block(26 + shift, 54, 68 + shift * 0.6, 76, tint, round_by=11)
        pen.block(26 + shift, 18, 46 + shift, 28, shade(colour, 0.5), round_by=3)


def tote(pen: Pen, colour: Colour) -> None:
    pen.ring((34, 14, 66, 60), shade(colour, -0.3), 3.4, 180, 360)
    pen.block(20, 38, 80, 86, colour, round_by=4)
    leaf(pen, (50, 60), 14, shade(colour, -0.4))


def umbrella(pen: Pen, colour: Colour) -> None:
    pen.line([(50, 18), (50, 80)], (110, 88, 70), 2.4)
    pen.ring((50, 72, 62, 88), (110, 88, 70), 2.4, 0, 180)
    points = [(50 + 40 * math.cos(a / 20 * math.pi), 54 - 34 * math.sin(a / 20 * math.pi))
              for a in range(21)]  # fmt: skip
    pen.shape(points, colour)
    for x in (23, 50, 77):
        pen.line([(50, 20), (x, 54)], shade(colour, -0.25), 1.2)


def fruit(pen: Pen, colour: Colour) -> None:
    for x, y in ((36, 58), (64, 58), (50, 40)):
        pen.oval(x - 17, y - 15, x + 17, y + 19, shade(colour, (50 - y) / 90))
        pen.oval(x - 9, y - 9, x - 3, y - 2, shade(colour, 0.55))
        leaf(pen, (x + 4, y - 17), 6, (104, 146, 82))


def nuts(pen: Pen, colour: Colour) -> None:
    bowl(pen, shade(colour, -0.3))
    for i in range(11):
        x, y = 30 + i * 37 % 41, 40 + i * 23 % 8
        pen.oval(x - 5, y - 6, x + 5, y + 4, shade(colour, 0.1 * (i % 4)))


def box(pen: Pen, colour: Colour) -> None:
    pen.shape([(14, 40), (50, 56), (50, 88), (14, 70)], shade(colour, -0.1))
    pen.shape([(86, 40), (50, 56), (50, 88), (86, 70)], shade(colour, -0.3))
    pen.shape([(14, 40), (50, 24), (86, 40), (50, 56)], shade(colour, 0.2))
    pen.shape([(28, 33.5), (36, 30), (72, 46), (64, 49.7)], _WHITE)


def book(pen: Pen, colour: Colour) -> None:
    pen.block(24, 18, 78, 84, shade(colour, -0.35), round_by=3)
    pen.block(28, 20, 80, 82, _WHITE, round_by=2)
    pen.block(24, 16, 74, 80, colour, round_by=3)
    pen.block(24, 16, 31, 80, shade(colour, -0.2), round_by=2)
    pen.block(40, 32, 66, 46, shade(colour, 0.6), round_by=2)


def clock(pen: Pen, colour: Colour) -> None:
    pen.oval(16, 16, 84, 84, colour)
    pen.oval(22, 22, 78, 78, _WHITE)
    for hour in range(12):
        x, y = math.sin(hour * math.pi / 6), math.cos(hour * math.pi / 6)
        pen.line([(50 + 24 * x, 50 - 24 * y), (50 + 26 * x, 50 - 26 * y)], (90, 90, 94), 1.4)
    pen.line([(50, 50), (50, 32)], (70, 70, 76), 2.4)
    pen.line([(50, 50), (63, 57)], (70, 70, 76), 2.4)
    pen.oval(47.5, 47.5, 52.5, 52.5, colour)


def soap(pen: Pen, colour: Colour) -> None:
    pen.block(18, 44, 82, 76, shade(colour, -0.25), round_by=13)
    pen.block(18, 38, 82, 70, colour, round_by=13)
    pen.block(32, 47, 68, 61, shade(colour, 0.35), round_by=6)
    for x, y, r in ((28, 26, 6), (42, 20, 4), (62, 24, 7), (74, 32, 3)):
        pen.oval(x - r, y - r, x + r, y + r, shade(colour, 0.7))


def card(pen: Pen, colour: Colour) -> None:
    pen.block(14, 30, 88, 76, shade(colour, -0.3), round_by=5)
    pen.block(12, 27, 86, 73, colour, round_by=5)
    pen.block(12, 36, 86, 43, shade(colour, 0.5))
    leaf(pen, (28, 58), 9, _WHITE)


DRAWINGS: Final[dict[str, Callable[[Pen, Colour], None]]] = {
    draw.__name__: draw
    for draw in (
        cup, teapot, tin, pouch, jar, bottle, bowl, plate, pan, chopsticks, pillow, bed, lamp,
        candle, basket, towel, vase, plant, shirt, scarf, hat, socks, tote, umbrella, fruit, nuts,
        box, book, clock, soap, card,
    )
}  # fmt: skip
