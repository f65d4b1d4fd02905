"""The daemons as services of systemd, where there is one."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from realm.core.paths import PLACES, SYSTEM_HOME
from realm.sentinels.finding import Finding, fine, note, trouble
from realm.sentinels.mounts import open_up, take_out
from realm.sentinels.patient import Patient

BOOTED = Path("/run/systemd/system")  # as sd_booted(3) tells
ASKED = (
    "LoadState",
    "ActiveState",
    "Result",
    "ExecMainStatus",
    "UnitFileState",
    "NeedDaemonReload",
    "ProtectSystem",
    "ProtectHome",
    "StateDirectory",
    "ReadWritePaths",
    "ReadOnlyPaths",
)
EXITS = {
    "75": "another instance holds the lock: end that one",
    "78": "a file must be mended first: the findings above, or the log, name it",
    "203": "its program cannot be executed: install realm again (`sudo make install`)",
    "226": "its sandbox cannot be set up: a path that a line of the unit names is missing",
}
PROTECTED = ("/home", "/root", "/run/user")


def services(patient: Patient) -> Iterator[Finding]:
    if not BOOTED.is_dir():
        yield fine("no systemd here: `realm up` runs the daemons")
        return
    systemctl = ["systemctl", *([] if patient.home.root == SYSTEM_HOME else ["--user"])]
    for daemon in patient.daemons:
        command = [*systemctl, "show", f"realm-{daemon}.service", f"--property={','.join(ASKED)}"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            yield note(f"{' '.join(systemctl)} does not answer: {' '.join(done.stderr.split())}")
            return
        told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        yield from of_service(daemon, told, patient.home.root, " ".join(systemctl))


def of_service(daemon: str, told: Mapping[str, str], home: Path, systemctl: str) -> Iterator[Finding]:
    """`told`: what `systemctl show` prints, by property."""
    unit = f"realm-{daemon}.service"
    if told.get("LoadState") == "not-found":
        yield fine(f"{unit} is not installed; `realm units install` makes the daemon a service")
        return
    if told.get("ActiveState") == "failed":
        status = told.get("ExecMainStatus", "")
        yield trouble(
            f"{unit} has failed: {told.get('Result')}, status {status}",
            EXITS.get(status, ""),
            f"journalctl -u {unit} -n 50 says why; then {systemctl} start {unit}",
        )
    else:
        yield fine(f"{unit} is {told.get('ActiveState')}")
    if told.get("UnitFileState") == "disabled":
        yield note(f"{unit} is not enabled", "it does not start by itself", f"{systemctl} enable {unit}")
    if told.get("NeedDaemonReload") == "yes":
        yield note(f"{unit} was changed on the disk", "systemd has its older lines", f"{systemctl} daemon-reload")
    if line := _line_in_the_way(daemon, told, home):
        is_list = line.startswith("ReadOnlyPaths=")
        yield trouble(
            f"{line} in {unit}",
            "the daemon finds what it writes to missing, or read-only",
            take_out(unit, systemctl) if is_list else open_up(unit, home, systemctl),
        )


def _line_in_the_way(daemon: str, told: Mapping[str, str], home: Path) -> str | None:
    """Of the unit; None if the daemon can write where the home's table says that it does."""
    closed = _paths(told.get("ReadOnlyPaths", ""))
    for place in PLACES:
        for path in closed if daemon in place.writers else ():
            if (home / place.path).is_relative_to(path):
                return f"ReadOnlyPaths={path}"
    opened = _paths(told.get("ReadWritePaths", ""))
    opened += [SYSTEM_HOME.parent / word for word in told.get("StateDirectory", "").split()]
    if any(home.is_relative_to(path) for path in opened):
        return None
    if told.get("ProtectSystem") == "strict":
        return "ProtectSystem=strict"
    if told.get("ProtectHome", "no") != "no" and any(home.is_relative_to(folder) for folder in PROTECTED):
        return f"ProtectHome={told['ProtectHome']}"
    return None


def _paths(words: str) -> list[Path]:
    return [Path(word.lstrip("-+")) for word in words.split()]
