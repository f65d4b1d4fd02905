"""The machine under test: a box with a real systemd, the services installed, and a home on a small disk of its own."""

import os
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from realm.core.paths import SYSTEM_HOME
from tests.system.box import Box
from tests.system.installation import BINDS, install, interpreter

REALM = "/usr/local/bin/realm"
TRAINER, WATCHER = "realm-trainer.service", "realm-queue-watcher.service"
SCHEDULER = "realm-scheduler.service"  # teaches nothing here, and must end and start as the others do
SERVICES = {"trainer": TRAINER, "queue-watcher": WATCHER, "scheduler": SCHEDULER}
DISK = 512 * 2**20  # bytes; half of it the queue-watcher keeps free for others
CONFIG: dict[str, Any] = {
    "threads": 1,
    "training": {
        "max_length": 64,
        "batch_size": 2,
        "warmup_steps": 5,
        "eval_steps": 20,
        "checkpoint_steps": 150,
        "learning_rate": 0.001,
    },
    "seals": {"minutes": 0.04, "first_minutes": 0.02, "dry_minutes": 0.02, "gb_per_day": 10000.0},
    "retention": {"last": 2, "every": 1000, "ended_quests": 100},
    "curriculum": {"min_queue_depth": 0, "exam_minutes": 0.0},  # nothing is dropped that is not in the ledger
}


class Machine:
    """`folder` is the box's; it ends by itself after `life` seconds."""

    def __init__(self, folder: Path, life: int):
        self.box = Box(folder, life)

    def boot(self) -> str | None:
        """Returns why there can be no box here, else None."""
        self._python, reason = interpreter()
        return reason or self.box.start(*BINDS)

    def install(self) -> None:
        """The home's disk, the services as `make install` puts them there, and people; then it all runs."""
        self.box.sh(f"mkdir -p {SYSTEM_HOME}; mount -t tmpfs -o size={DISK},mode=0755 home {SYSTEM_HOME}")
        install(self.box, self._python, msgspec.json.encode(CONFIG).decode())
        self.box.override("realm-.service", "RestartSec=1")
        self.home = self.box.home
        self.root = self.home.root.parents[2]
        self.users = {name: int(self.box.sh(f"id -u {name}")) for name in ("alice", "bob", "realm")}
        self.group = int(self.box.sh("id -g realm"))
        self.yard.mkdir()
        self.start_services()

    @property
    def yard(self) -> Path:
        """A folder of people's own, on another disk than the home."""
        return self.root / "srv/yard"

    def inside(self, path: Path) -> str:
        """The path as the machine itself calls it."""
        return f"/{path.relative_to(self.root)}"

    def start_services(self, *how: str) -> None:
        """Waits until they are ready, unless told not to: a back-off takes up to a minute."""
        self.box.run("systemctl", "start", *how, "realm.target", *SERVICES.values())

    def realm(self, words: str, user: str = "realm") -> str:
        """What the command line answers, whatever its exit status."""
        return self.box.sh(f"{REALM} {words} 2>&1 || true", user=user)

    def used(self) -> int:
        """Bytes on the home's disk."""
        disk = os.statvfs(self.home.root)
        return (disk.f_blocks - disk.f_bfree) * disk.f_frsize

    def save(self, folder: Path) -> None:
        """A copy of the home out here; of one that is not at rest, what can be had of it."""
        subprocess.run(["cp", "-a", f"{self.home.root}/.", folder], check=False, stderr=subprocess.DEVNULL)
