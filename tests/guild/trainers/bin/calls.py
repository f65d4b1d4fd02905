"""Calls as an independent reader of BIN understands them: parsed, valued, and written again in canonical form."""

import re
from dataclasses import dataclass
from functools import cached_property

from tests.guild.trainers.bin.equation_checker import (
    DECIMAL,
    FIXED,
    NUMERAL,
    PAIRS,
    SIGNED,
    VALUES,
    Problem,
    bits,
    match,
    require,
    twos_complement,
)

WORDS = re.compile(r"[a-z_0-9⓪①?]+|[(,)] ?")


@dataclass
class Call:
    operation: str
    operands: list["Call | str"]

    @cached_property
    def text(self) -> str:
        return f"{self.operation}({', '.join(one if isinstance(one, str) else one.text for one in self.operands)})"

    @cached_property
    def inner(self) -> list["Call"]:
        return [one for one in self.operands if isinstance(one, Call)]

    @property
    def is_signed(self) -> bool:
        return self.operation in SIGNED

    def nested(self) -> list["Call"]:
        """This call and those in it, from the innermost outwards."""
        return [*(call for one in self.inner for call in one.nested()), self]

    @cached_property
    def problem(self) -> Problem:
        """The call with the values of those in it as its operands."""
        operands = [value_of(one, self) for one in self.operands]
        if self.operation == "tobinary":
            written = [str(one) for one in operands]
        elif self.is_signed:
            written = [in_twos_complement(one, width_of_operands(self)) for one in operands]
        else:
            written = [circled(one) for one in operands]
        text = f"{self.operation}({', '.join(written)})"
        require(self.operation != "subtract" or operands[0] >= operands[1], f"{text}: below zero")
        require(self.operation != "decrement" or operands[0] >= 1, f"{text}: below zero")
        return Problem(text, self.operation, written, operands)


def read_call(text: str) -> Call:
    words = WORDS.findall(text)
    require("".join(words) == text, f"{text!r} is not a call")
    call = _take_call(words)
    require(isinstance(call, Call) and not words, f"{text!r} is not a call")
    assert isinstance(call, Call)
    return call


def _take_call(words: list[str]) -> Call | str:
    require(bool(words), "a call is not complete")
    word = words.pop(0)
    if not words or words[0] != "(":
        return word
    require(word in VALUES, f"unknown operation {word}")
    operands = []
    while not operands or words[0] == ", ":
        words.pop(0)
        operands.append(_take_call(words))
        require(bool(words), "a call is not complete")
    require(words.pop(0) == ")", f"{word}: no end")
    require(len(operands) == (2 if word in PAIRS else 1), f"{word}: wrong number of operands")
    return Call(word, operands)


def value_of(operand: Call | str, call: Call) -> int:
    if isinstance(operand, Call):
        require(operand.is_signed == call.is_signed, f"{call.text}: signed and unsigned are mixed")
        value = operand.problem.value
        require(type(value) is int, f"{operand.text} has no number for {call.operation}")
        return value  # type: ignore[return-value]
    if call.is_signed:
        return twos_complement(match(FIXED, operand)[0])
    return int(match(DECIMAL, operand)[0]) if call.operation == "tobinary" else bits(match(NUMERAL, operand)[0])


def width_of(operand: Call | str) -> int:
    """Digits of a signed operand: results are a digit wider, products twice as wide."""
    if isinstance(operand, str):
        return len(operand)
    width = width_of_operands(operand)
    return 2 * width if operand.operation == "multiply_signed" else width + 1


def width_of_operands(call: Call) -> int:
    widths = [width_of(one) for one in call.operands]
    require(len(set(widths)) == 1, f"{call.text}: signed operands of different widths")
    return widths[0]


def circled(number: int) -> str:
    return bin(number)[2:].replace("0", "⓪").replace("1", "①")


def in_twos_complement(number: int, width: int) -> str:
    return circled(number % 2**width).rjust(width, "⓪")


Tree = tuple[object, ...] | int

OPERATORS = {
    "add": "+",
    "subtract": "-",
    "multiply": "×",
    "add_signed": "+",
    "subtract_signed": "-",
    "negate": "neg",
    "absolute_value": "abs",
    "equals": "==",
    "lessthan": "<",
    "greaterthan": ">",
    "minimum": "min",
    "maximum": "max",
}


def decimal_tree(operand: Call | str, call: Call) -> Tree:
    """What a decimal expression about the call must look like."""
    if isinstance(operand, str):
        return value_of(operand, call)
    trees = [decimal_tree(one, operand) for one in operand.operands]
    if operand.operation in ("increment", "decrement"):
        return ("+" if operand.operation == "increment" else "-", trees[0], 1)
    if operand.operation == "multiply_by_2":
        return ("×", 2, trees[0])
    return (OPERATORS[operand.operation], *trees)


class Expression:
    """A decimal expression, read to its tree; brackets around whole operands are of no account."""

    def __init__(self, text: str):
        self.text, self.place = text, 0

    def read(self) -> Tree:
        tree = self.operation()
        require(self.place == len(self.text), f"{self.text!r}: {self.text[self.place :]!r} is not understood")
        return tree

    def operation(self) -> Tree:
        left = self.operand()
        for sign in ("+", "-", "×", "==", "<", ">"):
            if self.takes(f" {sign} "):
                return (sign, left, self.operand())
        return left

    def operand(self) -> Tree:
        for name in ("min", "max"):
            if self.takes(f"{name}("):
                left = self.operation()
                self.needs(", ")
                right = self.operation()
                self.needs(")")
                return (name, left, right)
        for name, begin, end in (("", "(", ")"), ("neg", "-(", ")"), ("abs", "|", "|")):
            if self.takes(begin):
                inner = self.operation()
                self.needs(end)
                return (name, inner) if name else inner
        return self.number()

    def number(self) -> int:
        found = re.compile("0|-?[1-9][0-9]*").match(self.text, self.place)
        require(found is not None, f"{self.text!r}: a number is missing")
        assert found
        self.place = found.end()
        return int(found[0])

    def takes(self, text: str) -> bool:
        begins = self.text.startswith(text, self.place)
        self.place += len(text) * begins
        return begins

    def needs(self, text: str) -> None:
        require(self.takes(text), f"{self.text!r}: {text!r} is missing")
