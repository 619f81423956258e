"""Lazy inputs: what a node asks for runs, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import pytest

import weft
from weft import MemoryCache, NodeError, Registry, RunResult, node
from weft.engine import events
from weft.engine.cache.protocol import NoCache
from weft.engine.errors import DefinitionError
from weft.engine.links import Link
from weft.engine.schema.authoring import Lazy, RawLink, read_function
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.sockets import Boolean, Int, Socket
from weft.engine.session import Session

Number = Annotated[int, Socket("NUMBER")]
LazyNumber = Annotated[int, Socket("NUMBER"), Lazy()]
NumberLink = Annotated[Link, Socket("NUMBER"), RawLink()]
Graph = dict[str, dict[str, Any]]


class Seen:
    """What the nodes of a test did, and what they were asked with."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.asked: list[dict[str, Any]] = []


def classes(seen: Seen) -> list[Any]:
    def chosen(inputs: Mapping[str, Any]) -> list[str]:
        seen.asked.append(dict(inputs))
        return ["on_true" if inputs["switch"] else "on_false"]

    def one_by_one(inputs: Mapping[str, Any]) -> Iterable[str]:
        seen.asked.append(dict(inputs))
        return [name for name, value in inputs.items() if value is None][:1]

    def whatever(inputs: Mapping[str, Any]) -> list[str]:
        return {1: ["number"], 2: ["b"], 3: ["strange"]}[inputs["number"]]

    @node(category="test")
    def Make(*, number: Annotated[int, Int()] = 0) -> Number:
        seen.called.append(f"make {number}")
        return number

    @node(category="test")
    def Add(*, a: Number, by: Annotated[int, Int()]) -> Number:
        seen.called.append(f"add {by}")
        return a + by

    @node(category="test", lazy=chosen)
    def Switch(
        *, switch: Annotated[bool, Boolean()], on_true: LazyNumber = -1, on_false: LazyNumber = -1
    ) -> Annotated[Any, Socket("*")]:
        seen.called.append("switch")
        return on_true if switch else on_false

    @node(category="test", lazy=one_by_one)
    def All(*, a: LazyNumber, b: LazyNumber, c: Number = 0) -> Number:
        seen.called.append("all")
        return a * 100 + b * 10 + c

    @node(category="test", lazy=whatever)
    def Odd(*, number: Annotated[int, Int()], a: LazyNumber, b: LazyNumber = 7) -> Annotated[Any, Socket("*")]:
        return a

    @node(category="test")
    def Into(*, a: NumberLink, switch: Annotated[bool, Boolean()], graph: GraphBuilder) -> Number:
        """Expands into a switch, of which one side is a link from outside and the other a node inside."""
        inside = graph.add("Make", number=30)
        return graph.result(graph.add("Switch", switch=switch, on_true=a, on_false=inside[0])[0])

    @node(category="test")
    def Remember(*, a: NumberLink) -> Annotated[Any, Socket("MEMO")]:
        return a

    @node(category="test")
    def Recall(*, memo: Annotated[Any, Socket("MEMO")], after: Number, graph: GraphBuilder) -> Number:
        return graph.result(graph.add("Add", a=memo, by=0)[0])

    return [Make, Add, Switch, All, Odd, Into, Remember, Recall]


def step(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


SWITCH: Graph = {
    "1": step("Make", number=1),
    "2": step("Add", a=["1", 0], by=1),
    "3": step("Make", number=3),
    "4": step("Add", a=["3", 0], by=1),
    "s": step("Switch", switch=True, on_true=["2", 0], on_false=["4", 0]),
}


class Runner:
    def __init__(self) -> None:
        self.seen = Seen()
        self.registry = Registry().add(classes(self.seen))
        self.cache = MemoryCache()
        self.events: list[events.Event] = []

    def __call__(self, graph: Graph, *targets: str, cached: bool = False) -> RunResult:
        self.seen.called.clear()
        self.seen.asked.clear()
        self.events.clear()
        cache = self.cache if cached else NoCache()
        observers = [self.events.append]
        return weft.run(graph, targets=targets or ["s"], registry=self.registry, observers=observers, cache=cache)


@pytest.fixture
def run() -> Runner:
    return Runner()


def switched(on: bool) -> Graph:
    return SWITCH | {"s": step("Switch", switch=on, on_true=["2", 0], on_false=["4", 0])}


def test_only_what_is_asked_for_runs(run: Runner) -> None:
    assert run(switched(True))["s"] == (2,)
    assert run.seen.called == ["make 1", "add 1", "switch"]
    assert run.seen.asked == [
        {"switch": True, "on_true": None, "on_false": None},
        {"switch": True, "on_true": 2, "on_false": None},
    ]
    assert run(switched(False))["s"] == (4,)
    assert run.seen.called == ["make 3", "add 1", "switch"]


def test_a_node_starts_once_what_it_asked_for_is_there(run: Runner) -> None:
    run(switched(True))
    told = [(type(event).__name__, getattr(event, "node_id", "")) for event in run.events]
    assert told == [
        ("RunStarted", ""),
        ("NodeAsked", "s"),
        *[(kind, node_id) for node_id in ("1", "2", "s") for kind in ("NodeStarted", "NodeFinished")],
        ("RunFinished", ""),
    ]
    asked = run.events[1]
    assert isinstance(asked, events.NodeAsked)
    assert (asked.nodes, asked.cached) == (("1", "2"), ())


def test_it_is_asked_until_nothing_is_missing(run: Runner) -> None:
    graph = SWITCH | {"s": step("All", b=["4", 0], a=["2", 0], c=["1", 0])}
    assert run(graph)["s"] == (241,)
    assert run.seen.asked == [
        {"b": None, "a": None, "c": 1},
        {"b": 4, "a": None, "c": 1},
        {"b": 4, "a": 2, "c": 1},
    ]
    assert run.seen.called[-1] == "all"
    assert sorted(run.seen.called) == ["add 1", "add 1", "all", "make 1", "make 3"], "each ran once"


def test_the_plan_says_what_may_run(run: Runner) -> None:
    session = Session(registry=run.registry)
    plan = session.plan(session.read(SWITCH), ["s"])
    assert ([each.node_id for each in plan.steps], plan.deferred, plan.pruned) == (["s"], ("1", "2", "3", "4"), ())
    assert "if need be: 1, 2, 3, 4" in str(plan)


def test_a_warm_cache_needs_none_of_it(run: Runner) -> None:
    run(switched(True), cached=True)
    assert run(switched(True), cached=True)["s"] == (2,)
    assert (run.seen.called, run.seen.asked) == ([], [])


def test_what_a_lazy_input_comes_from_is_in_the_key(run: Runner) -> None:
    run(switched(True), cached=True)
    other = switched(True) | {"3": step("Make", number=33)}
    assert run(other, cached=True)["s"] == (2,)
    assert run.seen.called == ["switch"], "an input that it did not ask for: that shows only when it ran"


def test_what_is_there_is_taken_even_if_it_is_lazy(run: Runner) -> None:
    run(SWITCH, "4", cached=True)
    assert run(switched(True), cached=True)["s"] == (2,)
    assert run.seen.asked[0] == {"switch": True, "on_true": None, "on_false": 4}, "from the cache"
    run(switched(False), "2", "s")
    assert run.seen.asked[0] == {"switch": False, "on_true": 2, "on_false": None}, "computed in this run"
    assert run.seen.called == ["make 1", "add 1", "make 3", "add 1", "switch"]


def test_a_constant_is_there(run: Runner) -> None:
    assert run({"1": step("Make"), "s": step("Odd", number=1, a=["1", 0])})["s"] == (None,), "it did not ask for a"
    assert run.seen.called == []


@pytest.mark.parametrize(("number", "name"), [(2, "b"), (3, "strange")])
def test_an_input_that_was_not_given_cannot_be_asked_for(run: Runner, number: int, name: str) -> None:
    with pytest.raises(NodeError) as caught:
        run({"1": step("Make"), "s": step("Odd", number=number, a=["1", 0])})
    assert (caught.value.node_id, caught.value.class_type) == ("s", "Odd")
    assert f"it asks for its input {name!r}, which it was not given" in caught.value.message


def test_what_the_function_raises_is_the_node_s_error(run: Runner) -> None:
    with pytest.raises(NodeError, match="KeyError: 4") as caught:
        run({"1": step("Make"), "s": step("Odd", number=4, a=["1", 0])})
    assert caught.value.node_id == "s"
    assert "whatever" in caught.value.author_traceback
    assert [type(event).__name__ for event in run.events] == ["RunStarted", "NodeFailed", "RunFinished"]


def test_a_chain_of_lazy_nodes(run: Runner) -> None:
    """Each asks for the one before, so the last is asked first; nothing is planned twice for that."""
    size = 300
    graph = {"0": step("Make", number=5), "no": step("Make", number=6)}
    for place in range(1, size):
        graph[str(place)] = step("Switch", switch=True, on_true=[str(place - 1), 0], on_false=["no", 0])
    assert run(graph, str(size - 1))[str(size - 1)] == (5,)
    assert run.seen.called == ["make 5", *["switch"] * (size - 1)]
    assert len(run.seen.asked) == 2 * (size - 1)


@pytest.mark.parametrize(("switch", "given", "called"), [(True, 1, ["make 1"]), (False, 30, ["make 30"])])
def test_inside_an_expansion(run: Runner, switch: bool, given: int, called: list[str]) -> None:
    graph = {"1": step("Make", number=1), "s": step("Into", a=["1", 0], switch=switch)}
    assert run(graph)["s"] == (given,)
    assert run.seen.called == [*called, "switch"]


def test_what_is_there_is_taken_inside_an_expansion_too(run: Runner) -> None:
    graph = {"1": step("Make", number=1), "s": step("Into", a=["1", 0], switch=False)}
    run(graph, "1", cached=True)
    assert run(graph, cached=True)["s"] == (30,)
    assert run.seen.asked[0] == {"switch": False, "on_true": 1, "on_false": None}
    assert run.seen.called == ["make 30", "switch"]


def test_a_node_that_runs_again_is_asked_again(run: Runner) -> None:
    """Its outputs were let go: what links to it inside an expansion came by a value."""
    graph = switched(True) | {
        "kept": step("Remember", a=["s", 0]),
        "by": step("Add", a=["s", 0], by=5),
        "r": step("Recall", memo=["kept", 0], after=["by", 0]),
    }
    assert run(graph, "r")["r"] == (2,)
    assert run.seen.called.count("switch") == 2
    assert [asked["on_true"] for asked in run.seen.asked] == [None, 2, None, 2]


def test_a_branch_that_several_ask_for_runs_once(run: Runner) -> None:
    graph = switched(True) | {"t": step("Switch", switch=False, on_true=["4", 0], on_false=["2", 0])}
    result = run(graph, "s", "t")
    assert (result["s"], result["t"]) == ((2,), (2,))
    assert run.seen.called == ["make 1", "add 1", "switch", "switch"]


def test_the_function_may_be_a_coroutine_function(run: Runner) -> None:
    async def later(inputs: Mapping[str, Any]) -> list[str]:
        await asyncio.sleep(0)
        return ["a"] if inputs["a"] is None else []

    @node(category="test", lazy=later)
    def Later(*, a: LazyNumber, b: LazyNumber = 0) -> Number:
        return a

    run.registry.add([Later])
    assert run(switched(True) | {"l": step("Later", a=["2", 0], b=["4", 0])}, "l")["l"] == (2,)
    assert run.seen.called == ["make 1", "add 1"]


def test_a_lazy_input_needs_a_function() -> None:
    with pytest.raises(DefinitionError, match="parameter 'a' is lazy") as caught:

        @node(category="test")
        def Never(*, a: LazyNumber) -> Number: ...

        read_function(Never)
    assert "lazy=" in caught.value.hint


def test_the_editor_is_told(run: Runner) -> None:
    info = run.registry["Switch"].to_object_info()
    assert info["input"]["optional"]["on_true"] == ["NUMBER", {"lazy": True}]
