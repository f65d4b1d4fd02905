"""The home's token, which lets another machine in, and tickets, which bring it to a browser once."""

import hashlib
import secrets
import time
from pathlib import Path

from realm.core.files import write_whole
from realm.core.paths import Home

GOOD_FOR = 600  # seconds
TOKEN_FILE = "tavern.token"


def token_of(home: Home) -> str:
    """Made at the first need, then the same for ever. Raises OSError."""
    file = home.secrets / TOKEN_FILE
    try:
        token = file.read_text().strip()
    except FileNotFoundError:
        token = secrets.token_urlsafe(32)
        write_whole(file, token.encode(), mode=0o600)
    if not token:
        raise OSError(f"{file} is empty, and everybody has an empty token: delete it, and a new one is made")
    return token


def new_ticket(home: Home) -> str:
    """Worth one entry within ten minutes. Only its digest is kept. Raises OSError."""
    ticket = secrets.token_urlsafe(18)
    _file_of(home, ticket).touch(mode=0o600, exist_ok=False)
    return ticket


def take_ticket(home: Home, ticket: str) -> bool:
    """False for one that was taken, is too old, or never was. Old ones go, too."""
    for file in home.secrets.glob("ticket-*"):
        if time.time() - file.stat().st_mtime > GOOD_FOR:
            file.unlink(missing_ok=True)
    try:
        _file_of(home, ticket).unlink()
    except FileNotFoundError:
        return False
    return True


def _file_of(home: Home, ticket: str) -> Path:
    return home.secrets / f"ticket-{hashlib.sha256(ticket.encode()).hexdigest()}"
