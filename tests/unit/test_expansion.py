from __future__ import annotations

import pickle
import weakref
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from weft.engine import events
from weft.engine.cache.memory import MemoryCache
from weft.engine.cache.protocol import Cache, NoCache
from weft.engine.context import RunContext
from weft.engine.errors import Interrupted, NodeError
from weft.engine.events import Event
from weft.engine.folders import Folders
from weft.engine.links import Link, Linked
from weft.engine.planning.digests import Digests
from weft.engine.planning.plan import Plan, Planner
from weft.engine.running.executor import Executor
from weft.engine.running.result import RunResult
from weft.engine.schema.authoring import UI, RawLink, UniqueId, WithLink, node
from weft.engine.schema.expansion import Expanded, GraphBuilder
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files, Int, Socket, String
from weft.engine.workflow.prompt import Prompt

Value = Annotated[Any, Socket("VALUE")]
ValueLink = Annotated[Link, Socket("VALUE"), RawLink()]
Number = Annotated[int, Int()]
Text = Annotated[str, String(default="")]


class Big:
    """A value that can be watched going away."""

    nbytes = 1000

    def __init__(self, number: int) -> None:
        self.number = number


class World:
    """What the nodes of a test did: calls in order, and the values that are still held."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.refs: dict[str, weakref.ref[Big]] = {}
        self.alive_at: dict[str, set[str]] = {}
        self.grow: Callable[..., Any] = lambda **inputs: None
        self.does: Callable[[RunContext], None] = lambda context: None

    def call(self, name: str) -> None:
        self.called.append(name)
        self.alive_at[name] = {name for name, ref in self.refs.items() if ref() is not None}

    def make(self, name: str, number: int) -> Big:
        value = Big(number)
        self.refs[name] = weakref.ref(value)
        return value


def classes(world: World) -> list[Any]:
    """Node classes that tell this world."""

    @node(category="test")
    def Make(*, number: Number, tag: Text = "", context: RunContext) -> Value:
        world.call(tag)
        world.does(context)
        return world.make(tag, number)

    @node(category="test")
    def Add(*, a: Value, number: Number, tag: Text = "", context: RunContext) -> Value:
        world.call(tag)
        world.does(context)
        return world.make(tag, a.number + number)

    @node(category="test", output_node=True)
    def Show(*, a: Value, context: RunContext, text: Text = "") -> UI:
        world.call("show")
        path = context.folders.output / f"{text or context.node_id}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
        context.wrote(path)
        return UI(text=[f"{text}{a.number}"])

    @node(category="test")
    def Grow(*, graph: GraphBuilder, a: ValueLink | None = None, n: Number = 0, own: UniqueId) -> Value:
        """What each test makes it."""
        world.called.append(f"grow {n}")
        return world.grow(graph=graph, a=a, n=n, own=own)

    @node(category="test")
    def Two(*, graph: GraphBuilder, a: ValueLink) -> tuple[Value, Value]:
        return world.grow(graph=graph, a=a)

    @node(category="test", output_node=True)
    def Sampler(*, a: ValueLink, graph: GraphBuilder, number: Number, script: Number = 0) -> tuple[Value, Value]:
        """Two stages and a preview, as a sampler with a script."""
        world.called.append("sampler")
        first = graph.add("Add", name="first", a=a, number=number)
        last = graph.add("Add", name="last", title="second stage", a=first[0], number=script)
        graph.add("Show", a=last[0])
        return graph.result(a, last[0], ui={"text": ["own"]})

    @node(category="test")
    def Loop(*, a: ValueLink, left: Number, graph: GraphBuilder) -> Value:
        """Adds 1 as often as `left` says, by expanding into one addition and itself."""
        world.called.append(f"loop {left}")
        if not left:
            return graph.result(a)
        more = graph.add("Add", name="add", a=a, number=1)
        return graph.result(graph.add("Loop", name="loop", a=more[0], left=left - 1)[0])

    @node(category="test")
    def Both(*, a: Annotated[Linked, Socket("VALUE"), WithLink()], graph: GraphBuilder) -> Value:
        """Decides by the value and passes the link on."""
        assert isinstance(a, Linked)
        return graph.result(graph.add("Add", name="b", a=a.link, number=a.value.number)[0])

    @node(category="test")
    def Remember(*, a: ValueLink) -> Annotated[Any, Socket("MEMO")]:
        """A value that holds a link, as a stack of control nets."""
        world.called.append("remember")
        return (a, 7)

    @node(category="test")
    def Recall(*, memo: Annotated[Any, Socket("MEMO")], graph: GraphBuilder) -> Value:
        return graph.result(graph.add("Add", name="c", a=memo[0], number=memo[1])[0])

    @node(category="test")
    def File(*, file: Annotated[str, Files("checkpoints")]) -> Value:
        return Big(1)

    @node(category="test")
    def Any_(*, a: Annotated[Any, Socket("*")]) -> Value:
        world.called.append("any")
        return Big(a.number)

    @node(category="test")
    def Sum(*, first: Value, **rest: Any) -> Value:
        """Takes any number of links, in the order in which they were given."""
        world.called.append("+".join(rest))
        return Big(first.number + sum(value.number for value in rest.values()))

    @node(category="test", lowers=lambda site: ())
    def Lowered(*, a: Value) -> Value:
        return a

    @node(category="test")
    def Twin(*, graph: GraphBuilder, a: ValueLink, n: Number = 0) -> Value:
        return world.grow(graph=graph, a=a, n=n, own=graph.prefix.removesuffix(".0.0."))

    return [Lowered, Sum, Make, Add, Show, Grow, Two, Sampler, Loop, Both, Remember, Recall, File, Any_, Twin]


def step(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


class Runner:
    def __init__(self, folders: Folders, make_context: Callable[..., RunContext]) -> None:
        self.world = World()
        self.registry = Registry().add(classes(self.world))
        self.folders = folders
        self.make_context = make_context
        self.events: list[Event] = []

    def plan(self, prompt: dict[str, Any], cache: Cache | None = None, targets: tuple[str, ...] = ()) -> Plan:
        return self.planner(cache).plan(Prompt.parse(prompt), targets)

    def planner(self, cache: Cache | None = None) -> Planner:
        return Planner(
            self.registry, folders=self.folders, digests=Digests(), cache=NoCache() if cache is None else cache
        )

    def run(self, prompt: dict[str, Any], *targets: str, cache: Cache | None = None) -> RunResult:
        self.events = []
        self.world.called.clear()
        context = self.make_context(observers=[self.events.append])
        return Executor(self.planner(cache)).run(self.plan(prompt, cache, targets), context)

    def of(self, *kinds: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]


@pytest.fixture
def runner(folders: Folders, make_context: Callable[..., RunContext]) -> Runner:
    return Runner(folders, make_context)


def number(result: RunResult, node_id: str = "g", slot: int = 0) -> int:
    return int(result[node_id][slot].number)


MAKE = step("Make", tag="make", number=1)
SAMPLE = {"m": MAKE, "s": step("Sampler", a=["m", 0], number=10, script=100)}


def test_a_graph_gives_the_outputs_and_runs_its_output_nodes(runner: Runner) -> None:
    result = runner.run(SAMPLE)
    assert [value.number for value in result["s"]] == [1, 111]
    assert runner.world.called == ["sampler", "make", "", "", "show"]
    assert result.ui == {"s": {"text": ["own", "111"]}}, "what is inside is shown by the node of the workflow"
    assert [path.name for path in result.files] == ["s.0.0.2.txt"]
    assert {"s", "m", "s.0.0.first", "s.0.0.last", "s.0.0.2"} == set(result.timings)
    assert result.timings["s"] >= result.timings["s.0.0.first"]
    assert list(result) == ["s"]


def test_results_may_be_values_and_need_no_graph(runner: Runner) -> None:
    runner.world.grow = lambda graph, **_: graph.result(Big(5))
    assert number(runner.run({"g": step("Grow")}, "g")) == 5
    runner.world.grow = lambda graph, own, **_: {"result": ([f"{own}.x", 0],), "expand": {f"{own}.x": MAKE}}
    result = runner.run({"g": step("Grow")}, "g")
    assert type(result["g"][0]) is dict, "a node with one output gives its value as it is, unless it is an Expanded"


def test_comfyuis_form_is_read(runner: Runner) -> None:
    """Links as lists, a display of its own, a list that is no link, an input that nobody declared."""

    def grow(own: str, **_: Any) -> Expanded:
        inside = {
            f"{own}.1": step("Make", tag="one", number="3", undeclared=4),
            f"{own}.2": {**step("Add", tag="two", a=[f"{own}.1", 0], number=1), "override_display_id": "other"},
        }
        return Expanded(result=([f"{own}.2", 0],), expand=inside)

    runner.world.grow = grow
    assert number(runner.run({"g": step("Grow"), "other": MAKE}, "g", "other")) == 4
    assert [event.display_id for event in runner.of(events.NodeStarted)] == ["", "g", "other", ""]


def test_a_loop_is_no_recursion_of_python(runner: Runner) -> None:
    left = 2500
    result = runner.run({"m": MAKE, "g": step("Loop", a=["m", 0], left=left)}, "g")
    assert number(result) == left + 1
    assert runner.world.called.count("") == left


def test_a_loop_releases_what_it_is_done_with(runner: Runner) -> None:
    def grow(graph: GraphBuilder, a: Link, n: int, **_: Any) -> Expanded:
        if not n:
            return graph.result(a)
        more = graph.add("Add", tag=f"n{n}", a=a, number=1)
        return graph.result(graph.add("Grow", name="g", a=more[0], n=n - 1)[0])

    runner.world.grow = grow
    runner.run({"m": MAKE, "g": step("Grow", a=["m", 0], n=5)}, "g")
    assert runner.world.alive_at["n4"] == {"n5"}, "the start is gone when the second round runs"
    assert runner.world.alive_at["n1"] == {"n2"}


def test_a_source_of_which_only_the_link_is_taken_runs_only_if_it_is_used(runner: Runner) -> None:
    runner.world.grow = lambda graph, **_: graph.result(Big(0))
    prompt = {"m": MAKE, "x": step("Add", tag="x", a=["m", 0], number=1), "g": step("Grow", a=["x", 0])}
    plan = runner.plan(prompt, targets=("g",))
    assert ([item.node_id for item in plan.steps], plan.pruned, plan.deferred) == (["g"], (), ("m", "x"))
    assert "if need be: m, x" in str(plan)
    assert plan.to_json()["deferred"] == ["m", "x"]
    runner.run(prompt, "g")
    assert runner.world.called == ["grow 0"]
    assert runner.of(events.RunStarted)[0].deferred == ("m", "x")
    runner.world.grow = lambda graph, a, **_: graph.result(a)
    assert number(runner.run(prompt, "g")) == 2
    assert runner.world.called == ["grow 0", "make", "x"]


def test_what_an_expansion_needs_early_is_not_run_again(runner: Runner) -> None:
    """m is in the plan after g; g's expansion wants it at once."""
    runner.world.grow = lambda graph, a, **_: graph.result(graph.add("Add", name="i", a=a, number=1)[0])
    prompt = {
        "m": MAKE,
        "g": step("Grow", a=["m", 0]),
        "x": step("Add", tag="x", a=["m", 0], number=5),
        "y": step("Add", tag="y", a=["x", 0], number=5),
    }
    result = runner.run(prompt, "g", "y")
    assert (number(result), number(result, "y")) == (2, 11)
    assert runner.world.called.count("make") == 1
    assert runner.world.alive_at["y"] == {"x", ""}, "and it is released when x has taken it"


def test_a_source_is_kept_until_the_links_inside_have_taken_over(runner: Runner) -> None:
    """m ran for its own sake before g, whose expansion is planned long after: it is neither lost nor run again."""

    def grow(graph: GraphBuilder, a: Link, **_: Any) -> Expanded:
        first = graph.add("Make", tag="first", number=1)
        second = graph.add("Add", tag="second", a=a, number=1)
        third = graph.add("Add", tag="third", a=second[0], number=1)
        return graph.result(first[0], third[0])

    runner.world.grow = grow
    prompt = {
        "m": MAKE,
        "x": step("Add", tag="x", a=["m", 0], number=1),
        "show": step("Show", a=["x", 0], text="x"),
        "g": step("Two", a=["m", 0]),
    }
    runner.run(prompt, "g")
    assert runner.world.called.count("make") == 1
    assert "make" in runner.world.alive_at["first"]
    assert "make" in runner.world.alive_at["second"]
    assert "make" not in runner.world.alive_at["third"], "released as soon as the last one inside took it"


def test_a_source_that_is_gone_is_made_again(runner: Runner) -> None:
    """A link inside a value keeps nothing alive: what it leads to is planned again."""
    prompt = {
        "m": MAKE,
        "x": step("Add", tag="x", a=["m", 0], number=1),
        "show": step("Show", a=["x", 0], text="x"),
        "r": step("Remember", a=["m", 0]),
        "g": step("Recall", memo=["r", 0]),
    }
    assert number(runner.run(prompt, "g")) == 8
    assert runner.world.called.count("make") == 2
    cache = MemoryCache()
    assert number(runner.run(prompt, "g", cache=cache)) == 8
    assert runner.world.called.count("make") == 1
    # The memo comes from the cache and its source is pruned; the link in it still leads there.
    prompt["g"]["inputs"]["memo"] = ["r", 0]
    prompt["h"] = step("Recall", memo=["r", 0])
    assert number(runner.run(prompt, "h", cache=cache), "h") == 8


def test_a_source_that_expanded_and_is_gone_expands_again(runner: Runner) -> None:
    prompt = {
        "m": MAKE,
        "l": step("Loop", a=["m", 0], left=1),
        "x": step("Add", tag="x", a=["l", 0], number=1),
        "show": step("Show", a=["x", 0], text="x"),
        "r": step("Remember", a=["l", 0]),
        "g": step("Recall", memo=["r", 0]),
    }
    assert number(runner.run(prompt, "g")) == 9
    assert runner.world.called.count("loop 1") == 2


def test_links_in_values_do_not_lead_astray(runner: Runner) -> None:
    """The same graph under other ids: the value that holds an id is not taken from the cache."""
    cache = MemoryCache()
    prompt = {"m": MAKE, "r": step("Remember", a=["m", 0]), "g": step("Recall", memo=["r", 0])}
    runner.run(prompt, "g", cache=cache)
    renamed = {"q": MAKE, "r": step("Remember", a=["q", 0]), "g": step("Recall", memo=["r", 0])}
    assert number(runner.run(renamed, "g", cache=cache)) == 8
    assert runner.world.called == ["remember"], "what was computed is found all the same"


def test_a_value_with_its_link(runner: Runner) -> None:
    assert number(runner.run({"m": step("Make", tag="make", number=4), "g": step("Both", a=["m", 0])}, "g")) == 8
    assert runner.world.called == ["make", ""]


def test_equal_nodes_are_computed_once(runner: Runner) -> None:
    """Inside one expansion, between two, and between inside and outside."""

    def grow(graph: GraphBuilder, a: Link, n: int, **_: Any) -> Expanded:
        left = graph.add("Add", tag="same", a=a, number=1)
        graph.add("Show", a=graph.add("Add", tag="same", a=a, number=1)[0])
        return graph.result(graph.add("Add", a=left[0], number=n)[0])

    runner.world.grow = grow
    prompt = {
        "m": MAKE,
        "g": step("Grow", a=["m", 0], n=1),
        "h": step("Grow", a=["m", 0], n=2),
        "x": step("Add", tag="same", a=["m", 0], number=1),
    }
    result = runner.run(prompt, "x", "g", "h")
    assert (number(result), number(result, "h"), number(result, "x")) == (3, 4, 2)
    assert runner.world.called.count("same") == 1
    result = runner.run(prompt, "g", "h", "x", cache=MemoryCache())
    assert runner.world.called.count("same") == 1, "here x comes last: it was planned to run, and is overtaken"
    assert number(result, "x") == 2


def test_equal_nodes_write_one_file(runner: Runner) -> None:
    """One inside of an expansion that has ended, and one outside, or inside of another: as with a cache."""

    def grow(graph: GraphBuilder, n: int, **_: Any) -> Any:
        made = graph.add("Make", tag="seen", number=7)
        graph.add("Show", a=made[0], text="same")
        return graph.result(graph.add("Add", a=made[0], number=n)[0])

    runner.world.grow = grow
    inside = {"g": step("Grow", n=1), "h": step("Grow", n=2), "t": step("Sum", first=["g", 0], second=["h", 0])}
    outside = {"z": step("Make", tag="seen", number=7), "w": step("Show", a=["z", 0], text="same")}
    for prompt in (inside, inside | outside):
        result = runner.run(prompt, "t")
        assert runner.world.called.count("show") == 1
        assert [file.name for file in result.files] == ["same.txt"]
        assert "t" in result.outputs and not any(name.startswith(("g.", "h.")) for name in result.outputs)


def test_the_key_of_the_node_is_the_key_of_its_outputs(runner: Runner) -> None:
    cache = MemoryCache()
    runner.run(SAMPLE, cache=cache)
    result = runner.run(SAMPLE, cache=cache)
    assert runner.world.called == []
    assert (result.cached, result.ui) == (("s",), {"s": {"text": ["own", "111"]}})
    assert [path.name for path in result.files] == ["s.0.0.2.txt"]


def test_one_change_runs_only_what_it_changes(runner: Runner) -> None:
    cache = MemoryCache()
    runner.run(SAMPLE, cache=cache)
    changed = {**SAMPLE, "s": step("Sampler", a=["m", 0], number=10, script=200)}
    result = runner.run(changed, cache=cache)
    assert number(result, "s", 1) == 211
    assert runner.world.called == ["sampler", "", "show"]
    assert [event.node_id for event in runner.of(events.NodeCached)] == ["m", "s.0.0.first"]
    (reason,) = [event.reason for event in runner.of(events.NodeStarted) if event.node_id == "s.0.0.last"]
    assert reason == "input 'number' changed: 100 -> 200"


def test_a_preview_that_is_gone_is_made_again(runner: Runner) -> None:
    cache = MemoryCache()
    (path,) = runner.run(SAMPLE, cache=cache).files
    path.unlink()
    assert runner.run(SAMPLE, cache=cache).files == (path,)
    assert runner.world.called == ["sampler", "show"]
    assert path.exists()


def test_widgets_inside_are_coerced_so_that_keys_agree(runner: Runner) -> None:
    cache = MemoryCache()
    runner.run({"m": MAKE}, "m", cache=cache)
    runner.world.grow = lambda graph, **_: graph.result(graph.add("Make", tag="make", number=1.0)[0])
    runner.run({"g": step("Grow")}, "g", cache=cache)
    assert runner.world.called == ["grow 0"]


def test_an_object_as_input_never_matches(runner: Runner) -> None:
    cache = MemoryCache()
    runner.world.grow = lambda graph, **_: graph.result(graph.add("Any_", a=Big(3))[0])
    for n in (0, 1):
        assert number(runner.run({"g": step("Grow", n=n)}, "g", cache=cache)) == 3
        assert runner.world.called == [f"grow {n}", "any"]
    runner.run({"g": step("Grow", n=1)}, "g", cache=cache)
    assert runner.world.called == [], "the node that expanded is as good as its own inputs"


def inside(**nodes: Any) -> Callable[..., Any]:
    """An expansion into these nodes, its output their first."""

    def grow(own: str, a: Link, **_: Any) -> Expanded:
        def name(value: Any) -> Any:
            return f"{own}.{value}" if value in nodes else value

        graph = {}
        for node_id, made in nodes.items():
            inputs = made["inputs"]
            if isinstance(inputs, dict):
                inputs = {
                    key: Link(name(value[0]), value[1]) if type(value) is list else value
                    for key, value in inputs.items()
                }
            graph[name(node_id)] = {**made, "inputs": inputs}
        return Expanded(result=(Link(name(next(iter(nodes))), 0),), expand=graph)

    return grow


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ({"x": {"class_type": "Add", "inputs": 5}}, "expanded into node g.x, whose inputs are a int"),
        (
            {"x": step("Lowered", a=["m", 0])},
            "expanded into Lowered, which stands for others and is replaced before a run",
        ),
        ({"x": step("Addd")}, "expanded into node g.x: unknown node class 'Addd' (did you mean 'Add'?)"),
        ({"x": {"inputs": {}, "class_type": "File"}}, "expanded into node g.x (File) without its input 'file'"),
        (
            {"x": step("Add", tag="", a=["y", 0], number=1), "y": step("Add", tag="", a=["x", 0], number=2)},
            "expanded into nodes that wait for each other: g.x -> g.y -> g.x",
        ),
        (
            {"x": step("Add", tag="", a=["g", 0], number=1)},
            "expanded into a graph that waits for node g, which itself waits for it",
        ),
        (
            {"x": step("Add", tag="", a=["after", 0], number=1)},
            "expanded into a graph that waits for node g, which itself waits for it",
        ),
        (
            {"x": step("Add", tag="", a=["nobody", 0], number=1)},
            "input 'a' of node g.x of the expansion is linked to node 'nobody', which this run does not have",
        ),
        (
            {"x": step("Add", tag="", a=["m", 1], number=1)},
            "input 'a' of node g.x of the expansion is linked to slot 1 of node m, which has 1",
        ),
        ({"x": step("Add", tag="", a=["m", 0], number="one")}, "invalid literal for int() with base 10: 'one'"),
        ({"x": step("File", file="none.safetensors")}, "none.safetensors"),
        ({"x": step("Grow", a=["m", 0], n=0)}, "a node that stands for itself"),
    ],
)
def test_what_is_no_graph(nodes: dict[str, Any], message: str, runner: Runner) -> None:
    runner.world.grow = inside(**nodes)
    prompt = {
        "m": MAKE,
        "g": {**step("Grow", a=["m", 0], n=0), "_meta": {"title": "Mine"}},
        "after": step("Add", tag="after", a=["g", 0], number=0),
    }
    if message == "a node that stands for itself":
        prompt["g"]["class_type"] = "Twin"
        nodes["x"]["class_type"] = "Twin"
        message = "expanded without end: node g.x is what node g is, with the same inputs"
    with pytest.raises(NodeError) as caught:
        runner.run(prompt, "after")
    assert message in str(caught.value)
    assert str(caught.value).startswith('node g "Mine" failed: ')
    assert (caught.value.node_id, caught.value.inside) == ("g", "")
    assert caught.value.exit_code == (4 if "none.safetensors" in message else 1)
    assert [event.node_id for event in runner.of(events.NodeFailed)] == ["g"]
    assert "any" not in runner.world.called


def test_links_that_the_class_does_not_declare(runner: Runner) -> None:
    def grow(graph: GraphBuilder, **_: Any) -> Expanded:
        rest = {name: graph.add("Make", tag=name, number=place)[0] for place, name in enumerate("zya")}
        return graph.result(graph.add("Sum", first=graph.add("Make", tag="first", number=10)[0], **rest)[0])

    runner.world.grow = grow
    assert number(runner.run({"g": step("Grow")}, "g")) == 13
    assert runner.world.called == ["grow 0", "first", "z", "y", "a", "z+y+a"]
    assert list(runner.registry["Sum"].by_name) == ["first"]


def test_an_id_that_the_run_has(runner: Runner) -> None:
    runner.world.grow = lambda **_: Expanded(result=(Link("m", 0),), expand={"m": MAKE})
    with pytest.raises(NodeError, match="expanded into a node 'm', an id that this run has already"):
        runner.run({"m": MAKE, "g": step("Grow", a=["m", 0])}, "g")


def test_a_name_given_twice() -> None:
    graph = GraphBuilder("g.0.0.")
    assert graph.add("Make", name="a", number=1, text=None)[0] == Link("g.0.0.a", 0)
    assert graph.nodes == {"g.0.0.a": step("Make", number=1)}
    with pytest.raises(ValueError, match="two nodes of one expansion are named 'a'"):
        graph.add("Make", name="a")
    with pytest.raises(IndexError):
        graph.add("Make")[-1]


def test_the_number_of_outputs_is_held_to(runner: Runner) -> None:
    runner.world.grow = lambda graph, **_: graph.result(Big(1), Big(2))
    with pytest.raises(NodeError, match="the node returned 2 outputs, it declares 1"):
        runner.run({"g": step("Grow")}, "g")


def test_an_error_inside_names_both_nodes(runner: Runner) -> None:
    def fail(context: RunContext) -> None:
        if context.node_id == "s.0.0.last":
            raise RuntimeError("too hot")

    runner.world.does = fail
    cache = MemoryCache()
    prompt = {**SAMPLE, "s": {**SAMPLE["s"], "_meta": {"title": "Mine"}}}
    with pytest.raises(NodeError) as caught:
        runner.run(prompt, cache=cache)
    error = caught.value
    assert str(error) == ('node s "Mine", inside it node s.0.0.last "second stage" failed: RuntimeError: too hot')
    assert (error.node_id, error.class_type, error.inputs["number"]) == ("s", "Sampler", "100")
    assert error.to_json()["inside"] == 'node s.0.0.last "second stage"'
    assert isinstance(error.__cause__, RuntimeError)
    (event,) = runner.of(events.NodeFailed)
    assert (event.node_id, event.display_id, event.title) == ("s.0.0.last", "s", "second stage")
    # What had finished is in the cache.
    runner.world.does = lambda context: None
    runner.run(prompt, cache=cache)
    assert runner.world.called == ["sampler", "", "show"]


def test_a_plan_that_has_grown_is_what_it_was(runner: Runner) -> None:
    plan = runner.plan(SAMPLE)
    before = pickle.dumps(plan)
    first, second = (Executor(runner.planner()).run(plan, runner.make_context()) for _ in range(2))
    assert pickle.dumps(plan) == before
    assert [value.number for value in first["s"]] == [value.number for value in second["s"]] == [1, 111]
    assert (first.ui, first.files, list(first.timings)) == (second.ui, second.files, list(second.timings))


def test_an_interruption_inside(runner: Runner) -> None:
    runner.world.does = lambda context: context.cancel() if context.node_id == "s.0.0.first" else None
    cache = MemoryCache()
    with pytest.raises(Interrupted):
        runner.run(SAMPLE, cache=cache)
    assert runner.of(events.RunFinished)[0].status == "interrupted"
    runner.world.does = lambda context: None
    assert number(runner.run(SAMPLE, cache=cache), "s", 1) == 111
    assert runner.world.called == ["sampler", "", "show"], "the finished first stage was kept"


def test_events_tell_of_the_inside(runner: Runner) -> None:
    def report(context: RunContext) -> None:
        if context.display_id:
            context.progress(1, 2)
            context.warn("hm")

    runner.world.does = report
    result = runner.run(SAMPLE)
    told = [
        (type(event).__name__, getattr(event, "node_id", ""), getattr(event, "display_id", ""))
        for event in runner.events
    ]
    assert told == [
        ("RunStarted", "", ""),
        ("NodeStarted", "s", ""),
        ("NodeExpanded", "s", ""),
        ("NodeStarted", "m", ""),
        ("NodeFinished", "m", ""),
        ("NodeStarted", "s.0.0.first", "s"),
        ("Progress", "s.0.0.first", "s"),
        ("NodeWarning", "s.0.0.first", "s"),
        ("NodeFinished", "s.0.0.first", "s"),
        ("NodeStarted", "s.0.0.last", "s"),
        ("Progress", "s.0.0.last", "s"),
        ("NodeWarning", "s.0.0.last", "s"),
        ("NodeFinished", "s.0.0.last", "s"),
        ("NodeStarted", "s.0.0.2", "s"),
        ("NodeFinished", "s.0.0.2", "s"),
        ("NodeFinished", "s", ""),
        ("RunFinished", "", ""),
    ]
    (expanded,) = runner.of(events.NodeExpanded)
    assert (expanded.nodes, expanded.cached) == (("m", "s.0.0.first", "s.0.0.last", "s.0.0.2"), ())
    assert [event.title for event in runner.of(events.NodeStarted)][2:] == ["Add", "second stage", "Show"]
    assert result.warnings == (("s", "hm"), ("s", "hm"))


def test_nested_expansions_belong_to_the_node_of_the_workflow(runner: Runner) -> None:
    def grow(graph: GraphBuilder, a: Link, n: int, **_: Any) -> Expanded:
        if n:
            return graph.result(graph.add("Grow", name="inner", a=a, n=n - 1)[0])
        graph.add("Show", text="deep", a=a)
        return graph.result(a)

    runner.world.grow = grow
    cache = MemoryCache()
    prompt = {"m": MAKE, "g": step("Grow", a=["m", 0], n=2)}
    for _ in range(2):
        result = runner.run(prompt, "g", cache=cache)
        assert (dict(result.ui), [path.name for path in result.files]) == ({"g": {"text": ["deep1"]}}, ["deep.txt"])
    displays = {event.display_id for event in runner.of(events.NodeStarted)}
    assert displays == set()


def test_a_blue_print_of_v1(folders: Folders, make_context: Callable[..., RunContext]) -> None:
    """A class of V1 expands too; its raw link is a list, and the source has run."""
    world = World()

    class Expander:
        RETURN_TYPES = ("VALUE",)
        FUNCTION = "run"

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {"required": {"a": ("VALUE", {"rawLink": True})}, "hidden": {"own": "UNIQUE_ID"}}

        def run(self, a: Any, own: str) -> dict[str, Any]:
            assert type(a) is list
            world.call("v1")
            return {"result": ([f"{own}.1", 0],), "expand": {f"{own}.1": step("Add", tag="add", a=a, number=1)}}

    registry = Registry({**{item.__name__: item for item in classes(world)}, "Expander": Expander})
    prompt = Prompt.parse({"m": MAKE, "g": step("Expander", a=["m", 0])})
    planner = Planner(registry, folders=folders, digests=Digests(), cache=NoCache())
    assert number(Executor(planner).run(planner.plan(prompt, ["g"]), make_context())) == 2
    assert world.called == ["make", "v1", "add"]


def test_inside_is_told_on_the_terminal(runner: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    from weft.engine.terminal.progress import Narrator
    from weft.engine.terminal.streams import Stop, Stream

    runner.run(SAMPLE)
    with Narrator(Stream(sys.stderr, Stop())) as narrator:
        for event in runner.events:
            narrator(event)
    lines = [line.rpartition(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert (
        lines[:-1]
        == [
            '[2/5] node m "Make"',
            '[2/5] node s "Sampler": Add',
            '[3/5] node s "Sampler": second stage',
            '[4/5] node s "Sampler": Show',
            '[5/5] node s "Sampler"',
        ]
        or lines
    )
