"""The trainer with `compile: true`."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from realm.arena.battle.seal import newest_verified
from realm.armory.heroes import BuiltModel, get_hero
from realm.armory.smithy import build_hero
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from realm.guild.skills import get_trainer
from tests.arena.realm_home import eventually, make_home, put_quest
from tests.arena.watcher import chat

PATIENCE = 300.0  # seconds


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Its squire has one layer: each takes its time to compile."""
    squire = get_hero("squire")
    assert isinstance(squire.model, BuiltModel)
    flat = replace(squire.model, architecture=replace(squire.model.architecture, num_hidden_layers=1))
    folder = build_hero(replace(squire, model=flat), tmp_path / "squire", signs=get_trainer("bin").SIGNS)
    home = make_home(tmp_path / "home", folder)
    config = msgspec.json.decode(home.config_file.read_bytes())
    home.config_file.write_bytes(msgspec.json.encode({**config, "compile": True}))
    put_quest(home, b"".join(chat(f"What is {n} + 1?", f"It is {n + 1}.") for n in range(1500)))
    return home


def trainer(home: Home, path: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "REALM_HOME": str(home.root), "PATH": path}
    command = [sys.executable, "-m", "realm", "run", "trainer"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_without_a_compiler_a_person_is_told_what_to_install(home: Home, tmp_path: Path) -> None:
    process = trainer(home, path=str(tmp_path))
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == os.EX_CONFIG
    assert "cannot-start" in said
    assert "config.json asks for compile: No working C++ compiler found" in said
    assert "install g++, or set compile false" in said


@pytest.mark.timeout(900)  # compiling takes 20 to 90 s of a quiet core, and three lives begin here
@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed: nothing can be compiled")
def test_the_program_is_kept_and_a_kill_changes_no_weight(home: Home, tmp_path: Path) -> None:
    struck = Home(shutil.copytree(home.root, tmp_path / "struck"))
    live_on(home)
    assert any((home.models / ".compiled").iterdir())
    shutil.copytree(home.models / ".compiled", struck.models / ".compiled")
    process = trainer(struck, path=os.environ["PATH"])
    eventually(lambda: steps(struck) >= 3 or process.poll() is not None, PATIENCE)
    process.kill()
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL, said
    assert not QuestQueue(struck).names("recently_completed")
    live_on(struck)
    assert parts(struck) == parts(home)


def live_on(home: Home) -> None:
    """Until the quest is filed."""
    process = trainer(home, path=os.environ["PATH"])
    eventually(lambda: QuestQueue(home).names("recently_completed") or process.poll() is not None, PATIENCE)
    process.terminate()
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said


def steps(home: Home) -> int:
    return len(read_metrics(home.metrics))


def parts(home: Home) -> list[str]:
    """SHA-256 of weights and optimizer."""
    seal, _ = newest_verified(home.seals)
    assert seal
    return [part.sha256 for name, part in seal.manifest.parts.items() if name.endswith(".safetensors")]
