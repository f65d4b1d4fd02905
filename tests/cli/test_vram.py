"""`realm vram`: what a step takes, which cards it fits, and where the figures are from."""

from typing import Any

import msgspec
import orjson
import pytest

from realm.armory.heroes import get_hero
from realm.armory.vram import Model, need
from realm.core.paths import Home
from realm.core.quests import RESULT_FILE
from tests.cli.console import realm

DIO = get_hero("dio")
WORDS = 151_936


def told(home: Home, *options: str) -> dict[str, Any]:
    said: dict[str, Any] = orjson.loads(realm(home, "vram", *options, "--json").stdout)
    return said


def test_it_tells_what_fills_the_memory_and_which_cards_it_fits(home: Home) -> None:
    said = told(home, "dio")
    parts = said["bytes"]
    assert parts["total"] == sum(size for part, size in parts.items() if part != "total")
    assert parts["total"] == need(Model(DIO.model.architecture, WORDS), DIO.training).total
    assert said["cards"]["4090"]["fits"] is True
    assert said["cards"]["4060"]["fits"] is False
    shown = realm(home, "vram", "dio").stdout
    for words in ("596,049,920 parameters · bf16", "4 x 2,048 tokens in a pass", "AdamW's moments", "4.4 GiB", "4090"):
        assert words in shown


def test_the_largest_batch_it_names_is_the_last_that_fits(home: Home) -> None:
    largest = told(home, "dio", "--card", "4090")["cards"]["4090"]["largest_batch"]
    for batch, fits in ((largest, True), (largest + 1, False)):
        assert told(home, "dio", "--card", "24", "--batch", str(batch))["cards"]["24 GiB"]["fits"] is fits


def test_options_and_the_home_s_own_settings_are_what_it_counts_with(home: Home) -> None:
    asked = told(home, "dio", "--precision", "pure_bf16", "--length", "512", "--batch", "2", "--no-checkpointing")
    wanted = {"precision": "pure_bf16", "max_length": 512, "batch_size": 2, "gradient_checkpointing": False}
    assert wanted.items() <= asked["training"].items()
    home.config_file.write_text('{"model_name": "dio", "training": {"batch_size": 7}, "lora_rank": 16}')
    here = told(home)
    assert (here["training"]["batch_size"], here["lora_rank"]) == (7, 16)
    assert here["bytes"]["optimizer"] < told(home, "--lora-rank", "0")["bytes"]["optimizer"] / 50
    coded = told(home, "--lora-rank", "0", "--optimizer", "adamw_8bit")["bytes"]
    assert coded["optimizer"] == pytest.approx(2.03 * 596_049_920, rel=0.01)
    assert "10,092,544 of adapters of rank 16" in realm(home, "vram").stdout


def test_finished_battles_replace_the_guess(home: Home) -> None:
    home.config_file.write_text('{"model_name": "dio"}')
    guess = told(home)["bytes"]["context"]
    tensors = need(Model(DIO.model.architecture, WORDS), DIO.training, context=0).total
    for name, measured in (("a", tensors + 2**30), ("b", None)):
        folder = home.completed / name
        folder.mkdir()
        result = {"training": DIO.training, "peak_device_bytes": measured}
        (folder / RESULT_FILE).write_bytes(msgspec.json.encode(result))
    (home.completed / "of-another-version").mkdir()
    said = told(home)
    assert (said["battles"], said["bytes"]["context"]) == (1, guess + 2**30)
    assert "the median of 1 finished battle" in realm(home, "vram").stdout


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        (["nobody"], 1, "unknown hero 'nobody'"),
        (["dio", "--card", "big"], 2, "'big' is no known card and no number of GiB"),
        (["squire"], 1, "squire is not built, so its words are not counted: `realm hero build squire`"),
        (["dio", "--length", "7"], 2, "7 is not in the range"),
    ],
)
def test_what_it_cannot_count_is_one_sentence(home: Home, options: list[str], status: int, reason: str) -> None:
    assert reason in realm(home, "vram", *options, ends_with=status).stderr
