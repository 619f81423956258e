"""Each transition alone, and all of them at random: after every one, its invariants hold."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.engine.cache.memory import MemoryCache
from weft.engine.cache.protocol import CacheKey, Entry
from weft.engine.folders import Folders
from weft.engine.links import Link
from weft.engine.planning.digests import Digests
from weft.engine.planning.plan import Known, Origin, Plan, Planner, Step
from weft.engine.running.call import Expansion, is_there
from weft.engine.running.growth import BadExpansion, again, ask, grow
from weft.engine.running.mapping import joined
from weft.engine.running.state import NOTHING, Growth, RunState
from weft.engine.schema.authoring import Lazy, RawLink, node
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Int, Socket
from weft.engine.workflow.prompt import Prompt

Value = Annotated[Any, Socket("VALUE")]


@node(category="test", lazy=lambda inputs: ())
def Node(
    *,
    number: Annotated[int, Int()],
    a: Value = None,
    b: Value = None,
    lent: Annotated[Link, Socket("VALUE"), RawLink()] | None = None,
    lazy: Annotated[Any, Socket("VALUE"), Lazy()] = None,
    more: Annotated[Any, Socket("VALUE"), Lazy()] = None,
) -> Value: ...


@node(category="test", output_node=True)
def End(*, number: Annotated[int, Int()], a: Value) -> Value: ...


REGISTRY = Registry().add([Node, End])
SCHEMA = REGISTRY["Node"]


def step(node_id: str, *needs: str, lent: tuple[str, ...] = (), origin: Origin | None = None) -> Step:
    return Step(node_id, node_id, SCHEMA, {}, CacheKey(node_id.encode()), "1", (*needs, *lent), needs, origin=origin)


def plan(*steps: Step, keep: tuple[str, ...] = ()) -> Plan:
    nodes = {each.node_id: Known(each.node_id, SCHEMA, {}, (), each.key, "1", {}) for each in steps}
    return Plan(steps, frozenset(keep), nodes=nodes)


def state(*steps: Step, keep: tuple[str, ...] = ()) -> RunState:
    return RunState.of(plan(*steps, keep=keep))


def started(state: RunState) -> list[str]:
    """Start all that is ready."""
    found = []
    while (each := state.start()) is not None:
        found.append(each.node_id)
        held(state)
    return found


def done(state: RunState, *node_ids: str) -> None:
    for node_id in node_ids:
        state.finish(node_id, Entry((node_id,)))
        held(state)


def held(state: RunState, failed: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """Assert the invariants."""
    ready = {state.place[rank] for rank in state.ready if rank in state.place}
    assert {state.rank[node_id]: node_id for node_id in state.steps.keys() - state.running} == state.place
    assert state.steps.keys() == ready | state.running | state.blocked.keys(), "1"
    assert len(state.steps) == len(ready) + len(state.running) + len(state.blocked), "1"
    missing: Counter[tuple[str, str]] = Counter()
    links: Counter[str] = Counter()
    for node_id, each in state.steps.items():
        join = state.expanded.get(node_id)
        needs = each.needs if join is None else join.parents
        links.update(each.parents if join is None else join.parents)
        lacks = [need for need in needs if need not in state.outputs]
        missing.update((need, node_id) for need in lacks)
        assert len(lacks) == state.blocked.get(node_id, 0), "2"
        assert all(need in state.steps or need in failed for need in lacks), "2"
    takers = Counter((need, taker) for need, each in state.takers.items() for taker in each)
    assert takers == missing, "2"
    assert links == Counter({node_id: count for node_id, count in state.waiting.items() if count}), "3"
    assert all(state.waiting[node_id] or node_id in state.keep for node_id in state.outputs), "4"
    assert state.expanded.keys() <= state.steps.keys()


def test_what_takes_nothing_is_ready_in_the_order_of_the_plan() -> None:
    run = state(step("1"), step("2", "1"), step("3"))
    held(run)
    assert started(run) == ["1", "3"]
    assert (run.running, run.blocked) == ({"1", "3"}, {"2": 1})


def test_starting_takes_the_first_in_order_whatever_became_ready_last() -> None:
    run = state(step("1"), step("2", "1"), step("3"))
    assert run.start() == run.steps["1"]
    done(run, "1")
    assert started(run) == ["2", "3"]
    assert run.start() is None


def test_finish() -> None:
    run = state(step("1"), step("2", "1", "1"), step("3", "2"), keep=("3",))
    assert run.start() is not None
    done(run, "1")
    assert (run.outputs, run.waiting["1"]) == ({"1": ("1",)}, 2)
    started(run)
    done(run, "2")
    assert run.outputs == {"2": ("2",)}, "what nobody waits for is let go"
    started(run)
    done(run, "3")
    assert (run.outputs, run.steps, run.running) == ({"3": ("3",)}, {}, set())


def test_what_nobody_takes_is_not_kept() -> None:
    run = state(step("1"))
    started(run)
    run.finish("1", Entry((1,), {"text": ["a"]}, (Path("f"),)))
    assert (run.outputs, run.shown["1"]) == ({}, Entry((), {"text": ["a"]}, (Path("f"),)))


def test_fail() -> None:
    run = state(step("1"), step("2", "1"), step("3", "2"))
    started(run)
    done(run, "1")
    started(run)
    run.fail("2")
    held(run, {"2"})
    assert (run.outputs, run.start(), run.blocked) == ({}, None, {"3": 1})


def test_a_lent_link_blocks_nothing_and_keeps_what_it_leads_to() -> None:
    run = state(step("1"), step("2", "1"), step("3", lent=("1",)), keep=("2",))
    assert [run.start(), run.start()] == [run.steps["1"], run.steps["3"]]
    done(run, "1")
    started(run)
    done(run, "2")
    assert "1" in run.outputs, "3 may pass it on"
    run.fail("3")
    assert "1" not in run.outputs


def test_expand() -> None:
    run = state(step("1"), step("2"), step("3", "1"), keep=("3",))
    assert run.start() is not None
    inside = plan(step("1.a"), step("1.b", "1.a", origin=Origin("1", "1", "1")))
    growth = Growth(inside, {b"1.a": "1.a"}, (Link("1.b", 0), 7), ("1.b",), Entry((), {"text": ["own"]}))
    run.expand("1", growth)
    held(run)
    assert (run.steps.keys(), run.blocked) == ({"1", "2", "3", "1.a", "1.b"}, {"1": 1, "3": 1, "1.b": 1})
    assert run.start() == run.steps["1.a"], "what is inside comes before the rest of the plan"
    done(run, "1.a")
    assert run.start() == run.steps["1.b"]
    run.finish("1.b", Entry(("b",), {"text": ["inner"]}))
    held(run)
    assert run.start() == run.steps["1"], "and it is ready again, to gather its outputs"
    assert run.outputs == {"1.b": ("b",)}
    assert run.expanded["1"].ui == {"text": ["own", "inner"]}
    done(run, "1")
    assert (run.outputs, run.expanded) == ({"1": ("1",)}, {})
    assert started(run) == ["2", "3"]
    assert {"1.a", "1.b"} <= run.nodes.keys()


def test_an_expansion_takes_over_a_step_of_the_plan() -> None:
    run = state(step("1"), step("2"), step("3"), step("4", "3"), keep=("4",))
    assert run.start() is not None
    run.expand("1", Growth(plan(step("3"), step("1.a", "3")), {}, (), ("1.a",)))
    held(run)
    assert run.start() == run.steps["3"], "it is wanted earlier"
    done(run, "3")
    assert started(run) == ["1.a", "2", "4"], "4 takes of it too, and it runs once"


def test_a_blocked_step_may_be_taken_over_too() -> None:
    run = state(step("1"), step("2"), step("3", "2", "2"), step("4", "2"))
    assert [run.start(), run.start()] == [run.steps["1"], run.steps["2"]]
    run.expand("1", Growth(plan(step("3"), step("1.a", "3")), {}, (), ("1.a",)))
    held(run)
    assert run.start() == run.steps["3"], "it needs nothing any more"
    done(run, "2", "3")
    assert started(run) == ["1.a", "4"]


def test_the_old_place_of_a_step_that_was_taken_over_starts_nothing() -> None:
    run = state(step("1"), step("2"), step("3"))
    assert run.start() is not None
    run.expand("1", Growth(plan(step("1.a"), step("3", "1.a")), {}, (), ("3",)))
    held(run)
    assert started(run) == ["1.a", "2"], "3 was ready, and is blocked now"
    done(run, "1.a")
    assert started(run) == ["3"]


def test_a_step_that_is_taken_over_lets_go_of_what_it_took() -> None:
    run = state(step("1"), step("2"), step("3", "1"), step("4", "3"))
    assert [run.start(), run.start()] == [run.steps["1"], run.steps["2"]]
    done(run, "1")
    run.expand("2", Growth(plan(step("3"), step("2.a", "3")), {}, (), ("2.a",)))
    held(run)
    assert "1" not in run.outputs


def test_retry() -> None:
    run = state(step("3"), step("4", "3"), keep=("4",))
    started(run)
    run.retry("3", Growth(plan(step("1"), step("3", "1")), {}))
    held(run)
    assert (started(run), run.blocked) == (["1"], {"3": 1, "4": 1})
    done(run, "1")
    assert started(run) == ["3"]
    done(run, "3")
    assert started(run) == ["4"]


def test_ask() -> None:
    run = state(step("1"), step("2"), step("3", lent=("0",)), step("4", "3"), keep=("4",))
    assert [run.start(), run.start(), run.start()] == [run.steps["1"], run.steps["2"], run.steps["3"]]
    run.ask("3", Growth(plan(step("0")), {}, (), ("0",)))
    held(run)
    assert (started(run), run.steps["3"].needs, run.blocked) == (["0"], ("0",), {"3": 1, "4": 1})
    done(run, "0")
    assert (started(run), run.outputs) == (["3"], {"0": ("0",)})
    run.ask("3", NOTHING)
    held(run)
    assert started(run) == ["3"], "it has all that it asks for"
    done(run, "3")
    assert (started(run), run.outputs) == (["4"], {"3": ("3",)})


def test_release() -> None:
    run = state(step("1"), step("2", "1"), step("3", "1"), keep=("2", "3"))
    started(run)
    done(run, "1")
    run.release(["1"])
    assert run.outputs == {"1": ("1",)}
    run.release(["1"])
    assert run.outputs == {}


def test_stale_is_inherited() -> None:
    run = state(step("1"))
    run.stale.add("1")
    run.inherit("2", ["0", "1"])
    run.inherit("3", ["2"])
    run.inherit("4", ["5"])
    assert run.stale == {"1", "2", "3"}


def test_who_waits_for_whom() -> None:
    run = state(step("1"), step("2", "1"), step("3", "2"), step("4"))
    assert run.waits("3", "1")
    assert not run.waits("1", "3")
    assert not run.waits("4", "1")


def test_two_that_expand_at_once_do_not_wait_for_each_other(folders: Folders) -> None:
    planner = Planner(REGISTRY, folders=folders, digests=Digests(), cache=MemoryCache())
    nodes = {str(number): {"class_type": "Node", "inputs": {"number": number}} for number in range(2)}
    run = RunState.of(planner.plan(Prompt.parse(nodes), nodes))
    zero, one = run.start(), run.start()
    assert zero is not None
    assert one is not None
    run.expand("0", grow(planner, run, zero, Expansion({}, ((Link("1", 0),),), {}, ())))
    held(run)
    assert run.blocked == {"0": 1}, "the other one runs, so it will be there"
    with pytest.raises(BadExpansion, match="waits for node 0, which itself waits for it"):
        grow(planner, run, one, Expansion({}, ((Link("0", 0),),), {}, ()))
    graph = {"1.a": {"class_type": "Node", "inputs": {"number": 5}}}
    run.expand("1", grow(planner, run, one, Expansion(graph, ((Link("1.a", 0),),), {}, ())))
    held(run)
    for node_id in ("1.a", "1", "0"):
        assert started(run) == [node_id]
        done(run, node_id)


def test_the_plan_stays_what_it_was() -> None:
    given = plan(step("1"), step("2", "1"), keep=("2",))
    before = pickle.dumps(given)
    for _ in range(2):
        run = RunState.of(given)
        assert run.start() is not None
        run.expand("1", Growth(plan(step("1.a")), {b"1": "1.a"}, (), ("1.a",)))
        done(run, *started(run))
        done(run, *started(run))
        done(run, *started(run))
        assert (run.outputs, run.steps) == ({"2": ("2",)}, {})
        assert pickle.dumps(given) == before


class Drive:
    """Drives a state as the draws say, as an executor would, with everything that may happen."""

    def __init__(self, data: st.DataObject, folders: Folders) -> None:
        self.data = data
        self.cache = MemoryCache()
        self.planner = Planner(REGISTRY, folders=folders, digests=Digests(), cache=self.cache)
        self.failed: set[str] = set()
        self.left = 12

    def graph(self, prefix: str, size: int, outer: list[str]) -> dict[str, Any]:
        """Nodes that link to each other and to those outside; equal numbers make equal nodes."""
        nodes: dict[str, Any] = {}
        for place in range(size):
            sources = [*nodes, *outer]
            inputs: dict[str, Any] = {"number": self.draw(st.integers(0, 2))}
            kind = "Node"
            for name in ("a", "b", "lent", "lazy", "more") if sources else ():
                if self.draw(st.booleans()):
                    inputs[name] = [self.draw(st.sampled_from(sources)), 0]
            if "a" in inputs and self.draw(st.booleans()):
                kind = "End"
                inputs = {"number": inputs["number"], "a": inputs["a"]}
            nodes[f"{prefix}{place}"] = {"class_type": kind, "inputs": inputs}
        return nodes

    def draw(self, strategy: st.SearchStrategy[Any]) -> Any:
        return self.data.draw(strategy)

    def settle(self, state: RunState, step: Step) -> None:
        """Something comes of a running step."""
        node_id = step.node_id
        if node_id in state.expanded:
            join = state.expanded[node_id]
            self.finish(state, step, tuple(joined(parts, state.outputs) for parts in join.results))
        elif step.twin is not None:
            self.finish(state, step, state.outputs[step.twin])
        elif step.hit is not None:
            if self.draw(st.booleans()):
                self.cache.clear()
            found = self.cache.load(step.hit)
            if found is None:
                state.retry(node_id, again(self.planner, state, step))
            else:
                self.finish(state, step, found.outputs)
        else:
            what = self.draw(st.sampled_from(["finish", "finish", "expand", "expand", "ask", "ask", "fail"]))
            missing = [link for name in step.lazy if not is_there(state.outputs, link := step.inputs[name])]
            if what == "ask" and missing:
                try:
                    growth = ask(self.planner, state, step, missing[: self.draw(st.integers(1, 2))])
                except BadExpansion:
                    what = "fail"
                else:
                    state.ask(node_id, growth)
                    return
            if what == "expand" and self.left:
                self.left -= 1
                graph = self.graph(f"{node_id}.", self.draw(st.integers(1, 3)), list(state.nodes))
                result = Link(self.draw(st.sampled_from([*graph, *state.nodes])), 0)
                try:
                    growth = grow(self.planner, state, step, Expansion(graph, ((result,),), {}, ()))
                except BadExpansion:
                    what = "fail"
                else:
                    state.expand(node_id, growth)
                    return
            if what == "fail":
                self.failed.add(node_id)
                state.fail(node_id)
            else:
                self.finish(state, step, (node_id,))

    def finish(self, state: RunState, step: Step, outputs: tuple[Any, ...]) -> None:
        for need in step.needs if step.node_id not in state.expanded else state.expanded[step.node_id].parents:
            assert need in state.outputs
        self.failed.discard(step.node_id)
        entry = Entry(outputs)
        if not step.key.volatile:
            self.cache.put(step.key.digest, entry)
        state.finish(step.node_id, entry)

    def run(self, plan: Plan) -> None:
        state = RunState.of(plan)
        self.failed.clear()
        held(state)
        running: list[Step] = []
        for _ in range(400):
            ready = state.start() if not running or self.draw(st.booleans()) else None
            if ready is not None:
                assert ready.node_id not in [each.node_id for each in running]
                running.append(ready)
            elif running:
                self.settle(state, running.pop(self.draw(st.integers(0, len(running) - 1))))
            else:
                break
            held(state, self.failed)
            if self.draw(st.integers(0, 60)) == 0:
                return  # cancelled: what was done stays in the cache, for the next run
        assert not running
        if not self.failed:
            assert state.steps == {}
            assert state.outputs.keys() == plan.keep
        assert not state.expanded or self.failed


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_the_invariants_hold_after_every_transition(data: st.DataObject) -> None:
    place = Path("nowhere")
    drive = Drive(data, Folders(models=[place], input=place, output=place, temp=place))
    graph = drive.graph("", data.draw(st.integers(1, 6)), [])
    prompt = Prompt.parse(graph)
    targets = data.draw(st.lists(st.sampled_from(list(graph)), min_size=1, max_size=2))
    for _ in range(2):
        plan = drive.planner.plan(prompt, targets)
        before = pickle.dumps(plan)
        drive.run(plan)
        assert pickle.dumps(plan) == before
