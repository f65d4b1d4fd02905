import os
import tempfile
from pathlib import Path

import pytest

from realm.arena.intake.leases import Writers, writers_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x"
    path.write_text("content")
    return path


def test_a_file_at_rest_has_no_writers_and_stays_as_it_is(file: Path) -> None:
    before = file.stat()
    assert writers_of(file) is Writers.NONE
    assert file.stat() == before
    with file.open("a"):  # nobody has to wait for our lease
        assert writers_of(file) is Writers.SOME
    assert writers_of(file) is Writers.NONE


def test_readers_are_no_writers(file: Path) -> None:
    with file.open():
        assert writers_of(file) is Writers.NONE


def test_a_writer_counts_by_whatever_name_it_opened_the_file(file: Path) -> None:
    os.link(file, file.with_name("y"))
    with file.with_name("y").open("a"):
        assert writers_of(file) is Writers.SOME


def test_links_are_not_followed(file: Path) -> None:
    file.with_name("link").symlink_to(file)
    with pytest.raises(OSError, match="symbolic links"):
        writers_of(file.with_name("link"))


def test_a_pipe_does_not_make_it_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert writers_of(tmp_path / "pipe") is Writers.UNKNOWN


def test_a_file_that_is_gone_is_an_error() -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.raises(FileNotFoundError):
        writers_of(Path(folder) / "x")
