import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import realm
from realm.core import files

CHECKOUT = Path(realm.__file__).parents[1]
STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(STRACE is None, reason="strace is not installed: nothing can be killed at a call")

OLD, NEW = b"old" * 1000, b"new" * 2000
IMPORTS = "import sys; from pathlib import Path; from realm.core.files import publish_folder, write_whole; "
WRITE = IMPORTS + "write_whole(Path(sys.argv[1]), b'new' * 2000)"
PUBLISH = IMPORTS + "publish_folder(*map(Path, sys.argv[1:]))"
RENAME = "?rename,?renameat,?renameat2"  # the C library picks one; `?` lets strace pass those this machine lacks


def child(code: str, *arguments: Path, inject: str, log: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs `code` in a fresh interpreter, with one of its system calls tampered with."""
    strace = [str(STRACE), "-f", "-qq", "-o", str(log or "/dev/null")]
    python = [sys.executable, "-B", "-S", "-c", code, *map(str, arguments)]
    watch = inject.split(":")[0]
    return subprocess.run(
        [*strace, "-e", f"trace={watch}", "-e", f"inject={inject}", *python],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# write_whole


def test_a_file_is_replaced_by_the_new_content_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    files.write_whole(file, OLD)
    files.write_whole(file, NEW)
    assert file.read_bytes() == NEW
    assert names(tmp_path) == ["status.json"]


def test_pieces_become_one_file_and_none_if_they_break_off(tmp_path: Path) -> None:
    def breaking() -> Iterator[bytes]:
        yield NEW
        raise ValueError("enough")

    file = tmp_path / "status.json"
    files.write_pieces(file, (piece for piece in (OLD, b"", NEW)), mode=0o600)
    assert file.read_bytes() == OLD + NEW
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ValueError, match="enough"):
        files.write_pieces(file, breaking())
    assert file.read_bytes() == OLD + NEW
    assert names(tmp_path) == ["status.json"]


def test_an_empty_file_can_be_written(tmp_path: Path) -> None:
    files.write_whole(tmp_path / "empty", b"")
    assert (tmp_path / "empty").read_bytes() == b""


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o666])
def test_permissions_are_those_asked_for_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    umask = os.umask(0o077)
    try:
        files.write_whole(tmp_path / "token", b"x", mode=mode)
    finally:
        os.umask(umask)
    assert (tmp_path / "token").stat().st_mode & 0o777 == mode


def test_a_reader_keeps_the_old_content_of_a_file_that_it_has_open(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    files.write_whole(file, OLD)
    with file.open("rb") as reader:
        files.write_whole(file, NEW)
        assert reader.read() == OLD


def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path) -> None:
    file = tmp_path / ("n" * 255)
    files.write_whole(file, NEW)
    assert file.read_bytes() == NEW


def test_a_write_that_cannot_be_renamed_leaves_no_leftover(tmp_path: Path) -> None:
    (tmp_path / "taken" / "inner").mkdir(parents=True)
    with pytest.raises(OSError):
        files.write_whole(tmp_path / "taken", NEW)
    assert names(tmp_path) == ["taken"]


def test_readers_never_see_a_part_while_another_process_writes(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    contents = {b"a" * 100_000, b"b" * 150_000}
    files.write_whole(file, b"a" * 100_000)
    code = (
        "import sys; from pathlib import Path; from realm.core.files import write_whole\n"
        "for _ in range(100):\n"
        "    write_whole(Path(sys.argv[1]), b'b' * 150_000); write_whole(Path(sys.argv[1]), b'a' * 100_000)"
    )
    seen = set()
    with subprocess.Popen([sys.executable, "-c", code, str(file)], cwd=CHECKOUT) as writer:
        while writer.poll() is None:
            seen.add(file.read_bytes())
    assert writer.returncode == 0
    assert seen
    assert seen <= contents


@needs_strace
@pytest.mark.parametrize(
    ("call", "when", "then"),
    [("write", 1, OLD), ("fsync", 1, OLD), (RENAME, 1, OLD), ("fsync", 2, NEW)],
    ids=["at the write", "at the fsync", "at the rename", "at the fsync of the directory"],
)
def test_a_writer_killed_leaves_the_old_or_the_new_content_whole(
    tmp_path: Path, call: str, when: int, then: bytes
) -> None:
    file = tmp_path / "status.json"
    files.write_whole(file, OLD)
    ended = child(WRITE, file, inject=f"{call}:signal=KILL:when={when}")
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert file.read_bytes() == then
    assert all(name.startswith(".") and name.endswith(".tmp") for name in names(tmp_path) if name != file.name)


@needs_strace
@pytest.mark.parametrize(
    ("call", "error"),
    [("write", "ENOSPC"), ("fsync", "EIO"), ("fsync", "ENOSPC"), (RENAME, "ENOSPC"), ("fchmod", "EPERM")],
)
def test_a_failed_write_leaves_the_old_content_and_no_leftover(tmp_path: Path, call: str, error: str) -> None:
    file = tmp_path / "status.json"
    files.write_whole(file, OLD)
    ended = child(WRITE, file, inject=f"{call}:error={error}:when=1")
    assert ended.returncode == 1
    assert "OSError" in ended.stderr or "PermissionError" in ended.stderr
    assert file.read_bytes() == OLD
    assert names(tmp_path) == [file.name]


@needs_strace
@pytest.mark.parametrize("when", [1, 2], ids=["of the file", "of the directory"])
def test_a_failed_fsync_is_told_and_never_retried(tmp_path: Path, when: int) -> None:
    log = tmp_path / "log"
    (tmp_path / "status").mkdir()
    ended = child(WRITE, tmp_path / "status" / "x.json", inject=f"fsync:error=EIO:when={when}", log=log)
    assert ended.returncode == 1
    assert "Input/output error" in ended.stderr
    assert log.read_text().count("fsync(") == when


def test_a_write_that_the_kernel_takes_in_part_is_continued(tmp_path: Path) -> None:
    """A file size limit makes the first write short (4000 of 6000 bytes); only the second one is refused."""
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)); {WRITE}"
    command = [sys.executable, "-B", "-c", limited, str(tmp_path / "x.json")]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert "File too large" in ended.stderr
    assert names(tmp_path) == []


# publish_folder


def staged(root: Path) -> Path:
    """A finished folder under its dot name: two files and a folder with one more."""
    staging = root / ".model.tmp"
    (staging / "inner").mkdir(parents=True)
    for name in ("a", "b", "inner/c"):
        (staging / name).write_text(name)
    return staging


def test_a_published_folder_has_all_its_files_and_its_staging_name_is_gone(tmp_path: Path) -> None:
    staging = staged(tmp_path)
    expected = files.manifest(staging)
    files.publish_folder(staging, tmp_path / "model")
    assert names(tmp_path) == ["model"]
    assert files.manifest(tmp_path / "model") == expected


@pytest.mark.parametrize("kind", ["file", "empty folder", "dangling link"])
def test_nothing_is_ever_published_over(tmp_path: Path, kind: str) -> None:
    staging, final = staged(tmp_path), tmp_path / "model"
    if kind == "file":
        final.write_text("mine")
    elif kind == "empty folder":
        final.mkdir()
    else:
        final.symlink_to("nowhere")
    before = final.lstat()
    with pytest.raises(FileExistsError, match="move it aside"):
        files.publish_folder(staging, final)
    assert final.lstat() == before
    assert staging.is_dir()


@pytest.mark.parametrize("staging", ["model.tmp", "elsewhere/.model.tmp"])
def test_only_a_dot_named_sibling_is_published(tmp_path: Path, staging: str) -> None:
    (tmp_path / staging).mkdir(parents=True)
    with pytest.raises(ValueError, match="stage it in"):
        files.publish_folder(tmp_path / staging, tmp_path / "model")


def test_a_folder_with_a_link_in_it_is_not_published(tmp_path: Path) -> None:
    staging = staged(tmp_path)
    (staging / "inner" / "link").symlink_to("c")
    with pytest.raises(ValueError, match="link or special file"):
        files.publish_folder(staging, tmp_path / "model")
    assert names(tmp_path) == [".model.tmp"]


@needs_strace
def test_every_file_and_folder_is_synced_before_the_rename_and_the_parent_after_it(tmp_path: Path) -> None:
    root, log = tmp_path / "root", tmp_path / "log"
    staging = staged(root)
    strace = [str(STRACE), "-f", "-qq", "-y", "-o", str(log), "-e", f"trace=fsync,{RENAME}"]
    python = [sys.executable, "-B", "-S", "-c", PUBLISH, str(staging), str(root / "model")]
    subprocess.run([*strace, *python], cwd=CHECKOUT, check=True)
    before, after = log.read_text().split("rename", 1)
    synced = [line.split("<")[1].split(">")[0] for line in before.splitlines() if "fsync" in line]
    everything = [staging, *(staging / name for name in ("a", "b", "inner", "inner/c"))]
    assert sorted(synced) == sorted(map(str, everything))
    assert f"<{root}>" in after.split("fsync", 1)[1]


@needs_strace
@pytest.mark.parametrize(
    ("call", "when", "published"),
    [("fsync", 1, False), ("fsync", 3, False), ("fsync", 5, False), (RENAME, 1, False), ("fsync", 6, True)],
)
def test_a_publisher_killed_leaves_a_whole_folder_or_none(
    tmp_path: Path, call: str, when: int, published: bool
) -> None:
    staging = staged(tmp_path)
    expected = files.manifest(staging)
    ended = child(PUBLISH, staging, tmp_path / "model", inject=f"{call}:signal=KILL:when={when}")
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert names(tmp_path) == (["model"] if published else [".model.tmp"])
    assert files.manifest(tmp_path / names(tmp_path)[0]) == expected


@needs_strace
def test_a_folder_whose_sync_fails_is_not_published(tmp_path: Path) -> None:
    staging = staged(tmp_path)
    ended = child(PUBLISH, staging, tmp_path / "model", inject="fsync:error=EIO:when=2")
    assert "Input/output error" in ended.stderr
    assert names(tmp_path) == [".model.tmp"]


# Digests


def test_a_digest_is_that_of_the_whole_file_and_takes_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "sparse"
    size = 256 * 2**20
    with file.open("wb") as sparse:
        sparse.truncate(size)
    code = (
        "import resource, sys; from pathlib import Path; from realm.core.files import sha256_of\n"
        "resource.setrlimit(resource.RLIMIT_AS, (200 * 2**20, 200 * 2**20)); print(sha256_of(Path(sys.argv[1])))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, str(file)], cwd=CHECKOUT, check=True, capture_output=True, text=True
    )
    expected = hashlib.sha256()
    for _ in range(size // 2**20):
        expected.update(bytes(2**20))
    assert printed.stdout.strip() == expected.hexdigest()


def test_a_manifest_names_every_file_below_in_order(tmp_path: Path) -> None:
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a", "b", "inner/c")}
    assert list(files.manifest(staged(tmp_path)).items()) == sorted(digests.items())


def test_a_special_file_has_no_place_in_a_manifest(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is a link or special file"):
        files.manifest(tmp_path)


def test_a_manifest_of_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.manifest(tmp_path / "missing")
