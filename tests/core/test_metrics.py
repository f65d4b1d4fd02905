import math
import threading
from pathlib import Path

import pytest

from realm.core import metrics
from realm.core.jsonl import rotated
from realm.core.metrics import MetricsWriter, read_metrics


def losses(folder: Path) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in read_metrics(folder)}


def fight(writer: MetricsWriter, first: int, last: int, loss: float) -> None:
    for step in range(first, last + 1):
        writer.write({"step": step, "loss": loss})


def test_rows_are_read_by_step_once_they_are_flushed(tmp_path: Path) -> None:
    writer = MetricsWriter(tmp_path, "trainer")
    fight(writer, 1, 3, 0.5)
    writer.flush()
    assert read_metrics(tmp_path) == [{"step": step, "loss": 0.5} for step in (1, 2, 3)]
    assert read_metrics(tmp_path, "watchtower") == []


def test_a_resume_takes_back_the_steps_that_did_not_survive(tmp_path: Path) -> None:
    before = MetricsWriter(tmp_path, "trainer")
    fight(before, 1, 10, 1.0)
    before.flush()
    after = MetricsWriter(tmp_path, "trainer")
    after.rewind(to_step=6)
    assert list(losses(tmp_path)) == [1, 2, 3, 4, 5, 6]  # a shorter replay leaves no ghosts of steps 7 to 10
    fight(after, 7, 8, 2.0)
    after.flush()
    assert losses(tmp_path) == {**dict.fromkeys(range(1, 7), 1.0), 7: 2.0, 8: 2.0}


def test_the_last_row_of_a_step_counts(tmp_path: Path) -> None:
    writer = MetricsWriter(tmp_path, "trainer")
    fight(writer, 1, 3, 1.0)
    fight(writer, 2, 2, 9.0)
    writer.flush()
    assert losses(tmp_path) == {1: 1.0, 2: 9.0, 3: 1.0}


def test_full_files_are_set_aside_and_all_kept_and_rewinds_reach_into_them(tmp_path: Path) -> None:
    writer = MetricsWriter(tmp_path, "trainer", rotate_bytes=100)
    for step in range(1, 41):
        fight(writer, step, step, 1.0)
        writer.flush()
    assert len(rotated(tmp_path / "trainer.jsonl")) > 5
    assert list(losses(tmp_path)) == list(range(1, 41))
    writer.rewind(to_step=2)
    assert list(losses(tmp_path)) == [1, 2]


def test_a_torn_last_line_is_ignored_and_cut_off_by_the_next_writer(tmp_path: Path) -> None:
    file = tmp_path / "trainer.jsonl"
    file.write_bytes(b'{"step":1,"loss":0.5}\n{"step":2,"lo')
    assert losses(tmp_path) == {1: 0.5}
    MetricsWriter(tmp_path, "trainer").rewind(to_step=1)
    assert file.read_bytes() == b'{"step":1,"loss":0.5}\n{"rewind_to_step":1}\n'


def test_garbage_left_by_a_power_cut_is_no_row(tmp_path: Path) -> None:
    (tmp_path / "trainer.jsonl").write_bytes(b'\0\0\n5\n{"lo\n{"step":1,"loss":0.5}\n')
    assert losses(tmp_path) == {1: 0.5}


def test_a_loss_that_is_no_number_is_null_with_its_reason(tmp_path: Path) -> None:
    writer = MetricsWriter(tmp_path, "trainer")
    writer.write({"step": 1, "loss": math.nan, "problems": ["not applied"]})
    writer.flush()
    assert read_metrics(tmp_path) == [{"step": 1, "loss": None, "problems": ["not applied", "loss is nan"]}]


@pytest.mark.parametrize("row", [{}, {"step": None}, {"step": -1}, {"step": "7"}, {"step": 1.0}])
def test_a_row_without_a_step_is_refused(tmp_path: Path, row: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="needs a step"):
        MetricsWriter(tmp_path, "trainer").write(row)


def test_rows_wait_while_the_disk_is_full(tmp_path: Path) -> None:
    file = tmp_path / "trainer.jsonl"
    file.symlink_to("/dev/full")
    writer = MetricsWriter(tmp_path, "trainer")
    fight(writer, 1, 3, 1.0)
    writer.flush()
    assert writer.lost_rows == 3
    writer.rewind(to_step=2)
    fight(writer, 3, 4, 2.0)
    writer.flush()
    assert writer.lost_rows == 6
    file.unlink()
    writer.flush()
    assert losses(tmp_path) == {1: 1.0, 2: 1.0, 3: 2.0, 4: 2.0}
    assert writer.lost_rows == 0


def test_the_oldest_of_too_many_rows_that_wait_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_WAITING", 2)
    file = tmp_path / "trainer.jsonl"
    file.symlink_to("/dev/full")
    writer = MetricsWriter(tmp_path, "trainer")
    for step in range(1, 6):
        fight(writer, step, step, 1.0)
        writer.flush()
    assert writer.lost_rows == 5
    file.unlink()
    writer.flush()
    assert list(losses(tmp_path)) == [4, 5]
    assert writer.lost_rows == 3


def test_flushing_from_another_thread_loses_and_repeats_nothing(tmp_path: Path) -> None:
    writer, done = MetricsWriter(tmp_path, "trainer"), threading.Event()

    def flush() -> None:
        while not done.is_set():
            writer.flush()

    flusher = threading.Thread(target=flush)
    flusher.start()
    fight(writer, 1, 5000, 1.0)
    done.set()
    flusher.join()
    writer.flush()
    lines = (tmp_path / "trainer.jsonl").read_bytes().splitlines()
    assert len(lines) == 5000
    assert list(losses(tmp_path)) == list(range(1, 5001))
