"""A sweep of 10,000 cells on 100 workers, simulated: the share of time that they work, with the schedule that runs it.

    python benchmarks/scale.py [--cells N] [--workers N] [--models N ...] [--durations FILE] [--json]

What is simulated is time alone. A cell takes what 8 steps of SD 1.5 took here, times a factor that is spread as the
durations of people's cells are (log-normal, sigma 0.5). A model that a worker has not takes 20 seconds to load, which
is 7 GB from a shared folder. Workers die, each once in 2,000 cells on average, and take a minute to come back. Who runs
which cell is decided by `weft.engine.spreading.schedule`, as in a sweep on Ray; it knows the mean of a cell alone.

With --durations, cells take what they took in a sweep, drawn anew for each, and a model takes what its loading took:
FILE is what `weft sweep --events` wrote, or a sweep's `index.jsonl`, where its dearest cell says what loading takes.

The lower bound is the time that all cells and one load for each worker or model, whichever are more, take, divided by
the workers. Exit code 1 where workers work less than 90 % of the time; loading and cells that are lost are no work.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from weft.engine.spreading.schedule import Schedule, Task  # noqa: E402

CELL, SPREAD, LOAD, COMES_BACK, LIVES = 16.0, 0.5, 20.0, 60.0, 2_000
BOUND = 0.9


def recorded(lines: Iterable[Mapping[str, Any]]) -> tuple[list[float], float]:
    """What cells took without loading, and what loading took, in seconds, of the lines of an index or of events."""
    cells: list[float] = []
    loads: list[float] = []
    loading: defaultdict[int, float] = defaultdict(float)
    current = 0
    for line in lines:
        match line:
            case {"event": "CellStarted" | "CellResumed", "cell": int(cell)}:
                current = cell
            case {"event": "NodeFinished", "class_type": str(name), "seconds": float(seconds)} if "Load" in name:
                loading[current] += seconds
            case {"event": "LibrariesLoaded", "seconds": float(seconds)}:
                loading[current] += seconds
            case {"event": "CellFinished", "record": {"cell": cell, "seconds": float(seconds), "cached": False}}:
                before = loading.pop(cell, 0.0)
                cells.append(max(0.0, seconds - before))
                loads += [before] if before else []
            case {"cell": _, "seconds": float(seconds), "cached": False, "status": "done"}:
                cells.append(seconds)
    if len(cells) < 2:
        raise SystemExit("a record needs two cells that were computed")
    if not loads:
        dearest = max(cells)
        cells.remove(dearest)
        loads = [max(0.0, dearest - statistics.median(cells))]
    return cells, statistics.mean(loads)


def simulated(
    cells: int, workers: int, models: int, durations: Sequence[float] = (), load: float = LOAD, seed: int = 0
) -> dict[str, Any]:
    """The figures of one sweep: seconds, and their shares; `durations` are those of cells, if they were recorded."""
    chance = random.Random(seed)
    mean = statistics.mean(durations) if durations else CELL
    jobs = [Task(number, number * models // cells, mean) for number in range(cells)]
    takes = [chance.choice(durations) if durations else _drawn(chance) for _ in jobs]
    schedule = Schedule(jobs, load)
    loaded: dict[str, Any] = {}
    events: list[tuple[float, int, str, str]] = []
    idle = [f"w{number}" for number in range(workers)]
    now, worked, loading, lost, count, loads = 0.0, 0.0, 0.0, 0.0, 0, 0
    while schedule.unfinished:
        for worker in list(idle):
            job = schedule.take(worker)
            if job is None:
                continue
            idle.remove(worker)
            before = 0.0 if loaded.get(worker, -1) == job.affinity else load
            loaded[worker], loads = job.affinity, loads + bool(before)
            dies = chance.random() < 1 / LIVES
            until = (before + takes[job.number]) * (chance.random() if dies else 1.0)
            heapq.heappush(events, (now + until, count, worker, "dies" if dies else "done"))
            loading += min(before, until)
            worked, lost = worked + (not dies) * takes[job.number], lost + dies * max(0.0, until - before)
            count += 1
        now, _, worker, what = heapq.heappop(events)
        if what == "done":
            schedule.done(worker)
            idle.append(worker)
        elif what == "dies":
            schedule.lost(worker)
            loaded.pop(worker, None)
            heapq.heappush(events, (now + COMES_BACK, count, worker, "back"))
            count += 1
        else:
            idle.append(worker)
    bound = (sum(takes) + max(models, workers) * load) / workers
    return {
        "seconds": now,
        "bound": bound,
        "of_bound": bound / now,
        "working": worked / (now * workers),
        "loading": loading / (now * workers),
        "lost": lost / (now * workers),
        "loads": loads,
    }


def _drawn(chance: random.Random) -> float:
    return CELL * chance.lognormvariate(-(SPREAD**2) / 2, SPREAD)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--models", type=int, nargs="+", default=[1, 4, 20, 100])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--durations", type=Path, metavar="FILE", help="what --events wrote, or an index.jsonl")
    arguments = parser.parse_args()
    known: tuple[Sequence[float], float] = ((), LOAD)
    if arguments.durations is not None:
        known = recorded(map(json.loads, arguments.durations.read_text().splitlines()))
    figures = {models: simulated(arguments.cells, arguments.workers, models, *known) for models in arguments.models}
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        if known[0]:
            times = known[0]
            print(
                f"{len(times)} cells recorded: {min(times):.3f} to {max(times):.3f} s, "
                f"mean {statistics.mean(times):.3f}; loading {known[1]:.2f} s"
            )
        for models, one in figures.items():
            print(
                f"{models:4} models: {one['seconds']:,.0f} s, bound {one['bound']:,.0f} s; "
                f"working {one['working']:.1%}, loading {one['loading']:.1%} ({one['loads']} loads), "
                f"lost {one['lost']:.2%}"
            )
    return int(any(one["working"] < BOUND for one in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
