"""What the cache and the sharing of steps save, on the small model that comes with Weft.

    python benchmarks/cache.py [--json] [--turns N] [--parts runs worker switch rows]

1. `runs`: a workflow of 20 steps, each run a process of its own: into an empty cache; again, unchanged; and with
   another name for its files, so that only the last node runs. The second takes a third of the first one's CPU time at
   most, calls no node, and imports neither torch nor a library of networks.
2. `worker`: the same with a worker (--keep-alive): unchanged, at most a tenth of the first one's wall time; and another
   picture, which is sampled.
3. `switch`: two KSampler (Advanced) stages of 20 steps in all, over every step at which the second may take over, 0
   to 20: a sweep, and each cell alone without a cache. Evaluations of the UNet are counted where it is called: at most
   231 in the sweep, and 420 without. Sampling takes at most 0.6 of the time without; the whole run is told, too.
4. `rows`: a CSV of 1,000 rows that change only the names of the files: the UNet is evaluated for one picture.

Ratios are medians over turns; in a turn, both sides run one after the other. Exit code 1 where a bound is broken.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

FIRST_TO_SECOND, FIRST_TO_WORKER = 3.0, 10.0
SHARED_CALLS, ALONE_CALLS, SHARED_TIME = 231, 420, 0.6
ROWS = 1000
PICTURE, SWITCH = ROOT / "workflows" / "txt2img.json", ROOT / "workflows" / "prompt_switch.json"
STEPS = 20
TAKES_OVER = "6.end_at_step,7.start_at_step"
NETWORK = "UNet2DConditionModel"
HEAVY = ("torch", "numpy", "diffusers", "transformers", "safetensors", "PIL")
"""What a run that computes nothing must not import."""

Figures = dict[str, Any]


class Place:
    """A folder of a turn, with its own cache and output; nothing of the user's is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
        self.environment |= {"PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}
        for name in ("XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
            self.environment[name] = str(folder / name)
            (folder / name).mkdir(mode=0o700)

    def run(self, workflow: Path, *options: str) -> Figures:
        """A run as a process of its own: its seconds of wall and of CPU time, and the nodes that it called."""
        return self._timed([sys.executable, "-m", "weft", "run", str(workflow), "--json", *self._options(), *options])

    def imports(self, workflow: Path) -> list[str]:
        """What is heavy and imported by a run."""
        command = [sys.executable, "-X", "importtime", "-m", "weft", "run", str(workflow), *self._options()]
        ran = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True)
        lines = (line for line in ran.stderr.splitlines() if line.startswith("import time:"))
        names = {line.rpartition("|")[2].strip() for line in lines}
        return sorted(name for name in names if any(name == each or name.startswith(f"{each}.") for each in HEAVY))

    def sampled(self, what: str, workflow: Path, table: str = "") -> Figures:
        """What `child` does, in a process of its own."""
        places = (str(workflow), table, str(self.folder / "cache"), str(self.folder / "output"))
        return self._timed([sys.executable, __file__, "--child", what, *places])

    def stop_worker(self) -> None:
        subprocess.run(
            [sys.executable, "-m", "weft", "daemon", "stop"], cwd=self.folder, env=self.environment,
            capture_output=True, check=False,
        )  # fmt: skip

    def _options(self) -> list[str]:
        models = ["--models", str(ROOT / "workflows" / "models"), "--device", "cpu"]
        return [*models, "--cache", str(self.folder / "cache"), "--output", str(self.folder / "output")]

    def _timed(self, command: Sequence[str]) -> Figures:
        started = time.perf_counter()
        with tempfile.TemporaryFile("w+") as problems:
            options: Figures = {"cwd": self.folder, "env": self.environment, "stderr": problems, "text": True}
            process = subprocess.Popen(command, stdout=subprocess.PIPE, **options)
            assert process.stdout is not None
            with process.stdout:
                said = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            problems.seek(0)
            told = problems.read()
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said}{told}")
        found: Figures = json.loads(said)
        called = sorted(found.get("timings", {}))
        return {**found, "called": called, "wall_s": seconds, "cpu_s": usage.ru_utime + usage.ru_stime}


@contextmanager
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder:
        yield Place(Path(folder))


def runs(turns: int) -> Figures:
    """A first run, a second one, and one whose last node has changed."""
    taken: dict[str, list[Figures]] = {"first": [], "second": [], "last node changed": []}
    for _ in range(turns):
        with place() as here:
            taken["first"].append(here.run(PICTURE))
            taken["second"].append(here.run(PICTURE))
            taken["last node changed"].append(here.run(PICTURE, "--set", "SaveImage.filename_prefix=other"))
            heavy = here.imports(PICTURE)
    return {
        **{name: _times(found) for name, found in taken.items()},
        "called": {name: found[0]["called"] for name, found in taken.items()},
        "first_to_second_cpu": _ratio(taken["first"], taken["second"], "cpu_s"),
        "first_to_second_wall": _ratio(taken["first"], taken["second"], "wall_s"),
        "imported_by_second": heavy,
    }


def worker(turns: int) -> Figures:
    """With a worker: the same picture again, and another one."""
    taken: dict[str, list[Figures]] = {"first": [], "second": [], "another picture": []}
    for turn in range(turns):
        with place() as here:
            try:
                taken["first"].append(here.run(PICTURE, "--keep-alive", "5"))
                taken["second"].append(here.run(PICTURE))
                taken["another picture"].append(here.run(PICTURE, "--seed", str(turn)))
            finally:
                here.stop_worker()
    return {
        **{name: _times(found) for name, found in taken.items()},
        "first_to_second_wall": _ratio(taken["first"], taken["second"], "wall_s"),
    }


def switch(turns: int) -> Figures:
    """The sweep of the step at which the second stage takes over, and its cells without sharing."""
    taken: dict[str, list[Figures]] = {"shared": [], "alone": []}
    for _ in range(turns):
        for name in taken:
            with place() as here:
                taken[name].append(here.sampled(name, SWITCH))
    return {
        **{name: _times(found, "sampling_s", "sampling_cpu_s") for name, found in taken.items()},
        "calls": {name: found[0]["calls"] for name, found in taken.items()},
        "sampling": _ratio(taken["shared"], taken["alone"], "sampling_cpu_s"),
        "whole": _ratio(taken["shared"], taken["alone"], "cpu_s"),
    }


def rows(_: int) -> Figures:
    """Rows that change only the names of files."""
    with place() as here:
        table = here.folder / "rows.csv"
        lines = (f"row_{number}" for number in range(ROWS))
        table.write_text("\n".join(("SaveImage.filename_prefix", *lines)) + "\n")
        found = here.sampled("rows", PICTURE, str(table))
    return {"calls": found["calls"], "files": found["files"], **_times([found])}


PARTS: dict[str, Callable[[int], Figures]] = {"runs": runs, "worker": worker, "switch": switch, "rows": rows}


def broken(found: Figures) -> list[str]:
    """What is not within its bound, a line each."""
    checks: list[tuple[str, Callable[[Figures], bool], str]] = [
        (
            "runs",
            lambda it: it["first_to_second_cpu"] >= FIRST_TO_SECOND,
            f"first to second: at least {FIRST_TO_SECOND}",
        ),
        ("runs", lambda it: it["called"]["second"] == [], "the second run calls no node"),
        ("runs", lambda it: len(it["called"]["last node changed"]) == 1, "only the last node runs if that has changed"),
        ("runs", lambda it: it["imported_by_second"] == [], f"the second run imports none of {', '.join(HEAVY)}"),
        (
            "worker",
            lambda it: it["first_to_second_wall"] >= FIRST_TO_WORKER,
            f"first to second: at least {FIRST_TO_WORKER}",
        ),
        ("switch", lambda it: it["calls"]["shared"] <= SHARED_CALLS, f"at most {SHARED_CALLS} calls"),
        ("switch", lambda it: it["calls"]["alone"] == ALONE_CALLS, f"without sharing {ALONE_CALLS} calls"),
        ("switch", lambda it: it["sampling"] <= SHARED_TIME, f"sampling takes at most {SHARED_TIME} of the time"),
        ("rows", lambda it: it["calls"] == STEPS, f"{STEPS} calls"),
        ("rows", lambda it: it["files"] == ROWS, f"{ROWS} pictures"),
    ]
    return [f"{part}: {said}" for part, holds, said in checks if part in found and not holds(found[part])]


def _times(found: Sequence[Figures], *more: str) -> Figures:
    return {name: round(statistics.median(each[name] for each in found), 3) for name in ("wall_s", "cpu_s", *more)}


def _ratio(one: Sequence[Figures], other: Sequence[Figures], name: str) -> float:
    return round(statistics.median(a[name] / b[name] for a, b in zip(one, other, strict=True)), 2)


# In a process of its own.


class Watched:
    """What runs do: evaluations of the UNet, and the seconds that are spent in samplers."""

    def __init__(self) -> None:
        from torch import nn

        self.calls = 0
        self.wall = self.cpu = self._began = 0.0
        nn.modules.module.register_module_forward_pre_hook(self._called)

    def _called(self, module: Any, _: Any) -> None:
        self.calls += type(module).__name__ == NETWORK

    def __call__(self, event: Any) -> None:
        """An observer."""
        if getattr(event, "class_type", "").startswith("KSampler"):
            if type(event).__name__ == "NodeStarted":
                self._began = time.process_time()
            elif type(event).__name__ == "NodeFinished":
                self.wall += event.seconds
                self.cpu += time.process_time() - self._began


def child(what: str, workflow: Path, table: Path, cache: Path, output: Path) -> Figures:
    """Sample, and count."""
    import weft
    from weft.engine.cache.tiers import Tiers

    watched = Watched()
    options: Figures = {
        "models": ROOT / "workflows" / "models",
        "output": output,
        "device": "cpu",
        "observers": [watched],
    }
    if what == "alone":
        for step in range(STEPS + 1):
            overrides = dict.fromkeys(TAKES_OVER.split(","), step)
            weft.run(workflow, overrides=overrides, **options)
    else:
        kept = Tiers(weft.MemoryCache(), weft.DiskCache(cache))
        axes: Figures = {"grid": {TAKES_OVER: range(STEPS + 1)}} if what == "shared" else {"rows": table}
        for record in weft.sweep(workflow, cache=kept, **axes, **options):
            assert record.status == "done", record
    files = len(list(output.rglob("*_.png")))
    return {"calls": watched.calls, "files": files, "sampling_s": watched.wall, "sampling_cpu_s": watched.cpu}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        what, *places = arguments.child
        print(json.dumps(child(what, *map(Path, places))))
        return 0
    found: Figures = {}
    for part in arguments.parts:
        found[part] = PARTS[part](arguments.turns)
        if not arguments.json:
            print("\n".join(table(part, found[part])), flush=True)
    problems = broken(found)
    if arguments.json:
        print(json.dumps({**found, "broken": problems}, indent=2))
    else:
        print("\n".join(problems) or "within bounds")
    return 1 if problems else 0


def table(part: str, found: Figures) -> Iterator[str]:
    """The figures of a part, for people."""
    yield f"{part:22}{'wall s':>9}{'CPU s':>9}{'sampling, CPU s':>18}{'UNet calls':>12}"
    calls = found["calls"] if isinstance(found.get("calls"), dict) else {}
    sides = {name: side for name, side in found.items() if isinstance(side, dict) and "wall_s" in side}
    for name, side in (sides or {f"{ROWS:,} rows": found}).items():
        sampling = f"{side['sampling_cpu_s']:18.2f}" if "sampling_cpu_s" in side else " " * 18
        called = calls.get(name, found.get("calls") if not sides else "")
        yield f"  {name:20}{side['wall_s']:9.2f}{side['cpu_s']:9.2f}{sampling}{called:>12}"
    for name, value in found.items():
        if isinstance(value, float) and name not in ("wall_s", "cpu_s"):
            yield f"  {name.replace('_', ' ')}: {value:g}"


if __name__ == "__main__":
    raise SystemExit(main())
