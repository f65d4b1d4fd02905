"""Forges a quest: fresh items of a skill's train split as a chat JSONL file with its sidecar."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from realm.core.files import write_whole
from realm.guild.skills import get_trainer


def forge(skill: str, levels: Sequence[int], count: int, out: Path, *, first_index: int = 0) -> Path:
    """Writes `count` items, the levels in turn, to `out` and its lineage to `out`.meta.json.

    Raises ValueError for a skill or level that does not exist, SkillError, FileExistsError if `out` is there.
    """
    if out.exists():
        raise FileExistsError(f"{out} exists: choose another --out")
    trainer = get_trainer(skill)
    lines = []
    for number in range(count):
        index = first_index + number // len(levels)
        item = trainer.make(levels[number % len(levels)], "train", index)
        lines.append(orjson.dumps(trainer.to_chat(item), option=orjson.OPT_APPEND_NEWLINE))
    write_whole(out, b"".join(lines))
    sidecar = {
        "schema_id": "chat_sft_v1",
        "generator_id": skill,
        "generator_version": trainer.VERSION,
        "generated_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "params": {"levels": list(levels), "first_index": first_index},
        "skill": skill,
        "level": max(levels),
        "example_count": count,
    }
    write_whole(out.with_name(out.name + ".meta.json"), orjson.dumps(sidecar, option=orjson.OPT_INDENT_2))
    return out
