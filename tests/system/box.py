"""A throw-away machine with a real systemd, seen from outside."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from realm.core.paths import SYSTEM_HOME, Home

SCRIPT = Path(__file__).with_name("systemd_box.sh")
MISSING = 69  # something that every box needs is not there


class BoxError(RuntimeError):
    """A command in the box, or the box itself, failed."""


class Box:
    """`folder` is the box's; it must not exist, or hold a box that was not stopped. It ends after `life` seconds."""

    def __init__(self, folder: Path, life: int = 1800):
        self._folder = folder
        self._life = life
        self.install_log = ""  # what `make install` said

    def start(self, *binds: str) -> str | None:
        """Boots. `binds`: SRC:DST, seen in the box as DST, read-only. Returns why no box can run here, else None."""
        done = self._script("start", *binds)
        if done.returncode not in (0, MISSING):
            raise BoxError(done.stderr)
        return done.stderr.strip() if done.returncode == MISSING else None

    def cut_power(self) -> None:
        """Kills everything at once and boots again from what is on the disk."""
        done = self._script("reboot")
        if done.returncode:
            raise BoxError(done.stderr)

    def stop(self) -> None:
        self._script("stop")

    def run(self, *command: str, ends_with: int = 0) -> str:
        """What a command says, on both streams."""
        done = self._script("exec", *command)
        if done.returncode != ends_with:
            raise BoxError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def sh(self, script: str, *, user: str = "root", ends_with: int = 0) -> str:
        return self.run("runuser", "-u", user, "--", "sh", "-ec", script, ends_with=ends_with)

    def begin(self, *command: str) -> "subprocess.Popen[bytes]":
        """A command that runs on, for two minutes at most; leave its `with` block to wait for its end."""
        quiet = subprocess.DEVNULL
        return subprocess.Popen([SCRIPT, "exec", *command], env=self._environment, stdin=quiet, stderr=quiet)

    @property
    def home(self) -> Home:
        """The machine's home of the realm, as a path out here; another one after each boot."""
        pid = (self._folder / "init").read_text().split()[0]
        return Home(Path(f"/proc/{pid}/root{SYSTEM_HOME}"))

    def asks(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).strip()

    def is_up(self, *units: str) -> bool:
        return all(self.asks(unit, "ActiveState") == "active" for unit in units)

    def override(self, unit: str, *lines: str) -> None:
        """Adds lines to [Service], until the next boot; none takes them back."""
        file = f"/run/systemd/system/{unit}.d/90-test.conf"
        if lines:
            text = "\n".join(["[Service]", *lines])
            self.sh(f"mkdir -p {file.rpartition('/')[0]}; echo '{text}' > {file}")
        else:
            self.sh(f"rm {file}")
        self.run("systemctl", "daemon-reload")

    def log(self, unit: str) -> str:
        """The journal of this boot."""
        self.run("journalctl", "--sync")
        return self.run("journalctl", "-b", "-o", "cat", "-u", unit)

    def until(self, look: Callable[[], Any], what: str, seconds: float = 90.0) -> Any:
        """The first truthy thing that `look` finds; fails after a time that only a broken service takes."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{self.run('journalctl', '-n', '60')}"
            time.sleep(0.1)
        return found

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SYSTEMD_BOX": str(self._folder),
            "SYSTEMD_BOX_LIFE": str(self._life),
        }

    def _script(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [SCRIPT, *words],
            env=self._environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is the caller's to answer: a box that is half up must be stopped
        )
