import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import bottle
import msgspec
import pytest

from realm.core.checkpoint_ledger import (
    SIDECAR,
    CheckpointLedger,
    CheckpointRecord,
    LedgerListing,
    NoSuchCheckpointError,
    Refusal,
    RemoteLedgerClient,
    RemoteLedgerError,
    canonical_name,
    extract_step,
    get_ledger,
    get_ledger_client,
    parse_name,
    read_record,
    record_checkpoint,
)
from realm.core.files import publish_folder
from realm.core.hosts import HostError
from realm.core.paths import shipped_configs

NOON = datetime(2025, 11, 27, 12, 0, 30, tzinfo=UTC)
MEASURED: dict[str, Any] = {
    "train_loss": 0.5,
    "val_loss": 0.6,
    "learning_rate": 4e-4,
    "epoch": 1.0,
    "accuracy": 0.8,
    "training_files": ["train_bin_level1.jsonl"],
    "skill_name": "bin",
    "skill_level": 1,
    "total_examples": 640,
    "total_tokens": 51200,
    "hero": "squire",
    "config_hash": "c0ffee",
    "fingerprint": {"torch": "2.9.0", "threads": 2, "exact": True},
}


def save(root: Path, step: int, saved_at: datetime = NOON, **changes: Any) -> CheckpointRecord:
    """Writes a real, small checkpoint as the trainer does: staged, recorded, published."""
    final = root / canonical_name(step, saved_at)
    staging = root / f".{final.name}.tmp"
    staging.mkdir(parents=True)
    (staging / "model.safetensors").write_bytes(b"weights of %d" % step)
    (staging / "config.json").write_text("{}")
    record = record_checkpoint(staging, step=step, saved_at=saved_at, **(MEASURED | changes))
    publish_folder(staging, final)
    return record


def steps(records: list[CheckpointRecord]) -> list[int]:
    return [record.step for record in records]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "current_model"


# Names


def test_a_name_tells_step_and_utc_minute() -> None:
    assert canonical_name(190000, datetime(2025, 11, 27, 14, 30, 59, tzinfo=UTC)) == "checkpoint-190000-20251127-1430"


def test_a_name_is_in_utc_whatever_zone_the_time_came_in() -> None:
    berlin = timezone(timedelta(hours=1))
    assert canonical_name(5, datetime(2025, 1, 1, 0, 30, tzinfo=berlin)) == "checkpoint-5-20241231-2330"


@pytest.mark.parametrize(("step", "when"), [(-1, NOON), (5, datetime(2025, 1, 1))])
def test_no_name_is_made_of_a_negative_step_or_a_time_without_zone(step: int, when: datetime) -> None:
    with pytest.raises(ValueError, match="a step from 0 and a time with its zone"):
        canonical_name(step, when)


def test_parsing_is_the_inverse_of_naming() -> None:
    parsed = parse_name(canonical_name(190000, NOON))
    assert (parsed.step, parsed.saved_at) == (190000, NOON.replace(second=0))


def test_an_old_name_has_a_step_and_no_time() -> None:
    parsed = parse_name("checkpoint-190000")
    assert (parsed.step, parsed.saved_at) == (190000, None)


@pytest.mark.parametrize(
    "name",
    [
        "checkpoint-190000-20251127-1430",
        "checkpoint-190000",
        "/a/checkpoint-7/checkpoint-190000-20251127-1430",
        "checkpoint-190000/",
        Path("vault/checkpoint-190000"),
    ],
)
def test_the_step_is_found_in_a_name_or_path(name: str | Path) -> None:
    assert extract_step(name) == 190000


@pytest.mark.parametrize(
    "name",
    [
        "",
        "checkpoint-",
        "checkpoint-abc",
        "checkpoint--5",
        "checkpoint-1.5",
        "checkpoint-007",
        "checkpoint-١٢",
        "checkpoint-5-20251127",
        "checkpoint-5-20251327-1430",
        "checkpoint-5-20251127-2460",
        "checkpoint-5-20251127-1430-best",
        "checkpoint-5\n",
        ".checkpoint-5-20251127-1430.tmp",
        "Checkpoint-5",
        "checkpoint-5/model.safetensors",
        "checkpoint-" + "9" * 5000,
    ],
)
def test_what_does_not_parse_is_an_error_and_never_step_0(name: str) -> None:
    with pytest.raises(ValueError, match="rename it to checkpoint-STEP-YYYYMMDD-HHMM"):
        extract_step(name)


def test_names_are_ordered_by_number_and_then_by_time() -> None:
    ordered = [
        "checkpoint-99-20251127-1430",
        "checkpoint-100",
        "checkpoint-100-20251126-0000",
        "checkpoint-100-20251127-1430",
        "checkpoint-1000-20240101-0000",
    ]
    assert sorted(sorted(ordered), key=lambda name: parse_name(name).order) == ordered


# Records


def test_a_record_measures_the_files_and_lies_beside_them(root: Path) -> None:
    record = save(root, 1000)
    folder = root / "checkpoint-1000-20251127-1200"
    assert record.size_bytes == len(b"weights of 1000") + 2
    assert list(record.manifest) == ["config.json", "model.safetensors"]
    assert record.timestamp == "2025-11-27T12:00:30Z"
    assert record.host == socket.gethostname()
    assert read_record(folder) == record


def test_a_sidecar_holds_no_path_of_the_place_where_it_was_staged(root: Path) -> None:
    save(root, 1000)
    text = (root / "checkpoint-1000-20251127-1200" / SIDECAR).read_text()
    assert str(root) not in text
    assert ".tmp" not in text
    assert "path" not in json.loads(text)


def test_a_record_is_what_readers_will_read_even_if_a_float_came_as_an_int(root: Path) -> None:
    assert isinstance(save(root, 1000, epoch=1).epoch, float)


def test_numbers_that_were_not_measured_are_null(root: Path) -> None:
    record = save(root, 1000, val_loss=None, accuracy=None, skill_name=None, skill_level=None)
    assert json.loads((root / record.canonical_name / SIDECAR).read_bytes())["val_loss"] is None


@pytest.mark.parametrize("field", ["train_loss", "val_loss", "learning_rate", "epoch", "accuracy"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_record_is_made_with_a_number_that_is_not_finite(root: Path, field: str, value: float) -> None:
    changes: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=f"{field} is .*: record None"):
        save(root, 1000, **changes)
    assert not list(root.rglob(SIDECAR))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"train_loss": "0.5"}, TypeError),
        ({"total_tokens": 1.5}, ValueError),
        ({"fingerprint": {"speed": 1.5}}, ValueError),
        ({"training_files": ["/inbox/a.jsonl"]}, ValueError),
        ({"los": 0.5}, TypeError),
    ],
)
def test_no_record_is_made_with_a_wrong_value_or_field(root: Path, changes: dict[str, Any], error: type) -> None:
    with pytest.raises(error):
        save(root, 1000, **changes)
    assert not list(root.rglob(SIDECAR))


def test_no_record_is_made_without_a_field(root: Path) -> None:
    (root / ".staged").mkdir(parents=True)
    (root / ".staged" / "model.safetensors").write_bytes(b"w")
    measured = {key: value for key, value in MEASURED.items() if key != "hero"}
    with pytest.raises(TypeError, match="hero"):
        record_checkpoint(root / ".staged", step=1, saved_at=NOON, **measured)


def test_only_a_staged_folder_with_files_is_recorded(root: Path) -> None:
    for name, reason in (("checkpoint-1-20251127-1200", "published already"), (".staged", "holds no files")):
        (root / name).mkdir(parents=True)
        with pytest.raises(ValueError, match=reason):
            record_checkpoint(root / name, step=1, saved_at=NOON, **MEASURED)


def test_a_model_folder_without_a_sidecar_has_no_record(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None


def test_a_copy_keeps_its_record_under_any_name(root: Path, tmp_path: Path) -> None:
    record = save(root, 1000)
    shutil.copytree(root / record.canonical_name, tmp_path / "copy")
    assert read_record(tmp_path / "copy") == record


# The ledger


def test_checkpoints_are_listed_from_the_newest_by_number_and_time(root: Path) -> None:
    for step, hours in [(100, 0), (99, 1), (1000, -5), (100, 2)]:
        save(root, step, NOON + timedelta(hours=hours))
    records = get_ledger(root).list_all()
    assert [record.canonical_name for record in records] == [
        "checkpoint-1000-20251127-0700",
        "checkpoint-100-20251127-1400",
        "checkpoint-100-20251127-1200",
        "checkpoint-99-20251127-1300",
    ]
    assert get_ledger(root).list_all(limit=2) == records[:2]
    assert get_ledger(root).list_all(limit=0) == []


def test_a_negative_limit_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="limit -1"):
        get_ledger(root).list_all(limit=-1)


def test_of_a_step_saved_twice_the_newest_is_given(root: Path) -> None:
    save(root, 190000, NOON)
    newer = save(root, 190000, NOON + timedelta(minutes=1))
    assert get_ledger(root).get(190000) == newer
    assert len(get_ledger(root).list_all()) == 2


def test_a_step_that_was_not_saved_is_an_error_naming_the_nearest(root: Path) -> None:
    with pytest.raises(NoSuchCheckpointError, match=f"step 7 in {root}: there is none at all"):
        get_ledger(root).get(7)
    save(root, 10)
    with pytest.raises(NoSuchCheckpointError, match="the nearest steps are 10"):
        get_ledger(root).get(7)


def test_a_realm_without_checkpoints_has_no_latest_and_no_best(root: Path) -> None:
    ledger = get_ledger(root)
    assert (ledger.list_all(), ledger.get_latest(), ledger.get_best(), ledger.unreadable()) == ([], None, None, {})
    assert ledger.summary().count == 0


@pytest.mark.parametrize(("metric", "best"), [("train_loss", 20), ("val_loss", 10), ("accuracy", 30)])
def test_the_best_is_the_lowest_loss_or_the_highest_accuracy(root: Path, metric: str, best: int) -> None:
    save(root, 10, train_loss=0.3, val_loss=0.1, accuracy=0.1)
    save(root, 20, train_loss=0.1, val_loss=0.3, accuracy=0.2)
    save(root, 30, train_loss=0.2, val_loss=0.2, accuracy=0.9)
    record = get_ledger(root).get_best(metric=metric)
    assert record is not None
    assert record.step == best


def test_a_checkpoint_without_the_metric_is_never_best_and_equals_go_to_the_newest(root: Path) -> None:
    for step, accuracy in [(10, 0.5), (20, 0.5), (30, None)]:
        save(root, step, accuracy=accuracy)
    record = get_ledger(root).get_best("accuracy")
    assert record is not None
    assert record.step == 20


def test_an_unknown_metric_is_refused_with_the_known_ones(root: Path) -> None:
    with pytest.raises(ValueError, match="unknown metric 'loss': choose one of train_loss, val_loss, accuracy"):
        get_ledger(root).get_best("loss")


def test_checkpoints_are_listed_by_skill(root: Path) -> None:
    for step, skill in [(10, "bin"), (20, "sy"), (30, "bin"), (40, None)]:
        save(root, step, skill_name=skill)
    assert steps(get_ledger(root).list_by_skill("bin")) == [30, 10]
    assert get_ledger(root).list_by_skill("chess") == []


def test_the_summary_counts_what_lies_on_the_disk(root: Path) -> None:
    for step in (10, 20):
        save(root, step, train_loss=step / 100, val_loss=None)
    (root / "checkpoint-30").mkdir()
    summary = get_ledger(root).summary()
    assert (summary.count, summary.unreadable, summary.oldest_step, summary.latest_step) == (2, 1, 10, 20)
    assert summary.skills == ["bin"]
    assert summary.size_bytes == 2 * (len(b"weights of 10") + 2)
    assert summary.best == {
        "train_loss": "checkpoint-10-20251127-1200",
        "val_loss": None,
        "accuracy": "checkpoint-20-20251127-1200",
    }


def test_one_ledger_sees_what_is_saved_removed_and_replaced_after_it_was_made(root: Path) -> None:
    ledger = get_ledger(root)
    first = save(root, 10)
    assert steps(ledger.list_all()) == [10]
    save(root, 20)
    assert steps(ledger.list_all()) == [20, 10]
    shutil.rmtree(ledger.path_of(first))
    assert steps(ledger.list_all()) == [20]
    replaced = save(root, 10, train_loss=0.1)
    assert ledger.get(10) == replaced
    shutil.rmtree(ledger.path_of(replaced))
    assert ledger.unreadable() == {}


def test_a_sidecar_is_parsed_again_only_when_it_is_another_file(root: Path) -> None:
    """Damage that keeps inode, time and size is not looked at again; a new file is."""
    ledger, sidecar = get_ledger(root), root / save(root, 10).canonical_name / SIDECAR
    known = ledger.get(10)
    before, content = sidecar.stat(), sidecar.read_bytes()
    sidecar.write_bytes(b"x" * len(content))
    os.utime(sidecar, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ledger.get(10) is known
    os.utime(sidecar, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert list(ledger.unreadable()) == ["checkpoint-10-20251127-1200"]
    sidecar.write_bytes(content)
    assert ledger.get(10) == known


def damage_json(folder: Path) -> None:
    (folder / SIDECAR).write_bytes(b'{"ledger_version": 1,')


def remove_sidecar(folder: Path) -> None:
    (folder / SIDECAR).unlink()


def change(**fields: Any) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        record = json.loads((folder / SIDECAR).read_bytes())
        (folder / SIDECAR).write_text(json.dumps(record | fields))

    return rewrite


def replace_by_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"")


def replace_by_dead_link(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_json, "truncated"),
        (remove_sidecar, "has no .ledger.json"),
        (change(ledger_version=2), "ledger_version"),
        (change(step=11), "is not the name of step 11"),
        (change(timestamp="2025-11-27T12:01:00Z"), "is not the name of step 10"),
        (change(timestamp="2025-11-27 12:00"), "timestamp|does not match"),
        (change(timestamp="2025-11-27T12:0:30Z"), "does not have the form"),
        (change(train_loss=float("nan")), "malformed|invalid"),
        (change(colour="red"), "colour"),
        (change(canonical_name="checkpoint-10-20251127-1200/../x"), "no checkpoint's name"),
        (change(canonical_name="checkpoint-10"), "give it that name again"),
        (replace_by_file, "Not a directory"),
        (replace_by_dead_link, "has no .ledger.json"),
    ],
)
def test_what_cannot_be_read_is_left_out_and_reported_with_its_reason(
    root: Path, damage: Callable[[Path], None], reason: str
) -> None:
    broken = root / save(root, 10).canonical_name
    save(root, 20)
    damage(broken)
    ledger = get_ledger(root)
    assert steps(ledger.list_all()) == [20]
    assert list(ledger.unreadable()) == [broken.name]
    assert str(broken) in ledger.unreadable()[broken.name]
    with pytest.raises(ValueError, match=reason):
        raise ValueError(ledger.unreadable()[broken.name])


def test_a_staged_folder_is_no_checkpoint_yet(root: Path) -> None:
    save(root, 10)
    (root / ".checkpoint-20-20251127-1200.tmp").mkdir()
    (root / "journal").mkdir()
    assert steps(get_ledger(root).list_all()) == [10]
    assert get_ledger(root).unreadable() == {}


# verify


def test_an_untouched_checkpoint_has_no_differences(root: Path) -> None:
    assert get_ledger(root).verify(save(root, 10)) == []


def test_each_difference_between_manifest_and_disk_is_named(root: Path) -> None:
    record = save(root, 10)
    ledger, folder = get_ledger(root), root / record.canonical_name
    (folder / "config.json").unlink()
    (folder / "model.safetensors").write_bytes(b"weights of 11")
    (folder / "inner").mkdir()
    (folder / "inner" / "stray").touch()
    assert ledger.verify(record) == [
        "inner/stray: extra file",
        "config.json: missing",
        "model.safetensors: changed",
    ]


def test_a_link_in_a_checkpoint_and_a_vanished_checkpoint_are_differences(root: Path) -> None:
    record = save(root, 10)
    ledger, folder = get_ledger(root), root / record.canonical_name
    (folder / "link").symlink_to("config.json")
    assert len(ledger.verify(record)) == 1
    assert "link or special file" in ledger.verify(record)[0]
    shutil.rmtree(folder)
    assert ledger.verify(record) == [f"{folder}: missing"]


def test_a_manifest_that_names_a_file_outside_the_checkpoint_reads_nothing_there(root: Path) -> None:
    record = save(root, 10)
    os.mkfifo(root / "trap")  # opening it would wait for ever
    forged = msgspec.structs.replace(record, manifest=record.manifest | {"../trap": "0" * 64})
    assert get_ledger(root).verify(forged) == ["../trap: missing"]


# The index


def test_the_index_holds_every_record_by_name_and_what_could_not_be_read(root: Path, tmp_path: Path) -> None:
    save(root, 190000, NOON)
    save(root, 190000, NOON + timedelta(minutes=1))
    (root / "checkpoint-7").mkdir()
    ledger = get_ledger(root)
    ledger.write_index(tmp_path / "checkpoint_ledger.json")
    index = json.loads((tmp_path / "checkpoint_ledger.json").read_bytes())
    assert index["schema"] == "checkpoint_ledger@1"
    assert list(index["checkpoints"]) == ["checkpoint-190000-20251127-1201", "checkpoint-190000-20251127-1200"]
    assert list(index["unreadable"]) == ["checkpoint-7"]
    assert [msgspec.convert(one, CheckpointRecord) for one in index["checkpoints"].values()] == ledger.list_all()


def test_reading_writes_nothing(root: Path) -> None:
    record = save(root, 10)
    before = {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}
    ledger = get_ledger(root)
    ledger.summary(), ledger.get(10), ledger.verify(record), ledger.unreadable()
    assert {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]} == before


# Over HTTP


class Silent(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serving(app: bottle.Bottle) -> Iterator[str]:
    """The address of a real server on loopback."""
    server = make_server("127.0.0.1", 0, app, handler_class=Silent)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ledger_app(ledger: CheckpointLedger) -> bottle.Bottle:
    """The routes as RemoteLedgerClient's table states them."""
    app = bottle.Bottle()

    def answer(content: object, status: int = 200) -> bottle.HTTPResponse:
        return bottle.HTTPResponse(msgspec.json.encode(content), status, content_type="application/json")

    def listing() -> bottle.HTTPResponse:
        query = bottle.request.query
        if query.skill:
            return answer(LedgerListing(ledger.list_by_skill(query.skill)))
        return answer(LedgerListing(ledger.list_all(int(query.limit) if query.limit else None)))

    def best() -> bottle.HTTPResponse:
        return answer(ledger.get_best(bottle.request.query.metric))

    def summary() -> bottle.HTTPResponse:
        return answer(ledger.summary())

    def one(step: int) -> bottle.HTTPResponse:
        try:
            return answer(ledger.get(step))
        except NoSuchCheckpointError as error:
            return answer(Refusal(str(error)), 404)

    routes = {"": listing, "/best": best, "/summary": summary, "/<step:int>": one}
    for path, callback in routes.items():
        app.get("/api/ledger" + path, callback=callback)
    return app


@pytest.fixture
def remote(root: Path) -> Iterator[RemoteLedgerClient]:
    with serving(ledger_app(get_ledger(root))) as address:
        yield RemoteLedgerClient(f"{address}/api/ledger/")


def test_a_remote_ledger_gives_the_same_answers(root: Path, remote: RemoteLedgerClient) -> None:
    for step, skill in [(10, "bin"), (20, "sy"), (30, "a skill & its+sign")]:
        save(root, step, train_loss=1 / step, skill_name=skill)
    local = get_ledger(root)
    assert remote.is_available()
    assert remote.list_all() == local.list_all()
    assert remote.list_all(limit=2) == local.list_all(limit=2)
    assert remote.list_all(limit=0) == []
    assert remote.list_by_skill("a skill & its+sign") == local.list_by_skill("a skill & its+sign")
    assert steps(remote.list_by_skill("a skill & its+sign")) == [30]
    assert remote.get(20) == local.get(20)
    assert remote.get_latest() == local.get_latest()
    assert remote.get_best(metric="train_loss") == local.get_best(metric="train_loss")
    assert remote.summary() == local.summary()


def test_a_remote_ledger_without_checkpoints_answers_like_the_local_one(remote: RemoteLedgerClient) -> None:
    assert remote.is_available()
    assert (remote.list_all(), remote.get_latest(), remote.get_best()) == ([], None, None)


def test_a_step_that_the_remote_ledger_lacks_is_told_in_its_own_words(root: Path, remote: RemoteLedgerClient) -> None:
    save(root, 10)
    with pytest.raises(NoSuchCheckpointError, match=f"no checkpoint of step 7 in {root}: the nearest steps are 10"):
        remote.get(7)


def test_bad_questions_are_refused_before_they_are_sent() -> None:
    nobody = RemoteLedgerClient("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="unknown metric"):
        nobody.get_best("loss")
    with pytest.raises(ValueError, match="limit -1"):
        nobody.list_all(limit=-1)
    with pytest.raises(ValueError, match="begins with http"):
        RemoteLedgerClient("file:///etc")


def always(answer: bottle.HTTPResponse) -> bottle.Bottle:
    app = bottle.Bottle()
    app.get("/<path:path>", callback=lambda path: answer)
    return app


def ask_everything(client: RemoteLedgerClient) -> list[Callable[[], object]]:
    return [
        client.list_all,
        client.get_latest,
        client.get_best,
        client.summary,
        lambda: client.get(1),
        lambda: client.list_by_skill("bin"),
    ]


def assert_all_fail(client: RemoteLedgerClient, match: str) -> None:
    for ask in ask_everything(client):
        with pytest.raises(RemoteLedgerError, match=match):
            ask()
    assert not client.is_available()


def test_a_host_that_does_not_listen_is_a_transport_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused for as long as we hold it
        client = RemoteLedgerClient(f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert_all_fail(client, "no answer")


def test_a_host_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        client = RemoteLedgerClient(f"http://127.0.0.1:{mute.getsockname()[1]}", timeout_s=0.05)
        assert_all_fail(client, "no answer.*timed out")


def test_a_connection_cut_in_the_middle_is_a_transport_error() -> None:
    cut = bottle.HTTPResponse(b"{", 200, {"Content-Length": "100"})
    with serving(always(cut)) as address:
        assert_all_fail(RemoteLedgerClient(f"{address}/ledger"), "no answer")


@pytest.mark.parametrize(
    ("status", "body", "match"),
    [
        (500, b"trouble", "HTTP 500: b'trouble'"),
        (404, b"<html>", "HTTP 404"),
        (302, b"{}", "HTTP 302"),
        (204, b"", "HTTP 204"),
        (200, b"<html>", "not a ledger's answer"),
        (200, b'{"status": "healthy"}', "not a ledger's answer"),
        (200, b"\xff", "not a ledger's answer"),
    ],
)
def test_an_answer_that_is_no_ledgers_is_an_error(status: int, body: bytes, match: str) -> None:
    with serving(always(bottle.HTTPResponse(body, status))) as address:
        assert_all_fail(RemoteLedgerClient(f"{address}/ledger"), match)


# Which ledger


def test_the_ledger_is_that_of_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALM_HOME", str(tmp_path))
    record = save(tmp_path / "current_model", 10)
    assert get_ledger().get_latest() == record
    assert get_ledger().path_of(record) == tmp_path / "current_model" / record.canonical_name


@pytest.mark.parametrize(("here", "kind"), [("4090", CheckpointLedger), ("3090", RemoteLedgerClient)])
def test_the_ledger_is_local_on_the_trainer_and_remote_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str, kind: type
) -> None:
    monkeypatch.setenv("REALM_HOME", str(tmp_path))
    registry = json.loads((shipped_configs() / "hosts.json").read_bytes())
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "hosts.json").write_text(json.dumps(registry | {"local_host": here}))
    client = get_ledger_client()
    assert isinstance(client, kind)
    if isinstance(client, RemoteLedgerClient):
        assert client.base_url == "http://trainer.lan:8767/api/ledger"


def test_on_an_unknown_machine_there_is_no_guess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALM_HOME", str(tmp_path))
    with pytest.raises(HostError, match="hostnames"):
        get_ledger_client()
