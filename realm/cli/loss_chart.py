"""A curve in block characters: each column stands for the same number of steps. Its scale is logarithmic, so that a
spike does not flatten all else; a loss of zero makes it linear.
"""

import math
from collections.abc import Mapping
from itertools import groupby
from typing import NamedTuple

import click

from realm.cli import figures
from realm.cli.loss_rows import KEPT
from realm.cli.terminal import GAP, padded

EIGHTHS = " ▁▂▃▄▅▆▇█"
HIGHEST = "•"  # a column's highest loss, where it lies above its mean
COLOUR, COLOUR_OF_HIGHEST = "cyan", "yellow"


class Column(NamedTuple):
    mean: float
    highest: float


class Curve(NamedTuple):
    """The newest steps in so many columns. A column without a loss is None."""

    columns: list[Column | None]
    steps_per_column: int
    first: int
    last: int
    low: float
    high: float
    newest: float

    @property
    def is_logarithmic(self) -> bool:
        return self.low > 0


def curve(losses: Mapping[int, float], width: int) -> Curve | None:
    """None without a loss. Columns begin at multiples of their steps, so that they stand still while they fill."""
    if not losses or width < 1:
        return None
    per_column = max(1, min(-(-len(losses) // width), KEPT // width))
    last = max(losses) // per_column
    first = max(min(losses) // per_column, last - width + 1)
    by_column: dict[int, list[float]] = {}
    for step, loss in losses.items():
        by_column.setdefault(step // per_column, []).append(loss)
    shown = [by_column.get(column, []) for column in range(first, last + 1)]
    every = [loss for column in shown for loss in column]
    return Curve(
        columns=[Column(sum(column) / len(column), max(column)) if column else None for column in shown],
        steps_per_column=per_column,
        first=max(first * per_column, min(losses)),
        last=max(losses),
        low=min(every),
        high=max(every),
        newest=losses[max(losses)],
    )


def drawn(curve: Curve, height: int, margin: int) -> list[str]:
    """`height` coloured lines, from the top; in the left margin the highest and the lowest loss, if two lines are."""
    top = height * 8
    levels = [
        (_level(column.mean, curve, top), _level(column.highest, curve, top)) if column else None
        for column in curve.columns
    ]
    labels = {height - 1: _label(curve.high), 0: _label(curve.low)} if height > 1 else {}
    return [
        click.style(padded(labels.get(row, ""), margin - len(GAP), ">"), dim=True)
        + GAP
        + _coloured("".join(_cell(level, row * 8) for level in levels).rstrip())
        for row in reversed(range(height))
    ]


def _label(loss: float) -> str:
    return figures.decimal(loss, 4 if loss < 100 else 0)


def _level(loss: float, curve: Curve, top: int) -> int:
    """In eighths of a cell, from 1 (the lowest loss) to `top` (the highest)."""
    if curve.high == curve.low:
        return 1
    low, here, high = (math.log(x) if curve.is_logarithmic else x for x in (curve.low, loss, curve.high))
    return 1 + int((here - low) / (high - low) * (top - 1))


def _cell(level: tuple[int, int] | None, floor: int) -> str:
    mean, highest = level or (0, 0)
    if mean > floor:
        return EIGHTHS[min(mean - floor, 8)]
    return HIGHEST if floor < highest <= floor + 8 else " "


def _coloured(line: str) -> str:
    runs = (("".join(signs), dots) for dots, signs in groupby(line, lambda sign: sign == HIGHEST))
    return "".join(click.style(text, fg=COLOUR_OF_HIGHEST if dots else COLOUR, dim=dots) for text, dots in runs)
