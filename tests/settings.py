"""Training settings for small real battles."""

from realm.core.config import Training

TRAINING = Training(
    precision="fp32",
    max_length=64,
    batch_size=4,
    gradient_accumulation=1,
    learning_rate=1e-3,
    checkpoint_steps=100,
    checkpoint_dtype="fp32",
    eval_steps=0,
)
