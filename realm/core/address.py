"""Where a server of settings listens, and how it is reached."""

import ipaddress
from typing import Protocol


class Listening(Protocol):
    """A section of the settings."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


def is_loopback(where: Listening) -> bool:
    """Whether only this machine can reach it. Raises ValueError for what is no address."""
    return where.host == "localhost" or ipaddress.ip_address(where.host).is_loopback


def url_of(where: Listening) -> str:
    """For a program on this machine."""
    is_any = where.host == "localhost" or ipaddress.ip_address(where.host).is_unspecified
    host = "127.0.0.1" if is_any else where.host
    return f"http://[{host}]:{where.port}" if ":" in host else f"http://{host}:{where.port}"
