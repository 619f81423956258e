"""How a run is asked to stop: a token, cancelled from a signal, by a client or by a limit."""

from __future__ import annotations

from weft.engine.errors import Interrupted


class CancelToken:
    """Asks runs to stop; a run looks at its token between its nodes and between the steps of a node.

    Given to a run, it may be cancelled from anywhere: another thread, a signal handler, an observer. What was asked for
    first is the reason, and nothing takes it back. A token with a parent is cancelled by that one, too, and never
    cancels it: for a limit on one of several runs.
    """

    __slots__ = ("_parent", "_reasons")

    def __init__(self, parent: CancelToken | None = None) -> None:
        self._parent = parent
        # A list, since appending to it is safe from a signal handler, where a lock is not.
        self._reasons: list[str] = []

    def cancel(self, reason: str = "interrupted") -> None:
        """Ask to stop, for this reason."""
        self._reasons.append(reason)

    @property
    def reason(self) -> str | None:
        """Why to stop; None for as long as nobody asked."""
        if self._reasons:
            return self._reasons[0]
        return self._parent.reason if self._parent is not None else None

    def check(self) -> None:
        """Raise Interrupted, with the reason, where the token was cancelled."""
        if not self._reasons and self._parent is None:
            return  # as nearly always: a run asks between any two nodes
        reason = self.reason
        if reason is not None:
            raise Interrupted(reason)
