"""The gold answer to a problem at each difficulty, one statement a line."""

from realm.guild.trainers.bin.problems import Problem

_CONVERSIONS = ("tobinary", "todecimal")  # the decimal value is what they ask for


def solution(problem: Problem, difficulty: str) -> str:
    """The work comes before the result, except in `medium`, which checks the result it gave."""
    result = f"{problem.text} = {problem.result}"
    if difficulty == "easy":
        return result
    if difficulty == "medium":
        return f"{result}\nVerification: {problem.equation}"
    work = [problem.equation] if difficulty == "hard" else problem.operation.trace(*problem.written_operands)
    return "\n".join((*_operand_lines(problem), *work, result))


def _operand_lines(problem: Problem) -> list[str]:
    lines = [f"{name} = {written}" for name, written in zip("ab", problem.written_operands, strict=False)]
    if problem.operation.name in _CONVERSIONS:
        return lines
    return [f"{line} ({operand})" for line, operand in zip(lines, problem.operands, strict=True)]
