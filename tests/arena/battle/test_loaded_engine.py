"""What config.json says of the optimizer holds from the next load on, whatever the seal was made with."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.packed_attention import PACKED
from realm.arena.battle.packed_attention import PLAIN as PLAIN_ATTENTION
from realm.arena.battle.stream import Step, cut_passes
from realm.core.config import Config
from tests.arena.battle.engines import STATE, loaded, sealed
from tests.arena.battle.test_engine import examples

PLAIN, CODED = Config(), Config(optimizer="adamw_8bit")


@pytest.fixture
def step(chat: ChatTokenizer) -> Step:
    return cut_passes(examples(chat, count=6), 256, packed=True)


def test_a_checkpoint_does_not_say_that_it_was_packed(squire: Path, tmp_path: Path) -> None:
    engine = loaded(squire, PLAIN)
    assert engine.model.config._attn_implementation == PACKED
    engine.snapshot(STATE).save_pretrained(tmp_path / "checkpoint", "fp32")
    assert PACKED not in (tmp_path / "checkpoint" / "config.json").read_text()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "checkpoint")
    assert model.config._attn_implementation == PLAIN_ATTENTION


def test_coded_moments_go_on_to_the_same_bits(squire: Path, step: Step, tmp_path: Path) -> None:
    engine = loaded(squire, CODED)
    for number in (1, 2, 3):
        engine.step(number, step)
    again = loaded(squire, CODED, sealed(engine, tmp_path / "seals"))
    for number in (4, 5):
        assert engine.step(number, step).loss == again.step(number, step).loss


@pytest.mark.parametrize(("before", "after"), [(PLAIN, CODED), (CODED, PLAIN)], ids=["coded", "plain"])
def test_another_optimizer_goes_on_with_the_moments_of_the_seal(
    squire: Path, step: Step, tmp_path: Path, before: Config, after: Config
) -> None:
    engine = loaded(squire, before)
    for number in (1, 2, 3):
        engine.step(number, step)
    other = loaded(squire, after, sealed(engine, tmp_path / "seals"))
    beginner = loaded(squire, after)
    beginner.model.load_state_dict(other.model.state_dict())
    for one in (engine, other, beginner):
        one.step(4, step)
    expected, found, without = (one.step(5, step).loss for one in (engine, other, beginner))
    assert abs(found - expected) < 0.1 * abs(without - expected)
