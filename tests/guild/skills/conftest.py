"""A home with skills of its own, and the servers that they name."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from realm.core.paths import Home
from tests.cli.console import until

HERE = Path(__file__).parent
REALM = [sys.executable, "-m", "realm"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The realm's home for this process and for what it starts."""
    made = Home(tmp_path / "home")
    made.create()
    (made.configs / "skills").mkdir()
    monkeypatch.setenv("REALM_HOME", str(made.root))
    return made


def describe(home: Home, skill: str, *changes: tuple[str, str]) -> Path:
    """Adds tests/guild/skills/<skill>.yaml to the home, changed."""
    text = (HERE / f"{skill}.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = home.configs / "skills" / f"{skill}.yaml"
    file.write_text(text)
    return file


@pytest.fixture
def adder(home: Home) -> Iterator[subprocess.Popen[str]]:
    """The server in Perl, and its skill's file in the home."""
    perl = shutil.which("perl")
    if perl is None:
        pytest.skip("perl is not installed")
    with subprocess.Popen([perl, HERE / "adder.pl"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        describe(home, "adder", ("8091", server.stdout.readline().strip()))
        try:
            yield server
        finally:
            server.kill()


def echo_skill(home: Home, port: int) -> None:
    """BIN under another id, so that a test needs no fixed port: the file that ships, served at `port`."""
    text = (Path(__file__).parents[3] / "configs" / "skills" / "bin.yaml").read_text()
    text = text.replace("id: bin\n", "id: bon\n").replace(":8090", f":{port}")
    (home.configs / "skills" / "bon.yaml").write_text(text)


@contextmanager
def skill_server(home: Home, skill: str) -> Iterator[subprocess.Popen[bytes]]:
    """`realm run skill@...`, ready; killed when the block is left."""
    log = home.logs / "server.log"
    with log.open("wb") as stream, subprocess.Popen([*REALM, "run", f"skill@{skill}"], stderr=stream) as server:
        try:
            until(lambda: "event=ready" in log.read_text() or server.poll() is not None)
            assert server.poll() is None, log.read_text()
            yield server
        finally:
            server.send_signal(signal.SIGCONT)
            server.kill()


def is_connected_to(port: int) -> bool:
    """Whether a client on this machine has a connection to that port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows)
