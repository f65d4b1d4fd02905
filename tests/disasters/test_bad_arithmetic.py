"""Steps that give no number, want more memory than there is, or kill the process: found, dropped, and told by line."""

import re
from pathlib import Path

import pytest

from realm.core.paths import Home
from realm.core.quests import QuestQueue
from tests.arena.realm_home import eventually, log_of, put_quest, start
from tests.disasters.hooks import hook
from tests.disasters.records import (
    check_each_is_somewhere_once,
    copy_of,
    curve,
    die,
    finish,
    history,
    lines,
    small_home,
    step_now,
    story,
    verdict,
    weights,
)

WIDE = {"batch_size": 4, "gradient_accumulation": 2}  # passes of up to 512 padded tokens, two of them a step


@pytest.fixture
def home(tmp_path: Path, squire: Path) -> Home:
    """A quest of some ten steps, and behind it one of six lines."""
    home = small_home(tmp_path / "home", squire)
    put_quest(home, lines(40), name="first.jsonl", priority="high")
    put_quest(home, lines(6, first=5000), name="second.jsonl")
    return home


def passes(home: Home) -> list[tuple[int, int]]:
    """(step, padded tokens) of each pass that was trained."""
    return [(int(step), int(size)) for step, size in re.findall(r"pass of step (\d+): (\d+)", log_of(home))]


def test_too_little_memory_splits_the_passes_and_a_kill_right_behind_the_decision_changes_nothing(
    tmp_path: Path, squire: Path
) -> None:
    home = small_home(tmp_path / "home", squire, **WIDE)
    put_quest(home, lines(200))
    calm = copy_of(home, tmp_path / "calm")
    scarce = "memory_of(256, from_step=3)"
    die(home, hook(scarce, "die_after_line('split')"))
    assert any(size > 256 for step, size in passes(home) if step < 3)
    told = len(passes(home))
    finish(home, 1, hook(scarce))
    assert all(size <= 256 for step, size in passes(home)[told:] if step >= 3)
    finish(calm, 1, hook(scarce))
    assert (weights(home), story(home), curve(home)) == (weights(calm), story(calm), curve(calm))
    assert log_of(home).count("OutOfMemoryError") == 0  # it is no crash


def test_an_example_for_which_no_memory_is_enough_costs_three_starts_and_is_dropped(home: Home) -> None:
    """Even alone it does not fit: there is nothing to split."""
    scarce = hook("no_memory_for_line(17)")
    for _ in range(3):
        die(home, scarce, status=70)
        (home.locks / "trainer.starts").unlink()  # else the next start backs off
    finish(home, 2, scarce)
    first = verdict(home, history(home)[0].quest)
    assert (first["outcome"], first["dropped_steps"]) == ("completed", 1)
    assert 17 in {one["line"] for one in first["findings"]}  # type: ignore[attr-defined]


def test_an_example_that_kills_the_process_is_named_with_its_line_after_three_deaths(home: Home) -> None:
    deadly = hook("die_of_line(17)")
    for _ in range(3):
        die(home, deadly)
    finish(home, 2, deadly)
    assert [one.outcome for one in history(home)] == ["completed", "completed"]
    first = verdict(home, history(home)[0].quest)
    assert first["dropped_steps"] == 1
    findings = {one["line"]: one["text"] for one in first["findings"]}  # type: ignore[attr-defined]
    assert "was dropped: it killed the process three times" in findings[17]
    assert len(findings) <= 8  # of one step


def test_no_number_in_three_steps_ends_the_claim_also_if_killed_between_the_third_and_the_end(
    home: Home, tmp_path: Path
) -> None:
    calm = copy_of(home, tmp_path / "calm")
    bad = "no_number_of_lines(2, 9, 16, 20, 26, 31, 38)"
    die(home, hook(bad, "die_after_line('drop', 3)"))
    finish(home, 2, hook(bad))
    finish(calm, 2, hook(bad))
    assert (weights(home), story(home), curve(home)) == (weights(calm), story(calm), curve(calm))
    assert [one.outcome for one in history(home)] == ["failed", "completed"]
    assert QuestQueue(home).names("failed") == [history(home)[0].quest]
    error = verdict(home, history(home)[0].quest)
    named = {one["line"] for one in error["findings"]}  # type: ignore[attr-defined]
    assert len(named & {2, 9, 16, 20, 26, 31, 38}) >= 3
    check_each_is_somewhere_once(home)


@pytest.mark.parametrize("line", [9, 31])
def test_no_number_in_one_step_is_dropped_and_a_kill_right_behind_the_decision_changes_nothing(
    home: Home, tmp_path: Path, line: int
) -> None:
    calm = copy_of(home, tmp_path / "calm")
    bad = f"no_number_of_lines({line})"
    die(home, hook(bad, "die_after_line('drop')"))
    finish(home, 2, hook(bad))
    finish(calm, 2, hook(bad))
    assert (weights(home), story(home), curve(home)) == (weights(calm), story(calm), curve(calm))
    assert verdict(home, history(home)[0].quest)["dropped_steps"] == 1


def test_the_kernel_ends_it_for_memory_and_the_next_start_goes_on(home: Home, tmp_path: Path) -> None:
    """SIGKILL from outside, as the kernel's out-of-memory killer sends it."""
    put_quest(home, lines(300), name="long.jsonl", priority="low")
    calm = copy_of(home, tmp_path / "calm")
    trainer = start("trainer", home)
    eventually(lambda: step_now(home) > 10, 120)
    trainer.kill()
    assert trainer.wait() == -9
    finish(home, 3)
    finish(calm, 3)
    assert (weights(home), story(home), curve(home)) == (weights(calm), story(calm), curve(calm))
