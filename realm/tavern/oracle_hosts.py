"""Oracles that can be asked: this machine's own, and those of the registry of hosts."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from realm.core.address import url_of
from realm.core.config import ConfigError, load_config
from realm.core.hosts import HostError, get_local_host, get_service_url, load_hosts
from realm.core.loopback import refusal
from realm.core.paths import Home
from realm.core.status import OracleStatus, StatusError, is_locked, read_status
from realm.oracle.client import SERVICE, OracleClient, OracleRefused, OracleUnreachable
from realm.oracle.keys import ADMIN, OF_HOST, known_key

HERE = "here"  # this machine's own; a host of the registry with that id is hidden
GLANCE = 5.0  # seconds without a byte, for a look
ANSWER = 120.0  # for an answer: a model may be loaded first
NOT_FOUND = 404
TOLD = (400, 404, 413, 422, 429, 503)  # an oracle's refusals that are ours, too; others are a fault between us and it

client_of = lru_cache(maxsize=64)(OracleClient)  # each keeps its connections


class Held(Struct, frozen=True):
    """A model in an oracle's memory. `bytes`: of its weights; `cache_bytes`: kept for keys and values."""

    name: str
    bytes: int
    loaded_at: datetime
    cache_bytes: int = 0
    answering: int = 0


class Coming(Struct, frozen=True):
    """A model on its way there: `read` of `total` bytes are read."""

    name: str
    read: int
    total: int
    began_at: datetime


class Look(Struct, frozen=True, kw_only=True):
    """What an oracle told, or in `problem` why it told nothing, with how to mend it."""

    problem: str | None = None
    backend: str | None = None
    upstream: str | None = None
    budget_bytes: int | None = None
    cache_tokens: int | None = None  # of questions and answers, that each model keeps at once
    models: list[Held] = []
    loading: Coming | None = None
    failures: dict[str, str] = {}  # why the last load of a model failed


class Oracles:
    """Looks at the registry and the keys anew each time."""

    def __init__(self, home: Home):
        self._home = home

    def hosts(self) -> dict[str, str]:
        """Names by id, this machine first. A registry that cannot be used has none: `problem` says why."""
        with suppress(HostError):
            return {HERE: "This machine", **dict(self._others())}
        return {HERE: "This machine"}

    def problem(self) -> str | None:
        """What is wrong with the registry."""
        try:
            load_hosts()
        except HostError as error:
            return str(error)
        return None

    def look_round(self) -> dict[str, Look]:
        """At all of them at once, as one that is far away or gone takes seconds."""
        hosts = list(self.hosts())
        with ThreadPoolExecutor(len(hosts)) as looks:
            return dict(zip(hosts, looks.map(self.look, hosts), strict=True))

    def look(self, host: str) -> Look:
        """Raises HostError for a host that is unknown."""
        try:
            return self._look(self.of(host, GLANCE))
        except (OracleRefused, OracleUnreachable) as error:
            return Look(problem=self._mended(host, error))
        except (ConfigError, StatusError, msgspec.ValidationError) as error:
            return Look(problem=f"the oracle of {host} cannot be asked: {error}")

    def meant(self, host: str | None) -> str:
        """None: the registry's only other one while this machine's own does not run, else this machine's own."""
        others = [one for one in self.hosts() if one != HERE]
        if host is None:
            return others[0] if len(others) == 1 and not self._is_ours_up() else HERE
        return host

    def of(self, host: str, patience: float = ANSWER) -> OracleClient:
        """Raises HostError, ConfigError, StatusError."""
        if host == HERE:
            return client_of(self._own_url(), known_key(self._home, ADMIN), patience)
        if host not in self.hosts():
            get_service_url(SERVICE, host)
            raise HostError(f"host {host} is this machine: call it {HERE}")
        return client_of(get_service_url(SERVICE, host), known_key(self._home, OF_HOST.format(host)), patience)

    def _look(self, oracle: OracleClient) -> Look:
        try:
            return msgspec.convert(oracle.info(), Look)
        except OracleRefused as error:
            if error.status != NOT_FOUND:
                raise
            oracle.models()
            return Look(backend="openai", upstream=oracle.url)  # another server: it tells nothing of its memory

    @contextmanager
    def asking(self, host: str) -> Iterator[None]:
        """What goes wrong between us and it, as a refusal."""
        try:
            yield
        except HostError as error:
            raise refusal(404, str(error)) from None
        except OracleRefused as error:
            raise refusal(error.status if error.status in TOLD else 502, str(error)) from None
        except OracleUnreachable as error:
            raise refusal(503, self._mended(host, error)) from None
        except (ConfigError, StatusError) as error:
            raise refusal(409, str(error)) from None

    def _mended(self, host: str, error: Exception) -> str:
        if host == HERE and not self._is_ours_up():
            return "No Oracle runs on this machine: `realm run oracle` starts one, or `systemctl start realm-oracle`"
        return str(error)

    def _is_ours_up(self) -> bool:
        return is_locked(self._home.locks / "oracle.lock")

    def _own_url(self) -> str:
        """Where it is, or would be."""
        said = read_status(self._home.status / OracleStatus.FILE, OracleStatus)
        return (said and said.url) or url_of(load_config(self._home.config_file).oracle)

    def _others(self) -> Iterator[tuple[str, str]]:
        """Raises HostError."""
        own = None
        with suppress(HostError):  # a machine that serves nobody need not be in the registry
            own = get_local_host()
        for host, told in load_hosts().hosts.items():
            if SERVICE in told.services and host not in (own, HERE):
                yield host, told.name


def looked(look: Look) -> dict[str, Any]:
    """As pages are told."""
    return {"is_reachable": look.problem is None, **msgspec.to_builtins(look)}
