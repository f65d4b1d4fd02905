"""The watchtower: what training measured, at every scale, and how the realm is.

pyramid        min, max and last of every series per bucket of steps      marks       what a chart shows beside curves
pyramid_files  the pyramid in metrics/pyramid/, extended by new rows      prometheus  the same figures for Prometheus
row_reader     the raw rows, from where the last look ended               api         HTTP: health, metrics, events
watchtower     the daemon
"""

from typing import Any

__all__ = ["OracleClient"]


def __getattr__(name: str) -> Any:
    """OracleClient, which the game's design looks for here; who does not ask for it does not import it."""
    if name != "OracleClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from realm.oracle.client import OracleClient

    return OracleClient
