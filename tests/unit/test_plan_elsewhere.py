"""A plan made in one process runs in another, as often as one likes; neither needs torch."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import weft

NODES = """
from typing import Annotated, Any

from weft import Registry, node
from weft.engine.schema.authoring import RawLink
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.sockets import Int, Socket

Number = Annotated[int, Int()]
Value = Annotated[Any, Socket("VALUE")]
called = []


@node(category="test")
def Make(*, number: Number) -> Value:
    called.append(f"make {number}")
    return number


@node(category="test")
def Add(*, a: Value, number: Number) -> Value:
    called.append(f"add {number}")
    return a + number


@node(category="test")
def Twice(*, a: Annotated[Any, Socket("VALUE"), RawLink()], graph: GraphBuilder) -> Value:
    called.append("twice")
    return graph.result(graph.add("Add", a=graph.add("Add", a=a, number=1)[0], number=2)[0])


REGISTRY = Registry().add([Make, Add, Twice])
"""

ELSEWHERE = """
import json, pickle, sys
import toy_nodes
from weft import Session

plan = pickle.loads(sys.stdin.buffer.read())
text = str(plan)
session = Session(registry=toy_nodes.REGISTRY)
found = [session.execute(plan) for _ in range(2)]
print(json.dumps({
    "values": [list(result.outputs.items()) for result in found],
    "cached": [result.cached for result in found],
    "warnings": [result.warnings for result in found],
    "called": toy_nodes.called,
    "same": text == str(plan),
    "heavy": [name for name in ("torch", "numpy") if name in sys.modules],
}))
"""

PROMPT: dict[str, Any] = {
    "1": {"class_type": "Make", "inputs": {"number": 1}},
    "2": {"class_type": "Add", "inputs": {"a": ["1", 0], "number": 10}},
    "3": {"class_type": "Twice", "inputs": {"a": ["2", 0]}},
    "4": {"class_type": "Add", "inputs": {"a": ["3", 0], "number": 100}},
}


@pytest.fixture
def toys(tmp_path: Path) -> Any:
    """The module of the nodes, which both processes can import."""
    (tmp_path / "toy_nodes.py").write_text(NODES)
    spec = importlib.util.spec_from_file_location("toy_nodes", tmp_path / "toy_nodes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_nodes"] = module  # annotations are read there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["toy_nodes"]


def elsewhere(plan: Any, folder: Path) -> dict[str, Any]:
    import json

    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        input=pickle.dumps(plan),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("warm", [False, True])
def test_a_plan_runs_in_another_process(warm: bool, toys: Any, tmp_path: Path) -> None:
    """Also one with hits in a memory that is not that process's: they are misses there."""
    session = weft.Session(registry=toys.REGISTRY, cache=weft.MemoryCache())
    prompt = session.read(PROMPT)
    if warm:
        session.execute(session.plan(prompt, ["2", "3"]))
    plan = session.plan(prompt, ["4"])
    assert [step.node_id for step in plan.steps if step.cached] == (["3"] if warm else [])
    found = elsewhere(plan, tmp_path)
    assert found["values"] == [[["4", [114]]]] * 2
    once = ["make 1", "add 10", "twice", "add 1", "add 2", "add 100"]
    assert sorted(found["called"]) == sorted(once * 2)
    assert (found["same"], found["heavy"]) == (True, [])
    assert (found["cached"], found["warnings"]) == ([[], []], [[], []])
    assert session.execute(plan)["4"] == (114,), "and it still runs here"


def test_it_comes_back_equal(toys: Any) -> None:
    session = weft.Session(registry=toys.REGISTRY)
    plan = session.plan(session.read(PROMPT), ["4"])
    again = pickle.loads(pickle.dumps(plan))
    assert again == plan == session.plan(session.read(PROMPT), ["4"])
    assert (str(again), again.to_json()) == (str(plan), plan.to_json())
    other = {**PROMPT, "4": {"class_type": "Add", "inputs": {"a": ["3", 0], "number": 101}}}
    assert session.plan(session.read(other), ["4"]) != plan
