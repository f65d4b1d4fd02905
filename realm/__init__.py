"""Realm of Training: a home-lab server that trains a language model for ever, file by file."""

__version__ = "0.1.0"
