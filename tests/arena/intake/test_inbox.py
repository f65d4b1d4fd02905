"""The inbox, looked at with a clock that the test turns; the files, writers and users are real."""

import os
import stat
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from realm.arena.intake.hints import Hints
from realm.arena.intake.inbox import Drop, Inbox, Look, printable
from tests.arena.watcher import needs_root

NOBODY = 65534
LONG_AGO = (1.0, 1.0)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Eyes:
    """An inbox, and looks at it that are so many seconds apart."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.clock = Clock()
        self.inbox = Inbox(folder, clock=self.clock)

    def look(self, after: float = 0.0) -> Look:
        self.clock.now += after
        return self.inbox.look()

    def finished(self, after: float = 0.3) -> list[str]:
        """What is finished so long after a first look."""
        self.look()
        return [drop.shown for drop in self.look(after).finished]


@pytest.fixture
def eyes(tmp_path: Path) -> Eyes:
    for priority in ("high", "normal", "low"):
        (tmp_path / "inbox" / priority).mkdir(parents=True)
    return Eyes(tmp_path / "inbox")


def lay(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}\n")


# finished


def test_a_drop_is_finished_when_it_is_the_same_as_a_moment_ago(eyes: Eyes) -> None:
    lay(eyes.folder, "x.jsonl")
    first = eyes.look()
    assert (first.finished, first.unfinished) == ([], 1)
    assert first.due == pytest.approx(0.2)
    assert eyes.look(0.1).finished == []
    second = eyes.look(0.15)
    assert [drop.path for drop in second.finished] == [eyes.folder / "x.jsonl"]
    assert (second.unfinished, second.problems) == (0, [])


def test_every_change_starts_the_wait_again(eyes: Eyes) -> None:
    lay(eyes.folder, "x.jsonl")
    for _ in range(5):
        assert eyes.look(0.15).finished == []
        with (eyes.folder / "x.jsonl").open("a") as file:
            file.write("{}\n")
    eyes.look(0.15)
    assert len(eyes.look(0.25).finished) == 1


def test_a_file_that_somebody_has_open_for_writing_is_never_finished(eyes: Eyes) -> None:
    with (eyes.folder / "x.jsonl").open("w") as file:
        file.write("{}\n")
        file.flush()
        assert eyes.finished(after=3600) == []
    assert len(eyes.look().finished) == 1


def test_a_file_that_somebody_reads_is_finished(eyes: Eyes) -> None:
    lay(eyes.folder, "x.jsonl")
    with (eyes.folder / "x.jsonl").open():
        assert eyes.finished() == ["x.jsonl"]


def test_a_finished_drop_that_is_written_to_again_is_no_longer_finished(eyes: Eyes) -> None:
    lay(eyes.folder, "x.jsonl")
    eyes.look()
    (drop,) = eyes.look(0.3).finished
    assert drop.is_still_finished
    with (eyes.folder / "x.jsonl").open("a") as file:
        assert not drop.is_still_finished
        file.write("{}\n")
    assert not drop.is_still_finished


@needs_root
def test_without_a_lease_a_drop_is_finished_when_it_was_quiet_for_ten_seconds(open_inbox: Path) -> None:
    lay(open_inbox, "x.jsonl")

    def look_as_another_user() -> None:
        eyes = Eyes(open_inbox)
        eyes.look()
        soon = eyes.look(0.3)
        assert soon.finished == []
        assert soon.due == pytest.approx(10.0)
        assert eyes.look(9.5).finished == []
        assert [drop.shown for drop in eyes.look(0.3).finished] == ["x.jsonl"]

    as_nobody(look_as_another_user)


# order


def test_high_comes_before_normal_before_low_and_then_the_earliest(eyes: Eyes) -> None:
    lay(
        eyes.folder, "low/1.jsonl", "z.jsonl", "a.jsonl", "normal/b.jsonl", "high/deep/er/9.jsonl", "other/high/c.jsonl"
    )
    assert eyes.finished() == [
        "high/deep/er/9.jsonl",
        "z.jsonl",
        "a.jsonl",
        "normal/b.jsonl",
        "other/high/c.jsonl",
        "low/1.jsonl",
    ]
    priorities = {drop.shown: drop.priority for drop in eyes.look().finished}
    assert priorities["high/deep/er/9.jsonl"] == "high"
    assert priorities["other/high/c.jsonl"] == "normal"
    assert priorities["low/1.jsonl"] == "low"


# names


def test_only_the_three_suffixes_are_drops_and_private_names_are_nobodys_business(eyes: Eyes) -> None:
    lay(eyes.folder, "a.jsonl", "b.jsonl.gz", "c.jsonl.zst", ".d.jsonl", "e.jsonl.tmp", "f.jsonl.part", "g.jsonl~")
    lay(eyes.folder, "h.json", "i.JSONL", "j.jsonl.bz2", ".hidden/k.jsonl", "half.part/l.jsonl")
    assert sorted(eyes.finished()) == ["a.jsonl", "b.jsonl.gz", "c.jsonl.zst"]


def test_what_is_no_drop_is_reported_when_it_is_a_minute_old_and_stays(eyes: Eyes) -> None:
    lay(eyes.folder, "readme.txt", "new.txt", "old.part", "lost.jsonl.meta.json")
    os.mkfifo(eyes.folder / "pipe.jsonl")
    for name in ("readme.txt", "old.part", "lost.jsonl.meta.json", "pipe.jsonl"):
        os.utime(eyes.folder / name, LONG_AGO)
    look = eyes.look()
    assert look.drops == 0
    assert look.problems == [
        "inbox/lost.jsonl.meta.json has no quest beside it: it stays where it is",
        "inbox/pipe.jsonl is no regular file: it stays where it is",
        "inbox/readme.txt is not named .jsonl or .jsonl.gz or .jsonl.zst: it stays where it is",
    ]
    assert (eyes.folder / "readme.txt").exists()


def test_a_folder_named_like_a_quest_is_a_folder(eyes: Eyes) -> None:
    lay(eyes.folder, "x.jsonl/y.jsonl")
    assert eyes.finished() == ["x.jsonl/y.jsonl"]


def test_a_link_is_a_drop_of_its_own_and_linked_folders_are_not_entered(eyes: Eyes, tmp_path: Path) -> None:
    lay(tmp_path / "outside", "secret.jsonl")
    (eyes.folder / "link.jsonl").symlink_to(tmp_path / "outside" / "secret.jsonl")
    (eyes.folder / "dangling.jsonl").symlink_to("nowhere")
    (eyes.folder / "folder").symlink_to(tmp_path / "outside")
    eyes.look()
    look = eyes.look(0.3)
    assert sorted(drop.shown for drop in look.finished) == ["dangling.jsonl", "link.jsonl"]
    assert all(drop.is_link for drop in look.finished)


def test_strange_names_are_printed_on_one_line(eyes: Eyes) -> None:
    (eyes.folder / "two\nlines\x1b[31m.jsonl").write_text("{}\n")
    (eyes.folder / os.fsdecode(b"caf\xe9.jsonl")).write_text("{}\n")
    (eyes.folder / "größe.jsonl").write_text("{}\n")
    assert sorted(eyes.finished()) == ["caf\\xe9.jsonl", "größe.jsonl", "two\\nlines\\x1b[31m.jsonl"]
    assert printable("a\u2028b") == "a\\u2028b"


# sidecars


def the_drop(look: Look) -> Drop:
    (drop,) = look.finished
    return drop


def sidecar_name(look: Look) -> str | None:
    sidecar = the_drop(look).sidecar
    return sidecar.path.name if sidecar else None


@pytest.mark.parametrize(
    ("drop", "sidecar"),
    [
        ("x.jsonl", "x.jsonl.meta.json"),
        ("x.jsonl.gz", "x.jsonl.gz.meta.json"),
        ("x.jsonl.gz", "x.jsonl.meta.json"),
        ("x.jsonl.zst", "x.jsonl.meta.json"),
    ],
)
def test_a_sidecar_is_found_beside_its_drop(eyes: Eyes, drop: str, sidecar: str) -> None:
    lay(eyes.folder, drop, sidecar)
    os.utime(eyes.folder / sidecar, LONG_AGO)
    eyes.look()
    look = eyes.look(0.3)
    assert sidecar_name(look) == sidecar
    assert look.problems == []


def test_the_sidecar_of_a_plain_drop_is_not_that_of_its_compressed_neighbour(eyes: Eyes) -> None:
    lay(eyes.folder, "x.jsonl", "x.jsonl.gz", "x.jsonl.meta.json")
    eyes.look()
    sidecars = {drop.shown: drop.sidecar is not None for drop in eyes.look(0.3).finished}
    assert sidecars == {"x.jsonl": True, "x.jsonl.gz": False}


def test_a_drop_without_any_sign_of_a_sidecar_does_not_wait_for_one(eyes: Eyes) -> None:
    lay(eyes.folder, "x.jsonl", "y.jsonl.meta.json.part", "x.jsonl.meta.json~")
    eyes.look()
    assert sidecar_name(eyes.look(0.3)) is None


@pytest.mark.parametrize("sign", [".x.jsonl.meta.json.Ab3dEf", "x.jsonl.meta.json.part", "x.jsonl.meta.json.tmp"])
def test_a_drop_waits_for_a_sidecar_that_is_on_its_way(eyes: Eyes, sign: str) -> None:
    lay(eyes.folder, "x.jsonl", sign)
    assert eyes.finished() == []
    (eyes.folder / sign).rename(eyes.folder / "x.jsonl.meta.json")
    eyes.look()
    assert sidecar_name(eyes.look(0.3)) == "x.jsonl.meta.json"


def test_a_drop_waits_a_minute_at_most_for_a_sidecar_that_is_being_written(eyes: Eyes) -> None:
    lay(eyes.folder, "x.jsonl")
    with (eyes.folder / "x.jsonl.meta.json").open("w") as file:
        file.write("{}")
        file.flush()
        assert eyes.finished() == []
        assert eyes.look(59).finished == []
        late = the_drop(eyes.look(1))
        assert late.sidecar is None
        assert late.sidecar_is_late
    on_time = the_drop(eyes.look(1))
    assert on_time.sidecar is not None
    assert not on_time.sidecar_is_late


# folders


def test_a_folder_that_a_drop_left_empty_goes_when_nothing_happened_in_it_for_a_minute(eyes: Eyes) -> None:
    lay(eyes.folder, "a/b/x.jsonl", "low/y.jsonl")
    (eyes.folder / "made-by-a-person").mkdir()
    os.utime(eyes.folder / "made-by-a-person", LONG_AGO)
    eyes.look()
    for drop in eyes.look(0.3).finished:
        drop.path.unlink()
    eyes.look()
    assert (eyes.folder / "a/b").is_dir()
    for folder in ("a/b", "a", "low"):
        os.utime(eyes.folder / folder, LONG_AGO)
        eyes.look()
    assert sorted(path.name for path in eyes.folder.iterdir()) == ["high", "low", "made-by-a-person", "normal"]


def test_an_inbox_that_is_gone_is_a_problem_not_a_crash(eyes: Eyes) -> None:
    for folder in (*eyes.folder.iterdir(), eyes.folder):
        folder.rmdir()
    assert eyes.look().problems == ["inbox cannot be read: No such file or directory"]


# other users


@pytest.fixture
def open_inbox() -> Iterator[Path]:
    """An inbox that every user can reach."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        inbox = Path(folder) / "inbox"
        inbox.mkdir()
        inbox.chmod(0o777)
        yield inbox


def as_nobody(act: Callable[[], None]) -> None:
    """Does it in a child process, as another user."""
    child = os.fork()
    if child == 0:
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            act()
        except BaseException:  # noqa: BLE001 - the child must not go on as a second pytest
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@needs_root
def test_a_drop_that_may_not_be_read_waits_and_is_reported(open_inbox: Path) -> None:
    lay(open_inbox, "mine.jsonl", "theirs.jsonl")
    (open_inbox / "mine.jsonl").chmod(stat.S_IRUSR)
    os.chown(open_inbox / "theirs.jsonl", NOBODY, NOBODY)

    def look_as_another_user() -> None:
        eyes = Eyes(open_inbox)
        eyes.look()
        look = eyes.look(0.3)
        assert [drop.shown for drop in look.finished] == ["theirs.jsonl"]
        assert look.problems == ["inbox/mine.jsonl cannot be read: Permission denied; chmod a+r"]

    as_nobody(look_as_another_user)


@needs_root
def test_drops_of_a_folder_that_may_not_be_written_wait_and_the_folder_is_reported(open_inbox: Path) -> None:
    lay(open_inbox, "mine/x.jsonl")

    def look_as_another_user() -> None:
        eyes = Eyes(open_inbox)
        eyes.look()
        look = eyes.look(20)
        assert look.finished == []
        assert look.problems == ["inbox/mine: drops cannot be taken from it: chmod g+rwx"]

    as_nobody(look_as_another_user)


@needs_root
def test_a_folder_that_may_not_be_read_is_reported_and_costs_no_other_folder_its_hints(open_inbox: Path) -> None:
    lay(open_inbox, "secret/x.jsonl", "theirs.jsonl")
    (open_inbox / "secret").chmod(stat.S_IRWXU)
    os.chown(open_inbox / "theirs.jsonl", NOBODY, NOBODY)

    def look_as_another_user() -> None:
        hint = threading.Event()
        hints = Hints(hint)
        eyes = Eyes(open_inbox)
        eyes.inbox = Inbox(open_inbox, on_folder=hints.watch, clock=eyes.clock)
        eyes.look()
        look = eyes.look(0.3)
        assert [drop.shown for drop in look.finished] == ["theirs.jsonl"]
        assert look.problems == ["inbox/secret cannot be read: Permission denied; chmod g+rwx"]
        assert hints.problem is None
        lay(open_inbox, "another.jsonl")
        assert hint.wait(60)

    as_nobody(look_as_another_user)
