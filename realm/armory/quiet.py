"""Keeps transformers' own progress bars and warnings out of what a person reads."""


def silence_transformers() -> None:
    """Call before a command or daemon loads or saves a model."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
