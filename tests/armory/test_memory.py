"""What a model took is the system's again."""

import subprocess
import sys

LIFE = """
from pathlib import Path
import torch
from transformers import AutoModelForCausalLM, Qwen3Config
from realm.armory.memory import give_back

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
train()
give_back()
before = resident()
train()
give_back()
print(before, resident())
"""


def test_after_training_the_process_is_as_small_as_before() -> None:
    told = subprocess.run([sys.executable, "-c", LIFE], capture_output=True, text=True, check=True).stdout
    size, trained, _, _, before, after = map(int, told.split())
    assert trained - before > 3 * size  # weights, gradients and two moments
    assert after - before < 0.2 * size
