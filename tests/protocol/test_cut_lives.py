"""Whole lives of the trainer, cut at system calls that change a file: all come to the end of the one that was not cut.

The hero is a hash chain, so that a life takes a fraction of a second; test_trainer_points.py has tensors.
REALM_TEST_POINTS sets how many lives are cut for each fault (or: all), REALM_TEST_SEED where.
"""

import os
import shutil
from collections.abc import Iterator, Sequence

import pytest

from tests.protocol.injection import FAULTS
from tests.protocol.side_by_side import SideBySide
from tests.protocol.table import lines

POINTS = os.environ.get("REALM_TEST_POINTS", "30")
SEED = os.environ.get("REALM_TEST_SEED", "1")

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide]:
    with SideBySide(tmp_path_factory.mktemp("lives"), "--lives", POINTS, "--seed", SEED) as running:
        yield running


@pytest.mark.timeout(7200 if POINTS == "all" else 600)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_life_that_is_cut_anywhere_ends_as_if_it_was_not(
    lives: SideBySide, tables: dict[str, Sequence[str]], fault: str
) -> None:
    rows, said, status = lives.wait_for(fault)
    tables[f"lives of the trainer, cut by {fault}, REALM_TEST_SEED={SEED}"] = lines(rows)
    assert status == 0, said


def test_the_sample_has_every_area(lives: SideBySide) -> None:
    rows, _, _ = lives.wait_for("EIO")
    assert {"life: journal", "life: seals", "life: checkpoint-", "life: queue", "life: history"} <= {
        row.subject for row in rows
    }
