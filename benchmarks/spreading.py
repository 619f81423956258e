"""What Ray costs a cell: a sweep with one worker of Ray beside the same sweep without, in turns.

    python benchmarks/spreading.py [--cells N] [--turns N] [--json]        (also: python benchmarks/overhead.py --ray)

Two sweeps: of cells that do nothing but write a picture of 8 x 8 pixels, and of cells of one sampling step of the small
model. Each turn runs both, with Ray and without, in an order that changes, and every cell is computed: nothing is in
the cache. Counted is what lies between two `CellFinished` of the events, less the seconds that the cell itself took by
its record: so a machine that has other things to do slows what both have in common. The first five are left out. What
is told is the median of each kind over turns, and of the difference of medians the median and the range over turns.

Exit code 1 where Ray costs a cell more than 30 ms (median).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BOUND = 0.03
LEFT_OUT = 5
NOTHING: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
}


def gaps(folder: Path, arguments: list[str]) -> list[float]:
    """The seconds between the ends of cells that are not the cell's own, in a sweep of its own process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "weft", "sweep", *arguments, "--no-cache", "--events", "--output", "out"]
    found: list[float] = []
    with (
        tempfile.TemporaryDirectory(dir=folder) as place,
        subprocess.Popen(
            command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as running,
    ):
        assert running.stdout is not None
        before = 0.0
        for line in running.stdout:
            if '"CellFinished"' in line:
                now = time.perf_counter()
                found.append(now - before - json.loads(line)["record"]["seconds"])
                before = now
        if running.wait():
            raise SystemExit(f"weft sweep {' '.join(arguments)} failed")
    return found[LEFT_OUT:]


def measured(cells: int, turns: int) -> dict[str, dict[str, Any]]:
    """The figures of both sweeps, in milliseconds."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder, "nothing.json")
        graph.write_text(json.dumps(NOTHING))
        step = [str(ROOT / "workflows" / "txt2img.json"), "--set", "KSampler.steps=1"]
        sweeps = {
            "nothing": [str(graph), "--grid", f"1.color=1..{cells}"],
            "one step": [*step, "--grid", f"KSampler.seed=1..{cells}"],
        }
        for name, arguments in sweeps.items():
            medians: dict[str, list[float]] = {"without": [], "with": []}
            for turn in range(turns):
                for kind in ("without", "with") if turn % 2 == 0 else ("with", "without"):
                    more = ["--ray", "local", "--workers", "1"] if kind == "with" else []
                    medians[kind].append(1e3 * statistics.median(gaps(Path(folder), [*arguments, *more])))
            costs = [after - before for before, after in zip(medians["without"], medians["with"], strict=True)]
            found[name] = {
                "without": round(statistics.median(medians["without"]), 2),
                "with": round(statistics.median(medians["with"]), 2),
                "ray": round(statistics.median(costs), 2),
                "range": [round(min(costs), 2), round(max(costs), 2)],
            }
    return found


def report(cells: int = 40, turns: int = 3, *, as_json: bool = False) -> bool:
    """Print the figures; whether a bound is broken."""
    found = measured(cells, turns)
    if as_json:
        print(json.dumps({"cells": cells, "turns": turns, "ms": found}, indent=2))
    else:
        print(f"{'cells of':10} {'without, ms':>12} {'with Ray, ms':>13}   Ray costs a cell, ms")
        for name, row in found.items():
            low, high = row["range"]
            print(f"{name:10} {row['without']:12.2f} {row['with']:13.2f}   {row['ray']:.2f} ({low:.2f} to {high:.2f})")
    return any(row["ray"] > 1e3 * BOUND for row in found.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=40)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    return int(report(arguments.cells, arguments.turns, as_json=arguments.json))


if __name__ == "__main__":
    sys.exit(main())
