"""Where a browser finds the tavern."""

from realm.core.address import is_loopback as is_loopback
from realm.core.address import url_of as url_of
from realm.core.config import Tavern
from realm.core.paths import Home
from realm.tavern.tickets import new_ticket


def entrance_of(home: Home, where: Tavern, host: str) -> str:
    """For a browser on another machine, which calls this one `host`: good for one entry. Raises OSError."""
    if is_loopback(where):
        mend = "`realm config set tavern.host 0.0.0.0`, and start the tavern again"
        raise OSError(f"the tavern listens on this machine alone: {mend}")
    return f"http://{host}:{where.port}/enter?ticket={new_ticket(home)}"
