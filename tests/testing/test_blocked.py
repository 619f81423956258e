"""What is blocked has not been looked at: an assertion of it does not hold, and a node was not called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated, Any

import weft
from weft import ExecutionBlocker, MemoryCache, Registry, node
from weft.engine.schema.sockets import Int, Socket
from weft.engine.testing.assertions import CHECKS
from weft.engine.testing.running import unmade

Thing = Annotated[Any, Socket("*")]


@node(category="test")
def Blocked(*, some: Annotated[int, Int()] = 0) -> list[Thing]:
    return [*range(some), ExecutionBlocker("why")]


@node(category="test", output_node=True)
def AssertThing(*, thing: Thing) -> None:
    pass


REGISTRY = Registry().add([Blocked, AssertThing])


def test_an_assertion_that_is_not_made_does_not_hold() -> None:
    graph = {
        "1": {"class_type": "Blocked", "inputs": {"some": 2}},
        "2": {"class_type": "AssertThing", "inputs": {"thing": ["1", 0]}},
    }
    cache = MemoryCache()
    for _ in range(2):
        result = weft.run(graph, registry=REGISTRY, cache=cache)
        assert unmade(result, ()) == {}
        (verdict,) = unmade(result, ("AssertThing",)).values()
        assert (verdict.node_id, verdict.state) == ("2", "failed")
        assert verdict.message == "what it looks at is blocked: 1 of its calls were not made"


def test_what_is_blocked_was_not_executed() -> None:
    run = SimpleNamespace(seconds={"1": 0.0, "2": 0.0}, blocked={"2"})
    told = {node_id: CHECKS["executed"].holds(SimpleNamespace(node_id=node_id, run=run), True) for node_id in "123"}
    assert told == {
        "1": (True, "it ran"),
        "2": (False, "it was not called: an input is blocked"),
        "3": (False, "it did not run"),
    }
