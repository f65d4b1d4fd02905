from pathlib import Path

import pytest

from realm.core import paths


@pytest.fixture
def system_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for /var/lib/realm, which does not exist yet; nothing in the environment names a home."""
    monkeypatch.delenv("REALM_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(paths, "SYSTEM_HOME", tmp_path / "var")
    return tmp_path / "var"


def test_an_explicit_home_comes_before_all_others(system_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system_home.mkdir()
    monkeypatch.setenv("REALM_HOME", "/from/environment")
    assert paths.home(Path("/explicit")) == Path("/explicit")


def test_the_environment_comes_before_the_system(system_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system_home.mkdir()
    monkeypatch.setenv("REALM_HOME", "/from/environment")
    assert paths.home() == Path("/from/environment")


def test_an_empty_variable_names_no_home(system_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system_home.mkdir()
    monkeypatch.setenv("REALM_HOME", "")
    assert paths.home() == system_home


def test_the_system_home_counts_only_if_it_exists(system_home: Path, tmp_path: Path) -> None:
    assert paths.home() == tmp_path / "data" / "realm"
    system_home.mkdir()
    assert paths.home() == system_home


def test_without_xdg_the_home_is_in_local_share(system_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/dio")
    assert paths.home() == Path("/home/dio/.local/share/realm")


def test_a_relative_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.home(Path("here")) == tmp_path / "here"


def test_the_shipped_configs_hold_the_host_registry() -> None:
    assert (paths.shipped_configs() / "hosts.json").is_file()


def test_an_installed_package_brings_its_own_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside it in site-packages may lie a `configs` of somebody else."""
    for folder in ("configs", "realm/configs"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "realm")
    assert paths.shipped_configs() == tmp_path / "realm" / "configs"


def test_an_installation_without_configs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "realm")
    with pytest.raises(FileNotFoundError, match="install realm again"):
        paths.shipped_configs()
