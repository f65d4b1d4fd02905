"""What people do to a realm while it works: flags, the queue by hand and by command, settings."""

import copy
from contextlib import suppress
from typing import Any

import msgspec

from realm.core.quests import PRIORITIES, Quest, read_meta
from tests.soak.machine import CONFIG
from tests.soak.stage import Act, Stage

# Flags


def pause(stage: Stage) -> None:
    _raise(stage, "pause")
    stage.later(stage.chance.uniform(1, 5), "resume", resume)


def stop(stage: Stage) -> None:
    _raise(stage, "stop")
    stage.later(stage.chance.uniform(3, 10), "resume", resume)


def skip(stage: Stage) -> None:
    _raise(stage, "skip")


def seal(stage: Stage) -> None:
    _raise(stage, "seal")


def resume(stage: Stage) -> None:
    """By hand, as the command's answer is the same."""
    for flag in ("pause", "stop"):
        (stage.machine.home.control / f".{flag}").unlink(missing_ok=True)


def _raise(stage: Stage, flag: str) -> None:
    """By command or by hand; `touch` works on a full disk, too."""
    if stage.chance.random() < 0.3 and not stage.disk_is_full:
        stage.ask(flag, "alice")
    else:
        (stage.machine.home.control / f".{flag}").touch()


# The queue


def move_by_hand(stage: Stage) -> None:
    """`mv queue/low/* queue/high/`, a few of them."""
    waiting = stage.queue.waiting()
    for quest in stage.chance.sample(waiting, min(3, len(waiting))):
        with suppress(OSError):  # it has just been claimed
            quest.path.rename(stage.machine.home.queue / stage.chance.choice(PRIORITIES) / quest.name)


def move_claimed_by_hand(stage: Stage) -> None:
    """What is in processing/ is not for people to move, and comes back."""
    names = stage.queue.names("processing")
    for name in stage.chance.sample(names, min(1, len(names))):
        with suppress(OSError):
            (stage.machine.home.processing / name).rename(stage.machine.home.queue / "low" / name)


def move(stage: Stage) -> None:
    if quest := _one_of(stage, stage.queue.waiting()):
        stage.ask(f"quest move {quest.name} {stage.chance.choice(PRIORITIES)}", "alice")


def remove(stage: Stage) -> None:
    """A waiting one, or one that ended a while ago: falling back to the older seal might need a newer one again."""
    ended = _ended(stage)
    waits = stage.chance.random() < 0.5
    if quest := _one_of(stage, stage.queue.waiting() if waits else ended[: len(ended) // 3]):
        with suppress(FileNotFoundError):
            sha256 = read_meta(quest.path).sha256
            if "is deleted" in stage.ask(f"quest rm --yes {quest.name}"):
                stage.ledger.removed[quest.name] = sha256


def retry(stage: Stage) -> None:
    if (quest := _one_of(stage, _ended(stage))) and "waits again" in stage.ask(f"quest retry {quest.name}"):
        stage.ledger.retried[quest.name] += 1


def look(stage: Stage) -> None:
    """Reads that must never fail, whatever happens beside them."""
    stage.ask(stage.chance.choice(("status", "status --json", "quest ls", "events", "doctor", "ledger ls")), "alice")


def _ended(stage: Stage) -> list[Quest]:
    queue = stage.queue
    states = ("recently_completed", "recently_completed", "recently_completed", "failed")
    state = stage.chance.choice(states)
    return [quest for name in queue.names(state)[-60:] if (quest := queue.find(name))]  # type: ignore[arg-type]


def _one_of(stage: Stage, quests: list[Quest]) -> Quest | None:
    return stage.chance.choice(quests) if quests else None


# Settings


def change_settings(stage: Stage) -> None:
    """At a step, at a claim, of seals, of gatekeepers; none that changes what becomes of a drop."""
    if stage.disk_is_full:
        return
    config: dict[str, Any] = copy.deepcopy(CONFIG)
    chance = stage.chance
    config["training"]["learning_rate"] = round(chance.uniform(1e-4, 3e-3), 6)
    config["training"]["batch_size"] = chance.choice((1, 2, 3))
    config["training"]["eval_steps"] = chance.choice((0, 7, 20))
    config["seals"]["minutes"] = chance.choice((0.02, 0.04, 0.1))
    config["seals"]["max_open_claims"] = chance.choice((4, 256))
    config["gatekeepers"] = {"sample_lines": chance.randint(1, 100), "overlong": chance.choice(("warn", "off"))}
    config["release_when_idle_minutes"] = chance.choice((0.02, 30.0))
    write_settings(stage, msgspec.json.encode(config))


def break_settings(stage: Stage) -> None:
    """An editor's slip, mended later. A daemon that starts meanwhile gives up, and is started when it is mended."""
    if stage.disk_is_full:
        return
    write_settings(stage, b'{"threads": 1, "training": {"learning_rate": "fast"}')
    stage.later(stage.chance.uniform(2, 5), "settings mended", mend_settings)


def mend_settings(stage: Stage) -> None:
    if stage.disk_is_full:
        stage.later(5, "settings mended", mend_settings)
        return
    change_settings(stage)
    stage.machine.start_services("--no-block")


def write_settings(stage: Stage, content: bytes) -> None:
    """In place, as many an editor does."""
    stage.machine.home.config_file.write_bytes(content)


ACTS = (
    Act(".pause", 30, 2, pause),
    Act(".stop", 80, 1, stop),
    Act(".skip", 20, 2, skip),
    Act(".seal", 20, 2, seal),
    Act("mv between priorities", 12, 2, move_by_hand),
    Act("mv out of processing", 40, 1, move_claimed_by_hand),
    Act("quest move", 25, 1, move),
    Act("quest rm", 30, 1, remove),
    Act("quest retry", 30, 1, retry),
    Act("a look", 30, 1, look),
    Act("settings changed", 20, 2, change_settings),
    Act("settings broken", 120, 1, break_settings),
)
