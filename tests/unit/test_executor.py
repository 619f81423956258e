from __future__ import annotations

import gc
import os
import sys
import time
import types
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest

import weft
from weft.engine import events
from weft.engine.cache.memory import MemoryCache
from weft.engine.cache.protocol import Cache, Entry, Manifest, NoCache
from weft.engine.context import RunContext
from weft.engine.errors import Interrupted, NodeError
from weft.engine.events import Event
from weft.engine.folders import Folders
from weft.engine.planning.digests import Digests
from weft.engine.planning.plan import Plan, Planner
from weft.engine.running.executor import Executor
from weft.engine.running.result import RunResult
from weft.engine.schema.authoring import UI, node
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files, Int, Socket
from weft.engine.workflow.prompt import Prompt

# A node here collects garbage whenever it runs.
pytestmark = pytest.mark.usefixtures("left_behind")

Image = Annotated[Any, Socket("IMAGE")]
Number = Annotated[int, Int()]


class Picture:
    """A value that can be watched going away."""

    nbytes = 1000

    def __init__(self, *parts: Any) -> None:
        self.parts = [str(part) for part in parts]


class World:
    """What the nodes of a test do and see; `alive` are the pictures that have not gone away, by their node's number."""

    def __init__(self) -> None:
        self.called: list[int] = []
        self.refs: dict[int, weakref.ref[Picture]] = {}
        self.alive_at: dict[int, set[int]] = {}
        self.does: dict[int, Callable[[RunContext], Any]] = {}

    def alive(self) -> set[int]:
        gc.collect()
        return {number for number, ref in self.refs.items() if ref() is not None}


def classes(world: World) -> list[Any]:
    """Node classes that tell this world."""

    @node(category="test")
    def Step(*, number: Number, a: Image = None, b: Image = None, context: RunContext) -> Image:
        world.called.append(number)
        world.alive_at[number] = world.alive()
        if number in world.does:
            world.does[number](context)
        picture = Picture(number)
        world.refs[number] = weakref.ref(picture)
        return picture

    @node(category="test", output_node=True)
    def Save(*, number: Number, a: Image, context: RunContext) -> UI:
        world.called.append(number)
        world.alive_at[number] = world.alive()
        if number in world.does:
            world.does[number](context)
        path = context.folders.output / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
        context.wrote(path)
        return UI(text=[f"saved {number}"])

    @node(category="test", output_node=True)
    def Keep(*, number: Number, a: Image) -> Image:
        world.called.append(number)
        return a

    @node(category="test")
    def Load(
        *, file: Annotated[str, Files("input", suffixes=(".txt",))], number: Number = 0, context: RunContext
    ) -> Image:
        if number in world.does:
            world.does[number](context)
        world.called.append(number)
        return (context.folders.input / file).read_text()

    return [Step, Save, Keep, Load]


def graph(*links: tuple[int, ...], save: tuple[int, ...] = (), keep: tuple[int, ...] = ()) -> dict[str, Any]:
    """Nodes (number, source, source): a Step, or a Save or Keep of its one source."""
    nodes: dict[str, Any] = {}
    for number, *sources in links:
        class_type = "Save" if number in save else "Keep" if number in keep else "Step"
        inputs = {name: [str(source), 0] for name, source in zip("ab", sources, strict=False)}
        nodes[str(number)] = {"class_type": class_type, "inputs": {"number": number, **inputs}}
    return nodes


class Runner:
    def __init__(self, folders: Folders, make_context: Callable[..., RunContext]) -> None:
        self.world = World()
        self.registry = Registry().add(classes(self.world))
        self.folders = folders
        self.make_context = make_context
        self.events: list[Event] = []

    def plan(self, prompt: dict[str, Any], cache: Cache | None = None, targets: tuple[str, ...] = ()) -> Plan:
        return self.planner(cache).plan(Prompt.parse(prompt), targets)

    def planner(self, cache: Cache | None = None, namespace: bytes = b"") -> Planner:
        options: dict[str, Any] = {
            "digests": Digests(),
            "cache": NoCache() if cache is None else cache,
            "namespace": namespace,
        }
        return Planner(self.registry, folders=self.folders, **options)

    def executor(self, cache: Cache | None = None, **options: Any) -> Executor:
        return Executor(self.planner(cache), **options)

    def run(self, prompt: dict[str, Any], cache: Cache | None = None, targets: tuple[str, ...] = ()) -> RunResult:
        self.events = []
        context = self.make_context(observers=[self.events.append])
        return self.executor(cache).run(self.plan(prompt, cache, targets), context)

    def names(self) -> list[str]:
        """`NodeStarted 3`, in order."""
        return [f"{type(event).__name__} {getattr(event, 'node_id', '')}".strip() for event in self.events]


@pytest.fixture
def runner(folders: Folders, make_context: Callable[..., RunContext]) -> Runner:
    return Runner(folders, make_context)


CHAIN = graph((1,), (2, 1), (3, 2), (4, 3), save=(4,))


def test_a_chain(runner: Runner) -> None:
    result = runner.run(CHAIN)
    assert runner.world.called == [1, 2, 3, 4]
    assert list(result) == ["4"]
    assert result["4"] == ()
    assert result.ui == {"4": {"text": ["saved 4"]}}
    assert result.files == (runner.folders.output / "4.txt",)
    assert list(result.timings) == ["1", "2", "3", "4"]
    assert all(seconds >= 0 for seconds in result.timings.values())
    assert result.cached == ()
    assert result.to_json()["files"] == [str(runner.folders.output / "4.txt")]


def test_outputs_go_as_soon_as_nobody_needs_them(runner: Runner) -> None:
    runner.run(CHAIN)
    assert runner.world.alive_at == {1: set(), 2: {1}, 3: {2}, 4: {3}}
    assert runner.world.alive() == set()


@pytest.mark.parametrize("raised", [ValueError("no"), Interrupted("enough"), KeyboardInterrupt()])
def test_a_run_that_ends_early_lets_go_of_everything(raised: BaseException, runner: Runner) -> None:
    """At once, not when garbage is collected: values may be large, and on a GPU."""

    def stop(context: RunContext) -> None:
        raise raised

    runner.world.does[3] = stop
    gc.collect()
    gc.disable()
    try:
        with suppress(NodeError, Interrupted):
            runner.run(CHAIN)
        raised.__traceback__ = raised.__context__ = None
        assert [number for number, ref in runner.world.refs.items() if ref() is not None] == []
    finally:
        gc.enable()


def test_a_cached_file_counts_where_this_run_writes_it(runner: Runner, tmp_path: Path) -> None:
    """Another run, with another output folder, may have taken the entry's place since the plan was made."""
    cache = MemoryCache()
    runner.run(CHAIN, cache)
    plan = runner.plan(CHAIN, cache)
    assert plan.steps[-1].cached
    here = runner.folders
    runner.folders = Folders(models=here.models, input=here.input, output=tmp_path / "elsewhere", temp=here.temp)
    context = RunContext(folders=runner.folders, settings=runner.make_context().settings)
    result = runner.executor(cache).run(plan, context)
    assert result.files == (tmp_path / "elsewhere" / "4.txt",)
    assert (here.output / "4.txt").is_file()


def test_each_consumer_is_waited_for(runner: Runner) -> None:
    runner.run(graph((1,), (2, 1), (3, 1, 2), (4, 3, 3), (5, 1), (6, 4), (7, 5), save=(6, 7)))
    assert runner.world.called == [1, 2, 3, 4, 6, 5, 7]
    assert runner.world.alive_at == {1: set(), 2: {1}, 3: {1, 2}, 4: {1, 3}, 6: {1, 4}, 5: {1}, 7: {5}}


def test_branches_run_one_after_the_other(runner: Runner) -> None:
    runner.run(graph((1,), *((10 + n, 1) for n in range(3)), *((20 + n, 10 + n) for n in range(3)), save=(20, 21, 22)))
    assert runner.world.alive_at[21] == {1, 11}
    assert runner.world.alive_at[22] == {12}


def test_output_nodes_and_targets_are_kept(runner: Runner) -> None:
    result = runner.run(graph((1,), (2, 1), (3, 2), keep=(3,)), targets=("1",))
    assert list(result) == ["1", "3"]
    assert runner.world.alive() == {1, 2}  # 3 gave what it took from 2
    assert "2" not in result
    with pytest.raises(KeyError, match="node '2' is not in the result, which keeps 1, 3; name it a target"):
        result["2"]


def test_what_the_cache_keeps_stays(runner: Runner) -> None:
    cache = MemoryCache()
    runner.run(CHAIN, cache)
    assert runner.world.alive() == {1, 2, 3}
    cache.clear()
    assert runner.world.alive() == set()


def edited(node_id: str, **inputs: Any) -> dict[str, Any]:
    """CHAIN with other inputs in one node."""
    return {**CHAIN, node_id: {**CHAIN[node_id], "inputs": {**CHAIN[node_id]["inputs"], **inputs}}}


def test_hits_are_released_too(runner: Runner) -> None:
    """The result of a run must not keep what it took from the cache, and the run itself no longer than needed."""

    class Once(MemoryCache):
        """Gives what it has away."""

        def load(self, manifest: Manifest) -> Entry | None:
            entry = super().load(manifest)
            self.clear()
            return entry

        def put(self, key: bytes, entry: Entry) -> None:
            if not started:
                super().put(key, entry)

    started: list[bool] = []
    cache = Once()
    runner.run(CHAIN, cache)
    changed = edited("3", number=30)
    plan = runner.plan(changed, cache)
    started.append(True)
    runner.world.alive_at.clear()
    result = runner.executor(cache).run(plan, runner.make_context())
    assert result.cached == ("2",)
    assert runner.world.alive_at == {30: {2}, 4: {30}}
    assert runner.world.alive() == set()
    assert result.plan is plan


def test_a_plan_runs_as_often_as_one_likes(runner: Runner) -> None:
    plan = runner.plan(CHAIN)
    cache = MemoryCache()
    first, second = (runner.executor(cache).run(plan, runner.make_context()) for _ in range(2))
    assert runner.world.called == [1, 2, 3, 4] * 2, "it says that they run"
    assert (first.outputs, first.ui, first.files) == (second.outputs, second.ui, second.files)
    served = runner.plan(CHAIN, cache)
    runner.world.called.clear()
    first, second = (runner.executor(cache).run(served, runner.make_context()) for _ in range(2))
    assert runner.world.called == []
    assert first.cached == second.cached == ("4",)


def test_a_plan_holds_nothing_of_the_cache(runner: Runner) -> None:
    cache = MemoryCache()
    runner.run(CHAIN, cache)
    plan = runner.plan(edited("4", number=40), cache)
    assert [step.node_id for step in plan.steps if step.cached] == ["3"]
    cache.clear()
    assert runner.world.alive() == set()


@pytest.mark.parametrize("why", ["dropped", "another process", "another device"])
def test_a_hit_that_is_gone_is_a_miss(why: str, runner: Runner) -> None:
    """It is computed again, with what was not needed before, and says why."""
    cache = MemoryCache()
    prompt = graph((1,), (2, 1), (3, 2), (4, 3), (5, 1), save=(4,), keep=(5,))
    runner.run(prompt, cache)
    prompt["4"]["inputs"]["number"] = 40
    plan = runner.plan(prompt, cache)
    assert {step.node_id: step.cached for step in plan.steps} == {"3": True, "4": False, "5": True}
    runner.world.called.clear()
    other = cache if why == "another device" else MemoryCache()
    if why == "dropped":
        other = cache
        cache._entries.clear()
    planner = runner.planner(other, b"cuda" if why == "another device" else b"")
    seen: list[Event] = []
    result = Executor(planner).run(plan, runner.make_context(observers=[seen.append]))
    assert runner.world.called == [1, 2, 3, 40, 5]
    assert runner.world.alive_at[40] >= {3}
    assert (result.cached, list(result)) == ((), ["4", "5"])
    reasons = {event.node_id: event.reason for event in seen if isinstance(event, events.NodeStarted)}
    assert reasons["3"] == reasons["5"] == "the cache dropped it"
    assert runner.world.alive() == {1, 2, 3} if why == "another process" else True


def test_a_hit_that_is_gone_wakes_a_hit_above(runner: Runner) -> None:
    """Of what it needs, the cache serves what it still has."""
    cache = MemoryCache()
    runner.run(CHAIN, cache)
    plan = runner.plan(edited("4", number=40), cache)
    cache._entries.pop(plan.nodes["3"].key.digest)
    runner.world.called.clear()
    result = runner.executor(cache).run(plan, runner.make_context())
    assert runner.world.called == [3, 40]
    assert result.cached == ("2",)


def test_other_code_than_the_plan_s_poisons_no_cache(runner: Runner) -> None:
    """A process that has another version of a node runs it, and keeps nothing of it under the plan's keys."""
    plan = runner.plan(CHAIN)
    changed = tuple(step._replace(version="another") if step.node_id == "2" else step for step in plan.steps)
    cache = MemoryCache()
    result = runner.executor(cache).run(replace(plan, steps=changed), runner.make_context())
    assert (runner.world.called, list(result)) == ([1, 2, 3, 4], ["4"])
    assert [node_id for node_id in "1234" if cache.lookup(plan.nodes[node_id].key.digest)] == ["1"]


def test_the_second_run_comes_from_the_cache(runner: Runner) -> None:
    cache = MemoryCache()
    first = runner.run(CHAIN, cache)
    runner.world.called.clear()
    second = runner.run(CHAIN, cache)
    assert runner.world.called == []
    assert (second.cached, second.timings) == (("4",), {})
    assert (second.outputs, second.ui, second.files) == (first.outputs, first.ui, first.files)
    assert runner.names() == ["RunStarted", "NodeCached 4", "RunFinished"]


def test_an_output_whose_file_is_gone_runs_again(runner: Runner) -> None:
    cache = MemoryCache()
    runner.run(CHAIN, cache).files[0].unlink()
    runner.world.called.clear()
    result = runner.run(CHAIN, cache)
    assert (runner.world.called, result.cached) == ([4], ("3",))
    assert result.files[0].is_file()


def test_equal_nodes_run_once(runner: Runner) -> None:
    twins = graph((1,), (2, 1), (3, 1), (4, 2, 3), (5, 4), save=(5,))
    twins["3"]["inputs"]["number"] = 2
    twins["6"] = {**twins["5"]}
    result = runner.run(twins, targets=("3",))
    assert runner.world.called == [1, 2, 4, 5]
    assert runner.world.alive_at[4] == {1, 2} - {1}
    assert result["3"][0] is runner.world.refs[2]()
    assert result["6"] == ()
    assert result.ui["6"] == result.ui["5"]
    assert (result.cached, list(result.timings)) == (("3", "6"), ["1", "2", "4", "5"])
    assert runner.names().count("NodeCached 3") == runner.names().count("NodeCached 6") == 1


def test_the_exact_order_of_events(runner: Runner) -> None:
    def steps(context: RunContext) -> None:
        context.progress(1, 2)
        context.warn("hm")
        context.progress(2, 2, "picture")

    cache = MemoryCache()
    runner.run(CHAIN, cache)
    runner.world.does[30] = steps
    result = runner.run(edited("3", number=30), cache)
    assert runner.names() == [
        "RunStarted",
        "NodeCached 2",
        "NodeStarted 3",
        "Progress 3",
        "NodeWarning 3",
        "Preview 3",
        "Progress 3",
        "NodeFinished 3",
        "NodeStarted 4",
        "NodeFinished 4",
        "RunFinished",
    ]
    started, cached, node_started, *_, saved, finished = runner.events
    assert started == events.RunStarted(("3", "4"), ("2",), ("1",))
    assert cached == events.NodeCached("2", "Step", "Step")
    assert node_started == events.NodeStarted("3", "Step", "Step", "input 'number' changed: 3 -> 30")
    assert isinstance(saved, events.NodeFinished)
    assert (saved.seconds, saved.files) == (result.timings["4"], result.files)
    assert isinstance(finished, events.RunFinished)
    assert (finished.status, finished.files) == ("done", result.files)
    assert finished.seconds >= saved.seconds
    assert result.warnings == (("3", "hm"),)
    assert result.to_json()["warnings"] == [{"node_id": "3", "message": "hm"}]


def test_timings_are_wall_time(runner: Runner) -> None:
    runner.world.does[2] = lambda context: time.sleep(0.02)
    result = runner.run(CHAIN)
    assert 0.02 <= result.timings["2"] < 10


def boom(context: RunContext) -> None:
    raise ValueError("boom")


def write_two(context: RunContext) -> None:
    """Two whole files, and a third that is never there."""
    for name in ("a.txt", "b.txt"):
        with context.folders.numbered(name).create(".txt") as (stream, path):
            context.wrote(path)
            stream.write(b"x")
    with context.folders.numbered("c").create(".txt") as (_, path):
        context.wrote(path)
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("stopped", [False, True])
def test_files_of_a_node_that_does_not_end_are_listed(stopped: bool, runner: Runner) -> None:
    def stop(context: RunContext) -> None:
        try:
            write_two(context)
        except OSError:
            if not stopped:
                raise
            raise KeyboardInterrupt from None

    runner.world.does = {3: stop}
    with pytest.raises(Interrupted if stopped else NodeError) as caught:
        runner.run(graph((1,), (2, 1), (3, 1), save=(2, 3)))
    names = ["2.txt", "a.txt_00001_.txt", "b.txt_00001_.txt"]
    assert isinstance(caught.value, Interrupted | NodeError)
    assert [path.name for path in caught.value.files] == names
    finished = runner.events[-1]
    assert isinstance(finished, events.RunFinished)
    assert finished.files == caught.value.files
    assert sorted(path.name for path in runner.folders.output.iterdir()) == names
    if not stopped:
        assert isinstance(caught.value, NodeError)
        assert caught.value.message == f"No space left on device: {runner.folders.output / 'c_00001_.txt'}"


def test_previews_are_no_results(runner: Runner) -> None:
    def preview(context: RunContext) -> None:
        with context.folders.numbered("p", "temp").create(".png") as (_, path):
            context.wrote(path)

    runner.world.does = {2: preview}
    result = runner.run(graph((1,), (2, 1), save=(2,)))
    assert result.files == (runner.folders.output / "2.txt",)
    assert [path.name for path in result.previews] == ["p_00001_.png"]
    assert result.to_json()["previews"] == [str(runner.folders.temp / "p_00001_.png")]
    finished = runner.events[-1]
    assert isinstance(finished, events.RunFinished)
    assert (finished.files, finished.previews) == (result.files, result.previews)


@pytest.mark.parametrize("kind", [events.RunStarted, events.NodeStarted, events.Progress, events.NodeWarning])
@pytest.mark.parametrize("swallowed", [False, True])
def test_an_observer_that_raises_is_no_failure_of_a_node(kind: type[Event], swallowed: bool, runner: Runner) -> None:
    seen: list[Event] = []

    def broken(event: Event) -> None:
        if isinstance(event, kind):
            raise ZeroDivisionError("the observer's")

    def tell(context: RunContext) -> None:
        try:
            context.progress(1, 2)
            context.warn("hm")
        except ZeroDivisionError:
            if not swallowed:
                raise RuntimeError("in the node's words") from None

    runner.world.does = {3: tell}
    context = runner.make_context(observers=[broken, seen.append])
    with pytest.raises(ZeroDivisionError, match="the observer's"):
        runner.executor().run(runner.plan(graph((1,), (2, 1), (3, 1), save=(2, 3))), context)
    assert not [event for event in seen if isinstance(event, events.NodeFailed)]
    finished = seen[-1] if seen else None
    assert kind is events.RunStarted or (isinstance(finished, events.RunFinished) and finished.status == "failed")


def test_the_result_takes_the_names_that_targets_take(runner: Runner) -> None:
    prompt = graph((1,), (2, 1), (4, 2), (3, 4), keep=(3,))
    prompt["1"]["_meta"] = {"title": "the first"}
    result = runner.run(prompt, targets=("1",))
    assert result["the first"] == result["1"]
    assert result["Keep"] == result["3"]
    assert "the first" in result
    assert "Keep" in result
    assert "Step" not in result, "two nodes have this class"
    assert 7 not in result
    with pytest.raises(KeyError, match="'Step' is ambiguous: Step#1"):
        result["Step"]
    with pytest.raises(KeyError, match="no node 'the frist' in the workflow .did you mean 'the first'"):
        result["the frist"]
    with pytest.raises(KeyError, match="node 'Step#2' is not in the result, which keeps 1, 3; name it a target"):
        result["Step#2"]
    assert result.status == "done"


def test_a_failure_that_is_spared_stops_nothing(runner: Runner) -> None:
    def fail(context: RunContext) -> None:
        raise ValueError("no")

    runner.world.does = {3: fail}
    prompt = graph((1,), (2, 1), (3, 2), (4, 1), (5, 1), save=(3, 4, 5))
    told: list[str] = []

    def spare(error: NodeError) -> bool:
        told.append(error.node_id)
        return True

    seen: list[Event] = []
    context = runner.make_context(observers=[seen.append])
    result = runner.executor(spare=spare).run(runner.plan(prompt), context)
    assert told == ["3"]
    assert sorted(runner.world.called) == [1, 2, 3, 4, 5]
    assert list(result) == ["4", "5"]
    assert result.status == result.to_json()["status"] == "failed"
    assert runner.world.alive() == set(), "what it would have taken is released"
    assert [event.status for event in seen if isinstance(event, events.RunFinished)] == ["failed"]
    runner.world.called.clear()
    with pytest.raises(NodeError):
        runner.executor(spare=lambda error: False).run(runner.plan(prompt), runner.make_context())


def test_a_failure_that_others_wait_for_is_not_spared(runner: Runner) -> None:
    def fail(context: RunContext) -> None:
        raise ValueError("no")

    runner.world.does = {2: fail}
    with pytest.raises(NodeError):
        runner.executor(spare=lambda error: True).run(runner.plan(CHAIN), runner.make_context())


def test_the_context_knows_what_the_cache_served(runner: Runner) -> None:
    """So does a node that shares the outputs of a served one; one that shares those of a called one was computed."""
    cache = MemoryCache()
    prompt = graph((1,), (2, 1), save=(2,))
    runner.run(prompt, cache)
    twin = {**prompt, "7": prompt["1"], "8": graph((8, 7), save=(8,))["8"]}
    served: list[set[str]] = []
    runner.world.does = {8: lambda context: served.append(set(context.served))}
    runner.run(twin, cache)
    runner.run(twin, MemoryCache())
    assert served == [{"1", "2", "7"}, set()]


def test_a_failure_keeps_what_finished(runner: Runner) -> None:
    cache = MemoryCache()
    runner.world.does[3] = boom
    with pytest.raises(NodeError) as caught:
        runner.run(CHAIN, cache)
    assert (caught.value.node_id, str(caught.value.__cause__)) == ("3", "boom")
    assert runner.names()[-3:] == ["NodeStarted 3", "NodeFailed 3", "RunFinished"]
    failed, finished = runner.events[-2:]
    assert isinstance(failed, events.NodeFailed)
    assert isinstance(finished, events.RunFinished)
    assert (failed.message, failed.exception_type) == ("ValueError: boom", "ValueError")
    assert "in boom" in failed.traceback
    assert finished.status == "failed"
    runner.world.does.clear()
    runner.world.called.clear()
    assert runner.run(CHAIN, cache).cached == ("2",)
    assert runner.world.called == [3, 4]


def cancel(context: RunContext) -> None:
    context.cancel("enough")


def cancel_and_look(context: RunContext) -> None:
    context.cancel("enough")
    context.progress(1, 2)


def control_c(context: RunContext) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("does", "finished", "message"),
    [(cancel, 3, "enough"), (cancel_and_look, 2, "enough"), (control_c, 2, "interrupted")],
)
def test_interruption_keeps_what_finished(
    does: Callable[[RunContext], None], finished: int, message: str, runner: Runner
) -> None:
    cache = MemoryCache()
    runner.world.does[3] = does
    with pytest.raises(Interrupted, match=message) as caught:
        runner.run(CHAIN, cache)
    assert caught.value.exit_code == 130
    last = runner.events[-1]
    assert isinstance(last, events.RunFinished)
    assert (last.status, last.files) == ("interrupted", ())
    assert sum(name.startswith("NodeFinished") for name in runner.names()) == finished
    assert not any(name.startswith("NodeFailed") for name in runner.names())
    runner.world.does.clear()
    runner.world.called.clear()
    runner.run(CHAIN, cache)
    assert runner.world.called == [3, 4][finished - 2 :]


def test_cancelled_before_it_begins(runner: Runner) -> None:
    context = runner.make_context(observers=[runner.events.append])
    context.cancel()
    with pytest.raises(Interrupted):
        runner.executor().run(runner.plan(CHAIN), context)
    assert runner.world.called == []
    assert runner.names() == ["RunStarted", "RunFinished"]


@pytest.mark.parametrize("error", [Interrupted("by an observer"), KeyboardInterrupt()])
def test_an_observer_may_interrupt(error: BaseException, runner: Runner) -> None:
    def observer(event: Event) -> None:
        if isinstance(event, events.NodeFinished) and event.node_id == "2":
            raise error

    with pytest.raises(Interrupted):
        runner.executor().run(runner.plan(CHAIN), runner.make_context(observers=[observer]))
    assert runner.world.called == [1, 2]


def test_volatile_outputs_are_never_stored(runner: Runner) -> None:
    cache = MemoryCache()
    plan = runner.plan(CHAIN, cache)
    steps = tuple(step._replace(key=step.key._replace(volatile="why")) for step in plan.steps)
    runner.executor(cache).run(replace(plan, steps=steps), runner.make_context())
    assert len(cache) == 0
    assert cache.recall("3") is not None


LOADED = {
    "1": {"class_type": "Load", "inputs": {"file": "a.txt", "number": 1}},
    "2": {"class_type": "Keep", "inputs": {"number": 2, "a": ["1", 0]}},
    "3": {"class_type": "Keep", "inputs": {"number": 2, "a": ["1", 0]}},  # a twin
    "4": {"class_type": "Keep", "inputs": {"number": 4, "a": ["3", 0]}},
    "5": {"class_type": "Keep", "inputs": {"number": 5, "a": "x"}},
}


@pytest.mark.parametrize("change", ["content", "and back", "gone"])
def test_a_file_that_changes_after_the_plan_poisons_no_cache(change: str, runner: Runner) -> None:
    """The keys say what was there when the plan was made; the node reads what is there later."""
    file = runner.folders.input / "a.txt"
    file.write_text("old")
    cache = MemoryCache()
    plan = runner.plan(LOADED, cache)

    def touch(context: RunContext) -> None:
        file.unlink()  # what is written in its place is another file, as with most programs that save
        file.write_text("new")

    def restore(context: RunContext) -> None:
        os.utime(file, ns=(1, 1))
        file.write_text("old")
        if change == "gone":
            file.unlink()

    runner.world.does[1] = touch
    if change != "content":
        runner.world.does[2] = restore
    result = runner.executor(cache).run(plan, runner.make_context())
    assert result["2"] == ("new",)
    assert [node_id for node_id, _ in result.warnings] == ["1"]
    assert f"{file} was changed after the run was planned" in result.warnings[0][1]
    assert len(cache) == 1, "node 5 alone, which takes nothing from the file"
    file.write_text("old")
    runner.world.does.clear()
    again = runner.run(LOADED, cache)
    assert [again[node_id] for node_id in "234"] == [("old",)] * 3
    assert (again.cached, again.warnings) == (("3", "5"), ())
    assert runner.run(LOADED, cache).cached == ("2", "3", "4", "5")


def test_what_a_run_says_of_its_files(runner: Runner) -> None:
    """Provenance has the digests in the keys; it claims nothing of a file that is another by then."""
    for name in "ab":
        (runner.folders.input / f"{name}.txt").write_text(name)
    both = {name: {"class_type": "Load", "inputs": {"file": f"{name}.txt"}} for name in "ab"}
    plan = runner.plan(both, targets=("a", "b"))
    assert set(runner.planner().models(plan.nodes)) == {"input/a.txt", "input/b.txt"}
    (runner.folders.input / "b.txt").unlink()
    assert set(runner.planner().models(plan.nodes)) == {"input/a.txt"}


def test_the_namespace_is_part_of_the_stored_key(runner: Runner) -> None:
    cache = MemoryCache()
    planner = runner.planner(cache, b"cpu")
    plan = planner.plan(Prompt.parse(CHAIN))
    Executor(planner).run(plan, runner.make_context())
    assert cache.lookup(b"cpu" + plan.steps[0].key.digest) is not None


def test_nothing_to_do(runner: Runner) -> None:
    result = runner.run({"1": {"class_type": "Step", "inputs": {"number": 1}}})
    assert (dict(result.outputs), result.files, runner.world.called) == ({}, (), [])


def test_a_long_chain_needs_no_recursion(runner: Runner) -> None:
    size = 20_000
    prompt: dict[str, Any] = {"0": {"class_type": "Keep", "inputs": {"number": 0, "a": "x"}}}
    for place in range(1, size):
        prompt[str(place)] = {"class_type": "Keep", "inputs": {"number": 0, "a": [str(place - 1), 0]}}
    result = runner.run(prompt)
    assert result[str(size - 1)] == ("x",)


def test_files_are_named_once(runner: Runner) -> None:
    prompt = graph((1,), (2, 1), save=(2,))
    prompt["3"] = {**prompt["2"]}
    path = runner.folders.output / "2.txt"
    assert runner.run(prompt).files == (path,)
    assert isinstance(path, Path)


def test_libraries_are_loaded_before_the_node_and_count_for_no_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weft_slow_library.py").write_text("import time; time.sleep(0.05)")
    monkeypatch.syspath_prepend(tmp_path)

    @node(category="check", output_node=True)
    def Uses() -> Annotated[int, Socket("N")]:
        """Imports it."""
        import weft_slow_library

        assert weft_slow_library
        return 1

    module = types.ModuleType("weft_uses")
    module.LIBRARIES = ("weft_slow_library", "weft_no_such_library")
    monkeypatch.setitem(sys.modules, "weft_uses", module)
    Uses.__module__ = "weft_uses"
    told: list[Any] = []
    result = weft.run(
        {"1": {"class_type": "Uses", "inputs": {}}}, registry=Registry({"Uses": Uses}), observers=[told.append]
    )
    names = [type(event).__name__ for event in told]
    assert names.index("LibrariesLoading") < names.index("LibrariesLoaded") < names.index("NodeStarted")
    assert result.loading >= 0.05
    assert result.timings["1"] < result.loading
