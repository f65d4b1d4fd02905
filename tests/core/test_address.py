"""Where a server listens and how it is reached, by its two settings."""

import pytest

from realm.core.address import is_loopback, url_of
from realm.core.config import Oracle, Tavern


@pytest.mark.parametrize(
    ("host", "is_ours", "url"),
    [
        ("127.0.0.1", True, "http://127.0.0.1:8765"),
        ("127.0.0.2", True, "http://127.0.0.2:8765"),
        ("localhost", True, "http://127.0.0.1:8765"),
        ("::1", True, "http://[::1]:8765"),
        ("0.0.0.0", False, "http://127.0.0.1:8765"),
        ("::", False, "http://127.0.0.1:8765"),
        ("192.168.1.7", False, "http://192.168.1.7:8765"),
        ("fd00::7", False, "http://[fd00::7]:8765"),
    ],
)
def test_what_a_host_means(host: str, is_ours: bool, url: str) -> None:
    assert is_loopback(Oracle(host=host)) is is_ours
    assert url_of(Oracle(host=host)) == url


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="1.2.3"):
        is_loopback(Tavern(host="1.2.3"))
