"""Batches: a skill's train items as the lines of a quest, with the sidecar that tells of them."""

from collections.abc import Sequence
from typing import Any

import orjson

from realm.guild.annals import Part
from realm.guild.skills import Trainer


def batch_lines(trainer: Trainer, parts: Sequence[Part]) -> bytes:
    """A chat_sft_v1 quest. The same bytes for the same parts and version of the skill."""
    return b"".join(
        orjson.dumps(trainer.to_chat(item), option=orjson.OPT_APPEND_NEWLINE)
        for part in parts
        for item in trainer.sample(part.level, part.count, part.first_index)
    )


def batch_sidecar(skill: str, version: str, parts: Sequence[Part], at: str, **params: Any) -> bytes:
    """Its X.jsonl.meta.json. The level is that of most of its items; `params` say how it came about."""
    sidecar = {
        "schema_id": "chat_sft_v1",
        "generator_id": skill,
        "generator_version": version,
        "generated_at": at,
        "params": {"parts": [[part.level, part.first_index, part.count] for part in parts], **params},
        "skill": skill,
        "level": main_level(parts),
        "example_count": sum(part.count for part in parts),
    }
    return orjson.dumps(sidecar, option=orjson.OPT_INDENT_2)


def main_level(parts: Sequence[Part]) -> int:
    """The level of most of a batch's items."""
    return max(parts, key=lambda part: (part.count, part.level)).level
