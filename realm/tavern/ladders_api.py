"""GET /api/ladders: what each level of each skill is made of, as its own trainer tells it.

{"skills": {id: {"api_url": of the server that knows, or null, "levels": {level: {name: value}}}}, "problem": why not}
"""

from typing import Any

import bottle

from realm.core.loopback import answer
from realm.core.paths import Home
from realm.guild.skills import Skill, SkillError, attributes_of, load_skills


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """The ladders."""
    app.get("/api/ladders", callback=_ladders)


def _ladders() -> bottle.HTTPResponse:
    try:
        return answer({"skills": {name: _ladder(skill) for name, skill in load_skills().items()}, "problem": None})
    except SkillError as error:
        return answer({"skills": {}, "problem": str(error)})


def _ladder(skill: Skill) -> dict[str, Any]:
    """No server is asked: a page that is looked at makes no other machine work. Raises SkillError."""
    return {
        "api_url": skill.api_url if skill.in_process is None else None,
        "levels": {str(level): values for level, values in attributes_of(skill).items()},
    }
