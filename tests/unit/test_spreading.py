"""Cells on workers that are pretended: order, losses, warnings, cancelling."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from weft.engine.cancel import CancelToken
from weft.engine.errors import Interrupted, UsageError
from weft.engine.events import Progress, WorkerSaid
from weft.engine.session import Session
from weft.engine.spreading.rays import RayPool, ray_pool
from weft.engine.spreading.schedule import LIVES, Schedule, Task
from weft.engine.spreading.spread import Ended, Heard, Spread
from weft.engine.spreading.worker import Finished, WorkerPlan, own_device, plan_of
from weft.engine.sweeping.index import CellRecord
from weft.engine.terminal.caches import CachePlaces

ROOT = Path(__file__).resolve().parents[2]


def record(number: int, message: str = "") -> CellRecord:
    return CellRecord(number, {}, status="failed" if message else "done", error=message)


def work(number: int) -> Any:
    return SimpleNamespace(number=number, where=f"cell {number}", failed=lambda message: record(number, message))


class Pretended:
    """A pool of two, whose workers end in turns. dies: how often a cell's worker does; idle: before it begins."""

    def __init__(self, dies: dict[int, int] | None = None, idle: dict[int, int] | None = None) -> None:
        self.dies = dict(dies or {})
        self.idle = dict(idle or {})
        self.names = ["1", "2"]
        self.submitted: list[tuple[str, int]] = []
        self.begun: Counter[int] = Counter()
        self._running: list[tuple[str, Any]] = []
        self._last = 2

    @property
    def workers(self) -> Iterable[str]:
        return tuple(self.names)

    def submit(self, worker: str, work: Any) -> None:
        self.submitted.append((worker, work.number))
        self._running.append((worker, work))

    def wait(self, seconds: float) -> Iterable[Heard | Ended]:
        worker, work = self._running.pop(0)
        begun = not self.idle.get(work.number)
        self.begun[work.number] += begun
        if begun and not self.dies.get(work.number):
            yield Heard(worker, (Progress("5", work.number, 9),))
            yield Ended(worker, record(work.number), ("a small model", f"cell {work.number} is odd"))
            return
        (self.dies if begun else self.idle)[work.number] -= 1
        self._last += 1
        self.names[self.names.index(worker)] = str(self._last)
        yield Ended(worker, begun=begun)


def ran(pool: Pretended, count: int, **more: Any) -> list[CellRecord]:
    works = {number: work(number) for number in range(1, count + 1)}
    schedule = Schedule([Task(number) for number in works])
    spread = Spread(pool, schedule, works, more.pop("token", CancelToken()), **more)
    return [found for _, found in spread.results()]


def test_all_cells_run_once_and_warnings_are_said_once() -> None:
    pool, said, started, heard = Pretended(), list[str](), list[int](), list[Any]()
    records = ran(
        pool,
        6,
        warn=said.append,
        started=lambda worker, work: started.append(work.number),
        heard=lambda work, event: heard.append((work.number, event.value)),
    )
    assert sorted(heard) == [(number, number) for number in range(1, 7)]
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
    # Nothing is done twice but what was in flight.
    assert pool.begun == {1: 1, 2: 2, 3: 1, 4: 1, 5: 3, 6: 1}


def test_a_worker_that_dies_before_it_begins_is_not_charged_to_its_cell() -> None:
    pool, said = Pretended(dies={2: LIVES - 1}, idle={2: 5}), list[str]()
    records = ran(pool, 3, warn=said.append)
    assert all(record.is_done for record in records)
    assert pool.begun == {1: 1, 2: LIVES, 3: 1}
    assert sum("died before it began" in message for message in said) == 5


def test_a_cell_of_which_workers_die_fails_by_name() -> None:
    records = {record.cell: record for record in ran(Pretended({1: LIVES}), 2)}
    assert records[1].status == "failed"
    assert records[1].error == f"{LIVES} workers died of it"
    assert records[2].is_done


def test_a_sweep_can_be_stopped() -> None:
    token = CancelToken()
    with pytest.raises(Interrupted):
        ran(Pretended(), 4, token=token, started=lambda worker, work: token.cancel())


def test_workers_are_told_what_the_settings_say(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    session = Session(models=["m"], output="out", numbers="0.3.64", device="cpu")
    plan = plan_of(session, CachePlaces((Path("cache"),), "memory://x"))
    assert plan.settings["models"] == (tmp_path / "m",)
    assert plan.settings["output"] == tmp_path / "out"
    assert (plan.settings["numbers"], plan.settings["device"]) == ("0.3.64", "cpu")
    assert plan.places == ((tmp_path / "cache",), "memory://x")
    assert not {"cache", "keep_alive"} & plan.settings.keys()
    # What nobody has said is found anew: a folder that is not there is not asked for.
    assert "models" not in plan_of(Session(output="out"), CachePlaces()).settings


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

    COUNTED = """
import time

class Counted:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "number": ("INT", {"default": 0, "max": 99})}}

    RETURN_TYPES, FUNCTION, CATEGORY = ("IMAGE",), "go", "x"

    def go(self, image, number):
        with open("counts", "a") as file:
            file.write(f"{number} ")
        print("number", number)
        time.sleep(0.3)
        return (image * 0 + number / 99,)

NODE_CLASS_MAPPINGS = {"Counted": Counted}
"""
    GRAPH: dict[str, Any] = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
        "2": {"class_type": "Counted", "inputs": {"image": ["1", 0], "number": 0}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "a"}},
    }

    def spread_over_two(folder: Path, command: str, *arguments: str) -> tuple[list[str], Counter[str], int]:
        """What it says, how often each number was counted, and how many workers were killed: two, once it goes on."""
        (folder / "pack.py").write_text(COUNTED)
        told = [command, *arguments, "--nodes", "pack.py", "--output", "out", "--ray", "local", "--workers", "2"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(folder / "cache")}
        said, killed = [], 0
        with subprocess.Popen(
            [sys.executable, "-m", "weft.cli", *told],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as running:
            assert running.stdout is not None
            for line in running.stdout:
                said.append(line)
                if killed < 2 and "number" in line:
                    os.kill(children(running.pid)[0], signal.SIGKILL)
                    killed += 1
            assert running.wait(300) == 0, said
        return said, Counter((folder / "counts").read_text().split()), killed

    @pytest.mark.slow
    def test_nothing_is_done_twice_but_what_was_in_flight(tmp_path: Path) -> None:
        (tmp_path / "w.json").write_text(json.dumps(GRAPH))
        said, counts, killed = spread_over_two(tmp_path, "sweep", "w.json", "--grid", "2.number=0..19")
        assert killed == 2
        assert counts.keys() == {str(number) for number in range(20)}
        assert counts.total() <= 20 + killed
        assert all(record["status"] == "done" for record in records(tmp_path / "out").values())
        assert any(re.match(r"worker \d+: number \d+$", line) for line in said)

    @pytest.mark.slow
    def test_workflows_on_ray_are_called_as_without_though_workers_are_killed(tmp_path: Path) -> None:
        for number in range(12):
            graph = {**GRAPH, "2": {"class_type": "Counted", "inputs": {"image": ["1", 0], "number": number}}}
            (tmp_path / f"{number:02}.json").write_text(json.dumps(graph))
        said, counts, killed = spread_over_two(tmp_path, "run", *sorted(file.name for file in tmp_path.glob("*.json")))
        assert killed == 2
        assert counts.keys() == {str(number) for number in range(12)}
        assert counts.total() <= 12 + killed
        files = [line.strip() for line in said if line.endswith("_.png\n")]
        assert files == [str(tmp_path / "out" / f"a_{number:05}_.png") for number in range(1, 13)]
        for number, file in enumerate(files):
            with Image.open(file) as picture:
                assert picture.getpixel((0, 0)) == (255 * number // 99,) * 3


def children(pid: int) -> list[int]:
    """The processes of workers below a process."""
    listed = subprocess.run(["pgrep", "-f", "ray::ClusterWorker"], capture_output=True, text=True, check=True).stdout
    return [int(found) for found in listed.split() if pid in parents(int(found))]


def parents(pid: int) -> Iterator[int]:
    """The processes above a process."""
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        yield pid


class FakeRay:
    """As much of Ray as the pool asks. refused: what workers say when they begin; ran: what each run tells, or raises.

    Of what is told nothing is there yet where that is empty.
    """

    class exceptions:
        class RayActorError(Exception):
            pass

    def __init__(self, refused: Sequence[Any] = (), ran: Sequence[Sequence[Any]] = ()) -> None:
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
            run=method(options=lambda **_: method(remote=lambda work: iter(self._ran.pop(0)))),
            cancel=method(remote=lambda: None),
        )

    def wait(self, calls: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return calls[:1], calls[1:]

    def get(self, call: Any) -> Any:
        gives = call.gives if isinstance(call, Call) else call
        if isinstance(gives, Exception):
            raise gives
        return gives

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)


class Call:
    """What a call gives, or raises."""

    def __init__(self, gives: Any) -> None:
        self.gives = gives


def gone(why: str = "gone") -> Exception:
    return FakeRay.exceptions.RayActorError(why)


def test_a_worker_out_of_reach_is_ended_before_another_takes_its_place() -> None:
    ray = FakeRay(ran=[[(), gone()], [(), Finished(record(1), (), ("a line",))]])
    pool = RayPool(ray, WorkerPlan({}), 1)
    assert list(pool.workers) == []
    assert list(pool.wait(0.0)) == []
    assert list(pool.workers) == ["1"]
    pool.submit("1", work(1))
    assert list(pool.wait(0.0)) == [Heard("1")]
    assert list(pool.wait(0.0)) == [Ended("1")]
    assert len(ray.killed) == 1
    assert list(pool.workers) == []
    assert list(pool.wait(0.0)) == []
    pool.submit("2", work(1))
    assert list(pool.wait(0.0)) == [Heard("2")]
    assert list(pool.wait(0.0)) == [Ended("2", record(1), events=(WorkerSaid("2", "a line"),))]
    pool.close()
    assert len(ray.killed) == 2


def test_what_a_worker_raises_is_its_cells_failure() -> None:
    pool = RayPool(FakeRay(ran=[[OSError("disk full")]]), WorkerPlan({}), 1)
    list(pool.wait(0.0))
    pool.submit("1", work(3))
    [ended] = pool.wait(0.0)
    assert isinstance(ended, Ended)
    assert ended.gives == record(3, "OSError: disk full")


@pytest.mark.parametrize("why", ["no models", gone("the node has\nno room")])
def test_a_worker_that_cannot_begin_ends_the_sweep(why: Any) -> None:
    pool = RayPool(FakeRay([why] * LIVES), WorkerPlan({}), 1)
    with pytest.raises(UsageError, match="a worker cannot begin: no (models|room)"):
        for _ in range(LIVES):
            assert list(pool.wait(0.0)) == []


def test_workers_that_die_while_they_begin_are_counted_in_a_row() -> None:
    taken = gone("the machine was taken back")
    pool = RayPool(FakeRay([taken, ""] * LIVES + [""], [[(), taken]] * LIVES), WorkerPlan({}), 1)
    for _ in range(LIVES):
        while not list(pool.workers):
            assert list(pool.wait(0.0)) == []
        (worker,) = pool.workers
        pool.submit(worker, work(1))
        assert list(pool.wait(0.0)) == [Heard(worker)]
        assert list(pool.wait(0.0)) == [Ended(worker)]
    assert list(pool.wait(0.0)) == []
    assert list(pool.workers)


def test_a_worker_that_died_idle_says_so_and_many_in_a_row_end_the_command() -> None:
    pool = RayPool(FakeRay(ran=[[gone("killed")]] * LIVES), WorkerPlan({}), 1)
    for turn in range(LIVES):
        list(pool.wait(0.0))
        (worker,) = pool.workers
        pool.submit(worker, work(1))
        if turn < LIVES - 1:
            assert list(pool.wait(0.0)) == [Ended(worker, begun=False)]
    with pytest.raises(UsageError, match="workers die before they begin: killed"):
        list(pool.wait(0.0))


@pytest.mark.parametrize(
    ("device", "seen", "own"),
    [
        ("cuda:1", "1", "cuda:0"),
        ("cuda:3", "GPU-3f2a", "cuda:0"),
        ("cuda", "1", "cuda"),
        ("cpu", "1", "cpu"),
        ("auto", "1", "auto"),
        # Nobody chose for the worker: it sees them all.
        ("cuda:1", None, "cuda:1"),
        ("cuda:1", "", "cuda:1"),
    ],
)
def test_a_worker_calls_the_gpu_that_it_was_given_its_first(device: str, seen: str | None, own: str) -> None:
    assert own_device(device, {} if seen is None else {"CUDA_VISIBLE_DEVICES": seen}) == own


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
