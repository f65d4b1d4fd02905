"""What a terminal shows: text measured in cells, tables, bars. In a pipe the same words, uncoloured and uncut."""

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec

from realm.core.json_safe import json_safe

EMOJI_FORM = "\N{VARIATION SELECTOR-16}"  # makes the sign before it two cells wide
WIDE = ("W", "F")
EIGHTHS = " ▏▎▍▌▋▊▉█"
GAP = "  "  # between the columns of a table
NARROWEST = 10  # cells of a column that is cut


def columns() -> int | None:
    """Cells in a line of the terminal; None in a pipe, where nothing is cut or wrapped."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def cells(text: str) -> int:
    """How wide a terminal shows it; colours take no room."""
    return sum(_cells_of(sign) for sign in click.unstyle(text))


def _cells_of(sign: str) -> int:
    if sign == EMOJI_FORM:
        return 1  # beside the one of the sign that it widens
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in WIDE else 1


def printable(text: str) -> str:
    """What came from outside, on one line: control characters and stray bytes escaped, so that it cannot steer us."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def padded(text: str, width: int, align: str = "<") -> str:
    room = " " * max(0, width - cells(text))
    return room + text if align == ">" else text + room


def shortened(text: str, width: int | None) -> str:
    """Cut in its middle to at most `width` cells, as both ends of a name tell it from others. For uncoloured text."""
    if width is None or cells(text) <= width:
        return text
    left, right = text[: len(text) // 2], text[len(text) // 2 :]
    while left and right and cells(left) + cells(right) + 1 > width:
        left, right = (left[:-1], right) if cells(left) > cells(right) else (left, right[1:])
    return f"{left}…{right}"


def wrapped(text: str, indent: int, between: str = " ", width: int | None = None) -> str:
    """Broken `between` words to fit `width` cells (None: the terminal); further lines begin below the `indent`-th."""
    width = width or columns()
    if width is None or indent + cells(text) <= width:
        return text
    lines = [""]
    for word in text.split(between):
        longer = f"{lines[-1]}{between}{word}" if lines[-1] else word
        if lines[-1] and indent + cells(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return f"{between.rstrip()}\n{' ' * indent}".join(lines)


def bar(share: float, width: int) -> str:
    """Filled to `share`, never further: an eighth of a cell is rounded down."""
    eighths = int(min(max(share, 0.0), 1.0) * width * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[part] if part else "")).ljust(width, "·")


def icon(sign: str, column: int) -> str:
    """Two cells, and then the cursor in `column` (from 1) for certain: terminals disagree on how wide an emoji is."""
    return f"{padded(sign, 2)} \x1b[{column}G"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], align: str, flexible: Sequence[int]) -> list[str]:
    """Lines of aligned columns. `align` has a < or > for each.

    Where lines are too long for the terminal, the `flexible` columns are cut, in turn; their cells bear no colour.
    """
    body = [list(row) for row in rows]
    widths = [max(cells(line[index]) for line in [header, *body]) for index in range(len(header))]
    surplus = sum(widths) + len(GAP) * (len(widths) - 1) - (columns() or sys.maxsize)
    for index in flexible:
        cut = min(surplus, widths[index] - NARROWEST)
        if cut > 0:
            widths[index], surplus = widths[index] - cut, surplus - cut
            for row in body:
                row[index] = shortened(row[index], widths[index])
    lines = [_joined(row, widths, align) for row in [header, *body]]
    return [click.style(lines[0], dim=True), *lines[1:]]


def _joined(row: Sequence[str], widths: Sequence[int], align: str) -> str:
    return GAP.join(padded(*cell) for cell in zip(row, widths, align, strict=True)).rstrip()


def fields(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """`label  value` lines, the values below each other and wrapped; a pair without a value is left out."""
    shown = [(label, value) for label, value in pairs if value]
    width = max((cells(label) for label, _ in shown), default=0)
    indent = width + len(GAP)
    return [f"{click.style(padded(label, width), dim=True)}{GAP}{wrapped(value, indent)}" for label, value in shown]


def echo_lines(lines: Iterable[str]) -> None:
    click.echo("\n".join(lines))


def echo_json(value: Any) -> None:
    """One JSON value of plain Python data; NaN is null."""
    click.echo(msgspec.json.format(msgspec.json.encode(json_safe(value)[0]), indent=2))  # integers of any size
