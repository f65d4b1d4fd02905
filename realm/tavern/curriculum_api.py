"""The curriculum over HTTP: what is taught next and by which plan; other settings go into config.json.

GET  /api/scheduler?count=   the settings, presets, strategies, plans, and the next batches; nothing moves
POST /api/scheduler          {"version"} and one of {"preset": name}, {"changes": {key: value}}, {"undo": true} -> GET
POST /api/scheduler/preview  one of the three -> what GET would be; nothing is written

Keys are as in `realm curriculum set`: strategy, batch, mix.below, bin.enabled, bin.weight, ...
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import bottle
from msgspec import Struct, to_builtins

from realm.armory.heroes import HeroError
from realm.armory.settings import ChangedMeanwhile, Settings, UnknownKey, version_of
from realm.core.config import ConfigError, Curriculum, config_of
from realm.core.history import DamagedHistory
from realm.core.loopback import answer, number, refusal
from realm.core.paths import Home
from realm.guild.curriculum import NothingToTeach, plans_of, preview
from realm.guild.plan_change import last_change, undone, write_changed
from realm.guild.presets import PRESETS, UnknownPreset, preset_of, with_preset
from realm.guild.skills import SkillError, list_skills
from realm.tavern.climb import Climb
from realm.tavern.wishes import wish, writing

SHOWN, MOST_SHOWN = 10, 100  # batches

STRATEGIES = {
    "equal": "each skill in turn",
    "focus": "the skill with the smallest priority number, until it is mastered",
    "weighted": "each skill as often as its weight says",
    "catch_up": "the skill with the fewest mastered levels",
}

UNUSABLE = (ConfigError, HeroError)


class Idea(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the three."""

    preset: str | None = None
    changes: dict[str, Any] = {}
    undo: bool = False


class Change(Idea, frozen=True, forbid_unknown_fields=True, kw_only=True):
    version: str  # which GET told


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """The curriculum."""
    api = CurriculumApi(home)
    app.get("/api/scheduler", callback=api.show)
    app.post("/api/scheduler", callback=api.change)
    app.post("/api/scheduler/preview", callback=api.preview)


class CurriculumApi:
    """Follows the scheduler's annals; settings are read anew for each request."""

    def __init__(self, home: Home):
        self._home = home
        self._climb = Climb(home)
        self._looking = threading.Lock()

    def show(self) -> bottle.HTTPResponse:
        count = number("count", SHOWN, 1, MOST_SHOWN)
        try:
            settings = Settings.read(self._home)
        except UNUSABLE as error:
            raise refusal(409, str(error)) from None
        return answer(self._shown(settings, settings.raw, count))

    def preview(self) -> bottle.HTTPResponse:
        asked = wish(Idea)
        with _refusing():
            settings = Settings.read(self._home)
            return answer(self._shown(settings, _changed(settings, asked), SHOWN))

    def change(self) -> bottle.HTTPResponse:
        asked = wish(Change)
        try:
            with _refusing():
                settings = Settings.read(self._home)
                if settings.version != asked.version:
                    raise ChangedMeanwhile("config.json was changed meanwhile: look at it, and ask again")
                with writing():
                    write_changed(settings, _changed(settings, asked), by="tavern")
                settings = Settings.read(self._home)
                return answer(self._shown(settings, settings.raw, SHOWN))
        except ChangedMeanwhile as error:
            raise answer({"error": str(error), "version": version_of(self._home)}, 409) from None

    # Looking

    def _shown(self, settings: Settings, raw: dict[str, Any], count: int) -> dict[str, Any]:
        curriculum = _curriculum(settings, raw)
        with self._looking:
            decisions, problem = self._decisions(curriculum, count)
            skills = list(self._climb.skills)
            plans = {skill: curriculum.skills.get(skill, curriculum.others) for skill in skills}
        return {
            "version": settings.version,
            **to_builtins(curriculum),
            "preset": preset_of(curriculum),
            "presets": [_preset(name, curriculum, skills) for name in PRESETS],
            "last_change": _last_change(settings, skills),
            "strategies": [{"name": name, "text": text} for name, text in STRATEGIES.items()],
            "skills": [{"id": skill, **to_builtins(plan)} for skill, plan in plans.items()],
            "decisions": decisions,
            "problem": problem,
        }

    def _decisions(self, curriculum: Curriculum, count: int) -> tuple[Any, str | None]:
        """The next batches, or why there are none."""
        climb = self._climb
        try:
            climb.look()
            return to_builtins(preview(count, climb.batches, curriculum, climb.standings, climb.taught)), None
        except (DamagedHistory, NothingToTeach, SkillError, OSError) as error:
            return None, str(error)


# Changing


@contextmanager
def _refusing() -> Iterator[None]:
    """Says why something cannot be asked for."""
    try:
        yield
    except ConfigError as error:
        raise refusal(400, "; ".join(error.problems)) from None
    except (UnknownKey, UnknownPreset, NothingToTeach) as error:
        raise refusal(400, str(error)) from None
    except (HeroError, SkillError) as error:
        raise refusal(409, str(error)) from None


def _changed(settings: Settings, idea: Idea) -> dict[str, Any]:
    """config.json's content as it would be. Raises a refusal, and what `_refusing` tells."""
    if [idea.preset is not None, bool(idea.changes), idea.undo].count(True) != 1:
        raise refusal(400, "state one of preset, changes and undo")
    if idea.preset is not None:
        raw = _with_preset(settings, idea.preset)
    else:
        raw = _with_changes(settings, idea.changes) if idea.changes else _undone(settings)
    plans_of(_curriculum(settings, raw), dict.fromkeys(list_skills()))
    return raw


def _with_preset(settings: Settings, name: str) -> dict[str, Any]:
    """config.json's content under a preset. Raises UnknownPreset."""
    return {**settings.raw, "curriculum": to_builtins(with_preset(_curriculum(settings, settings.raw), name))}


def _with_changes(settings: Settings, changes: dict[str, Any]) -> dict[str, Any]:
    """config.json's content with other values. Raises UnknownKey, ConfigError, HeroError, SkillError."""
    skills = list_skills()
    for key, value in changes.items():
        skill, _, field = key.partition(".")
        planned = field and skill in skills
        raw = _with_plan(settings, skill, field, value) if planned else settings.changed(f"curriculum.{key}", value)
        settings = replace(settings, raw=raw)
    return settings.raw


def _undone(settings: Settings) -> dict[str, Any]:
    """config.json's content before the last change. Raises a refusal if no program's word of it fits any more."""
    change = last_change(settings.home, settings.raw)
    if change is None:
        raise refusal(409, "nothing can be undone: no program of the realm wrote what config.json says now")
    return undone(change, settings.raw)


def _with_plan(settings: Settings, skill: str, field: str, value: Any) -> dict[str, Any]:
    """A skill that had no plan of its own begins with that of the others."""
    curriculum = _curriculum(settings, settings.raw)
    plan = to_builtins(curriculum.skills.get(skill, curriculum.others))
    plans = {**to_builtins(curriculum.skills), skill: {**plan, field: value}}
    raw = {**settings.raw, "curriculum": {**settings.raw.get("curriculum", {}), "skills": plans}}
    settings.binding(raw)
    return raw


def _curriculum(settings: Settings, raw: dict[str, Any]) -> Curriculum:
    return config_of(raw, settings.home.config_file).curriculum


def _preset(name: str, curriculum: Curriculum, skills: Sequence[str]) -> dict[str, Any]:
    """`problem`: why it cannot be chosen; `differences`: what it would change."""
    chosen = with_preset(curriculum, name)
    try:
        plans_of(chosen, dict.fromkeys(skills))
        problem = None
    except NothingToTeach as error:
        problem = str(error)
    values = to_builtins(PRESETS[name])
    title = values.pop("description")
    differences = _differences(curriculum, chosen, skills)
    return {"name": name, "title": title, "values": values, "problem": problem, "differences": differences}


def _last_change(settings: Settings, skills: Sequence[str]) -> dict[str, Any] | None:
    """None for the shipped curriculum; `by` is null where no file says by whom: then `at` is the whole file's time."""
    if change := last_change(settings.home, settings.raw):
        after, before = (_curriculum(settings, raw) for raw in (settings.raw, undone(change, settings.raw)))
        return {"by": change.by, "at": change.at, "differences": _differences(before, after, skills)}
    if "curriculum" not in settings.raw:
        return None
    at = datetime.fromtimestamp(settings.home.config_file.stat().st_mtime, UTC)
    return {"by": None, "at": at, "differences": []}


def _differences(one: Curriculum, other: Curriculum, skills: Sequence[str]) -> list[dict[str, Any]]:
    before, after = _flat(one, skills), _flat(other, skills)
    return [{"key": key, "before": before[key], "after": after[key]} for key in before if before[key] != after[key]]


def _flat(curriculum: Curriculum, skills: Sequence[str]) -> dict[str, Any]:
    """By the keys of `realm curriculum set`; each skill with the plan that holds for it."""
    plans = {skill: to_builtins(curriculum.skills.get(skill, curriculum.others)) for skill in skills}
    sections = {**to_builtins(curriculum), **plans}
    del sections["skills"]
    return {
        (f"{key}.{field}" if field else key): value
        for key, section in sections.items()
        for field, value in (section.items() if isinstance(section, dict) else (("", section),))
    }
