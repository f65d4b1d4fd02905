"""A home with a hero and two checkpoints of its own, and an oracle that serves them."""

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from realm.core.checkpoint_ledger import canonical_name, record_checkpoint
from realm.core.files import publish_folder
from realm.core.log import Log
from realm.core.loopback import LoopbackServer
from realm.core.paths import Home
from realm.oracle.footprint import footprint
from realm.oracle.oracle import THREADS
from realm.oracle.oracle_api import OracleApi
from realm.oracle.pool import CACHE_TOKENS, Pool
from realm.oracle.shelf import Shelf

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
OLDER, NEWER = canonical_name(500, FIRST), canonical_name(1000, FIRST + timedelta(hours=1))


def put_checkpoint(home: Home, model: Path, step: int, saved_at: datetime) -> None:
    """As the trainer publishes one. Its weights are louder than those of `model`, so that its answers vary."""
    staging = home.current_model / f".{canonical_name(step, saved_at)}"
    shutil.copytree(model, staging)
    weights = load_file(staging / "model.safetensors")
    save_file({name: 1.5 * one for name, one in weights.items()}, staging / "model.safetensors", {"format": "pt"})
    record_checkpoint(
        staging,
        step=step,
        saved_at=saved_at,
        train_loss=1.0,
        val_loss=1.0,
        learning_rate=0.1,
        epoch=1.0,
        accuracy=None,
        training_files=[],
        skill_name=None,
        skill_level=None,
        total_examples=1,
        total_tokens=1,
        hero="squire",
        config_hash="0",
        fingerprint={},
    )
    publish_folder(staging, home.current_model / canonical_name(step, saved_at))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, squire: Path) -> Home:
    home = Home(tmp_path_factory.mktemp("oracle") / "home")
    home.create()
    shutil.copytree(squire, home.models / "squire")
    put_checkpoint(home, squire, 500, FIRST)
    put_checkpoint(home, squire, 1000, FIRST + timedelta(hours=1))
    return home


@pytest.fixture(scope="module")
def pool(home: Home) -> Iterator[Pool]:
    """With memory for one model."""
    shelf = Shelf(home)
    pool = Pool(shelf, int(1.5 * footprint(shelf.find("base"), CACHE_TOKENS).total), lambda what, text: None)
    yield pool
    pool.end()


@pytest.fixture(scope="module")
def port(pool: Pool) -> Iterator[int]:
    app = OracleApi(pool).app
    with LoopbackServer(app, 0, Log("oracle"), threads=THREADS) as server:
        yield server.port


def ask(port: int, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """POSTs `body` if there is one; bytes are sent as they are."""
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", content, headers)
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
