"""realm open: the address for this machine's browser, and one for another's."""

from pathlib import Path

import pytest

from realm.core.paths import Home
from realm.tavern import open_tavern
from realm.tavern.tickets import take_ticket
from tests.cli.console import realm

LAN = b'{"tavern": {"host": "0.0.0.0", "port": 9999}}'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("BROWSER", "true")  # a program that does nothing
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_it_prints_the_address_of_the_settings(home: Home) -> None:
    assert "http://127.0.0.1:8888\n" in realm(home, "open").output
    home.config_file.write_bytes(b'{"tavern": {"port": 9999}}')
    assert "http://127.0.0.1:9999\n" in realm(home, "open").output


def test_it_says_that_the_tavern_is_closed(home: Home) -> None:
    assert "the tavern is closed: `realm up`" in realm(home, "open").output


def test_an_address_for_another_machine_is_good_once(home: Home) -> None:
    home.config_file.write_bytes(LAN)
    said = realm(home, "open", "--lan").output
    assert "/enter?ticket=" in said
    ticket = said.partition("ticket=")[2].split()[0]
    assert take_ticket(home, ticket)
    assert not take_ticket(home, ticket)


def test_a_tavern_on_loopback_has_none(home: Home) -> None:
    said = realm(home, "open", "--lan", ends_with=1).output
    assert "`realm config set tavern.host 0.0.0.0`" in said


def test_from_python(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALM_HOME", str(home.root))
    assert open_tavern() == "http://127.0.0.1:8888"
