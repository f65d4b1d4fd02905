"""What a skill server answers, by the table in realm/guild/skills/wire.py. Nothing is kept between two requests."""

from collections.abc import Sequence
from typing import Any

import bottle
import msgspec

from realm.core.loopback import answer, content, json_app, number, refusal
from realm.guild.exams import Item
from realm.guild.skills.contract import STATIC
from realm.guild.skills.definition import Skill
from realm.guild.skills.in_process import InProcessTrainer
from realm.guild.skills.wire import BLOCK, LARGEST_EXAM, GenerateRequest, ScoreRequest


class SkillApi:
    def __init__(self, skill: Skill, trainer: InProcessTrainer):
        self._skill, self._trainer = skill, trainer
        self.app = json_app()
        self.app.get("/health", callback=self.health)
        self.app.get("/info", callback=self.info)
        self.app.get("/levels", callback=self.levels)
        self.app.post("/generate", callback=self.generate)
        self.app.get("/eval", callback=self.evaluate)
        self.app.post("/score", callback=self.score)

    def health(self) -> bottle.HTTPResponse:
        return answer({"status": "ok", "skill": self._skill.id, "version": self._trainer.VERSION})

    def info(self) -> bottle.HTTPResponse:
        skill = self._skill
        return answer(
            {
                "skill": skill.id,
                "name": skill.name,
                "description": skill.description,
                "category": skill.category,
                "version": self._trainer.VERSION,
                "min_level": 1,
                "max_level": skill.max_level,
                "features": ["score"],
            }
        )

    def levels(self) -> bottle.HTTPResponse:
        return answer({"levels": [self._level(level) for level in self._skill.levels]})

    def generate(self) -> bottle.HTTPResponse:
        asked = content(GenerateRequest)
        return self._batch(asked.level, self._trainer.sample(self._known(asked.level), asked.count, asked.seed * BLOCK))

    def evaluate(self) -> bottle.HTTPResponse:
        level = self._known(number("level", None, 1, 10**6))
        count = number("count", STATIC, 1, LARGEST_EXAM)
        return self._batch(level, self._trainer.exam(level, count, bottle.request.query.get("seed", "0")))

    def score(self) -> bottle.HTTPResponse:
        asked = content(ScoreRequest)
        self._known(asked.level)
        return answer({"scores": [self._score(fields) for fields in asked.items]})

    def _level(self, level: int) -> dict[str, Any]:
        space = self._trainer.space(level)
        return {
            "level": level,
            "name": self._skill.levels[level],
            "eval_samples": STATIC,
            "pass_threshold": self._skill.threshold,
            "space_size": space.size,
            "space_split": space.split,
        }

    def _batch(self, level: int, items: Sequence[Item]) -> bottle.HTTPResponse:
        return answer({"version": self._trainer.VERSION, "level": level, "count": len(items), "items": items})

    def _known(self, level: int) -> int:
        if level not in self._skill.levels:
            raise refusal(404, f"unknown level {level}: {self._skill.id} has the levels 1 to {self._skill.max_level}")
        return level

    def _score(self, fields: dict[str, Any]) -> float:
        given = fields.pop("given", None)
        if not isinstance(given, str):
            raise refusal(400, 'an item lacks "given", the text of the answer')
        try:
            return self._trainer.score(given, msgspec.convert(fields, self._trainer.Item))
        except msgspec.ValidationError as error:
            raise refusal(400, f"an item is not as it was given out: {error}") from None
