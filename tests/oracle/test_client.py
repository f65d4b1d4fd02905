"""OracleClient against a real oracle, against a server of another make, and against none; and where oracles are."""

import json
from pathlib import Path
from typing import Any

import pytest

from realm.core.hosts import HostError
from realm.core.paths import Home, shipped_configs
from realm.core.status import OracleStatus, write_status
from realm.oracle import keys
from realm.oracle.client import OracleClient, OracleRefused, OracleUnreachable, Usage, oracle_of
from realm.oracle.pool import Pool
from tests.arena.realm_home import eventually
from tests.cli.console import alive, header
from tests.oracle.compatible import End, compatible
from tests.oracle.conftest import NEWER, OLDER
from tests.ports import free_port

QUESTION = [{"role": "user", "content": "Compute: add(①, ①⓪)"}]
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 24}


@pytest.fixture
def client(port: int) -> OracleClient:
    return OracleClient(f"http://127.0.0.1:{port}/")


def test_an_answer_is_the_same_whole_and_in_pieces(client: OracleClient) -> None:
    whole = client.chat(QUESTION, "latest", **GREEDY)
    assert (whole.model, whole.finish, whole.completion_tokens) == (NEWER, "length", 24)
    pieces = list(client.stream(QUESTION, "latest", **GREEDY))
    assert "".join(piece.text for piece in pieces) == whole.text
    assert whole.text
    assert pieces[-1].usage == Usage(whole.prompt_tokens or 0, 24)
    assert [piece.finish for piece in pieces if piece.finish] == ["length"]


def test_closing_a_stream_ends_the_answer_at_the_server(client: OracleClient, pool: Pool) -> None:
    stream = client.stream(QUESTION, "latest", temperature=0, max_tokens=2000)
    next(stream)
    assert pool.models[0].users == 1
    stream.close()
    eventually(lambda: not pool.models[0].users and not pool.models[0].engine.is_busy)


def test_models_are_listed_loaded_and_unloaded(client: OracleClient, pool: Pool) -> None:
    assert client.health()
    assert [model.name for model in client.models()] == [NEWER, OLDER, "base"]
    assert all(model.created > 0 for model in client.models())
    assert client.load("step:500") == OLDER
    eventually(lambda: [one["name"] for one in client.info()["models"]] == [OLDER])
    first = pool.models[0].loaded_at
    assert client.reload("step:500") == OLDER
    eventually(lambda: [one.loaded_at > first for one in pool.models] == [True])
    assert client.unload("step:500") == OLDER
    assert client.info()["models"] == []


def test_a_refusal_is_the_servers_sentence(client: OracleClient) -> None:
    with pytest.raises(OracleRefused, match="nearest steps") as missing:
        client.chat(QUESTION, "step:7")
    assert (missing.value.status, missing.value.code) == (404, "model_not_found")
    with pytest.raises(OracleRefused, match="temperature") as hot:
        next(client.stream(QUESTION, "latest", temperature=3))
    assert hot.value.status == 400


def test_where_nobody_answers() -> None:
    nobody = OracleClient(f"http://127.0.0.1:{free_port()}")
    assert not nobody.health()
    with pytest.raises(
        OracleUnreachable, match=r"no Oracle answers at http://127\.0\.0\.1:[0-9]+ .*`realm run oracle`"
    ):
        nobody.models()
    with pytest.raises(OracleUnreachable, match="no Oracle answers at ftp"):
        OracleClient("ftp://127.0.0.1").models()


def test_a_server_of_another_make_is_understood() -> None:
    texts = ["one\u2028line", "\x85", "①"]  # what Python holds for ends of lines, and JSON does not
    with compatible(texts, key="k") as server:
        client = OracleClient(server.url, key="k")
        reply = client.chat(QUESTION, "qwen")
        assert (reply.text, reply.finish, reply.prompt_tokens) == ("".join(texts), "stop", None)
        with pytest.raises(OracleRefused, match="no such model") as missing:
            client.chat(QUESTION, "other")
        assert (missing.value.status, missing.value.code) == (404, "404")
        with pytest.raises(OracleRefused, match="Incorrect API key") as refused:
            OracleClient(server.url).models()
        assert refused.value.status == 401
        with pytest.raises(OracleRefused, match="refused with 404: Not Found"):
            client.load("qwen")
        with pytest.raises(OracleUnreachable, match="is no Oracle"):
            OracleClient(f"{server.url}/page", key="k").models()


@pytest.mark.parametrize("end", ["nothing", "cut"])
def test_an_answer_without_an_end_is_told(end: End) -> None:
    with compatible(["①"], end=end) as server:
        stream = OracleClient(server.url).stream(QUESTION, "qwen")
        assert next(stream).text == "①"
        with pytest.raises(OracleUnreachable, match="broke off"):
            list(stream)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with nothing in it, and the one that is meant."""
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setenv("REALM_HOME", str(home.root))
    return home


def test_the_oracle_of_a_home_is_its_own_while_that_runs(bare: Home) -> None:
    (bare.secrets / keys.ADMIN).write_text("ours\n")
    said = OracleStatus(**header("oracle"), url="http://127.0.0.1:1")
    assert write_status(bare.status, said) is None
    with alive(bare, "oracle"):
        own = oracle_of(bare)
        assert (own.url, own._key) == ("http://127.0.0.1:1", "ours")
        assert oracle_of(bare, "3090").url == "http://inference.lan:8765"
    assert oracle_of(bare).url == "http://inference.lan:8765"


def test_another_hosts_key_goes_to_that_host_alone(bare: Home) -> None:
    registry = json.loads((shipped_configs() / "hosts.json").read_text())
    registry["hosts"]["4090"]["services"]["inference"] = {"port": 8765}
    registry["local_host"] = "4090"
    (bare.configs / "hosts.json").write_text(json.dumps(registry))
    (bare.secrets / keys.ADMIN).write_text("ours\n")
    (bare.secrets / keys.OF_HOST.format("3090")).write_text("theirs\n")
    assert oracle_of(bare)._key == oracle_of(bare, "4090")._key == "ours"
    assert oracle_of(bare, "3090")._key == "theirs"
    with pytest.raises(HostError, match="unknown host 'mars'"):
        oracle_of(bare, "mars")
    with pytest.raises(HostError, match="has no service 'inference'"):
        oracle_of(bare, "nas")
