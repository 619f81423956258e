"""A pack of V3, loaded as packs are and run on the engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import weft
from weft import DiskCache, MemoryCache
from weft.engine.cancel import CancelToken
from weft.engine.errors import Interrupted, InvalidWorkflow, NodeError
from weft.engine.events import Event, Preview, Progress
from weft.engine.session import Session
from weft.nodes import compat

from .conftest import graph_of

PACKS = Path(__file__).parent / "packs"

Nodes = dict[str, tuple[Any, ...]]
CHEESE = ("V3MakeCheese", {"age": 4, "shape": "square", "tags": {"__value__": ["soft", "blue"]}})


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    said: list[str] = []
    found = Session(custom_nodes=PACKS, warn=said.append)
    (pack,) = found.custom_nodes
    assert (pack.error, said, list(pack.lacks)) == ("", [], [])
    yield found
    compat.uninstall()


@pytest.fixture
def play(session: Session, tmp_path: Path) -> Callable[..., Any]:
    """Run a graph, without a cache."""

    def run(nodes: Nodes, *targets: str, **options: Any) -> Any:
        return weft.run(graph_of(nodes), registry=session.registry, targets=targets, **options)

    return run


@pytest.fixture
def module(session: Session) -> Any:
    """The pack's inputs.py."""
    return next(module for name, module in sys.modules.items() if name.endswith("v3-pack_x_x.inputs"))


@pytest.fixture
def calls(module: Any) -> list[Any]:
    """What nodes of the pack noted of their calls."""
    found: list[Any] = module.CALLS
    found.clear()
    return found


def test_values_of_a_packs_own_type_and_choices(play: Any) -> None:
    result = play({"1": CHEESE, "2": ("V3Age", {"cheese": ["1", 0]})}, "1", "2")
    assert result.outputs["1"] == ({"age": 4}, "square soft+blue 4")
    assert result.outputs["2"] == (4,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"age": 13}, "no cheese is 13"),
        ({"shape": "flat"}, "'flat' not in"),
        ({"tags": {"__value__": ["soft", "old"]}}, "not in"),
    ],
)
def test_what_a_class_refuses(play: Any, changes: Any, message: str) -> None:
    with pytest.raises(InvalidWorkflow) as refused:
        play({"1": ("V3MakeCheese", {**CHEESE[1], **changes})}, "1")
    assert message in str(refused.value) + str([issue.to_json() for issue in refused.value.issues])


def test_choices_of_files_are_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "models" / "loras").mkdir(parents=True)
    session = Session(custom_nodes=PACKS, models=tmp_path / "models", warn=lambda message: None)

    def found(*targets: str) -> Any:
        graph = {"1": ("V3LoraFile", {"lora": "late.safetensors"}), "2": ("V3Lora", {"lora": "None"})}
        prompt = session.read(graph_of(graph))
        return session.execute(session.plan(prompt, list(targets))).outputs

    assert found("2")["2"] == ("None",)
    with pytest.raises(InvalidWorkflow, match=r"late\.safetensors"):
        found("1")
    (tmp_path / "models" / "loras" / "late.safetensors").write_bytes(b"a")
    session = Session(custom_nodes=PACKS, models=tmp_path / "models", warn=lambda message: None)
    assert found("1")["1"] == ("late.safetensors",)


def test_rows(play: Any) -> None:
    names = [f"values.value{number}" for number in (10, 0, 2)]
    given = {name: place for place, name in enumerate(names, 1)} | {"axes.y": 5}
    assert play({"1": ("V3Sum", given)}, "1").outputs["1"] == (6.0, "value0,value2,value10,y")


def test_choices_and_slots_that_bring_inputs(play: Any) -> None:
    size = {"mode": "size", "mode.width": 9, "mode.unit": "cm", "mode.unit.dpi": 96}
    sliced = {"cheese": ["1", 0], "cheese.slices": 3}
    result = play({"1": CHEESE, "2": ("V3Mode", size | sliced), "3": ("V3Mode", {"mode": "none"})}, "2", "3")
    mode = {"mode": "size", "width": 9, "unit": {"unit": "cm", "dpi": 96}}
    assert result.outputs["2"] == ((mode, {"cheese": {"age": 4}, "slices": 3}),)
    assert result.outputs["3"] == (({"mode": "none"}, {"cheese": None}),)


def test_inputs_of_several_types(play: Any) -> None:
    result = play({"1": ("V3Rate", {"rate": 30}), "2": ("V3Age", {"cheese": ["3", 0]}), "3": CHEESE,
                   "4": ("V3Rate", {"rate": ["2", 0]})}, "1", "4")  # fmt: skip
    assert (result.outputs["1"], result.outputs["4"]) == (((30.0, None),), ((4, None),))
    with pytest.raises(InvalidWorkflow, match="a rate is no text"):
        play({"1": CHEESE, "2": ("V3Rate", {"rate": ["1", 1]})}, "2")


def test_all_inputs_and_hidden_values(play: Any) -> None:
    result = play({"7": ("V3Kwargs", {"any": 1, "more": "text"}), "8": ("V3Kwargs", {"link": ["7", 0]})}, "7", "8")
    assert result.outputs["7"] == (([("any", 1), ("more", "text")], "7", (True, ["7", "8"], "dict")),)
    assert result.outputs["8"][0][0][0][0] == "link"


def test_a_fingerprint_decides_whether_it_runs_again(play: Any, module: Any, calls: list[Any]) -> None:
    cache = MemoryCache()
    graph = {"1": ("V3Changed", {"x": 1}), "2": ("V3Changed", {"x": 1})}
    for fingerprint, count in ((0, 2), (0, 2), (1, 4)):
        module.Changed.fingerprint = fingerprint
        play(graph, "1", "2", cache=cache)
        assert len(calls) == count, "two nodes with equal inputs are two, since the class is not idempotent"


@pytest.mark.parametrize(("switch", "ran"), [(True, ("add", 1, 1)), (False, ("add", 2, 2))])
def test_a_switch_runs_one_side(play: Any, calls: list[Any], switch: bool, ran: Any) -> None:
    graph = {
        "1": ("V3Add", {"a": 1, "b": 1}), "2": ("V3Add", {"a": 2, "b": 2}),
        "3": ("V3Switch", {"switch": switch, "on_true": ["1", 0], "on_false": ["2", 0]}),
    }  # fmt: skip
    assert play(graph, "3").outputs["3"] == (ran[1] * 2,)
    assert calls == [ran]


def test_lazy_rows_are_asked_for_by_their_names(play: Any, calls: list[Any]) -> None:
    sources = {str(number): ("V3Add", {"a": number, "b": 0}) for number in range(3)}
    rows = {f"values.value{number}": [str(number), 0] for number in range(3)}
    assert play({**sources, "9": ("V3FirstOf", rows)}, "9").outputs["9"] == (1,)
    assert calls == [("add", 0, 0), ("add", 1, 0)]


def test_a_node_expands_into_itself(play: Any, calls: list[Any]) -> None:
    assert play({"1": ("V3Repeat", {"times": 4, "value": 3})}, "1").outputs["1"] == (7,)
    assert calls == [("add", value, 1) for value in (3, 4, 5, 6)]


def test_nodes_that_wait_overlap(play: Any, calls: list[Any]) -> None:
    graph = {str(number): ("V3Waits", {"value": number}) for number in range(3)}
    result = play(graph, *graph)
    assert [result.outputs[each] for each in graph] == [(0,), (1,), (2,)]
    assert [what for what, _ in calls] == ["begin"] * 3 + ["end"] * 3
    with pytest.raises(InvalidWorkflow):
        play({"1": ("V3Waits", {"value": -1})}, "1")


def test_lists(play: Any, calls: list[Any]) -> None:
    graph = {
        "1": ("V3Numbers", {"count": 3}), "2": ("V3Add", {"a": ["1", 0], "b": 10}),
        "3": ("V3Gather", {"inputs.input0": ["2", 0], "inputs.input1": ["1", 1], "name": "x"}),
    }  # fmt: skip
    result = play(graph, "2", "3")
    assert list(result.outputs["2"][0]) == [10, 11, 12] and calls == [("add", number, 10) for number in range(3)]
    assert list(result.outputs["3"][0]) == [10, 11, 12, 3] and result.outputs["3"][1] == "x3"


def test_a_closed_gate(play: Any, calls: list[Any]) -> None:
    graph = {"1": ("V3Gate", {"open": False, "value": 1}), "2": ("V3Add", {"a": ["1", 1], "b": 1})}
    result = play(graph, "2")
    assert calls == [] and any("the gate is closed" in message for _, message in result.warnings)
    graph["1"] = ("V3Gate", {"open": True, "value": 1})
    assert play(graph, "2").outputs["2"] == (2,)


@pytest.mark.parametrize(
    ("how", "kind"), [("image", "images"), ("mask", "images"), ("text", "text"), ("raw", "own"), ("audio", "audio")]
)
def test_what_a_node_shows(play: Any, how: str, kind: str) -> None:
    graph = {
        "1": ("V3Picture", {"width": 4, "batch": 2}),
        "2": ("V3Show", {"how": how, "image": ["1", 0], "mask": ["1", 1]}),
    }
    result = play(graph)
    assert kind in result.ui["2"]
    files = [file for file in result.previews if file.exists()]
    assert len(files) == {"image": 2, "mask": 2, "audio": 1}.get(how, 0)
    if how == "mask":
        with Image.open(files[0]) as picture:
            assert picture.mode == "RGB" and "prompt" in picture.info


def test_what_shows_nothing(play: Any) -> None:
    assert not play({"2": ("V3Show", {"how": "nothing"})}).ui.get("2")


@pytest.mark.parametrize(("form", "count"), [("png", 3), ("apng", 1), ("webp", 1)])
def test_what_a_node_saves(play: Any, form: str, count: int) -> None:
    result = play({"1": ("V3Picture", {"width": 4, "batch": 3}), "2": ("V3Save", {"images": ["1", 0], "form": form})})
    assert len(result.files) == len(result.ui["2"]["images"]) == count
    assert result.ui["2"].get("animated", [False]) == [form != "png"]
    with Image.open(result.files[0]) as picture:
        assert getattr(picture, "n_frames", 1) == (1 if form == "png" else 3)
        if form == "png":
            assert json.loads(picture.info["prompt"])["2"]["class_type"] == "V3Save"


def test_a_saved_file_of_the_packs_own(play: Any) -> None:
    result = play({"1": ("V3Picture", {"width": 4, "batch": 1}), "2": ("V3Save", {"images": ["1", 0], "form": "own"})})
    assert result.ui["2"] == {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}


def test_a_film(play: Any) -> None:
    result = play({"1": ("V3Picture", {"width": 4, "batch": 3}), "2": ("V3Film", {"images": ["1", 0]})}, "2")
    assert result.outputs["2"][1] == 6.0


@pytest.mark.parametrize("node", [("V3Steps", {"how": "bar"}), ("V3Steps", {"how": "sync"}), ("V3AsyncSteps", {})])
def test_progress_names_the_node(play: Any, node: Any) -> None:
    events: list[Event] = []
    play({"7": (node[0], {"steps": 2, **node[1]})}, "7", observers=[events.append])
    told = [(each.node_id, each.value, each.total) for each in events if isinstance(each, Progress)]
    assert told == [("7", 1, 2), ("7", 2, 2)]
    assert len([each for each in events if isinstance(each, Preview)]) == (2 if node[0] == "V3AsyncSteps" else 0)


@pytest.mark.parametrize("node", [("V3Steps", {"how": "bar"}), ("V3Steps", {"how": "sync"}), ("V3AsyncSteps", {})])
def test_a_run_that_is_to_stop_stops_the_node_at_its_next_report(play: Any, node: Any) -> None:
    token = CancelToken()
    told: list[int] = []

    def stop(event: Event) -> None:
        if isinstance(event, Progress):
            told.append(event.value)
            token.cancel("enough")

    with pytest.raises(Interrupted, match="enough"):
        play({"7": (node[0], {"steps": 1000, **node[1]})}, "7", observers=[stop], cancel=token)
    assert told == [1]


def test_progress_of_each_value_of_a_list(play: Any) -> None:
    events: list[Event] = []
    graph = {"1": ("V3Numbers", {"count": 3}), "7": ("V3AsyncSteps", {"steps": ["1", 0]})}
    play(graph, "7", observers=[events.append])
    assert {each.node_id for each in events if isinstance(each, Progress)} == {"7"}


def test_a_node_that_judges(play: Any) -> None:
    graph = {"1": ("V3Add", {"a": 1, "b": 1}), "2": ("V3AssertEqual", {"input1": ["1", 0], "input2": ["1", 0]})}
    assert play(graph).ui["2"] == {"text": ["equal"]}
    graph["2"] = ("V3AssertEqual", {"input1": ["1", 0], "input2": ["3", 0]})
    graph["3"] = ("V3Add", {"a": 1, "b": 2})
    with pytest.raises(NodeError, match="2 is not 3") as failed:
        play(graph)
    assert failed.value.node_id == "2"


def test_the_cache_serves_it(play: Any, tmp_path: Path, calls: list[Any]) -> None:
    picture = ("V3Picture", {"width": 4, "batch": 1})
    shown = ("V3Show", {"how": "image", "image": ["3", 0]})
    graph = {
        "1": ("V3Add", {"a": 1, "b": 1}),
        "2": ("V3Save", {"images": ["3", 0], "form": "png"}),
        "3": picture,
        "4": shown,
    }
    for cache in (MemoryCache(), DiskCache(tmp_path / "disk")):
        first, second = play(graph, "1", cache=cache), play(graph, "1", cache=cache)
        assert not second.timings and (first.outputs["1"], first.ui) == (second.outputs["1"], second.ui)


def test_titles_and_places_in_the_menu(session: Session) -> None:
    schema = session.registry["V3MakeCheese"]
    assert (schema.display_name, schema.category) == ("Make Cheese", "v3")
    assert schema.python_module.startswith("custom_nodes.v3-pack")


@pytest.mark.parametrize("bare", [False, True])
def test_the_example_of_the_documentation(tmp_path: Path, bare: bool) -> None:
    text = (Path(__file__).parents[2] / "docs" / "nodes.md").read_text()
    code = text.partition("# brighten.py\n")[2].partition("```")[0]
    (tmp_path / "brighten.py").write_text(code.partition("class Extension")[0] if bare else code)
    session = Session(nodes=tmp_path / "brighten.py", warn=lambda message: None)
    picture = ("EmptyImage", {"width": 8, "height": 8, "batch_size": 1, "color": 0})
    graph = {"1": picture, "2": ("Brighten", {"image": ["1", 0], "by": 0.25})}
    result = weft.run(graph_of(graph), registry=session.registry, targets=["2"])
    assert float(result.outputs["2"][0].max()) == 0.25 and len(result.previews) == 1
