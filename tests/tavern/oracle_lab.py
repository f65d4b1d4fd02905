"""A home with three models, its oracle as a process of its own, and the whole tavern before it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from realm.core.config import Tavern
from realm.core.paths import Home, shipped_configs
from realm.core.status import OracleStatus, read_status
from realm.guild.exam_book import exam_name, publish_exam
from realm.guild.exams import paper, report
from realm.guild.skills import get_trainer
from tests.arena.realm_home import eventually
from tests.oracle.conftest import FIRST, put_checkpoint
from tests.ports import free_port
from tests.tavern.conftest import Door, opened

THREADS = 16
PATIENCE = 60.0  # seconds, on a machine where other tests run


@dataclass
class OracleLab:
    home: Home
    door: Door  # of the tavern
    port: int = field(default_factory=free_port)  # of the oracle
    life: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.door.port}"

    def start(self) -> None:
        """Until it answers."""
        environment = {**os.environ, "REALM_HOME": str(self.home.root), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "realm", "run", "oracle"]
        with (self.home.logs / "oracle.log").open("ab") as log:
            self.life = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        eventually(self.is_up, PATIENCE)

    def is_up(self) -> bool:
        assert self.life
        assert self.life.poll() is None, (self.home.logs / "oracle.log").read_text()
        said = read_status(self.home.status / OracleStatus.FILE, OracleStatus)
        return said is not None and said.url is not None and said.writer.pid == self.life.pid

    def name_host(self, host: str, port: int) -> None:
        """In the registry: it is this machine, too, and its oracle is at that port."""
        registry = json.loads((shipped_configs() / "hosts.json").read_text())
        registry["hosts"][host]["address"] = "127.0.0.1"
        registry["hosts"][host]["services"]["inference"]["port"] = port
        (self.home.configs / "hosts.json").write_text(json.dumps(registry))

    def give_memory(self, memory_gb: float) -> None:
        """To the oracle, when it starts the next time."""
        settings = {"oracle": {"port": self.port, "memory_gb": memory_gb}}
        self.home.config_file.write_bytes(msgspec.json.encode(settings))

    def kill(self) -> None:
        """Without the back-off of who was killed several times in a row."""
        assert self.life
        self.life.kill()
        self.life.wait(PATIENCE)
        (self.home.locks / "oracle.starts").unlink(missing_ok=True)


@contextmanager
def oracle_home(root: Path, squire: Path) -> Iterator[OracleLab]:
    """Without an oracle. The registry of hosts, too, is that home's."""
    home = Home(root)
    home.create()
    shutil.copytree(squire, home.models / "squire")
    put_checkpoint(home, squire, 500, FIRST)
    put_checkpoint(home, squire, 1000, FIRST + timedelta(hours=1))
    with pytest.MonkeyPatch.context() as patch, opened(home, Tavern(), THREADS) as door:
        patch.setenv("REALM_HOME", str(root))
        lab = OracleLab(home, door)
        lab.give_memory(8.0)
        yield lab


@contextmanager
def oracle_lab(root: Path, squire: Path) -> Iterator[OracleLab]:
    with oracle_home(root, squire) as lab:
        lab.start()
        yield lab
        assert lab.life
        lab.life.terminate()
        lab.life.wait(PATIENCE)


def sit(home: Home, checkpoint: str, right: range) -> None:
    """An exam of 20 items, of which these were answered rightly."""
    name = exam_name("bin", checkpoint, 3, "1.0.0")
    trainer = get_trainer("bin")
    items = trainer.exam(3, 20, 0)
    papers = [paper(item, "?", True, float(number in right)) for number, item in enumerate(items)]
    told = report(papers, skill="bin", version="1.0.0", checkpoint=checkpoint, digest="0" * 64, generation={})
    publish_exam(home, name, told, b"".join(msgspec.json.encode(one) + b"\n" for one in papers))
