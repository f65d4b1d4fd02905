"""The battle: a quest's bytes -> examples -> steps -> better weights.

stream      bytes, seed, cursor -> optimizer steps       chat        messages -> token ids and labels
specs       what a line may look like                    mask        proof that the right tokens are learned
profiles    what is done to messages before              holdout     lines kept for validation
engine      forward, backward, clip, AdamW               loss        cross-entropy in pieces
schedule    the learning rate of a campaign              exactness   what bit-equal replays depend on
checkpoint  weights as a plain Hugging Face folder
"""

__all__ = ["chat", "checkpoint", "engine", "exactness", "holdout", "mask", "profiles", "specs", "stream"]
