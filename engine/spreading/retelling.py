"""The events of a run of which a worker did the first part, as those of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from weft.engine.events import (
    Event,
    LibrariesLoaded,
    LibrariesLoading,
    NodeCached,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    NodeWarning,
    Observer,
    RunFinished,
    RunStarted,
)


class Retelling:
    """Tells observers what a worker told, then what comes after it. Each thing is told once."""

    def __init__(self, told: Sequence[Event], observers: Sequence[Observer]) -> None:
        self._told = [event for event in told if not isinstance(event, RunFinished)]
        self._seconds = sum(event.seconds for event in told if isinstance(event, RunFinished))
        self._observers = observers
        self._done = {event.node_id for event in told if isinstance(event, NodeCached | NodeFinished)}
        self._failed = {event.node_id for event in told if isinstance(event, NodeFailed)}
        self._warned = {event for event in told if isinstance(event, NodeWarning)}

    def hear(self, event: Event) -> None:
        """An observer of the second part."""
        match event:
            case RunStarted() if self._told:
                for each in self._told:
                    self._tell(each)
            case RunFinished():
                self._tell(replace(event, seconds=event.seconds + self._seconds))
            case NodeCached(node_id=node_id) if node_id in self._done:
                pass
            case NodeStarted(node_id=node_id) | NodeFailed(node_id=node_id) if node_id in self._failed:
                pass
            case LibrariesLoading() | LibrariesLoaded() if self._told:
                pass
            case NodeWarning() if event in self._warned:
                pass
            case _:
                self._tell(event)

    def _tell(self, event: Event) -> None:
        for observer in self._observers:
            observer(event)
