"""GET /api/lineage: the queue-watcher's own file, asked for as all others are."""

import msgspec
import pytest

from realm.arena.intake.lineage import Lineage
from tests.tavern.conftest import Door


def test_the_counts_are_the_queue_watchers_file(door: Door) -> None:
    assert door("/api/lineage").status == 404
    assert "queue-watcher" in str(door("/api/lineage").json)
    Lineage().write(door.home.status)
    reply = door("/api/lineage")
    assert (reply.status, reply.body) == (200, (door.home.status / "data_lineage.json").read_bytes())
    assert reply.headers["content-type"] == "application/json"
    assert msgspec.json.decode(reply.body)["schema"] == "data_lineage@1"
    assert door("/api/lineage", If_None_Match=reply.headers["etag"]).status == 304
    Lineage().write(door.home.status)
    assert door("/api/lineage", If_None_Match=reply.headers["etag"]).status == 200


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_nobody_changes_them(door: Door, method: str) -> None:
    assert door("/api/lineage", method, b"{}").status == 405


def test_it_is_not_for_strangers(guarded: Door) -> None:
    Lineage().write(guarded.home.status)
    assert guarded("/api/lineage").status == 401
