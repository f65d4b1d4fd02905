"""The last promise: from the older kept seal and the journal alone, a fresh trainer comes to the same weights."""

import msgspec

from realm.arena.battle.seal import MANIFEST, NAME, Manifest
from realm.core.paths import Home
from realm.core.status import TrainingStatus, read_status
from tests.soak.machine import REALM, Machine

PATIENCE = 300.0  # seconds; a torch that loads beside other programs takes a tenth of it
COPY = "srv/replay"


def differences(machine: Machine) -> list[str]:
    """Parts of the newest seal that a replay does not come to again. The services are down."""
    newest = _newest(machine.home)
    home, seal = machine.inside(machine.home.root), f"{newest.step}-{newest.number}"
    machine.box.sh(f"rm -rf /{COPY}; cp -a {home} /{COPY}; rm -r /{COPY}/current_model/seals/{seal}")
    copy = Home(machine.root / COPY)
    machine.box.run("systemd-run", "--unit=replay", "--uid=realm", REALM, "--home", f"/{COPY}", "run", "trainer")
    machine.box.until(lambda: _is_through(copy, newest.step), f"a replay to step {newest.step}", PATIENCE)
    machine.box.run("systemctl", "stop", "replay")
    again = _newest(copy)
    if again.step != newest.step:
        return [f"the replay's newest seal is of step {again.step}, not {newest.step}"]
    parts = sorted(name for name in newest.parts if name.endswith((".safetensors", ".pt", ".bin")))
    return [name for name in parts if newest.parts[name].sha256 != again.parts[name].sha256]


def _is_through(home: Home, step: int) -> bool:
    said = read_status(home.status / TrainingStatus.FILE, TrainingStatus)
    return said is not None and said.state == "idle" and said.step == step


def _newest(home: Home) -> Manifest:
    names = [match for path in home.seals.iterdir() if (match := NAME.fullmatch(path.name))]
    newest = max(names, key=lambda match: int(match[2]))
    return msgspec.json.decode((home.seals / newest[0] / MANIFEST).read_bytes(), type=Manifest)
