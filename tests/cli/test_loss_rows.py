"""The newest losses: the last row of each step, none that a resume undid, and nothing is read twice."""

from pathlib import Path

from realm.cli.loss_rows import KEPT, LossRows
from realm.core.metrics import MetricsWriter, read_metrics


def fight(folder: Path, first: int, last: int, loss: float | None = 1.0, **other: object) -> None:
    rows = MetricsWriter(folder, "trainer", **other)  # type: ignore[arg-type]
    for step in range(first, last + 1):
        rows.write({"step": step, "loss": loss, "quest": "x" * 50})
    rows.flush()


def as_read(folder: Path) -> dict[int, float]:
    """What the reader of all rows says of the newest steps."""
    losses = {row["step"]: row["loss"] for row in read_metrics(folder) if row["loss"] is not None}
    return dict(sorted(losses.items())[-KEPT:])


def test_nothing_is_there_before_the_first_step(tmp_path: Path) -> None:
    rows = LossRows(tmp_path)
    rows.look()
    assert rows.losses == {}
    fight(tmp_path, 1, 2)
    rows.look()
    assert rows.losses == {1: 1.0, 2: 1.0}


def test_only_the_newest_are_kept_from_the_first_look_on(tmp_path: Path) -> None:
    fight(tmp_path, 1, 3 * KEPT)
    rows = LossRows(tmp_path)
    assert list(rows.losses) == list(range(2 * KEPT + 1, 3 * KEPT + 1))
    fight(tmp_path, 3 * KEPT + 1, 3 * KEPT + 5)
    rows.look()
    assert rows.losses == as_read(tmp_path)
    assert max(rows.losses) == 3 * KEPT + 5


def test_what_was_read_is_not_read_again(tmp_path: Path) -> None:
    fight(tmp_path, 1, 10)
    rows = LossRows(tmp_path)
    file = tmp_path / "trainer.jsonl"
    with file.open("r+b") as content:  # no trainer does this: rows that are read anew would have another loss
        old = content.read()
        content.seek(0)
        content.write(old.replace(b'"loss":1.0', b'"loss":9.0'))
    fight(tmp_path, 11, 12)
    rows.look()
    assert rows.losses == dict.fromkeys(range(1, 13), 1.0)


def test_a_resume_takes_back_what_did_not_survive(tmp_path: Path) -> None:
    fight(tmp_path, 1, 10)
    rows = LossRows(tmp_path)
    MetricsWriter(tmp_path, "trainer").rewind(to_step=6)
    fight(tmp_path, 7, 8, loss=2.0)
    rows.look()
    assert rows.losses == as_read(tmp_path) == {**dict.fromkeys(range(1, 7), 1.0), 7: 2.0, 8: 2.0}
    assert LossRows(tmp_path).losses == rows.losses


def test_the_last_row_of_a_step_counts_also_if_it_has_no_loss(tmp_path: Path) -> None:
    fight(tmp_path, 1, 3)
    rows = LossRows(tmp_path)
    fight(tmp_path, 2, 2, loss=None)
    fight(tmp_path, 3, 3, loss=5.0)
    rows.look()
    assert rows.losses == as_read(tmp_path) == {1: 1.0, 3: 5.0}


def test_it_goes_on_across_rotations(tmp_path: Path) -> None:
    fight(tmp_path, 1, 3, rotate_bytes=100)
    rows = LossRows(tmp_path)
    for step in range(4, 30):
        fight(tmp_path, step, step, rotate_bytes=100)
    rows.look()
    assert list(rows.losses) == list(range(1, 30))


def test_garbage_and_a_torn_line_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "trainer.jsonl").write_bytes(b'\0\0\n5\n{"lo\n\xff\n{"step":1,"loss":0.5}\n{"step":2,"lo')
    assert LossRows(tmp_path).losses == {1: 0.5}
