"""What a model took is the system's again, and what a step took is the next step's."""

import subprocess
import sys

LIVES = 3  # in every second one or so, 500,000 pages are taken if none are kept: it depends on where small things lie

STEPS = """
import resource
import torch
from realm.armory.memory import keep_what_is_freed

def step():
    taken = [torch.ones(5_000_000) for _ in range(12)]

torch.set_num_threads(1)
keep_what_is_freed()
for _ in range(10):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

LIFE = """
from pathlib import Path
import torch
from transformers import AutoModelForCausalLM, Qwen3Config
from realm.armory.memory import give_back, keep_what_is_freed

def resident():
    lines = dict(line.split(":", 1) for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    return int(lines["Rss"].split()[0]) * 1024

def train():
    shape = Qwen3Config(vocab_size=2000, hidden_size=256, intermediate_size=1024, num_hidden_layers=8, head_dim=32)
    model = AutoModelForCausalLM.from_config(shape)
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(2):
        model(ids := torch.ones(2, 64, dtype=torch.long), labels=ids).loss.backward()
        optimizer.step()
    print(sum(4 * weight.numel() for weight in model.parameters()), resident())

torch.set_num_threads(1)
keep_what_is_freed()
train()
give_back()
before = resident()
train()
give_back()
print(before, resident())
"""


def test_steps_take_the_pages_of_those_before() -> None:
    assert max(int(said_by(STEPS)) for _ in range(LIVES)) < 1_000


def test_after_training_the_process_is_as_small_as_before() -> None:
    size, trained, _, _, before, after = map(int, said_by(LIFE).split())
    assert trained - before > 3 * size  # weights, gradients and two moments
    assert after - before < 0.2 * size


def said_by(life: str) -> str:
    return subprocess.run([sys.executable, "-c", life], capture_output=True, text=True, check=True).stdout
