"""Draws www/art/signs.woff2, the two digits of the binary skill: many systems have no typeface with U+24EA.

pip install fonttools brotli && python -m tests.www.signs_font
"""

from math import cos, pi, sin
from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib.tables._g_l_y_f import Glyph

FILE = Path(__file__).parents[2] / "www" / "art" / "signs.woff2"
EM, WIDTH, MIDDLE = 1000, 860, (430, 330)  # units
RING, STROKE = 390, 52
CURVES = 16  # of an ellipse
WRITTEN_AT = 3_850_000_000  # seconds since 1904: the same bytes each time


def ellipse(pen: TTGlyphPen, width: float, height: float, *, is_hole: bool) -> None:
    """Half axes. A hole runs the other way round."""
    turn, reach = (1 if is_hole else -1), 1 / cos(pi / CURVES)  # control points lie outside of the curve
    angles = [turn * 2 * pi * (place + 0.5) / CURVES for place in range(CURVES)]
    points = [(MIDDLE[0] + reach * width * cos(at), MIDDLE[1] + reach * height * sin(at)) for at in angles]
    pen.qCurveTo(*((round(x), round(y)) for x, y in points), None)
    pen.closePath()


def ringed() -> TTGlyphPen:
    pen = TTGlyphPen(None)
    ellipse(pen, RING, RING, is_hole=False)
    ellipse(pen, RING - STROKE, RING - STROKE, is_hole=True)
    return pen


def zero() -> Glyph:
    pen = ringed()
    ellipse(pen, 135, 215, is_hole=False)
    ellipse(pen, 135 - 68, 215 - 62, is_hole=True)
    return pen.glyph()


def one() -> Glyph:
    pen = ringed()
    outline = [(-30, -153), (-30, 118), (-105, 88), (-105, 152), (-5, 205), (42, 205), (42, -153), (110, -153)]
    outline += [(110, -212), (-105, -212), (-105, -153)]
    for place, (x, y) in enumerate(outline):
        (pen.lineTo if place else pen.moveTo)((MIDDLE[0] + x, MIDDLE[1] + y))
    pen.closePath()
    return pen.glyph()


def main() -> None:
    font = FontBuilder(EM, isTTF=True)
    font.setupGlyphOrder([".notdef", "zero", "one"])
    font.setupCharacterMap({0x24EA: "zero", 0x2460: "one"})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "zero": zero(), "one": one()})
    font.setupHorizontalMetrics(dict.fromkeys((".notdef", "zero", "one"), (WIDTH, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Realm Signs", "styleName": "Regular"})
    font.setupOS2(sTypoAscender=800, sTypoDescender=-200, usWinAscent=800, usWinDescent=200)
    font.setupPost()
    font.font["head"].created = font.font["head"].modified = WRITTEN_AT
    font.font.recalcTimestamp = False
    font.font.flavor = "woff2"
    font.save(FILE)


if __name__ == "__main__":
    main()
