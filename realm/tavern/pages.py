"""The pages: www/ as it ships, with a policy that lets nothing in from elsewhere."""

import base64
import hashlib
import re
from pathlib import Path

import bottle

from realm.core.paths import PACKAGE
from realm.tavern.served_files import answer_with

PAGE = "index.html"  # of every room: its script draws the one that the address names
ROOMS = ("", "quests", "guild", "scheduler", "oracle", "watchtower")
ASSET = r"(?:style\.css|(?:art|js|vendor)/[A-Za-z0-9@_][A-Za-z0-9@._/-]*\.(?:css|js|mjs|svg|woff2))"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
FOREVER = "public, max-age=31536000, immutable"  # a vendored file's version is in its address
INLINE = re.compile(rb"<script type=\"importmap\">(.*?)</script>", re.DOTALL)


def shipped_www() -> Path:
    """The pages that came with this code. Raises FileNotFoundError if the installation lacks them."""
    installed, checkout = PACKAGE / "www", PACKAGE.parent / "www"
    for folder in (installed, checkout):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"neither {installed} nor {checkout} exists: install realm again")


def add_routes(app: bottle.Bottle, www: Path) -> None:
    """A page for each room, and what it loads."""
    for room in ROOMS:
        app.get(f"/{room}", callback=lambda: _page(www))
    app.get(f"/<name:re:{ASSET}>", callback=lambda name: _asset(www, name))


def _page(www: Path) -> bottle.HTTPResponse:
    response = answer_with(www, PAGE, TYPES[".html"])
    response.set_header("Content-Security-Policy", policy_of((www / PAGE).read_bytes()))
    return response


def _asset(www: Path, name: str) -> bottle.HTTPResponse:
    cache = FOREVER if name.startswith("vendor/") else "no-cache"
    return answer_with(www, name, TYPES[Path(name).suffix], cache)


def policy_of(page: bytes) -> str:
    """What a browser may load for the page: what comes from here, and its own import map by its digest."""
    digests = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in INLINE.findall(page))
    scripts = " ".join(["'self'", *(f"'sha256-{digest}'" for digest in digests)])
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self'; img-src 'self' data:; object-src 'none';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
