"""Drivers: who calls the nodes that are ready, where, and how many at a time.

A driver takes calls from a run and settles them; what is ready, in which order, and what an outcome means is the run's
own affair. Every call that was taken is settled, unless the run ends by an exception; `take` and `settle` are called in
one thread.
"""

from __future__ import annotations

from typing import Protocol

from weft.engine.running.call import Call, Outcome


class Work(Protocol):
    """A run, as its driver sees it."""

    def take(self) -> Call | None:
        """The next node to call; None if there is none for now: all are done, or wait for calls that were taken."""

    def settle(self, call: Call, outcome: Outcome) -> None:
        """What came of a call. Raises where the run cannot go on."""

    def checkpoint(self) -> None:
        """Raise where the run is to stop; for drivers that wait."""


class Driver(Protocol):
    """Takes what is ready and submits it, until nothing is left."""

    def drive(self, work: Work) -> None:
        """Do all of the work. Raises what a call, `take` or `settle` raised."""
