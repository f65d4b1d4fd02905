"""What a campaign is bound to."""

from pathlib import Path

import pytest

from realm.core.config import Config, ConfigError
from realm.core.locked import FILE, Locked, read_locked, write_locked
from tests.settings import TRAINING

BOUND = Locked.of(Config(model_name="squire"), TRAINING)


def test_it_is_read_as_it_was_written_and_absent_before(tmp_path: Path) -> None:
    assert read_locked(tmp_path) is None
    write_locked(tmp_path, BOUND)
    assert read_locked(tmp_path) == Locked(model_name="squire", base_model=None, max_length=64)


def test_each_change_is_named_with_the_command_that_unlocks_it() -> None:
    assert BOUND.changes(BOUND) == []
    others = Locked(model_name="dio", base_model="Qwen/Qwen3-0.6B", max_length=128)
    assert BOUND.changes(others) == [
        "model_name is locked at squire for this campaign, and dio is refused:"
        " `realm config unlock model_name dio` makes a backup first",
        "base_model is locked at null for this campaign, and Qwen/Qwen3-0.6B is refused:"
        " `realm config unlock base_model Qwen/Qwen3-0.6B` makes a backup first",
        "training.max_length is locked at 64 for this campaign, and 128 is refused:"
        " `realm config unlock training.max_length 128` makes a backup first",
    ]


def test_a_file_that_cannot_be_read_says_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"model_name": 3}')
    with pytest.raises(ConfigError, match=r"locked\.json: .*remove it"):
        read_locked(tmp_path)
