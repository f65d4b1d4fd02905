"""One drop at a time, on a real home: what becomes a quest, what is refused, and what a change in between does."""

import dataclasses
import errno
import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import zstandard

from realm.arena.intake.admission import Admission, Outcome
from realm.arena.intake.copying import SHORTAGES, SPACE_KEPT, DropChanged, DropUnreadable, Shortage
from realm.arena.intake.gatekeepers.hero import Measure
from realm.arena.intake.inbox import Drop, Inbox
from realm.core.config import Gatekeepers
from realm.core.paths import Home
from realm.core.quests import QuestQueue, read_meta
from tests.arena.watcher import chat as chat_line
from tests.arena.watcher import error, immutable, meta, needs_root, plain, small_disk

GOOD = chat_line("2 + 2?", "4") + chat_line("3 + 3?", "6")


class Gate:
    """An admission, and the inbox before it."""

    def __init__(self, root: Path, settings: Gatekeepers | None = None, measure: Measure | None = None):
        self.home = Home(root)
        self.home.create()
        self.queue = QuestQueue(self.home)
        self.now = 0.0
        self.inbox = Inbox(self.home.inbox, clock=lambda: self.now)
        self.admission = Admission(self.home, lambda: settings or Gatekeepers(), lambda: measure)

    def lay(self, name: str, content: bytes = GOOD, **sidecar: Any) -> None:
        file = self.home.inbox / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        if sidecar:
            file.with_name(f"{file.name}.meta.json").write_text(json.dumps(sidecar))

    def drops(self) -> list[Drop]:
        self.inbox.look()
        self.now += 1
        return self.inbox.look().finished

    def admit(self, pulse: Callable[[], None] = lambda: None) -> Outcome:
        """The only drop there is; it stays, as only the daemon removes it."""
        (drop,) = self.drops()
        return self.admission.admit(drop, pulse)

    def admit_as(self, name: str, content: bytes = GOOD, **sidecar: Any) -> Outcome:
        """Lays a drop, admits it, removes it."""
        self.lay(name, content, **sidecar)
        outcome = self.admit()
        for file in self.home.inbox.rglob("*"):
            if not file.is_dir():
                file.unlink()
        return outcome

    def folder(self, outcome: Outcome) -> Path:
        quest = self.queue.find(outcome.quest)
        assert quest
        assert (quest.state == "failed") == (outcome.refusal is not None)
        return quest.path


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "home")


# quests


def test_a_drop_becomes_a_quest_with_its_bytes_and_a_meta(gate: Gate) -> None:
    outcome = gate.admit_as("high/My Words.jsonl")
    folder = gate.folder(outcome)
    assert folder.parent.name == "high"
    assert plain(folder) == GOOD
    meta = read_meta(folder)
    assert meta == outcome.meta
    assert meta.name.endswith(f"-my-words-{hashlib.sha256(GOOD).hexdigest()[:8]}")
    assert (meta.original_name, meta.priority, meta.schema_id) == ("My Words.jsonl", "high", "chat_sft_v1")
    assert (meta.bytes, meta.lines, meta.epochs) == (len(GOOD), 2, 1)
    assert meta.sha256 == hashlib.sha256(GOOD).hexdigest()
    assert (meta.generator_id, meta.generator_version, meta.warnings) == ("unknown", "unknown", [])
    assert meta.validators == {"admission@1": "passed", "quick@1": "passed", "standard@1": "not run"}
    assert list(gate.home.staging.iterdir()) == []


PROMPTS = b'{"prompt": "2 + 2?", "completion": "4"}\n' * 2
TEXTS = b'{"text": "Once upon a time there was a squire who could not add."}\n' * 2


@pytest.mark.parametrize(("content", "spec"), [(PROMPTS, "prompt_completion_v1"), (TEXTS, "completion_v1")])
def test_prompts_and_texts_become_quests_of_their_spec(tmp_path: Path, chat: Any, content: bytes, spec: str) -> None:
    gate = Gate(tmp_path / "home", Gatekeepers(overlong="reject"), Measure(chat, max_length=40))
    for name, sidecar in (("guessed.jsonl", {}), ("said.jsonl", {"schema_id": spec})):
        outcome = gate.admit_as(name, content + b" \n" * len(sidecar), **sidecar)  # no twins
        assert outcome.refusal is None
        assert outcome.meta.schema_id == spec
        assert outcome.meta.validators["standard@1"] == "passed"


def test_a_drop_that_does_not_end_with_a_newline_stays_as_it_is(gate: Gate) -> None:
    content = GOOD + b"\n\r\n" + GOOD.rstrip(b"\n").replace(b"4", b"four")
    outcome = gate.admit_as("x.jsonl", content)
    assert plain(gate.folder(outcome)) == content
    assert outcome.meta.lines == 4


@pytest.mark.parametrize(
    ("name", "pack"), [("x.jsonl.gz", gzip.compress), ("x.jsonl.zst", zstandard.ZstdCompressor().compress)]
)
def test_a_compressed_drop_is_its_plain_bytes(gate: Gate, name: str, pack: Callable[[bytes], bytes]) -> None:
    outcome = gate.admit_as(name, pack(GOOD))
    assert plain(gate.folder(outcome)) == GOOD
    assert outcome.meta.sha256 == hashlib.sha256(GOOD).hexdigest()
    assert outcome.meta.bytes == len(GOOD)
    assert f"-x-{outcome.meta.sha256[:8]}" in outcome.quest


def test_the_sidecar_travels_along_and_its_words_are_in_the_meta(gate: Gate) -> None:
    sidecar: dict[str, Any] = {
        "schema_id": "chat_sft_v1",
        "generator_id": "bin",
        "generator_version": "2",
        "generated_at": "2026-01-01T00:00:00Z",
        "params": {"seed": 7},
        "skill": "bin",
        "level": 3,
        "example_count": 2,
        "epochs": 5,
        "validators": {"equations@1": "passed"},
    }
    outcome = gate.admit_as("x.jsonl", **sidecar)
    meta = outcome.meta
    assert (meta.generator_id, meta.generator_version, meta.skill, meta.level) == ("bin", "2", "bin", 3)
    assert (meta.epochs, meta.example_count, meta.generated_at) == (5, 2, "2026-01-01T00:00:00Z")
    assert meta.params == {"seed": 7}
    assert meta.validators["equations@1"] == "passed"
    assert meta.warnings == []
    assert json.loads((gate.folder(outcome) / "sidecar.json").read_bytes()) == sidecar


def test_a_sidecar_that_counts_otherwise_or_says_more_than_is_read_is_a_warning(gate: Gate) -> None:
    outcome = gate.admit_as("x.jsonl", example_count=3, epoch=2)
    assert outcome.refusal is None
    assert outcome.meta.warnings == [
        "x.jsonl.meta.json: nobody reads the key 'epoch' (is it spelled as in the docs?)",
        "the sidecar counts 3 examples, the drop has 2 (is the drop complete?)",
    ]


def test_a_sidecar_that_came_too_late_is_a_warning(gate: Gate) -> None:
    gate.lay("x.jsonl")
    (drop,) = gate.drops()
    outcome = gate.admission.admit(dataclasses.replace(drop, sidecar_is_late=True), lambda: None)
    assert outcome.refusal is None
    (warning,) = outcome.meta.warnings
    assert warning.startswith("its sidecar was not finished, or not readable, for a minute")


def test_lengths_are_measured_with_the_heros_tokenizer(tmp_path: Path, chat: Any) -> None:
    gate = Gate(tmp_path / "home", measure=Measure(chat, max_length=20))
    outcome = gate.admit_as("x.jsonl", chat_line("a" * 50) + chat_line("b"))
    tokens = outcome.meta.params["sampled_tokens"]
    assert (tokens["lines"], tokens["max_length"], tokens["share_over_max_length"]) == (2, 20, 0.5)
    assert outcome.meta.validators["standard@1"] == "warned"
    strict = Gate(tmp_path / "strict", Gatekeepers(overlong="reject"), Measure(chat, max_length=20))
    refused = strict.admit_as("x.jsonl", chat_line("a" * 50))
    assert refused.refusal
    assert refused.refusal.counts == {"overlong": 1}


# refused


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "empty": ("x.jsonl", b"", "the file is empty"),
    "blank lines": ("x.jsonl", b"\n\n", "the file has only blank lines"),
    "broken on line 17": ("x.jsonl", GOOD * 8 + b"{,\n" + GOOD, "line 17: not valid JSON ("),
    "a line of 70 MB": ("x.jsonl", GOOD + b"x" * (70 * 2**20) + b"\n" + GOOD, "line 3: a line of 73,400,320 bytes"),
    "invalid UTF-8": ("x.jsonl", GOOD + GOOD.replace(b"4", b"\xff"), "line 3: not valid UTF-8 (byte"),
    "no assistant": ("x.jsonl", b'{"messages": [{"role": "user", "content": "hi"}]}', "line 1: no assistant turn"),
    "empty completion": ("x.jsonl", PROMPTS + b'{"prompt": "x", "completion": ""}', "line 3: 'completion' is empty"),
    "a text that is none": ("x.jsonl", TEXTS + b'{"text": null}', "line 3: 'text' is no text"),
    "unknown columns": ("x.jsonl", b'{"q": 1, "a": 2}', "line 1: no dataset spec has the columns q, a"),
    "unknown schema": ("x.jsonl", chat_line("q", metadata={"schema_id": "v9"}), "line 1: unknown schema_id 'v9'"),
    "no gzip": ("x.jsonl.gz", GOOD, "it is no valid gzip file"),
    "cut gzip": ("x.jsonl.gz", gzip.compress(os.urandom(99).hex().encode() * 99)[:-20], "the gzip data end too early"),
    "gzip bomb": ("x.jsonl.gz", gzip.compress(bytes(50 * 2**20)), "it decompresses to more than 20 times its size"),
    "no zstd": ("x.jsonl.zst", GOOD, "it is no valid zstd file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_drop_is_refused_with_a_reason_and_keeps_its_bytes(gate: Gate, case: str) -> None:
    name, content, reason = REFUSED[case]
    outcome = gate.admit_as(name, content)
    folder = gate.folder(outcome)
    found = error(folder)
    assert found["reason"].startswith(reason)
    assert found["total"] == 1
    (finding,) = found["findings"]
    assert finding["text"] in found["reason"]
    assert finding["how_to_mend"]
    kept = [
        (folder / name).read_bytes()
        for name in ("quest.jsonl", "original.gz", "original.zst")
        if (folder / name).exists()
    ]
    assert kept == [content]
    assert meta(folder)["original_name"] == name
    assert meta(folder)["sha256"] == hashlib.sha256(content).hexdigest()


def test_an_archive_with_bad_lines_is_refused_with_its_plain_bytes(gate: Gate) -> None:
    outcome = gate.admit_as("x.jsonl.gz", gzip.compress(GOOD + b"oops\n"))
    folder = gate.folder(outcome)
    assert plain(folder) == GOOD + b"oops\n"
    assert error(folder)["findings"][0]["line"] == 3


def test_what_a_link_points_to_is_not_read(gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(GOOD)
    (gate.home.inbox / "x.jsonl").symlink_to(tmp_path / "secret")
    (gate.home.inbox / "x.jsonl.meta.json").write_text("{}")
    outcome = gate.admit()
    folder = gate.folder(outcome)
    assert error(folder)["reason"].startswith(f"a symbolic link to {tmp_path}/secret")
    assert not (folder / "quest.jsonl").exists()
    assert (folder / "sidecar.json").exists()


SIDECARS: dict[str, tuple[bytes, str]] = {
    "broken": (b'{"epochs": 2', "x.jsonl.meta.json: Input data was truncated"),
    "wrong type": (b'{"epochs": "two"}', "x.jsonl.meta.json: Expected `int`, got `str` - at `$.epochs`"),
    "unknown schema": (b'{"schema_id": "v9"}', "the sidecar's schema_id 'v9' is unknown (use one of chat_sft_v1"),
    "endless": (b" " * (3 * 2**20), "x.jsonl.meta.json: longer than 1,048,576 bytes"),
}


@pytest.mark.parametrize("case", SIDECARS)
def test_a_drop_with_a_bad_sidecar_is_refused_for_the_sidecar_and_both_are_kept(gate: Gate, case: str) -> None:
    content, reason = SIDECARS[case]
    (gate.home.inbox / "x.jsonl.meta.json").write_bytes(content)
    gate.lay("x.jsonl")
    folder = gate.folder(gate.admit())
    assert error(folder)["reason"].startswith(reason)
    assert plain(folder) == GOOD
    assert (folder / "sidecar.json").read_bytes() == content


def test_a_linked_sidecar_is_not_read(gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"generator_id": "secret"}')
    (gate.home.inbox / "x.jsonl.meta.json").symlink_to(tmp_path / "secret")
    gate.lay("x.jsonl")
    outcome = gate.admit()
    assert outcome.refusal
    assert outcome.refusal.reason.startswith("x.jsonl.meta.json: a symbolic link to ")
    assert outcome.meta.generator_id == "unknown"


def test_names_that_could_do_harm_become_slugs(gate: Gate) -> None:
    for name in ("-rf %2e%2e%2fetc.jsonl", "two\nlines.jsonl", os.fsdecode(b"caf\xe9.jsonl"), "x" * 249 + ".jsonl"):
        outcome = gate.admit_as(name, chat_line(repr(name)))
        assert gate.folder(outcome).parent.name == "normal"
        assert outcome.meta.original_name.isprintable()


# twins


def test_a_twin_of_a_waiting_or_claimed_quest_is_refused(gate: Gate) -> None:
    first = gate.admit_as("x.jsonl").quest
    second = gate.admit_as("y.jsonl")
    assert second.refusal
    assert second.refusal.reason.startswith(
        f'the same lines as x.jsonl, which waits as {first} (nothing is amiss; "epochs": N'
    )
    gate.queue.claim(first)
    third = gate.admit_as("z.jsonl.gz", gzip.compress(GOOD))
    assert third.refusal
    assert third.refusal.reason.startswith(f"the same lines as x.jsonl, which is being trained as {first} (")
    assert plain(gate.folder(third)) == GOOD


def test_a_twin_of_a_completed_quest_is_admitted_with_a_warning(gate: Gate) -> None:
    first = gate.admit_as("x.jsonl").quest
    gate.queue.claim(first)
    gate.queue.complete(first, b"{}")
    second = gate.admit_as("x.jsonl")
    assert second.refusal is None
    assert second.meta.warnings == [f"its lines were trained on before, as {first}"]
    assert second.meta.validators["admission@1"] == "warned"


def test_a_twin_of_a_failed_quest_is_admitted(gate: Gate) -> None:
    first = gate.admit_as("x.jsonl").quest
    gate.queue.claim(first)
    gate.queue.fail(first, b"{}")
    second = gate.admit_as("x.jsonl")
    assert (second.refusal, second.meta.warnings) == (None, [])


def test_equal_beginnings_of_hashes_make_no_twins(gate: Gate) -> None:
    first = gate.folder(gate.admit_as("x.jsonl"))
    other = chat_line("another")
    lie = first.with_name(first.name[:-8] + hashlib.sha256(other).hexdigest()[:8])
    first.rename(lie)
    assert gate.admit_as("y.jsonl", other).refusal is None


def test_a_quest_whose_meta_a_hand_has_broken_is_nobodys_twin(gate: Gate) -> None:
    first = gate.folder(gate.admit_as("x.jsonl"))
    for content in (b"\xff", b"{}", None):
        (first / "meta.json").unlink(missing_ok=True)
        if content is not None:
            (first / "meta.json").write_bytes(content)
        outcome = gate.admit_as("x.jsonl")
        assert outcome.refusal is None
        gate.queue.remove(outcome.quest)


# again


def test_a_drop_whose_quest_was_published_before_a_crash_makes_no_second_one(gate: Gate) -> None:
    gate.lay("x.jsonl")
    first = gate.admit()
    gate.admission = Admission(gate.home, Gatekeepers, lambda: None)
    assert gate.admit() == first
    gate.queue.claim(first.quest)
    assert gate.admit() == first
    gate.queue.complete(first.quest, b"{}")
    assert gate.admit() == first
    assert [len(gate.queue.names(state)) for state in ("normal", "processing", "failed")] == [0, 0, 0]


def test_a_drop_that_was_refused_before_a_crash_is_not_refused_twice(gate: Gate) -> None:
    gate.lay("x.jsonl", b"oops\n")
    first = gate.admit()
    assert first.refusal
    assert gate.admit() == first
    assert len(gate.queue.names("failed")) == 1


def test_the_same_file_dropped_again_is_a_twin_not_a_crash(gate: Gate, tmp_path: Path) -> None:
    """A hard link has the inode, size and mtime it had before."""
    (tmp_path / "mine").write_bytes(GOOD)
    os.link(tmp_path / "mine", gate.home.inbox / "x.jsonl")
    first = gate.admit()
    (gate.home.inbox / "x.jsonl").unlink()
    os.link(tmp_path / "mine", gate.home.inbox / "x.jsonl")
    second = gate.admit()
    assert second.quest != first.quest
    assert second.refusal
    assert second.refusal.counts == {"twin": 1}


# changes while it is copied


def after(pulses: int, act: Callable[[], object]) -> Callable[[], None]:
    """A pulse that does something once, when it has been felt so many times."""
    felt = iter(range(10**9))

    def pulse() -> None:
        if next(felt) == pulses:
            act()

    return pulse


@pytest.mark.parametrize("change", ["append", "touch", "truncate", "replace", "remove", "sidecar", "open"])
def test_a_drop_that_changes_while_it_is_copied_is_left_for_the_next_look(gate: Gate, change: str) -> None:
    gate.lay("x.jsonl", GOOD * 50_000, epochs=2)
    file, sidecar = gate.home.inbox / "x.jsonl", gate.home.inbox / "x.jsonl.meta.json"
    held = []
    changes: dict[str, Callable[[], object]] = {
        "append": lambda: os.truncate(file, file.stat().st_size + 1),
        "touch": lambda: os.utime(file, (1, 1)),
        "truncate": lambda: os.truncate(file, 1),
        "replace": lambda: replace(file),
        "remove": file.unlink,
        "sidecar": lambda: sidecar.write_text('{"epochs": 3}'),
        "open": lambda: held.append(file.open("ab")),
    }
    with pytest.raises(DropChanged):
        gate.admit(after(3, changes[change]))
    assert gate.queue.latest() is None
    assert list(gate.home.staging.iterdir()) == []


def replace(file: Path) -> None:
    file.with_name(".other").write_bytes(chat_line("another"))
    file.with_name(".other").rename(file)


def test_of_a_drop_that_was_replaced_nothing_is_read(gate: Gate) -> None:
    gate.lay("x.jsonl")
    (drop,) = gate.drops()
    replace(drop.path)
    reads: list[None] = []
    with pytest.raises(DropChanged):
        gate.admission.admit(drop, lambda: reads.append(None))
    assert reads == []


def test_what_stops_the_pulse_stops_the_copy_and_leaves_nothing(gate: Gate) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    gate.lay("x.jsonl", GOOD * 50_000)
    with pytest.raises(KeyboardInterrupt):
        gate.admit(after(2, stop))
    assert list(gate.home.staging.iterdir()) == []
    assert (gate.home.inbox / "x.jsonl").exists()


def test_a_drop_that_cannot_be_opened_is_unreadable_not_refused(gate: Gate) -> None:
    gate.lay("x.jsonl")
    (drop,) = gate.drops()
    drop.path.unlink()
    drop.path.symlink_to("elsewhere")
    with pytest.raises(DropUnreadable, match="symbolic links"):
        gate.admission.admit(drop, lambda: None)


# at start


def test_what_a_kill_left_half_made_is_removed(gate: Gate) -> None:
    half = gate.home.staging / ".0123456789abcdef"
    half.mkdir()
    (half / "quest.jsonl").write_bytes(GOOD)
    (gate.home.staging / ".x.tmp").write_bytes(GOOD)
    (gate.home.staging / "link").symlink_to(gate.home.inbox)
    gate.lay("x.jsonl")
    gate.admission.recover()
    assert list(gate.home.staging.iterdir()) == []
    assert (gate.home.inbox / "x.jsonl").exists()


def test_names_go_on_after_the_newest_quest_there_is(gate: Gate) -> None:
    future = "20991231T235959.999999Z-x-0123abcd"
    (gate.home.queue / "low" / future).mkdir()
    gate.admission = Admission(gate.home, Gatekeepers, lambda: None)
    assert gate.admit_as("x.jsonl").quest > future


# shortage


@needs_root
def test_a_disk_with_too_little_space_makes_the_drop_wait(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", f"size={SPACE_KEPT + 2**20}") as disk:
        gate = Gate(disk / "home")
        gate.lay("x.jsonl")
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(2 * 2**20))
        with pytest.raises(Shortage, match="255 MB free on the disk of the realm's home, 256 MB needed"):
            gate.admit()
        assert list(gate.home.staging.iterdir()) == []
        ballast.unlink()
        assert gate.admit().refusal is None


@needs_root
def test_an_archive_that_would_fill_the_disk_waits_before_it_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", f"size={SPACE_KEPT + 2**23}") as disk:
        gate = Gate(disk / "home")
        gate.lay("x.jsonl.gz", gzip.compress(os.urandom(5 * 2**20).hex().encode()))
        with pytest.raises(Shortage, match="MB needed"):
            gate.admit()
        assert shutil.disk_usage(disk).free > SPACE_KEPT


@needs_root
def test_a_disk_without_inodes_makes_the_drop_wait(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1g", "nr_inodes=400") as disk:
        gate = Gate(disk / "home")
        gate.lay("x.jsonl")
        fillers = list(fill(disk))
        shortages = []
        while gate.queue.latest() is None:
            assert list(gate.home.staging.iterdir()) == []
            fillers.pop().unlink()
            try:
                outcome = gate.admit()
            except Shortage as shortage:
                shortages.append(str(shortage))
        assert len(shortages) >= 2
        assert all("No space left" in shortage for shortage in shortages)
        assert plain(gate.folder(outcome)) == GOOD


def fill(disk: Path) -> Iterator[Path]:
    """Takes every inode."""
    for number in count():
        try:
            (disk / f"{number}").touch()
        except OSError:
            return
        yield disk / f"{number}"


@needs_root
def test_a_queue_that_may_not_be_written_makes_the_drop_wait(gate: Gate) -> None:
    gate.lay("x.jsonl")
    with immutable(gate.home.queue / "normal"), pytest.raises(Shortage, match="Operation not permitted"):
        gate.admit()
    assert list(gate.home.staging.iterdir()) == []
    assert gate.admit().refusal is None


def test_a_folder_of_the_home_that_is_gone_makes_the_drop_wait(gate: Gate) -> None:
    gate.lay("low/x.jsonl")
    (gate.home.queue / "low").rmdir()
    with pytest.raises(Shortage, match="No such file or directory"):
        gate.admit()


def test_a_disk_error_is_no_shortage() -> None:
    assert errno.EIO not in SHORTAGES
