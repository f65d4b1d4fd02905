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
from realm.arena.battle.engine import Engine
from realm.arena.battle.layout import laid_out, positions_of
from realm.arena.battle.packed_attention import choose_attention
from realm.arena.battle.schedule import learning_rate_at
from realm.arena.battle.stream import cut_passes
from realm.armory.heroes import HeroError
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


@pytest.mark.parametrize("packed", [True, False])
def test_examples_of_a_pass_have_the_logits_they_have_alone(
    model: PreTrainedModel, chat: ChatTokenizer, packed: bool
) -> None:
    some = examples(chat)
    alone = {id(one): model(input_ids=torch.tensor([one.ids]), use_cache=False).logits[0] for one in some}
    choose_attention(model, packed=packed)
    for part in cut_passes(some, 256, packed=packed):
        layout = laid_out(part, chat.pad, packed=packed)
        rest = {} if not packed else {"lengths": layout.lengths, "position_ids": positions_of(layout.lengths)}
        together = model(input_ids=layout.ids, use_cache=False, **rest).logits
        sizes = [len(one.ids) for one in part]
        rows = together[0].split(sizes) if packed else [row[:size] for row, size in zip(together, sizes, strict=True)]
        for one, row in zip(part, rows, strict=True):
            torch.testing.assert_close(row, alone[id(one)], atol=2e-5, rtol=1e-4)


def test_a_model_that_does_not_look_back_all_the_way_is_not_packed(model: PreTrainedModel) -> None:
    model.config.layer_types = ["sliding_attention"] * model.config.num_hidden_layers
    with pytest.raises(HeroError, match="set training.packed false"):
        choose_attention(model, packed=True)
    choose_attention(model, packed=False)


@pytest.mark.parametrize(("packed", "logits_at_once"), [(True, 2**26), (True, 1000), (False, 2**26)])
def test_loss_and_gradient_equal_those_of_all_logits_unpacked(
    model: PreTrainedModel, chat: ChatTokenizer, packed: bool, logits_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_module, "LOGITS_AT_ONCE", logits_at_once)
    some = examples(chat)
    expected = unpacked_loss(model, some)
    expected.backward()
    wanted = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}  # type: ignore[union-attr]
    model.zero_grad()
    training = msgspec.structs.replace(TRAINING, warmup_steps=0, learning_rate=1e-9, packed=packed)
    engine = Engine(model, training, chat.pad)
    found: dict[str, torch.Tensor] = {}
    engine.optimizer.register_step_pre_hook(
        lambda *_: found.update({name: p.grad.clone() for name, p in model.named_parameters()})  # type: ignore[union-attr]
    )
    result = engine.step(1, cut_passes(some, 256, packed=packed))
    assert result.loss == pytest.approx(expected.item(), rel=1e-5)
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(grad) for grad in wanted.values()]))
    assert result.gradient_norm == pytest.approx(norm.item(), rel=1e-4)
    scale = min(1.0, 1.0 / norm.item())
    for name, grad in wanted.items():
        torch.testing.assert_close(found[name], grad * scale, atol=1e-6, rtol=1e-3)


def test_the_last_mlp_works_for_labels_alone(model: PreTrainedModel, chat: ChatTokenizer) -> None:
    """That loss and gradients stay as they are, the test before this one holds."""
    engine, some = Engine(model, TRAINING, chat.pad), examples(chat)
    seen = dict.fromkeys(("first", "last"), 0)
    for name, layer in (("first", model.model.layers[0]), ("last", model.model.layers[-1])):
        layer.mlp.down_proj.register_forward_pre_hook(
            lambda _, given, name=name: seen.update({name: seen[name] + given[0].flatten(0, -2).shape[0]})
        )
    result = engine.step(1, cut_passes(some, 256, packed=True))
    assert seen == {"first": result.padded_tokens, "last": result.labelled_tokens}
    plain = model(input_ids=torch.tensor([some[0].ids]), use_cache=False).logits
    assert torch.isfinite(plain).all()
    assert seen["last"] == result.labelled_tokens + len(some[0].ids)


def test_validation_loss_is_the_same_number_and_touches_nothing(model: PreTrainedModel, chat: ChatTokenizer) -> None:
    some = examples(chat)
    engine = Engine(model, TRAINING, chat.pad)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert engine.validation_loss(cut_passes(some, 256, packed=True)) == pytest.approx(
        unpacked_loss(model, some).item(), rel=1e-5
    )
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.training


@pytest.mark.parametrize("precision", ["fp32", "bf16"])  # test_sliced_adamw.py has pure_bf16
def test_a_small_update_survives(model: PreTrainedModel, chat: ChatTokenizer, precision: str) -> None:
    """At 1e-6 a bf16 weight of 0.02 would not move (its spacing there is 6e-5); the masters must."""
    training = msgspec.structs.replace(
        TRAINING, precision=precision, learning_rate=1e-6, warmup_steps=0, weight_decay=0.0
    )
    engine = Engine(model, training, chat.pad)
    weight = model.get_parameter("model.layers.0.self_attn.q_proj.weight")
    before = weight.detach().clone()
    engine.step(1, cut_passes(examples(chat), 256, packed=True))
    moved = (weight.detach() - before).abs()
    assert (moved > 0).float().mean() > 0.99
    assert moved.median().item() == pytest.approx(1e-6, rel=0.2)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_it_learns_a_few_examples_by_heart(model: PreTrainedModel, chat: ChatTokenizer, precision: str) -> None:
    training = msgspec.structs.replace(TRAINING, precision=precision, learning_rate=3e-3, warmup_steps=5)
    engine = Engine(model, training, chat.pad)
    step = cut_passes(examples(chat, count=6), 256, packed=True)
    losses = [engine.step(number, step).loss for number in range(1, 61)]
    assert min(losses[-5:]) < 0.2 < losses[0]


def test_another_precision_goes_on_with_the_weights_and_moments_there_are(
    model: PreTrainedModel, chat: ChatTokenizer
) -> None:
    training = msgspec.structs.replace(TRAINING, learning_rate=3e-3, warmup_steps=5)
    engine = Engine(model, training, chat.pad)
    step = cut_passes(examples(chat, count=6), 256, packed=True)
    before = [engine.step(number, step).loss for number in range(1, 31)]
    weight = model.get_parameter("model.layers.0.self_attn.q_proj.weight")
    angles = model.model.rotary_emb.inv_freq.clone()
    for precision, dtype in (("pure_bf16", torch.bfloat16), ("fp32", torch.float32)):
        engine.adopt(msgspec.structs.replace(training, precision=precision))
        moments = engine.optimizer.state[weight]
        assert weight.dtype == moments["exp_avg"].dtype == moments["exp_avg_sq"].dtype == dtype
        assert moments["step"].dtype == torch.float32
        after = [engine.step(number, step).loss for number in range(31, 41)]
        assert max(after) < before[0] / 5
    assert int(moments["step"]) == 50
    assert torch.equal(model.model.rotary_emb.inv_freq, angles)


def test_the_reported_learning_rate_is_the_optimizers_own(model: PreTrainedModel, chat: ChatTokenizer) -> None:
    training = msgspec.structs.replace(TRAINING, learning_rate=1e-3, warmup_steps=4)
    engine = Engine(model, training, chat.pad)
    used: list[float] = []
    engine.optimizer.register_step_pre_hook(lambda optimizer, *_: used.append(optimizer.param_groups[0]["lr"]))
    step = cut_passes(examples(chat, count=2), 256, packed=True)
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
    result = engine.step(1, cut_passes(examples(chat), 256, packed=True))
    assert not result.applied
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    poison.remove()
    assert engine.step(1, cut_passes(examples(chat), 256, packed=True)).applied
