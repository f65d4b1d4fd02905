"""The gold answer to a problem at each difficulty, one statement a line."""

from realm.guild.trainers.bin.problems import Problem

_CONVERSIONS = ("tobinary", "todecimal")  # the decimal value is what they ask for
_NARROW, _NIBBLE = 8, 4  # digits


def solution(problem: Problem, difficulty: str) -> str:
    """The work comes before the result, except in `medium`, which checks the result it gave."""
    result = f"{problem.text} = {problem.result}"
    if difficulty == "easy":
        return result
    if difficulty == "medium":
        return f"{result}\nVerification: {problem.equation}"
    if difficulty == "hard":
        return "\n".join((*_operand_lines(problem), problem.equation, result))
    if problem.width <= _NARROW:
        return "\n".join((*_operand_lines(problem), *_trace(problem, size=1), result))
    return "\n".join((*_trace(problem, size=_NIBBLE), f"result = {problem.result}"))


def _operand_lines(problem: Problem) -> list[str]:
    lines = [f"{name} = {written}" for name, written in zip("ab", problem.written_operands, strict=False)]
    if problem.operation.name in _CONVERSIONS:
        return lines
    return [f"{line} ({operand})" for line, operand in zip(lines, problem.operands, strict=True)]


def _trace(problem: Problem, size: int) -> list[str]:
    return problem.operation.trace(*problem.written_operands, size=size)
