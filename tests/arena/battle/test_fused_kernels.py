"""Liger's kernels compute what the model's own layers do: in Triton's interpreter, which needs no GPU.

pip install liger-kernel triton; TRITON_INTERPRET=1 pytest tests/arena/battle/test_fused_kernels.py
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, Qwen3Config

from realm.arena.battle.fused_kernels import fuse
from realm.arena.battle.learner import NoAccelerator, NotInstalled
from realm.armory.heroes import HeroError
from realm.core.config import Config
from tests.arena.battle.engines import loaded

READY = all(map(find_spec, ("liger_kernel", "triton"))) and os.environ.get("TRITON_INTERPRET") == "1"
REASON = "it takes TRITON_INTERPRET=1, and liger-kernel and triton, of 280 MB"
TINY = {"vocab_size": 128, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "head_dim": 16}


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton's interpreter knows no plain floats among a kernel's arguments, and no functions of CUDA's libdevice."""
    import liger_kernel.ops.rms_norm
    import numpy
    import triton.language as tl
    from triton.runtime import interpreter

    plain = interpreter._implicit_cvt

    def converted(value: Any) -> Any:
        if isinstance(value, float):
            return tl.tensor(interpreter.TensorHandle(numpy.float32([value]), tl.float32), tl.float32)
        return plain(value)

    monkeypatch.setattr(interpreter, "_implicit_cvt", converted)
    monkeypatch.setattr(liger_kernel.ops.rms_norm, "rsqrt", lambda value: tl.rsqrt(value))


def gradients(model: torch.nn.Module, ids: torch.Tensor) -> tuple[float, dict[str, torch.Tensor]]:
    loss = model(ids, labels=ids).loss
    loss.backward()
    found = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    return loss.item(), found


@pytest.mark.skipif(not READY, reason=REASON)
def test_fused_layers_have_the_same_weights_loss_and_gradients(interpreted: None) -> None:
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(Qwen3Config(**TINY, num_attention_heads=4, num_key_value_heads=2))
    ids, before = torch.randint(0, 128, (2, 24)), dict(model.named_parameters())
    loss, expected = gradients(model, ids)
    fuse(model)
    assert {name: id(one) for name, one in model.named_parameters()} == {name: id(one) for name, one in before.items()}
    assert sum("Liger" in type(one).__name__ for one in model.modules()) == 4 * 2 + 1
    assert {layer.mlp.forward.__qualname__ for layer in model.get_decoder().layers} == {"LigerSwiGLUMLP.forward"}
    found_loss, found = gradients(model, ids)
    assert found_loss == pytest.approx(loss, abs=1e-6)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6)


def test_without_liger_a_person_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "liger_kernel", None)
    monkeypatch.setitem(sys.modules, "liger_kernel.transformers", None)
    with pytest.raises(NotInstalled, match=r"`pip install 'realm-of-training\[liger\]'`.*or set kernels torch"):
        fuse(AutoModelForCausalLM.from_config(Qwen3Config(**TINY)))


@pytest.mark.skipif(not READY, reason=REASON)
def test_another_family_is_refused() -> None:
    with pytest.raises(HeroError, match="GPT2LMHeadModel has no kernels of Liger here"):
        fuse(AutoModelForCausalLM.from_config(GPT2Config(n_layer=1, n_embd=32, n_head=2, vocab_size=64)))


def test_on_a_cpu_they_are_refused(squire: Path) -> None:
    with pytest.raises(NoAccelerator, match="kernels liger run on GPUs alone"):
        loaded(squire, Config(kernels="liger"))
