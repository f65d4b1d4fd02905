"""LoRA: frozen weights stay, adapters learn, checkpoints are plain models, and seals move between ranks."""

import sys
from pathlib import Path

import msgspec
import pytest
import torch
from transformers import AutoModelForCausalLM

from realm.arena.battle.adapters import is_adapter
from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.learner import NotInstalled
from realm.arena.battle.stream import Step, cut_passes
from realm.core.config import Config
from tests.arena.battle.engines import SETTINGS, STATE, loaded, sealed
from tests.arena.battle.test_engine import examples

IDS = torch.arange(40).view(2, 20)


@pytest.fixture
def step(chat: ChatTokenizer) -> Step:
    return cut_passes(examples(chat, count=6), 256, packed=True)


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    found: torch.Tensor = model.eval()(input_ids=IDS, use_cache=False).logits
    model.train()
    return found


def test_adapters_begin_as_nothing_and_are_all_that_learns(squire: Path, step: Step) -> None:
    plain, engine = loaded(squire, Config(lora_rank=0)), loaded(squire, Config(lora_rank=8))
    assert torch.equal(logits(plain.model), logits(engine.model))
    before = {name: weight.detach().clone() for name, weight in engine.model.named_parameters()}
    losses = [engine.step(number, step).loss for number in range(1, 41)]
    assert losses[-1] < 0.8 * losses[0]
    changed = {name for name, weight in engine.model.named_parameters() if not torch.equal(weight, before[name])}
    assert changed == {name for name in before if is_adapter(name)}
    assert sum(engine.optimizer.state[weight]["exp_avg"].numel() for weight in engine.optimizer.state) == sum(
        weight.numel() for name, weight in before.items() if is_adapter(name)
    )


def test_two_that_begin_are_the_same(squire: Path, step: Step) -> None:
    one = loaded(squire, Config(lora_rank=4))
    torch.rand(7)  # the process's own chance has moved on
    other = loaded(squire, Config(lora_rank=4))
    assert [one.step(1, step).loss, one.step(2, step).loss] == [other.step(1, step).loss, other.step(2, step).loss]
    assert torch.equal(logits(one.model), logits(other.model))


def test_a_checkpoint_is_a_plain_model(squire: Path, step: Step, tmp_path: Path) -> None:
    engine = loaded(squire, Config(lora_rank=8))
    for number in (1, 2, 3):
        engine.step(number, step)
    engine.snapshot(STATE).save_pretrained(tmp_path / "checkpoint", "fp32")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "checkpoint", dtype=torch.float32)
    torch.testing.assert_close(logits(plain), logits(engine.model), atol=1e-4, rtol=1e-4)
    assert not any("lora" in name or "base_layer" in name for name in plain.state_dict())


def test_a_seal_goes_on_to_the_same_bits(squire: Path, step: Step, tmp_path: Path) -> None:
    engine = loaded(squire, Config(lora_rank=8))
    engine.step(1, step)
    again = loaded(squire, Config(lora_rank=8), sealed(engine, tmp_path / "seals"))
    for number in (2, 3):
        assert engine.step(number, step).loss == again.step(number, step).loss
    assert torch.equal(logits(engine.model), logits(again.model))


@pytest.mark.parametrize(("before", "after"), [(0, 8), (8, 0), (8, 4), (4, 8)])
def test_another_rank_begins_where_the_seal_ended(
    squire: Path, step: Step, tmp_path: Path, before: int, after: int
) -> None:
    engine = loaded(squire, Config(lora_rank=before))
    for number in (1, 2, 3):
        engine.step(number, step)
    other = loaded(squire, Config(lora_rank=after), sealed(engine, tmp_path / "seals"))
    torch.testing.assert_close(logits(other.model), logits(engine.model), atol=1e-4, rtol=1e-4)
    assert not other.optimizer.state  # moments of what was trained before are of other shapes, or of other weights
    assert other.step(4, step).loss == pytest.approx(engine.step(4, step).loss, rel=1e-4)


def test_frozen_weights_are_bf16_where_bf16_is_multiplied(squire: Path, step: Step) -> None:
    engine = loaded(squire, Config(lora_rank=8), training=msgspec.structs.replace(SETTINGS, precision="bf16"))
    dtypes = {(is_adapter(name), weight.dtype) for name, weight in engine.model.named_parameters()}
    assert dtypes == {(True, torch.float32), (False, torch.bfloat16)}
    losses = [engine.step(number, step).loss for number in range(1, 31)]
    assert losses[-1] < 0.8 * losses[0]


def test_without_peft_a_person_is_told_what_to_install(squire: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(NotInstalled, match=r"peft is not installed: `pip install 'realm-of-training\[lora\]'`"):
        loaded(squire, Config(lora_rank=8))
