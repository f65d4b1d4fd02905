"""Files of the home over HTTP: by an allow-list, in parts, only when they changed, and nothing else."""

import os

import pytest

from tests.tavern.conftest import EXAM, SERVED, Door

ROWS = "metrics/trainer.jsonl"
SIZE = len(SERVED[ROWS])


@pytest.mark.parametrize("name", SERVED)
def test_what_is_served_comes_as_it_is(door: Door, name: str) -> None:
    reply = door(f"/{name}")
    assert (reply.status, reply.body) == (200, SERVED[name])
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert door(f"/{name}", "HEAD").headers["content-length"] == str(len(SERVED[name]))


@pytest.mark.parametrize(
    "path",
    [
        "/config.json",
        "/secrets/tavern.token",
        "/status/../config.json",
        "/status/%2e%2e/config.json",
        "/status/..%2fconfig.json",
        "/status/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/status//etc/passwd",
        "/status/.training_status.json.tmp",
        "/status/training_status.json%00.json",
        "/events/..%5c..%5cconfig.json",
        "/metrics/pyramid/../trainer.jsonl",
        f"/{EXAM}/../../secret.jsonl",
        "/exams/bin/../bin/x/papers.jsonl",
        "/current_model/locked.json",
        "/js/../../README.md",
        "/vendor/%2e%2e/%2e%2e/pyproject.toml",
        "/vendor/manifest.json",
        "/locks/tavern.lock",
        "/status",
        "/status/",
    ],
)
def test_nothing_else_of_the_home_or_the_disk_is_served(door: Door, path: str) -> None:
    door.home.config_file.write_bytes(b"{}")
    (door.home.status / ".training_status.json.tmp").write_bytes(b"{}")
    reply = door(path)
    assert reply.status in (400, 404)
    assert b"root:" not in reply.body


def test_a_link_in_the_home_leads_nowhere(door: Door) -> None:
    (door.home.events / "mallory.jsonl").symlink_to("/etc/passwd")
    assert door("/events/mallory.jsonl").status == 404
    (door.home.root / EXAM).rename(door.home.root / "elsewhere")
    (door.home.root / EXAM).symlink_to(door.home.root / "elsewhere")
    assert door(f"/{EXAM}/papers.jsonl").status == 404


def test_a_pipe_is_no_file(door: Door) -> None:
    os.mkfifo(door.home.events / "pipe.jsonl")
    assert door("/events/pipe.jsonl").status == 404


def test_what_is_known_is_not_sent_again(door: Door) -> None:
    etag = door(f"/{ROWS}").headers["etag"]
    assert not etag.startswith("W/")
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        reply = door(f"/{ROWS}", If_None_Match=known)
        assert (reply.status, reply.body) == (304, b"")
    assert door(f"/{ROWS}", If_None_Match='"other"').status == 200


def test_two_writes_in_one_moment_have_two_tags(door: Door) -> None:
    file = door.home.root / ROWS
    first = door(f"/{ROWS}").headers["etag"]
    kept = file.stat()
    content = file.read_bytes()
    file.write_bytes(content[::-1])  # of the same size
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns + 1))
    assert door(f"/{ROWS}").headers["etag"] != first


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=10-", 10, SIZE - 1),
        ("bytes=-7", SIZE - 7, SIZE - 1),
        (f"bytes=5-{10 * SIZE}", 5, SIZE - 1),
        (f"bytes=-{10 * SIZE}", 0, SIZE - 1),
        (f"bytes=0-{SIZE - 1}", 0, SIZE - 1),
    ],
)
def test_a_part_is_that_part(door: Door, asked: str, first: int, last: int) -> None:
    reply = door(f"/{ROWS}", Range=asked)
    assert reply.status == 206
    assert reply.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert reply.body == SERVED[ROWS][first : last + 1]


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0"])
def test_a_part_behind_the_end_is_none(door: Door, asked: str) -> None:
    reply = door(f"/{ROWS}", Range=asked)
    assert reply.status == 416
    assert reply.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize("asked", ["bytes=9-0", "bytes=a-b", "rows=0-9", "bytes=0-1,5-6", "bytes=-", "bytes"])
def test_what_is_no_part_is_all(door: Door, asked: str) -> None:
    reply = door(f"/{ROWS}", Range=asked)
    assert (reply.status, len(reply.body)) == (200, SIZE)


def test_a_part_of_another_version_is_all_of_this_one(door: Door) -> None:
    etag = door(f"/{ROWS}").headers["etag"]
    assert door(f"/{ROWS}", Range="bytes=0-4", If_Range=etag).status == 206
    assert door(f"/{ROWS}", Range="bytes=0-4", If_Range='"other"').status == 200


def test_an_empty_file_is_empty(door: Door) -> None:
    (door.home.root / ROWS).write_bytes(b"")
    assert (door(f"/{ROWS}").status, door(f"/{ROWS}").body) == (200, b"")
    assert door(f"/{ROWS}", Range="bytes=0-").status == 416


@pytest.mark.parametrize("name", ["Range", "If_Range", "If_None_Match"])
def test_a_header_that_is_no_utf8_asks_for_nothing(door: Door, name: str) -> None:
    reply = door("/history/trainer.jsonl", **{"Range": "bytes=0-1", name: "\xff"})
    assert reply.status == (206 if name == "If_None_Match" else 200)
