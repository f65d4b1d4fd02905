"""The step: forward, backward, clip, AdamW. It knows models and tensors, and nothing of files or quests."""

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from realm.arena.battle.chat import IGNORED
from realm.arena.battle.loss import labelled_positions, loss_of
from realm.arena.battle.schedule import learning_rate_at
from realm.arena.battle.stream import Pass, Step
from realm.core.config import Training


@dataclass(frozen=True)
class StepResult:
    """Measured values of one step. loss is the mean cross-entropy in nats over the step's labelled tokens."""

    loss: float
    gradient_norm: float  # before clipping
    learning_rate: float  # read back from the optimizer
    tokens: int  # real ones, without padding
    padded_tokens: int
    labelled_tokens: int
    seconds: float
    split: dict[str, float]  # seconds by part: forward and backward (one, as the loss is taken in pieces), optimizer
    applied: bool  # False: loss or gradient was not finite and the weights are untouched


class Engine:
    """A model with its optimizer. fp32 master weights always; `precision: bf16` computes under autocast."""

    def __init__(self, model: PreTrainedModel, training: Training, pad: int):
        self.model = model
        self.pad = pad
        self.optimizer = torch.optim.AdamW(_parameter_groups(model), fused=True)
        self.adopt(training)
        model.train()

    def adopt(self, training: Training) -> None:
        """From the next step on these settings hold; weights and moments stay."""
        self.training = training
        decays = (training.weight_decay, 0.0)
        for group, decay in zip(self.optimizer.param_groups, decays, strict=True):
            group.update(weight_decay=decay, betas=(training.beta1, training.beta2))
        if training.gradient_checkpointing:
            self.model.activation_checkpointing_enable({"use_reentrant": False})
        elif self.model.is_activation_checkpointing:
            self.model.activation_checkpointing_disable()

    def step(self, number: int, step: Step) -> StepResult:
        """Trains on one step; `number` counts from 1 over the campaign's life."""
        began = time.perf_counter()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(number, self.training)
        labelled = sum(_labelled(one) for one in step)
        loss = sum(self._pass_loss(one, backward_scale=1.0 / labelled) for one in step) / labelled
        computed = time.perf_counter()
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.training.gradient_clip))
        applied = math.isfinite(loss) and math.isfinite(norm)
        if applied:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        done = time.perf_counter()
        return StepResult(
            loss=loss,
            gradient_norm=norm,
            learning_rate=float(self.optimizer.param_groups[0]["lr"]),
            tokens=sum(len(example.ids) for one in step for example in one),
            padded_tokens=sum(len(one) * len(one[0].ids) for one in step),
            labelled_tokens=labelled,
            seconds=done - began,
            split={"forward_backward": computed - began, "optimizer": done - computed},
            applied=applied,
        )

    def forget_gradients(self) -> None:
        """After a step that broke off."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.no_grad()
    def validation_loss(self, passes: Step) -> float:
        """Mean cross-entropy over the passes' labelled tokens; leaves weights, gradients and modes as they are."""
        loss = sum(self._pass_loss(one, backward_scale=None) for one in passes)
        return loss / sum(_labelled(one) for one in passes)

    def _pass_loss(self, examples: Pass, backward_scale: float | None) -> float:
        device = self.model.device
        ids, labels = padded(examples, self.pad)
        predicting, targets = labelled_positions(labels)
        with self._precision():
            # No mask: rows are padded on the right and attention is causal, so no real token sees padding.
            decoder = self.model.get_decoder()
            hidden = decoder(input_ids=ids.to(device), use_cache=False).last_hidden_state
            chosen = hidden[:, :-1][predicting.to(device)]
            head = self.model.get_output_embeddings()
            return float(loss_of(chosen, targets.to(device), head, backward_scale=backward_scale))

    def _precision(self) -> AbstractContextManager[object]:
        if self.training.precision == "bf16":
            return torch.autocast(self.model.device.type, torch.bfloat16)
        return nullcontext()


def padded(examples: Sequence, pad: int) -> tuple[Tensor, Tensor]:  # type: ignore[type-arg]
    """Examples -> (ids, labels), each int64 [rows, longest], padded on the right."""
    longest = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), longest), pad, dtype=torch.long)
    labels = torch.full((len(examples), longest), IGNORED, dtype=torch.long)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        labels[row, : len(example.labels)] = torch.tensor(example.labels)
    return ids, labels


def _labelled(examples: Pass) -> int:
    """Labels that some position predicts: the first token of a row never is one."""
    return sum(label != IGNORED for example in examples for label in example.labels[1:])


def _parameter_groups(model: nn.Module) -> list[dict[str, object]]:
    """Matrices, which decay, and vectors, which do not: norms and biases are scales, not weights."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    return [{"params": matrices}, {"params": vectors}]
