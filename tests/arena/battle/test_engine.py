"""The step: what it computes, beside plain transformers and plain torch."""

import random
from pathlib import Path

import msgspec
import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, PreTrainedModel

from realm.arena.battle import loss as loss_module
from realm.arena.battle.chat import ChatTokenizer, Example
from realm.arena.battle.engine import Engine, padded
from realm.arena.battle.schedule import learning_rate_at
from realm.arena.battle.stream import cut_passes
from realm.core.config import Training
from tests.settings import TRAINING

PRECISIONS = msgspec.inspect.type_info(Training).fields[0].type.values  # type: ignore[attr-defined]


@pytest.fixture
def model(squire: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(squire, dtype=torch.float32)


def examples(chat: ChatTokenizer, count: int = 12, seed: int = 0) -> list[Example]:
    dice = random.Random(seed)
    return chat.examples(
        [
            [
                {"role": "user", "content": "⓪" * dice.randint(1, 30)},
                {"role": "assistant", "content": "①" * dice.randint(1, 20)},
            ]
            for _ in range(count)
        ]
    )


def unpacked_loss(model: PreTrainedModel, some: list[Example]) -> torch.Tensor:
    """Mean over labelled tokens, one example at a time, all logits, plain torch."""
    total, count = torch.zeros(()), 0
    for example in some:
        logits = model(input_ids=torch.tensor([example.ids]), use_cache=False).logits[0, :-1]
        labels = torch.tensor(example.labels[1:])
        total = total + functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum")
        count += int((labels != -100).sum())
    return total / count


def test_rows_of_a_pass_have_the_logits_they_have_alone(model: PreTrainedModel, chat: ChatTokenizer) -> None:
    some = examples(chat)
    for rows in cut_passes(some, 256):
        ids, _ = padded(rows, chat.pad)
        together = model(input_ids=ids, use_cache=False).logits
        for row, example in enumerate(rows):
            alone = model(input_ids=torch.tensor([example.ids]), use_cache=False).logits[0]
            torch.testing.assert_close(together[row, : len(example.ids)], alone, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("logits_at_once", [2**26, 1000])
def test_loss_and_gradient_equal_those_of_all_logits_unpacked(
    model: PreTrainedModel, chat: ChatTokenizer, logits_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_module, "LOGITS_AT_ONCE", logits_at_once)
    some = examples(chat)
    expected = unpacked_loss(model, some)
    expected.backward()
    wanted = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}  # type: ignore[union-attr]
    model.zero_grad()
    engine = Engine(model, msgspec.structs.replace(TRAINING, warmup_steps=0, learning_rate=1e-9), chat.pad)
    found: dict[str, torch.Tensor] = {}
    engine.optimizer.register_step_pre_hook(
        lambda *_: found.update({name: p.grad.clone() for name, p in model.named_parameters()})  # type: ignore[union-attr]
    )
    result = engine.step(1, cut_passes(some, 256))
    assert result.loss == pytest.approx(expected.item(), rel=1e-5)
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(grad) for grad in wanted.values()]))
    assert result.gradient_norm == pytest.approx(norm.item(), rel=1e-4)
    scale = min(1.0, 1.0 / norm.item())
    for name, grad in wanted.items():
        torch.testing.assert_close(found[name], grad * scale, atol=1e-6, rtol=1e-3)


def test_validation_loss_is_the_same_number_and_touches_nothing(model: PreTrainedModel, chat: ChatTokenizer) -> None:
    some = examples(chat)
    engine = Engine(model, TRAINING, chat.pad)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert engine.validation_loss(cut_passes(some, 256)) == pytest.approx(unpacked_loss(model, some).item(), rel=1e-5)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.training


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_small_update_survives(model: PreTrainedModel, chat: ChatTokenizer, precision: str) -> None:
    """At 1e-6 a bf16 weight of 0.02 would not move (its spacing there is 6e-5); the masters must."""
    training = msgspec.structs.replace(
        TRAINING, precision=precision, learning_rate=1e-6, warmup_steps=0, weight_decay=0.0
    )
    engine = Engine(model, training, chat.pad)
    weight = model.get_parameter("model.layers.0.self_attn.q_proj.weight")
    before = weight.detach().clone()
    engine.step(1, cut_passes(examples(chat), 256))
    moved = (weight.detach() - before).abs()
    assert (moved > 0).float().mean() > 0.99
    assert moved.median().item() == pytest.approx(1e-6, rel=0.2)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_it_learns_a_few_examples_by_heart(model: PreTrainedModel, chat: ChatTokenizer, precision: str) -> None:
    training = msgspec.structs.replace(TRAINING, precision=precision, learning_rate=3e-3, warmup_steps=5)
    engine = Engine(model, training, chat.pad)
    step = cut_passes(examples(chat, count=6), 256)
    losses = [engine.step(number, step).loss for number in range(1, 41)]
    assert losses[-1] < 0.2 < losses[0]


def test_the_reported_learning_rate_is_the_optimizers_own(model: PreTrainedModel, chat: ChatTokenizer) -> None:
    training = msgspec.structs.replace(TRAINING, learning_rate=1e-3, warmup_steps=4)
    engine = Engine(model, training, chat.pad)
    used: list[float] = []
    engine.optimizer.register_step_pre_hook(lambda optimizer, *_: used.append(optimizer.param_groups[0]["lr"]))
    step = cut_passes(examples(chat, count=2), 256)
    reported = [engine.step(number, step).learning_rate for number in range(1, 7)]
    assert reported == used == pytest.approx([2.5e-4, 5e-4, 7.5e-4, 1e-3, 1e-3, 1e-3])


def test_the_schedule_is_warm_up_then_constant_then_decay() -> None:
    training = msgspec.structs.replace(TRAINING, learning_rate=1.0, warmup_steps=10, decay_from=100, decay_steps=50)
    rates = [learning_rate_at(step, training) for step in (1, 10, 11, 100, 125, 150, 999)]
    assert rates == pytest.approx([0.1, 1.0, 1.0, 1.0, 0.5, 0.0, 0.0])


def test_a_step_that_is_not_a_number_leaves_the_weights_alone(model: PreTrainedModel, chat: ChatTokenizer) -> None:
    engine = Engine(model, TRAINING, chat.pad)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    poison = model.get_parameter("model.norm.weight").register_hook(lambda grad: grad * float("nan"))
    result = engine.step(1, cut_passes(examples(chat), 256))
    assert not result.applied
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    poison.remove()
    assert engine.step(1, cut_passes(examples(chat), 256)).applied
