"""Weights and moments in fewer bits that learn: what rounding would lose survives in the mean, the same each time."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from realm.arena.battle import moments, sliced_adamw
from realm.arena.battle.moments import kept_as
from realm.arena.battle.rounding import rounded
from realm.arena.battle.sliced_adamw import SlicedAdamW

SETTINGS = {"lr": 1e-6, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.0}


def trained(optimizer: Optimizer, weight: nn.Parameter, gradients: Sequence[Tensor]) -> Tensor:
    """In fp32, whatever it is made of."""
    for gradient in gradients:
        weight.grad = gradient.to(weight.dtype)
        optimizer.step()
    return weight.detach().float()


def weight_of(value: Tensor, dtype: torch.dtype) -> nn.Parameter:
    return nn.Parameter(value.to(dtype, copy=True))


def gradients(shape: tuple[int, ...], steps: int) -> list[Tensor]:
    noise = torch.Generator().manual_seed(3)
    return [torch.randn(shape, generator=noise).bfloat16().float() for _ in range(steps)]


def test_it_rounds_to_both_neighbours_and_keeps_the_mean() -> None:
    noise = torch.Generator().manual_seed(1)
    for exact, below, above in ((1 + 2**-10, 1.0, 1 + 2**-7), (-3.3, -3.296875, -3.3125), (1e-30, None, None)):
        found = rounded(torch.full((200_000,), exact), noise).float()
        if below is not None:
            assert set(found.tolist()) == {below, above}
        assert found.double().mean().item() == pytest.approx(exact, rel=1e-4)


def test_what_bf16_holds_is_not_changed() -> None:
    held = torch.randn(1000, generator=torch.Generator().manual_seed(2)).bfloat16()
    assert torch.equal(rounded(held.float(), torch.Generator()), held)


def test_updates_far_below_the_spacing_of_bf16_survive() -> None:
    """1e-6 on a weight of 0.02, whose neighbours are 1.2e-4 away: rounded to the nearest, nothing would ever move."""
    start = torch.full((100_000,), 0.02).bfloat16().float()
    weight = weight_of(start, torch.bfloat16)
    optimizer = SlicedAdamW([{"params": [weight], **SETTINGS}], seed=1)
    moved = start - trained(optimizer, weight, [torch.ones_like(start)] * 10)
    assert moved.double().mean().item() == pytest.approx(10e-6, rel=0.05)
    nearest = weight_of(start, torch.bfloat16)
    assert torch.equal(trained(AdamW([nearest], **SETTINGS), nearest, [torch.ones_like(start)] * 10), start)


def test_in_the_mean_it_is_adamw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sliced_adamw, "AT_ONCE", 1000)  # several slices, the last one short
    settings = {**SETTINGS, "lr": 1e-2, "weight_decay": 0.1}
    start, steps = gradients((50, 77), 1)[0], gradients((50, 77), 30)
    exact, low = weight_of(start, torch.float32), weight_of(start, torch.bfloat16)
    plain, optimizer = AdamW([exact], **settings), SlicedAdamW([{"params": [low], **settings}], seed=1)
    expected = trained(plain, exact, steps)
    off = trained(optimizer, low, steps) - expected
    assert off.abs().max() < 0.1
    assert abs(off.double().mean().item()) < 4 * off.double().std().item() / off.numel() ** 0.5 + 1e-4
    for name, of_exact in plain.state[exact].items():
        torch.testing.assert_close(optimizer.state[low][name].float(), of_exact, rtol=0.05, atol=0.05)


def test_seed_step_and_parameter_alone_decide_what_is_cut_off() -> None:
    def ends(seed: int, stop: int = 6) -> tuple[Tensor, Tensor]:
        """Of two equal weights; after `stop` steps another optimizer goes on with the state."""
        twins = [weight_of(torch.ones(500), torch.bfloat16) for _ in range(2)]
        optimizer = SlicedAdamW([{"params": twins, **SETTINGS, "lr": 1e-3}], seed)
        for number, gradient in enumerate(gradients((500,), 6), start=1):
            for twin in twins:
                twin.grad = gradient.bfloat16()
            optimizer.step()
            if number == stop:
                state = {one: dict(optimizer.state[one]) for one in twins}
                optimizer = SlicedAdamW(optimizer.param_groups, seed)
                optimizer.state.update(state)
        return twins[0].detach().clone(), twins[1].detach().clone()

    assert all(torch.equal(one, other) for one, other in zip(ends(seed=1), ends(seed=1, stop=3), strict=True))
    assert not torch.equal(ends(seed=1)[0], ends(seed=2)[0])
    assert not torch.equal(*ends(seed=1))


def test_coded_moments_take_a_quarter_and_learn_as_adamw_does() -> None:
    settings = {**SETTINGS, "lr": 1e-2}
    start, steps = gradients((64, 256), 1)[0], gradients((64, 256), 30)
    exact, coded = weight_of(start, torch.float32), weight_of(start, torch.float32)
    optimizer = SlicedAdamW([{"params": [coded], **settings}], seed=1, coded=True)
    expected = trained(AdamW([exact], **settings), exact, steps) - start
    found = trained(optimizer, coded, steps) - start
    assert torch.nn.functional.cosine_similarity(found.view(-1), expected.view(-1), dim=0) > 0.99
    assert found.norm().item() == pytest.approx(expected.norm().item(), rel=0.05)
    kept = {name: one.nbytes for name, one in optimizer.state[coded].items()}
    assert sum(kept.values()) < 2.1 * start.numel()


def test_parts_of_a_parameter_are_coded_as_the_whole_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def codes(at_once: int) -> dict[str, Tensor]:
        monkeypatch.setattr(sliced_adamw, "AT_ONCE", at_once)
        weight = weight_of(torch.ones(64, 256), torch.float32)
        optimizer = SlicedAdamW([{"params": [weight], **SETTINGS}], seed=1, coded=True)
        trained(optimizer, weight, gradients((64, 256), 3))
        return dict(optimizer.state[weight])

    whole, parts = codes(2**22), codes(1024)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_moments_of_one_kind_go_on_as_the_other(dtype: torch.dtype) -> None:
    weight = weight_of(torch.ones(64, 256), dtype)
    optimizer = SlicedAdamW([{"params": [weight], **SETTINGS}], seed=1)
    trained(optimizer, weight, gradients((64, 256), 3))
    plain = dict(optimizer.state[weight])
    coded = kept_as(plain, weight, coded=True)
    assert set(coded) == {"step", "exp_avg.codes", "exp_avg.scale", "exp_avg_sq.codes", "exp_avg_sq.scale"}
    again = kept_as(coded, weight, coded=False)
    assert int(again["step"]) == 3
    for name in ("exp_avg", "exp_avg_sq"):
        assert again[name].dtype == dtype
        off = (again[name].float() - plain[name].float()).norm() / plain[name].float().norm()
        assert off < 0.03
    assert kept_as(coded, weight, coded=True)["exp_avg.codes"] is coded["exp_avg.codes"]


def test_codes_are_the_nearest_of_256_values() -> None:
    for signed in (True, False):
        values = moments._values(signed, torch.device("cpu"))
        assert values.shape == (256,)
        assert torch.equal(values, values.unique())
        assert (values[0] < -0.9) == signed
    place = torch.zeros(64, 256)
    exact = torch.randn(64 * 256, generator=torch.Generator().manual_seed(5))
    state, everything = moments.begun(place, coded=True), slice(0, exact.numel())
    moments.write(state, "exp_avg", everything, exact, torch.Generator())
    values = moments._values(True, torch.device("cpu"))
    blocks = exact.view(-1, 256)
    within = blocks / blocks.abs().amax(dim=1, keepdim=True)
    nearest = (within.view(-1, 1) - values).abs().min(dim=1).values
    found = moments.read(state, "exp_avg", everything).view(-1, 256) / blocks.abs().amax(dim=1, keepdim=True)
    torch.testing.assert_close((found.view(-1) - within.view(-1)).abs(), nearest, atol=1e-6, rtol=0)
