"""Files dropped over real HTTP: whole or not there, under their own names, of any size in the same memory."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from realm.core.files import OLD_SECONDS
from realm.core.paths import Home
from tests.arena.watcher import Watcher, chat, meta, needs_root, plain, small_disk, until
from tests.tavern.serving import ServerProcess, ask, begin_upload, drop, post, serving

LINE = chat("2 + 2?", "4")
MEGABYTE = 2**20
BYTES = "application/octet-stream"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setenv("REALM_HOME", str(home.root))
    return home


def in_inbox(home: Home, *, hidden: bool = False) -> list[str]:
    files = [path for path in home.inbox.rglob("*") if path.is_file()]
    return sorted(str(file.relative_to(home.inbox)) for file in files if file.name.startswith(".") == hidden)


# What arrives


def test_a_file_lies_in_the_inbox_as_it_was_sent(home: Home, port: int) -> None:
    assert drop(port, "x.jsonl", LINE) == (201, {"file": "inbox/normal/x.jsonl"})
    assert drop(port, "x.jsonl", LINE * 2, "&priority=high") == (201, {"file": "inbox/high/x.jsonl"})
    file = home.inbox / "normal" / "x.jsonl"
    assert file.read_bytes() == LINE
    assert file.stat().st_mode & 0o777 == 0o664
    assert in_inbox(home, hidden=True) == []


def test_a_name_that_is_taken_gets_a_number(home: Home, port: int) -> None:
    files = [drop(port, "wörter <b>.jsonl.gz", LINE * count)[1]["file"] for count in (1, 2, 3)]
    stem = "inbox/normal/wörter <b>"
    assert files == [f"{stem}.jsonl.gz", f"{stem}-2.jsonl.gz", f"{stem}-3.jsonl.gz"]
    assert (home.root / files[1]).read_bytes() == LINE * 2


def test_a_file_and_its_sidecar_become_one_quest(home: Home, port: int) -> None:
    watcher = Watcher(home)
    try:
        until(lambda: "event=ready" in watcher.log, "ready")
        sidecar = json.dumps({"generator_id": "forge", "epochs": 3}).encode()
        assert drop(port, "x.jsonl.meta.json", sidecar)[0] == 201
        assert drop(port, "x.jsonl", LINE, "&meta")[0] == 201
        quest = watcher.wait_for("x.jsonl")
        assert (meta(quest)["epochs"], plain(quest)) == (3, LINE)
        assert in_inbox(home) == []
    finally:
        watcher.kill()


def test_a_sidecar_is_nobody_elses(home: Home, port: int) -> None:
    assert drop(port, "x.jsonl", LINE, "&meta") == (
        409,
        {"error": "x.jsonl has no sidecar in normal: post x.jsonl.meta.json first, or leave out &meta"},
    )
    assert drop(port, "x.jsonl.meta.json", b"{}")[0] == 201
    assert drop(port, "x.jsonl", LINE)[1] == {"file": "inbox/normal/x-2.jsonl"}  # that sidecar is not its own
    assert drop(port, "x.jsonl.meta.json", b"{}")[0] == 409
    assert drop(port, "x.jsonl", LINE, "&meta")[1] == {"file": "inbox/normal/x.jsonl"}
    assert drop(port, "x.jsonl", LINE, "&meta")[0] == 409
    assert drop(port, "x-2.jsonl.meta.json", b"{}")[0] == 409
    assert in_inbox(home) == ["normal/x-2.jsonl", "normal/x.jsonl", "normal/x.jsonl.meta.json"]


# What is refused


NO_DROPS: tuple[tuple[str, dict[str, str], int, str], ...] = (
    ("", {}, 400, "name is missing"),
    ("?name=", {}, 400, "name is missing"),
    ("?name=x.txt", {}, 400, "ends in .jsonl"),
    ("?name=.x.jsonl", {}, 400, "no dot in front"),
    ("?name=..%2Fx.jsonl", {}, 400, "no slash"),
    ("?name=a/b.jsonl", {}, 400, "no slash"),
    ("?name=/etc/x.jsonl", {}, 400, "no slash"),
    ("?name=x%00.jsonl", {}, 400, "at most 200 bytes"),
    ("?name=x%0a.jsonl", {}, 400, "at most 200 bytes"),
    (f"?name={'x' * 250}.jsonl", {}, 400, "at most 200 bytes"),
    ("?name=x.jsonl&priority=soon", {}, 400, "choose high, normal, low"),
    ("?name=x.jsonl&priority=../queue", {}, 400, "choose high, normal, low"),
    ("?name=x.jsonl", {"Content_Type": "multipart/form-data; boundary=x"}, 415, "the file itself as the body"),
    ("?name=x.jsonl", {"Content_Encoding": "gzip"}, 415, "the file's bytes as they are"),
    ("?name=x.jsonl", {"Content_Encoding": "\xff"}, 415, "the file's bytes as they are"),
)


def test_what_is_no_drop_is_refused(home: Home, port: int) -> None:
    for query, headers, status, said in NO_DROPS:
        found, told = post(port, f"/api/quests{query}", LINE, **headers)
        assert (found, said in told["error"]) == (status, True), (query, told)
    assert in_inbox(home) == in_inbox(home, hidden=True) == []


def test_an_empty_file_and_an_endless_sidecar_are_refused(home: Home, port: int) -> None:
    assert drop(port, "x.jsonl", b"")[0] == 400
    assert drop(port, "x.jsonl.meta.json", b" " * (MEGABYTE + 1))[0] == 413
    assert in_inbox(home) == in_inbox(home, hidden=True) == []


def test_a_body_of_unknown_length_is_refused(home: Home, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        head = f"POST /api/quests?name=x.jsonl HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"2\r\n{}\r\n0\r\n\r\n")
        assert b"411" in connection.recv(65536).split(b"\r\n")[0]
    assert in_inbox(home) == []


@needs_root
def test_a_disk_that_would_get_full_takes_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=300m") as disk:
        home = Home(disk / "home")
        home.create()
        with serving(home) as port:
            status, told = drop(port, "x.jsonl", b"0" * 40 * MEGABYTE)
            assert (status, "free some space" in told["error"]) == (507, True), told
            assert in_inbox(home) == in_inbox(home, hidden=True) == []
            assert drop(port, "y.jsonl", LINE)[0] == 201


# What breaks off


def test_what_breaks_off_was_never_there(home: Home, port: int) -> None:
    with begin_upload(port, "x.jsonl", 5 * MEGABYTE, b"0" * MEGABYTE) as connection:
        until(lambda: in_inbox(home, hidden=True), "it is being received")
        assert in_inbox(home) == []
        connection.shutdown(socket.SHUT_WR)
        assert b" 400 " in connection.recv(65536)
    assert in_inbox(home) == in_inbox(home, hidden=True) == []
    assert ask(port, "/api/quests")[0] == 200


def test_what_a_kill_leaves_is_swept_an_hour_later(home: Home) -> None:
    server = ServerProcess(home)
    with begin_upload(server.port, "x.jsonl", 5 * MEGABYTE, b"0" * MEGABYTE):
        until(lambda: in_inbox(home, hidden=True), "it is being received")
        server.kill()
    (left,) = in_inbox(home, hidden=True)
    assert in_inbox(home) == []
    home.sweep()
    assert in_inbox(home, hidden=True) == [left]  # it may be somebody's who still writes
    then = time.time() - OLD_SECONDS - 1
    os.utime(home.inbox / left, (then, then))
    home.sweep()
    assert in_inbox(home, hidden=True) == []


def test_memory_does_not_grow_with_a_file(home: Home) -> None:
    server = ServerProcess(home)
    try:
        assert drop(server.port, "small.jsonl", LINE)[0] == 201
        before = server.peak_bytes
        block, blocks = LINE * (MEGABYTE // len(LINE)), 300
        with begin_upload(server.port, "big.jsonl", len(block) * blocks, b"") as connection:
            for _ in range(blocks):
                connection.sendall(block)
            assert b" 201 " in connection.recv(65536).split(b"\r\n")[0]
        assert (home.inbox / "normal" / "big.jsonl").stat().st_size == len(block) * blocks
        assert post(server.port, "/api/quests?name=refused.txt", b"0" * 100 * MEGABYTE)[0] == 400
        assert drop(server.port, "x.jsonl", b"0" * 100 * MEGABYTE, Origin="http://evil.example")[0] == 403
        assert post(server.port, "/api/control/seal", b"0" * 100 * MEGABYTE, Content_Type="application/json")[0] == 413
        assert server.peak_bytes - before < 8 * MEGABYTE
    finally:
        server.kill()


# In parts


def part(port: int, content: bytes, begin: int, size: int, *, name: str = "x.jsonl", **more: str) -> tuple[int, Any]:
    return post(port, f"/api/uploads?{place(size, name, **more)}&from={begin}", content, Content_Type=BYTES)


def place(size: int, name: str = "x.jsonl", key: str = "1700000000000", priority: str = "normal") -> str:
    return f"name={quote(name)}&size={size}&key={key}&priority={priority}"


def test_a_file_in_parts_appears_with_the_last_one(home: Home, port: int) -> None:
    content = LINE * 10
    half = len(content) // 2
    assert ask(port, f"/api/uploads?{place(len(content))}") == (200, {"bytes": 0})
    assert part(port, content[:half], 0, len(content)) == (202, {"bytes": half})
    assert ask(port, f"/api/uploads?{place(len(content))}") == (200, {"bytes": half})
    assert in_inbox(home) == []
    assert part(port, content[half:], half, len(content)) == (201, {"file": "inbox/normal/x.jsonl"})
    file = home.inbox / "normal" / "x.jsonl"
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (content, 0o664)
    assert in_inbox(home, hidden=True) == []


def test_a_file_goes_on_where_a_killed_tavern_had_it(home: Home) -> None:
    size = 5 * MEGABYTE
    server = ServerProcess(home)
    with begin_upload(server.port, "x.jsonl", size, b"0" * MEGABYTE, f"/api/uploads?{place(size)}&from=0"):
        until(lambda: hidden_bytes(home) == MEGABYTE, "a megabyte is here")
        server.kill()
    server = ServerProcess(home)
    try:
        assert ask(server.port, f"/api/uploads?{place(size)}") == (200, {"bytes": MEGABYTE})
        assert part(server.port, b"1" * 4 * MEGABYTE, MEGABYTE, size)[0] == 201
        assert (home.inbox / "normal" / "x.jsonl").read_bytes() == b"0" * MEGABYTE + b"1" * 4 * MEGABYTE
    finally:
        server.kill()


def test_what_breaks_off_within_a_part_stays_as_far_as_it_came(home: Home, port: int) -> None:
    path = f"/api/uploads?{place(5 * MEGABYTE)}&from=0"
    with begin_upload(port, "x.jsonl", 5 * MEGABYTE, b"0" * MEGABYTE, path) as connection:
        until(lambda: hidden_bytes(home) == MEGABYTE, "a megabyte is here")
        status, told = part(port, b"1", MEGABYTE, 5 * MEGABYTE)  # while it is being sent, nobody else adds to it
        assert (status, "another page" in told["error"]) == (409, True)
        connection.shutdown(socket.SHUT_WR)
        assert b" 202 " in connection.recv(65536)
    assert ask(port, path.replace("&from=0", ""))[1] == {"bytes": MEGABYTE}
    assert in_inbox(home) == []


def test_a_part_of_another_place_changes_nothing(home: Home, port: int) -> None:
    assert part(port, LINE, 0, 3 * len(LINE))[0] == 202
    for begin in (0, 1, 2 * len(LINE)):
        assert part(port, LINE, begin, 3 * len(LINE)) == (
            409,
            {"error": f"{len(LINE)} bytes are here: go on from there", "bytes": len(LINE)},
        )
    for other in ({"key": "2"}, {"name": "y.jsonl"}, {"priority": "high"}):
        assert ask(port, f"/api/uploads?{place(3 * len(LINE), **other)}")[1] == {"bytes": 0}
    assert ask(port, f"/api/uploads?{place(4 * len(LINE))}")[1] == {"bytes": 0}


NO_PARTS: tuple[tuple[str, str], ...] = (
    ("name=x.jsonl&size=9&key=..%2F..%2Fx&from=0", "key is"),
    ("name=x.jsonl&size=9&from=0", "key is"),
    (f"name=x.jsonl&size=9&key={'k' * 65}&from=0", "key is"),
    ("name=..%2Fx.jsonl&size=9&key=1&from=0", "no slash"),
    ("name=x.jsonl.meta.json&size=9&key=1&from=0", "it is sent whole"),
    ("name=x.jsonl&size=9&key=1&from=0&priority=../queue", "choose high, normal, low"),
    ("name=x.jsonl&size=0&key=1&from=0", "size is '0'"),
    ("name=x.jsonl&size=9&key=1&from=-1", "from is '-1'"),
    ("name=x.jsonl&size=9&key=1", "from is missing"),
    ("name=x.jsonl&size=9&key=1&from=5", "no part of a file of 9 bytes"),
    ("name=x.jsonl&size=9999999999999999999&key=1&from=0", "size is"),
)


def test_what_is_no_part_is_refused(home: Home, port: int) -> None:
    for query, said in NO_PARTS:
        status, told = post(port, f"/api/uploads?{query}", b"12345", Content_Type=BYTES)
        assert (status, said in told["error"]) == (400, True), (query, told)
    assert part(port, b"", 0, 9)[0] == 400
    assert part(port, b"12345", 0, 9, name="x.txt")[0] == 400
    assert post(port, f"/api/uploads?{place(9)}&from=0", b"1", Content_Type="multipart/form-data; boundary=x")[0] == 415
    assert in_inbox(home) == in_inbox(home, hidden=True) == []


def test_a_link_in_its_place_is_not_followed(home: Home, port: int, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    assert part(port, LINE, 0, 2 * len(LINE))[0] == 202
    (name,) = in_inbox(home, hidden=True)
    (home.inbox / name).unlink()
    (home.inbox / name).symlink_to(victim)
    assert part(port, LINE, 4, 2 * len(LINE))[0] == 500
    assert victim.read_bytes() == b"mine"


def test_what_was_given_up_makes_room_when_the_next_file_begins(home: Home, port: int) -> None:
    assert part(port, LINE, 0, 2 * len(LINE), name="given-up.jsonl")[0] == 202
    (left,) = in_inbox(home, hidden=True)
    then = time.time() - OLD_SECONDS - 1
    os.utime(home.inbox / left, (then, then))
    assert part(port, LINE, 0, 2 * len(LINE))[0] == 202
    assert left not in in_inbox(home, hidden=True)


def hidden_bytes(home: Home) -> int:
    return sum((home.inbox / name).stat().st_size for name in in_inbox(home, hidden=True))
