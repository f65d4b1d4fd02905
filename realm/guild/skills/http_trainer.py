"""A skill whose server is asked: realm/guild/skills/wire.py says what."""

import unicodedata
from collections.abc import Sequence
from functools import cache, cached_property, lru_cache
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, Request

import msgspec

from realm.guild.exams import EXTRACTOR, Item
from realm.guild.skills.contract import STATIC, SkillError, SkillUnavailable
from realm.guild.skills.definition import Skill
from realm.guild.skills.wire import (
    BLOCK,
    Batch,
    GenerateRequest,
    Health,
    Info,
    LevelInfo,
    Levels,
    Refusal,
    Scores,
    Split,
    WireItem,
)

SHORT, LONG = 5.0, 120.0  # seconds to wait for bytes: of what a server knows, and of what it must make
KEPT_BLOCKS = 64  # more than a skill has levels, so that a quest may take them in turn
NOT_NOW = (502, 503, 504)


class HttpItem(msgspec.Struct, frozen=True):
    """An item as a server gave it; `fields` is all of it."""

    id: str
    level: int
    difficulty: str
    operation: str
    prompt: str
    answer: str
    space_size: int
    space_split: Split
    split: str
    fields: dict[str, Any]


class HttpSpace(msgspec.Struct, frozen=True):
    size: int
    split: Split


class HttpTrainer:
    """Train item n is the n % 100-th of the 100 that the server generates from the seed n // 100."""

    def __init__(self, skill: Skill):
        self.VERSION = skill.version
        self.LEVELS = range(1, skill.max_level + 1)
        self.SIGNS: Sequence[str] = skill.signs
        self._id = skill.id
        self._url = skill.api_url
        self._block = lru_cache(KEPT_BLOCKS)(self._generate)

    def make(self, level: int, split: str, index: int) -> Item:
        if index < 0:
            raise ValueError(f"index {index} is negative: items are numbered from 0")
        if split == "train":
            return self._block(level, index // BLOCK)[index % BLOCK]
        if split == "exam" and index < STATIC:
            return self.exam(level, STATIC, 0)[index]
        raise ValueError(f"{split} item {index} cannot be asked for by its number: `exam` draws those after the static")

    def sample(self, level: int, count: int, first_index: int = 0) -> Sequence[Item]:
        return [self.make(level, "train", index) for index in range(first_index, first_index + count)]

    def exam(self, level: int, count: int, seed: int | str) -> Sequence[Item]:
        """At most 1,000 items."""
        self._check_level(level)
        query = urlencode({"level": level, "count": count, "seed": seed})
        items = self._items(f"/eval?{query}", level, "exam")
        if len(items) > count:
            raise SkillError(f"{self._url}/eval?{query} gave {len(items)} items: give at most as many as are asked for")
        return items

    def score(self, answer: str, item: HttpItem) -> float:
        """By the server if it can; else 1 for the gold answer as a whole, whatever its Unicode form and outer space."""
        if "score" not in self._info.features:
            return float(_normalised(answer) == _normalised(item.answer))
        asked = {"level": item.level, "items": [{**item.fields, "given": answer}]}
        scores: Scores = self._ask("/score", Scores, LONG, asked)
        if len(scores.scores) != 1:
            raise SkillError(f"{self._url}/score gave {len(scores.scores)} scores for one answer")
        return scores.scores[0]

    def to_chat(self, item: HttpItem) -> dict[str, Any]:
        return {
            "messages": [
                {"role": "user", "content": item.prompt},
                {"role": "assistant", "content": item.answer},
            ],
            "metadata": {
                "skill": self._id,
                "generator_id": self._id,
                "generator_version": self.VERSION,
                "level": item.level,
                "difficulty": item.difficulty,
                "operation": item.operation,
                "split": item.split,
                "sample_id": item.id,
            },
        }

    def space(self, level: int) -> HttpSpace:
        self._check_level(level)
        if level not in self._levels:
            raise SkillError(f"{self._url}/levels lacks level {level}, which {self._id}.yaml has: make them one")
        return HttpSpace(self._levels[level].space_size, self._levels[level].space_split)

    def check_health(self) -> None:
        """Raises SkillError unless the server says that it is well."""
        health: Health = self._ask("/health", Health, SHORT)
        if health.status != "ok":
            raise SkillUnavailable(f"{self._url}/health says {health.status!r} instead of 'ok'")

    @property
    def extractor(self) -> str:
        return f"{self._id}-server@{self.VERSION}" if "score" in self._info.features else EXTRACTOR

    @cached_property
    def _info(self) -> Info:
        info: Info = self._ask("/info", Info, SHORT)
        said = (info.skill, info.version, info.min_level, info.max_level)
        if said != (self._id, self.VERSION, 1, len(self.LEVELS)):
            raise SkillError(
                f"{self._url} serves {info.skill} {info.version} with levels {info.min_level} to {info.max_level}, "
                f"{self._id}.yaml says {self.VERSION} with levels 1 to {len(self.LEVELS)}: make them one"
            )
        return info

    @cached_property
    def _levels(self) -> dict[int, LevelInfo]:
        levels: Levels = self._ask("/levels", Levels, SHORT)
        return {one.level: one for one in levels.levels}

    def _generate(self, level: int, seed: int) -> list[HttpItem]:
        self._check_level(level)
        asked = msgspec.to_builtins(GenerateRequest(level, BLOCK, seed))
        items = self._items("/generate", level, "train", asked)
        if len(items) != BLOCK:
            raise SkillError(f"{self._url}/generate gave {len(items)} items for {asked}: give as many as are asked for")
        return items

    def _items(self, path: str, level: int, split: str, body: object = None) -> list[HttpItem]:
        batch: Batch = self._ask(path, Batch, LONG, body)
        if (batch.version, batch.level) != (self.VERSION, level):
            raise SkillError(
                f"{self._url}{path} gave items of version {batch.version}, level {batch.level}; asked for were "
                f"{self.VERSION} and {level}: let {self._id}.yaml and its server state one version"
            )
        return [self._item(path, raw, level, split) for raw in batch.items]

    def _item(self, path: str, raw: msgspec.Raw, level: int, split: str) -> HttpItem:
        try:
            item = msgspec.json.decode(raw, type=WireItem)
        except msgspec.ValidationError as error:
            raise SkillError(f"{self._url}{path}: {error}, in the item {bytes(raw)[:400].decode()}") from None
        if item.level != level:
            raise SkillError(f"{self._url}{path}: item {item.id} is of level {item.level}, not of {level}")
        return HttpItem(**msgspec.structs.asdict(item), split=split, fields=msgspec.json.decode(raw))

    def _check_level(self, level: int) -> None:
        if level not in self.LEVELS:
            raise ValueError(f"unknown level {level!r}: {self._id} has the levels 1 to {len(self.LEVELS)}")

    def _ask(self, path: str, kind: Any, seconds: float, body: object = None) -> Any:
        """The answer as a `kind`. Raises SkillUnavailable if there is none, SkillError if it is another one."""
        url = self._url + path
        status, content = _fetch(url, seconds, body)
        if status != 200:
            fault = SkillUnavailable if status in NOT_NOW else SkillError
            raise fault(f"{url}: HTTP {status}: {_reason(content)}")
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SkillError(f"{url}: not a skill server's answer: {error}") from None


@cache
def _opener() -> OpenerDirector:
    """Without proxies, and without following redirects: another server is another skill."""
    opener = OpenerDirector()
    opener.add_handler(HTTPHandler())
    opener.add_handler(HTTPSHandler())
    return opener


def _fetch(url: str, seconds: float, body: object) -> tuple[int, bytes]:
    """Status and content, whole. Raises SkillUnavailable."""
    data = None if body is None else msgspec.json.encode(body)
    headers = {"Content-Type": "application/json"} if data else {}
    request = Request(url, data, headers)  # noqa: S310 - a skill's api_url begins with http:// or https://
    try:
        with _opener().open(request, timeout=seconds) as response:
            _check_framing(url, response)
            return response.status, response.read()
    except (OSError, HTTPException) as error:
        raise SkillUnavailable(f"{url}: no answer: {getattr(error, 'reason', error)}") from None


def _check_framing(url: str, response: HTTPResponse) -> None:
    """Without a length, an answer that a crash cut short, even in its headers, looks like a whole one."""
    if response.length is None and not response.chunked:
        raise SkillUnavailable(f"{url}: no answer: it broke off, or its server states no Content-Length")


def _reason(content: bytes) -> str:
    try:
        return msgspec.json.decode(content, type=Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return repr(content[:200])


def _normalised(text: str) -> str:
    return "\n".join(line.rstrip() for line in unicodedata.normalize("NFC", text).strip().split("\n"))
