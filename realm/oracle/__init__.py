"""The oracle: a hero's answers. What other rooms may use is listed here.

client      asks an oracle, on this machine or another        shelf   which models there are
generation  greedy answers in batches, in this process        keys    who may ask from elsewhere
place       on which device a model answers               footprint   what a model takes of memory
"""

__all__ = ["client", "footprint", "generation", "keys", "place", "shelf"]
