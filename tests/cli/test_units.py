"""What `realm units` would install. That it works is shown in tests/system, by a real systemd."""

import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from realm.arena.trainer import CANNOT_START
from realm.cli.run import DAEMONS, SKILL_SERVER
from realm.core.instance import EXIT_STATUS
from realm.core.paths import PLACES, SKILL_SERVERS, SYSTEM_HOME, Home
from realm.core.systemd import check_interval
from tests.cli.console import REALM, realm

SERVICES = [f"realm-{daemon}.service" for daemon in DAEMONS]
TEMPLATE = "realm-skill@.service"  # one service for each skill


@pytest.fixture
def files() -> dict[str, str]:
    """The machine's files, by name below the folder of units."""
    return shown(Home(SYSTEM_HOME))


def shown(home: Home, *words: str) -> dict[str, str]:
    said = realm(home, "units", "show", *words).output
    parts = re.split(r"^# (/\S+)\n(?=# Installed by)", said, flags=re.MULTILINE)[1:]
    return {
        re.sub(r".*/systemd/(system|user)/", "", name): text for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def values(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, flags=re.MULTILINE)


def test_every_daemon_that_can_be_run_is_a_service_of_the_target(files: dict[str, str]) -> None:
    assert sorted(name for name in files if name.endswith(".service")) == sorted([*SERVICES, TEMPLATE])
    for daemon, service in zip(DAEMONS, SERVICES, strict=True):
        assert values(files[service], "ExecStart")[0].endswith(f"/realm run {daemon}")
        assert values(files[service], "WantedBy") == ["realm.target"]
    assert values(files[TEMPLATE], "ExecStart")[0].endswith("/realm run skill@%i")
    assert [values(files[TEMPLATE], key) for key in ("WantedBy", "DefaultInstance")] == [["realm.target"], ["bin"]]
    assert values(files["realm.target"], "WantedBy") == ["multi-user.target"]


def test_no_daemon_needs_another(files: dict[str, str]) -> None:
    for text in files.values():
        assert not re.search(r"^(Requires|BindsTo|Requisite)=", text, flags=re.MULTILINE)


@pytest.mark.parametrize("daemon", [*DAEMONS, SKILL_SERVERS])
def test_what_a_daemon_does_not_write_by_the_table_is_read_only(files: dict[str, str], daemon: str) -> None:
    kept = {
        Path(path.removeprefix("-"))
        for path in values(files[f"realm-{daemon}.service.d/40-places.conf"], "ReadOnlyPaths")
    }
    for folder in kept:
        assert folder.parent == SYSTEM_HOME, "a mount below a folder stands in the way of renames"
    written = {place.path.partition("/")[0] for place in PLACES if daemon in place.writers}
    folders = {place.path.partition("/")[0] for place in PLACES if place.kind == "folder"}
    assert {folder.name for folder in kept} == folders - written


def test_all_that_is_connected_by_renames_lies_under_one_writable_entry(files: dict[str, str]) -> None:
    sandbox = files["realm-.service.d/20-sandbox.conf"]
    assert [Path("/var/lib") / name for name in values(sandbox, "StateDirectory")] == [SYSTEM_HOME]
    assert not any(values(text, "ReadWritePaths") for text in files.values())


def test_the_frame_and_systemd_agree(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    frame = files["realm-.service.d/10-frame.conf"]
    assert values(frame, "RestartPreventExitStatus") == [f"{EXIT_STATUS} {CANNOT_START}"]
    monkeypatch.setenv("WATCHDOG_USEC", f"{values(frame, 'WatchdogSec')[0]}000000")
    for module in (*DAEMONS.values(), SKILL_SERVER):
        check_interval(import_module(module).INTERVAL)


def test_ones_own_services_name_the_home_and_take_nothing_only_the_machine_can_give(tmp_path: Path) -> None:
    home = Home(tmp_path / 'my "50 %" $home')
    home.create()
    files = shown(home, "--user")
    assert sorted(files) == sorted([*SERVICES, TEMPLATE, "realm-.service.d/10-frame.conf", "realm.target"])
    named = str(home.root).replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    for daemon, service in zip(DAEMONS, SERVICES, strict=True):
        assert values(files[service], "ExecStart") == [
            f'"{Path(sys.executable).parent}/realm" --home "{named}" run {daemon}'
        ]
    assert values(files["realm.target"], "WantedBy") == ["default.target"]
    for text in files.values():
        assert not re.search("^(User|Protect|Private|Capability|State)", text, flags=re.MULTILINE)


def test_ones_own_services_need_a_home(tmp_path: Path) -> None:
    assert "realm init" in realm(Home(tmp_path / "none"), "units", "show", "--user", ends_with=1).output


def test_the_machines_home_lies_in_one_place(tmp_path: Path) -> None:
    said = realm(Home(tmp_path / "elsewhere"), "units", "show", ends_with=1).output
    assert str(SYSTEM_HOME) in said
    assert "--user" in said


@pytest.mark.skipif(not shutil.which("systemctl"), reason="systemctl is not installed")
@pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="systemd runs here: tests/system shows the same there")
def test_where_systemd_does_not_run_they_are_put_in_place_for_when_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    home = Home(tmp_path / "home")
    home.create()
    assert "systemd does not run here" in realm(home, "units", "install", "--user").output
    wanted = tmp_path / "systemd/user/realm.target.wants"
    assert sorted(link.name for link in wanted.iterdir()) == sorted([*SERVICES, "realm-skill@bin.service"])
    realm(home, "units", "uninstall", "--user")
    assert list((tmp_path / "systemd/user").iterdir()) == []


def test_it_starts_without_torch() -> None:
    code = "import sys, realm.cli.units; print('torch' in sys.modules)"
    assert subprocess.run([REALM[0], "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
