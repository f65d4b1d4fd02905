from pathlib import Path

import pytest

from realm.arena.intake.sidecars import LONGEST, Sidecar, SidecarError, names_for, parse_sidecar, unknown_keys
from realm.scrolls.forge import forge

WHOLE = b"""{"schema_id": "chat_sft_v1", "generator_id": "bin", "generator_version": "1", "skill": "bin", "level": 3,
"generated_at": "2026-01-01T00:00:00Z", "params": {"seed": 7}, "example_count": 10, "epochs": 2,
"validators": {"equations@1": "passed"}}"""


def test_a_sidecar_is_read_whole_or_with_what_it_has() -> None:
    sidecar = parse_sidecar(WHOLE)
    assert (sidecar.generator_id, sidecar.level, sidecar.epochs, sidecar.params) == ("bin", 3, 2, {"seed": 7})
    assert sidecar.validators == {"equations@1": "passed"}
    assert parse_sidecar(b"{}") == Sidecar()
    assert unknown_keys(WHOLE) == []


def test_what_the_forge_writes_is_a_sidecar_without_unknown_keys(tmp_path: Path) -> None:
    quest = forge("bin", [1], 3, tmp_path / "x.jsonl")
    content = quest.with_name("x.jsonl.meta.json").read_bytes()
    assert parse_sidecar(content).generator_id == "bin"
    assert unknown_keys(content) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"epochs": 0}', r"`int` >= 1 - at `\$.epochs`"),
        (b'{"epochs": "two"}', r"at `\$.epochs`"),
        (b'{"level": -1}', r"at `\$.level`"),
        (b'{"generator_id": ""}', r"at `\$.generator_id`"),
        (b'{"params": [1]}', r"at `\$.params`"),
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b"", "truncated"),
        (b'{"params": {"a": NaN}}', "malformed"),
        (b'{"generator_id": "\xff"}', "utf-8"),
        (b'{"params": {"a": ' + b"[" * 50_000, "recursion"),
        (b'{"params": {"a": ' + b"[" * 60 + b"]" * 60 + b"}}", "params has more than 50 objects and lists inside"),
        (b'{"level": 123456789012345678901234567890}', r"at `\$.level`"),
        (b'{"params": {"a": "' + b"x" * LONGEST + b'"}}', "longer than 1,048,576 bytes"),
    ],
)
def test_a_sidecar_that_cannot_be_used_is_refused_with_the_field(content: bytes, problem: str) -> None:
    with pytest.raises(SidecarError, match=problem):
        parse_sidecar(content)


def test_keys_that_nobody_reads_are_named() -> None:
    assert unknown_keys(b'{"epoch": 3, "epochs": 3, "author": "me"}') == ["author", "epoch"]


def test_the_names_a_sidecar_may_have() -> None:
    assert names_for("x.jsonl") == ["x.jsonl.meta.json"]
    assert names_for("x.jsonl.gz") == ["x.jsonl.gz.meta.json", "x.jsonl.meta.json"]
    assert names_for("x.jsonl.zst") == ["x.jsonl.zst.meta.json", "x.jsonl.meta.json"]
