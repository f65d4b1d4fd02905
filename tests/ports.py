"""A port of loopback that nobody listens on, and that no connection is given: it may be left and taken again."""

import random
from contextlib import suppress
from socket import socket

BELOW_EPHEMERAL = range(20_000, 32_000)  # Linux gives connections ports from 32,768 up


def free_port() -> int:
    for port in random.sample(BELOW_EPHEMERAL, 100):
        with socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"100 ports of {BELOW_EPHEMERAL} were taken")
