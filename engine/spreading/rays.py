"""Workers on a cluster of Ray: an actor a GPU, or where there is none a CPU, each with its models loaded.

What they make goes through the folders of the output and the cache, which all machines see, never through Ray's object
store: what is sent are prompts, events, and lines of the index.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from weft.engine.errors import UsageError
from weft.engine.spreading.errands import Errand
from weft.engine.spreading.schedule import LIVES
from weft.engine.spreading.spread import Ended, Heard, events_of
from weft.engine.spreading.worker import ClusterWorker, Finished, WorkerPlan

LOCAL = "local"
"""The address of a cluster that is started here, and ended with the command."""
STORE = 80 << 20
"""Bytes of such a cluster's object store: the least that Ray takes."""
PATIENCE = 5.0
"""Seconds in which what is cancelled may stop."""


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UsageError(f"a cluster needs a package more: {error}", hint="pip install 'weft[ray]'") from error
    return ray


@contextmanager
def ray_pool(address: str, plan: WorkerPlan, most: int) -> Iterator[RayPool]:
    """Workers at a cluster, at most so many. Raises UsageError where there is no Ray, or no cluster there."""
    ray = _ray()
    own: dict[str, Any] = {"object_store_memory": STORE, "include_dashboard": False} if address == LOCAL else {}
    try:
        # Always an address: without one Ray joins whatever cluster this machine or RAY_ADDRESS knows.
        ray.init(address=address, log_to_driver=False, configure_logging=False, **own)
    except (ConnectionError, ValueError, OSError, RuntimeError) as error:
        raise UsageError(f"no cluster of Ray at {address}: {error}", hint="--ray local starts one here") from error
    pool = None
    try:
        pool = RayPool(ray, plan, most)
        yield pool
    finally:
        if pool is not None:
            pool.close()
        ray.shutdown()


@dataclass
class _Running:
    """What a worker does, and whether it said that it has begun."""

    worker: str
    errand: Errand
    begun: bool = False


class RayPool:
    """See Pool. Each worker takes a GPU; without any, a CPU."""

    def __init__(self, ray: Any, plan: WorkerPlan, most: int) -> None:
        self._ray = ray
        self._plan = ray.put(plan)
        there = ray.cluster_resources()
        gpus, cpus = int(there.get("GPU", 0)), int(there.get("CPU", 1))
        takes = {"num_gpus": 1, "num_cpus": 0} if gpus else {"num_cpus": 1}
        # Two calls at once: work, and what stops it.
        self._actor = ray.remote(ClusterWorker).options(max_concurrency=2, max_restarts=0, **takes)
        self._names = itertools.count(1)
        self._actors: dict[str, Any] = {}
        self._streams: dict[Any, _Running] = {}
        # Those that have not begun: a cluster may have no room for all of them yet.
        self._beginning: dict[Any, tuple[str, Any]] = {}
        # In a row: over a long sweep machines come and go.
        self._stillborn = 0
        for _ in range(max(1, min(gpus or cpus, most))):
            self._add()

    @property
    def workers(self) -> Iterable[str]:
        """See Pool: those that have begun."""
        return tuple(self._actors)

    def submit(self, worker: str, errand: Errand) -> None:
        """See Pool."""
        stream = self._actors[worker].run.options(num_returns="streaming").remote(errand)
        self._streams[stream] = _Running(worker, errand)

    def wait(self, seconds: float) -> Iterable[Heard | Ended]:
        """See Pool. Raises UsageError where a worker cannot begin."""
        waiting = [*self._streams, *self._beginning]
        ready, _ = self._ray.wait(waiting, timeout=seconds) if waiting else ([], [])
        for each in ready:
            if each in self._beginning:
                self._begin(each)
            else:
                yield self._told(each, self._streams[each])

    def _begin(self, call: Any) -> None:
        name, actor = self._beginning.pop(call)
        try:
            refused = self._ray.get(call)
        except self._ray.exceptions.RayActorError as error:
            refused = self._hopeless(error)
            if not refused:
                self._add()
                return
        if refused:
            raise UsageError(f"a worker cannot begin: {refused}")
        self._actors[name] = actor

    def _hopeless(self, error: Exception) -> str:
        """Why there is no use in workers that die before they do anything, once it is so many in a row."""
        self._stillborn += 1
        return str(error).strip().splitlines()[-1] if self._stillborn >= LIVES else ""

    def _told(self, stream: Any, running: _Running) -> Heard | Ended:
        try:
            said = self._ray.get(next(stream))
        except self._ray.exceptions.RayActorError as error:
            del self._streams[stream]
            return self._died(running, error)
        except Exception as error:
            del self._streams[stream]
            cause = getattr(error, "cause", None) or error
            return Ended(running.worker, running.errand.failed(f"{type(cause).__name__}: {cause}"))
        running.begun, self._stillborn = True, 0
        if isinstance(said, Finished):
            del self._streams[stream]
            return Ended(running.worker, said.gives, said.warnings, events=events_of(running.worker, said.told))
        return Heard(running.worker, events_of(running.worker, said))

    def _died(self, running: _Running, error: Exception) -> Ended:
        # It may only be out of reach: it must not go on beside the one that takes its place.
        self._ray.kill(self._actors.pop(running.worker))
        if not running.begun and (refused := self._hopeless(error)):
            raise UsageError(f"workers die before they begin: {refused}")
        self._add()
        return Ended(running.worker, begun=running.begun)

    def close(self) -> None:
        """Stop what runs, and end the workers."""
        for running in self._streams.values():
            with suppress(Exception):
                self._actors[running.worker].cancel.remote()
        until = time.monotonic() + PATIENCE
        with suppress(Exception):
            while self._streams and time.monotonic() < until:
                for _ in self.wait(until - time.monotonic()):
                    pass
        for actor in (*self._actors.values(), *(actor for _, actor in self._beginning.values())):
            with suppress(Exception):
                self._ray.kill(actor)

    def _add(self) -> None:
        actor = self._actor.remote(self._plan)
        self._beginning[actor.refused.remote()] = str(next(self._names)), actor
