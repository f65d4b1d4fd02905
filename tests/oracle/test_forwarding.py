"""Another server behind the oracle: what goes through it unchanged, and what is said when it cannot."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import openai
import pytest

from realm.core.log import Log
from realm.core.loopback import LoopbackServer
from realm.oracle.client import OracleClient, OracleRefused, OracleUnreachable
from realm.oracle.forwarding import Forwarding
from realm.oracle.pool import Pool
from tests.arena.realm_home import eventually
from tests.oracle.compatible import compatible
from tests.oracle.conftest import NEWER, OLDER, ask
from tests.ports import free_port

QUESTION = [{"role": "user", "content": "Compute: add(①, ①⓪)"}]


@contextmanager
def before(upstream: str, key: str | None = None) -> Iterator[int]:
    forwarding = Forwarding(upstream, key)
    with LoopbackServer(forwarding.app, 0, Log("oracle"), threads=8) as server:
        yield server.port
    forwarding.end()


def client_of(port: int) -> OracleClient:
    return OracleClient(f"http://127.0.0.1:{port}")


def test_an_oracle_behind_an_oracle_answers_as_it_does_itself(port: int, pool: Pool) -> None:
    direct = client_of(port)
    with before(direct.url) as front:
        through = client_of(front)
        assert [model.name for model in through.models()] == [NEWER, OLDER, "base"]
        options = {"temperature": 0, "max_tokens": 24}
        assert list(through.stream(QUESTION, "latest", **options)) == list(direct.stream(QUESTION, "latest", **options))
        with openai.OpenAI(base_url=f"{through.url}/v1", api_key="none", max_retries=0) as client:
            text = client.completions.create(model="latest", prompt="add(①", temperature=0, max_tokens=8)
            assert text.usage
            assert text.usage.completion_tokens == 8
            with pytest.raises(openai.NotFoundError, match="nearest steps"):
                client.completions.create(model="step:7", prompt="add(①")
        stream = through.stream(QUESTION, "latest", temperature=0, max_tokens=2000)
        next(stream)
        stream.close()
        eventually(lambda: not pool.models[0].users)


def test_pieces_come_at_once_and_who_goes_away_ends_them_there() -> None:
    with compatible(None) as server, before(server.url) as port:
        stream = client_of(port).stream(QUESTION, "qwen")
        assert [next(stream).text for _ in range(3)] == ["on and on "] * 3
        assert not server.hung_up.is_set()
        stream.close()
        assert server.hung_up.wait(60)


def test_the_other_server_gets_its_own_key_and_no_other() -> None:
    with compatible(key="theirs") as server:
        with before(server.url, "theirs") as port:
            assert client_of(port).chat(QUESTION, "qwen").text == "①②"
            with pytest.raises(OracleRefused, match="no such model") as missing:
                client_of(port).chat(QUESTION, "other")
            assert missing.value.status == 404
        with before(server.url) as port, pytest.raises(OracleRefused, match=r"secrets/oracle-upstream\.key") as refused:
            OracleClient(f"http://127.0.0.1:{port}", "theirs").chat(QUESTION, "qwen")
        assert refused.value.status == 503


def test_what_broke_off_is_told() -> None:
    with before(f"http://127.0.0.1:{free_port()}") as port:
        status, said = ask(port, "/v1/models")
        assert (status, said["error"]["code"]) == (503, "upstream_unreachable")
        assert "start it, or mend oracle.upstream" in said["error"]["message"]
    with compatible(["①"], end="cut") as server, before(server.url) as port:
        stream = client_of(port).stream(QUESTION, "qwen")
        assert next(stream).text == "①"
        with pytest.raises(OracleUnreachable, match="broke off"):
            list(stream)


def test_the_end_of_the_oracle_waits_for_no_silent_server() -> None:
    with compatible(["①"], end="silence") as server, ThreadPoolExecutor() as pool:
        forwarding = Forwarding(server.url, None)
        with LoopbackServer(forwarding.app, 0, Log("oracle"), threads=8) as front:
            stream = client_of(front.port).stream(QUESTION, "qwen")
            next(stream)
            whole = pool.submit(ask, front.port, "/v1/chat/completions", {"model": "qwen", "messages": QUESTION})
            eventually(lambda: len(server.asked) == 2)
            forwarding.end()
            with pytest.raises(OracleUnreachable, match="broke off"):
                list(stream)
            status, said = whole.result(60)
            assert (status, said["error"]["code"]) == (503, "upstream_unreachable")
        assert server.hung_up.wait(60)


def test_its_memory_and_its_other_paths_are_out_of_reach() -> None:
    with compatible() as server, before(server.url) as port:
        for act in ("load", "unload", "reload"):
            status, said = ask(port, f"/models/{act}", {"model": "qwen"})
            assert (status, said["error"]["type"]) == (400, "invalid_request_error")
            assert "is for that server to say" in said["error"]["message"]
        assert client_of(port).info()["upstream"] == server.url
        assert [ask(port, f"/v1/{place}")[0] for place in ("../admin", "%2e%2e/admin", "a//b", "")] == [404] * 4
        assert ask(port, "/v1/chat/completions", {"model": "qwen"}, Origin="http://evil.example")[0] == 403
        assert server.asked == []
