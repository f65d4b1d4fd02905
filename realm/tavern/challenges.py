"""A skill's item for an oracle, and its answer graded as an exam would grade it.

POST /oracle/challenge  {"skill", "level"} -> {"challenge", "skill", "level", "prompt", "difficulty", "operation", ...}
POST /oracle/grade      {"challenge", "answer", "finished"} -> {"score", "gold", "answer", "extractor", "trace": [...]}

Items are of the train split, from numbers that no batch reaches: no exam item is ever shown. The gold answer stays
here until the answer is graded; a challenge's name says how its item is made again, so nothing is kept.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from typing import Annotated, Any

import bottle
from msgspec import Meta, Struct, to_builtins

from realm.core.loopback import answer, refusal
from realm.core.paths import Home
from realm.guild.exams import Item, paper
from realm.guild.skills import SkillError, SkillUnavailable, Trainer, get_skill, get_trainer
from realm.tavern.wishes import wish

FIRST, COUNT = 10**9, 10**11  # of the numbers that challenges have
NAME = re.compile(r"([a-z][a-z0-9]{0,15})/([0-9.]{5,40})/([0-9]{1,6})/([0-9]{10,12})")


class Challenge(Struct, frozen=True, forbid_unknown_fields=True):
    skill: Annotated[str, Meta(max_length=16)]
    level: Annotated[int, Meta(ge=1, le=10**6)]


class Answered(Struct, frozen=True, forbid_unknown_fields=True):
    """`finished`: False for an answer that was cut off, which counts nothing in exams."""

    challenge: Annotated[str, Meta(max_length=100)]
    answer: str
    finished: bool = True


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """Challenges."""
    app.post("/oracle/challenge", callback=_challenge)
    app.post("/oracle/grade", callback=_grade)


def _challenge() -> bottle.HTTPResponse:
    asked = wish(Challenge)
    index = FIRST + secrets.randbelow(COUNT)
    with _teaching():
        trainer = get_trainer(asked.skill)
        item = _item(trainer, asked.skill, asked.level, index)
    return answer(
        {
            "challenge": f"{asked.skill}/{trainer.VERSION}/{asked.level}/{index}",
            "skill": asked.skill,
            "level": asked.level,
            "prompt": item.prompt,
            "difficulty": item.difficulty,
            "operation": item.operation,
            "space_size": item.space_size,
            "space_split": item.space_split,
        }
    )


def _grade() -> bottle.HTTPResponse:
    asked = wish(Answered)
    name = NAME.fullmatch(asked.challenge)
    if name is None or int(name[4]) < FIRST:
        raise refusal(400, f"{asked.challenge[:80]!r} is no challenge: POST /oracle/challenge gives one")
    skill, version, level, index = name[1], name[2], int(name[3]), int(name[4])
    with _teaching():
        trainer = get_trainer(skill)
        if version != trainer.VERSION:
            raise refusal(409, f"{skill} has version {trainer.VERSION} now, this challenge {version}: take a new one")
        item = _item(trainer, skill, level, index)
        graded = paper(item, asked.answer, asked.finished, trainer.score(asked.answer, item), trainer.extractor)
    return answer({**to_builtins(graded), "trace": _trace(graded.gold, graded.answer)})


def _item(trainer: Trainer, skill: str, level: int, index: int) -> Item:
    """Raises a refusal with 404 for a level that there is not."""
    if level not in trainer.LEVELS:
        raise refusal(404, f"unknown level {level}: {skill} has the levels 1 to {get_skill(skill).max_level}")
    return trainer.make(level, "train", index)


@contextmanager
def _teaching() -> Iterator[None]:
    """What a skill cannot do, as a refusal."""
    try:
        yield
    except SkillUnavailable as error:
        raise refusal(503, str(error)) from None
    except SkillError as error:
        raise refusal(404, str(error)) from None


def _trace(gold: str, given: str) -> list[dict[str, Any]]:
    """Line by line, without the space round it: the first that differs shows where the work went astray."""
    pairs = zip_longest(_lines(gold), _lines(given))
    return [{"gold": one, "answer": other, "is_same": one == other} for one, other in pairs]


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().split("\n")]
