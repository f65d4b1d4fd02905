"""The host registry: which machines there are, what each one is for, and where its services answer.

Addresses are written in hosts.json and nowhere else. A home's configs/hosts.json replaces the shipped one.
"""

import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from realm.core.paths import home, shipped_configs

Role = Literal["trainer", "inference", "storage"]
Id = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,31}$")]
Address = Annotated[str, Meta(pattern=r"^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])$")]  # a name, IPv4, or IPv6 in brackets

PATHS = {"ledger": "/api/ledger", "training": "/api/training"}  # not servers of their own: paths on the vault
OF_THE_TRAINER = {"vault", *PATHS}  # there is one of these, and it is where the training is


class HostError(ValueError):
    """A host or service that the registry does not know, or a registry that cannot be used."""


class Service(Struct, frozen=True, forbid_unknown_fields=True):
    """A server on a host."""

    port: Annotated[int, Meta(ge=1, le=65535)]


class Host(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine. `hostnames` are what it may call itself (`hostname` prints it)."""

    name: str
    address: Address
    role: Role
    hostnames: list[str]
    services: dict[Id, Service]


class Hosts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All machines of a realm by id. Exactly one is the trainer. `local_host` null: found by hostname."""

    version: Literal[1]
    hosts: dict[Id, Host]
    local_host: str | None

    def __post_init__(self) -> None:
        trainers = [host_id for host_id, host in self.hosts.items() if host.role == "trainer"]
        if len(trainers) != 1:
            raise ValueError(f"exactly one host must have the role trainer, these have it: {trainers or 'none'}")
        if self.local_host is not None and self.local_host not in self.hosts:
            raise ValueError(f'"local_host" is {self.local_host!r}: {_choose(self.hosts)}, or null')
        names = [name for host in self.hosts.values() for name in host.hostnames]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f'{", ".join(twice)} in several "hostnames": a machine is one host')


def load_hosts() -> Hosts:
    """The registry as it is on disk now. Raises HostError naming file, place and reason."""
    file = _hosts_file()
    try:
        return msgspec.json.decode(file.read_bytes(), type=Hosts)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HostError(f"{file}: {error}") from error


def get_host(host_id: str) -> Host:
    """Raises HostError for an id that is not in the registry."""
    return _known(load_hosts(), host_id)


def get_local_host() -> str:
    """The id of the machine this runs on. Raises HostError if the registry does not know it."""
    return _local(load_hosts())


def is_trainer_local() -> bool:
    """Whether this machine is the trainer. Raises HostError on a machine that the registry does not know."""
    registry = load_hosts()
    return _local(registry) == _trainer(registry)


def get_service_url(service: str, host_id: str | None = None) -> str:
    """Where a service answers, such as http://trainer.lan:8767/api/ledger.

    Without `host_id`: of the vault, the ledger and the training, the trainer's; of any other, the only one
    there is, or among several this machine's.
    Raises HostError for an unknown service or host, and for a host without that service.
    """
    registry = load_hosts()
    server = "vault" if service in PATHS else service
    offering = [key for key, host in registry.hosts.items() if server in host.services]
    if not offering:
        raise HostError(f"unknown service {service!r}: {_choose(_services(registry))}")
    chosen = _default_host(registry, service, offering) if host_id is None else host_id
    host = _known(registry, chosen)
    if chosen not in offering:
        raise HostError(f"host {chosen} has no service {service!r}: {_choose(offering)}")
    return f"http://{host.address}:{host.services[server].port}{PATHS.get(service, '')}"


def _known(registry: Hosts, host_id: str) -> Host:
    if host_id not in registry.hosts:
        raise HostError(f"unknown host {host_id!r}: {_choose(registry.hosts)}")
    return registry.hosts[host_id]


def _trainer(registry: Hosts) -> str:
    return next(host_id for host_id, host in registry.hosts.items() if host.role == "trainer")


def _local(registry: Hosts) -> str:
    if registry.local_host is not None:
        return registry.local_host
    machine = platform.node()
    for host_id, host in registry.hosts.items():
        if machine in host.hostnames:
            return host_id
    raise HostError(
        f'this machine calls itself {machine!r}, and no host has that among its "hostnames": add it there, '
        f'or set "local_host" to one of {", ".join(registry.hosts)}, in {_file_to_edit()}'
    )


def _default_host(registry: Hosts, service: str, offering: list[str]) -> str:
    if service in OF_THE_TRAINER:
        return _trainer(registry)
    return offering[0] if len(offering) == 1 else _local(registry)


def _services(registry: Hosts) -> list[str]:
    return sorted({*PATHS, *(service for host in registry.hosts.values() for service in host.services)})


def _hosts_file() -> Path:
    own = home() / "configs" / "hosts.json"
    return own if own.exists() else shipped_configs() / "hosts.json"


def _file_to_edit() -> str:
    own, read = home() / "configs" / "hosts.json", _hosts_file()
    return str(own) if read == own else f"{own} (does not exist yet: copy {read} there)"


def _choose(known: Iterable[str]) -> str:
    return f"choose one of {', '.join(known)}"
