"""HF Trainer and TRL, each with its best settings, in processes of the rivals' environment (workers.py).

    python -m tests.benchmarks.rival_trainers '{"way": "trl packing", "act": "cold", "model": ..., "quest": ...}'

`train` answers one epoch over examples that are tokenised already; `save` one checkpoint; `cold` trains a quest from
the file's lines on, as a script of a user does, and tells when its first optimizer step was done.

Left at their defaults TRL and HF would be slower here: TRL computes in bf16 with gradient checkpointing (0.4 of its
speed on a CPU), and both log and save as they go.
"""

import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.utils import logging

from tests.benchmarks.judge import loss_over
from tests.benchmarks.workers import HF_GROUPED, TRL_PACKING, serve


class Clock(TrainerCallback):
    """When training began, when its first step was done, and when it ended: seconds, monotonic."""

    def __init__(self):
        self.began = self.ended = 0.0
        self.steps: list[float] = []

    def on_train_begin(self, *_, **__):
        self.began = time.monotonic()

    def on_step_end(self, *_, **__):
        self.steps.append(time.monotonic())

    def on_train_end(self, *_, **__):
        self.ended = time.monotonic()


def trainer_of(order: dict[str, Any], model, data: Dataset, tokenizer, out: str) -> Trainer:
    way, training = order["way"], order["training"]
    tokens_per_step = training["batch_size"] * training["max_length"] * training["gradient_accumulation"]
    common = {
        "output_dir": out,
        "num_train_epochs": order.get("epochs", 1),
        "max_steps": order.get("max_steps", -1),
        "learning_rate": training["learning_rate"],
        "lr_scheduler_type": "constant",
        "weight_decay": training["weight_decay"],
        "adam_beta1": training["beta1"],
        "adam_beta2": training["beta2"],
        "max_grad_norm": training["gradient_clip"],
        "optim": "adamw_torch_fused",
        "bf16": training["precision"] == "bf16",
        "activation_checkpointing": training["gradient_checkpointing"],
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
    if way == TRL_PACKING:
        from trl import SFTConfig, SFTTrainer

        rows = tokens_per_step // training["max_length"]
        conversational = "messages" in data.column_names
        settings = SFTConfig(
            **common,
            per_device_train_batch_size=rows,
            packing=True,
            max_length=training["max_length"],
            assistant_only_loss=conversational,
        )
        return SFTTrainer(model, settings, train_dataset=data, processing_class=tokenizer)
    lengths = [len(ids) for ids in data["input_ids"]]
    rows = max(1, round(tokens_per_step * len(lengths) / sum(lengths)))
    strategy = "group_by_length" if way == HF_GROUPED else "random"
    settings = TrainingArguments(**common, per_device_train_batch_size=rows, train_sampling_strategy=strategy)
    data = data.add_column("length", lengths)
    collator = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100)
    return Trainer(model, settings, train_dataset=data, data_collator=collator)


class Resident:
    """A trainer's process that has everything loaded; each round trains from the same weights."""

    def __init__(self, order: dict[str, Any]):
        self.order = order
        self.tokenizer = AutoTokenizer.from_pretrained(order["model"])
        self.model = AutoModelForCausalLM.from_pretrained(order["model"], dtype=torch.float32)
        self.fresh = {name: weight.clone() for name, weight in self.model.state_dict().items()}
        self.examples = json.loads(Path(order["examples"]).read_text())
        self.out = tempfile.mkdtemp(dir=order["folder"])
        self.saver = None

    def train(self) -> dict[str, Any]:
        self.model.load_state_dict(self.fresh)
        clock = Clock()
        trainer = trainer_of(self.order, self.model, Dataset.from_list(self.examples), self.tokenizer, self.out)
        trainer.add_callback(clock)
        trainer.train()
        memory = torch.cuda.max_memory_reserved() if torch.cuda.is_available() else None
        return {"seconds": clock.ended - clock.began, "steps": len(clock.steps), "memory": memory}

    def judge(self) -> dict[str, Any]:
        self.model.eval()
        return {"loss": loss_over(self.model, self.examples)}

    def save(self) -> dict[str, Any]:
        """A checkpoint with its optimizer, after one step has made one."""
        if self.saver is None:
            data = Dataset.from_list(self.examples)
            self.saver = trainer_of({**self.order, "max_steps": 1}, self.model, data, self.tokenizer, self.out)
            self.saver.train()
        began = time.perf_counter()
        self.saver._save_checkpoint(self.saver.model, trial=None)
        return {"seconds": time.perf_counter() - began}


def cold(order: dict[str, Any]) -> None:
    """Tells the monotonic second at which the first optimizer step was done, and may keep a checkpoint of it."""
    chats = [json.loads(line) for line in Path(order["quest"]).read_text().splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(order["model"])
    model = AutoModelForCausalLM.from_pretrained(order["model"], dtype=torch.float32)
    data = Dataset.from_list(chats)
    if order["way"] != TRL_PACKING:
        data = data.map(partial(tokenised, tokenizer), remove_columns=data.column_names)
    trainer, clock = trainer_of({"max_steps": 1, **order}, model, data, tokenizer, order["folder"]), Clock()
    trainer.add_callback(clock)
    trainer.train(resume_from_checkpoint=order.get("checkpoint"))
    if order.get("keeps"):
        trainer._save_checkpoint(model, trial=None)
    with os.fdopen(order["answers"], "w") as said:
        print(json.dumps({"first_step": clock.steps[0]}), file=said)


def tokenised(tokenizer, line: dict[str, Any]) -> dict[str, list[int]]:
    made = tokenizer.apply_chat_template(line["messages"], return_dict=True, return_assistant_tokens_mask=True)
    mask = made["assistant_masks"]
    return {
        "input_ids": made["input_ids"],
        "labels": [token if answer else -100 for token, answer in zip(made["input_ids"], mask, strict=True)],
    }


def main() -> None:
    order = json.loads(sys.argv[1])
    logging.disable_progress_bar()
    torch.set_num_threads(order["threads"])
    if order["act"] == "cold":
        cold(order)
        return
    resident = Resident(order)
    serve({"train": resident.train, "judge": resident.judge, "save": resident.save}, order["answers"])


if __name__ == "__main__":
    main()
