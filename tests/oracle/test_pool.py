"""What models take of memory, which of them leave it, and that it comes back."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from transformers import AutoConfig, AutoModelForCausalLM

from realm.core.paths import Home
from realm.oracle.footprint import footprint
from realm.oracle.pool import CannotLoad, Pool
from realm.oracle.question import MOST_ROWS, Busy, Question, Sampling
from realm.oracle.shelf import DamagedModel, Shelf, Volume
from tests.arena.realm_home import eventually
from tests.oracle.conftest import NEWER, OLDER, ask

MOST = 512  # tokens that a model keeps
GREEDY = Sampling(temperature=0)


def pool_for(home: Home, models: float) -> Pool:
    """With memory for so many."""
    shelf = Shelf(home)
    budget = int(models * footprint(shelf.find("base"), MOST).total)
    return Pool(shelf, budget, lambda what, text: None, cache_tokens=MOST, device="cpu")


@pytest.fixture
def small(home: Home) -> Iterator[Pool]:
    pool = pool_for(home, 1.5)
    yield pool
    pool.end()


@pytest.fixture
def large(home: Home) -> Iterator[Pool]:
    pool = pool_for(home, 2.5)
    yield pool
    pool.end()


def names(pool: Pool) -> list[str]:
    return [one.volume.name for one in pool.models]


def test_keys_and_values_count_as_its_config_says(home: Home) -> None:
    volume = Shelf(home).find("base")
    shape = json.loads((volume.folder / "config.json").read_bytes())
    each = 2 * shape["num_hidden_layers"] * shape["num_key_value_heads"] * shape["head_dim"] * 4
    longest = shape["max_position_embeddings"]
    assert footprint(volume, MOST) == (found := footprint(volume, MOST))
    assert (found.weights, found.cache, found.longest) == (volume.size_bytes, MOST * each, MOST)
    assert footprint(volume, 10**6).cache == MOST_ROWS * longest * each


@pytest.mark.parametrize("content", [b"{", b"{}", b'{"num_hidden_layers": "x"}'])
def test_a_config_that_says_nothing_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(DamagedModel, match=r"config\.json: "):
        footprint(Volume("base", tmp_path, None), MOST)


def test_what_fits_never_is_refused_with_the_settings_that_mend_it(home: Home) -> None:
    with pytest.raises(CannotLoad, match=r"raise it, or lower oracle\.cache_tokens"):
        pool_for(home, 0.9).load("base")


def test_a_model_that_sits_an_exam_leaves_for_no_other(small: Pool) -> None:
    with small.lent("latest"):
        pass
    small.examines("latest")
    with pytest.raises(Busy, match="sit an exam"):
        small.load("step:500")
    with pytest.raises(Busy, match="sits an exam"):
        small.unload("latest")
    small._exams[NEWER] = 0.0  # two minutes later
    with small.lent("step:500"):
        assert names(small) == [OLDER]


def test_the_next_question_of_an_exam_comes_with_its_header(port: int, pool: Pool) -> None:
    chat = {"model": "step:500", "messages": [{"role": "user", "content": "①"}], "max_tokens": 1}
    assert ask(port, "/v1/chat/completions", chat, **{"X-Realm-Exam": "any"})[0] == 200
    code, refused = ask(port, "/models/load", {"model": "latest"})
    assert (code, "sit an exam" in refused["error"]["message"]) == (503, True)
    pool._exams.clear()
    assert ask(port, "/models/load", {"model": "latest"})[0] == 202
    eventually(lambda: names(pool) == [NEWER])


def test_a_reload_keeps_the_old_one_until_the_new_one_is_there(large: Pool) -> None:
    with large.lent("latest") as old:
        asked = old.engine.ask(Question([1], 400, frozenset(), GREEDY))
        large.load("latest", again=True)
        eventually(lambda: large.models != [old])
        assert names(large) == [NEWER]
        assert len(list(asked)) == 400  # by the old one, to the end
        with large.lent("latest") as new, pytest.raises(Busy, match="no room"):  # the old one is in memory still
            large.load("step:500")
        assert new is not old
    assert not hasattr(old, "engine")


def test_a_reload_that_fails_leaves_the_old_one(large: Pool, home: Home) -> None:
    with large.lent("latest") as old:
        pass
    weights = home.current_model / NEWER / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    large.load("latest", again=True)
    eventually(lambda: NEWER in large.failures)
    weights.write_bytes(whole)
    assert large.models == [old]


def test_who_hangs_up_is_answered_no_further(port: int, pool: Pool) -> None:
    body = msgspec.json.encode(
        {"model": "latest", "messages": [{"role": "user", "content": "①"}], "max_tokens": 1900, "temperature": 0}
    )
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with pool.lent("latest") as model, socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(head.encode() + body)
        eventually(lambda: bool(model.engine._rows))
        row = model.engine._rows[0]
    eventually(lambda: not model.engine.is_busy)
    assert 0 < len(row.said) < 1900
    assert not row.is_finished


LOADS = """
import gc, sys
from pathlib import Path
from realm.core.paths import Home
from realm.oracle.pool import Pool
from realm.oracle.question import Question
from realm.oracle.shelf import Shelf

def resident():
    lines = dict(line.split(":", 1) for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    return int(lines["Rss"].split()[0]) * 1024

pool = Pool(Shelf(Home(Path(sys.argv[1]))), 10**9, lambda what, text: None, device="cpu")
for turn in range(12):
    with pool.lent("base") as model:
        list(model.engine.ask(Question([1, 2, 3], 3, frozenset())))
    del model
    loaded = resident()
    pool.unload("base")
    print(loaded, resident(), flush=True)
"""


def big_home(home: Home, root: Path) -> Path:
    """Whose base has 64 MB of weights."""
    folder = Home(root).models / "squire"
    shutil.copytree(home.models / "squire", folder)
    config = AutoConfig.from_pretrained(folder)
    config.update({"hidden_size": 512, "intermediate_size": 2048})
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return root


def test_memory_comes_back_after_a_model_left(home: Home, tmp_path: Path) -> None:
    """Over and over, in a process of its own: others' garbage is not this one's."""
    root = big_home(home, tmp_path)
    told = subprocess.run([sys.executable, "-c", LOADS, str(root)], capture_output=True, text=True, check=True)
    rounds = [tuple(map(int, line.split())) for line in told.stdout.splitlines()]
    size = Shelf(Home(root)).find("base").size_bytes
    assert size > 5e7
    assert all(loaded - left > 0.9 * size for loaded, left in rounds[1:]), rounds
    assert rounds[-1][1] - rounds[2][1] < 0.2 * size, rounds
