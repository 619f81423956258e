"""Processes that share a cache and are killed at random moments, over and over: a warm process that forks them.

    python tests/kills.py FOLDER SEED KILLS [ARGUMENT ...]

Two children do the same work at the same time, with a new cache for each round: they are killed (SIGKILL) and started
again, up to so many times a round, and then left to end. Without arguments the work is every cell of a grid over a
graph of toy nodes; with arguments `weft sweep ARGUMENTS`, of which each child has a folder of its own. One JSON object
is printed: the number of `kills` and of `rounds`, the exit `codes` of those that were not killed, and lists of what
must not be:

    said      what they said of the cache, or raised
    lost      cells that were done when a process was killed, and that were computed again
    wrong     cells that gave something else than an undisturbed run without a cache
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import traceback
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, Protocol

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1] / "src")]

from edits import World, told  # noqa: E402

from weft import DiskCache  # noqa: E402

PROCESSES = 2
LONGEST_S = 1200
"""Children that take longer after the last kill hang."""


class Work(Protocol):
    """What is done in a round of so many kills. `moment` is how many seconds are between two of them at most."""

    moment: float
    kills: int

    def begin(self) -> None:
        """A new round, with an empty cache."""

    def work(self, child: int, seed: int) -> int:
        """What a child does; gives its exit code."""

    def killed(self, child: int) -> None:
        """A child was killed just now."""

    def judge(self) -> dict[str, list[str]]:
        """What was wrong in this round, which is over."""


GRAPH: dict[str, Any] = {
    "1": {"class_type": "Start", "inputs": {"value": 0}},
    "2": {"class_type": "Fill", "inputs": {"one": ["1", 0], "size": 999}},
    "3": {"class_type": "Start", "inputs": {"value": 0}},
    "4": {"class_type": "Fill", "inputs": {"one": ["3", 0], "size": 998}},
    "5": {"class_type": "Measure", "inputs": {"block": ["2", 0], "other": ["4", 0]}},
    "6": {"class_type": "Add", "inputs": {"one": ["5", 0], "other": ["3", 0], "more": 1}},
    "7": {"class_type": "Plot", "inputs": {"one": ["6", 0], "prefix": "a"}},
    "8": {"class_type": "Write", "inputs": {"one": ["7", 0], "prefix": "a"}},
    "9": {"class_type": "Split", "inputs": {"one": ["7", 0]}},
    "10": {"class_type": "Glance", "inputs": {"words": ["9", 1]}},
}
CELLS = tuple(product(range(3), range(4)))


class Toys:
    """Every cell of a grid, in a random order, into one folder; the cache is opened anew for each."""

    moment = 0.15
    kills = 8

    def __init__(self, folder: Path) -> None:
        self.place = folder / "round"
        self.world = World(folder / "world", Random(0))
        self.world.graph, self.world.order = GRAPH, list(GRAPH)
        self.log = -1
        self.expected = [self._run(cell, folder / "plain")[0] for cell in range(len(CELLS))]

    def begin(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        self.log = os.open(self.place / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def work(self, child: int, seed: int) -> int:
        cells = list(range(len(CELLS)))
        Random(seed).shuffle(cells)
        for cell in cells:
            self._say("begins", cell)
            outcome, called = self._run(cell, self.place / "output", self.place / "cache")
            if outcome != self.expected[cell]:
                self._say("wrong", cell, outcome, self.expected[cell])
            self._say("done", cell, *called)
        return 0

    def killed(self, child: int) -> None:
        pass

    def judge(self) -> dict[str, list[str]]:
        os.close(self.log)
        lines = (self.place / "log").read_text().splitlines()
        done: set[str] = set()
        late: set[str] = set()
        lost = []
        for line in lines:
            process, what, cell, *called = line.split(" ")
            if what == "begins":
                (late.add if cell in done else late.discard)(process)
            elif what == "done":
                done.add(cell)
                lost += [line] if called and process in late else []
        cache = DiskCache(self.place / "cache")
        # Half a file that nobody will finish is no fault.
        faults = [str(fault) for fault in cache.verify() if fault.kind != "unknown"]
        cache.close()
        said = [line for line in lines if line.split(" ")[1] == "said"]
        return {"said": said + faults, "lost": lost, "wrong": [line for line in lines if line.split(" ")[1] == "wrong"]}

    def _run(self, cell: int, output: Path, cache: Path | None = None) -> tuple[Any, list[str]]:
        """What a cell gives, and the nodes that were called for it."""
        for node_id, value in zip(("1", "3"), CELLS[cell], strict=True):
            self.world.graph[node_id]["inputs"]["value"] = value
        kept = DiskCache(cache, codecs=World.codecs, warn=lambda text: self._say("said", text)) if cache else None
        result = self.world.run(self.world.session(output, kept))
        if kept is not None:
            kept.close()
        return told(result), sorted(result.timings)

    def _say(self, *words: object) -> None:
        """A line in the log, written whole at once: it is there when the process is killed after it."""
        os.write(self.log, (" ".join([str(os.getpid()), *map(str, words)]).replace("\n", " ") + "\n").encode())


class Sweep:
    """`weft sweep`, with the same cache and a folder for each child."""

    moment = 4.0
    kills = 25

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.place = folder / "round"
        self.arguments = arguments
        self.done: list[set[str]] = []
        plain = folder / "plain"
        assert self._main(plain, "--no-cache") == 0, "the undisturbed run"
        self.expected = self._pictures(plain)

    def begin(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        self.done = [set() for _ in range(PROCESSES)]

    def work(self, child: int, seed: int) -> int:
        with open(self.place / f"said-{child}", "a") as said:
            for number in (1, 2):
                os.dup2(said.fileno(), number)
        return self._main(self._output(child), "--cache", str(self.place / "cache"))

    def killed(self, child: int) -> None:
        self.done[child] |= set(self._rows(self._output(child)))

    def judge(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {"said": [], "lost": [], "wrong": []}
        for child in range(PROCESSES):
            said = (self.place / f"said-{child}").read_text().splitlines()
            found["said"] += [line for line in said if "the cache" in line or "Error" in line]
            found["lost"] += sorted(self.done[child] - set(self._rows(self._output(child))))
            pictures = self._pictures(self._output(child))
            found["wrong"] += [str(cell) for cell, picture in self.expected.items() if pictures.get(cell) != picture]
        return found

    def _main(self, output: Path, *options: str) -> int:
        from weft.cli import main

        return main(["sweep", *self.arguments, "--output", str(output), *options])

    def _output(self, child: int) -> Path:
        return self.place / f"output-{child}"

    @staticmethod
    def _rows(output: Path) -> list[str]:
        """The rows of cells that are done, as they stand in the index."""
        index = output / "index.jsonl"
        lines = index.read_text().splitlines(keepends=True) if index.is_file() else []
        return [line for line in lines if line.endswith("\n") and '"status": "done"' in line]

    @classmethod
    def _pictures(cls, output: Path) -> dict[int, list[bytes]]:
        """The content of the files of each cell."""
        rows = [json.loads(line) for line in cls._rows(output)]
        assert len({row["cell"] for row in rows}) == len(rows), "a cell is done twice"
        return {row["cell"]: [(output / file).read_bytes() for file in row["files"]] for row in rows}


def fork(work: Work, child: int, seed: int) -> int:
    """A child at work, by its process id."""
    process = os.fork()
    if process:
        return process
    code = 99
    try:
        code = work.work(child, seed)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)


def slaughter(work: Work, chance: Random, kills: int) -> dict[str, Any]:
    """Rounds, until there were so many kills."""
    found: dict[str, Any] = {"kills": 0, "rounds": 0, "codes": [], "said": [], "lost": [], "wrong": []}
    while found["kills"] < kills:
        work.begin()
        found["rounds"] += 1
        children = {child: fork(work, child, chance.randrange(10**6)) for child in range(PROCESSES)}
        for _ in range(min(work.kills, kills - found["kills"])):
            time.sleep(work.moment * chance.random())
            victims = list(children) if chance.random() < 0.2 else [chance.choice(list(children))]
            for child in victims:
                os.kill(children[child], signal.SIGKILL)
            for child in victims:
                code = os.waitstatus_to_exitcode(os.waitpid(children[child], 0)[1])
                work.killed(child)
                found["kills"] += code == -signal.SIGKILL
                found["codes"] += [code] if code != -signal.SIGKILL else []
                children[child] = fork(work, child, chance.randrange(10**6))
        signal.alarm(LONGEST_S)
        found["codes"] += [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in children.values()]
        signal.alarm(0)
        for what, lines in work.judge().items():
            found[what] += lines
    return {**found, "codes": sorted(set(found["codes"]))}


def main() -> None:
    """See above."""
    folder, seed, kills, *arguments = sys.argv[1:]
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    # What is printed meanwhile goes to stderr.
    answer = os.dup(1)
    os.dup2(2, 1)
    work: Work = Sweep(place, arguments) if arguments else Toys(place)
    found = slaughter(work, Random(int(seed)), int(kills))
    os.write(answer, json.dumps(found).encode())


if __name__ == "__main__":
    main()
