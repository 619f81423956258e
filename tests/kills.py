"""Processes that share a cache and are killed at random moments, over and over: a warm process that forks them.

    python tests/kills.py FOLDER SEED KILLS [ARGUMENT ...]

Two children work at the same time until there were so many kills (SIGKILL), and then to their end. With arguments, each
runs `weft ARGUMENTS --cache FOLDER/cache --output FOLDER/output-N`; without, every cell of a grid over a graph of toy
nodes, with one output folder. One JSON object is printed: the number of `kills`, how often a child ended well meanwhile
(`ends`), the other exit `codes`, what the children `said`, and of toy nodes:

    computed again    cells that were computed though a process had told before that they are done
    wrong             cells that gave something else than without a cache
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1] / "src")]

from edits import World  # noqa: E402

from weft import DiskCache  # noqa: E402

PROCESSES = 2
LONGEST_S = 600
"""A child that takes longer hangs."""

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
CELLS = tuple(product(range(4), range(6)))


class Toys:
    """What a child does without arguments: every cell, in a random order, each with a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(folder / "world", Random(0))
        self.world.graph, self.world.order = GRAPH, list(GRAPH)
        self.expected = [self._run(number, folder / "plain")[0] for number in range(len(CELLS))]

    def work(self, child: int, seed: int) -> int:
        cells = list(range(len(CELLS)))
        Random(seed).shuffle(cells)
        for cell in cells:
            say("begins", cell)
            outcome, called = self._run(cell, self.folder / "output", self.folder / "cache")
            if outcome != self.expected[cell]:
                say("wrong", cell, outcome, self.expected[cell])
            say("done", cell, *called)
        return 0

    def _run(self, cell: int, output: Path, cache: Path | None = None) -> tuple[Any, list[str]]:
        self.world.graph["1"]["inputs"]["value"], self.world.graph["3"]["inputs"]["value"] = CELLS[cell]
        kept = DiskCache(cache, codecs=World.codecs, warn=lambda text: say("said", text)) if cache else None
        result = self.world.run(self.world.session(output, kept))
        if kept is not None:
            kept.close()
        from edits import told

        return told(result), sorted(result.timings)

    @staticmethod
    def judged(lines: list[str]) -> dict[str, Any]:
        """What the lines of the log show of cells."""
        done: set[str] = set()
        late: set[str] = set()
        again = []
        for line in lines:
            process, what, cell, *called = line.split(" ")
            if what == "begins":
                (late.add if cell in done else late.discard)(process)
            elif what == "done":
                done.add(cell)
                again += [line] if called and process in late else []
        return {"computed again": again, "wrong": [line for line in lines if " wrong " in line]}


def say(*words: object) -> None:
    """A line in the log, written at once and whole: it is there when the process is killed after it."""
    os.write(LOG, (" ".join([str(os.getpid()), *map(str, words)]).replace("\n", " ") + "\n").encode())


LOG = -1


def weft(arguments: list[str], folder: Path) -> Callable[[int, int], int]:
    """What a child does with arguments."""
    from weft.cli import main

    def work(child: int, seed: int) -> int:
        with open(folder / f"said-{child}", "a") as said:
            for number in (1, 2):
                os.dup2(said.fileno(), number)
        return main([*arguments, "--cache", str(folder / "cache"), "--output", str(folder / f"output-{child}")])

    return work


def fork(work: Callable[[int, int], int], child: int, seed: int) -> int:
    process = os.fork()
    if process:
        return process
    code = 99
    try:
        code = work(child, seed)
    except BaseException:
        say("said", traceback.format_exc().replace("\n", " | "))
    sys.stdout.flush()
    os._exit(code)


def slaughter(work: Callable[[int, int], int], chance: Random, kills: int, longest: float) -> dict[str, Any]:
    """Fork, kill and fork again; at the end let them end."""
    killed = ends = 0
    codes: set[int] = set()
    children = {child: fork(work, child, chance.randrange(10**6)) for child in range(PROCESSES)}
    while killed < kills:
        time.sleep(longest * chance.random() ** 2)
        victims = list(children) if chance.random() < 0.2 else [chance.choice(list(children))]
        for child in victims:
            os.kill(children[child], signal.SIGKILL)
        for child in victims:
            code = os.waitstatus_to_exitcode(os.waitpid(children[child], 0)[1])
            killed += code == -signal.SIGKILL
            ends += code == 0
            codes.add(code)
            children[child] = fork(work, child, chance.randrange(10**6))
    signal.alarm(LONGEST_S)
    for process in children.values():
        codes.add(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
    return {"kills": killed, "ends": ends, "codes": sorted(codes - {-signal.SIGKILL})}


def main() -> None:
    """See above."""
    global LOG
    folder, seed, kills, *arguments = sys.argv[1:]
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    LOG = os.open(place / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    toys = None if arguments else Toys(place)
    work = toys.work if toys is not None else weft(arguments, place)
    found = slaughter(work, Random(int(seed)), int(kills), 0.25 if toys is not None else 8.0)
    lines = (place / "log").read_text().splitlines()
    found["said"] = sorted({line.partition(" said ")[2] for line in lines if " said " in line})
    print(json.dumps({**found, **(toys.judged(lines) if toys is not None else {})}))


if __name__ == "__main__":
    main()
