"""The daemon `realm run skill@...`."""

import signal
import subprocess
import urllib.request
from pathlib import Path

from realm.core.paths import Home
from realm.core.status import is_locked
from realm.guild.skills import get_skill
from tests.guild.skills.conftest import REALM, describe, echo_skill, skill_server
from tests.ports import free_port


def refused(*words: str) -> tuple[int, str]:
    done = subprocess.run([*REALM, "run", *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_it_serves_until_it_is_told_to_end(home: Home) -> None:
    port = free_port()
    echo_skill(home, port)
    with skill_server(home, "bon") as server:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
            assert answer.read() == b'{"status":"ok","skill":"bon","version":"1.0.0"}'
        assert is_locked(home.locks / "skill-bon.lock")
        status, said = refused("skill@bon")
        assert status == 75
        assert "skill-bon runs already" in said
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    log = (home.logs / "server.log").read_text()
    assert f"serves Binary Alchemy 1.0.0 on port {port}" in log
    assert log.splitlines()[-1].endswith("event=end")
    assert not is_locked(home.locks / "skill-bon.lock")


def test_it_writes_nothing_but_its_lock(home: Home) -> None:
    port = free_port()
    echo_skill(home, port)
    before = files_of(home)
    with skill_server(home, "bon"):
        for path in ("health", "info", "levels", "eval?level=3"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}").close()
        assert files_of(home) - before == {Path(f"locks/skill-bon.{kind}") for kind in ("lock", "starts")}


def files_of(home: Home) -> set[Path]:
    return {path.relative_to(home.root) for path in home.root.rglob("*") if path.parent != home.logs}


def test_what_it_cannot_serve_is_said_and_a_person_has_to_mend_it(home: Home) -> None:
    port = free_port()
    echo_skill(home, port)
    describe(home, "adder")
    file = home.configs / "skills" / "far.yaml"
    file.write_text((home.configs / "skills" / "bon.yaml").read_text().replace("localhost", "trainer.lan"))
    file.write_text(file.read_text().replace("id: bon", "id: far"))
    cases = {
        "bim": "unknown skill 'bim'",
        "adder": "adder is served by a program of its own at http://127.0.0.1:8091: start that one",
        "far": f"api_url is http://trainer.lan:{port}: a server here has localhost and a port",
    }
    for skill, reason in cases.items():
        status, said = refused(f"skill@{skill}")
        assert status == 78
        assert reason in said
        assert "Traceback" not in said
    assert get_skill("adder").in_process is None


def test_a_taken_port_is_said(home: Home) -> None:
    port = free_port()
    echo_skill(home, port)
    other = home.configs / "skills" / "bun.yaml"
    other.write_text((home.configs / "skills" / "bon.yaml").read_text().replace("id: bon", "id: bun"))
    with skill_server(home, "bon"):
        status, said = refused("skill@bun")
    assert status == 78
    assert f"port {port} of 127.0.0.1 cannot be listened on" in said
    assert "Traceback" not in said


def test_names_that_are_none_are_refused(home: Home) -> None:
    for name in ("skill@", "skill@../x", "skill", "tailor"):
        status, said = refused(name)
        assert status == 2
        assert "is not one of 'trainer', 'queue-watcher'" in said
