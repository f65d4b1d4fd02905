"""LoRA: pairs of small matrices beside frozen ones, by peft, and what the model is once they are added to it.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models": W x + scale * B A x, where B begins as zero.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import PreTrainedModel

from realm.arena.battle.learner import NotInstalled

SCALE = 2  # peft's lora_alpha / rank
FROZEN, DOWN, UP = ".base_layer.weight", ".lora_A.default.weight", ".lora_B.default.weight"


def adapt(model: PreTrainedModel, rank: int, seed: int) -> None:
    """Freezes the model and gives each matrix of its layers an adapter. The same on all ranks. Raises NotInstalled."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise NotInstalled(
            "config.json asks for lora_rank, and peft is not installed: `pip install 'realm-of-training[lora]'` into"
            f" the realm's environment, or set lora_rank 0 ({error})"
        ) from None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=SCALE * rank, target_modules="all-linear"), model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_adapter(name))


def is_adapter(name: str) -> bool:
    return name.endswith((DOWN, UP))


def merged(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by parameter name, as they are without adapters: in fp32 where one was added."""
    plain = {}
    for name, weight in weights.items():
        if name.endswith(FROZEN):
            layer = name.removesuffix(FROZEN)
            added = weights[layer + UP].float() @ weights[layer + DOWN].float()
            plain[f"{layer}.weight"] = weight.float() + SCALE * added
        elif not is_adapter(name):
            plain[name] = weight
    return plain


def fitted(weights: Mapping[str, Tensor], model: PreTrainedModel) -> dict[str, Tensor]:
    """A seal's weights under the model's names. Adapters of another rank, or those that the model lacks, are merged.

    Adapters that only the model has are left out: they begin anew. Raises KeyError for another model's seal.
    """
    wanted = dict(model.named_parameters())
    if all(name in weights and weights[name].shape == one.shape for name, one in wanted.items()):
        return {name: weights[name] for name in wanted}
    plain = merged(weights)
    return {name: plain[name.replace(FROZEN, ".weight")] for name in wanted if not is_adapter(name)}
