"""Files of the home as they are, by an allow-list: whole, in parts, or only when they changed.

The ETag is made of inode, modification time in ns, and size, so that two writes within a second differ (RFC 9110).
"""

import os
import re
import stat
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import bottle

from realm.core.loopback import header, refusal
from realm.core.paths import Home

JSON, LINES, BYTES = "application/json", "text/plain; charset=utf-8", "application/octet-stream"
EXAM = r"exams/[a-z0-9]{1,32}/checkpoint-[0-9]+-[0-9]{8}-[0-9]{4}-l[0-9]+-v[0-9][0-9.]*"
SERVED = (
    (re.compile(r"status/[a-z][a-z_-]*\.json"), JSON),
    (re.compile(r"(events|history)/[a-z][a-z-]*\.jsonl"), LINES),
    (re.compile(r"metrics/trainer\.jsonl"), LINES),
    (re.compile(r"metrics/pyramid/(index|marks)\.json"), JSON),
    (re.compile(r"metrics/pyramid/(steps|[0-9]{1,12})\.bin"), BYTES),
    (re.compile(r"exams/[a-z0-9]{1,32}/checkpoint-[0-9]+-[0-9]{8}-[0-9]{4}-l[0-9]+-v[0-9][0-9.]*/report\.json"), JSON),
    (
        re.compile(r"exams/[a-z0-9]{1,32}/checkpoint-[0-9]+-[0-9]{8}-[0-9]{4}-l[0-9]+-v[0-9][0-9.]*/papers\.jsonl"),
        LINES,
    ),
)
RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
CHUNK = 256 * 2**10  # bytes


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """GET and HEAD of what SERVED names."""
    app.get("/<name:re:(?:status|events|history|metrics|exams)/.+>", callback=lambda name: _serve(home, name))


def _serve(home: Home, name: str) -> bottle.HTTPResponse:
    kind = next((kind for pattern, kind in SERVED if pattern.fullmatch(name)), None)
    if kind is None:
        raise refusal(404, f"{name[:80]!r} is none of the files that are served")
    folder, _, below = name.partition("/")
    return answer_with(home.root / folder, below, kind)


def etag_of(found: os.stat_result) -> str:
    return f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"


def answer_with(root: Path, name: str, content_type: str, cache: str = "no-cache") -> bottle.HTTPResponse:
    """200, 206, 304 or 416 for the file `name` below `root`; a refusal with 404 if there is none.

    `root` may be a link; what lies below may not, so that nothing outside is ever shown.
    """
    descriptor = _opened(root, name)
    found = os.fstat(descriptor)
    etag = f'"{etag_of(found)}"'
    headers = {
        "ETag": etag,
        "Last-Modified": formatdate(found.st_mtime, usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": cache,
        "Content-Type": content_type,
    }
    if _is_known(etag):
        os.close(descriptor)
        return bottle.HTTPResponse(status=304, headers={key: headers[key] for key in ("ETag", "Cache-Control")})
    part = _part(found.st_size, etag)
    if part is not None and part[0] >= found.st_size:
        os.close(descriptor)
        raise bottle.HTTPResponse(status=416, headers={"Content-Range": f"bytes */{found.st_size}", "ETag": etag})
    first, last = part or (0, found.st_size - 1)
    if part:
        headers["Content-Range"] = f"bytes {first}-{last}/{found.st_size}"
    headers["Content-Length"] = str(last - first + 1)
    if bottle.request.method == "HEAD":
        os.close(descriptor)
        return bottle.HTTPResponse("", 206 if part else 200, headers=headers)
    return bottle.HTTPResponse(_chunks(descriptor, first, last - first + 1), 206 if part else 200, headers=headers)


def _opened(root: Path, name: str) -> int:
    """A descriptor of a regular file, reached without a link below `root`. Raises a refusal with 404."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in name.split("/"):
            below = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise IsADirectoryError
    except OSError:
        os.close(descriptor)
        raise refusal(404, f"{name[:80]!r} is not there") from None
    return descriptor


def _is_known(etag: str) -> bool:
    stated = header("If-None-Match")
    return stated.strip() == "*" or etag in [one.strip().removeprefix("W/") for one in stated.split(",")]


def _part(size: int, etag: str) -> tuple[int, int] | None:
    """First and last byte of the range that is asked for; None for all of it.

    All is sent for several ranges, for what is no range, and for a part of another version of the file.
    """
    match = RANGE.fullmatch(header("Range").replace(" ", ""))
    if match is None or (header("If-Range") or etag) != etag or not (match[1] or match[2]):
        return None
    if not match[1]:
        return (max(0, size - int(match[2])), size - 1) if int(match[2]) else (size, size)
    first, last = int(match[1]), min(int(match[2] or size), size - 1)
    return None if match[2] and int(match[2]) < first else (first, last)


def _chunks(descriptor: int, first: int, length: int) -> Iterator[bytes]:
    """Exactly `length` bytes, also while the file grows; fewer if it was cut meanwhile."""
    with os.fdopen(descriptor, "rb") as file:
        file.seek(first)
        while length and (chunk := file.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk
