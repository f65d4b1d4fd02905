"""The trainer as a process, on real homes: what it promises when it is killed, paused, skipped and changed."""

import os
import shutil
from pathlib import Path

import orjson
import pytest
import torch

from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.holdout import holdout_rule
from realm.arena.battle.seal import newest_verified
from realm.arena.battle.snapshot import WEIGHTS
from realm.arena.battle.specs import get_spec
from realm.arena.battle.stream import Cursor, StreamedStep, steps
from realm.armory.heroes import load_hero
from realm.core.checkpoint_ledger import CheckpointLedger
from realm.core.config import load_config, training_of
from realm.core.control import Control
from realm.core.events import tail
from realm.core.history import EndedQuest, read_history
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.quests import ERROR_FILE, META_FILE, QUEST_FILE, RESULT_FILE, QuestQueue
from realm.core.status import TrainingStatus, read_status
from realm.guild.skills import get_trainer
from tests.arena.realm_home import eventually, log_of, make_home, put_quest, running, start

BIN = get_trainer("bin")


def lines(count: int, level: int = 1, first: int = 0) -> bytes:
    return b"".join(orjson.dumps(BIN.to_chat(BIN.make(level, "train", first + n))) + b"\n" for n in range(count))


@pytest.fixture
def home(tmp_path: Path, squire: Path) -> Home:
    return make_home(tmp_path / "home", squire)


def done(home: Home, count: int) -> bool:
    return len(QuestQueue(home).names("recently_completed")) == count


def finish(home: Home, count: int) -> None:
    """Runs the trainer until so many quests are completed, then ends it cleanly."""
    with running("trainer", home) as trainer:
        eventually(lambda: done(home, count) or trainer.poll() is not None, what=f"{count} quests completed")
    assert trainer.returncode == 0, log_of(home)
    assert done(home, count), log_of(home)


def weights(home: Home) -> str:
    """SHA-256 of the newest seal's weights."""
    seal, problems = newest_verified(home.seals)
    assert seal
    assert problems == []
    return seal.manifest.parts[WEIGHTS].sha256


def history(home: Home) -> list[EndedQuest]:
    return list(read_history(home.history / "trainer.jsonl"))


def status(home: Home) -> TrainingStatus:
    document = read_status(home.status / TrainingStatus.FILE, TrainingStatus)
    assert document
    return document


def test_quests_are_trained_by_priority_and_everything_written_about_them_adds_up(home: Home) -> None:
    late = put_quest(home, lines(120), priority="low")
    mid = put_quest(home, lines(90, first=500))
    first = put_quest(home, lines(60, first=900), priority="high", epochs=2)
    finish(home, 3)
    ended = history(home)
    assert [(one.claim, one.quest, one.outcome) for one in ended] == [
        (1, first, "completed"),
        (2, mid, "completed"),
        (3, late, "completed"),
    ]
    rows = read_metrics(home.metrics)
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    for one in ended:
        mine = [row for row in rows if row["claim"] == one.claim]
        result = orjson.loads((home.completed / one.quest / RESULT_FILE).read_bytes())
        assert one.steps == result["steps"] == len(mine) > 0
        assert one.tokens == result["tokens"] == sum(row["tokens"] for row in mine)
        assert result["mean_loss"] == pytest.approx(
            sum(row["loss"] * row["labelled_tokens"] for row in mine) / sum(row["labelled_tokens"] for row in mine)
        )
    assert rows[-1]["loss"] < rows[0]["loss"]
    shown = status(home)
    assert (shown.step, shown.totals and shown.totals.quests) == (len(rows), 3)
    assert shown.learning_rate == rows[-1]["learning_rate"]
    assert (shown.tokens_per_second, shown.mfu) == (None, None)  # nothing is being trained
    assert 1 <= len(list(home.seals.iterdir())) <= 2
    ledger = CheckpointLedger(home.current_model)
    assert [record.step % 25 for record in ledger.list_all()] == [0] * (len(rows) // 25)
    assert all(ledger.verify(record) == [] for record in ledger.list_all())
    assert all(record.val_loss is not None for record in ledger.list_all())  # measured at its step, not at the last 7th


def step_now(home: Home) -> int:
    rows = read_metrics(home.metrics)
    return int(rows[-1]["step"]) if rows else 0


def set_config(home: Home, **changes: object) -> None:
    """As a person with an editor: the whole file anew."""
    config = orjson.loads(home.config_file.read_bytes())
    for section, values in changes.items():
        config[section] = {**config.get(section, {}), **values}  # type: ignore[dict-item]
    whole = home.config_file.with_name(".config.json")
    whole.write_bytes(orjson.dumps(config))
    whole.rename(home.config_file)


def rows_of(home: Home) -> list[tuple[object, ...]]:
    return [(row["step"], row["claim"], row["loss"], row["learning_rate"]) for row in read_metrics(home.metrics)]


def test_killed_in_the_middle_of_a_text_it_ends_with_the_weights_of_an_uninterrupted_run(
    home: Home, tmp_path: Path
) -> None:
    """The text is longer than a step, so every cursor lies inside it."""
    text = orjson.dumps({"text": " ".join(f"{number} is {number:b}" for number in range(600))})
    put_quest(home, text, epochs=2, schema_id="completion_v1")
    calm = Home(tmp_path / "calm")
    shutil.copytree(home.root, calm.root)
    set_config(home, seals={"minutes": 0.01, "first_minutes": 0.0})
    for aim in (3, 11):
        trainer = start("trainer", home)
        eventually(lambda aim=aim: step_now(home) >= aim, what=log_of(home))  # type: ignore[misc]
        trainer.kill()
        trainer.wait()
    finish(home, 1)
    finish(calm, 1)
    assert weights(home) == weights(calm)
    assert rows_of(home) == rows_of(calm)
    [ended] = history(home)
    result = orjson.loads((home.completed / ended.quest / RESULT_FILE).read_bytes())
    assert result["counts"]["trained"] == 2
    assert result["examples"] > 50


def test_a_skip_before_a_crash_skips_one_quest_not_two(home: Home) -> None:
    """The flag is journalled, then unlinked; a kill between the two leaves it lying."""
    for number in range(3):
        put_quest(home, lines(400, first=1000 * number), name=f"q{number}.jsonl")
    never_lower = "from realm.core.control import Control; import os; Control.lower = lambda *_: os._exit(9); "
    trainer = start("trainer", home, never_lower)
    eventually(lambda: step_now(home) >= 2)
    Control(home).raise_flag("skip")
    assert trainer.wait(60) == 9
    assert (home.control / ".skip").exists()
    finish(home, 3)
    assert sorted(one.outcome for one in history(home)) == ["completed", "completed", "skipped"]
    assert not (home.control / ".skip").exists()


def test_flags_placed_while_it_is_down_are_obeyed_at_its_start(home: Home) -> None:
    put_quest(home, lines(60))
    (home.control / ".pause").touch()
    with running("trainer", home):
        eventually(lambda: (home.status / TrainingStatus.FILE).exists() and status(home).state == "paused")
        assert status(home).pause_reasons == [".pause"]
        assert (status(home).step, QuestQueue(home).names("processing")) == (0, [])
        (home.control / ".pause").unlink()
        eventually(lambda: done(home, 1))


def test_a_quest_ends_the_rest_of_an_idle_trainer(home: Home) -> None:
    with running("trainer", home, "from realm.arena import training; training.POLL = 1e6; "):
        eventually(lambda: rests(home), what="the trainer rests")
        put_quest(home, lines(8))
        eventually(lambda: read_metrics(home.metrics), what="a step")


def rests(home: Home) -> bool:
    document = read_status(home.status / TrainingStatus.FILE, TrainingStatus)
    return document is not None and (document.state, document.phase) == ("idle", "waiting")


def test_stop_seals_releases_and_waits_for_a_person(home: Home) -> None:
    put_quest(home, lines(200))
    with running("trainer", home) as trainer:
        eventually(lambda: step_now(home) >= 3)
        Control(home).raise_flag("stop", "maintenance")
        eventually(lambda: status(home).state == "stopped")
        assert status(home).unsealed_minutes == 0.0
        stopped_at = newest_verified(home.seals)[0]
        assert stopped_at
        assert stopped_at.step == step_now(home)
        Control(home).resume()
        eventually(lambda: done(home, 1) or trainer.poll() is not None)
    assert done(home, 1), log_of(home)


def test_seals_that_nobody_asked_for_keep_to_the_budget_of_a_day(home: Home) -> None:
    """A queue that runs dry again and again wants a seal each time; ten megabytes of 0.1 GiB a day last for hours."""
    set_config(home, seals={"gb_per_day": 0.1})
    with running("trainer", home):
        for number in range(4):
            put_quest(home, lines(40, first=1000 * number), name=f"q{number}.jsonl")
            eventually(lambda: not QuestQueue(home).waiting() and status(home).state == "idle")
        assert len(seals_of(home)) == 1
        shown = status(home).seals_of_a_day
        size = sum(file.stat().st_size for file in seals_of(home)[0].glob("*.safetensors"))
        assert shown
        assert shown.allowed == round(0.1 * 2**30)
        assert size < shown.written < 1.01 * size
        Control(home).raise_flag("seal")
        eventually(lambda: len(seals_of(home)) == 2)
    with running("trainer", home):
        eventually(lambda: (budget := status(home).seals_of_a_day) is not None and budget.written > 2 * size)


def test_a_full_disk_is_told_once_and_so_is_its_end(home: Home) -> None:
    put_quest(home, lines(60))
    full = (
        "from realm.arena.battle import sealer; from pathlib import Path; import collections; "
        "real = sealer.shutil.disk_usage; Free = collections.namedtuple('Free', 'total used free'); "
        f"full = Path('{home.root}/full'); "
        "sealer.shutil.disk_usage = lambda folder: Free(1, 1, 1) if full.exists() else real(folder); "
    )
    (home.root / "full").touch()
    with running("trainer", home, full):
        eventually(lambda: "event=wait" in log_of(home))
        eventually(lambda: any("a seal needs" in problem for problem in status(home).problems))
        (home.root / "full").unlink()
        eventually(lambda: done(home, 1))
    kinds = [event.kind for event in tail([home.events / "trainer.jsonl"], 100)]
    assert (kinds.count("seal.late"), kinds.count("resource.back")) == (1, 1)
    assert log_of(home).count("event=wait") == 1


def test_a_stop_leaves_no_model_in_memory(home: Home) -> None:
    """Counted by the process itself, while it waits for a person."""
    put_quest(home, lines(60))
    count_models = (
        "from realm.arena.training import Trainer; from transformers import PreTrainedModel; import gc; \n"
        "real = Trainer._release_while\n"
        "def counting(self, wanted):\n"
        "    def still_wanted():\n"
        "        gc.collect()\n"
        "        models = sum(isinstance(one, PreTrainedModel) for one in gc.get_objects())\n"
        "        print('models in memory:', models, flush=True)\n"
        "        return wanted()\n"
        "    real(self, still_wanted)\n"
        "Trainer._release_while = counting; "
    )
    with running("trainer", home, count_models):
        eventually(lambda: done(home, 1))
        Control(home).raise_flag("stop")
        eventually(lambda: "models in memory:" in log_of(home))
    assert "models in memory: 0" in log_of(home)


def test_a_hold_pauses_with_its_reason(home: Home) -> None:
    Control(home).place_hold("guardian", "GPU at 95 degrees")
    put_quest(home, lines(60))
    with running("trainer", home):
        eventually(lambda: (home.status / TrainingStatus.FILE).exists() and status(home).state == "paused")
        assert status(home).pause_reasons == ["hold of guardian: GPU at 95 degrees"]
        Control(home).lift_hold("guardian")
        eventually(lambda: done(home, 1))


def test_a_corrupted_newest_seal_falls_back_to_the_older_one_and_comes_to_the_same_end(
    home: Home, tmp_path: Path
) -> None:
    for number in range(3):
        put_quest(home, lines(200, first=1000 * number), name=f"q{number}.jsonl")
    calm = Home(tmp_path / "calm")
    shutil.copytree(home.root, calm.root)
    finish(calm, 3)
    set_config(home, seals={"minutes": 0.01, "first_minutes": 0.01})
    trainer = start("trainer", home)
    eventually(lambda: len(seals_of(home)) == 2 and len(QuestQueue(home).names("recently_completed")) >= 1)
    trainer.kill()
    trainer.wait()
    newest = seals_of(home)[-1] / WEIGHTS
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    finish(home, 3)
    assert weights(home) == weights(calm)
    assert rows_of(home) == rows_of(calm)
    assert [one.claim for one in history(home)] == [1, 2, 3]
    assert any(path.name.startswith("corrupt-") for path in home.seals.iterdir())
    assert "incident.opened" in {event.kind for event in tail([home.events / "trainer.jsonl"], 100)}


def seals_of(home: Home) -> list[Path]:
    named = [path for path in home.seals.iterdir() if path.name[0].isdigit()]
    return sorted(named, key=lambda path: int(path.name.partition("-")[2]))


def test_a_kill_inside_a_seal_leaves_the_older_one_and_the_same_end(home: Home, tmp_path: Path) -> None:
    put_quest(home, lines(300))
    calm = Home(tmp_path / "calm")
    shutil.copytree(home.root, calm.root)
    finish(calm, 1)
    set_config(home, seals={"minutes": 0.01, "first_minutes": 0.01})
    die_in_the_second = (
        "from realm.arena.battle import seal; import os, itertools; count = itertools.count(1); "
        "real = seal.write_whole; seal.write_whole = lambda *a: os._exit(9) if next(count) == 2 else real(*a); "
    )
    assert start("trainer", home, die_in_the_second).wait(90) == 9
    assert any(path.name.startswith(".") for path in home.seals.iterdir())
    finish(home, 1)
    assert weights(home) == weights(calm)
    assert not any(path.name.startswith(".") for path in home.seals.iterdir())


def test_an_example_that_kills_the_process_each_time_is_dropped_at_the_third_death(home: Home) -> None:
    put_quest(home, lines(200))
    deadly = (
        "from realm.arena.battle.engine import Engine; import os; real = Engine.step; calls = []; "
        "Engine.step = lambda self, number, step: os._exit(9) if number == 4 and len(step[0][0].ids) == {longest} "
        "else real(self, number, step); "
    )
    lengths = first_lengths(home)
    code = deadly.format(longest=lengths[3])
    for _ in range(3):
        assert start("trainer", home, code).wait(90) == 9
    finish_with(home, 1, code)
    [ended] = history(home)
    result = orjson.loads((home.completed / ended.quest / RESULT_FILE).read_bytes())
    assert result["dropped_steps"] == 1
    assert "step.dropped" in {event.kind for event in tail([home.events / "trainer.jsonl"], 100)}


def first_lengths(home: Home) -> list[int]:
    """The longest example of each step of the first waiting quest."""
    return [len(one.passes[0][0].ids) for one in streamed_steps(home)]


def streamed_steps(home: Home) -> list[StreamedStep]:
    """The steps of the first waiting quest, as claim 1 trains them."""
    quest = QuestQueue(home).waiting()[0]
    config = load_config(home.config_file)
    training = training_of(config, load_hero(home.models / "squire" / "hero.yaml").training, home.config_file)
    streamed = steps(
        quest.path / "quest.jsonl",
        Cursor(1),
        chat=ChatTokenizer.load(home.models / "squire"),
        spec=get_spec("chat_sft_v1"),
        training=training,
        held_out=holdout_rule(training.holdout),
    )
    return list(streamed)


def finish_with(home: Home, count: int, before: str) -> None:
    with running("trainer", home, before) as trainer:
        eventually(lambda: done(home, count) or trainer.poll() is not None)
    assert done(home, count), log_of(home)


def test_three_steps_that_are_not_numbers_fail_the_quest_and_the_next_one_is_trained(home: Home) -> None:
    put_quest(home, lines(200), name="bad.jsonl", priority="high")
    put_quest(home, lines(60, first=5000), name="good.jsonl")
    broken = (
        "from realm.arena.battle.engine import Engine; import dataclasses; real = Engine.step; "
        "Engine.step = lambda self, number, step: dataclasses.replace(real(self, number, step), applied=number > 2) "
        "if number == 2 and not (self.__dict__.setdefault('bad', []).append(1) or len(self.bad) > 3) "
        "else real(self, number, step); "
    )
    finish_with(home, 1, broken)
    [bad, good] = history(home)
    assert (bad.outcome, bad.steps, good.outcome) == ("failed", 1, "completed")
    assert "3 steps were dropped" in (bad.reason or "")
    assert QuestQueue(home).names("failed") == [bad.quest]
    error = orjson.loads((home.failed / bad.quest / ERROR_FILE).read_bytes())
    assert len({one["line"] for one in error["findings"]}) == error["total"] > 3
    assert all("lines that was dropped: its loss or gradient" in one["text"] for one in error["findings"])


def test_a_quest_removed_by_hand_is_journalled_lost_and_the_rest_goes_on(home: Home) -> None:
    gone = put_quest(home, lines(200), name="gone.jsonl", priority="high")
    put_quest(home, lines(60, first=5000), name="stays.jsonl")
    trainer = start("trainer", home)
    eventually(lambda: step_now(home) >= 3)
    trainer.kill()
    trainer.wait()
    shutil.rmtree(home.processing / gone)
    finish(home, 1)
    assert [one.outcome for one in history(home)] == ["lost", "completed"]


def test_a_claimed_quest_that_a_hand_moved_is_brought_back(home: Home) -> None:
    quest = put_quest(home, lines(200))
    trainer = start("trainer", home)
    eventually(lambda: step_now(home) >= 2)
    trainer.kill()
    trainer.wait()
    (home.processing / quest).rename(home.queue / "low" / quest)
    finish(home, 1)
    assert [(one.quest, one.outcome) for one in history(home)] == [(quest, "completed")]


def test_a_config_that_becomes_invalid_is_named_and_the_last_good_one_goes_on(home: Home) -> None:
    put_quest(home, lines(300))
    with running("trainer", home):
        eventually(lambda: step_now(home) >= 2)
        set_config(home, training={"learning_rate": 7, "max_length": 256})
        eventually(lambda: status(home).problems != [])
        assert "training.learning_rate is 7: expected `float` <= 0.1" in status(home).problems[0]
        set_config(home, training={"learning_rate": 0.002, "max_length": 512})
        eventually(lambda: "locked at 256" in " ".join(status(home).problems))
        eventually(lambda: done(home, 1))
    assert max(row["learning_rate"] for row in read_metrics(home.metrics)) == 0.002


def test_two_trainers_of_one_home_are_one_too_many(home: Home) -> None:
    with running("trainer", home) as first:
        eventually(lambda: "event=ready" in log_of(home))
        assert start("trainer", home).wait(60) == 75
        assert str(first.pid) in log_of(home)


def test_a_home_without_its_hero_says_how_to_get_one(home: Home) -> None:
    shutil.rmtree(home.models / "squire")
    assert start("trainer", home).wait(60) == 78
    assert "event=cannot-start" in log_of(home)
    assert "hero.yaml: there is no such hero file" in log_of(home)


def test_a_config_changed_while_it_is_down_is_obeyed_at_its_start(home: Home) -> None:
    put_quest(home, lines(300))
    trainer = start("trainer", home)
    eventually(lambda: step_now(home) >= 3)
    trainer.send_signal(15)
    trainer.wait()
    ended_at = step_now(home)
    set_config(home, training={"learning_rate": 0.0009})
    finish(home, 1)
    rates = {row["step"]: row["learning_rate"] for row in read_metrics(home.metrics)}
    assert rates[ended_at] == 0.002 or ended_at < 5
    assert all(rate <= 0.0009 for step, rate in rates.items() if step > ended_at)


def test_out_of_memory_makes_smaller_passes_and_the_step_is_trained(home: Home) -> None:
    put_quest(home, lines(200))
    scarce = (
        "from realm.arena.battle.engine import Engine; import torch; real = Engine._pass_loss; \n"
        "def short(self, examples, backward_scale):\n"
        "    if sum(len(one.ids) for one in examples) > 300: raise torch.OutOfMemoryError('a test')\n"
        "    return real(self, examples, backward_scale)\n"
        "Engine._pass_loss = short; "
    )
    finish_with(home, 1, scarce)
    [ended] = history(home)
    assert (ended.outcome, ended.steps) == ("completed", step_now(home))
    assert "resource.short" in {event.kind for event in tail([home.events / "trainer.jsonl"], 100)}


def test_memory_is_released_after_an_idle_while_and_taken_again_for_the_next_quest(home: Home) -> None:
    config = orjson.loads(home.config_file.read_bytes())
    home.config_file.write_bytes(orjson.dumps({**config, "release_when_idle_minutes": 0.001}))
    put_quest(home, lines(60))
    with running("trainer", home):
        eventually(lambda: done(home, 1))
        put_quest(home, lines(60, first=900))
        eventually(lambda: done(home, 2))
    assert [one.outcome for one in history(home)] == ["completed", "completed"]


def test_each_quest_is_trained_with_the_settings_of_its_own_claim(home: Home) -> None:
    first = put_quest(home, lines(120))
    with running("trainer", home):
        eventually(lambda: done(home, 1))
        set_config(home, training={"learning_rate": 0.0005, "batch_size": 4})
        second = put_quest(home, lines(120, first=900))
        eventually(lambda: done(home, 2))
    used = {
        quest: orjson.loads((home.completed / quest / RESULT_FILE).read_bytes())["training"]
        for quest in (first, second)
    }
    assert (used[first]["learning_rate"], used[first]["batch_size"]) == (0.002, 2)
    assert (used[second]["learning_rate"], used[second]["batch_size"]) == (0.0005, 4)
    rows = read_metrics(home.metrics)
    assert {row["learning_rate"] for row in rows if row["quest"] == second} == {0.0005}
    assert max(row["learning_rate"] for row in rows if row["quest"] == first) == 0.002
    largest = {quest: max(row["tokens"] for row in rows if row["quest"] == quest) for quest in (first, second)}
    assert largest[second] > 1.5 * largest[first]


def test_a_quest_that_was_edited_while_it_waited_is_not_trained(home: Home) -> None:
    edited = put_quest(home, lines(60), name="edited.jsonl")
    put_quest(home, lines(60, first=900), name="whole.jsonl")
    file = home.queue / "normal" / edited / QUEST_FILE
    file.write_bytes(file.read_bytes().replace(b"user", b"User", 1))
    finish(home, 1)
    assert [(one.quest == edited, one.outcome, one.claim) for one in history(home)] == [
        (True, "failed", None),
        (False, "completed", 1),
    ]
    error = orjson.loads((home.failed / edited / ERROR_FILE).read_bytes())
    assert "quest.jsonl was changed since it was admitted" in error["reason"]
    assert "quest.failed" in {event.kind for event in tail([home.events / "trainer.jsonl"], 100)}


def test_a_quest_of_a_spec_that_this_version_does_not_know_fails_alone(home: Home) -> None:
    unknown = put_quest(home, lines(20), name="newer.jsonl", priority="high")
    put_quest(home, lines(60, first=900), name="known.jsonl")
    meta = home.queue / "high" / unknown / META_FILE
    meta.write_bytes(meta.read_bytes().replace(b"chat_sft_v1", b"chat_sft_v9"))
    finish(home, 1)
    error = orjson.loads((home.failed / unknown / ERROR_FILE).read_bytes())
    assert "unknown schema_id 'chat_sft_v9': use one of chat_sft_v1" in error["reason"]


def test_a_line_that_cannot_be_trained_is_named_in_its_error(home: Home) -> None:
    content = lines(40).splitlines(keepends=True)
    content[16] = b'{"messages": [{"role": "user", "content": "no answer"}]}\n'
    bad = put_quest(home, b"".join(content))
    with running("trainer", home):
        eventually(lambda: QuestQueue(home).names("failed") == [bad])
    error = orjson.loads((home.failed / bad / ERROR_FILE).read_bytes())
    assert [(one["line"], one["finding"]) for one in error["findings"]] == [(17, "no_assistant")]
    assert error["reason"].startswith("line 17: no assistant turn")


def test_a_bad_own_jsonl_is_named_and_training_goes_on_and_validates_once_it_is_mended(home: Home) -> None:
    own = home.validation / "own.jsonl"
    own.write_bytes(b'{"text": "Once upon a time"}\n{"text": \n')
    put_quest(home, lines(100))
    with running("trainer", home):
        eventually(lambda: done(home, 1), what=log_of(home))
        eventually(lambda: any(str(own) in problem for problem in status(home).problems))
        assert f"no validation: {own}: line 2: not valid JSON" in status(home).problems[0]
        assert status(home).validation_loss is None
        own.write_bytes(b'{"text": "Once upon a time"}\n')
        eventually(lambda: status(home).problems == [])
        put_quest(home, lines(100, first=500))
        eventually(lambda: done(home, 2), what=log_of(home))
    validated = [row["claim"] for row in read_metrics(home.metrics) if "validation_loss" in row]
    assert set(validated) == {2}
    assert log_of(home).count("event=validation ") == 1


def test_a_held_out_line_that_cannot_be_read_stops_nothing(home: Home) -> None:
    """It is not trained; the gatekeepers would have refused it."""
    held_out = holdout_rule(0.01)
    bad = next(line for line in (b'{"messages": %d}\n' % number for number in range(10_000)) if held_out(line))
    put_quest(home, lines(30) + bad + lines(30, first=500))
    with running("trainer", home):
        eventually(lambda: done(home, 1), what=log_of(home))
        eventually(lambda: any("line 31: 'messages' is not" in problem for problem in status(home).problems))


def test_the_only_seal_damaged_the_journal_alone_tells_what_was_decided(home: Home) -> None:
    for number in range(2):
        put_quest(home, lines(200, first=1000 * number), name=f"q{number}.jsonl")
    trainer = start("trainer", home)
    eventually(lambda: QuestQueue(home).names("processing"))
    Control(home).raise_flag("pause")
    Control(home).raise_flag("skip")
    eventually(lambda: not (home.control / ".skip").exists())
    eventually(lambda: len(history(home)) == 1)  # as a pause brings a seal
    trainer.kill()
    trainer.wait()
    Control(home).resume()
    skipped_at = history(home)[0].steps
    newest = seals_of(home)[-1] / WEIGHTS
    newest.write_bytes(newest.read_bytes()[:-1])
    finish(home, 2)
    first = history(home)[0]
    assert (first.outcome, first.steps) == ("skipped", skipped_at)


def test_ended_quests_beyond_the_limits_leave_the_disk_once_the_older_seal_covers_them(home: Home) -> None:
    config = orjson.loads(home.config_file.read_bytes())
    home.config_file.write_bytes(orjson.dumps({**config, "retention": {"ended_quests": 2}}))
    for number in range(5):
        put_quest(home, lines(40, first=1000 * number), name=f"q{number}.jsonl")
    with running("trainer", home):
        eventually(lambda: len(history(home)) == 5)
        for name in ("a", "b"):  # two more seals, so that the older one covers all five
            put_quest(home, lines(40, first=9000), name=f"{name}.jsonl")
            eventually(lambda: not QuestQueue(home).waiting() and not QuestQueue(home).names("processing"))
        eventually(lambda: len(QuestQueue(home).names("recently_completed")) <= 3)
    assert len(history(home)) == 7
    newest = history(home)[-1].quest
    assert newest in QuestQueue(home).names("recently_completed")


def test_an_accelerator_that_is_asked_for_and_missing_is_waited_for_not_replaced(home: Home) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    config = orjson.loads(home.config_file.read_bytes())
    home.config_file.write_bytes(orjson.dumps({**config, "device": "cuda"}))
    assert start("trainer", home).wait(60) == os.EX_UNAVAILABLE
    assert "asks for device cuda, and torch sees none" in log_of(home)


def test_a_quest_that_a_person_retries_is_trained_again_also_after_a_start(home: Home) -> None:
    quest = put_quest(home, lines(60))
    finish(home, 1)
    QuestQueue(home).retry(quest, "normal")
    finish(home, 1)
    assert [(one.claim, one.quest, one.outcome) for one in history(home)] == [
        (1, quest, "completed"),
        (2, quest, "completed"),
    ]


def test_a_retry_is_trained_also_if_the_seal_that_covers_its_first_claim_is_damaged(home: Home) -> None:
    put_quest(home, lines(60))
    finish(home, 1)
    quest = put_quest(home, lines(60, first=500), name="again.jsonl")
    finish(home, 2)
    QuestQueue(home).retry(quest, "low")
    damaged = seals_of(home)[-1] / WEIGHTS
    damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
    finish(home, 2)
    assert [(one.claim, one.outcome) for one in history(home)] == [(n, "completed") for n in (1, 2, 3)]
    assert history(home)[-1].quest == quest


def test_a_quest_moved_by_hand_while_it_is_fought_is_trained_once_and_filed(home: Home) -> None:
    quest = put_quest(home, lines(400))
    with running("trainer", home):
        eventually(lambda: QuestQueue(home).names("processing"))
        (home.processing / quest).rename(home.queue / "high" / quest)
        eventually(lambda: done(home, 1))
    assert [(one.claim, one.outcome) for one in history(home)] == [(1, "completed")]


def test_a_quest_moved_by_hand_before_its_file_is_opened_is_brought_back(home: Home) -> None:
    put_quest(home, lines(60))
    move_at_once = (
        "from realm.arena.quest_board import QuestBoard; import os; real = QuestBoard.take; moved = []\n"
        "def take(self, claim):\n"
        "    file = real(self, claim)\n"
        "    if not moved:\n"
        "        moved.append(os.rename(file.parent, self.queue.home.queue / 'high' / claim.quest))\n"
        "    return file\n"
        "QuestBoard.take = take; "
    )
    finish_with(home, 1, move_at_once)
    assert [(one.claim, one.outcome) for one in history(home)] == [(1, "completed")]


def test_without_a_seal_and_with_a_journal_that_began_later_no_campaign_begins_in_silence(home: Home) -> None:
    for number in range(3):  # each end writes a seal, and the second one trims the journal
        put_quest(home, lines(60, first=1000 * number), name=f"q{number}.jsonl")
        finish(home, number + 1)
    for seal in seals_of(home):
        (seal / WEIGHTS).write_bytes(b"damaged")
    before = sorted(path.name for path in home.journal.iterdir())
    assert start("trainer", home).wait(60) == 78
    assert "no seal verifies, and" in log_of(home)
    assert sorted(path.name for path in home.journal.iterdir()) == before


def test_a_start_without_work_writes_no_seal_and_counts_nothing_as_unsealed(home: Home) -> None:
    with running("trainer", home):
        eventually((home.status / TrainingStatus.FILE).exists)
        eventually(lambda: status(home).state == "idle" and status(home).unsealed_minutes == 0.0)
    assert seals_of(home) == []  # nothing was ever trained
    put_quest(home, lines(60))
    finish(home, 1)
    seals = [seal.name for seal in seals_of(home)]
    set_config(home, seals={"minutes": 0.01, "first_minutes": 0.0})
    with running("trainer", home):
        eventually(lambda: status(home).state == "idle" and status(home).unsealed_minutes == 0.0)
    assert [seal.name for seal in seals_of(home)] == seals


def test_a_config_that_is_gone_for_a_moment_changes_nothing(home: Home) -> None:
    put_quest(home, lines(300))
    with running("trainer", home):
        eventually(lambda: step_now(home) >= 2)
        home.config_file.rename(home.root / "config.bak")
        eventually(lambda: any("config.json is gone" in problem for problem in status(home).problems))
        (home.root / "config.bak").rename(home.config_file)
        eventually(lambda: done(home, 1))
    assert max(row["learning_rate"] for row in read_metrics(home.metrics)) == 0.002
    home.config_file.unlink()
    home.config_file.mkdir()
    assert start("trainer", home).wait(60) == 78
    assert "config.json: it cannot be read: Is a directory" in log_of(home)


def test_a_lost_lock_file_is_written_from_the_seal_not_from_another_heros_config(home: Home) -> None:
    put_quest(home, lines(60))
    finish(home, 1)
    shutil.copytree(home.models / "squire", home.models / "other")
    hero = home.models / "other" / "hero.yaml"
    hero.write_text(hero.read_text().replace("id: squire", "id: other"))
    locked = home.current_model / "locked.json"
    locked.unlink()
    config = orjson.loads(home.config_file.read_bytes())
    home.config_file.write_bytes(orjson.dumps({**config, "model_name": "other"}))
    assert start("trainer", home).wait(60) == 78
    assert "is the journey of squire, and config.json names other" in log_of(home)
    assert not locked.exists()


def test_a_checkpoint_by_order_is_made_at_once_and_its_name_is_the_answer(home: Home) -> None:
    set_config(home, training={"checkpoint_steps": 10_000})
    control = Control(home)
    early = control.place_order("trainer", "checkpoint")
    put_quest(home, lines(300))
    with running("trainer", home):
        eventually(lambda: step_now(home) > 5)
        order = control.place_order("trainer", "checkpoint")
        eventually(lambda: control.answer_to("trainer", order))
        eventually(lambda: done(home, 1))
        idle = control.place_order("trainer", "checkpoint")
        eventually(lambda: control.answer_to("trainer", idle))
        wrong = control.place_order("trainer", "dance")
        eventually(lambda: control.answer_to("trainer", wrong))
    answers = [control.answer_to("trainer", one) for one in (early, order, idle, wrong)]
    made, last = [one.canonical_name for one in CheckpointLedger(home.current_model).list_all()][::-1]
    assert [answer and answer.result for answer in answers] == [None, {"checkpoint": made}, {"checkpoint": last}, None]
    assert answers[0]
    assert str(answers[0].error).startswith("nothing was trained yet")
    assert answers[3]
    assert answers[3].error == "'dance' is unknown: the trainer knows checkpoint"
