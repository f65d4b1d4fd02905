import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from realm.core.paths import Home
from realm.core.quests import (
    STATES,
    QuestBusy,
    QuestGone,
    QuestMeta,
    QuestMetaError,
    QuestNameError,
    QuestQueue,
    new_name,
    read_meta,
    slug,
    valid_name,
    write_meta,
)

SHA = "ab12" * 16
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD, YOUNG = "20260101T000000.000000Z-old-0123abcd", "20260102T000000.000000Z-young-0123abcd"
NO_NAMES = [
    "",
    ".",
    "..",
    "../" + OLD,
    OLD + "/..",
    OLD + "\n",
    "\n" + OLD,
    "." + OLD,
    OLD.upper(),
    OLD.replace("-old-", "--"),
    OLD.replace("old", "x" * 41),
    OLD.replace("2026", "２０２６"),
    OLD.replace("20260101T", "20261301T"),
    OLD.replace("20260101T", "99991231T"),
    OLD.replace("T000000", "T246060"),
    "queue",
]


@pytest.fixture
def queue(tmp_path: Path) -> QuestQueue:
    home = Home(tmp_path / "home")
    home.create()
    return QuestQueue(home)


def lay(queue: QuestQueue, state: str, name: str = OLD, **files: str) -> Path:
    folder = queue.home.queue / state / name
    folder.mkdir()
    (folder / "quest.jsonl").write_text("{}\n")
    for stem, text in files.items():
        (folder / f"{stem}.json").write_text(text)
    return folder


def stage(queue: QuestQueue) -> Path:
    folder = queue.home.staging / "being-made"
    folder.mkdir()
    (folder / "quest.jsonl").write_text("{}\n")
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def everything(queue: QuestQueue) -> list[str]:
    return sorted(str(path.relative_to(queue.home.root)) for path in queue.home.root.rglob("*"))


# Names


def stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S.%f}Z"


def clock_at(moment: datetime) -> Callable[[], int]:
    return lambda: int(moment.timestamp()) * 10**9 + moment.microsecond * 1000 + 999


def tomorrow() -> datetime:
    """A day after the newest name this process made, on a whole second."""
    newest = datetime.strptime(new_name("x", SHA, None)[:22], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    return newest.replace(microsecond=0) + timedelta(days=1)


def test_a_name_tells_time_origin_and_content() -> None:
    moment = tomorrow() + timedelta(microseconds=7)
    name = new_name("Train SYLLO_L1.jsonl.gz", SHA, None, clock=clock_at(moment))
    assert name == f"{stamp(moment)}-train-syllo-l1-ab12ab12"
    assert valid_name(name)


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("a.jsonl", "a"),
        ("Ärger & Übung.jsonl.zst", "arger-ubung"),
        ("--x--y--", "x-y"),
        ("…思考.jsonl", "quest"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\nb", "a-b"),
        ("", "quest"),
        ("x" * 39 + "-yz", "x" * 39),
        ("y" * 100, "y" * 40),
    ],
)
def test_a_slug_is_short_plain_ascii(file_name: str, expected: str) -> None:
    assert slug(file_name) == expected
    assert valid_name(new_name(file_name, SHA, None))


def test_names_sort_by_age_though_the_clock_steps_back() -> None:
    now = tomorrow()
    hours = [0, 0, -1000, 1, 0]
    names = [new_name("x", SHA, None, clock=clock_at(now + timedelta(hours=hour))) for hour in hours]
    assert names == sorted(names)
    assert len(set(names)) == len(hours)
    assert names[3].startswith(stamp(now + timedelta(hours=1)))


def test_a_name_comes_after_the_newest_of_an_earlier_process() -> None:
    newest = tomorrow().replace(microsecond=999_999)
    name = new_name("a", SHA, f"{stamp(newest)}-zzz-0123abcd", clock=clock_at(newest - timedelta(days=9)))
    assert name.startswith(f"{stamp(newest + timedelta(microseconds=1))}-a-")


def test_a_name_made_by_hand_for_a_day_that_never_is_blocks_nobody() -> None:
    by_hand = f"{tomorrow().year + 1}0230T235959.999999Z-x-0123abcd"
    assert valid_name(by_hand)
    assert new_name("x", SHA, by_hand) > by_hand


def test_threads_never_make_the_same_name() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # as many switches between threads as there can be
    try:
        with ThreadPoolExecutor(8) as pool:
            names = list(pool.map(lambda _: new_name("x", SHA, None, clock=clock_at(NOON)), range(5000)))
    finally:
        sys.setswitchinterval(interval)
    assert len(set(names)) == len(names)


def test_a_name_needs_a_whole_hash_and_a_real_predecessor() -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        new_name("x", SHA[:8], None)
    with pytest.raises(ValueError, match="SHA-256"):
        new_name("x", SHA + "\n", None)
    with pytest.raises(QuestNameError):
        new_name("x", SHA, "yesterday")


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_is_refused_before_it_becomes_a_path(queue: QuestQueue, name: str) -> None:
    before = everything(queue)
    staging = stage(queue)
    for act in (
        lambda: queue.find(name),
        lambda: queue.publish(staging, name, "high"),
        lambda: queue.refuse(staging, name, b"{}"),
        lambda: queue.claim(name),
        lambda: queue.reclaim(name),
        lambda: queue.release(name, "high"),
        lambda: queue.complete(name, b"{}"),
        lambda: queue.fail(name, b"{}"),
        lambda: queue.move(name, "high"),
        lambda: queue.retry(name, "high"),
        lambda: queue.remove(name),
    ):
        with pytest.raises(QuestNameError):
            act()
    (staging / "error.json").unlink(missing_ok=True)
    (staging / "quest.jsonl").unlink()
    staging.rmdir()
    assert everything(queue) == before


@pytest.mark.parametrize("priority", ["urgent", "processing", "..", ""])
def test_an_unknown_priority_is_refused(queue: QuestQueue, priority: str) -> None:
    lay(queue, "low")
    with pytest.raises(ValueError, match="priority"):
        queue.move(OLD, priority)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="priority"):
        queue.publish(stage(queue), YOUNG, priority)  # type: ignore[arg-type]


# Looking


def test_quests_wait_strictly_by_priority_and_then_by_age(queue: QuestQueue) -> None:
    third, fourth = (day.replace("20260101", "20260103") for day in (OLD, YOUNG.replace("0102", "0101")))
    for state, name in [("low", OLD), ("high", third), ("normal", YOUNG), ("high", fourth)]:
        lay(queue, state, name)
    assert [(quest.priority, quest.name) for quest in queue.waiting()] == [
        ("high", third),
        ("high", fourth),
        ("normal", YOUNG),
        ("low", OLD),
    ]
    assert queue.waiting()[0].path == queue.home.queue / "high" / third


def test_a_crowd_waits_by_age_with_strangers_among_it(queue: QuestQueue) -> None:
    names = [OLD.replace("T000000", f"T0000{number:02}") for number in range(50)]
    for name in sorted(names, key=hash):
        lay(queue, "normal", name)
    for name in names[2::4]:
        (queue.home.queue / "normal" / name.replace("-old-", "--")).mkdir()
    assert [quest.name for quest in queue.waiting()] == names
    assert queue.names("normal") == names


def test_what_is_no_quest_is_left_alone_and_listed(queue: QuestQueue) -> None:
    lay(queue, "low")
    strangers = [queue.home.queue / "high" / name for name in (".half", "notes", YOUNG)]
    strangers[0].mkdir()
    strangers[1].mkdir()
    strangers[2].write_text("a file with a quest's name")
    linked = queue.home.queue / "normal" / YOUNG
    linked.symlink_to(queue.home.queue / "low" / OLD)
    assert [quest.name for quest in queue.waiting()] == [OLD]
    assert queue.strangers() == sorted([*strangers, linked])
    with pytest.raises(QuestGone):
        queue.claim(YOUNG)


@pytest.mark.parametrize("further_on", ["processing", "recently_completed", "failed"])
def test_a_copy_of_a_quest_that_went_on_is_not_trained_but_listed(queue: QuestQueue, further_on: str) -> None:
    lay(queue, further_on)
    copy = lay(queue, "normal")
    assert queue.waiting() == []
    assert queue.strangers() == [copy]
    assert queue.remove(OLD) or further_on == "processing"


def test_a_copy_in_two_priorities_waits_once(queue: QuestQueue) -> None:
    lay(queue, "high")
    copy = lay(queue, "low")
    assert [quest.priority for quest in queue.waiting()] == ["high"]
    queue.claim(OLD)
    assert queue.waiting() == []
    assert queue.strangers() == [copy]


@pytest.mark.parametrize("state", STATES)
def test_a_quest_is_found_where_it_lies(queue: QuestQueue, state: str) -> None:
    assert queue.find(OLD) is None
    folder = lay(queue, state)
    found = queue.find(OLD)
    assert found is not None
    assert (found.state, found.path) == (state, folder)
    assert found.priority == (state if state in ("high", "normal", "low") else None)


def test_the_latest_name_is_looked_for_in_every_state(queue: QuestQueue) -> None:
    assert queue.latest() is None
    lay(queue, "failed", YOUNG)
    lay(queue, "low", OLD)
    assert queue.latest() == YOUNG


# Admission


def test_publishing_moves_the_folder_that_people_may_then_move_themselves(queue: QuestQueue) -> None:
    staging = stage(queue)
    queue.publish(staging, OLD, "normal")
    published = queue.home.queue / "normal" / OLD
    assert (published / "quest.jsonl").read_text() == "{}\n"
    assert published.stat().st_mode & 0o7777 == 0o2775
    assert not staging.exists()


def test_publishing_again_after_the_rename_is_quiet_also_when_the_quest_was_claimed(queue: QuestQueue) -> None:
    staging = stage(queue)
    queue.publish(staging, OLD, "normal")
    queue.publish(staging, OLD, "normal")
    queue.claim(OLD)
    queue.publish(staging, OLD, "normal")
    assert queue.names("normal") == []


@pytest.mark.parametrize("state", STATES)
def test_a_name_is_never_used_twice(queue: QuestQueue, state: str) -> None:
    lay(queue, state, quest="first")
    with pytest.raises(FileExistsError, match=state):
        queue.publish(stage(queue), OLD, "high")
    assert (queue.home.queue / state / OLD / "quest.json").read_text() == "first"


def test_only_a_folder_of_staging_is_published(queue: QuestQueue) -> None:
    elsewhere = queue.home.root / "data" / "x"
    elsewhere.mkdir()
    with pytest.raises(ValueError, match="staging"):
        queue.publish(elsewhere, OLD, "high")
    with pytest.raises(FileNotFoundError):
        queue.publish(queue.home.staging / "nothing", OLD, "high")
    linked = stage(queue)
    (linked / "more").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="link"):
        queue.publish(linked, OLD, "high")
    assert queue.find(OLD) is None


def test_a_refused_quest_lies_in_failed_with_its_reason(queue: QuestQueue) -> None:
    staging = stage(queue)
    queue.refuse(staging, OLD, b'{"line": 3}')
    queue.refuse(staging, OLD, b'{"line": 3}')
    assert json.loads((queue.home.failed / OLD / "error.json").read_bytes()) == {"line": 3}


# The trainer's transitions


@pytest.mark.parametrize("priority", ["high", "normal", "low"])
def test_a_claim_takes_the_quest_from_wherever_it_waits_and_again_is_quiet(queue: QuestQueue, priority: str) -> None:
    folder = lay(queue, priority)
    assert queue.claim(OLD) == queue.claim(OLD) == queue.home.processing / OLD
    assert not folder.exists()


@pytest.mark.parametrize("state", [None, "failed", "recently_completed"])
def test_a_claim_of_a_quest_that_does_not_wait_says_where_it_is(queue: QuestQueue, state: str | None) -> None:
    if state:
        lay(queue, state)
    with pytest.raises(QuestGone, match=state or "nowhere"):
        queue.claim(OLD)


def test_a_claimed_quest_stays_claimed_though_a_copy_waits(queue: QuestQueue) -> None:
    claimed = lay(queue, "processing")
    copy = lay(queue, "low")
    assert queue.claim(OLD) == queue.reclaim(OLD) == claimed
    assert copy.exists()


def test_a_claim_racing_with_mv_by_hand_leaves_the_quest_in_exactly_one_folder(queue: QuestQueue) -> None:
    inode = lay(queue, "low").stat().st_ino
    by_hand = "for i in {1..200}; do mv low/$0 high/ || mv high/$0 low/; done 2>/dev/null; true"
    hand = subprocess.Popen(["bash", "-c", by_hand, OLD], cwd=queue.home.queue)
    claims = 0
    while hand.poll() is None or claims < 200:
        try:
            claimed = queue.claim(OLD)
        except QuestGone:
            continue
        claims += 1
        present = [state for state in STATES if (queue.home.queue / state / OLD).exists()]
        assert present == ["processing"]
        assert claimed.stat().st_ino == inode
        assert names_in(claimed) == ["quest.jsonl"]
        queue.release(OLD, "high" if claims % 2 else "low")
    assert len([state for state in STATES if (queue.home.queue / state / OLD).exists()]) == 1
    assert queue.strangers() == []


def test_a_released_quest_waits_again(queue: QuestQueue) -> None:
    lay(queue, "processing")
    assert queue.release(OLD, "low") == queue.release(OLD, "low") == queue.home.queue / "low" / OLD
    with pytest.raises(QuestGone):
        queue.release(YOUNG, "low")


@pytest.mark.parametrize("content", [None, "quest.jsonl"])
def test_no_transition_replaces_what_lies_at_its_end(queue: QuestQueue, content: str | None) -> None:
    lay(queue, "processing")
    present = queue.home.queue / "low" / OLD
    present.mkdir()
    if content:
        (present / content).write_text("other")
    with pytest.raises(FileExistsError):
        queue.release(OLD, "low")
    assert (queue.home.processing / OLD / "quest.jsonl").read_text() == "{}\n"
    assert [path.read_text() for path in present.iterdir()] == (["other"] if content else [])


def test_an_ended_quest_carries_its_verdict_and_ending_it_again_is_quiet(queue: QuestQueue) -> None:
    lay(queue, "processing", OLD)
    lay(queue, "processing", YOUNG)
    for _ in range(2):
        assert queue.complete(OLD, b'{"steps": 3}') == queue.home.completed / OLD
        assert queue.fail(YOUNG, b'{"reason": "NaN"}') == queue.home.failed / YOUNG
    assert json.loads((queue.home.completed / OLD / "result.json").read_bytes()) == {"steps": 3}
    assert json.loads((queue.home.failed / YOUNG / "error.json").read_bytes()) == {"reason": "NaN"}


def test_an_ended_quest_has_one_verdict(queue: QuestQueue) -> None:
    lay(queue, "processing", OLD, result="{}")  # a completion was killed before its rename
    failed = queue.fail(OLD, b"{}")
    assert names_in(failed) == ["error.json", "quest.jsonl"]


def test_only_a_claimed_quest_ends(queue: QuestQueue) -> None:
    waiting = lay(queue, "low")
    with pytest.raises(QuestGone, match="low"):
        queue.complete(OLD, b"{}")
    assert names_in(waiting) == ["quest.jsonl"]


@pytest.mark.parametrize("state", ["high", "normal", "low", "recently_completed", "failed", "processing"])
def test_a_quest_is_reclaimed_from_wherever_a_hand_or_an_older_seal_left_it(queue: QuestQueue, state: str) -> None:
    lay(queue, state, result='{"steps": 3}')
    claimed = queue.reclaim(OLD)
    assert claimed == queue.reclaim(OLD) == queue.home.processing / OLD
    assert names_in(claimed) == [".previous-result.json", ".reclaimed", "quest.jsonl"]


def test_a_lost_quest_cannot_be_reclaimed(queue: QuestQueue) -> None:
    with pytest.raises(QuestGone, match="nowhere"):
        queue.reclaim(OLD)


# What people ask for


def test_a_waiting_quest_changes_its_priority(queue: QuestQueue) -> None:
    lay(queue, "low")
    assert queue.move(OLD, "high") == queue.move(OLD, "high") == queue.home.queue / "high" / OLD
    queue.claim(OLD)
    with pytest.raises(QuestGone, match="processing"):
        queue.move(OLD, "low")


@pytest.mark.parametrize(("state", "verdict"), [("failed", "error"), ("recently_completed", "result")])
def test_a_retried_quest_waits_under_its_name_and_keeps_its_last_verdict_aside(
    queue: QuestQueue, state: str, verdict: str
) -> None:
    lay(queue, state, **{verdict: "0"})
    for attempt in range(2):
        retried = queue.retry(OLD, "normal")
        assert retried == queue.retry(OLD, "normal") == queue.home.queue / "normal" / OLD
        assert names_in(retried) == [f".previous-{verdict}.json", "quest.jsonl"]
        assert (retried / f".previous-{verdict}.json").read_text() == f"{attempt}"
        queue.claim(OLD)
        end = queue.fail if state == "failed" else queue.complete
        end(OLD, f"{attempt + 1}".encode())


def test_only_an_ended_quest_is_retried(queue: QuestQueue) -> None:
    lay(queue, "processing")
    with pytest.raises(QuestGone, match="processing"):
        queue.retry(OLD, "normal")


@pytest.mark.parametrize("state", ["high", "normal", "low", "recently_completed", "failed"])
def test_a_quest_that_is_not_claimed_can_be_removed(queue: QuestQueue, state: str) -> None:
    folder = lay(queue, state)
    assert queue.remove(OLD)
    assert not queue.remove(OLD)
    assert names_in(folder.parent) == []


def test_a_claimed_quest_is_not_removed(queue: QuestQueue) -> None:
    folder = lay(queue, "processing")
    with pytest.raises(QuestBusy, match="skip"):
        queue.remove(OLD)
    assert (folder / "quest.jsonl").exists()


def test_a_removal_that_was_killed_is_finished_by_the_next_one_or_by_sweeping(queue: QuestQueue) -> None:
    half = [lay(queue, state).rename(queue.home.queue / state / f".removed-{OLD}") for state in ("low", "failed")]
    foreign = queue.home.queue / "low" / ".removed-by-hand"
    foreign.mkdir()
    assert queue.remove(OLD)
    assert not any(folder.exists() for folder in half)
    lay(queue, "low").rename(half[0])
    queue.sweep()
    assert names_in(queue.home.queue / "low") == [foreign.name]


def test_pruning_deletes_the_ended_quests_nobody_wants(queue: QuestQueue) -> None:
    for name in (OLD, YOUNG):
        lay(queue, "recently_completed", name)
    lay(queue, "failed", OLD).rename(queue.home.failed / f".removed-{OLD}")
    assert queue.prune("recently_completed", lambda name: name == YOUNG) == [OLD]
    assert queue.prune("recently_completed", lambda name: name == YOUNG) == []
    assert queue.names("recently_completed") == [YOUNG]
    assert names_in(queue.home.failed) == []


@pytest.mark.parametrize("state", ["low", "processing", "inbox"])
def test_nothing_but_ended_quests_is_pruned(queue: QuestQueue, state: str) -> None:
    lay(queue, "low")
    with pytest.raises(ValueError, match="pruned"):
        queue.prune(state, lambda _: False)  # type: ignore[arg-type]
    assert queue.names("low") == [OLD]


# meta.json


def meta(**changes: object) -> QuestMeta:
    fields: dict[str, object] = {
        "name": OLD,
        "original_name": "Übung\n.jsonl",
        "sha256": SHA,
        "bytes": 10**12,
        "lines": 0,
        "schema_id": "chat_sft_v1",
        "priority": "low",
        "admitted_at": datetime(2026, 1, 1, tzinfo=UTC),
        "params": {"level": [1, 2.5, None]},
        "validators": {"spec@1": "passed"},
    }
    return QuestMeta(**(fields | changes))  # type: ignore[arg-type]


def test_a_meta_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_meta(tmp_path, meta())
    assert read_meta(tmp_path) == meta()
    assert json.loads((tmp_path / "meta.json").read_bytes())["admitted_at"] == "2026-01-01T00:00:00Z"
    assert read_meta(tmp_path).generator_id == "unknown"


def test_fields_of_later_versions_are_ignored_when_read(tmp_path: Path) -> None:
    write_meta(tmp_path, meta())
    file = tmp_path / "meta.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"colour": "blue"}))
    assert read_meta(tmp_path) == meta()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": SHA + "\n"}, "sha256"),
        ({"bytes": -1}, "bytes"),
        ({"lines": "3"}, "lines"),
        ({"epochs": 0}, "epochs"),
        ({"priority": "urgent"}, "priority"),
        ({"admitted_at": datetime(2026, 1, 1)}, "admitted_at"),
        ({"name": "../x"}, "name"),
        ({"params": {"loss": float("nan")}}, "NaN"),
        ({"params": {"object": object()}}, "object"),
    ],
)
def test_a_meta_that_would_not_be_read_back_is_not_written(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(QuestMetaError, match=reason):
        write_meta(tmp_path, meta(**changes))
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"name": 3}', b"\xff"])
def test_an_unreadable_meta_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "meta.json").write_bytes(content)
    with pytest.raises(QuestMetaError, match=r"meta\.json"):
        read_meta(tmp_path)
