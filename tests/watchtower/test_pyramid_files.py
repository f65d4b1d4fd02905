"""The pyramid's files are those that all rows at once would make, whatever befell rows, files and writer."""

import os
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from realm.core.metrics import MetricsWriter
from realm.core.paths import Home
from realm.watchtower import pyramid_keeper, row_reader
from realm.watchtower.pyramid import BUCKET, WIDTHS
from realm.watchtower.pyramid_keeper import PyramidKeeper
from tests.watchtower.raw import STEPS, Trainer, on_disk, row, slow_pyramid


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


class Watch:
    """A keeper of one life, with what it told."""

    def __init__(self, home: Home, told: list[str] | None = None):
        self.told = [] if told is None else told
        self.keeper = PyramidKeeper(home, self.told.append)

    def catch_up(self) -> None:
        while self.keeper.look():
            pass

    def end(self) -> None:
        self.keeper.close()


def built(home: Home, steps: int) -> Trainer:
    """A home with so many steps in its pyramid."""
    trainer = Trainer(home.metrics, seed=1)
    trainer.train(steps)
    watch = Watch(home)
    watch.catch_up()
    watch.end()
    assert on_disk(home.metrics) == slow_pyramid(home.metrics)
    return trainer


def reason_to_rebuild(home: Home) -> str:
    """Of the next start, after which all is as it should be."""
    watch = Watch(home)
    watch.catch_up()
    watch.end()
    assert on_disk(home.metrics) == slow_pyramid(home.metrics)
    return " ".join(watch.told)


@pytest.mark.parametrize("seed", range(12))
def test_files_equal_the_slow_pyramid_after_whatever_happens(
    home: Home, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Appends, rewinds, lost rows, rotations, torn lines; looked at after each or seldom, by lives that end between."""
    monkeypatch.setattr(row_reader, "BLOCK", (300, 5000, 4 * 2**20)[seed % 3])
    trainer, watch = Trainer(home.metrics, seed), Watch(home)
    for act in range(60):
        trainer.act()
        if trainer.random.random() < 0.5:
            watch.keeper.look()
        if trainer.random.random() < 0.2:
            watch.end()
            watch = Watch(home, watch.told)
        if act % 10 == 9:
            watch.catch_up()
            assert on_disk(home.metrics) == slow_pyramid(home.metrics)
    assert watch.told == [f"{home.metrics / 'pyramid' / 'index.json'} does not exist"]
    assert len(list(home.metrics.glob("trainer.*.jsonl"))) > 1
    watch.end()


def test_more_steps_than_one_piece_and_a_rewind_far_back(home: Home) -> None:
    trainer = Trainer(home.metrics, seed=3, rotate_bytes=2**20)
    trainer.train(40_000)
    watch = Watch(home)
    watch.catch_up()
    assert on_disk(home.metrics) == slow_pyramid(home.metrics)
    MetricsWriter(home.metrics, "trainer").rewind(9000)
    trainer.step = 9000
    trainer.train(10)
    watch.catch_up()
    assert on_disk(home.metrics) == slow_pyramid(home.metrics)
    assert watch.keeper.index.last_step == watch.keeper.index.rows == 9010
    watch.end()


def test_a_rewind_into_a_gap_ends_at_the_last_step_that_has_a_row(home: Home) -> None:
    trainer = Trainer(home.metrics, seed=3)
    trainer.train(20)
    trainer.step = 60
    trainer.train(5)
    reason_to_rebuild(home)
    trainer.rewind(50)
    assert reason_to_rebuild(home) == ""
    assert (home.metrics / "pyramid" / STEPS).stat().st_size == 20 * 28


def test_the_index_tells_what_lies_where_and_how_far_the_rows_were_read(home: Home) -> None:
    built(home, 1000)
    index = orjson.loads((home.metrics / "pyramid" / "index.json").read_bytes())
    assert (index["schema"], index["widths"], index["record_bytes"]) == ("pyramid@1", list(WIDTHS), BUCKET.size)
    assert (index["last_step"], index["rows"], index["bytes_left"]) == (1000, 1000, 0)
    assert {width: level["records"] for width, level in index["levels"].items()} == {
        "8": 125,
        "64": 16,
        "512": 2,
        "4096": 1,
        "32768": 1,
    }
    for level in (*index["levels"].values(), index["steps"]):
        size = BUCKET.size if level["file"] != STEPS else index["step_record_bytes"]
        assert (home.metrics / "pyramid" / level["file"]).stat().st_size == level["records"] * size


def test_looks_at_rows_that_do_not_change_write_nothing(home: Home) -> None:
    built(home, 100)
    watch = Watch(home)
    watch.catch_up()
    before = {path: path.stat().st_mtime_ns for path in (home.metrics / "pyramid").iterdir()}
    assert not any(watch.keeper.look() for _ in range(3))
    assert {path: path.stat().st_mtime_ns for path in (home.metrics / "pyramid").iterdir()} == before
    watch.end()


def test_a_home_without_rows_has_an_empty_pyramid(home: Home) -> None:
    reason_to_rebuild(home)
    assert on_disk(home.metrics) == {**dict.fromkeys((f"{width}.bin" for width in WIDTHS), b""), STEPS: b""}


# Damage


@pytest.mark.parametrize("file", [STEPS, "8.bin", "64.bin", "512.bin"])
def test_a_flipped_bit_is_found_by_the_next_start_and_all_is_built_anew(home: Home, file: str) -> None:
    built(home, 1100)
    path = home.metrics / "pyramid" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 1
    path.write_bytes(content)
    assert f"{path} is damaged: its CRC-32 is" in reason_to_rebuild(home)
    assert reason_to_rebuild(home) == ""


@pytest.mark.parametrize("file", [STEPS, "8.bin", "512.bin", "index.json"])
def test_a_missing_or_short_file_is_built_anew(home: Home, file: str) -> None:
    built(home, 1100)
    path = home.metrics / "pyramid" / file
    path.unlink()
    assert f"{path} does not exist" in reason_to_rebuild(home)
    path.write_bytes(path.read_bytes()[:20])
    assert str(path) in reason_to_rebuild(home)


def test_an_index_of_another_version_is_built_anew(home: Home) -> None:
    built(home, 100)
    path = home.metrics / "pyramid" / "index.json"
    path.write_bytes(path.read_bytes().replace(b'"loss_ema"', b'"other"'))
    assert "series is" in reason_to_rebuild(home)


def test_damage_while_it_runs_is_noticed_by_the_next_look(home: Home) -> None:
    trainer = built(home, 100)
    watch = Watch(home)
    watch.catch_up()
    (home.metrics / "pyramid" / "8.bin").write_bytes(b"")
    (home.metrics / "pyramid" / "steps.bin").unlink()
    trainer.train(10)
    watch.catch_up()
    assert len(watch.told) == 1
    assert on_disk(home.metrics) == slow_pyramid(home.metrics)
    watch.end()


# The rows under it


def test_rows_that_were_cut_or_replaced_are_all_read_again(home: Home) -> None:
    built(home, 100)
    path = home.metrics / "trainer.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]))
    assert "is not the file" in reason_to_rebuild(home)
    path.write_bytes(b"".join(reversed(lines)))
    assert "is not the file" in reason_to_rebuild(home)


def test_rows_that_are_cut_while_it_runs_are_all_read_again(home: Home) -> None:
    built(home, 20)
    watch = Watch(home)
    watch.catch_up()
    path = home.metrics / "trainer.jsonl"
    os.truncate(path, path.read_bytes().index(b"\n") + 1)
    watch.catch_up()
    assert "was cut or changed" in watch.told[0]
    assert on_disk(home.metrics) == slow_pyramid(home.metrics)
    watch.end()


def test_a_home_that_was_copied_has_the_same_rows_under_other_inodes(home: Home, tmp_path: Path) -> None:
    built(home, 300)
    copied = Home(tmp_path / "copied")
    shutil.copytree(home.root, copied.root)
    reason_to_rebuild(copied)
    assert on_disk(copied.metrics) == on_disk(home.metrics)


def test_the_curves_of_a_new_campaign_begin_anew_and_the_old_ones_are_not_touched(home: Home, tmp_path: Path) -> None:
    """`realm config unlock` moves metrics/ aside while the watchtower runs."""
    trainer = built(home, 300)
    watch = Watch(home)
    watch.catch_up()
    trainer.train(5)
    aside = tmp_path / "aside"
    home.metrics.rename(aside)
    before = on_disk(aside)
    with pytest.raises(FileNotFoundError):
        watch.catch_up()
    home.create()
    Trainer(home.metrics, seed=2).train(30)
    watch.catch_up()
    assert on_disk(home.metrics) == slow_pyramid(home.metrics)
    assert watch.keeper.index.last_step == 30
    assert on_disk(aside) == before
    watch.end()


def test_a_row_far_ahead_is_left_out_and_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyramid_keeper, "MOST_AHEAD", 1000)
    trainer = Trainer(home.metrics, seed=4)
    trainer.train(10)
    writer = MetricsWriter(home.metrics, "trainer")
    writer.write(row(10**15, trainer.random))
    writer.flush()
    trainer.train(10)
    watch = Watch(home)
    watch.catch_up()
    assert (watch.keeper.index.last_step, watch.keeper.left_out) == (20, 10**15)
    watch.end()


# A full disk


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The kernel refuses to write further, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [0, 100, 600, 1200, 2900, 3000, 3600])
def test_a_write_that_fails_is_made_good_when_there_is_space_again(home: Home, size: int) -> None:
    trainer = built(home, 100)
    watch = Watch(home)
    watch.catch_up()
    trainer.die_and_resume()
    trainer.train(90)
    with no_file_larger_than(size), pytest.raises(OSError, match="File too large"):
        watch.catch_up()
    watch.catch_up()
    assert on_disk(home.metrics) == slow_pyramid(home.metrics)
    watch.end()
