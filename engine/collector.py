"""Python's garbage collector, kept out of the way while a graph is made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Counting what is frozen takes as long as there is of it: once somebody has frozen something, it is not asked again.
_frozen_by_others = False


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile, and what was made counts as old at once.

    A graph in the making is thousands of objects that all stay: each collection looks at them again and finds nothing,
    which made a node of 16,000 cost twice as much as one of 1,000. A run itself is collected as ever, since nodes may
    leave cycles that hold tensors.
    """
    global _frozen_by_others
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            # Frozen and thawed, objects are in the oldest generation. What a program froze itself stays frozen.
            _frozen_by_others = _frozen_by_others or gc.get_freeze_count() > 0
            if not _frozen_by_others:
                gc.freeze()
                gc.unfreeze()
            gc.enable()
