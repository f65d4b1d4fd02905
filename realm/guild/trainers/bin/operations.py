"""The operations, one row each: what they take, what they give, and how both are written."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from realm.guild.trainers.bin import traces
from realm.guild.trainers.bin.numerals import signed, unsigned
from realm.guild.trainers.bin.operands import (
    EQUAL_OR_NOT,
    FALLING_PAIR,
    INTEGER,
    INTEGERS,
    NATURAL,
    PAIR,
    POSITIVE,
    Domain,
)

Notation = Callable[[Any, int], str]  # a value and the level's width in bits -> its text
Equation = Callable[..., str]  # the operands, numbers or nested text, and the value -> the same statement in decimal
Trace = Callable[..., list[str]]  # the operands as written, size=digits a column -> the lines of the work


@dataclass(frozen=True)
class Operation:
    """All that an operation's problems and solutions are made of."""

    name: str
    operands: Domain
    operand_notation: Notation
    value: Callable[..., Any]
    value_notation: Notation
    equation: Equation
    trace: Trace


def _digits(value: int, width: int) -> str:
    return unsigned(value)


def _one_wider(value: int, width: int) -> str:
    return signed(value, width + 1)


def _twice_as_wide(value: int, width: int) -> str:
    return signed(value, 2 * width)


def _quotient_and_remainder(value: tuple[int, int], width: int) -> str:
    quotient, remainder = value
    return f"{unsigned(quotient)} remainder {unsigned(remainder)}"


def _plain(value: int, width: int) -> str:
    return str(value)


def _sum_of_places(number: int, _: int) -> str:
    places = [1 << place for place in range(number.bit_length()) if number >> place & 1] or [0]
    return f"{' + '.join(map(str, reversed(places)))} = {number}"


def _bracketing(template: str) -> Equation:
    return lambda a, b, value: template.format(_bracketed(a), _bracketed(b), value)


def _bracketed(operand: object) -> str:
    """Of a negative number; what is nested comes with its own brackets."""
    written = str(operand)
    return f"({written})" if written.startswith("-") else written


def _unsigned(name: str, operands: Domain, value: Callable[..., int], equation: str, trace: Trace) -> Operation:
    return Operation(name, operands, _digits, value, _digits, equation.format, trace)


def _signed_pair(
    name: str, value: Callable[..., int], value_notation: Notation, equation: str, trace: Trace
) -> Operation:
    return Operation(name, INTEGERS, signed, value, value_notation, _bracketing(equation), trace)


def _signed_single(name: str, value: Callable[..., int], equation: str, trace: Trace) -> Operation:
    return Operation(name, INTEGER, signed, value, _one_wider, equation.format, trace)


def _comparison(name: str, operands: Domain, value: Callable[..., bool], equation: str) -> Operation:
    return Operation(name, operands, _digits, value, _plain, equation.format, traces.comparison)


_TABLE = (
    _unsigned("add", PAIR, operator.add, "{} + {} = {}", traces.addition),
    _unsigned("subtract", FALLING_PAIR, operator.sub, "{} - {} = {}", traces.subtraction),
    _unsigned("multiply", PAIR, operator.mul, "{} × {} = {}", traces.multiplication),
    _unsigned("increment", NATURAL, lambda a: a + 1, "{} + 1 = {}", traces.addition),
    _unsigned("decrement", POSITIVE, lambda a: a - 1, "{} - 1 = {}", traces.subtraction),
    _signed_pair("add_signed", operator.add, _one_wider, "{} + {} = {}", traces.signed_addition),
    _signed_pair("subtract_signed", operator.sub, _one_wider, "{} - {} = {}", traces.signed_subtraction),
    _signed_pair("multiply_signed", operator.mul, _twice_as_wide, "{} × {} = {}", traces.signed_multiplication),
    _signed_single("negate", operator.neg, "-({}) = {}", traces.negation),
    _signed_single("absolute_value", abs, "|{}| = {}", traces.absolute),
    _comparison("equals", EQUAL_OR_NOT, operator.eq, "{} == {} is {}"),
    _comparison("lessthan", PAIR, operator.lt, "{} < {} is {}"),
    _comparison("greaterthan", PAIR, operator.gt, "{} > {} is {}"),
    _unsigned("minimum", PAIR, min, "min({}, {}) = {}", traces.comparison),
    _unsigned("maximum", PAIR, max, "max({}, {}) = {}", traces.comparison),
    _unsigned("multiply_by_2", NATURAL, lambda a: 2 * a, "2 × {} = {}", traces.shift_left),
    Operation(
        "divide_by_2",
        NATURAL,
        _digits,
        lambda a: divmod(a, 2),
        _quotient_and_remainder,
        "{0} = 2 × {1[0]} + {1[1]}".format,
        traces.shift_right,
    ),
    Operation("tobinary", NATURAL, _plain, int, _digits, _sum_of_places, traces.repeated_division),
    Operation("todecimal", NATURAL, _digits, int, _plain, _sum_of_places, traces.place_values),
)

OPERATIONS = {operation.name: operation for operation in _TABLE}
