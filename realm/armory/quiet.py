"""Keeps libraries' own progress bars out of what a person reads."""


def silence_transformers() -> None:
    """Call before a command loads or saves a model."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
