"""The step: forward, backward, clip, AdamW. It knows models and tensors, and nothing of files or quests."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.exc import BackendCompilerFailed
from torch._inductor.exc import InductorError
from transformers import PreTrainedModel

from realm.arena.battle.chat import IGNORED, Example
from realm.arena.battle.labelled_only import LabelledOnly
from realm.arena.battle.layout import Layout, laid_out, positions_of
from realm.arena.battle.learner import NotInstalled, OutOfMemory, StepResult
from realm.arena.battle.loss import labelled_positions, loss_of
from realm.arena.battle.packed_attention import choose_attention
from realm.arena.battle.precision import cast, optimizer_for
from realm.arena.battle.ranks import ALONE, Ranks
from realm.arena.battle.schedule import learning_rate_at
from realm.arena.battle.sealed_state import SealedState
from realm.arena.battle.sharding import is_slice
from realm.arena.battle.snapshot import Camera, Kept, TensorSnapshot
from realm.arena.battle.stream import Pass, Step
from realm.core.config import Training

SEVERAL, ONE = 3, 1  # examples: one program takes any number of them, another a single one
SHORT = 24  # tokens of them


class Engine:
    """A model with its optimizer. `precision: bf16` computes under autocast over fp32 weights."""

    def __init__(
        self, model: PreTrainedModel, training: Training, pad: int, ranks: Ranks = ALONE, *, coded_moments: bool = False
    ):
        """`coded_moments`: the optimizer keeps them in 8 bits."""
        self.coded_moments = coded_moments
        self.model = model
        self.pad = pad
        self.ranks = ranks
        self.training = training
        cast(model, training.precision)
        self.optimizer = optimizer_for(model, training, coded=coded_moments)
        self._camera = Camera(model, self.optimizer)
        self._trained = [weight for weight in model.parameters() if weight.requires_grad]
        self._decoder: Callable[..., Any] = model.get_decoder()
        self._labelled_only = LabelledOnly(model.get_decoder().layers[-1].mlp)
        self.adopt(training)
        model.train()

    def adopt(self, training: Training) -> None:
        """From the next step on these settings hold; weights and moments stay, as numbers of the new precision.

        Raises HeroError for a model that cannot be packed.
        """
        choose_attention(self.model, packed=training.packed)
        if training.precision != self.training.precision:
            self._camera.settle()
            moments = self.optimizer.state
            cast(self.model, training.precision)
            self.optimizer = optimizer_for(self.model, training, coded=self.coded_moments, moments=moments)
            self._camera = Camera(self.model, self.optimizer)
        self.training = training
        for group in self.optimizer.param_groups:
            decay = training.weight_decay if group["decays"] else 0.0
            group.update(weight_decay=decay, betas=(training.beta1, training.beta2))
        if training.gradient_checkpointing:
            self.model.activation_checkpointing_enable({"use_reentrant": False})
        elif self.model.is_activation_checkpointing:
            self.model.activation_checkpointing_disable()

    def compile(self) -> None:
        """Makes machine code of the decoder, for all shapes of passes; it takes half a minute. Raises NotInstalled."""
        torch._dynamo.config.fail_on_recompile_limit_hit = True  # else it would run as if never compiled
        self._decoder = torch.compile(self.model.get_decoder(), dynamic=True)
        try:
            for count in (SEVERAL, ONE):
                self._pass_loss((Example([self.pad] * SHORT, [self.pad] * SHORT),) * count, backward_scale=1.0)
        except (BackendCompilerFailed, InductorError) as error:
            reason = str(getattr(error, "inner_exception", error)).strip().splitlines()[0]
            raise NotInstalled(f"config.json asks for compile: {reason}; install g++, or set compile false") from error
        self.optimizer.zero_grad(set_to_none=True)

    def step(self, number: int, step: Step) -> StepResult:
        """Trains on one step; `number` counts from 1 over the campaign's life. Raises OutOfMemory."""
        began = time.perf_counter()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(number, self.training)
        labelled, tokens = sum(_labelled(one) for one in step), sum(len(one.ids) for some in step for one in some)
        loss = self._gradients_of(step, labelled)
        computed = time.perf_counter()
        norm = self.ranks.clip_gradients(self._trained, self.training.gradient_clip)
        applied = math.isfinite(loss) and math.isfinite(norm)
        if applied:
            self._update()
        self.optimizer.zero_grad(set_to_none=True)
        done = time.perf_counter()
        return StepResult(
            loss=loss,
            gradient_norm=norm,
            learning_rate=float(self.optimizer.param_groups[0]["lr"]),
            tokens=tokens,
            padded_tokens=tokens if self.training.packed else sum(len(one) * len(one[0].ids) for one in step),
            labelled_tokens=labelled,
            seconds=done - began,
            split={"forward_backward": computed - began, "optimizer": done - computed},
            applied=applied,
            device_bytes=torch.cuda.max_memory_reserved(self.model.device)
            if self.model.device.type == "cuda"
            else None,
        )

    def _gradients_of(self, step: Step, labelled: int) -> float:
        """The mean loss over all ranks, whose gradients every parameter has then. Raises OutOfMemory in all or none."""
        device, loss, shortage = self.model.device, 0.0, None
        try:
            loss = self._share_of(step, backward_scale=1.0 / labelled)
        except torch.OutOfMemoryError as error:
            if self._is_sharded:
                raise  # the others wait within a layer: all begin again from the newest seal
            shortage = error
        if self.ranks.any(shortage is not None, device):
            self._forget_gradients()
            raise OutOfMemory(str(shortage or "another rank's device is full")) from shortage
        self.ranks.sum_gradients(self._trained)
        return self.ranks.sum(loss, device) / labelled

    def _update(self) -> None:
        self._camera.settle()
        try:
            self.optimizer.step()
        except torch.OutOfMemoryError as error:
            if self.ranks.count > 1:
                raise  # others may have made it: all begin again from the newest seal
            self._forget_gradients()
            raise OutOfMemory(str(error)) from error

    def _forget_gradients(self) -> None:
        """After a step that broke off."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.no_grad()
    def validation_loss(self, passes: Step) -> float:
        """Mean cross-entropy over the passes' labelled tokens; leaves weights, gradients and modes as they are."""
        loss = self.ranks.sum(self._share_of(passes, backward_scale=None), self.model.device)
        return loss / sum(_labelled(one) for one in passes)

    def snapshot(self, state: SealedState) -> TensorSnapshot:
        """Takes it, on rank 0."""
        return self._camera.take(state)

    def lend(self) -> None:
        """What another rank's snapshot needs of this one."""
        self._camera.lend()

    def give_up(self) -> Kept:
        """All that was learned, whole on every rank; the memory it took is free then."""
        kept = self._camera.kept()
        del self.model, self.optimizer, self._camera, self._trained, self._decoder
        return kept

    def _share_of(self, step: Step, backward_scale: float | None) -> float:
        """The summed loss of this rank's passes."""
        shares = self.ranks.shares(step, packed=self.training.packed)
        mine = shares[self.ranks.rank]
        loss = sum(self._pass_loss(one, backward_scale) for one in mine)
        if self._is_sharded:
            for _ in range(max(map(len, shares)) - len(mine)):
                self._accompany(backward_scale)
        return loss

    def _accompany(self, backward_scale: float | None) -> None:
        """Passes through the layers for nothing but the slices that the other ranks need of them."""
        with self._precision():
            hidden = self._hidden(self._laid_out([Example([self.pad], [IGNORED])]))
            if backward_scale is not None:
                (hidden.sum() * 0.0).backward()

    def _pass_loss(self, examples: Pass, backward_scale: float | None) -> float:
        device = self.model.device
        layout = self._laid_out(examples)
        rows, columns, targets = (one.to(device) for one in labelled_positions(layout.labels))
        with self._precision(), self._labelled_only.at(rows, columns):
            chosen = self._hidden(layout)[rows, columns]
            head = self.model.get_output_embeddings()
            return float(loss_of(chosen, targets, head, backward_scale=backward_scale))

    def _laid_out(self, examples: Sequence[Example]) -> Layout:
        return laid_out(examples, self.pad, packed=self.training.packed)

    def _hidden(self, layout: Layout) -> Tensor:
        """What is only measured runs as it is: compiled, it would be another program to make."""
        decoder = self._decoder if torch.is_grad_enabled() else self.model.get_decoder()
        # No mask: rows are padded on the right and attention is causal, so no real token sees padding.
        device = self.model.device
        packed: dict[str, Tensor] = {}
        if layout.lengths is not None:
            packed = {"lengths": layout.lengths, "position_ids": positions_of(layout.lengths).to(device)}
        hidden: Tensor = decoder(input_ids=layout.ids.to(device), use_cache=False, **packed).last_hidden_state
        return hidden

    @property
    def _is_sharded(self) -> bool:
        return any(map(is_slice, self._trained))

    def _precision(self) -> AbstractContextManager[object]:
        if self.training.precision == "bf16":
            # A cache would keep a bf16 copy of every weight until the pass is over: 1.1 GiB for Qwen3-0.6B.
            cached = not self.training.gradient_checkpointing
            return torch.autocast(self.model.device.type, torch.bfloat16, cache_enabled=cached)
        return nullcontext()


def _labelled(examples: Pass) -> int:
    """Labels that some position predicts: the first token of a row never is one."""
    return sum(label != IGNORED for example in examples for label in example.labels[1:])
