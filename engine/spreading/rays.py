"""Workers on a cluster of Ray: an actor a GPU, or where there is none a CPU, each with its models loaded.

What cells make goes through the folders of the output and the cache, which all machines see, never through Ray's object
store: what is sent are cells and lines of the index.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from weft.engine.errors import UsageError
from weft.engine.spreading.schedule import LIVES
from weft.engine.spreading.spread import Ended
from weft.engine.spreading.worker import CellWorker, WorkerPlan
from weft.engine.sweeping.cells import SweepCell
from weft.engine.sweeping.sweep import failed_record

LOCAL = "local"
"""The address of a cluster that is started here, and ended with the sweep."""
STORE = 80 << 20
"""Bytes of such a cluster's object store: the least that Ray takes."""
PATIENCE = 5.0
"""Seconds in which cells that are cancelled may stop."""


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


class RayPool:
    """See Pool. Each worker takes a GPU; without any, a CPU."""

    def __init__(self, ray: Any, plan: WorkerPlan, most: int) -> None:
        self._ray = ray
        self._plan = ray.put(plan)
        there = ray.cluster_resources()
        gpus, cpus = int(there.get("GPU", 0)), int(there.get("CPU", 1))
        takes = {"num_gpus": 1, "num_cpus": 0} if gpus else {"num_cpus": 1}
        # Two calls at once: a cell, and what stops it.
        self._actor = ray.remote(CellWorker).options(max_concurrency=2, max_restarts=0, **takes)
        self._names = itertools.count(1)
        self._actors: dict[str, Any] = {}
        self._calls: dict[Any, tuple[str, SweepCell]] = {}
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

    def submit(self, worker: str, cell: SweepCell, key: str) -> None:
        """See Pool."""
        self._calls[self._actors[worker].run.remote(cell, key)] = worker, cell

    def wait(self, seconds: float) -> Iterable[Ended]:
        """See Pool. Raises UsageError where a worker cannot begin."""
        waiting = [*self._calls, *self._beginning]
        ended, _ = self._ray.wait(waiting, timeout=seconds) if waiting else ([], [])
        for call in ended:
            if call in self._beginning:
                self._begun(call)
            else:
                yield self._ended(call, *self._calls.pop(call))

    def _begun(self, call: Any) -> None:
        name, actor = self._beginning.pop(call)
        try:
            refused = self._ray.get(call)
        except self._ray.exceptions.RayActorError as error:
            self._stillborn += 1
            refused = str(error).strip().splitlines()[-1] if self._stillborn >= LIVES else ""
            if not refused:
                self._add()
                return
        if refused:
            raise UsageError(f"a worker cannot begin: {refused}")
        self._actors[name], self._stillborn = actor, 0

    def _ended(self, call: Any, worker: str, cell: SweepCell) -> Ended:
        try:
            record, warnings = self._ray.get(call)
        except self._ray.exceptions.RayActorError:
            # It may only be out of reach: it must not go on beside the one that takes its place.
            self._ray.kill(self._actors.pop(worker))
            self._add()
            return Ended(worker, None)
        except Exception as error:
            cause = getattr(error, "cause", None) or error
            return Ended(worker, failed_record(cell, f"{type(cause).__name__}: {cause}"))
        return Ended(worker, record, warnings)

    def close(self) -> None:
        """Stop what runs, and end the workers."""
        for worker, _ in self._calls.values():
            with suppress(Exception):
                self._actors[worker].cancel.remote()
        with suppress(Exception):
            self._ray.wait(list(self._calls), num_returns=max(1, len(self._calls)), timeout=PATIENCE)
        for actor in (*self._actors.values(), *(actor for _, actor in self._beginning.values())):
            with suppress(Exception):
                self._ray.kill(actor)

    def _add(self) -> None:
        actor = self._actor.remote(self._plan)
        self._beginning[actor.refused.remote()] = str(next(self._names)), actor
