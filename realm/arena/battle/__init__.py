"""The battle: a quest's bytes -> examples -> steps -> better weights.

stream      bytes, seed, cursor -> optimizer steps       chat        messages -> token ids and labels
specs       what a line may look like                    mask        proof that the right tokens are learned
profiles    what is done to messages before              holdout     lines kept for validation
learner     what learns, as the others see it            engine      the one of tensors: forward, backward, AdamW
loss        cross-entropy in pieces                      schedule    the learning rate of a campaign
exactness   sets torch up for bit-equal replays          fingerprint what two bit-equal runs must share
snapshot    weights and moments, copied                  checkpoint  weights as a plain Hugging Face folder
"""

__all__ = [
    "chat",
    "checkpoint",
    "engine",
    "exactness",
    "fingerprint",
    "holdout",
    "learner",
    "mask",
    "profiles",
    "snapshot",
    "specs",
    "stream",
]
