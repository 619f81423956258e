"""Random graphs of lists give what the definition of ComfyUI's lists gives: there, every output is a list."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

import weft
from weft import Registry
from weft.engine.values import BLOCKED, ExecutionBlocker, slot_of

from .conftest import graph_of
from .pack import NODE_CLASS_MAPPINGS

Lists = tuple[list[Any], ...]


def called(kind: str, inputs: dict[str, list[Any]]) -> Lists:
    """The outputs of a node, as the definition has it; nothing here is Weft's but the blocker."""
    cls = NODE_CLASS_MAPPINGS[kind]
    whole = getattr(cls, "INPUT_IS_LIST", False)
    count = len(cls.RETURN_TYPES)
    lists = getattr(cls, "OUTPUT_IS_LIST", (False,) * count)
    if whole:
        calls = [inputs]
    elif any(not column for column in inputs.values()):
        return ([],) * count
    else:
        longest = max((len(column) for column in inputs.values()), default=1)
        calls = [{n: column[min(place, len(column) - 1)] for n, column in inputs.items()} for place in range(longest)]
    outputs: Lists = tuple([] for _ in range(count))
    for given in calls:
        values = [value for column in given.values() for value in column] if whole else list(given.values())
        if any(isinstance(value, ExecutionBlocker) for value in values):
            slots: Any = (BLOCKED,) * count
        else:
            slots = cls().call(**given, **({"me": ["0"]} if kind == "Whole" else {}))
        for place, slot in enumerate(slots):
            if lists[place] and not isinstance(slot, ExecutionBlocker):
                outputs[place].extend(slot)
            else:
                outputs[place].append(slot)
    return outputs


def drawn(chance: Random) -> dict[str, tuple[Any, ...]]:
    """A graph of numbers: any value may be a list, and some are blocked."""
    nodes: dict[str, tuple[Any, ...]] = {"0": ("MakeList", {"count": chance.randrange(4)}), "1": ("Make", {"value": 2})}
    sources = [["0", 0], ["1", 0]]
    for number in range(2, 10):
        one, other = chance.choices(sources, k=2)
        kind, inputs = chance.choice(
            (
                ("MakeList", {"count": chance.randrange(5)}),
                *[("Plus", {"a": one, "b": other})] * 2,
                ("Whole", {"a": one}),
                ("Whole", {"a": one, "b": other}),
                ("Pairs", {"a": one}),
                ("Block", {"value": one, "at": chance.randrange(4), "message": chance.choice(("", "no"))}),
            )
        )
        nodes[str(number)] = (kind, inputs)
        sources += [[str(number), slot] for slot in range(len(NODE_CLASS_MAPPINGS[kind].RETURN_TYPES))]
    return nodes


@pytest.mark.parametrize("seed", range(8))
def test_as_defined(registry: Registry, seed: int) -> None:
    chance = Random(seed)
    for _ in range(15):
        nodes = drawn(chance)
        known: dict[str, Lists] = {}
        for node_id, (kind, inputs) in nodes.items():
            given = {n: known[v[0]][v[1]] if isinstance(v, list) else [v] for n, v in inputs.items()}
            known[node_id] = called(kind, given)
        result = weft.run(graph_of(nodes), registry=registry, targets=list(nodes))
        assert dict(result.outputs) == {node_id: tuple(map(slot_of, slots)) for node_id, slots in known.items()}, nodes
