"""realm oracle, as a person and a pipe use it, against a real oracle and a server of another make."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from realm.core.log import Log
from realm.core.loopback import LoopbackServer
from realm.core.paths import Home
from realm.core.status import OracleStatus, write_status
from realm.oracle import keys
from realm.oracle.client import oracle_of
from realm.oracle.oracle_api import OracleApi
from realm.oracle.pool import Pool
from realm.oracle.shelf import Shelf
from tests.cli.console import alive, header, realm
from tests.cli.live_terminal import live
from tests.oracle.compatible import compatible
from tests.oracle.conftest import FIRST, NEWER, OLDER, put_checkpoint

QUESTION = "Compute: add(①, ①⓪)"
CTRL_C, CTRL_D = "\x03", "\x04"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, squire: Path) -> Iterator[Home]:
    """A home with two checkpoints, and its oracle."""
    home = Home(tmp_path_factory.mktemp("oracle") / "home")
    home.create()
    shutil.copytree(squire, home.models / "squire")
    put_checkpoint(home, squire, 500, FIRST)
    put_checkpoint(home, squire, 1000, FIRST + timedelta(hours=1))
    pool = Pool(Shelf(home), 10**9, lambda what, text: None)
    with LoopbackServer(OracleApi(pool).app, 0, Log("oracle"), threads=8) as server:
        tell_of(home, f"http://127.0.0.1:{server.port}")
        with alive(home, "oracle"):
            yield home
    pool.end()


def tell_of(home: Home, url: str) -> None:
    assert write_status(home.status, OracleStatus(**header("oracle"), url=url)) is None


def test_models_are_loaded_listed_and_unloaded(served: Home) -> None:
    assert f"{OLDER} is in the memory of http://127.0.0.1:" in realm(served, "oracle", "load", "step:500").output
    assert oracle_of(served).info()["models"][0]["name"] == OLDER
    newest, older, base = json.loads(realm(served, "oracle", "ls", "--json").output)
    assert (newest["name"], newest["step"], newest["tags"]) == (NEWER, 1000, ["latest"])
    assert (older["name"], older["tags"], base["name"], base["step"]) == (OLDER, [], "base", None)
    assert all(one["size"] > 10**6 for one in (newest, older, base))
    lines = realm(served, "oracle", "ls").output.splitlines()
    assert lines[0].split() == ["MODEL", "STEP", "SIZE", "SAVED", "MEMORY", "TAGS"]
    assert lines[1].split()[:2] == [NEWER, "1,000"]
    assert realm(served, "oracle", "unload", "step:500").output == f"{OLDER} is out of memory\n"
    assert oracle_of(served).info()["models"] == []


def test_a_load_that_fails_says_why(served: Home) -> None:
    weights = served.current_model / OLDER / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        said = realm(served, "oracle", "load", "step:500", ends_with=1).output
    finally:
        weights.write_bytes(whole)
    assert "model.safetensors is not what was saved" in said
    assert "nearest steps are 500, 1000" in realm(served, "oracle", "load", "step:7", ends_with=1).output


def test_in_a_pipe_the_answer_is_all_there_is(served: Home) -> None:
    greedy = ("--temperature", 0, "--max-tokens", 12)
    asked = oracle_of(served).chat([{"role": "user", "content": QUESTION}], NEWER, temperature=0, max_tokens=12)
    said = realm(served, "oracle", "chat", "latest", QUESTION, *greedy)
    assert said.stdout == asked.text + "\n"
    assert "latest · 12 tokens · " in said.stderr
    assert "tokens/s · first after " in said.stderr
    assert realm(served, "oracle", "chat", *greedy, stdin=QUESTION).stdout == said.stdout
    led = realm(served, "oracle", "chat", "latest", QUESTION, *greedy, "--system", "Only ⓪ and ①.").stdout
    assert led != said.stdout
    assert "there is no prompt" in realm(served, "oracle", "chat", "latest", ends_with=1).output


def test_a_home_without_an_oracle_says_who_is_asked(home: Home) -> None:
    (home.configs / "hosts.json").write_text(HOSTS)
    said = realm(home, "oracle", "chat", "latest", "hi", ends_with=1).output
    assert "this home's Oracle does not run (`realm run oracle`): http://127.0.0.1:1 is asked" in said
    assert "no Oracle answers at http://127.0.0.1:1 " in said
    assert "unknown host 'mars'" in realm(home, "oracle", "ls", "--host", "mars", ends_with=1).output


HOSTS = json.dumps(
    {
        "version": 1,
        "hosts": {
            "box": {
                "name": "Box",
                "address": "127.0.0.1",
                "role": "trainer",
                "hostnames": [],
                "services": {"inference": {"port": 1}},
            }
        },
        "local_host": None,
    }
)


def test_another_hosts_models_are_listed(home: Home) -> None:
    with compatible() as server:
        (home.configs / "hosts.json").write_text(HOSTS.replace('"port": 1', f'"port": {server.server_port}'))
        [qwen] = json.loads(realm(home, "oracle", "ls", "--host", "box", "--json").output)
    assert (qwen["name"], qwen["size"], qwen["is_in_memory"]) == ("qwen", None, False)


def test_keys_are_told_where_there_are_any(home: Home) -> None:
    assert "`realm config set oracle.host 0.0.0.0`" in realm(home, "oracle", "keys").output
    read, admin = keys.made_key(home, keys.READ), keys.made_key(home, keys.ADMIN)
    said = realm(home, "oracle", "keys").output
    assert read in said
    assert admin in said
    assert str(home.secrets / keys.ADMIN) in said


def test_a_chat_in_a_terminal(home: Home) -> None:
    with compatible(["a\x1b[2Jb\n", "①"]) as server, alive(home, "oracle"):
        tell_of(home, server.url)
        with live(home, "oracle", "chat", "--system", "be short", "--seed", 7) as terminal:

            def type_and_see(line: str, words: str, then: str = "›") -> None:
                seen = len(terminal.written)
                terminal.type(line)
                terminal.until(lambda: then in terminal.written[seen:].partition(words)[2])

            type_and_see("", "/help · Ctrl-D ends")
            type_and_see("one\n", "first after")
            assert "a\\x1b[2Jb\r\n①" in terminal.written
            server.texts = None
            type_and_see("two\n", "on and on", then="on and on")
            type_and_see(CTRL_C, "stopped · ")
            assert server.hung_up.wait(60)
            assert [turn["content"] for turn in server.asked[1]["messages"]] == [
                "be short",
                "one",
                "a\x1b[2Jb\n①",
                "two",
            ]
            assert server.asked[1]["seed"] == 7
            type_and_see("/model other\n", "answers from now on")
            type_and_see("three\n", "no such model")
            type_and_see("/dance\n", "/dance is unknown here: /help, /model")
            type_and_see(f"/save {home.root}/said.jsonl\n", "4 turns are in ")
            type_and_see("/clear\n", "forgotten")
            type_and_see("/system\n", "there is no system prompt")
            type_and_see("/model qwen\n", "answers from now on")
            server.texts = ["②"]
            type_and_see("four\n", "first after")
            assert server.asked[-1]["messages"] == [{"role": "user", "content": "four"}]
            terminal.type(CTRL_D)
            assert terminal.end() == 0
    [line] = (home.root / "said.jsonl").read_text().splitlines()
    roles = [turn["role"] for turn in json.loads(line)["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant"]
