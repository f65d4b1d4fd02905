"""Judges items of the levels from 8 on: symbol languages, chains, nibbles and auxiliary tasks.

Like equation_checker, which judges single calls, it shares nothing with the generator.
"""

import re

from tests.guild.trainers.bin import auxiliary_checker, equation_checker
from tests.guild.trainers.bin.calls import Call, Expression, decimal_tree, read_call
from tests.guild.trainers.bin.equation_checker import (
    COMPARISONS,
    INTEGER,
    VALUES,
    FalseLine,
    Lines,
    check_equation,
    check_result,
    match,
    read_result,
    require,
)
from tests.guild.trainers.bin.nibble_checker import check_nibbles

NARROW = 8  # digits; wider operands are traced by nibbles


def check(prompt: str, answer: str) -> list[str]:
    """The canonical form of each call that the item tells the result of, nested and by itself.

    Raises FalseLine unless the answer is complete, in order, and every line of it is true.
    """
    prompt, answer = in_digits(prompt, answer)
    verb, signal, question = match(r"([A-Z][A-Za-z ]*?)(?: \[(verify|show-work|trace)\])?: (.*)", prompt)
    if verb != "Compute":
        return [auxiliary_checker.check(verb, signal, question, answer)]
    call = read_call(question)
    if call.inner:
        check_chain(call, signal, Lines(answer.split("\n")))
    elif signal == "trace" and widest(call) > NARROW:
        check_wide_trace(call, Lines(answer.split("\n")))
    else:
        equation_checker.check(prompt, answer)
    return [*{text for one in call.nested() for text in (one.text, one.problem.text)}]


def in_digits(prompt: str, answer: str) -> tuple[str, str]:
    """Both with the key's signs undone; the key must tell all that is used, once, and nothing else."""
    *key, prompt = prompt.split("\n")
    if not key:
        return prompt, answer
    pairs = [(sign, meaning) for sign, meaning in (match("(.+) = (.+)", line) for line in key)]
    meanings = dict(pairs)
    require(len(meanings) == len(pairs) == len(set(meanings.values())), "the key is ambiguous")
    require([meaning for _, meaning in pairs[:2]] == ["⓪", "①"], "the key does not begin with the digits")
    require(all(meaning in VALUES for _, meaning in pairs[2:]), "the key names what is no operation")
    digits = {sign: meaning for sign, meaning in meanings.items() if meaning in "⓪①"}
    for text in (prompt, answer):
        require(not re.search("[⓪①]", text), f"{text!r}: a digit beside its sign")
        require(not re.search(rf"\b({'|'.join(VALUES)})\(", text), f"{text!r}: an operation beside its alias")
    aliases = "|".join(re.escape(sign) for sign, _ in pairs[2:])
    called = re.compile(rf"(?<![\w-])({aliases})(?=\()")
    require(set(called.findall(prompt)) == {sign for sign, _ in pairs[2:]}, "the key names what is not used")
    prompt, answer = (called.sub(lambda found: meanings[found[0]], text) for text in (prompt, answer))
    for sign, digit in digits.items():
        prompt, answer = prompt.replace(sign, digit), answer.replace(sign, digit)
    return prompt, answer


def widest(call: Call) -> int:
    if call.operation == "tobinary":
        return call.problem.operands[0].bit_length()
    return max(len(one) for one in call.operands if isinstance(one, str))


def check_wide_trace(call: Call, lines: Lines) -> None:
    """Columns of nibbles, then `result = ...`."""
    problem = call.problem
    require(problem.text == call.text, f"{call.text} is not in canonical form")
    check_nibbles(lines, problem)
    (result,) = lines.take("result = (.*)")
    require(read_result(result, problem) == problem.value, f"result = {result} is false")
    lines.end()


def check_chain(call: Call, signal: str | None, lines: Lines) -> None:
    problems = [one.problem for one in call.nested()]
    for one in call.nested():
        require(len(one.inner) <= 1, f"{one.text} is not a chain")
        require(not any(inner.operation in COMPARISONS for inner in one.inner), f"{one.text} takes no truth")
    if signal == "verify":
        check_nested_result(lines, call)
        check_nested_equation(lines.take("Verification: (.*)")[0], call)
    elif signal == "show-work":
        for problem in problems:
            check_equation(lines.take("(.*)")[0], problem)
        check_nested_result(lines, call)
    elif signal == "trace":
        check_steps(lines, call)
    else:
        raise FalseLine("a chain has a signal")
    lines.end()


def check_nested_result(lines: Lines, call: Call) -> None:
    (result,) = lines.take("(.*)", f"{call.text} = ")
    problem = call.problem
    require(read_result(result, problem) == problem.value, f"{call.text} = {result} is false")


def check_nested_equation(line: str, call: Call) -> None:
    problem = call.problem
    pattern = "(.*) is (True|False)" if call.operation in COMPARISONS else rf"(.*) = {INTEGER}"
    expression, result = match(pattern, line)
    require(Expression(expression).read() == decimal_tree(call, call), f"{line} is not about {call.text}")
    value = result == "True" if call.operation in COMPARISONS else int(result)
    require(value == problem.value, f"{line} is false")


def check_steps(lines: Lines, call: Call) -> None:
    """`a = call = value`, then a where that call stood, and so on to `result`."""
    calls = call.nested()
    names = [*"abcd"[: len(calls) - 1], "result"]
    before = ""
    for name, one in zip(names, calls, strict=True):
        written = [before if isinstance(operand, Call) else operand for operand in one.operands]
        (result,) = lines.take("(.*)", f"{name} = {one.operation}({', '.join(written)}) = ")
        problem = one.problem
        check_result(f"{problem.text} = {result}", problem)
        before = name
