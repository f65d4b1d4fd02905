"""The intake: from a file in the inbox to a quest in the queue.

inbox          which drops lie there, and which are finished     hints          inotify: when to look
leases         is somebody still writing it?                     register       what is told: history, events, log
gate           lets drops in, in order of priority               admission      one drop -> a quest, or a refusal
copying        bytes, hash, limits                               decompression  .gz and .zst, bounded
sidecars       what a drop says about itself                     twins          the same bytes again
gatekeepers/   checks of every line and of a sample              lineage        rejections by generator and validator
"""

__all__ = ["copying", "gatekeepers", "inbox", "sidecars"]
