"""What drops hold: small quests of every spec, and what must be refused. Each has its serial number in it."""

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]


def good(serial: int, chance: random.Random) -> bytes:
    """A few short lines of one spec."""
    row = chance.choice((_chat, _prompt, _text))
    return _jsonl(row(f"{serial}.{line}", chance) for line in range(chance.randint(2, 12)))


def bad(serial: int, chance: random.Random) -> tuple[bytes, str]:
    """Bytes that must be refused, and the suffix of the name they are dropped under."""
    return chance.choice(FAULTS)(serial, chance)


def sidecar(serial: int, chance: random.Random) -> bytes:
    told: Row = {"generator_id": f"generator-{serial % 5}", "generator_version": "1", "params": {"serial": serial}}
    if chance.random() < 0.3:
        told["epochs"] = chance.randint(2, 3)
    return json.dumps(told).encode()


def _chat(mark: str, chance: random.Random) -> Row:
    turns = [("user", f"What is {mark}?"), ("assistant", f"It is {chance.randint(0, 99)}.")]
    return {"messages": [{"role": role, "content": content} for role, content in turns * chance.randint(1, 2)]}


def _prompt(mark: str, chance: random.Random) -> Row:
    return {"prompt": f"{mark} plus {chance.randint(0, 9)}", "completion": str(chance.randint(0, 99))}


def _text(mark: str, chance: random.Random) -> Row:
    return {"text": f"{mark}: " + "once upon a time " * chance.randint(1, 3)}


def _jsonl(rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


# What must be refused


def _torn_line(serial: int, chance: random.Random) -> tuple[bytes, str]:
    return good(serial, chance)[:-3], ".jsonl"


def _unknown_columns(serial: int, chance: random.Random) -> tuple[bytes, str]:
    return _jsonl([{"question": str(serial), "answer": "no"}]), ".jsonl"


def _unknown_role(serial: int, chance: random.Random) -> tuple[bytes, str]:
    return _jsonl([{"messages": [{"role": "wizard", "content": str(serial)}]}]), ".jsonl"


def _no_text(serial: int, chance: random.Random) -> tuple[bytes, str]:
    return good(serial, chance) + _jsonl([{"messages": [{"role": "user", "content": ""}]}]), ".jsonl"


def _not_utf8(serial: int, chance: random.Random) -> tuple[bytes, str]:
    return good(serial, chance) + b'{"text": "\xff\xfe"}\n', ".jsonl"


def _nothing(serial: int, chance: random.Random) -> tuple[bytes, str]:
    return b"\n" * serial, ".jsonl"


def _torn_archive(serial: int, chance: random.Random) -> tuple[bytes, str]:
    return gzip.compress(good(serial, chance), mtime=0)[:-9], ".jsonl.gz"


FAULTS: tuple[Callable[[int, random.Random], tuple[bytes, str]], ...] = (
    _torn_line,
    _unknown_columns,
    _unknown_role,
    _no_text,
    _not_utf8,
    _nothing,
    _torn_archive,
)
