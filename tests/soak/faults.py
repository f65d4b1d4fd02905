"""What goes wrong: daemons killed, restarted and stopped, the disk full, bytes damaged while the trainer is down."""

import shutil
from contextlib import suppress
from pathlib import Path

import msgspec

from realm.arena.battle.journal import SUFFIX
from realm.arena.battle.seal import KEPT, NAME
from tests.soak.machine import SCHEDULER, SERVICES, TRAINER, WATCHER
from tests.soak.stage import Act, Stage

MOST_UNCLEAN_ENDS = 4  # in a row; the frame waits 4 s before the next start

# Daemons


def kill_trainer(stage: Stage) -> None:
    _kill(stage, TRAINER)


def kill_watcher(stage: Stage) -> None:
    _kill(stage, WATCHER)


def kill_both(stage: Stage) -> None:
    _kill(stage, TRAINER, WATCHER)


def kill_scheduler(stage: Stage) -> None:
    _kill(stage, SCHEDULER)


def _kill(stage: Stage, *services: str) -> None:
    """systemd starts them again. One that was killed a few times is restarted, or it would back off for a minute."""
    for service in services:
        if _unclean_ends(stage, service) < MOST_UNCLEAN_ENDS:
            stage.machine.box.sh(f"systemctl kill -s KILL {service} || true")  # one that is stopped is not there
        else:
            stage.machine.box.run("systemctl", "restart", "--no-block", service)


def _unclean_ends(stage: Stage, service: str) -> int:
    daemon = next(daemon for daemon, its_service in SERVICES.items() if its_service == service)
    try:
        return int(msgspec.json.decode((stage.machine.home.locks / f"{daemon}.starts").read_bytes())["starts"])
    except FileNotFoundError:
        return 0


def restart(stage: Stage) -> None:
    one = stage.chance.choice(("realm.target", *SERVICES.values()))
    stage.machine.box.run("systemctl", "restart", "--no-block", one)


def stop_service(stage: Stage) -> None:
    stage.machine.box.run("systemctl", "stop", stage.chance.choice(("realm.target", *SERVICES.values())))
    stage.later(stage.chance.uniform(1, 6), "systemctl start", start_services)


def start_services(stage: Stage) -> None:
    stage.machine.start_services("--no-block")


# The disk


def fill_disk(stage: Stage) -> None:
    """Drops that were ready come in nevertheless, and daemons die and start while nothing can be written."""
    if stage.disk_is_full:
        stage.later(15, "disk full", fill_disk)
        return
    ready = []
    with suppress(OSError):
        for content in (stage.dropper.content() for _ in range(4)):
            ready.append((stage.dropper.prepared(content, stage.chance), content))
    stage.disk_is_full = True
    _fill(stage)
    for path, content in ready:
        stage.dropper.released(path, content)
    for seconds in range(2, 12, 2):
        stage.later(seconds, "disk filled again", _fill)
    if stage.chance.random() < 0.5:
        stage.later(stage.chance.uniform(1, 8), "kill both", kill_both)
    stage.later(12, "disk freed", free_disk)


def free_disk(stage: Stage) -> None:
    ballast(stage).unlink(missing_ok=True)
    stage.disk_is_full = False


def ballast(stage: Stage) -> Path:
    return stage.dropper.hidden / "ballast"


def _fill(stage: Stage) -> None:
    """To the last byte, also what was freed since."""
    if not stage.disk_is_full:
        return
    with ballast(stage).open("ab", buffering=0) as file:
        for piece in (2**20, 2**12):
            with suppress(OSError):
                while file.write(bytes(piece)) == piece:
                    pass


# Damage


def flip_byte(stage: Stage) -> None:
    """Anywhere in the newest seal. The one before it and the journal hold everything, too."""
    _stop_trainer(stage)
    seals = stage.machine.home.seals
    for looked_at in seals.glob("corrupt-*"):
        stage.ledger.set_aside.add(looked_at.name)
        shutil.rmtree(looked_at)
    named = sorted((int(match[2]), path) for path in seals.iterdir() if (match := NAME.fullmatch(path.name)))
    if len(named) < KEPT:
        stage.ledger.did("byte not flipped: there is one seal")
        stage.later(20, "byte flipped", flip_byte)
    else:
        part = stage.chance.choice(sorted(named[-1][1].iterdir()))
        _flip(part, stage.chance.randrange(part.stat().st_size))
        stage.ledger.damaged.add(part.parent.name)
        stage.ledger.did("seal damaged", f"{part}")
    start_services(stage)


def tear_journal(stage: Stage) -> None:
    """As a power cut in the middle of a write leaves it: half a line behind the last whole one."""
    _stop_trainer(stage)
    segments = sorted(stage.machine.home.journal.glob(f"[0-9]*{SUFFIX}"))
    if segments:
        content = segments[-1].read_bytes().rstrip(b"\0")
        lines = content.splitlines(keepends=True) or [b'0badc0de {"seq":1,"kind":"claim","at":[0,0,0,0]}\n']
        torn = lines[-1][: stage.chance.randrange(1, len(lines[-1]))]
        with segments[-1].open("r+b") as file:
            file.seek(len(content))
            file.write(torn)
        stage.ledger.did("journal torn")
    start_services(stage)


def _stop_trainer(stage: Stage) -> None:
    """Killed first, half of the times, so that what is damaged is not covered by a last seal."""
    if stage.chance.random() < 0.5:
        _kill(stage, TRAINER)
    stage.machine.box.run("systemctl", "stop", TRAINER)


def _flip(file: Path, offset: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        byte = opened.read(1)[0]
        opened.seek(offset)
        opened.write(bytes([byte ^ 0x10]))


ACTS = (
    Act("kill trainer", 30, 3, kill_trainer),
    Act("kill queue-watcher", 20, 3, kill_watcher),
    Act("kill scheduler", 45, 2, kill_scheduler),
    Act("kill both", 90, 1, kill_both),
    Act("systemctl restart", 60, 2, restart),
    Act("systemctl stop", 75, 1, stop_service),
    Act("disk full", 200, 2, fill_disk),
    Act("byte flipped", 240, 1, flip_byte),
    Act("journal tail torn", 180, 1, tear_journal),
)
