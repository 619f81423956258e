"""Cells on workers that are pretended: order, losses, warnings, cancelling."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from weft.engine.cancel import CancelToken
from weft.engine.errors import Interrupted, UsageError
from weft.engine.session import Session
from weft.engine.spreading.rays import RayPool, ray_pool
from weft.engine.spreading.schedule import LIVES, Schedule, Task
from weft.engine.spreading.spread import Ended, spread
from weft.engine.spreading.worker import WorkerPlan, plan_of
from weft.engine.sweeping.index import CellRecord

ROOT = Path(__file__).resolve().parents[2]


class Pretended:
    """A pool of two, whose workers end in turns. dies: how often a cell's worker does."""

    def __init__(self, dies: dict[int, int] | None = None) -> None:
        self.dies = dict(dies or {})
        self.names = ["1", "2"]
        self.submitted: list[tuple[str, int]] = []
        self._running: list[tuple[str, Any]] = []
        self._last = 2

    @property
    def workers(self) -> Iterable[str]:
        return tuple(self.names)

    def submit(self, worker: str, cell: Any, key: str) -> None:
        assert key == f"key {cell.number}"
        self.submitted.append((worker, cell.number))
        self._running.append((worker, cell))

    def wait(self, seconds: float) -> Iterable[Ended]:
        worker, cell = self._running.pop(0)
        if self.dies.get(cell.number):
            self.dies[cell.number] -= 1
            self._last += 1
            self.names[self.names.index(worker)] = str(self._last)
            yield Ended(worker, None)
        else:
            yield Ended(worker, CellRecord(cell.number, {}), ("a small model", f"cell {cell.number} is odd"))


def ran(pool: Pretended, count: int, **more: Any) -> list[CellRecord]:
    cells: dict[int, Any] = {
        number: SimpleNamespace(number=number, where=f"cell {number}", parameters={}, place="")
        for number in range(1, count + 1)
    }
    schedule = Schedule([Task(number) for number in cells])
    keys = {number: f"key {number}" for number in cells}
    return list(spread(pool, schedule, cells, keys, more.pop("token", CancelToken()), **more))


def test_all_cells_run_once_and_warnings_are_said_once() -> None:
    pool, said, started = Pretended(), list[str](), list[int]()
    records = ran(pool, 6, warn=said.append, started=lambda cell: started.append(cell.number))
    assert sorted(record.cell for record in records) == [1, 2, 3, 4, 5, 6]
    assert sorted(number for _, number in pool.submitted) == sorted(started) == [1, 2, 3, 4, 5, 6]
    assert {worker for worker, _ in pool.submitted} == {"1", "2"}
    assert said.count("a small model") == 1
    assert len(said) == 7


def test_a_worker_that_dies_is_replaced_and_its_cell_runs_again() -> None:
    pool, said = Pretended({2: 1, 5: 2}), list[str]()
    records = ran(pool, 6, warn=said.append)
    assert sorted(record.cell for record in records) == [1, 2, 3, 4, 5, 6]
    assert all(record.is_done for record in records)
    assert [number for _, number in pool.submitted].count(5) == 3
    assert sum("died" in message for message in said) == 3


def test_a_cell_of_which_workers_die_fails_by_name() -> None:
    records = {record.cell: record for record in ran(Pretended({1: LIVES}), 2)}
    assert records[1].status == "failed"
    assert records[1].error == f"{LIVES} workers died of it"
    assert records[2].is_done


def test_a_sweep_can_be_stopped() -> None:
    token = CancelToken()
    with pytest.raises(Interrupted):
        ran(Pretended(), 4, token=token, started=lambda cell: token.cancel())


def test_workers_are_told_what_the_settings_say(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    session = Session(models=["m"], output="out", numbers="0.3.64", device="cpu")
    plan = plan_of(session, ["cache"], ["7"])  # type: ignore[list-item]
    assert plan.settings["models"] == (tmp_path / "m",)
    assert plan.settings["output"] == tmp_path / "out"
    assert (plan.settings["numbers"], plan.settings["device"], plan.targets) == ("0.3.64", "cpu", ("7",))
    assert not {"cache", "keep_alive"} & plan.settings.keys()
    # What nobody has said is found anew: a folder that is not there is not asked for.
    assert "models" not in plan_of(Session(output="out"), (), ()).settings


def test_a_cluster_that_is_not_there_and_a_package_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with (
        pytest.raises(UsageError, match="a cluster needs a package more") as told,
        ray_pool("local", WorkerPlan({}), 1),
    ):
        pass
    assert told.value.hint == "pip install 'weft[ray]'"


def swept(folder: Path, *more: str) -> subprocess.Popen[str]:
    """A sweep of eight cells, in a process of its own."""
    graph = str(ROOT / "workflows" / "txt2img.json")
    told = ["sweep", graph, "--set", "KSampler.steps=1", "--grid", "KSampler.seed=0..7", "--output", str(folder), *more]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": f"{folder}.cache"}
    command = [sys.executable, "-m", "weft.cli", *told]
    return subprocess.Popen(
        command, cwd=folder.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def records(folder: Path) -> dict[int, dict[str, Any]]:
    """The lines of its index, whole ones alone."""
    file = folder / "index.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return {record["cell"]: record for record in map(json.loads, lines)}


# Where the extra `ray` is installed.
if find_spec("ray"):

    @pytest.mark.slow
    def test_a_sweep_on_ray_makes_what_it_makes_here_though_a_worker_is_killed(tmp_path: Path) -> None:
        here, there = tmp_path / "here", tmp_path / "there"
        with swept(here) as running:
            assert running.wait(300) == 0
        said, killed = [], False
        with swept(there, "--ray", "local", "--workers", "2") as running:
            assert running.stdout is not None
            for line in running.stdout:
                said.append(line)
                if not killed and line.startswith("[1/8]"):
                    for pid in children(running.pid):
                        os.kill(pid, signal.SIGKILL)
                    killed = True
            assert running.wait(300) == 0, said
        assert killed
        assert any("worker" in line and "died" in line and line.startswith("warning") for line in said)
        expected, found = records(here), records(there)
        assert set(found) == set(expected) == set(range(1, 9))
        assert {cell: each["contents"] for cell, each in found.items()} == {
            cell: each["contents"] for cell, each in expected.items()
        }
        # What is half-written has another name.
        assert all(not file.name.startswith(".") and "tmp" not in file.name for file in there.glob("*.png"))


def children(pid: int) -> list[int]:
    """The processes of workers below a process."""
    listed = subprocess.run(["pgrep", "-f", "ray::CellWorker"], capture_output=True, text=True, check=True).stdout
    return [int(found) for found in listed.split() if pid in parents(int(found))]


def parents(pid: int) -> Iterator[int]:
    """The processes above a process."""
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        yield pid


class Call:
    """What a call gives, or raises."""

    def __init__(self, gives: Any) -> None:
        self.gives = gives


class FakeRay:
    """As much of Ray as the pool asks."""

    class exceptions:
        class RayActorError(Exception):
            pass

    def __init__(self, refused: Sequence[Any] = (), ran: Sequence[Any] = ()) -> None:
        self.killed: list[Any] = []
        self._refused, self._ran = list(refused), list(ran)

    def put(self, value: Any) -> Any:
        return value

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def remote(self, kind: type) -> Any:
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda plan: self._actor()))

    def _actor(self) -> Any:
        told, method = (self._refused.pop(0) if self._refused else ""), SimpleNamespace
        return SimpleNamespace(
            refused=method(remote=lambda: Call(told)),
            run=method(remote=lambda cell, key: Call(self._ran.pop(0))),
            cancel=method(remote=lambda: None),
        )

    def wait(self, calls: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return calls[:1], calls[1:]

    def get(self, call: Any) -> Any:
        if isinstance(call.gives, Exception):
            raise call.gives
        return call.gives

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)


def cell(number: int) -> Any:
    return SimpleNamespace(number=number, where=f"cell {number}", parameters={}, place="")


def test_a_worker_out_of_reach_is_ended_before_another_takes_its_place() -> None:
    ray = FakeRay(ran=[FakeRay.exceptions.RayActorError("gone"), (CellRecord(1, {}), ())])
    pool = RayPool(ray, WorkerPlan({}), 1)
    assert list(pool.workers) == []
    assert list(pool.wait(0.0)) == []
    assert list(pool.workers) == ["1"]
    pool.submit("1", cell(1), "key")
    assert list(pool.wait(0.0)) == [Ended("1", None)]
    assert len(ray.killed) == 1
    assert list(pool.workers) == []
    assert list(pool.wait(0.0)) == []
    pool.submit("2", cell(1), "key")
    assert list(pool.wait(0.0)) == [Ended("2", CellRecord(1, {}))]
    pool.close()
    assert len(ray.killed) == 2


def test_what_a_worker_raises_is_its_cells_failure() -> None:
    pool = RayPool(FakeRay(ran=[OSError("disk full")]), WorkerPlan({}), 1)
    list(pool.wait(0.0))
    pool.submit("1", cell(3), "key")
    [ended] = pool.wait(0.0)
    assert ended.record is not None
    assert (ended.record.cell, ended.record.status, ended.record.error) == (3, "failed", "OSError: disk full")


@pytest.mark.parametrize("why", ["no models", FakeRay.exceptions.RayActorError("the node has\nno room")])
def test_a_worker_that_cannot_begin_ends_the_sweep(why: Any) -> None:
    pool = RayPool(FakeRay([why] * LIVES), WorkerPlan({}), 1)
    with pytest.raises(UsageError, match="a worker cannot begin: no (models|room)"):
        for _ in range(LIVES):
            assert list(pool.wait(0.0)) == []


def test_workers_that_die_while_they_begin_are_counted_in_a_row() -> None:
    gone = FakeRay.exceptions.RayActorError("the machine was taken back")
    ran = [gone for _ in range(LIVES)]
    pool = RayPool(FakeRay([gone, ""] * LIVES + [""], ran), WorkerPlan({}), 1)
    for _ in range(LIVES):
        while not list(pool.workers):
            assert list(pool.wait(0.0)) == []
        (worker,) = pool.workers
        pool.submit(worker, cell(1), "key")
        assert list(pool.wait(0.0)) == [Ended(worker, None)]
    assert list(pool.wait(0.0)) == []
    assert list(pool.workers)


def test_a_local_cluster_is_one_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    ray = FakeRay()
    ray.init, ray.shutdown = lambda **options: told.append(options), lambda: None  # type: ignore[attr-defined]
    monkeypatch.setattr("weft.engine.spreading.rays._ray", lambda: ray)
    for address in ("local", "10.0.0.1:6379"):
        with ray_pool(address, WorkerPlan({}), 1):
            pass
    # Without an address Ray joins whatever cluster this machine or RAY_ADDRESS knows.
    assert [each["address"] for each in told] == ["local", "10.0.0.1:6379"]
    assert ["object_store_memory" in each for each in told] == [True, False]
