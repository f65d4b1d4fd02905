"""`realm status`: it tells what the files say, how old that is, and what is wrong; and it changes nothing."""

import os
import signal
import subprocess
import sys
from typing import Any

import msgspec
import orjson
import pytest

from realm import __version__
from realm.cli.terminal import cells
from realm.core.control import Control
from realm.core.paths import Home
from realm.core.quests import STATES, QuestQueue
from realm.core.status import (
    BattleStatus,
    HeldModel,
    ModelLoad,
    OracleStatus,
    QueueWatcherStatus,
    TrainingStatus,
    write_status,
)
from tests.arena.realm_home import put_quest
from tests.cli.console import (
    LINE,
    QUEST,
    alive,
    end_quest,
    furnish,
    header,
    in_terminal,
    picture,
    realm,
    say_rest,
    say_training,
    start,
    until,
)

READERS = [
    ["status"],
    ["status", "--json"],
    ["quest", "ls"],
    ["quest", "ls", "--json"],
    ["quest", "show", "worter-2"],
    ["quest", "show", "worter-2", "--json"],
    ["ledger", "ls"],
    ["ledger", "ls", "--json"],
    ["ledger", "best"],
    ["events"],
    ["events", "--json", "--utc", "-n", "2"],
]


def told(home: Home) -> dict[str, Any]:
    answer: dict[str, Any] = orjson.loads(realm(home, "status", "--json").stdout)
    return answer


def row(home: Home, label: str) -> str:
    """The line of `realm status` that begins with a label."""
    lines = realm(home, "status").stdout.splitlines()
    return next(line.removeprefix(label).strip() for line in lines if line.startswith(label))


# What it says


def test_the_first_line_names_the_home_and_its_version(home: Home) -> None:
    first = realm(home, "status").stdout.splitlines()[0]
    assert first == f"{home.root}  format 1 · realm {__version__}"


def test_what_the_oracle_has_in_memory_is_shown_while_it_runs(home: Home) -> None:
    now = header("oracle")["heartbeat_at"]
    newest = HeldModel(name="checkpoint-1000", bytes=2**20, cache_bytes=2**21, device="cpu", answering=2, loaded_at=now)
    loading = ModelLoad(name="base", bytes_read=1, bytes=2, began_at=now)
    said = OracleStatus(**header("oracle"), budget_bytes=2**30, models=[newest], loading=loading)
    assert write_status(home.status, said) is None
    assert "Oracle " not in realm(home, "status").stdout
    with alive(home, "oracle"):
        assert row(home, "Oracle") == "checkpoint-1000 (answers 2) · 3.0 MiB of 1.0 GiB · loads base"
        behind = OracleStatus(**header("oracle"), backend="openai", upstream="http://gpu:8000", upstream_answers=False)
        assert write_status(home.status, behind) is None
        assert row(home, "Oracle") == "http://gpu:8000 does not answer"
        assert told(home)["oracle"]["upstream"] == "http://gpu:8000"


def test_a_battle_is_shown_in_numbers(home: Home) -> None:
    furnish(home)
    with alive(home, "trainer", "queue-watcher"):
        shown = realm(home, "status").stdout
    for words in (
        "trainer        alive  working · step",
        "queue-watcher  alive  idle · waiting",
        "345 / 1,000 XP · 12,345 steps",
        "62.5 % · 4 m 10 s left",
        f"{QUEST} · step 640",
        "0.4123  smoothed 0.4201",
        "0.4550  @ 12,300",
        "3.00e-03",
        "16,123  MFU 31.2 %",
        "unsealed   4 m 12 s",
        "step 12,000  3 m ago",
        "high 0 · normal 2 · low 2 · processing 1 · completed 0 · failed 1",
        "inbox 2, 1 not finished",
        "1,234,567 tokens · 45,678 examples · 2 quests completed · 200 gold",
        "checkpoint-12000-20251127-1430",
        ".pause: lunch",
    ):
        assert words in shown
    assert "was " not in shown
    assert row_of_level(shown).startswith("Level 12 ")


def row_of_level(shown: str) -> str:
    return next(line for line in shown.splitlines() if line.startswith("Level"))


def test_the_next_three_quests_are_named_in_training_order(home: Home) -> None:
    names = [put_quest(home, LINE * n, priority=p) for n, p in ((1, "low"), (2, "normal"), (3, "high"), (4, "low"))]
    shown = realm(home, "status").stdout
    assert [line.split()[-1] for line in shown.splitlines() if any(name in line for name in names)] == [
        names[2],
        names[1],
        names[0],
    ]
    assert told(home)["next"] == [names[2], names[1], names[0]]


def test_json_is_one_object_that_equals_the_files(home: Home) -> None:
    furnish(home)
    with alive(home, "trainer"):
        answer = told(home)
    for key, schema in (("training", TrainingStatus), ("battle", BattleStatus), ("queue_watcher", QueueWatcherStatus)):
        assert answer[key] == orjson.loads((home.status / schema.FILE).read_bytes())
    assert answer["queue"] == {state: len(QuestQueue(home).names(state)) for state in STATES}
    assert (answer["home"], answer["format"], answer["version"]) == (str(home.root), "1", __version__)
    assert (answer["step"], answer["xp"], answer["level"]) == (12_345, 12_345, 12)
    assert (answer["completed_quests"], answer["gold"]) == (2, 200)
    assert [(one["by"], one["reason"]) for one in answer["paused_by"]] == [(".pause", "lunch")]
    trainer, watcher = answer["daemons"]["trainer"], answer["daemons"]["queue-watcher"]
    assert (trainer["alive"], trainer["progressing"], trainer["state"], trainer["phase"]) == (
        True,
        True,
        "working",
        "step",
    )
    assert (watcher["alive"], watcher["progressing"]) == (False, False)


def test_steps_are_taken_from_the_ledger_where_no_trainer_has_spoken(home: Home) -> None:
    assert row(home, "Level 0") == "no step has been trained yet"
    assert told(home)["xp"] is None
    folder = home.current_model / "checkpoint-2500-20251127-1430"
    folder.mkdir()
    record: dict[str, Any] = {
        "ledger_version": 1,
        "canonical_name": folder.name,
        "step": 2500,
        "timestamp": "2025-11-27T14:30:00Z",
        **dict.fromkeys(("train_loss", "val_loss", "learning_rate", "epoch", "accuracy", "skill_name", "skill_level")),
        **dict.fromkeys(("host", "hero", "config_hash"), "x"),
        **dict.fromkeys(("total_examples", "total_tokens", "size_bytes"), 1),
        "training_files": [],
        "manifest": {},
        "fingerprint": {},
    }
    (folder / ".ledger.json").write_bytes(msgspec.json.encode(record))
    assert (told(home)["xp"], told(home)["level"]) == (2500, 2)
    assert "500 / 1,000 XP · 2,500 steps" in row(home, "Level 2")
    assert "of the newest checkpoint" in realm(home, "status").stdout


def test_gold_counts_completed_quests_and_no_others(home: Home) -> None:
    for claim, outcome in enumerate(("completed", "skipped", "failed", "lost", "completed", "completed"), start=1):
        end_quest(home, claim, outcome)
    assert row(home, "Totals") == "3 quests completed · 300 gold"


# How old it is


TALKER = """
import sys, time
from pathlib import Path
from realm.core.daemon import Frame
from tests.cli.console import say_training
from realm.core.paths import Home
home = Home(Path(sys.argv[1]))
with Frame("trainer", home.locks, interval_s=5, on_heartbeat=lambda frame: say_training(home, age=0)) as frame:
    frame.ready("talks")
    frame.stopping.wait()
"""


def test_a_trainer_that_was_killed_is_said_to_be_down(home: Home) -> None:
    trainer = subprocess.Popen([sys.executable, "-c", TALKER, str(home.root)], stderr=subprocess.DEVNULL)
    try:
        until(lambda: (home.status / TrainingStatus.FILE).exists())
        assert row(home, "trainer").startswith("alive  working · step")
        os.kill(trainer.pid, signal.SIGKILL)
        trainer.wait()
    finally:
        trainer.kill()
        trainer.wait()
    assert row(home, "trainer").startswith("down   was working · step")
    assert "the trainer is down, no word for" in realm(home, "status").stdout
    assert told(home)["daemons"]["trainer"]["alive"] is False


def test_an_old_word_of_a_living_trainer_is_said_to_be_old(home: Home) -> None:
    say_training(home, age=250)
    with alive(home, "trainer"):
        shown = realm(home, "status").stdout
    assert "alive  working · step          no word for 4 m" in shown
    assert "no word for 4 m from the trainer: this is how it was" in shown


def test_a_trainer_whose_loop_stands_still_is_said_to_hang(home: Home) -> None:
    beat = header("trainer")["heartbeat_at"]
    say_training(home, heartbeat_at=beat, ticked_at=beat.fromtimestamp(beat.timestamp() - 300, beat.tzinfo))
    with alive(home, "trainer"):
        shown = realm(home, "status").stdout
    assert "hangs: this step has lasted 5 m, its limit is 2 m" in shown
    assert "the trainer hangs: this is how it was" in shown


def test_a_word_from_the_future_is_no_age(home: Home) -> None:
    say_training(home, age=-500)
    with alive(home, "trainer"):
        assert "8 m in the future: was the clock set back?" in row(home, "trainer")


def test_daemons_that_never_ran_and_those_that_just_begin_are_told_apart(home: Home) -> None:
    with alive(home, "trainer"):
        assert row(home, "trainer") == "alive  no word yet"
        assert row(home, "queue-watcher") == "down   has not run here yet"


# What is wrong


def test_problems_are_told_with_who_has_them(home: Home) -> None:
    say_training(home, age=250, problems=["training.max_length is 5"])
    say_rest(home)
    file = home.status / TrainingStatus.FILE
    file.write_bytes(orjson.dumps({**orjson.loads(file.read_bytes()), "failed_writes": 3}))
    with alive(home, "queue-watcher"):
        assert told(home)["problems"] == [
            "trainer, 4 m ago: training.max_length is 5",
        ]


def test_a_file_that_cannot_be_read_is_a_problem_and_not_the_end(home: Home) -> None:
    furnish(home)
    (home.status / QueueWatcherStatus.FILE).write_text("{")
    (home.history / "trainer.jsonl").write_text("damaged\n" * 2)
    home.exams.rmdir()
    home.holds.rmdir()
    answer = told(home)
    assert [answer[key] for key in ("queue_watcher", "completed_quests", "gold")] == [None, None, None]
    lacks, watcher, history = answer["problems"]
    assert lacks == "the home lacks control/holds, exams: run `realm init`"
    assert "queue-watcher.json is not a queue_watcher_status@1" in watcher
    assert "trainer.jsonl, line 1" in history
    assert lacks in realm(home, "status").stdout


def test_a_home_without_its_queue_folders_is_still_told_about(home: Home) -> None:
    (home.queue / "high").rmdir()
    answer = told(home)
    assert (answer["queue"]["high"], answer["queue"]["low"], answer["next"]) == (None, 0, [])
    assert "high – · normal 0" in row(home, "Queue")


def test_pauses_and_holds_are_shown_with_reason_and_age_and_cannot_steer_the_terminal(home: Home) -> None:
    control = Control(home)
    control.raise_flag("stop", "for \x1b[2Ja game")
    control.place_hold("guardian", "the disk is full")
    control.raise_flag("skip")
    assert row(home, "Paused by") == ".stop: for \\x1b[2Ja game (0 s ago)"
    assert "hold of guardian: the disk is full (0 s ago)" in realm(home, "status").stdout
    assert row(home, "Asked for") == ".skip, not obeyed yet"
    assert told(home)["one_shots"] == ["skip"]


def test_where_there_is_no_realm_it_says_what_to_do(home: Home) -> None:
    home.format_file.unlink()
    refused = realm(home, "status", ends_with=1)
    assert refused.stderr == f"Error: {home.root} is no realm's home: run `realm init`\n"
    home.format_file.write_text("2\n")
    assert "install the newer realm again" in realm(home, "status", ends_with=1).stderr


# What it costs, and where it is shown


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_reading_changes_nothing(home: Home, words: list[str]) -> None:
    furnish(home)
    before = picture(home)
    realm(home, *words)
    assert picture(home) == before


def test_status_imports_neither_torch_nor_transformers(home: Home) -> None:
    furnish(home)
    code = (
        "import sys\nfrom realm.cli.main import main\nmain(['status'], standalone_mode=False)\n"
        "print([name for name in ('torch', 'transformers', 'yaml', 'numpy') if name in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "REALM_HOME": str(home.root)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert "Level 12" in done.stdout


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_the_terminal_in_colour(home: Home, width: int) -> None:
    furnish(home)
    say_training(
        home, quest=QUEST.replace("bin-level-1", "a-slug-as-long-as-slugs-can-be-forty-sig"), problems=["x " * 99]
    )
    for words in (["status"], ["quest", "ls"], ["events"]):
        shown = in_terminal(home, *words, width=width)
        assert "\x1b[" in shown
        assert [line for line in shown.splitlines() if cells(line) > width] == []


def test_a_pipe_gets_the_same_words_without_colour(home: Home) -> None:
    furnish(home)
    assert "\x1b" not in realm(home, "status").stdout
    assert "\x1b" not in realm(home, "events").stdout


def test_who_asks_for_no_colour_gets_none(home: Home) -> None:
    os.environ["NO_COLOR"] = "1"
    try:
        assert "\x1b" not in in_terminal(home, "status", width=80)
    finally:
        del os.environ["NO_COLOR"]


def test_a_terminal_without_unicode_gets_question_marks(home: Home) -> None:
    furnish(home)
    done = start(home, "status", encoding="latin-1")
    shown, errors = done.communicate()
    assert (done.returncode, errors) == (0, "")
    assert "???·" in shown
