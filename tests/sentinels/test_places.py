"""The table of the home, as doctor sees it on real disks, mounts and accounts."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from realm.arena.battle.sealer import SPACE_FACTOR
from realm.arena.intake.copying import SPACE_KEPT
from realm.core.paths import Home
from realm.sentinels.checks.space import DROPS_KEEP, SEAL_FACTOR
from realm.sentinels.finding import Finding
from realm.sentinels.health_inspector import CHECKS
from realm.sentinels.mounts import mount_of, parsed, unit_in
from realm.sentinels.patient import Patient
from tests.cli.console import picture
from tests.sentinels.conftest import examined, fines, notes, of, troubles

NOBODY = 65534
EXAMINE = """
import json, sys
from pathlib import Path
from realm.core.paths import Home
from realm.sentinels import mounts
from tests.sentinels.conftest import examined
if len(sys.argv) > 2:
    mounts.CGROUP = Path(sys.argv[2])
found = examined(Home(Path(sys.argv[1])))
print(json.dumps([[one.severity, one.what, one.why, one.how_to_mend] for group in found.values() for one in group]))
"""


def test_a_home_in_order_needs_nobody_and_is_not_changed(home: Home) -> None:
    before = picture(home)
    assert troubles(home) == []
    assert notes(home) == [
        one for one in notes(home) if "is down; it ended cleanly" in one or "in queue/failed: 1" in one
    ]
    assert list(examined(home)) == ["Home", "Settings", "Daemons", "Battle", "Queue", "Machine"]
    assert picture(home) == before


def test_a_probe_leaves_nothing_behind(home: Home) -> None:
    before = {path: (seen[0], seen[2]) for path, seen in picture(home).items()}
    assert any("a file was made and removed in each" in one for one in fines(home, probe=True))
    assert {path: (seen[0], seen[2]) for path, seen in picture(home).items()} == before


def test_a_folder_that_is_no_home_or_of_another_format_is_not_looked_into(home: Home, tmp_path: Path) -> None:
    assert troubles(Home(tmp_path / "nowhere")) == [f"{tmp_path / 'nowhere'} is no realm's home"]
    home.format_file.write_text("99\n")
    [found] = of(home, "trouble")
    assert "has format 99, newer than" in found.what
    assert found.how_to_mend == "install the newer realm again"
    assert list(examined(home)) == ["Home"]


def test_a_missing_folder_is_named_once_and_everything_else_is_examined(home: Home) -> None:
    shutil.rmtree(home.queue / "high")
    home.exams.rmdir()
    [found] = of(home, "trouble")
    assert found.what == "queue/high, exams: not there"
    assert found.how_to_mend == "realm migrate"
    assert any("the journal is whole" in one for one in fines(home))


def test_what_is_not_what_the_table_says_is_a_finding_and_no_crash(home: Home) -> None:
    shutil.rmtree(home.queue / "low")
    (home.queue / "low").write_text("")
    assert any("queue/low" in one and "Not a directory" in one for one in troubles(home))


@pytest.mark.parametrize(("place", "mode"), [("queue/high", 0o755), ("inbox", 0o775), ("secrets", 0o755)])
def test_a_mode_that_shuts_people_out_or_lets_them_in_is_mended_as_it_says(home: Home, place: str, mode: int) -> None:
    (home.root / place).chmod(mode)
    [found] = of(home, "trouble")
    assert found.what.startswith(f"{place} has mode {mode:04o}, the table says ")
    subprocess.run(found.how_to_mend, shell=True, check=True)
    assert troubles(home) == []


def test_another_mode_of_the_daemons_own_folders_is_only_told(home: Home) -> None:
    home.metrics.chmod(0o750)
    assert troubles(home) == []
    assert "metrics has mode 0750, the table says 0755" in notes(home)


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: groups, mounts and other accounts are made")


@root_only
def test_a_drop_zone_of_another_group_is_told_and_mended_as_it_says(home: Home) -> None:
    for path in (home.inbox, home.inbox / "high"):
        os.chown(path, -1, NOBODY)
        path.chmod(0o2775)
    [found] = [one for one in of(home, "note") if "other shared folders do not" in one.what]
    assert "queue/high" in found.why
    assert "inbox/high" not in found.why
    subprocess.run(found.how_to_mend, shell=True, check=True)
    assert not any("other shared folders" in one for one in notes(home))
    assert not any("has mode" in one for one in [*notes(home), *troubles(home)])


@root_only
def test_an_owner_and_a_group_that_are_gone_are_told_by_their_number(home: Home) -> None:
    os.chown(home.inbox, 54321, 54322)
    home.inbox.chmod(0o2775)
    assert any(one.startswith("inbox belongs to group 54322") for one in notes(home))
    assert troubles(home) == []


def test_a_check_that_fails_itself_is_a_finding_beside_the_others(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(patient: Patient) -> Iterator[Finding]:
        raise KeyError(1)

    monkeypatch.setitem(CHECKS, "Home", (broken, *CHECKS["Home"]))
    assert troubles(home) == [f"{__name__}.broken failed: KeyError: 1"]
    assert any(one.startswith("whole: ") for one in fines(home))


@contextmanager
def somebody_else() -> Iterator[None]:
    """An account that has nothing to do with the realm."""
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def reachable_home(home: Home) -> Iterator[Home]:
    """Where other accounts may look."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        shutil.copytree(home.root, Path(folder) / "home")
        found = Home(Path(folder) / "home")
        for path in found.root.rglob("*"):
            path.chmod(stat.S_IMODE(Path(str(path).replace(str(found.root), str(home.root))).stat().st_mode))
        yield found


@root_only
def test_an_account_of_nobody_is_told_what_was_not_examined(reachable_home: Home) -> None:
    with somebody_else():
        [found] = [one for one in of(reachable_home, "note") if "writing was not examined" in one.what]
    assert "neither root, who runs the daemons, nor of group root" in found.what
    assert "sudo -u root realm doctor" in found.how_to_mend


@root_only
def test_a_person_of_the_group_is_examined_for_what_is_shared(reachable_home: Home) -> None:
    for path in (reachable_home.root, *reachable_home.root.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        os.chown(path, 54321, NOBODY)
        path.chmod(mode)
    with somebody_else():
        assert troubles(reachable_home) == []
        assert any(one.startswith("writable: the 19 folders of people") for one in fines(reachable_home))
    (reachable_home.queue / "high").chmod(0o2755)
    with somebody_else():
        assert "queue/high: cannot be written to" in troubles(reachable_home)


@root_only
@pytest.mark.parametrize("probe", [False, True])
def test_a_folder_that_its_writers_cannot_write_to_is_found_with_or_without_a_probe(
    reachable_home: Home, probe: bool
) -> None:
    for path in (reachable_home.root, *reachable_home.root.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    for folder in (reachable_home.queue / "high", reachable_home.metrics):
        os.chown(folder, 0, 0)
        folder.chmod(0o755)
    with somebody_else():
        found = [one for one in of(reachable_home, "trouble", probe=probe) if "cannot be written to" in one.what]
    assert [one.what for one in found] == ["queue/high, metrics: cannot be written to"]
    assert found[0].why == "its owner is root, its group root, its mode 0755"
    assert found[0].how_to_mend == f"chown -R {reachable_home.root.owner()} {reachable_home.root}"
    assert list(reachable_home.root.rglob(".doctor-*")) == []


@root_only
def test_an_immutable_folder_is_called_so(home: Home) -> None:
    done = subprocess.run(["chattr", "+i", home.metrics], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no immutable attribute here: {done.stderr.strip()}")
    try:
        [found] = [one for one in of(home, "trouble", probe=True) if "cannot be written to" in one.what]
    finally:
        subprocess.run(["chattr", "-i", home.metrics], check=True)
    assert found.what == "metrics: cannot be written to"
    assert f"chattr -i {home.metrics}" in found.how_to_mend


# Mounts, in a mount namespace of their own


def mounted(home: Home, *commands: str, unit: str = "") -> list[list[str]]:
    """What doctor finds after these shell commands, which nobody else sees; skips where none may be made."""
    cgroup = home.root.with_name("cgroup")
    cgroup.write_text(f"0::/system.slice/{unit}\n")
    script = "; ".join(["set -e", *commands, '"$@"'])
    examine = [sys.executable, "-c", EXAMINE, str(home.root), *([str(cgroup)] if unit else [])]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment |= {"INVOCATION_ID": "1"} if unit else {}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *examine], env=environment, capture_output=True, text=True
    )
    if "Operation not permitted" in done.stderr or "permission denied" in done.stderr:
        pytest.skip(f"no mounts can be made here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout)
    return found


def bind(folder: Path, option: str = "") -> str:
    remount = f"; mount -o remount,bind,{option} {folder}" if option else ""
    return f"mount --bind {folder} {folder}{remount}"


@root_only
def test_a_mount_between_two_ends_of_a_rename_is_trouble_and_one_elsewhere_is_only_said(home: Home) -> None:
    found = mounted(home, bind(home.queue), bind(home.inbox), bind(home.models))
    troubled = [what for severity, what, *_ in found if severity == "trouble"]
    assert troubled[0].startswith("queue lies on another file system or mount (")
    assert all(what.startswith("queue") for what in troubled)
    said = [what for severity, what, *_ in found if severity == "fine" and "nothing is renamed out of it" in what]
    assert [what.split()[0] for what in said] == ["inbox", "models"]


@root_only
def test_a_read_only_mount_is_named_and_under_a_unit_its_line(home: Home) -> None:
    read_only = bind(home.models, "ro")
    [plain] = [one for one in mounted(home, read_only) if "cannot be written to" in one[1]]
    assert plain[1:3] == ["models: cannot be written to", f"{home.models} is mounted read-only here"]
    [unit] = [one for one in mounted(home, read_only, unit="realm-trainer.service") if "cannot be" in one[1]]
    assert unit[2] == f"ReadOnlyPaths={home.models} in realm-trainer.service makes it read-only"
    [inner] = [
        one for one in mounted(home, bind(home.inbox, "ro"), unit="realm-trainer.service") if "cannot be" in one[1]
    ]
    assert inner[1] == "inbox, inbox/high, inbox/normal, inbox/low: cannot be written to"
    assert unit[3].startswith("systemctl cat realm-trainer.service shows the file with this line: take it out")


@root_only
def test_under_a_unit_only_what_its_daemon_writes_is_examined(home: Home) -> None:
    """The unit of the queue-watcher makes what the trainer writes read-only, by mounts."""
    sandbox = [bind(folder, "ro") for folder in (home.metrics, home.current_model)]
    found = mounted(home, *sandbox, unit="realm-queue-watcher.service")
    assert [what for severity, what, *_ in found if severity == "trouble"] == []
    assert any("folders of the queue-watcher" in what for _, what, *_ in found)
    troubled = [what for severity, what, *_ in mounted(home, *sandbox) if severity == "trouble"]
    assert len([what for what in troubled if what.startswith("metrics ")]) == 1


@root_only
def test_a_home_in_a_read_only_tree_under_a_unit_is_protectsystem(home: Home) -> None:
    found = mounted(home, bind(home.root.parent, "ro"), unit="realm-queue-watcher.service")
    [denied] = [one for one in found if "cannot be written to" in one[1]]
    assert denied[2] == "ProtectSystem= in realm-queue-watcher.service makes it read-only"


@root_only
def test_a_file_system_that_is_read_only_itself_is_remounted(home: Home) -> None:
    found = mounted(home, f"mount -t tmpfs -o ro none {home.logs}")
    [denied] = [one for one in found if "cannot be written to" in one[1]]
    assert denied[2] == f"the tmpfs of none on {home.logs} is mounted read-only"
    assert f"mount -o remount,rw {home.logs}" in denied[3]


@root_only
def test_a_disk_without_room_for_a_seal_or_a_drop_says_what_waits(home: Home) -> None:
    there = home.root.with_name("small")
    there.mkdir()
    small = Home(there / "home")
    fill = f"dd if=/dev/zero of={there}/filler bs=1k 2>/dev/null || true"
    found = mounted(small, f"mount -t tmpfs -o size=4m none {there}", f"cp -a {home.root} {small.root}", fill)
    troubled = {what: why for severity, what, why, _ in found if severity == "trouble"}
    assert troubled == {
        "0 MiB are free, the next seal needs 1 MiB": (
            "training goes on unsealed for seals.max_unsealed_minutes, then waits"
        ),
        "0 MiB are free, 256 MiB are kept free": "drops stay in the inbox until there are",
    }


def test_the_limits_are_those_of_the_daemons() -> None:
    assert (SEAL_FACTOR, DROPS_KEEP) == (SPACE_FACTOR, SPACE_KEPT)


# What the kernel writes


def test_a_line_of_mountinfo() -> None:
    line = r"36 35 98:0 /mnt1 /mnt\040two rw,noatime master:1 - ext3 /dev/root ro,errors=continue"
    found = parsed(line)
    assert (found.id, found.point, found.is_read_only) == (36, Path("/mnt two"), False)
    assert (found.kind, found.source, found.kind_is_read_only) == ("ext3", "/dev/root", True)
    assert mount_of(Path("/proc/self")).kind == "proc"


@pytest.mark.parametrize(
    ("cgroups", "unit"),
    [
        ("0::/system.slice/realm-trainer.service\n", "realm-trainer.service"),
        ("5:cpu:/\n1:name=systemd:/system.slice/realm-trainer.service\n0::/\n", "realm-trainer.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/realm-trainer.service\n", "realm-trainer.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service\n", None),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
    ],
)
def test_the_unit_that_a_process_belongs_to(cgroups: str, unit: str | None) -> None:
    assert unit_in(cgroups) == unit
