"""Classes that expand, each for one thing that an expansion may be."""

# ruff: noqa: RUF012  # as in pack.py
from __future__ import annotations

from typing import Any

from weft.nodes.compat.modules.comfy_execution.graph_utils import GraphBuilder

from .pack import V1


class Grows(V1):
    """Into two graphs: in one a node for each name, numbered where that is empty, and a single node in the other."""

    INPUTS = {"required": {"a": ("*",), "names": ("STRING", {})}}

    def call(self, a: Any, names: str) -> Any:
        graph, other = GraphBuilder(), GraphBuilder()
        *_, last = [
            graph.node("Make", name or None, value=(a, place)) for place, name in enumerate(names.split(",")[:2])
        ]
        end = other.node("Join", a=[last.id, 0], b=graph.lookup_node("x").out(0))  # type: ignore[union-attr]
        return {"result": (end.out(0),), "expand": graph.finalize() | other.finalize()}


class GrowsElsewhere(V1):
    """Shown by another node of the workflow."""

    INPUTS = {"required": {"a": ("*",), "display": ("STRING", {}), "depth": ("INT", {})}}

    def call(self, a: Any, display: str, depth: int) -> Any:
        graph = GraphBuilder()
        inputs = {"display": "", "depth": depth - 1} if depth else {}
        node = graph.node(
            "GrowsElsewhere" if depth else "Make", "in", **({"a": a} if depth else {"value": a}), **inputs
        )
        if display:
            node.set_override_display_id(display)
        return {"result": (node.out(0),), "expand": graph.finalize()}


class GrowsNamed(V1):
    INPUTS = {"required": {"name": ("STRING", {})}}

    def call(self, name: str) -> Any:
        return {"result": ([name, 0],), "expand": {name: {"class_type": "Make", "inputs": {"value": 1}}}}


class Thing:
    """No plain data."""

    def __repr__(self) -> str:
        return "an object of its own"


class GrowsHidden(V1):
    INPUTS = {"required": {"a": ("INT", {})}}

    def call(self, a: int) -> Any:
        graph = GraphBuilder()
        made = graph.node("Make", "made", value=a)
        return {"result": (graph.node("Hidden", "in", a=a, beside=made.out(0)).out(0),), "expand": graph.finalize()}


class GrowsObject(V1):
    INPUTS = {"optional": {"number": ("INT", {"default": 0})}}

    def call(self, number: int = 0) -> Any:
        graph = GraphBuilder()
        first = graph.node("Make", value=Thing())
        return {"result": (graph.node("Text", a=first.out(0)).out(0),), "expand": graph.finalize()}


class Text(V1):
    INPUTS = {"required": {"a": ("*",)}}

    def call(self, a: Any) -> tuple[str]:
        if isinstance(a, Thing):
            self.seen(a)
        return (str(a),)


class Mapped(V1):
    INPUTS = {"required": {"a": ("*",)}}

    def call(self, a: Any) -> tuple[Any]:
        self.seen(a)
        return (a,)


class NotIdempotent(Mapped):
    """Two of them are two, whatever they are given."""

    NOT_IDEMPOTENT = True


class AddsTwo(V1):
    """Fails for the value that the test says."""

    INPUTS = {"required": {"a": ("*",)}}
    fails_at: int | None = None

    def call(self, a: int) -> tuple[int]:
        if a == self.fails_at:
            raise RuntimeError(f"not {a}")
        self.seen(a)
        return (a + 2,)


class GrowsShown(V1):
    """An output node, with one inside."""

    INPUTS = {"required": {"a": ("INT", {})}}
    OUTPUT_NODE = True

    def call(self, a: int) -> Any:
        graph = GraphBuilder(prefix="mine.")
        made = graph.node("Make", "made", value=a)
        graph.node("Show", value=made.out(0))
        return {"result": (made.out(0),), "expand": graph.finalize()}


class GrowsRound(V1):
    """Into two nodes, each of which takes from the other."""

    INPUTS = {"required": {"a": ("*",)}}

    def call(self, a: Any) -> Any:
        graph = GraphBuilder()
        one = graph.node("Join", a=a)
        other = graph.node("Join", a=a, b=one.out(0))
        one.set_input("b", other.out(0))
        return {"result": (other.out(0),), "expand": graph.finalize()}


class GrowsRoundLazily(V1):
    """Into a node that asks for a value which waits for this one."""

    INPUTS = {"required": {"a": ("*",)}, "hidden": {"me": "UNIQUE_ID"}}

    def call(self, a: Any, me: str) -> Any:
        graph = GraphBuilder()
        inner = graph.node("Mix", a=[me, 0], b=2, share=0.0)
        return {"result": (inner.out(0),), "expand": graph.finalize()}


GROWN: dict[str, Any] = {
    cls.__name__: cls
    for cls in list(vars().values())
    if isinstance(cls, type) and issubclass(cls, V1) and cls is not V1
}
