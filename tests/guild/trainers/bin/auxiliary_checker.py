"""Judges auxiliary tasks: an answer must be true, must be about what was asked, and must be the only one."""

from collections.abc import Callable

from tests.guild.trainers.bin.calls import read_call
from tests.guild.trainers.bin.equation_checker import (
    COMPARISONS,
    DECIMAL,
    FIXED,
    NUMERAL,
    Lines,
    Problem,
    bits,
    check_equation,
    match,
    match_after,
    read_result,
    require,
)

INVERTIBLE = ("add", "subtract", "increment", "decrement", "multiply_by_2", "add_signed", "subtract_signed", "negate")


def check(verb: str, signal: str | None, question: str, answer: str) -> str:
    """The canonical form of the call that the task is about."""
    lines = Lines(answer.split("\n"))
    require(verb in KINDS, f"unknown task {verb}")
    problem = KINDS[verb](question, lines)
    require(signal in (None, "verify"), f"{verb} has no {signal}")
    if signal:
        check_equation(lines.take("Verification: (.*)")[0], problem)
    lines.end()
    return problem.text


def read_problem(text: str) -> Problem:
    call = read_call(text)
    require(not call.inner, f"{text} is nested")
    problem = call.problem
    require(problem.text == text, f"{text} is not in canonical form")
    require(problem.operation not in (*COMPARISONS, "divide_by_2", "todecimal", "tobinary"), f"{text}: no numeral")
    return problem


def take_statement(lines: Lines) -> tuple[Problem, str]:
    text, result = lines.take("(.*) = ([⓪①]+)")
    problem = read_problem(text)
    require(read_result(result, problem) == problem.value, f"{text} = {result} is false")
    return problem, result


def wrong_digit(question: str, lines: Lines) -> Problem:
    text, stated = match(f"(.*) = {FIXED}", question)
    (position,) = lines.take(f"position {DECIMAL}")
    problem, result = take_statement(lines)
    require(problem.text == text and len(stated) == len(result), f"not about {question}")
    different = [place for place, (x, y) in enumerate(zip(stated[::-1], result[::-1], strict=True)) if x != y]
    require(different == [int(position)], f"position {position} is not the one wrong digit")
    return problem


def fill_in(question: str, lines: Lines) -> Problem:
    problem, result = take_statement(lines)
    (stated,) = match_after(f"{problem.text} = ", "([⓪①]*_[⓪①]*)", question)
    require(len(stated) == len(result), f"not about {question}")
    require(all(x in ("_", y) for x, y in zip(stated, result, strict=True)), f"not about {question}")
    return problem


def true_or_false(question: str, lines: Lines) -> Problem:
    text, stated = match(f"(.*) = {FIXED}", question)
    problem = read_problem(text)
    true = read_canonical(stated, problem)
    require(lines.take("(True|False)")[0] == str(true), f"{question} is {true}")
    return problem


def read_canonical(stated: str, problem: Problem) -> bool:
    """Whether the stated numeral is the result as it must be written."""
    try:
        return read_result(stated, problem) == problem.value
    except ValueError:
        return False


def compare(question: str, lines: Lines) -> Problem:
    text, number = match(f"(.*) \\? {NUMERAL}", question)
    problem = read_problem(text)
    relation, repeated = lines.take(f"([<=>]) {NUMERAL}", f"{text} ")
    require(repeated == number, f"not about {question}")
    value = problem.value
    assert isinstance(value, int)
    require({"<": value < bits(number), "=": value == bits(number), ">": value > bits(number)}[relation], question)
    return problem


def describe(question: str, lines: Lines) -> Problem:
    problem, result = take_statement(lines)
    require(problem.text == question, f"not about {question}")
    parity, length, ones = lines.take(f"(even|odd), length {DECIMAL}, ones {DECIMAL}")
    value = problem.value
    assert isinstance(value, int)
    require(parity == ("even", "odd")[value % 2], f"{value} is not {parity}")
    require((int(length), int(ones)) == (len(result), bin(value).count("1")), f"{result}: wrong counts")
    return problem


def does_it_fit(question: str, lines: Lines) -> Problem:
    text, width = match(f"(.*) in {DECIMAL} digits", question)
    problem, _ = take_statement(lines)
    require(problem.text == text, f"not about {question}")
    value = problem.value
    assert isinstance(value, int)
    half = 2 ** (int(width) - 1)
    fits = -half <= value < half if problem.operation.endswith("_signed") else value < 2 * half
    require(lines.take("(fits|overflow)")[0] == ("fits" if fits else "overflow"), f"{text}: fits is {fits}")
    return problem


def solve(question: str, lines: Lines) -> Problem:
    problem, result = take_statement(lines)
    require(problem.operation in INVERTIBLE, f"{question} may have several answers")
    questions = []
    for hidden in range(len(problem.written)):
        written = ["?" if place == hidden else one for place, one in enumerate(problem.written)]
        questions.append(f"{problem.operation}({', '.join(written)}) = {result}")
    require(question in questions, f"not about {question}")
    return problem


KINDS: dict[str, Callable[[str, Lines], Problem]] = {
    "Find the wrong digit": wrong_digit,
    "Fill in": fill_in,
    "True or False": true_or_false,
    "Compare": compare,
    "Describe": describe,
    "Does it fit": does_it_fit,
    "Solve": solve,
}
