"""Keys of oracles, one file each in secrets/, readable by its owner alone.

oracle-read.key      asks this home's oracle: /v1, and which models there are
oracle-admin.key     asks it everything, also what it keeps in memory
oracle-of-HOST.key   a copy of the admin key, or the read key, of the oracle on another host of the registry
oracle-upstream.key  of the server behind the backend `openai`

The oracle makes the first two when it first listens beyond loopback; a person puts the others there.
"""

import secrets

from realm.core.files import write_whole
from realm.core.paths import Home

READ, ADMIN, UPSTREAM = "oracle-read.key", "oracle-admin.key", "oracle-upstream.key"
OF_HOST = "oracle-of-{}.key"


def made_key(home: Home, name: str) -> str:
    """Made at the first need, then the same for ever; only the oracle itself makes keys. Raises OSError, ValueError."""
    file = home.secrets / name
    try:
        key = file.read_text().strip()
    except FileNotFoundError:
        key = secrets.token_urlsafe(32)
        write_whole(file, f"{key}\n".encode(), mode=0o600)
    if not key:
        raise ValueError(f"{file} is empty, and everybody has an empty key: delete it, and a new one is made")
    return key


def known_key(home: Home, name: str) -> str | None:
    """None if there is none, or it is not ours to read: a server that needs one says so."""
    try:
        return (home.secrets / name).read_text().strip() or None
    except (FileNotFoundError, PermissionError):
        return None
