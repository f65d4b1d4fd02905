"""Traces of the work. Each takes an operation's operands as they are written and gives the lines of the work.

A line of columns takes `size` digits at once, fewer at the top. Positions count from 0, the lowest digit; a line names
the lowest of its own. A line is true by itself, or together with the carry, borrow or sum that the line above it left.
"""

from collections.abc import Iterator

from realm.guild.trainers.bin.numerals import (
    DIGITS,
    ONE,
    ZERO,
    extended,
    inverted,
    number_of,
    padded,
    signed,
    unsigned,
)


def addition(a: str, b: str = ONE, *, size: int, carry: str = ZERO) -> list[str]:
    lines = []
    for position, x, y in _columns(a, b, size):
        over, digits = divmod(sum(map(number_of, (x, y, carry))), 1 << len(x))
        lines.append(f"position {position}: {x} + {y} + {carry} = {padded(digits, len(x))} carry {DIGITS[over]}")
        carry = DIGITS[over]
    return lines


def subtraction(a: str, b: str = ONE, *, size: int) -> list[str]:
    """For a >= b: the last borrow is ⓪."""
    lines, borrow = [], ZERO
    for position, x, y in _columns(a, b, size):
        under, digits = divmod(number_of(x) - number_of(y) - number_of(borrow), 1 << len(x))
        lines.append(f"position {position}: {x} - {y} - {borrow} = {padded(digits, len(x))} borrow {DIGITS[-under]}")
        borrow = DIGITS[-under]
    return lines


def _columns(a: str, b: str, size: int) -> Iterator[tuple[int, str, str]]:
    """(position, digits of a, digits of b) from the lowest; the shorter numeral is filled up with zeros."""
    width = max(len(a), len(b))
    for position in range(0, width, size):
        column = slice(max(0, width - position - size), width - position)
        yield position, a.rjust(width, ZERO)[column], b.rjust(width, ZERO)[column]


def multiplication(a: str, b: str, *, size: int) -> list[str]:
    """Digit by digit of b, a shifted to its position and the sum so far; in longer columns, of a times the whole b."""
    return _shifted_sums(a, b) if size == 1 else _products_of_columns(a, b, size)


def _shifted_sums(a: str, b: str) -> list[str]:
    lines, total = [], 0
    for position, digit in enumerate(reversed(b)):
        shifted = number_of(a) << position
        product = number_of(digit) * shifted
        total += product
        lines.append(f"position {position}: {digit} × {unsigned(shifted)} = {unsigned(product)} sum {unsigned(total)}")
    return lines


def _products_of_columns(a: str, b: str, size: int) -> list[str]:
    """As b has at most `size` digits, so has the carry."""
    lines, carry = [], 0
    for position, x, _ in _columns(a, ZERO, size):
        over, digits = divmod(number_of(x) * number_of(b) + carry, 1 << len(x))
        equation = f"{x} × {b} + {unsigned(carry)} = {padded(digits, len(x))}"
        lines.append(f"position {position}: {equation} carry {unsigned(over)}")
        carry = over
    return lines


def place_values(a: str, *, size: int) -> list[str]:
    """The digits times the value of their place; and the sum so far."""
    lines, total = [], 0
    for position, digits, _ in _columns(a, ZERO, size):
        product = number_of(digits) << position
        total += product
        lines.append(f"position {position}: {digits} × {1 << position} = {product} sum {total}")
    return lines


def signed_addition(a: str, b: str, *, size: int) -> list[str]:
    a, b = extended(a), extended(b)
    return [f"extend a = {a}", f"extend b = {b}", *_dropping_carry(addition(a, b, size=size))]


def signed_subtraction(a: str, b: str, *, size: int) -> list[str]:
    """Adds the inverted b and ①, which goes in as the first carry."""
    a, b = extended(a), extended(b)
    columns = addition(a, inverted(b), size=size, carry=ONE)
    return [f"extend a = {a}", f"extend b = {b}", _negative("b", b), *_dropping_carry(columns)]


def negation(a: str, *, size: int) -> list[str]:
    a = extended(a)
    return [f"extend a = {a}", _negative("a", a), *_dropping_carry(addition(inverted(a), ONE, size=size))]


def absolute(a: str, *, size: int) -> list[str]:
    return negation(a, size=size) if a[0] == ONE else [f"extend a = {extended(a)}"]


def _negative(name: str, numeral: str) -> str:
    return f"-{name} = {inverted(numeral)} + {ONE}"


def _dropping_carry(columns: list[str]) -> list[str]:
    return [*columns, f"drop carry {columns[-1][-1]}"]  # a column's line ends in its carry


def signed_multiplication(a: str, b: str, *, size: int) -> list[str]:
    """Multiplies the magnitudes, then gives the product its sign."""
    return _signed_in_full(a, b) if size == 1 else _signed_by_rule(a, b, size)


def _signed_in_full(a: str, b: str) -> list[str]:
    """Writes the sum at full width, and negates it if one operand is negative."""
    size_a, size_b = _magnitude(a), _magnitude(b)
    product = signed(number_of(size_a) * number_of(size_b), 2 * len(a))
    lines = [*_magnitude_lines("a", a), *_magnitude_lines("b", b), *_shifted_sums(size_a, size_b)]
    lines.append(f"extend sum = {product}")
    if a[0] != b[0] and ONE in product:
        lines.append(_negative("sum", product))
    return lines


def _signed_by_rule(a: str, b: str, size: int) -> list[str]:
    """Names the product's sign, which ⓪ does not have."""
    size_a, size_b = _magnitude(a), _magnitude(b)
    lines = [f"|a| = {size_a}", f"|b| = {size_b}", *_products_of_columns(size_a, size_b, size)]
    if ONE in a and ONE in b:
        lines.append(f"sign {_sign(a)} × {_sign(b)} = {'+' if a[0] == b[0] else '-'}")
    return lines


def _sign(numeral: str) -> str:
    return "-" if numeral[0] == ONE else "+"


def _magnitude(numeral: str) -> str:
    return unsigned(number_of(inverted(numeral)) + 1 if numeral[0] == ONE else number_of(numeral))


def _magnitude_lines(name: str, numeral: str) -> list[str]:
    negating = [_negative(name, numeral)] if numeral[0] == ONE else []
    return [*negating, f"|{name}| = {_magnitude(numeral)}"]


def comparison(a: str, b: str, *, size: int) -> list[str]:
    """From the top column down to the first that differs."""
    lines = []
    for position, x, y in reversed([*_columns(a, b, size)]):
        relation = "=" if x == y else "<" if number_of(x) < number_of(y) else ">"
        lines.append(f"position {position}: {x} {relation} {y}")
        if x != y:
            break
    return lines


def shift_left(a: str, *, size: int) -> list[str]:
    return [f"{a} shift left = {a}{ZERO}"]


def shift_right(a: str, *, size: int) -> list[str]:
    return [f"{a} shift right = {a[:-1] or ZERO} remainder {a[-1]}"]


def repeated_division(a: str, *, size: int) -> list[str]:
    """Of a decimal number: each remainder is the digits at its position."""
    lines: list[str] = []
    rest, position = int(a), 0
    while rest or not lines:
        quotient, remainder = divmod(rest, 1 << size)
        lines.append(f"position {position}: {rest} = {1 << size} × {quotient} + {padded(remainder, size)}")
        rest, position = quotient, position + size
    return lines
