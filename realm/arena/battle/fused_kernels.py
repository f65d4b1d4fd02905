"""Liger's Triton kernels in the norms and the SwiGLU of a model; rotary embedding and loss stay as they are.

Hsu et al. 2024, "Liger Kernel: Efficient Triton Kernels for LLM Training". Each reads and writes a tensor once where
torch does so for every operation, and keeps less of it for the way back.
"""

from types import MethodType

from transformers import PreTrainedModel

from realm.arena.battle.learner import NotInstalled
from realm.armory.heroes import HeroError

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")  # transformers' names of those that compute just this


def fuse(model: PreTrainedModel) -> None:
    """Its weights stay the same tensors under the same names. Raises NotInstalled, HeroError for another family."""
    try:
        from liger_kernel.transformers import LigerRMSNorm, LigerSwiGLUMLP
    except ImportError as error:
        raise NotInstalled(
            "config.json asks for kernels liger, and liger-kernel is not installed: `pip install "
            f"'realm-of-training[liger]'` into the realm's environment, or set kernels torch ({error})"
        ) from None
    if model.config.model_type not in FAMILIES or model.config.hidden_act != "silu":
        raise HeroError(
            f"{type(model).__name__} has no kernels of Liger here, only {', '.join(FAMILIES)} with silu have: "
            "set kernels torch"
        )
    decoder = model.get_decoder()
    for module in list(decoder.modules()):
        for name, norm in module.named_children():
            if hasattr(norm, "variance_epsilon"):
                fused = LigerRMSNorm(norm.weight.numel(), norm.variance_epsilon)
                fused.weight = norm.weight
                setattr(module, name, fused)
    for layer in decoder.layers:
        layer.mlp.forward = MethodType(LigerSwiGLUMLP.forward, layer.mlp)
