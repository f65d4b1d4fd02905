import platform
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from realm.core import hosts
from realm.core.paths import shipped_configs

SHIPPED = msgspec.json.decode((shipped_configs() / "hosts.json").read_bytes())


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes the home's hosts.json: the shipped one after `change`. Before the first call there is none."""
    monkeypatch.setenv("REALM_HOME", str(tmp_path))

    def write(change: Callable[[Any], Any] = lambda registry: None) -> None:
        registry = deepcopy(SHIPPED)
        change(registry)
        (tmp_path / "configs").mkdir(exist_ok=True)
        (tmp_path / "configs" / "hosts.json").write_bytes(msgspec.json.encode(registry))

    return write


Own = Callable[..., None]


def test_the_shipped_registry_names_trainer_inference_and_storage_without_an_ip(own: Own) -> None:
    roles = {host_id: host.role for host_id, host in hosts.load_hosts().hosts.items()}
    assert roles == {"4090": "trainer", "3090": "inference", "nas": "storage"}
    assert all(host.address.endswith(".lan") for host in hosts.load_hosts().hosts.values())


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("vault", "http://trainer.lan:8767"),
        ("ledger", "http://trainer.lan:8767/api/ledger"),
        ("training", "http://trainer.lan:8767/api/training"),
        ("inference", "http://inference.lan:8765"),
        ("scheduler", "http://trainer.lan:8766"),
        ("tavern", "http://trainer.lan:8888"),
        ("monitor", "http://trainer.lan:8081"),
        ("skill_sy", "http://trainer.lan:8080"),
        ("skill_bin", "http://trainer.lan:8090"),
    ],
)
def test_each_service_has_its_port_and_path(own: Own, service: str, url: str) -> None:
    assert hosts.get_service_url(service) == url


def test_a_service_on_several_hosts_is_this_machines_or_the_one_asked_for(own: Own) -> None:
    own(lambda registry: registry.update(local_host="nas"))
    assert hosts.get_service_url("branch") == "http://nas.lan:8768"
    assert hosts.get_service_url("branch", "3090") == "http://inference.lan:8768"


def test_the_vault_is_the_trainers_even_where_another_host_offers_one(own: Own) -> None:
    def change(registry: Any) -> None:
        registry["hosts"]["nas"]["services"]["vault"] = {"port": 9999}
        registry["local_host"] = "nas"

    own(change)
    assert hosts.get_service_url("ledger") == "http://trainer.lan:8767/api/ledger"
    assert hosts.get_service_url("ledger", "nas") == "http://nas.lan:9999/api/ledger"


def test_an_unknown_service_is_refused_with_the_known_ones(own: Own) -> None:
    with pytest.raises(hosts.HostError, match="unknown service 'vaullt': choose one of branch, inference, ledger"):
        hosts.get_service_url("vaullt")


@pytest.mark.parametrize("ask", [hosts.get_host, lambda host_id: hosts.get_service_url("branch", host_id)])
def test_an_unknown_host_is_refused_with_the_known_ones(own: Own, ask: Callable[[str], object]) -> None:
    with pytest.raises(hosts.HostError, match="unknown host '5090': choose one of 4090, 3090, nas"):
        ask("5090")


def test_a_host_without_the_service_is_refused_with_those_that_have_it(own: Own) -> None:
    with pytest.raises(hosts.HostError, match="host nas has no service 'inference': choose one of 3090"):
        hosts.get_service_url("inference", "nas")


def test_an_unknown_machine_is_never_the_trainer_and_learns_which_file_to_edit(own: Own, tmp_path: Path) -> None:
    for ask in (hosts.is_trainer_local, hosts.get_local_host, lambda: hosts.get_service_url("branch")):
        with pytest.raises(hosts.HostError, match=f"{platform.node()!r}.*{tmp_path}/configs/hosts.json") as told:
            ask()
        assert str(shipped_configs() / "hosts.json") in str(told.value)


@pytest.mark.parametrize(("host_id", "trains"), [("4090", True), ("3090", False), ("nas", False)])
def test_a_machine_is_known_by_its_hostname(own: Own, host_id: str, trains: bool) -> None:
    own(lambda registry: registry["hosts"][host_id]["hostnames"].append(platform.node()))
    assert hosts.get_local_host() == host_id
    assert hosts.is_trainer_local() is trains


def test_a_stated_local_host_comes_before_the_hostname(own: Own) -> None:
    def change(registry: Any) -> None:
        registry["hosts"]["4090"]["hostnames"].append(platform.node())
        registry["local_host"] = "3090"

    own(change)
    assert hosts.get_local_host() == "3090"
    assert not hosts.is_trainer_local()


def test_the_homes_registry_replaces_the_shipped_one_whole(own: Own) -> None:
    own(lambda registry: registry["hosts"].pop("nas"))
    assert set(hosts.load_hosts().hosts) == {"4090", "3090"}


def test_a_change_of_the_file_is_seen_at_the_next_question(own: Own) -> None:
    own()
    assert hosts.get_host("nas").address == "nas.lan"
    own(lambda registry: registry["hosts"]["nas"].update(address="[fd00::7]"))
    assert hosts.get_service_url("branch", "nas") == "http://[fd00::7]:8768"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(version=2), "version"),
        (lambda r: r.update(default="4090"), "unknown field `default`"),
        (lambda r: r["hosts"]["nas"].update(ip="x"), "unknown field `ip`"),
        (lambda r: r["hosts"]["nas"]["services"]["branch"].update(path="/"), "unknown field `path`"),
        (lambda r: r.pop("local_host"), "missing required field `local_host`"),
        (lambda r: r.update(local_host="5090"), "\"local_host\" is '5090': choose one of 4090, 3090, nas, or null"),
        (lambda r: r["hosts"]["nas"].update(role="storrage"), "storrage"),
        (lambda r: r["hosts"]["nas"].update(role="trainer"), "exactly one host"),
        (lambda r: r["hosts"].pop("4090"), "exactly one host"),
        (lambda r: r["hosts"]["nas"].update(address="http://nas.lan"), "address"),
        (lambda r: r["hosts"]["nas"].update(address="nas.lan:80"), "address"),
        (lambda r: r["hosts"]["nas"]["services"]["branch"].update(port=0), "port"),
        (lambda r: r["hosts"]["nas"]["hostnames"].append("trainer"), 'trainer in several "hostnames"'),
    ],
)
def test_a_registry_that_cannot_be_used_is_refused_naming_file_and_place(
    own: Own, tmp_path: Path, change: Callable[[Any], Any], message: str
) -> None:
    own(change)
    with pytest.raises(hosts.HostError) as told:
        hosts.load_hosts()
    assert str(tmp_path / "configs" / "hosts.json") in str(told.value)
    assert message in str(told.value)


@pytest.mark.parametrize("content", [b"{", b"\xff"])
def test_a_registry_that_is_no_json_is_refused(own: Own, tmp_path: Path, content: bytes) -> None:
    own()
    (tmp_path / "configs" / "hosts.json").write_bytes(content)
    with pytest.raises(hosts.HostError, match=r"hosts\.json"):
        hosts.load_hosts()
