"""The oracle as a process: small while nobody asks it, obedient to files, and whole again after a kill."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from realm.core.control import Control
from realm.core.paths import Home
from realm.core.status import OracleStatus, is_locked, read_status
from realm.oracle.client import OracleClient, OracleRefused, OracleUnreachable, oracle_of, own_url
from tests.arena.realm_home import eventually, log_of
from tests.oracle.compatible import compatible
from tests.oracle.conftest import NEWER, ask
from tests.ports import free_port

RUN = (
    "import sys; from pathlib import Path; from realm.oracle import oracle; oracle.POLL = 0.05; oracle.INTERVAL = 0.2;"
    "from realm.oracle import backends; backends.BETWEEN_LOOKS = 0.1; oracle.main(Path(sys.argv[1]))"
)


@contextmanager
def running(home: Home, port: int, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    home.config_file.write_text(json.dumps({"oracle": {"port": port, **settings}}))
    (home.locks / "oracle.starts").unlink(missing_ok=True)  # no back-off after the kills of a test
    with (home.logs / "oracle.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-c", RUN, home.root], stdout=log, stderr=log)
    try:
        eventually(lambda: process.poll() is None and said(home, process.pid) and said(home, process.pid).url)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def said(home: Home, pid: int) -> Any:
    """What this process said of itself last."""
    status = read_status(home.status / OracleStatus.FILE, OracleStatus)
    return status if status and status.writer.pid == pid else None


def loaded(home: Home, pid: int) -> list[str]:
    return [model.name for model in said(home, pid).models]


def libraries(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


def test_orders_are_obeyed_and_torch_comes_with_the_first(home: Home) -> None:
    port, control = free_port(), Control(home)
    with running(home, port) as oracle:
        assert "libtorch" not in libraries(oracle.pid)
        order = control.place_order("oracle", "load", {"model": "latest"})
        eventually(lambda: loaded(home, oracle.pid) == [NEWER])
        assert own_url(home) == f"http://127.0.0.1:{port}"
        answer = control.answer_to("oracle", order)
        assert answer
        assert answer.result == {"model": NEWER}
        assert "libtorch" in libraries(oracle.pid)
        refused = control.place_order("oracle", "load", {"model": "../secrets"})
        eventually(lambda: control.answer_to("oracle", refused) is not None)
        told = control.answer_to("oracle", refused)
        assert told
        assert "names no model" in str(told.error)
        control.place_order("oracle", "unload", {"model": "latest"})
        eventually(lambda: loaded(home, oracle.pid) == [])
    assert oracle.returncode == 0, log_of(home, "oracle")
    assert (said(home, oracle.pid).state, said(home, oracle.pid).url) == ("ended", None)


def test_an_oracle_killed_in_a_load_and_in_a_stream_answers_after_its_next_start(home: Home) -> None:
    port, question = free_port(), [{"role": "user", "content": "①"}]
    with running(home, port) as loading:
        assert ask(port, "/models/load", {"model": "latest"})[0] == 202
        kill(home, loading)
    with running(home, port) as streaming:
        assert loaded(home, streaming.pid) == []
        client = oracle_of(home)
        stream = client.stream(question, "latest", temperature=0)
        next(stream)
        kill(home, streaming)
        with pytest.raises(OracleUnreachable, match="broke off"):
            list(stream)
        with pytest.raises(OracleUnreachable, match="no Oracle answers"):
            client.models()
        assert own_url(home) is None
    with running(home, port) as again:
        assert client.chat(question, "latest", max_tokens=3, temperature=0).completion_tokens == 3
    assert again.returncode == 0, log_of(home, "oracle")


def test_an_oracle_of_the_network_with_another_server_behind_it(home: Home) -> None:
    port, question = free_port(), [{"role": "user", "content": "①"}]
    with compatible() as server, running(home, port, host="0.0.0.0", backend="openai", upstream=server.url) as oracle:
        eventually(lambda: said(home, oracle.pid).upstream_answers)
        status = said(home, oracle.pid)
        assert (status.url, status.state) == (f"http://127.0.0.1:{port}", "idle")
        assert oracle_of(home).chat(question, "qwen").text == "①②"
        with pytest.raises(OracleRefused, match="a key is needed here") as refused:
            OracleClient(status.url).models()
        assert refused.value.status == 401
        order = Control(home).place_order("oracle", "load", {"model": "latest"})
        eventually(lambda: Control(home).answer_to("oracle", order))
        told = Control(home).answer_to("oracle", order)
        assert told
        assert "is for that server to say" in str(told.error)
        server.key = "another"
        eventually(lambda: said(home, oracle.pid).state == "waiting")
        assert "secrets/oracle-upstream.key" in said(home, oracle.pid).problems[0]
        assert said(home, oracle.pid).upstream_answers is False
    assert oracle.returncode == 0, log_of(home, "oracle")


def kill(home: Home, oracle: subprocess.Popen[bytes]) -> None:
    oracle.kill()
    oracle.wait()
    assert not is_locked(home.locks / "oracle.lock")
