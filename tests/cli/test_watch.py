"""`realm watch`: its frames tell what the files say, fit every terminal, and leave the terminal as it was."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import click
import orjson
import pytest

from realm.armory.heroes import hero_files
from realm.cli.screen import END, ENTER, LEAVE
from realm.cli.terminal import cells
from realm.cli.watch_scene import Watcher
from realm.cli.watch_view import view
from realm.core.control import Control
from realm.core.events import EventLog
from realm.core.metrics import MetricsWriter
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from realm.core.status import BattleStatus, TrainingStatus, write_status
from tests.arena.realm_home import put_quest
from tests.cli.console import (
    LINE,
    QUEST,
    alive,
    end_quest,
    furnish,
    header,
    picture,
    realm,
    say_rest,
    say_training,
    start,
)
from tests.cli.live_terminal import LiveTerminal, watching

ALL = ("trainer", "queue-watcher")


def build_hero(home: Home, hero_id: str = "squire") -> None:
    """As much of a model folder as is looked at."""
    folder = home.models / hero_id
    folder.mkdir()
    (folder / "hero.yaml").write_bytes(hero_files()[hero_id].read_bytes())


def fight(home: Home, losses: dict[int, float]) -> None:
    rows = MetricsWriter(home.metrics, "trainer")
    for step, loss in losses.items():
        rows.write({"step": step, "loss": loss})
    rows.flush()


def frame(home: Home, width: int = 80, height: int = 24, now: datetime | None = None) -> list[str]:
    """One frame, coloured."""
    return view(Watcher(home).look(now or datetime.now(UTC)), width, height, "q quit")


def plain(home: Home, width: int = 80, height: int = 24) -> str:
    return click.unstyle("\n".join(frame(home, width, height)))


def line_with(home: Home, words: str) -> str:
    """The coloured line that has them."""
    return next(line for line in frame(home) if words in click.unstyle(line))


# What it says


def test_a_battle_is_shown_in_numbers(home: Home) -> None:
    build_hero(home)
    furnish(home)
    fight(home, {12_344: 0.5, 12_345: 0.4123})
    Control(home).resume()
    with alive(home, *ALL):
        shown = plain(home, height=30)
    for words in (
        "Squire The Apprentice · Level 12",
        "● fighting",
        str(home.root)[-12:],  # its middle is left out
        "trainer heard 1 s ago · queue-watcher idle",
        f"── {QUEST} ",
        " step 640 ──",
        "62.5 % · 4 m 10 s left",
        "345 / 1,000 XP",
        "waiting: 0 high, 2 normal, 2 low · 2 in the inbox · 1 failed",
        "ATK 2.43 1 / loss",
        "DEF 2.20 1 / val loss",
        "Gold 200 2 quests",
        "loss          0.4123",
        "smoothed      0.4201",
        "val loss      0.4550 @ 12,300",
        "learning rate 3.00e-03",
        "tokens/s      16,123",
        "MFU           31.2 %",
        "unsealed      4 m 12 s",
        "last seal     3 m ago @ 12,000",
        "steps 12,344 to 12,345 · newest 0.4123",
        "sealed at step 2",
        "日本語.jsonl was turned away",
    ):
        assert words in shown
    assert "this is how it was" not in shown


def test_what_is_not_known_is_a_dash(home: Home) -> None:
    say_training(home, loss=None, validation_loss=0.0, validation_step=None, mfu=None, last_seal=None)
    with alive(home, "trainer"):
        shown = plain(home)
    for words in ("ATK – 1 / loss", "DEF – 1 / val loss", "MFU           –", "last seal     –", "no step has been"):
        assert words in shown


def test_a_wide_terminal_is_told_more(home: Home) -> None:
    say_training(home, step=12_900)
    battle = BattleStatus(**header("trainer"), battle_state="fighting", total_rounds=1024, rounds_per_second=2.0)
    write_status(home.status, battle)
    EventLog(home.events, "trainer").emit("seal.written", "sealed")
    fight(home, dict.fromkeys(range(1, 1001), 1.0))
    with alive(home, *ALL):
        wide, narrow = plain(home, width=120), plain(home)
    for words in ("900 / 1,000 XP · level 13 in 50 s", "seal.written", "• highest of 9 steps"):
        assert words in wide
        assert words not in narrow
    assert "step 640 of about 1,024" in narrow


def test_the_queue_bar_counts_what_ended_today_and_what_is_still_to_do(home: Home) -> None:
    queue = QuestQueue(home)
    names = [put_quest(home, LINE * number, f"{number}.jsonl") for number in range(1, 6)]
    for name in names[:3]:
        queue.claim(name)
    queue.complete(names[0], b"{}")
    end_quest(home, 1, "completed")  # long ago
    say_training(home, quest=names[2])
    with alive(home, *ALL):
        assert "1 of 4 quests today" in plain(home)  # trained, and not sealed yet
        assert "1 of 4 quests today · 1 not sealed yet" in plain(home, width=120)
        then = datetime(2025, 11, 27, tzinfo=UTC)
        assert "2 of 5 quests today" in click.unstyle("\n".join(frame(home, now=then)))


def test_an_empty_realm_says_what_to_do(home: Home) -> None:
    shown = plain(home)
    for words in ("drop a .jsonl file into inbox/", "`realm run trainer`", "nothing has happened here yet", "● down"):
        assert words in shown
    assert "no such hero file" in shown
    put_quest(home, LINE)
    assert "── no quest yet " in plain(home)


# How old it is


def test_old_news_is_grey_and_says_its_age(home: Home) -> None:
    furnish(home)
    say_training(home, age=250)
    shown = plain(home)
    assert "● down" in shown
    assert "the trainer is down, no word for 4 m: this is how it was" in shown
    with alive(home, *ALL):
        assert "● silent" in plain(home)
        assert "no word for 4 m from the trainer: this is how it was" in plain(home)
        assert all(line_with(home, words).startswith(" \x1b[2m") for words in ("Quest ", "ATK", "smoothed"))
        say_training(home)
        assert "\x1b[31m" in line_with(home, "ATK")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "working"}, "● fighting"),
        ({"state": "working", "phase": "seal"}, "● fighting · seal"),
        ({"state": "starting", "phase": "load"}, "● starting · load"),
        ({"state": "idle", "phase": "waiting"}, "● idle"),
        ({"state": "stopped"}, "● stopped"),
        ({"state": "dancing \x1b[2J"}, "● dancing \\x1b[2J"),
    ],
)
def test_the_trainers_state_is_one_word(home: Home, changes: dict[str, str], words: str) -> None:
    said = say_training(home)
    say_rest(home)
    file = home.status / TrainingStatus.FILE
    file.write_bytes(orjson.dumps({**orjson.loads(file.read_bytes()), **changes}))
    assert said
    with alive(home, *ALL):
        assert plain(home).splitlines()[0].endswith(words)


def test_a_trainer_that_hangs_and_one_that_begins_are_told_apart(home: Home) -> None:
    with alive(home, "trainer"):
        assert "● starting" in plain(home)
        assert "has said nothing yet" in plain(home)
        beat = datetime.now(UTC)
        say_training(home, heartbeat_at=beat, ticked_at=beat - timedelta(seconds=300))
        assert "● hangs" in plain(home)
        assert "the trainer hangs: this is how it was" in plain(home)


# What must not be overlooked


def test_a_pause_is_followed_from_the_file_to_the_trainer_and_back(home: Home) -> None:
    control = Control(home)
    say_training(home)
    control.raise_flag("pause", "lunch \x1b[2J")
    assert ".pause: lunch \\x1b[2J (0 s ago, obeyed when the trainer starts)" in plain(home)
    with alive(home, *ALL):
        assert "(0 s ago, sent, not seen yet)" in plain(home)
        say_training(home, state="paused", pause_reasons=["hold of guardian: the disk is full"])
        assert "(0 s ago, sent, not seen yet)" in plain(home)
        say_training(home, state="paused", pause_reasons=[".pause: lunch \x1b[2J"])
        assert "(0 s ago, obeyed)" in plain(home)
        control.resume()
        assert "resumed; the trainer has not seen it yet" in plain(home)
        say_training(home)
        assert "resumed" not in plain(home)


def test_holds_one_shots_and_problems_are_shown(home: Home) -> None:
    control = Control(home)
    control.place_hold("guardian", "the disk is full")
    control.raise_flag("skip")
    say_training(home, problems=["training.max_length is 5"])
    with alive(home, *ALL):
        shown = plain(home, width=120, height=40)
    for words in (
        "hold of guardian: the disk is full (0 s ago, sent, not seen yet)",
        ".skip is sent, not obeyed yet",
        "trainer: training.max_length is 5",
    ):
        assert words in shown


def test_more_warnings_than_there_is_room_for_are_counted_out(home: Home) -> None:
    build_hero(home)
    say_training(home, problems=[f"problem {number}" for number in range(20)])
    with alive(home, *ALL):
        shown = plain(home)
    assert "problem 1" in shown
    assert "… `realm status` tells the rest" in shown
    assert "q quit" in shown.splitlines()[-1]


# It fits


LONG_NAME = QUEST.replace("bin-level-1", "a-slug-as-long-as-slugs-can-be-forty-sig")


@pytest.mark.parametrize("height", [1, 2, 5, 10, 16, 24, 40, 70])
@pytest.mark.parametrize("width", [1, 2, 10, 40, 59, 60, 61, 79, 80, 100, 120, 250])
def test_every_frame_fits_its_terminal(home: Home, width: int, height: int) -> None:
    build_hero(home, "dio")
    home.config_file.write_text('{"model_name": "dio"}')
    furnish(home)
    problems = ["word " * 40, "x" * 300]
    say_training(home, quest=LONG_NAME, step=123_456_789, validation_step=123_456_789, loss=1e-9, problems=problems)
    fight(home, {step: float(step) for step in range(1, 1500)})
    with alive(home, *ALL):
        lines = frame(home, width, height)
    assert len(lines) == height
    assert [line for line in lines if cells(line) > max(width - 1, 3)] == []
    assert [line for line in lines if "\n" in line or "\r" in line] == []


@pytest.mark.parametrize(("width", "height"), [(60, 16), (80, 24), (120, 40), (250, 70)])
def test_nothing_important_is_left_out(home: Home, width: int, height: int) -> None:
    build_hero(home)
    furnish(home)
    fight(home, dict.fromkeys(range(1, 1000), 1.0))
    with alive(home, *ALL):
        shown = plain(home, width, height)
    for words in ("Level 12", "62.5 %", "345 / 1,000 XP", "ATK", "0.4550", "Loss", "Events", ".pause", "q quit"):
        assert words in shown


def test_a_narrow_terminal_gets_the_chief_numbers(home: Home) -> None:
    furnish(home)
    with alive(home, *ALL):
        shown = plain(home, width=40)
    for words in (
        "Level 12 · fighting",
        ".pause",
        "12,345 XP · 200 gold · 4 wait",
        "loss 0.4123 · val 0.4550",
        "62.5 %",
    ):
        assert words in shown


def test_a_terminal_without_block_characters_gets_the_picture_in_ascii(home: Home) -> None:
    build_hero(home)
    furnish(home)
    fight(home, {step: float(step % 9) for step in range(1, 900)})
    shown, errors = start(home, "watch", "--once", encoding="latin-1").communicate()
    assert (errors, shown.isascii()) == ("", True)
    assert "Quest     #" in shown
    assert "-- Loss ---" in shown


# Into a pipe


def test_a_pipe_is_refused_with_what_to_use_instead(home: Home) -> None:
    refused = realm(home, "watch", ends_with=1).stderr
    assert refused.count("\n") == 1
    assert "`realm status --json`" in refused
    assert "`realm events --follow`" in refused


def test_once_prints_one_frame_into_a_pipe_and_changes_nothing(home: Home) -> None:
    furnish(home)
    before = picture(home)
    shown = realm(home, "watch", "--once").stdout
    assert picture(home) == before
    assert shown.count("\n") == 23  # of 24 rows; a prompt follows
    assert "\x1b" not in shown
    assert "62.5 %" in shown


def test_a_home_that_is_none_is_refused(home: Home) -> None:
    home.format_file.unlink()
    assert "run `realm init`" in realm(home, "watch", "--once", ends_with=1).stderr


def test_it_imports_neither_torch_nor_transformers() -> None:
    code = "import sys, realm.cli.watch; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# On a terminal


def test_it_goes_with_the_battle(home: Home) -> None:
    furnish(home)
    with alive(home, *ALL), watching(home, "--every", 0.2) as terminal:
        terminal.shows("345 / 1,000 XP")
        say_training(home, step=12_346)
        terminal.shows("346 / 1,000 XP")
        fight(home, {12_346: 0.1234})
        terminal.shows("newest 0.1234")
        EventLog(home.events, "trainer").emit("checkpoint.saved", "treasure")
        terminal.shows("treasure")
        end_quest(home, 9, "completed")
        terminal.shows("Gold 300")
        build_hero(home)
        terminal.shows("Squire")
        terminal.type("q")
        assert terminal.end() == 0


def test_watching_changes_nothing(home: Home) -> None:
    furnish(home)
    with alive(home, *ALL):
        before = picture(home)
        with watching(home, "--every", 0.2) as terminal:
            terminal.until(lambda: terminal.written.count(END) >= 3)
            terminal.type("q")
            assert terminal.end() == 0
        assert picture(home) == before


def fits(frame: list[str], width: int, height: int) -> bool:
    return len(frame) == height and max(map(cells, frame)) <= max(width, 4)


def test_it_follows_the_size_of_the_terminal(home: Home) -> None:
    with watching(home, "--every", 60) as terminal:  # so that nothing but the size makes it draw again
        for width, height in ((120, 40), (40, 10), (3, 2), (60, 16)):
            terminal.resize(width, height)
            terminal.until(lambda width=width, height=height: fits(terminal.frame, width, height))  # type: ignore[misc]


def test_p_pauses_and_resumes_as_the_commands_do(home: Home) -> None:
    furnish(home)
    control = Control(home)
    control.resume()
    with alive(home, *ALL), watching(home) as terminal:
        terminal.shows("p pause")
        terminal.type("p")
        terminal.shows("p resume")
        assert control.flag("pause")
        terminal.shows("sent, not seen yet")
        say_training(home, state="paused", pause_reasons=[".pause"])
        terminal.shows("obeyed)")
        control.raise_flag("stop")
        terminal.type("p")
        terminal.shows("p pause")
        assert [control.flag(name) for name in ("pause", "stop")] == [None, None]


def test_s_skips_only_when_it_is_confirmed(home: Home) -> None:
    say_training(home)
    with alive(home, *ALL), watching(home, "--every", 60) as terminal:
        terminal.type("s")
        terminal.shows("skip this quest?")
        terminal.type("\x1b[B")  # an arrow
        terminal.shows("s skip")
        assert not (home.control / ".skip").exists()
        terminal.type("s")
        terminal.shows("skip this quest?")
        terminal.type("y")
        terminal.shows(".skip is sent")
        assert (home.control / ".skip").exists()


def test_without_a_quest_there_is_none_to_skip(home: Home) -> None:
    say_training(home, quest=None, state="idle")
    with watching(home) as terminal:
        assert "s skip" not in terminal.frame[-1]
        terminal.type("sy")
        terminal.type("q")
        assert terminal.end() == 0
    assert not (home.control / ".skip").exists()


def test_a_wish_that_cannot_be_written_down_is_said_so(home: Home) -> None:
    say_training(home)
    with alive(home, *ALL), watching(home) as terminal:
        home.control.rename(home.root / "elsewhere")
        terminal.type("p")
        terminal.shows("No such file or directory")
        (home.root / "elsewhere").rename(home.control)
        terminal.type("pq")
        assert terminal.end() == 0
    assert Control(home).flag("pause")


def test_who_asks_for_no_colour_gets_none(home: Home) -> None:
    furnish(home)
    with watching(home, NO_COLOR="1") as terminal:
        assert "\x1b[2m" not in terminal.written
        assert "\x1b[3" not in terminal.written


# However it ends, the terminal is as it was


def hang_up(terminal: LiveTerminal) -> None:
    terminal.process.send_signal(signal.SIGHUP)


ENDS: dict[str, tuple[Callable[[LiveTerminal], None], int]] = {
    "q": (lambda terminal: terminal.type("q"), 0),
    "Ctrl-C": (lambda terminal: terminal.type("\x03"), 0),
    "SIGTERM": (lambda terminal: terminal.process.terminate(), 143),
    "SIGHUP": (hang_up, 129),
}


@pytest.mark.parametrize("how", ENDS)
def test_it_leaves_the_terminal_as_it_was(home: Home, how: str) -> None:
    end, status = ENDS[how]
    with watching(home, "--every", 60) as terminal:
        assert terminal.written.startswith(ENTER)
        during = terminal.settings
        end(terminal)
        assert terminal.end() == status
        assert terminal.written.endswith(LEAVE)
        assert terminal.written.count(LEAVE) == 1
        assert terminal.settings != during


def test_the_settings_of_the_keyboard_come_back(home: Home) -> None:
    wait = "import sys; print('ready', flush=True); sys.stdin.readline(); "
    with watching(home, before=wait) as terminal:
        terminal.until(lambda: "ready" in terminal.written)
        before = terminal.settings
        terminal.type("\n")
        terminal.until(lambda: terminal.frame)
        assert terminal.settings != before
        terminal.type("q")
        assert terminal.end() == 0
        assert terminal.settings == before


def test_a_home_that_vanishes_is_one_sentence_on_the_first_screen(home: Home) -> None:
    with watching(home, "--every", 0.2) as terminal:
        home.format_file.unlink()
        assert terminal.end() == 1
        last = terminal.written.rpartition(LEAVE)[2]
    assert last == f"Error: {home.root} is no realm's home: run `realm init`\r\n"


def test_an_error_nobody_foresaw_is_shown_on_the_first_screen(home: Home) -> None:
    fault = "import realm.cli.watch; realm.cli.watch.view = lambda *scene: 1 / 0; "
    with watching(home, before=fault) as terminal:
        assert terminal.end() == 1
        entered, _, last = terminal.written.rpartition(LEAVE)
    assert ENTER in entered
    assert "ZeroDivisionError" in last


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(home: Home) -> None:
    with watching(home, "--every", 60) as terminal:
        during, frames = terminal.settings, terminal.written.count(ENTER)
        terminal.type("\x1a")
        _, status = os.waitpid(terminal.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        terminal.until(lambda: terminal.written.endswith(LEAVE))
        assert terminal.settings != during
        os.kill(terminal.process.pid, signal.SIGCONT)
        terminal.until(lambda: terminal.written.count(ENTER) == frames + 1 and not terminal.written.endswith(ENTER))
        assert terminal.settings == during
        terminal.type("q")
        assert terminal.end() == 0
