"""Loops as packs make them: a node that ends one expands into a copy of all that lies between its ends."""

# ruff: noqa: RUF012  # as in pack.py
from __future__ import annotations

from typing import Any

from weft.nodes.compat.modules.comfy_execution.graph_utils import GraphBuilder, is_link

from .pack import V1

COUNT = 3
VALUES = {f"value{place}": ("*",) for place in range(COUNT)}
FLOW = ("FLOW", {"rawLink": True})


class Calculate(V1):
    INPUTS = {"required": {"a": ("INT", {}), "b": ("INT", {}), "how": (["add", "subtract"],)}}
    RETURN_TYPES = ("INT",)

    def call(self, a: int, b: int, how: str) -> tuple[int]:
        self.seen((a, b))
        return (a + b if how == "add" else a - b,)


class IsMore(V1):
    INPUTS = {"required": {"a": ("INT", {}), "than": ("INT", {"default": 0})}}
    RETURN_TYPES = ("BOOLEAN",)

    def call(self, a: int, than: int) -> tuple[bool]:
        return (a > than,)


class WhileOpen(V1):
    """Where a round begins."""

    INPUTS = {"required": {"condition": ("BOOLEAN", {"default": True})}, "optional": VALUES}
    RETURN_TYPES = ("FLOW", *["*"] * COUNT)

    def call(self, condition: bool, **values: Any) -> tuple[Any, ...]:
        return ("flow", *(values.get(name) for name in VALUES))


class WhileClose(V1):
    """Where it ends: while the condition holds, it becomes one more round, which ends in itself."""

    INPUTS = {
        "required": {"flow": FLOW, "condition": ("BOOLEAN", {"forceInput": True})},
        "optional": VALUES,
        "hidden": {"graph": "DYNPROMPT", "me": "UNIQUE_ID"},
    }
    RETURN_TYPES = ("*",) * COUNT

    def call(self, flow: list[Any], condition: bool, graph: Any, me: str, **values: Any) -> Any:
        if not condition:
            return tuple(values.get(name) for name in VALUES)
        begin = flow[0]
        takers: dict[str, list[str]] = {}
        stack = [me]
        while stack:
            node_id = stack.pop()
            for value in graph.get_node(node_id)["inputs"].values():
                if is_link(value):
                    if value[0] not in takers:
                        stack.append(value[0])
                    takers.setdefault(value[0], []).append(node_id)
        inside, stack = {begin: None, me: None}, [begin]
        while stack:
            for taker in takers.get(stack.pop(), ()):
                if taker not in inside:
                    inside[taker] = None
                    stack.append(taker)
        more = GraphBuilder()
        for node_id in inside:
            made = more.node(graph.get_node(node_id)["class_type"], "Again" if node_id == me else node_id)
            made.set_override_display_id(node_id)
        for node_id in inside:
            made = more.lookup_node("Again" if node_id == me else node_id)
            assert made is not None
            for name, value in graph.get_node(node_id)["inputs"].items():
                source = more.lookup_node(value[0]) if is_link(value) and value[0] in inside else None
                made.set_input(name, source.out(value[1]) if source is not None else value)
        first, last = more.lookup_node(begin), more.lookup_node("Again")
        assert first is not None
        assert last is not None
        for name in VALUES:
            first.set_input(name, values.get(name))
        return {"result": tuple(last.out(place) for place in range(COUNT)), "expand": more.finalize()}


class ForOpen(V1):
    """Counts down in the first value, which comes by a hidden input from the second round on."""

    INPUTS = {
        "required": {"remaining": ("INT", {"default": 1})},
        "optional": {name: kind for name, kind in VALUES.items() if name != "value0"},
        "hidden": {"value0": ("*",)},
    }
    RETURN_TYPES = ("FLOW", "INT", *["*"] * (COUNT - 1))

    def call(self, remaining: int, value0: Any = None, **values: Any) -> Any:
        graph = GraphBuilder()
        left = remaining if value0 is None else value0
        begin = graph.node("WhileOpen", condition=left, value0=left, **values)
        return {
            "result": ("flow", left, *(begin.out(place) for place in range(2, 1 + COUNT))),
            "expand": graph.finalize(),
        }


class ForClose(V1):
    """The values of a round are links here: the end of the loop inside is to see where they come from."""

    INPUTS = {"required": {"flow": FLOW}, "optional": {name: ("*", {"rawLink": True}) for name in VALUES}}
    RETURN_TYPES = ("*",) * (COUNT - 1)

    def call(self, flow: list[Any], **values: Any) -> Any:
        graph = GraphBuilder()
        left = graph.node("Calculate", a=[flow[0], 1], b=1, how="subtract")
        more = graph.node("IsMore", a=left.out(0), than=0)
        end = graph.node("WhileClose", flow=flow, condition=more.out(0), value0=left.out(0), **values)
        return {"result": tuple(end.out(place) for place in range(1, COUNT)), "expand": graph.finalize()}


def for_loop(rounds: int) -> dict[str, Any]:
    """1, and 2 more in each round: node `c` gives it."""
    return {
        "1": ("Calculate", {"a": 0, "b": 1, "how": "add"}),
        "o": ("ForOpen", {"remaining": rounds, "value1": ["1", 0]}),
        "b": ("Calculate", {"a": ["o", 2], "b": 2, "how": "add"}),
        "c": ("ForClose", {"flow": ["o", 0], "value1": ["b", 0]}),
    }


LOOPS: dict[str, Any] = {
    cls.__name__: cls
    for cls in list(vars().values())
    if isinstance(cls, type) and issubclass(cls, V1) and cls is not V1
}
