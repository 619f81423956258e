"""Coroutine nodes overlap, plain ones run as before; whatever happens to one, nothing of the others is left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Annotated, Any

import pytest

import weft
from weft import MemoryCache, NodeError, Registry, node
from weft.engine import events
from weft.engine.cancel import CancelToken
from weft.engine.context import RunContext
from weft.engine.errors import Interrupted
from weft.engine.events import Event
from weft.engine.schema.authoring import UI
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.sockets import Int, Socket

Number = Annotated[int, Int()]
Value = Annotated[Any, Socket("VALUE")]


class World:
    """What the nodes of a test did, in order, and who meets whom."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.met: asyncio.Barrier | None = None
        self.threads: set[int] = set()


@pytest.fixture
def world() -> Iterator[World]:
    yield World()


def registry(world: World) -> Registry:
    @node(category="test")
    async def Meet(*, number: Number, a: Value = 0) -> Value:
        """Goes on when as many as `number` are here: would they not overlap, none would."""
        world.threads.add(threading.get_ident())
        world.met = world.met or asyncio.Barrier(number % 10)
        await world.met.wait()
        return number + a

    @node(category="test")
    async def Wait(*, number: Number, context: RunContext) -> Value:
        try:
            world.told.append(f"wait {number}")
            context.cancel("enough") if number == 7 else None
            await asyncio.Event().wait()
        finally:
            world.told.append(f"left {number}")

    @node(category="test")
    async def Fail(*, number: Number) -> Value:
        await asyncio.sleep(0)
        raise ValueError(f"no {number}")

    @node(category="test")
    def Plain(*, number: Number, a: Value = 0) -> Value:
        world.told.append(f"plain {number}")
        return number + a

    @node(category="test", output_node=True)
    async def Say(*, a: Value, context: RunContext) -> UI:
        context.warn("hm")
        await asyncio.sleep(0)
        return UI(text=[str(a)])

    @node(category="test")
    def Grow(*, number: Number, graph: GraphBuilder) -> Value:
        first = graph.add("Meet", number=1)
        return graph.result(graph.add("Plain", number=number, a=first[0])[0])

    class V1:
        RETURN_TYPES = ("VALUE", "VALUE")
        FUNCTION = "run"

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {"required": {"a": ("VALUE",)}}

        async def run(self, a: int) -> tuple[int, int]:
            await asyncio.sleep(0)
            return a, -a

    return Registry().add([Meet, Wait, Fail, Plain, Say, Grow]).add({"V1": V1})


def step(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def test_coroutines_overlap_in_this_thread(world: World) -> None:
    prompt = {str(place): step("Meet", number=10 * place + 3) for place in range(3)}
    prompt["sum"] = step("Plain", number=1, a=["2", 0])
    prompt["say"] = step("Say", a=["sum", 0])
    prompt["v1"] = step("V1", a=["1", 0])
    seen: list[Event] = []
    result = weft.run(prompt, registry=registry(world), targets=["0", "1", "v1"], observers=[seen.append])
    assert [result[node_id] for node_id in ("0", "1", "v1")] == [(3,), (13,), (13, -13)]
    assert result.ui == {"say": {"text": ["24"]}}
    assert result.warnings == (("say", "hm"),)
    assert world.threads == {threading.get_ident()}
    assert set(result.timings) == {*prompt}
    names = [type(event).__name__ for event in seen]
    assert names.count("NodeStarted") == names.count("NodeFinished") == 6
    assert names[:4] == ["RunStarted", "NodeStarted", "NodeStarted", "NodeStarted"]


def test_the_cache_serves_them(world: World) -> None:
    cache, nodes = MemoryCache(), registry(world)
    prompt = {"1": step("Meet", number=1), "2": step("Plain", number=1, a=["1", 0])}
    assert weft.run(prompt, registry=nodes, targets=["2"], cache=cache)["2"] == (2,)
    again = weft.run(prompt, registry=nodes, targets=["2"], cache=cache)
    assert (again["2"], again.cached, again.timings) == ((2,), ("2",), {})


def test_a_failure_stops_the_others(world: World) -> None:
    prompt = {"1": step("Wait", number=1), "2": step("Fail", number=2), "3": step("Plain", number=3)}
    cache = MemoryCache()
    with pytest.raises(NodeError, match="ValueError: no 2") as caught:
        weft.run(prompt, registry=registry(world), targets=["1", "2", "3"], cache=cache)
    assert caught.value.node_id == "2"
    assert "in Fail" in caught.value.author_traceback
    assert "weft/engine" not in caught.value.author_traceback
    assert world.told[-1] == "left 1"
    assert (len(cache), "plain 3" in world.told) == (1, True), "what had finished is kept"


def test_what_is_done_is_kept_when_another_fails(world: World) -> None:
    """A coroutine that has ended while a plain node was called."""
    cache, nodes = MemoryCache(), registry(world)

    @node(category="test")
    def Late(*, number: Number) -> Value:
        raise ValueError(f"no {number}")

    prompt = {"1": step("Meet", number=1), "2": step("Late", number=2)}
    with pytest.raises(NodeError, match="no 2"):
        weft.run(prompt, registry=nodes.add([Late]), targets=["1", "2"], cache=cache)
    assert weft.run({"1": prompt["1"]}, registry=nodes, targets=["1"], cache=cache).cached == ("1",)


def test_a_node_that_is_cancelled_by_what_it_waits_for_failed(world: World) -> None:
    @node(category="test")
    async def Lost(*, number: Number) -> Value:
        inner = asyncio.ensure_future(asyncio.Event().wait())
        asyncio.get_running_loop().call_soon(inner.cancel)
        return int(await inner)

    with pytest.raises(NodeError, match="what it waited for was cancelled") as caught:
        weft.run({"1": step("Lost", number=1)}, registry=registry(world).add([Lost]), targets=["1"])
    assert caught.value.node_id == "1"


@pytest.mark.parametrize("by", ["the node", "a thread"])
def test_a_run_that_waits_is_cancelled(by: str, world: World) -> None:
    token = CancelToken()
    seen: list[Event] = []

    def watch(event: Event) -> None:
        seen.append(event)
        if by == "a thread" and isinstance(event, events.NodeStarted):
            threading.Timer(0.01, token.cancel, ["enough"]).start()

    prompt = {"1": step("Wait", number=7 if by == "the node" else 1), "2": step("Wait", number=2)}
    with pytest.raises(Interrupted, match="enough"):
        weft.run(prompt, registry=registry(world), targets=["1", "2"], observers=[watch], cancel=token)
    assert sorted(world.told) == sorted(
        [entry for entry in world.told if entry.startswith("wait")]
        + [entry.replace("wait", "left") for entry in world.told if entry.startswith("wait")]
    )
    finished = seen[-1]
    assert isinstance(finished, events.RunFinished)
    assert finished.status == "interrupted"


def test_one_that_an_expansion_brings_needs_no_other_driver(world: World) -> None:
    prompt = {"1": step("Grow", number=5)}
    assert weft.run(prompt, registry=registry(world), targets=["1"])["1"] == (6,)


def test_within_a_loop(world: World) -> None:
    """As in a notebook: the run has a loop of its own, in a thread."""

    async def cell() -> Any:
        return weft.run({"1": step("Meet", number=1)}, registry=registry(world), targets=["1"])

    assert asyncio.run(cell())["1"] == (1,)
    assert threading.get_ident() not in world.threads


def test_those_that_an_expansion_brings_overlap_too(world: World) -> None:
    @node(category="test")
    def Many(*, graph: GraphBuilder) -> tuple[Value, Value]:
        links = [graph.add("Meet", number=10 * place + 2)[0] for place in range(2)]
        return graph.result(*links)

    nodes = registry(world).add([Many])
    assert weft.run({"1": step("Many")}, registry=nodes, targets=["1"])["1"] == (2, 12)


def test_they_are_started_before_what_is_called(world: World) -> None:
    """While the first one waits, the plain node is called: in the order of the plan it came first."""

    @node(category="test")
    async def Early(*, number: Number) -> Value:
        world.told.append("early begins")
        while "plain 1" not in world.told:
            await asyncio.sleep(0)
        world.told.append("early ends")
        return number

    prompt = {"1": step("Plain", number=1), "2": step("Early", number=2), "3": step("Plain", number=3, a=["1", 0])}
    weft.run(prompt, registry=registry(world).add([Early]), targets=["3", "2"])
    assert world.told == ["early begins", "plain 1", "early ends", "plain 3"]
