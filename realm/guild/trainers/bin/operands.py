"""Which operands an operation takes at a width in bits: how many choices there are, and how one is drawn."""

from collections.abc import Callable
from dataclasses import dataclass

Operands = tuple[int, ...]
Draw = Callable[[int], int]  # draw(n): an integer in range(n), each as likely as the others

NARROWEST = 2  # bits, of level 1
LARGEST_NIBBLE = 15


@dataclass(frozen=True)
class Domain:
    """The choices of operands at each width."""

    count: Callable[[int], int]  # width -> the number of choices, exactly
    draw: Callable[[Draw, int], Operands]  # every choice can be drawn; some more often than others


def _naturals(width: int) -> range:
    """The numbers of exactly `width` bits; at the narrowest width the shorter ones too."""
    return range(0 if width == NARROWEST else 1 << width - 1, 1 << width)


def _positives(width: int) -> range:
    return range(max(1, _naturals(width).start), 1 << width)


def _integers(width: int) -> range:
    return range(-(1 << width - 1), 1 << width - 1)


def _single(values: Callable[[int], range]) -> Domain:
    return Domain(lambda width: len(values(width)), lambda draw, width: (_pick(values(width), draw),))


def _pick(values: range, draw: Draw) -> int:
    return values[draw(len(values))]


def _count_pairs(width: int) -> int:
    naturals = _naturals(width)
    return naturals.stop**2 - naturals.start**2  # all pairs less those in which neither reaches the width


def _draw_pair(draw: Draw, width: int) -> Operands:
    naturals = _naturals(width)
    while True:  # three pairs of four reach the width
        a, b = draw(naturals.stop), draw(naturals.stop)
        if max(a, b) in naturals:
            return a, b


def _draw_equal_or_not(draw: Draw, width: int) -> Operands:
    if draw(2):
        return (_pick(_naturals(width), draw),) * 2
    while True:
        a, b = _draw_pair(draw, width)
        if a != b:
            return a, b


def _count_falling_pairs(width: int) -> int:
    naturals = _naturals(width)
    return sum((naturals[0], naturals[-1], 2)) * len(naturals) // 2  # each a has a + 1 choices of b


def _draw_falling_pair(draw: Draw, width: int) -> Operands:
    a = _pick(_naturals(width), draw)
    return a, draw(a + 1)


def _draw_nibble_factor(draw: Draw, width: int) -> Operands:
    return _pick(_naturals(width), draw), draw(LARGEST_NIBBLE + 1)


def _draw_signed_nibble_factor(draw: Draw, width: int) -> Operands:
    return _pick(_integers(width), draw), draw(2 * LARGEST_NIBBLE + 1) - LARGEST_NIBBLE


def _draw_integers(draw: Draw, width: int) -> Operands:
    return _pick(_integers(width), draw), _pick(_integers(width), draw)


NATURAL = _single(_naturals)
POSITIVE = _single(_positives)
INTEGER = _single(_integers)
PAIR = Domain(_count_pairs, _draw_pair)
EQUAL_OR_NOT = Domain(_count_pairs, _draw_equal_or_not)  # the pairs of PAIR, half of them drawn with a = b
FALLING_PAIR = Domain(_count_falling_pairs, _draw_falling_pair)  # a >= b
INTEGERS = Domain(lambda width: len(_integers(width)) ** 2, _draw_integers)
NIBBLE_FACTOR = Domain(lambda width: len(_naturals(width)) * (LARGEST_NIBBLE + 1), _draw_nibble_factor)
SIGNED_NIBBLE_FACTOR = Domain(
    lambda width: len(_integers(width)) * (2 * LARGEST_NIBBLE + 1), _draw_signed_nibble_factor
)  # its magnitude is a nibble
