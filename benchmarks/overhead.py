"""What the engine itself costs: CPU microseconds a node, in graphs of nodes that do next to nothing.

    python benchmarks/overhead.py [--json] [--quick]
    python benchmarks/overhead.py --http [--json]
    python benchmarks/overhead.py --ray [--json]

Each figure is the whole of `weft.run` on a dict: parse, validate, plan, execute. Cold: an empty cache; cached: the
same prompt again; changed: the last node's input differs. Exit code 1 where a bound is broken:

* at most 60 us a node from 100 nodes on (ComfyUI: 10,000 us a node at 300 in a chain, and it refuses 989);
* at most 6 ms in all for 10 nodes, where the fixed cost of a run is most of it;
* linear: a node of a graph of 10,000 costs at most twice what one of 1,000 does;
* a round of a loop, a node that expands into another one and itself, costs at most 400 us, and is linear too;
* a chain of 100,000 validates and runs within the same 60 us a node (not within the factor: at that size the
  processor's caches and Python's garbage collector are what grows);
* a list is as linear: its values count as nodes; they are made by one, given to another one by one, to a third at once.

With --http the fan-out of 3,000 nodes goes through `weft serve` to a client: see serving.py. With --ray
cells of a sweep go to a worker of Ray: see spreading.py.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import weft
from weft import MemoryCache, Registry, node
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.sockets import Int, Socket

Number = Annotated[int, Socket("NUMBER")]
Delta = Annotated[int, Int(default=1, min=-1_000_000, max=1_000_000)]
Graph = dict[str, dict[str, Any]]

BOUND_US = 60.0
BOUND_ROUND_US = 400.0
BOUND_SMALL_MS = 6.0
BOUND_GROWTH = 2.0
SIZES = (10, 100, 1_000, 10_000)
LONGEST = 100_000


@node(category="benchmark")
def Start(*, delta: Delta) -> Number:
    return delta


@node(category="benchmark")
def Add(*, a: Number, delta: Delta, b: Number = 0) -> Number:
    return a + b + delta


@node(category="benchmark", output_node=True)
def End(*, a: Number, delta: Delta) -> Number:
    return a + delta


@node(category="benchmark")
def Numbers(*, count: Delta) -> list[Number]:
    return list(range(count))


@node(category="benchmark")
def Sum(*, numbers: list[Number]) -> Number:
    return sum(numbers)


@node(category="benchmark")
def Round(*, a: Number, left: Annotated[int, Int()], graph: GraphBuilder) -> Number:
    if not left:
        return a
    more = graph.add("Add", a=a, delta=1)
    return graph.result(graph.add("Round", a=more[0], left=left - 1)[0])


def chain(size: int) -> Graph:
    """One node after the other."""
    graph: Graph = {"0": {"class_type": "Start", "inputs": {"delta": 1}}}
    for place in range(1, size - 1):
        graph[str(place)] = {"class_type": "Add", "inputs": {"a": [str(place - 1), 0], "delta": place}}
    graph[str(size - 1)] = {"class_type": "End", "inputs": {"a": [str(size - 2), 0], "delta": 0}}
    return graph


def fan_out(size: int) -> Graph:
    """One node that all others take from, each of them an output."""
    graph: Graph = {"0": {"class_type": "Start", "inputs": {"delta": 1}}}
    for place in range(1, size):
        graph[str(place)] = {"class_type": "End", "inputs": {"a": ["0", 0], "delta": place}}
    return graph


def layered(size: int) -> Graph:
    """Square layers, every node taking from two of the layer before; the last layer are outputs."""
    width = math.isqrt(size)
    graph: Graph = {}
    for place in range(size):
        above = place - width
        if above < 0:
            graph[str(place)] = {"class_type": "Start", "inputs": {"delta": place}}
        elif place >= size - width:
            graph[str(place)] = {"class_type": "End", "inputs": {"a": [str(above), 0], "delta": place}}
        else:
            beside = above - above % width + (above + 1) % width
            inputs = {"a": [str(above), 0], "b": [str(beside), 0], "delta": place}
            graph[str(place)] = {"class_type": "Add", "inputs": inputs}
    return graph


def listed(size: int) -> Graph:
    """One list: made, given to a node value by value, taken at once."""
    return {
        "0": {"class_type": "Numbers", "inputs": {"count": size}},
        "1": {"class_type": "Add", "inputs": {"a": ["0", 0], "delta": 1}},
        "2": {"class_type": "Sum", "inputs": {"numbers": ["1", 0]}},
        "3": {"class_type": "End", "inputs": {"a": ["2", 0], "delta": 0}},
    }


def loop(rounds: int) -> Graph:
    """A loop by expansion; a round of it is two nodes."""
    graph: Graph = {"0": {"class_type": "Start", "inputs": {"delta": 1}}}
    graph["1"] = {"class_type": "Round", "inputs": {"a": ["0", 0], "left": rounds}}
    graph["2"] = {"class_type": "End", "inputs": {"a": ["1", 0], "delta": 0}}
    return graph


SHAPES: dict[str, Callable[[int], Graph]] = {
    "chain": chain,
    "fan-out": fan_out,
    "layered": layered,
    "list": listed,
    "loop": loop,
}
NODES = (Start, Add, End, Numbers, Sum, Round)


@contextmanager
def quiet_home() -> Iterator[None]:
    """Run in an empty folder: no weft.toml, no remembered digests of the user's."""
    before, cache = Path.cwd(), os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
            del os.environ["XDG_CACHE_HOME"]
            if cache is not None:
                os.environ["XDG_CACHE_HOME"] = cache


def cpu_seconds(work: Callable[[], Any]) -> float:
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started


def measure(graph: Graph, repeats: int) -> dict[str, float]:
    """Median CPU seconds of a run that is cold, fully cached, and changed in its last node only."""
    registry = Registry().add(NODES)
    last = list(graph)[-1]
    edited = {**graph, last: {**graph[last], "inputs": {**graph[last]["inputs"], "delta": 999_999}}}
    taken: dict[str, list[float]] = {"cold": [], "cached": [], "changed": []}
    for _ in range(repeats):
        cache = MemoryCache()
        for phase, given in (("cold", graph), ("cached", graph), ("changed", edited)):
            taken[phase].append(cpu_seconds(lambda given=given, cache=cache: run(given, registry, cache)))  # type: ignore[misc]
    return {phase: statistics.median(seconds) for phase, seconds in taken.items()}


def run(graph: Graph, registry: Registry, cache: MemoryCache) -> None:
    weft.run(graph, registry=registry, cache=cache)


def rows(sizes: tuple[int, ...], longest: int) -> Iterator[dict[str, Any]]:
    """One row a graph: `us` a node (of a loop: a round) and `ms` in all, for each phase."""
    run(chain(100), Registry().add(NODES), MemoryCache())  # imports are paid here
    for shape, make in SHAPES.items():
        for size in (*sizes, *((longest,) if shape == "chain" and longest else ())):
            repeats = 15 if size <= 100 else 7 if size <= 1_000 else 3
            seconds = measure(make(size), repeats)
            yield {
                "shape": shape,
                "nodes": size,
                "us": {phase: round(taken * 1e6 / size, 2) for phase, taken in seconds.items()},
                "ms": {phase: round(taken * 1e3, 3) for phase, taken in seconds.items()},
            }


def broken_bounds(measured: list[dict[str, Any]]) -> list[str]:
    """What is too slow, a line each."""
    broken = []
    for row in measured:
        for phase, us in row["us"].items():
            place = f"{row['shape']} of {row['nodes']:,}, {phase}"
            bound = BOUND_ROUND_US if row["shape"] == "loop" else BOUND_US
            if row["nodes"] >= 100 and us > bound:
                broken.append(f"{place}: {us} us a node, at most {bound}")
            if row["nodes"] < 100 and row["ms"][phase] > BOUND_SMALL_MS:
                broken.append(f"{place}: {row['ms'][phase]} ms in all, at most {BOUND_SMALL_MS}")
            base = next(
                (other for other in measured if other["shape"] == row["shape"] and other["nodes"] == 1_000), None
            )
            if base is not None and 1_000 < row["nodes"] < LONGEST and us > BOUND_GROWTH * base["us"][phase]:
                broken.append(f"{place}: {us} us a node, at 1,000 nodes {base['us'][phase]}: not linear")
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--quick", action="store_true", help="up to 1,000 nodes only")
    parser.add_argument("--http", action="store_true", help="what weft serve sends a client, and how soon")
    parser.add_argument("--ray", action="store_true", help="what Ray costs a cell of a sweep")
    arguments = parser.parse_args()
    if arguments.ray:
        import spreading

        return int(spreading.report(as_json=arguments.json))
    if arguments.http:
        import serving

        return int(serving.report(as_json=arguments.json))
    sizes, longest = (SIZES[:3], 0) if arguments.quick else (SIZES, LONGEST)
    measured = []
    with quiet_home():
        if not arguments.json:
            print(
                f"{'graph':10}{'nodes':>9}   CPU us a node: {'cold':>7} {'cached':>7} {'changed':>7}   ms in all, cold"
            )
        for row in rows(sizes, longest):
            measured.append(row)
            if not arguments.json:
                us = row["us"]
                numbers = f"{us['cold']:7.1f} {us['cached']:7.1f} {us['changed']:7.1f}"
                print(f"{row['shape']:10}{row['nodes']:>9,}{'':18} {numbers}   {row['ms']['cold']:10.1f}", flush=True)
    broken = broken_bounds(measured)
    if arguments.json:
        print(json.dumps({"python": sys.version.split()[0], "rows": measured, "broken": broken}, indent=2))
    else:
        print("\n".join(broken) or f"within bounds: {BOUND_US:g} us a node, linear")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
