"""Bit-by-bit traces. Each takes an operation's operands as they are written and gives the lines of the work.

Positions count from 0, the lowest digit. A line is true by itself, or together with the carry, borrow or sum
that the line above it left.
"""

from collections.abc import Callable
from itertools import zip_longest

from realm.guild.trainers.bin.numerals import (
    DIGITS,
    ONE,
    ZERO,
    extended,
    inverted,
    number_of,
    signed,
    unsigned,
)


def addition(a: str, b: str = ONE, carry: str = ZERO) -> list[str]:
    lines = []
    for position, (x, y) in enumerate(zip_longest(reversed(a), reversed(b), fillvalue=ZERO)):
        over, digit = divmod(sum(map(DIGITS.index, (x, y, carry))), 2)
        lines.append(f"position {position}: {x} + {y} + {carry} = {DIGITS[digit]} carry {DIGITS[over]}")
        carry = DIGITS[over]
    return lines


def subtraction(a: str, b: str = ONE) -> list[str]:
    """For a >= b: the last borrow is ⓪."""
    lines, borrow = [], ZERO
    for position, (x, y) in enumerate(zip_longest(reversed(a), reversed(b), fillvalue=ZERO)):
        under, digit = divmod(DIGITS.index(x) - DIGITS.index(y) - DIGITS.index(borrow), 2)
        lines.append(f"position {position}: {x} - {y} - {borrow} = {DIGITS[digit]} borrow {DIGITS[-under]}")
        borrow = DIGITS[-under]
    return lines


def multiplication(a: str, b: str) -> list[str]:
    return _products(b, number_of(a), unsigned)


def place_values(a: str) -> list[str]:
    return _products(a, 1, str)


def _products(digits: str, factor: int, write: Callable[[int], str]) -> list[str]:
    """The factor, shifted to each digit's position, times that digit; and the sum so far."""
    lines, total = [], 0
    for position, digit in enumerate(reversed(digits)):
        shifted = factor << position
        product = DIGITS.index(digit) * shifted
        total += product
        lines.append(f"position {position}: {digit} × {write(shifted)} = {write(product)} sum {write(total)}")
    return lines


def signed_addition(a: str, b: str) -> list[str]:
    a, b = extended(a), extended(b)
    return [f"extend a = {a}", f"extend b = {b}", *_dropping_carry(addition(a, b))]


def signed_subtraction(a: str, b: str) -> list[str]:
    """Adds the inverted b and ①, which goes in as the first carry."""
    a, b = extended(a), extended(b)
    columns = addition(a, inverted(b), carry=ONE)
    return [f"extend a = {a}", f"extend b = {b}", _negative("b", b), *_dropping_carry(columns)]


def negation(a: str) -> list[str]:
    a = extended(a)
    return [f"extend a = {a}", _negative("a", a), *_dropping_carry(addition(inverted(a), ONE))]


def absolute(a: str) -> list[str]:
    return negation(a) if a[0] == ONE else [f"extend a = {extended(a)}"]


def _negative(name: str, numeral: str) -> str:
    return f"-{name} = {inverted(numeral)} + {ONE}"


def _dropping_carry(columns: list[str]) -> list[str]:
    return [*columns, f"drop carry {columns[-1][-1]}"]  # a column's line ends in its carry


def signed_multiplication(a: str, b: str) -> list[str]:
    """Multiplies the magnitudes, writes the sum at full width, and negates it if one operand is negative."""
    size_a, size_b = _magnitude(a), _magnitude(b)
    product = signed(number_of(size_a) * number_of(size_b), 2 * len(a))
    lines = [*_magnitude_lines("a", a), *_magnitude_lines("b", b), *multiplication(size_a, size_b)]
    lines.append(f"extend sum = {product}")
    if a[0] != b[0] and ONE in product:
        lines.append(_negative("sum", product))
    return lines


def _magnitude(numeral: str) -> str:
    return unsigned(number_of(inverted(numeral)) + 1 if numeral[0] == ONE else number_of(numeral))


def _magnitude_lines(name: str, numeral: str) -> list[str]:
    negating = [_negative(name, numeral)] if numeral[0] == ONE else []
    return [*negating, f"|{name}| = {_magnitude(numeral)}"]


def comparison(a: str, b: str) -> list[str]:
    """From the top position down to the first that differs."""
    width = max(len(a), len(b))
    lines = []
    digits = zip(a.rjust(width, ZERO), b.rjust(width, ZERO), strict=True)
    for position, (x, y) in zip(reversed(range(width)), digits, strict=True):
        relation = "=" if x == y else "<" if x == ZERO else ">"
        lines.append(f"position {position}: {x} {relation} {y}")
        if x != y:
            break
    return lines


def shift_left(a: str) -> list[str]:
    return [f"{a} shift left = {a}{ZERO}"]


def shift_right(a: str) -> list[str]:
    return [f"{a} shift right = {a[:-1] or ZERO} remainder {a[-1]}"]


def repeated_division(a: str) -> list[str]:
    """Of a decimal number: each remainder is the digit at its position."""
    lines, rest, position = [], int(a), 0
    while True:
        quotient, remainder = divmod(rest, 2)
        lines.append(f"position {position}: {rest} = 2 × {quotient} + {DIGITS[remainder]}")
        if quotient == 0:
            return lines
        rest, position = quotient, position + 1
