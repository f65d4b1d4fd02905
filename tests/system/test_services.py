"""Both daemons as services of a real systemd, from `make install` to `make uninstall`. The tests go in this order."""

import json
import os
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realm.cli.run import DAEMONS
from realm.core.paths import PLACES, SHARED, SYSTEM_HOME
from realm.core.status import TrainingStatus, is_locked, read_status
from tests.system.box import Box, BoxError

HOME = str(SYSTEM_HOME)
REALM = "/usr/local/bin/realm"
SERVICES = [f"realm-{daemon}.service" for daemon in DAEMONS]
TRAINER, WATCHER = "realm-trainer.service", "realm-queue-watcher.service"
TEMPLATE, SKILL = "realm-skill@.service", "realm-skill@bin.service"
ELSEWHERE = ["/etc", "/opt/realm", "/var/lib", "/home/alice", "/srv/open"]
SCHEDULER, WATCHTOWER, TAVERN = "realm-scheduler.service", "realm-watchtower.service", "realm-tavern.service"
ORACLE = "realm-oracle.service"
EXPOSURE = {TRAINER: 1.2, WATCHER: 1.0, SCHEDULER: 2.0, WATCHTOWER: 1.2, TAVERN: 1.5, ORACLE: 2.0, SKILL: 2.0}
WITH_SOCKETS = (TRAINER, SCHEDULER, WATCHTOWER, TAVERN, ORACLE)  # the first in a network of its own


def up(box: Box) -> None:
    """Both daemons run, whatever an earlier test left."""
    box.run("systemctl", "start", "realm.target", *SERVICES)


def training(box: Box) -> TrainingStatus:
    said = read_status(box.home.status / TrainingStatus.FILE, TrainingStatus)
    assert said
    return said


def is_trained_on(box: Box) -> bool:
    """A step was trained just now."""
    before = training(box).step or 0
    box.until(lambda: (training(box).step or 0) > before, "a step")
    return True


def drop_long_quest(box: Box) -> None:
    """Something to train on for longer than the tests take."""
    up(box)
    if not list(box.home.queue.glob("*/*-long-*")):
        box.sh(f"{REALM} scroll forge bin --level 1 --count 2000 --first-index 5000 --out /tmp/long.jsonl")
        box.sh("""sed -i 's/^{/{"epochs": 1000,/' /tmp/long.jsonl.meta.json""")
        box.sh(f"cp /tmp/long.jsonl.meta.json /tmp/long.jsonl {HOME}/inbox/")
    assert is_trained_on(box)


# Installed


def test_what_is_installed_is_sound_and_says_what_comes_next(box: Box) -> None:
    assert "systemctl enable --now realm.target" in box.install_log
    units = box.sh("ls -d /usr/local/lib/systemd/system/realm*.service /usr/local/lib/systemd/system/realm.target")
    assert [Path(unit).name for unit in units.split()] == [*sorted([*SERVICES, TEMPLATE]), "realm.target"]
    assert box.run("systemd-analyze", "verify", "--man=no", "--recursive-errors=yes", *units.split()) == ""


def test_the_home_is_made_by_its_user_with_an_acl_on_every_shared_folder(box: Box) -> None:
    owner = box.sh("id -u realm; id -g realm").split()
    home = box.home.root
    assert box.home.missing() == []
    for place in PLACES:
        if place.kind == "folder":
            found = (home / place.path).stat()
            assert [str(found.st_uid), str(found.st_gid)] == owner, place.path
            assert (found.st_gid in default_writers(home / place.path)) == (place.mode == SHARED), place.path


def default_writers(folder: Path) -> list[int]:
    """Groups that what is made in `folder` will be open to, as acl(5) keeps them."""
    try:
        entries = os.getxattr(folder, "system.posix_acl_default")[4:]
    except OSError:  # ENODATA
        return []
    return [who for kind, rights, who in struct.iter_unpack("<HHI", entries) if (kind, rights) == (0x08, 0o7)]


def test_it_is_root_who_installs_and_not_from_an_interpreter_that_services_cannot_see(box: Box) -> None:
    box.sh("cp /usr/bin/python3 /home/alice/python3")
    with pytest.raises(BoxError, match="the services cannot execute /home/alice/python3"):
        box.sh("cd /src; make install PYTHON=/home/alice/python3")
    with pytest.raises(BoxError, match="sudo make install"):
        box.sh("cd /src; make install", user="alice")
    with pytest.raises(BoxError, match="use sudo, or --user"):
        box.sh(f"{REALM} units install", user="alice")
    with pytest.raises(BoxError, match="use sudo, or --user"):
        box.sh(f"{REALM} units uninstall", user="alice")


@pytest.mark.parametrize("service", [*SERVICES, SKILL])
def test_exposure(box: Box, service: str, say: Callable[[str], None]) -> None:
    report = box.run("systemd-analyze", "security", "--no-pager", service)
    figure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", report)
    assert figure
    say(f"{service}: exposure {figure[1]}")
    assert float(figure[1]) <= EXPOSURE[service], report


# The sandbox


@pytest.fixture(scope="module")
def probed(box: Box) -> dict[str, Any]:
    """What each service's sandbox lets through, by its name."""
    box.sh("mkdir -pm 777 /srv/open; mknod -m 666 /dev/nvidia0 c 195 0; chmod 777 /home/alice")
    box.sh(f"touch {HOME}/inbox/.of-alice", user="alice")
    probe = f"ExecStartPre=/opt/realm/bin/python3 /src/tests/system/probe.py %N.service {' '.join(ELSEWHERE)}"
    box.override("realm-.service", probe)
    box.run("systemctl", "restart", *SERVICES)
    box.override("realm-.service")
    lines = [line for service in SERVICES for line in box.log(service).splitlines() if line.startswith('{"unit"')]
    return {found["unit"]: found for found in map(json.loads, lines)}


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_service_writes_where_the_table_says(probed: dict[str, Any], daemon: str) -> None:
    found = probed[f"realm-{daemon}.service"]
    assert found["user"] == "realm"
    for place in PLACES:
        if place.kind == "folder" and daemon in place.writers:
            assert found["writes"][f"{HOME}/{place.path}"] == "ok", place.path
    for top in {place.path.partition("/")[0] for place in PLACES if place.kind == "folder"}:
        if not any(daemon in place.writers for place in PLACES if place.path.partition("/")[0] == top):
            assert found["writes"][f"{HOME}/{top}"] == "EROFS", top


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_touches_nothing_else(probed: dict[str, Any], service: str) -> None:
    found = probed[service]
    assert {folder: found["writes"][folder] for folder in ELSEWHERE} == {
        "/etc": "EROFS",
        "/opt/realm": "EROFS",
        "/var/lib": "EROFS",
        "/home/alice": "EACCES",
        "/srv/open": "EROFS",
    }
    assert found["internet"] == ("ok" if service in WITH_SOCKETS else "EAFNOSUPPORT")


def test_only_trainer_and_exams_reach_an_accelerator(probed: dict[str, Any]) -> None:
    for service in (TRAINER, SCHEDULER):
        assert probed[service]["gpu"] == "ENXIO"  # as far as the driver, which this machine lacks
    assert probed[WATCHER]["gpu"] == "ENOENT"


def test_only_the_trainer_makes_machine_code(probed: dict[str, Any]) -> None:
    assert probed[TRAINER]["machine code"] == "ok"
    assert probed[WATCHER]["machine code"] == "EPERM"


def test_only_the_queue_watcher_asks_who_writes_another_ones_file(probed: dict[str, Any]) -> None:
    assert probed[WATCHER]["another's file"] == "NONE"
    assert probed[TRAINER]["another's file"] == "UNKNOWN"


# Life


def test_starting_the_target_makes_both_ready(box: Box) -> None:
    up(box)
    assert box.is_up("realm.target", *SERVICES)
    box.until(lambda: re.match("idle at step [0-9,]+, .*0 waiting", box.asks(TRAINER, "StatusText")), "what it does")
    box.until(lambda: box.asks(WATCHER, "StatusText") == "idle, 0 in the inbox, 0 waiting", "what it does")


def test_a_pattern_starts_them_once_the_target_is_enabled(box: Box) -> None:
    up(box)
    box.run("systemctl", "enable", "realm.target")
    box.run("systemctl", "stop", "realm.target")
    box.until(lambda: not any(box.asks(one, "ActiveState") != "inactive" for one in SERVICES), "PartOf= stops them")
    box.run("systemctl", "start", "--all", "realm-*")
    assert box.is_up(*SERVICES)


def test_a_member_drops_moves_and_pauses_whatever_the_umask(box: Box) -> None:
    up(box)
    box.sh(f"umask 077; echo 'a look' > {HOME}/control/.pause", user="alice")
    box.until(lambda: training(box).state == "paused", "the pause")
    assert training(box).pause_reasons == [".pause: a look"]
    box.sh(f"{REALM} scroll forge bin --level 1 --count 200 --out /tmp/first.jsonl")
    box.sh(f"{REALM} scroll forge bin --level 1 --count 200 --first-index 1000 --out /tmp/second.jsonl")
    box.sh(f"umask 077; cp /tmp/first.jsonl /tmp/second.jsonl {HOME}/inbox/", user="alice")
    normal, high = (box.home.queue / priority for priority in ("normal", "high"))
    box.until(lambda: len(list(normal.glob("*"))) == 2, "both wait")
    box.sh(f"mv {HOME}/queue/normal/*-second-* {HOME}/queue/high/", user="alice")
    assert [quest.name.split("-")[1] for quest in high.iterdir()] == ["second"]
    box.sh(f"rm {HOME}/control/.pause", user="alice")
    box.until(lambda: len(list(box.home.completed.glob("*-*"))) == 2, "both are trained")
    claimed = re.findall(r"event=claim quest=\S+?-(first|second)-", box.log(TRAINER))
    assert claimed == ["second", "first"]


def test_others_may_not(box: Box) -> None:
    box.sh(f"echo > {HOME}/inbox/x.jsonl", user="bob", ends_with=2)
    box.sh(f"ls {HOME}/secrets", user="alice", ends_with=2)


def test_a_skills_server_answers_on_this_machine_alone_and_starts_with_the_target(box: Box) -> None:
    up(box)
    box.until(lambda: box.is_up(SKILL), "the skill's server")
    ask = "python3 -c \"import urllib.request as r; print(r.urlopen('http://localhost:8090/health').read())\""
    assert '"status":"ok"' in box.sh(ask, user="bob")
    assert box.asks(SKILL, "StatusText") == "serves Binary Alchemy 1.0.0 on port 8090"
    assert "127.0.0.1:8090" in box.run("ss", "-Hltn", "sport = :8090")


def test_an_exam_is_sat_in_the_schedulers_sandbox(box: Box) -> None:
    drop_long_quest(box)
    box.sh(f"{REALM} curriculum set exam_minutes 0.2; {REALM} curriculum preset bin_only", user="realm")
    annals = box.home.history / "scheduler.jsonl"
    box.until(lambda: annals.exists() and '"kind":"graded"' in annals.read_text(), "an exam", 180)
    box.sh(f"{REALM} curriculum set enabled false", user="realm")
    assert "event=not-evaluated" not in box.log(SCHEDULER)


def test_the_tavern_writes_what_a_person_asks_for(box: Box) -> None:
    """From its sandbox: settings, a drop, a flag."""
    up(box)
    box.sh("""/opt/realm/bin/python3 - <<'END'
import json, urllib.request
at = "http://127.0.0.1:8888/api/"
def ask(path, body=None, kind="application/json"):
    request = urllib.request.Request(at + path, body, {"Content-Type": kind})
    return json.load(urllib.request.urlopen(request, timeout=30))
version = ask("scheduler")["version"]
ask("scheduler", json.dumps({"version": version, "changes": {"batch": 77}}).encode())
ask("quests?name=page.jsonl", b'{"text": "once upon a time"}\\n' * 9, "application/octet-stream")
ask("control/seal", b"{}")
END""")
    assert '"batch": 77' in box.home.config_file.read_text()
    box.until(lambda: not (box.home.control / ".seal").exists(), "the seal")
    box.until(lambda: not list(box.home.inbox.rglob("*page*")), "the drop is taken")
    assert any("-page-" in quest.name for quest in box.home.queue.glob("*/*"))
    box.sh(f"{REALM} curriculum set batch 3000", user="realm")


# Deaths


def test_a_killed_trainer_comes_back_to_where_it_was(box: Box) -> None:
    drop_long_quest(box)
    box.override("realm-.service", "RestartSec=1")
    box.sh(f"{REALM} seal", user="alice")
    assert is_trained_on(box)
    seal, before = training(box).last_seal, training(box).step or 0
    restarts = int(box.asks(TRAINER, "NRestarts"))
    box.run("systemctl", "kill", "-s", "KILL", TRAINER)
    box.until(lambda: int(box.asks(TRAINER, "NRestarts")) == restarts + 1 and box.is_up(TRAINER), "the restart")
    stands_at = int(re.findall(r"stands at step ([0-9,]+)", box.log(TRAINER))[-1].replace(",", ""))
    assert seal
    assert stands_at >= seal.step > 0
    box.until(lambda: (training(box).step or 0) > before, "it goes further than it was")


def test_two_devices_train_together_in_the_sandbox(box: Box) -> None:
    drop_long_quest(box)
    for devices in (2, 1):
        box.sh(f"{REALM} config set devices {devices}")
        box.run("systemctl", "restart", TRAINER)
        assert is_trained_on(box)
        stands = re.findall(r'"Squire stands at step [0-9,]+, on (.+)"', box.log(TRAINER))[-1]
        assert stands == ("2 x cpu" if devices == 2 else "cpu")


def test_a_service_that_hangs_is_restarted_with_its_stacks_in_the_log(box: Box) -> None:
    up(box)
    box.override(WATCHER, "WatchdogSec=10", "RestartSec=1")
    box.run("systemctl", "restart", WATCHER)
    box.run("systemctl", "kill", "-s", "STOP", WATCHER)
    box.until(lambda: box.asks(WATCHER, "NRestarts") == "1" and box.is_up(WATCHER), "the restart")
    box.override(WATCHER)
    said = box.log(WATCHER)
    assert "Failed with result 'watchdog'" in said
    assert "queue_watcher.py" in said[said.index("Fatal Python error: Aborted") :]


def test_a_second_instance_is_refused_and_not_tried_again(box: Box) -> None:
    box.run("systemctl", "stop", WATCHER)
    box.run("systemd-run", "--unit=by-hand", "--uid=realm", REALM, "run", "queue-watcher")
    box.until(lambda: is_locked(box.home.locks / "queue-watcher.lock"), "the one started by hand")
    box.run("systemctl", "start", WATCHER, ends_with=1)
    assert (box.asks(WATCHER, "ExecMainStatus"), box.asks(WATCHER, "SubState")) == ("75", "failed")
    box.run("systemctl", "stop", "by-hand")


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_a_stop_waits_for_a_seal_on_a_slow_disk(box: Box) -> None:
    drop_long_quest(box)
    box.override(TRAINER, "TimeoutStopSec=3")
    pid = box.asks(TRAINER, "MainPID")
    slow = ("-e", "trace=fsync", "-e", "inject=fsync:delay_enter=1000000")  # microseconds
    with box.begin("strace", "-f", "-qq", "-o", "/dev/null", *slow, "-p", pid):
        box.until(lambda: "TracerPid:\t0" not in box.run("cat", f"/proc/{pid}/status"), "strace")
        box.run("systemctl", "stop", TRAINER)
    stopped = int(box.asks(TRAINER, "InactiveEnterTimestampMonotonic"))
    assert stopped - int(box.asks(TRAINER, "ActiveExitTimestampMonotonic")) > 3_000_000
    assert (box.asks(TRAINER, "Result"), box.asks(TRAINER, "ExecMainStatus")) == ("success", "0")
    box.override(TRAINER)


def test_after_a_power_cut_all_goes_on_by_itself(box: Box) -> None:
    box.run("systemctl", "enable", "realm.target")
    drop_long_quest(box)
    before = training(box).step or 0
    box.cut_power()
    box.until(lambda: box.is_up("realm.target", *SERVICES), "everything")
    box.until(lambda: (training(box).step or 0) > before, "it goes further than it was")


# For one person


def test_one_person_runs_them_too(box: Box) -> None:
    mine = REALM + " --home '/home/alice/my %h ${realm}'"
    box.run("loginctl", "enable-linger", "alice")
    user = box.sh("id -u alice").strip()
    box.until(lambda: box.is_up(f"user@{user}.service"), "alice's systemd")

    def alice(script: str) -> str:
        return box.sh(f"export XDG_RUNTIME_DIR=/run/user/{user}; {script}", user="alice")

    with pytest.raises(BoxError, match="run `realm init`"):
        alice(f"{mine} units install --user")
    alice(f"{mine} init --no-hero")
    assert "systemctl --user enable --now realm.target" in alice(f"{mine} units install --user")
    alice("systemctl --user start realm-queue-watcher")
    assert alice("systemctl --user is-active realm-queue-watcher").strip() == "active"
    assert is_locked(box.home.root / "../../../home/alice/my %h ${realm}/locks/queue-watcher.lock")
    alice(f"{mine} units uninstall --user")
    assert alice("find ~/.config/systemd -type f -o -type l").strip() == ""


# Again, and away


def test_installing_again_is_an_upgrade_that_enables_nothing_anew(box: Box) -> None:
    box.run("systemctl", "disable", WATCHER)
    box.sh("touch /usr/local/lib/systemd/system/realm-mine.service")
    old = "/usr/local/lib/systemd/system/realm-of-an-older-version.service"
    box.sh(f"head -1 /usr/local/lib/systemd/system/{WATCHER} > {old}")
    assert "systemctl restart realm.target" in box.run(REALM, "units", "install")
    assert box.asks(WATCHER, "UnitFileState") == "disabled"
    box.sh(f"test ! -e {old}; test -e /usr/local/lib/systemd/system/realm-mine.service")
    box.run("systemctl", "enable", WATCHER)


def test_uninstalling_leaves_the_home(box: Box) -> None:
    up(box)
    said = box.sh("cd /src; make uninstall 2>&1")
    assert "/var/lib/realm and the user realm stay" in said
    assert box.home.missing() == []
    assert box.sh("id -un realm").strip() == "realm"
    assert not is_locked(box.home.locks / "trainer.lock")
    box.sh("test ! -e /opt/realm")
    left = box.sh("find /usr/local /etc/systemd/system -name '*realm*'").split()
    assert left == ["/usr/local/lib/systemd/system/realm-mine.service"]
    assert box.run("systemctl", "list-units", "--no-legend", "--all", "realm*").strip() == ""
