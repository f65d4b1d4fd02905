"""A trainer on two devices, which are two processes here: killed one by one, and resumed on one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from realm.arena.battle.seal import newest_verified
from realm.arena.battle.snapshot import WEIGHTS
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from tests.arena.realm_home import eventually, log_of, make_home, put_quest
from tests.arena.watcher import chat

PATIENCE = 120.0  # seconds
LESSON = b"".join(chat(f"What is {n} + 1?", f"It is {n + 1}.") for n in range(400))


@pytest.fixture
def home(tmp_path: Path, squire: Path) -> Home:
    home = make_home(tmp_path / "home", squire)
    put_quest(home, LESSON)
    return home


@contextmanager
def trainer(home: Home, devices: int, *, sharded: bool = False) -> Iterator["subprocess.Popen[bytes]"]:
    config = msgspec.json.decode(home.config_file.read_bytes())
    home.config_file.write_bytes(msgspec.json.encode({**config, "devices": devices, "sharded": sharded}))
    environment = {**os.environ, "REALM_HOME": str(home.root)}
    with (home.logs / "trainer.log").open("ab") as log:
        command = [sys.executable, "-m", "realm", "run", "trainer"]
        with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
            try:
                yield process
            finally:
                process.terminate()
                process.wait(PATIENCE)
    (home.locks / "trainer.starts").unlink(missing_ok=True)  # no back-off: the deaths are ours


def step_of(home: Home) -> int:
    return max((row["step"] for row in read_metrics(home.metrics)), default=0)


def rank_of(process: "subprocess.Popen[bytes]") -> int:
    """The process of the other rank: of the trainer's children the one that loads models."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (rank,) = (int(pid) for pid in children if b"realm.arena.battle.crew" in Path(f"/proc/{pid}/cmdline").read_bytes())
    return rank


def is_over(pid: int) -> bool:
    """Gone, or a zombie that nobody has waited for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("sharded", [False, True])
def test_a_rank_that_is_killed_ends_the_trainer_and_one_device_goes_on_from_their_seal(
    home: Home, sharded: bool
) -> None:
    with trainer(home, devices=2, sharded=sharded) as both:
        eventually(lambda: step_of(home) >= 3, PATIENCE)
        (home.control / ".seal").touch()
        eventually(lambda: any(home.seals.glob("[0-9]*")), PATIENCE)
        os.kill(rank_of(both), signal.SIGKILL)
        assert both.wait(PATIENCE) > 0
    assert "event=crash" in log_of(home)
    with trainer(home, devices=1):
        eventually(lambda: QuestQueue(home).names("recently_completed"), PATIENCE)
    assert 'not_bit_equal="devices: 2 -> 1"' in log_of(home)
    assert ('not_bit_equal="sharded: True -> False"' in log_of(home)) is sharded
    steps = [row["step"] for row in read_metrics(home.metrics)]
    assert steps == list(range(1, len(steps) + 1))


def test_a_trainer_that_is_killed_leaves_no_rank_behind(home: Home) -> None:
    with trainer(home, devices=2) as both:
        eventually(lambda: step_of(home) >= 1, PATIENCE)
        rank = rank_of(both)
        both.kill()
        eventually(lambda: is_over(rank), PATIENCE)


def test_a_change_of_rate_and_a_clean_end_reach_all_ranks(home: Home) -> None:
    put_quest(home, LESSON * 20)  # one is over before a change is seen
    with trainer(home, devices=2) as both:
        eventually(lambda: step_of(home) >= 2, PATIENCE)
        config = msgspec.json.decode(home.config_file.read_bytes())
        config["training"]["learning_rate"] = 1e-5
        home.config_file.write_bytes(msgspec.json.encode(config))
        eventually(lambda: list(read_metrics(home.metrics))[-1]["learning_rate"] == pytest.approx(1e-5), PATIENCE)
        rank = rank_of(both)
        both.send_signal(signal.SIGTERM)
        assert both.wait(PATIENCE) == 0
        assert is_over(rank)
    assert "event=end" in log_of(home)


@pytest.mark.parametrize("sharded", [False, True])
def test_killed_and_resumed_two_ranks_come_to_the_same_weights(tmp_path: Path, squire: Path, sharded: bool) -> None:
    ends = []
    for name, is_killed in (("calm", False), ("killed", True)):
        home = make_home(tmp_path / name, squire, checkpoint_steps=10_000)
        put_quest(home, LESSON)
        with trainer(home, devices=2, sharded=sharded) as both:
            eventually(lambda home=home: step_of(home) >= 5, PATIENCE)  # type: ignore[misc]
            if is_killed:
                both.kill()
        with trainer(home, devices=2, sharded=sharded):
            eventually(lambda home=home: QuestQueue(home).names("recently_completed"), PATIENCE)  # type: ignore[misc]
        seal, _ = newest_verified(home.seals)
        assert seal
        ends.append((seal.step, seal.manifest.parts[WEIGHTS].sha256))
    assert ends[0] == ends[1]
