"""Tasks: what an item asks and its whole right answer, in circled digits and the operations' own names."""

from dataclasses import dataclass

from realm.guild.trainers.bin.auxiliary import AUXILIARIES
from realm.guild.trainers.bin.bands import UNLOCK, draw_depth
from realm.guild.trainers.bin.chains import Chain, draw_chain
from realm.guild.trainers.bin.operands import Draw
from realm.guild.trainers.bin.operations import OPERATIONS
from realm.guild.trainers.bin.problems import draw_problem, rows
from realm.guild.trainers.bin.solutions import solution

_AUXILIARY_DIFFICULTIES = ("easy", "medium")


@dataclass(frozen=True, slots=True)
class Task:
    """verb and question make the prompt, with the signal between them; problem is what is split by hash."""

    operation: str
    problem: str
    verb: str
    question: str
    answer: str


def draw_task(level: int, split: str, difficulty: str, draw: Draw) -> Task:
    """From UNLOCK on also chains, and one in five of the train tasks that can be is an auxiliary one."""
    if level >= UNLOCK:
        if split == "train" and difficulty in _AUXILIARY_DIFFICULTIES and draw(5) == 0:
            return _auxiliary(level, difficulty, draw)
        depth = draw_depth(difficulty, draw)
        if depth > 1:
            return _of_chain(draw_chain(level, split, difficulty, depth, draw), difficulty)
    problem = draw_problem(level, split, draw, rows(level, difficulty))
    return Task(problem.operation.name, problem.text, "Compute", problem.text, solution(problem, difficulty))


def _of_chain(chain: Chain, difficulty: str) -> Task:
    result = f"{chain.text} = {chain.result}"
    lines = {
        "medium": [result, f"Verification: {chain.equation}"],
        "hard": [*chain.equations, result],
        "expert": chain.steps,
    }
    return Task("chain", chain.text, "Compute", chain.text, "\n".join(lines[difficulty]))


def _auxiliary(level: int, difficulty: str, draw: Draw) -> Task:
    kind = AUXILIARIES[draw(len(AUXILIARIES))]
    problem = draw_problem(level, "train", draw, [OPERATIONS[name] for name in kind.operations])
    question, answer = kind.ask(problem, draw)
    if difficulty == "medium":
        answer += f"\nVerification: {problem.equation}"
    return Task(kind.name, problem.text, kind.verb, question, answer)
