"""Auxiliary tasks: other questions about one true statement `problem = result`. They are trained, never examined."""

from collections.abc import Callable
from dataclasses import dataclass

from realm.guild.trainers.bin.numerals import ONE, inverted, unsigned
from realm.guild.trainers.bin.operands import Draw
from realm.guild.trainers.bin.problems import Problem

_UNSIGNED = ("add", "subtract", "multiply", "increment", "decrement", "minimum", "maximum", "multiply_by_2")
_SIGNED = ("add_signed", "subtract_signed", "multiply_signed", "negate", "absolute_value")
_SOLVABLE = ("add", "subtract", "increment", "decrement", "multiply_by_2", "add_signed", "subtract_signed", "negate")
_OVERFLOWING = ("add", "add_signed", "subtract_signed")  # about half of their results

Asked = tuple[str, str]  # question, answer


def _error_detection(problem: Problem, draw: Draw) -> Asked:
    position = draw(len(problem.result))
    return f"{problem.text} = {_flipped(problem.result, position)}", f"position {position}\n{_statement(problem)}"


def _fill_blank(problem: Problem, draw: Draw) -> Asked:
    place = draw(len(problem.result))
    return f"{problem.text} = {problem.result[:place]}_{problem.result[place + 1 :]}", _statement(problem)


def _true_false(problem: Problem, draw: Draw) -> Asked:
    if draw(2):
        return _statement(problem), "True"
    return f"{problem.text} = {_flipped(problem.result, draw(len(problem.result)))}", "False"


def _comparison(problem: Problem, draw: Draw) -> Asked:
    value = problem.value
    other = (draw(max(1, value)), value, value + 1 + draw(value + 1))[draw(3)]
    relation = "<" if value < other else ">" if value > other else "="
    return f"{problem.text} ? {unsigned(other)}", f"{problem.text} {relation} {unsigned(other)}"


def _properties(problem: Problem, draw: Draw) -> Asked:
    parity = "odd" if problem.value % 2 else "even"
    length, ones = len(problem.result), problem.result.count(ONE)
    return problem.text, f"{_statement(problem)}\n{parity}, length {length}, ones {ones}"


def _overflow(problem: Problem, draw: Draw) -> Asked:
    """An unsigned result overflows where it has a digit more, a signed one where its two top digits differ."""
    signed = problem.operation.name in _SIGNED
    overflows = problem.result[0] != problem.result[1] if signed else len(problem.result) > problem.width
    return f"{problem.text} in {problem.width} digits", f"{_statement(problem)}\n{'overflow' if overflows else 'fits'}"


def _reverse(problem: Problem, draw: Draw) -> Asked:
    operands = problem.written_operands
    operands[draw(len(operands))] = "?"
    return f"{problem.operation.name}({', '.join(operands)}) = {problem.result}", _statement(problem)


def _statement(problem: Problem) -> str:
    return f"{problem.text} = {problem.result}"


def _flipped(numeral: str, position: int) -> str:
    place = len(numeral) - 1 - position
    return numeral[:place] + inverted(numeral[place]) + numeral[place + 1 :]


@dataclass(frozen=True)
class Auxiliary:
    """A kind of task."""

    name: str
    verb: str  # what a prompt begins with
    operations: tuple[str, ...]  # of which the answer is the only right one
    ask: Callable[[Problem, Draw], Asked]


AUXILIARIES = (
    Auxiliary("error_detection", "Find the wrong digit", _UNSIGNED + _SIGNED, _error_detection),
    Auxiliary("fill_blank", "Fill in", _UNSIGNED + _SIGNED, _fill_blank),
    Auxiliary("true_false", "True or False", _UNSIGNED + _SIGNED, _true_false),
    Auxiliary("comparison", "Compare", _UNSIGNED, _comparison),
    Auxiliary("properties", "Describe", _UNSIGNED, _properties),
    Auxiliary("overflow", "Does it fit", _OVERFLOWING, _overflow),
    Auxiliary("reverse", "Solve", _SOLVABLE, _reverse),
)
