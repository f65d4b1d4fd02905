"""The audit of a home in which everything has happened once: in order as its daemons left it, and every damage is
named, one test for each thing that has to be true."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from realm.arena.battle.journal import Journal, Position
from realm.core.history import read_history
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from realm.sentinels.audit import audit, broken, drops
from tests.arena.realm_home import eventually, make_home, running
from tests.cli.console import picture
from tests.sentinels import audited_home
from tests.sentinels.audited_home import delete_line, edit, edit_line, flip, lines, quest
from tests.sentinels.conftest import Unpack

TRAINER, WATCHER = "trainer.jsonl", "queue-watcher.jsonl"


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory, squire: Path) -> tuple[Home, Home]:
    return audited_home.make(tmp_path_factory.mktemp("audited"), squire)


@pytest.fixture
def ended(homes: tuple[Home, Home], tmp_path: Path) -> Home:
    """Its daemons ended as they were told."""
    return audited_home.copy(homes[1], tmp_path / "home")


@pytest.fixture
def killed(homes: tuple[Home, Home], tmp_path: Path) -> Home:
    """The trainer was killed in the middle of the last quest."""
    return audited_home.copy(homes[0], tmp_path / "home")


def told(home: Home, severity: str) -> list[str]:
    return [one.what for found in audit(home).values() for one in found if one.severity == severity]


def only(home: Home, *, deep: bool = False) -> str:
    """The one thing that is broken."""
    [what] = broken(home, deep=deep, removed=())
    return what


def said(status: Path) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(status.read_bytes())
    return document


def newest_seal(home: Home) -> Path:
    return max(home.seals.glob("[0-9]*"), key=lambda path: int(path.name.rpartition("-")[2]))


def number_of_claim(home: Home, part: str) -> int:
    """Of the last claim of a quest, as history has it: its line, counted from 0."""
    found = [n for n, line in enumerate(read_history(home.history / TRAINER)) if f"-{part}-" in line.quest]
    return found[-1]


# In order


def test_a_home_where_everything_happened_is_in_order_and_all_of_it_is_counted(ended: Home) -> None:
    before = picture(ended)
    assert broken(ended, deep=True, removed=()) == []
    counted = told(ended, "fine")
    assert "9 quests in the queue: 5 failed, 4 completed" in counted
    assert "8 drops in the events: 5 let in, 3 refused" in counted
    assert "6 claims: 4 completed, 1 failed, 1 skipped" in counted
    assert "400 gold for 4 completed quests" in counted
    assert told(ended, "note") == []
    assert picture(ended) == before


def test_a_kill_leaves_a_home_that_is_in_order(killed: Home) -> None:
    assert broken(killed, deep=True, removed=()) == []
    assert "6 claims: 3 completed, 1 failed, 1 skipped; 1 not filed yet" in told(killed, "fine")
    assert all("half made" in note for note in told(killed, "note"))  # the kill may fall into a seal


@pytest.mark.parametrize("name", ["9f70af8-ended", "9f70af8-killed"])
def test_a_home_of_an_earlier_version_is_in_order(unpack: Unpack, name: str) -> None:
    assert broken(unpack(name), deep=True, removed=()) == []


def test_a_fresh_home_is_in_order(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    assert broken(home, deep=True, removed=()) == []


def test_while_its_daemons_work_and_are_killed_a_home_is_in_order(tmp_path: Path, squire: Path) -> None:
    home = make_home(tmp_path / "home", squire, **{**audited_home.SMALL, "checkpoint_steps": 5})
    history = home.history / TRAINER
    for life in range(2):
        with running("queue_watcher", home) as watcher, running("trainer", home) as trainer:
            for number in range(4):
                (home.inbox / f"q{life}-{number}.jsonl").write_bytes(lines(12, first=100 * number + 1000 * life))
            looks = 0
            while len(list(read_history(history))) < 4 * life + 3 or not looks:
                assert trainer.poll() is watcher.poll() is None
                assert broken(home, removed=()) == []
                looks += 1
            for process in (trainer, watcher):
                process.send_signal(signal.SIGKILL)
                process.wait()
        assert broken(home, removed=()) == []


def test_while_the_older_seal_is_trained_on_from_a_home_is_in_order(
    homes: tuple[Home, Home], ended: Home, squire: Path
) -> None:
    shutil.copytree(squire, ended.models / "squire", dirs_exist_ok=True)
    lost = newest_seal(ended)
    flip(lost / "weights.safetensors")
    assert any(lost.name in what for what in broken(ended, deep=True, removed=()))
    with running("trainer", ended):
        eventually(lambda: (ended.seals / f"corrupt-{lost.name}").exists(), what="the seal is set aside")
        eventually(lambda: not broken(ended, removed=()) and len([*ended.seals.glob("[0-9]*")]) > 1, what="a new seal")
    assert broken(ended, deep=True, removed=()) == []
    assert told(ended, "note") == [f"seal corrupt-{lost.name}: a damaged one, set aside"]


# Quests


def test_a_quest_in_two_places(ended: Home) -> None:
    shutil.copytree(quest(ended, "packed"), ended.queue / "low" / quest(ended, "packed").name)
    assert "lies in recently_completed, low" in only(ended)


def test_a_quest_of_another_size(killed: Home) -> None:
    file = quest(killed, "long") / "quest.jsonl"
    file.write_bytes(file.read_bytes()[:-1])
    assert "its quest.jsonl has" in only(killed)


def test_a_quest_with_another_byte(ended: Home) -> None:
    flip(quest(ended, "packed") / "quest.jsonl")
    assert broken(ended, removed=()) == []
    assert "does not have the SHA-256" in only(ended, deep=True)


def test_a_quest_with_another_count_of_lines(ended: Home) -> None:
    edit(quest(ended, "packed") / "meta.json", lines=19)
    assert "has 20 lines, meta.json says 19" in only(ended, deep=True)


def test_a_quest_without_its_lines(ended: Home) -> None:
    (quest(ended, "first") / "quest.jsonl").unlink()
    assert "its quest.jsonl is missing" in only(ended)


def test_an_archive_that_was_refused_is_counted_as_it_was_dropped(ended: Home) -> None:
    flip(quest(ended, "cut") / "original.gz")
    assert "its original.gz does not have the SHA-256" in only(ended, deep=True)


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_text("{")], ids=["gone", "torn"])
def test_a_quest_without_a_meta(ended: Home, damage: Callable[[Path], None]) -> None:
    damage(quest(ended, "packed") / "meta.json")
    assert "meta.json" in only(ended)


def test_a_quest_with_the_meta_of_another(ended: Home) -> None:
    shutil.copy(quest(ended, "packed") / "meta.json", quest(ended, "skipped"))
    assert any("its meta.json is that of" in what for what in broken(ended))


@pytest.mark.parametrize("file", ["source.json", "sidecar.json"])
def test_a_quest_without_what_it_was_dropped_with(ended: Home, file: str) -> None:
    (quest(ended, "first") / file).unlink()
    assert f"its {file} is missing" in only(ended)


@pytest.mark.parametrize(("part", "file"), [("packed", "result.json"), ("overlong", "error.json")])
def test_an_ended_quest_without_its_verdict(ended: Home, part: str, file: str) -> None:
    (quest(ended, part) / file).unlink()
    assert f"{file} cannot be read" in only(ended)


def test_a_quest_that_a_hand_moved_to_another_end(ended: Home) -> None:
    quest(ended, "overlong").rename(ended.completed / quest(ended, "overlong").name)
    assert "result.json cannot be read" in only(ended)


def test_a_verdict_that_history_does_not_share(ended: Home) -> None:
    edit(quest(ended, "packed") / "result.json", gold=200)
    assert "its verdict says gold 200, its last line of history 100" in only(ended)


def test_a_verdict_of_another_claim(ended: Home) -> None:
    edit(quest(ended, "packed") / "result.json", number=99)
    assert "its verdict says claim 99" in only(ended)


@pytest.mark.parametrize("part", ["broken", "edited"])
def test_an_ended_quest_without_its_line_of_history(ended: Home, part: str) -> None:
    file = ended.history / (WATCHER if part == "broken" else TRAINER)
    delete_line(file, next(n for n, line in enumerate(read_history(file)) if f"-{part}-" in line.quest))
    found = broken(ended)
    assert any(f"-{part}-" in what and "has ended, and no line of history tells of it" in what for what in found)


def test_a_quest_in_processing_that_nobody_claimed(ended: Home) -> None:
    name = quest(ended, "packed").name
    shutil.copytree(quest(ended, "packed"), ended.processing / name.replace("packed", "copied"))
    edit(ended.processing / name.replace("packed", "copied") / "meta.json", name=name.replace("packed", "copied"))
    assert "lies in processing, and neither journal nor seal has a claim of it" in only(ended)


def test_a_claimed_quest_that_is_nowhere(killed: Home) -> None:
    shutil.rmtree(quest(killed, "long"))
    assert "is not sealed, and its folder is nowhere in the queue" in only(killed)


def test_a_drop_that_was_let_in_and_is_nowhere_may_have_been_removed(killed: Home) -> None:
    name = quest(killed, "packed").name.replace("packed", "vanished")
    edit_line(killed.events / WATCHER, 0, kind="quest.admitted", data={"quest": name})
    assert f"quest {name}: was let in, was never claimed, and is nowhere" in only(killed)
    assert broken(killed, removed={name}) == broken(killed) == []
    assert any(name in what for what in told(killed, "note"))


def test_a_refusal_that_history_does_not_know(ended: Home) -> None:
    name = quest(ended, "packed").name.replace("packed", "vanished")
    edit_line(ended.events / WATCHER, 0, kind="quest.refused", data={"quest": name})
    assert only(ended) == f"quest {name}: an event tells that it was refused, history does not"


def test_an_ended_quest_whose_folder_was_removed_is_told(ended: Home) -> None:
    name = quest(ended, "packed").name
    QuestQueue(ended).remove(name)
    assert broken(ended) == broken(ended, removed={name}) == []
    assert name in only(ended)
    assert any(name in what for what in told(ended, "note"))


def test_an_ended_quest_that_retention_let_go_is_in_order(ended: Home) -> None:
    ended.config_file.write_text('{"retention": {"ended_quests": 2}}')
    by_end = [line.quest for line in read_history(ended.history / TRAINER) if line.outcome == "completed"]
    QuestQueue(ended).remove(by_end[0])
    QuestQueue(ended).remove(by_end[1])
    assert broken(ended, removed=()) == []


def test_one_that_was_filed_again_may_outlive_one_that_ended_later(ended: Home) -> None:
    ended.config_file.write_text('{"retention": {"ended_quests": 2}}')
    completed = [line for line in read_history(ended.history / TRAINER) if line.outcome == "completed"]
    by_end = {line.quest: line.ended_at for line in completed}
    first, second, *_ = sorted(by_end, key=lambda name: by_end[name])
    QuestQueue(ended).remove(second)
    os.utime(ended.completed / first / "result.json", (0, by_end[first].timestamp()))
    assert [second in what for what in broken(ended, removed=())] == [True]
    (ended.completed / first / "result.json").touch()
    assert broken(ended, removed=()) == []


def test_a_drop_that_a_queue_watcher_at_rest_does_not_take(ended: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with running("queue_watcher", ended) as watcher:
        status = ended.status / "queue-watcher.json"
        eventually(lambda: said(status)["writer"]["pid"] == watcher.pid and said(status)["state"] == "idle")
        watcher.send_signal(signal.SIGSTOP)
        (ended.inbox / "late.jsonl").touch()
        assert broken(ended) == []
        monkeypatch.setattr(drops, "LATE_SECONDS", 0.0)
        found = only(ended)
        edit(status, problems=["late.jsonl cannot be read"])
        assert broken(ended) == []
        watcher.send_signal(signal.SIGCONT)
    assert found == f"{ended.inbox / 'late.jsonl'}: lies there for minutes, and the queue-watcher rests"


# Claims


def test_a_claim_that_nothing_tells_of(ended: Home) -> None:
    delete_line(ended.history / TRAINER, number_of_claim(ended, "skipped"))
    assert any("neither history, nor the newest seal, nor the journal tells of it" in what for what in broken(ended))


def test_a_claim_that_ended_twice(ended: Home) -> None:
    file = ended.history / TRAINER
    line = file.read_bytes().splitlines(keepends=True)[number_of_claim(ended, "packed")]
    file.write_bytes(file.read_bytes() + line)
    found = broken(ended)
    assert any("history has 2 ends of it" in what for what in found)
    assert any("tells twice" in what for what in found)


def test_a_claim_of_another_quest_than_the_seal_has(ended: Home) -> None:
    edit_line(ended.history / TRAINER, number_of_claim(ended, "long"), sha256="0" * 64)
    assert any("the newest seal has" in what for what in broken(ended))


@pytest.mark.parametrize("field", ["steps", "tokens", "examples"])
def test_a_claim_with_other_sums(ended: Home, field: str) -> None:
    number = number_of_claim(ended, "packed")
    was = msgspec.to_builtins(list(read_history(ended.history / TRAINER))[number])[field]
    edit_line(ended.history / TRAINER, number, **{field: was + 1})
    found = broken(ended)
    assert any(f"its verdict says {field} {was}, its last line of history {was + 1}" in what for what in found)
    assert any("claims add up to" in what and what.startswith("seal ") for what in found)
    if field == "steps":
        assert any("begins at step" in what for what in found)
    if field != "examples":
        assert any("of metrics" in what or "metrics/" in what for what in found)


def test_a_claim_whose_seal_does_not_reach_its_end(ended: Home) -> None:
    edit_line(ended.history / TRAINER, number_of_claim(ended, "long"), seal="1-99")
    assert "its seal 1-99 does not reach it" in only(ended)


def test_a_claim_whose_seal_is_older_than_that_of_an_earlier_one(ended: Home) -> None:
    edit_line(ended.history / TRAINER, number_of_claim(ended, "long"), seal="9999-0")
    assert "seal 9999-0 is older than that of a claim before it" in only(ended)


def test_a_claim_without_a_seal(ended: Home) -> None:
    edit_line(ended.history / TRAINER, number_of_claim(ended, "packed"), seal=None)
    assert "history names no seal that covers it" in only(ended)


def test_what_a_set_aside_journal_explains_is_no_trouble(ended: Home) -> None:
    file = ended.history / TRAINER
    number = number_of_claim(ended, "packed")
    edit_line(file, number, data={"first_step": 7})
    assert any("begins at step 7" in what for what in broken(ended))
    (ended.current_model / "journal-hole-1").mkdir()
    assert not any("begins at step 7" in what for what in broken(ended))
    assert any("begins at step 7" in what for what in told(ended, "note"))


# Steps


def test_a_step_without_a_row(ended: Home) -> None:
    rows = (ended.metrics / TRAINER).read_bytes().splitlines()
    delete_line(ended.metrics / TRAINER, next(n for n, row in enumerate(rows) if b'"step":5,' in row))
    found = broken(ended)
    assert "step 5: metrics/ has no row" in found
    assert any("rows of it there" in what for what in found)


def test_a_row_of_another_claim(ended: Home) -> None:
    rows = (ended.metrics / TRAINER).read_bytes().splitlines()
    edit_line(ended.metrics / TRAINER, next(n for n, row in enumerate(rows) if b'"step":5,' in row), claim=6)
    assert any("metrics/ has" in what and "rows of it there" in what for what in broken(ended))


def test_a_row_with_other_tokens(ended: Home) -> None:
    rows = (ended.metrics / TRAINER).read_bytes().splitlines()
    edit_line(ended.metrics / TRAINER, next(n for n, row in enumerate(rows) if b'"step":5,' in row), tokens=1)
    assert "its rows of metrics" in only(ended)


def test_rows_that_end_before_the_newest_seal(ended: Home) -> None:
    for _ in range(3):
        delete_line(ended.metrics / TRAINER, -1)
    found = broken(ended)
    assert any("the rows of metrics end at step" in what and what.startswith("seal at") for what in found)
    assert any("the trainer ended at step" in what for what in found)


def test_a_row_behind_the_seal_of_a_claim_that_nobody_knows(killed: Home) -> None:
    edit_line(killed.metrics / TRAINER, -1, claim=77)
    assert only(killed).startswith("claim 77: steps behind the newest seal were trained for it")


def test_a_status_with_other_totals(ended: Home) -> None:
    status = msgspec.json.decode((ended.status / "training_status.json").read_bytes())
    edit(ended.status / "training_status.json", totals={**status["totals"], "quests": 99})
    assert broken(ended) == [
        "status: totals.quests is 99, in the newest seal 4",
        "status: 99 quests completed, history has 4 of this campaign",
    ]


# Seals and journal


@pytest.mark.parametrize("part", ["weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
def test_a_seal_with_another_byte(ended: Home, part: str) -> None:
    flip(newest_seal(ended) / part)
    found = broken(ended, deep=True)
    assert any(what.startswith(f"seal {newest_seal(ended).name}: ") for what in found)


def test_a_manifest_with_another_number_in_it(ended: Home) -> None:
    file = newest_seal(ended) / "manifest.json"
    manifest = msgspec.json.decode(file.read_bytes())
    edit(file, journal_seq=manifest["journal_seq"] - 1)
    assert any("manifest.json does not have its own digest" in what for what in broken(ended))


def test_a_seal_without_a_part_and_one_with_a_stranger_in_it(ended: Home) -> None:
    (newest_seal(ended) / "notes.txt").touch()
    assert "notes.txt is no part of it" in only(ended)
    (newest_seal(ended) / "notes.txt").unlink()
    (newest_seal(ended) / "weights.safetensors").unlink()
    assert any("weights.safetensors" in what for what in broken(ended))


def test_a_seal_under_another_name(ended: Home) -> None:
    seal = newest_seal(ended)
    seal.rename(seal.with_name("99999-98"))
    assert any("its manifest.json is that of" in what for what in broken(ended))


def test_two_seals_of_one_number(ended: Home) -> None:
    seal = newest_seal(ended)
    older = min(ended.seals.iterdir(), key=lambda path: int(path.name.partition("-")[0]))
    shutil.rmtree(older)
    shutil.copytree(seal, seal.with_name(f"1-{seal.name.partition('-')[2]}"))
    assert any("is not of a later moment than" in what for what in broken(ended))


def test_more_seals_than_are_kept_and_one_that_is_none(ended: Home) -> None:
    shutil.copytree(newest_seal(ended), ended.seals / "1-1")
    (ended.seals / "mine").mkdir()
    found = broken(ended)
    assert "seals: 3 are kept instead of 2" in found
    assert "seal mine: that is no seal's name" in found


def test_a_damaged_seal_that_was_set_aside_is_named(ended: Home) -> None:
    (ended.seals / "corrupt-5-5").mkdir()
    assert broken(ended) == []
    assert told(ended, "note") == ["seal corrupt-5-5: a damaged one, set aside"]


def test_a_state_of_another_moment_than_its_manifest(ended: Home) -> None:
    seals = sorted(ended.seals.iterdir(), key=lambda path: int(path.name.rpartition("-")[2]))
    shutil.copy(seals[0] / "state.json", seals[1] / "state.json")
    manifest = msgspec.json.decode((seals[1] / "manifest.json").read_bytes())
    size = (seals[1] / "state.json").stat().st_size
    parts = {**manifest["parts"], "state.json": {**manifest["parts"]["state.json"], "size": size}}
    edit(seals[1] / "manifest.json", parts=parts, sha256="")
    assert any("its state is that of step" in what for what in broken(ended))


def test_a_journal_with_a_hole(killed: Home) -> None:
    journal = Journal(killed.journal)
    for _ in range(2):
        journal.append("config", Position(0, 0, -1, 0), changes={})
    segment = max(killed.journal.iterdir())
    content = segment.read_bytes()
    segment.write_bytes(content[:20] + b"#" + content[21:])
    assert any(what.startswith("journal: ") and "damaged" in what for what in broken(killed))


def test_a_journal_that_begins_behind_the_older_seal(ended: Home) -> None:
    shutil.rmtree(ended.journal)
    ended.journal.mkdir()
    Journal(ended.journal, 99)
    assert any("the oldest kept seal needs line" in what for what in broken(ended))


def test_a_journal_that_ends_before_the_newest_seal(ended: Home) -> None:
    shutil.rmtree(ended.journal)
    ended.journal.mkdir()
    Journal(ended.journal)
    assert any("journal: ends with line 0, seal" in what for what in broken(ended))


def test_a_journal_that_leaves_out_a_claim(killed: Home) -> None:
    journal = Journal(killed.journal)
    last = next(line for line in reversed(journal.lines) if line.kind == "claim")
    journal.append("claim", Position(0, 0, -1, 0), claim={**last.data["claim"], "number": 99})
    found = broken(killed)
    assert any("journal: claim 99 follows claim" in what for what in found)
    assert any("neither history, nor the newest seal" in what for what in found)


# Checkpoints


def newest_checkpoint(home: Home) -> Path:
    return max(home.current_model.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def test_a_checkpoint_with_another_byte(ended: Home) -> None:
    flip(newest_checkpoint(ended) / "model.safetensors")
    assert broken(ended) == []
    assert "model.safetensors: changed" in only(ended, deep=True)


def test_a_checkpoint_without_a_file_with_a_stranger_and_of_another_size(ended: Home) -> None:
    config = newest_checkpoint(ended) / "config.json"
    config.chmod(0o644)
    config.write_bytes(config.read_bytes() + b" ")
    assert "its record says" in only(ended)
    config.unlink()
    assert "config.json is missing" in only(ended)
    (newest_checkpoint(ended) / "notes.txt").touch()
    assert any("notes.txt is no part of it" in what for what in broken(ended))


def test_a_checkpoint_without_a_record(ended: Home) -> None:
    (newest_checkpoint(ended) / ".ledger.json").unlink()
    assert "has no .ledger.json" in only(ended)


def test_a_checkpoint_of_a_step_that_was_never_trained(ended: Home) -> None:
    folder = newest_checkpoint(ended)
    step = folder.name.split("-")[1]
    beyond = folder.with_name(folder.name.replace(f"-{step}-", "-99999-"))
    folder.rename(beyond)
    edit(beyond / ".ledger.json", canonical_name=beyond.name, step=99999)
    assert "its step was never trained here" in only(ended)


def test_an_index_that_lists_something_else(ended: Home) -> None:
    index = ended.status / "checkpoint_ledger.json"
    content = msgspec.json.decode(index.read_bytes())
    name = newest_checkpoint(ended).name
    content["checkpoints"][name]["train_loss"] = 0.5
    index.write_bytes(msgspec.json.encode(content))
    assert only(ended) == f"checkpoint {name}: the index has another record of it"
    del content["checkpoints"][name]
    index.write_bytes(msgspec.json.encode(content))
    assert told(ended, "note") == [f"checkpoint {name}: is not in the index"]
    index.write_text("{")
    assert only(ended).startswith("checkpoint_ledger.json: ")


# Append-only files


@pytest.mark.parametrize("folder", ["history", "events", "metrics"])
def test_a_line_that_cannot_be_read_and_one_that_was_torn(ended: Home, folder: str) -> None:
    file = ended.root / folder / TRAINER
    file.write_bytes(file.read_bytes() + b'{"torn')
    assert broken(ended) == []
    assert f"{file}: its last line is torn" in told(ended, "note")
    file.write_bytes(file.read_bytes() + b"\n")
    assert f"{file}, line {len(file.read_bytes().splitlines())}: " in only(ended)


def test_an_event_that_is_told_twice(ended: Home) -> None:
    file = ended.events / TRAINER
    file.write_bytes(file.read_bytes() + file.read_bytes().splitlines(keepends=True)[-1])
    assert "is told twice" in only(ended)


def test_an_outcome_in_the_wrong_daemons_history(ended: Home) -> None:
    line = (ended.history / TRAINER).read_bytes().splitlines(keepends=True)[-1]
    with (ended.history / WATCHER).open("ab") as file:
        file.write(line)
    assert "in the queue-watcher's history, which only refuses" in only(ended)
    refused = (ended.history / WATCHER).read_bytes().splitlines(keepends=True)[0]
    with (ended.history / TRAINER).open("ab") as file:
        file.write(refused)
    assert any("in the trainer's history, which never refuses" in what for what in broken(ended))


# Leftovers


def test_what_a_kill_left_half_made_is_told_until_its_owner_has_started(ended: Home) -> None:
    left = [ended.staging / ".a", ended.completed / ".removed-a", ended.seals / ".9-9", ended.journal / ".9.log"]
    left.append(ended.current_model / ".checkpoint-9")
    for path in left:
        path.mkdir()
    litter = ended.status / ".0a1b.tmp"
    litter.touch()
    assert broken(ended) == []
    assert len(told(ended, "note")) == len(left) + 1


def test_what_is_older_than_the_start_of_its_owner_was_forgotten(ended: Home) -> None:
    with running("queue_watcher", ended) as watcher:
        file = ended.status / "queue-watcher.json"
        eventually(lambda: said(file)["writer"]["pid"] == watcher.pid and said(file)["state"] == "idle")
        (ended.staging / ".a").mkdir()
        assert broken(ended) == []
        future = {**said(file)["writer"], "started_at": "2999-01-01T00:00:00Z"}
        watcher.send_signal(signal.SIGSTOP)  # so that it does not write its status again
        edit(file, writer=future)
        found = broken(ended)
        watcher.send_signal(signal.SIGCONT)
    assert [what for what in found if ".staging/.a: is left since before" in what] == found != []
