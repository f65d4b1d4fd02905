import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from realm.core.instance import AlreadyRunning, InstanceLock
from realm.core.status import is_locked
from tests.arena.watcher import needs_root, small_disk


def test_the_lock_file_names_its_holder_alone_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "trainer.lock"
    file.write_text("pid 123456789, started long ago\n" * 9)
    lock = InstanceLock("trainer", tmp_path)
    lock.acquire()
    assert file.read_text().startswith(f"pid {os.getpid()}, started 20")
    assert file.read_text().count("\n") == 1
    assert is_locked(file)
    lock.release()
    assert file.exists()
    assert not is_locked(file)


def test_everybody_may_ask_whether_the_lock_is_held(tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        lock = InstanceLock("trainer", tmp_path)
        lock.acquire()
    finally:
        os.umask(umask)
    assert (tmp_path / "trainer.lock").stat().st_mode & 0o777 == 0o644
    lock.release()


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    InstanceLock("oracle", tmp_path).acquire()
    first = InstanceLock("trainer", tmp_path)
    first.acquire()
    with pytest.raises(AlreadyRunning, match=rf"trainer runs already: .*trainer\.lock is held by pid {os.getpid()}, "):
        InstanceLock("trainer", tmp_path).acquire()
    first.release()


def test_readers_who_probe_the_lock_keep_nobody_from_taking_it(tmp_path: Path) -> None:
    file, done = tmp_path / "trainer.lock", threading.Event()
    file.touch()

    def probe() -> None:
        while not done.is_set():
            is_locked(file)

    readers = [threading.Thread(target=probe) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(300):
            lock = InstanceLock("trainer", tmp_path)
            lock.acquire()
            lock.release()
    finally:
        done.set()
        for reader in readers:
            reader.join()


@needs_root
def test_on_a_full_disk_the_lock_is_held_without_a_signature(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        with suppress(OSError), (disk / "ballast").open("wb") as ballast:
            ballast.write(bytes(2**20))
        lock = InstanceLock("trainer", disk)
        lock.acquire()
        assert is_locked(disk / "trainer.lock")
        with pytest.raises(AlreadyRunning, match="held by a process that has not signed it"):
            InstanceLock("trainer", disk).acquire()
        lock.release()


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone is no folder"):
        InstanceLock("trainer", tmp_path / "gone").acquire()
    assert not (tmp_path / "gone").exists()
