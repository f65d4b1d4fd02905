"""How a soak comes to rest: everything is mended, all drains, and the services end."""

import os
from datetime import UTC, datetime

import msgspec

from realm.core.paths import Home
from realm.core.quests import PRIORITIES, State
from realm.core.status import TrainingStatus, read_status
from tests.soak import faults, people
from tests.soak.machine import CONFIG, SERVICES, TRAINER
from tests.soak.stage import Stage

PATIENCE = 600.0  # seconds for everything to drain, which takes a tenth of it
LAST_QUESTS = 12
RARE = {"minutes": 60.0, "first_minutes": 60.0, "dry_minutes": 60.0}


def come_to_rest(stage: Stage) -> None:
    """A last few quests lie between the last two seals, for the replay. Raises AssertionError for what is stuck."""
    _mend(stage)
    until = stage.machine.box.until
    until(lambda: not _unfinished(stage, "processing"), "everything drains", PATIENCE)
    people.write_settings(stage, msgspec.json.encode({**CONFIG, "seals": RARE}))
    stage.machine.box.run("systemctl", "restart", TRAINER)
    for _ in range(LAST_QUESTS):
        stage.dropper.moved(stage.dropper.content(), stage.machine.home.inbox, stage.chance)
    until(lambda: not _unfinished(stage), "the last quests are claimed", PATIENCE)
    claimed_at = datetime.now(UTC)
    until(lambda: _has_rested(stage.machine.home, claimed_at), "the last quests are trained", PATIENCE)
    stage.machine.box.run("systemctl", "stop", *SERVICES.values())
    for leftover in stage.dropper.hidden.iterdir():
        leftover.unlink()
    stage.dropper.hidden.rmdir()


def _mend(stage: Stage) -> None:
    faults.free_disk(stage)
    people.resume(stage)
    people.write_settings(stage, msgspec.json.encode(CONFIG))
    stage.machine.start_services("--no-block")


def _unfinished(stage: Stage, *states: State) -> list[str]:
    """What lies in the inbox, and the quests that wait."""
    drops = [
        name
        for folder, _, files in os.walk(stage.machine.home.inbox)  # which forgives what vanishes meanwhile
        if not folder.endswith(stage.dropper.hidden.name)
        for name in files
    ]
    return drops + [name for state in (*PRIORITIES, *states) for name in stage.queue.names(state)]


def _has_rested(home: Home, since: datetime) -> bool:
    said = read_status(home.status / TrainingStatus.FILE, TrainingStatus)
    return said is not None and said.state == "idle" and said.heartbeat_at > since
