"""What two runs must share for their weights to be bit-equal."""

Fingerprint = dict[str, str | int | bool]


def differences(then: Fingerprint, now: Fingerprint) -> list[str]:
    """The reasons, in words, why a run under `now` cannot be expected to repeat one under `then` bit for bit."""
    then = {"devices": 1, "compile": False, "kernels": "torch", "sharded": False, **then}  # earlier seals name none
    return [f"{key}: {then.get(key)} -> {now.get(key)}" for key in now if then.get(key) != now.get(key)]
