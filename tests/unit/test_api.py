from __future__ import annotations

import copy
import gc
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

import weft
from weft import InvalidWorkflow, MemoryCache, Registry, Session, node
from weft.engine.context import RunContext
from weft.engine.errors import NodeError, UnreadableWorkflow, UsageError
from weft.engine.events import Event
from weft.engine.schema.authoring import UI, ExtraPnginfo, PromptJson
from weft.engine.schema.sockets import Files, Int, Socket

Number = Annotated[int, Socket("NUMBER")]


@node(category="test", display_name="Begin Here")
def Start(*, value: Annotated[int, Int(min=0, max=100)]) -> Number:
    return value


@node(category="test")
def Half(*, number: Number) -> Number:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2


@node(category="test")
def Size(*, file: Annotated[str, Files("checkpoints")], context: RunContext) -> Number:
    return len(context.folders.find("checkpoints", file).read_bytes())


@node(category="test", output_node=True)
def Save(*, number: Number, prompt: PromptJson, extra_pnginfo: ExtraPnginfo, context: RunContext) -> UI:
    with context.folders.numbered("number").create(".json") as (stream, path):
        stream.write(json.dumps({"number": number, "prompt": prompt, "extra": extra_pnginfo}).encode())
    context.wrote(path)
    settings = context.settings
    return UI(seen=[settings.device, settings.dtype, settings.sampling])


@pytest.fixture
def registry() -> Registry:
    return Registry().add([Start, Half, Size, Save])


PROMPT: dict[str, Any] = {
    "1": {"class_type": "Start", "inputs": {"value": 8}, "_meta": {"title": "The Number"}},
    "2": {"class_type": "Half", "inputs": {"number": ["1", 0]}},
    "3": {"class_type": "Save", "inputs": {"number": ["2", 0]}},
}


def inputs_of(prompt: Any) -> dict[str, Any]:
    return {node_id: (node["class_type"], node["inputs"]) for node_id, node in prompt.items()}


def test_run(registry: Registry, tmp_path: Path) -> None:
    before = copy.deepcopy(PROMPT)
    result = weft.run(PROMPT, registry=registry, output=tmp_path / "out")
    assert before == PROMPT
    (file,) = result.files
    assert file == tmp_path / "out" / "number_00001_.json"
    written = json.loads(file.read_text())
    assert (written["number"], written["prompt"]) == (4, PROMPT)
    assert inputs_of(weft.convert(written["extra"]["workflow"], registry=registry)) == inputs_of(PROMPT)
    assert result.ui["3"] == {"seen": ["auto", "auto", "comfy"]}


def as_text(tmp_path: Path) -> str:
    return json.dumps(PROMPT)


def as_path(tmp_path: Path) -> Path:
    (tmp_path / "w.json").write_text(json.dumps(PROMPT))
    return tmp_path / "w.json"


def as_path_text(tmp_path: Path) -> str:
    return str(as_path(tmp_path))


def as_posted(tmp_path: Path) -> dict[str, Any]:
    return {"prompt": PROMPT, "extra_data": {"extra_pnginfo": {"workflow": {"nodes": []}, "note": 1}}}


@pytest.mark.parametrize("form", [as_text, as_path, as_path_text, as_posted])
def test_forms_of_a_workflow(form: Callable[[Path], Any], registry: Registry, tmp_path: Path) -> None:
    assert weft.validate(form(tmp_path), registry=registry) == []
    (file,) = weft.run(form(tmp_path), registry=registry).files
    assert file == tmp_path / "output" / "number_00001_.json"  # the default folder
    extra = json.loads(file.read_text())["extra"]
    assert inputs_of(weft.convert(extra["workflow"], registry=registry)) == inputs_of(PROMPT)
    assert extra.keys() == ({"workflow", "note"} if form is as_posted else {"workflow"})


def test_overrides(registry: Registry) -> None:
    result = weft.run(PROMPT, registry=registry, overrides=["The Number.value=20"], targets=["2"])
    assert result["2"] == (10,)
    assert json.loads(result.files[0].read_text())["prompt"]["1"]["inputs"] == {"value": 20}
    result = weft.run(PROMPT, registry=registry, overrides={"1.value": 30}, targets=["Half", "The Number"])
    assert (result["2"], result["1"]) == ((15,), (30,))


@node(category="test")
def Read(*, file: Annotated[str, Files("input")], context: RunContext) -> Number:
    return int(context.folders.find("input", file).read_text())


def test_an_input_file_given_for_the_run_may_lie_anywhere(registry: Registry, tmp_path: Path) -> None:
    registry.add([Read])
    (tmp_path / "photos").mkdir()
    file = tmp_path / "photos" / "eight.txt"
    file.write_text("8")
    prompt = {**PROMPT, "1": {"class_type": "Read", "inputs": {"file": "eight.txt"}}}
    cache = MemoryCache()
    for given in (file, str(file), "photos/eight.txt"):
        result = weft.run(prompt, registry=registry, overrides={"1.file": given}, targets=["2"], cache=cache)
        assert result["2"] == (4,)
    file.write_text("100")
    result = weft.run(prompt, registry=registry, overrides={"1.file": file}, targets=["2"], cache=cache)
    assert result["2"] == (50,), "its content counts"
    again = json.loads(result.files[0].read_text())["prompt"]
    (issue,) = weft.validate(again, registry=registry)
    assert not issue.missing_file
    assert f"given for the run it is read: --set 1.file={file}" in issue.hint
    assert weft.validate(again, registry=registry, overrides={"1.file": str(file)}) == []


def test_models_in_several_folders(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "b" / "checkpoints").mkdir(parents=True)
    (tmp_path / "b" / "checkpoints" / "c.ckpt").write_bytes(b"12345")
    prompt = {"1": {"class_type": "Size", "inputs": {"file": "c.ckpt"}}}
    (tmp_path / "a").mkdir()
    for models in (tmp_path / "b", str(tmp_path / "b"), [tmp_path / "a", str(tmp_path / "b")]):
        assert weft.run(prompt, registry=registry, models=models, targets=["1"])["1"] == (5,)
        assert weft.validate(prompt, registry=registry, models=models, targets=["1"]) == []
    with pytest.raises(InvalidWorkflow) as caught:
        weft.run(prompt, registry=registry, targets=["1"])
    assert caught.value.exit_code == 4


def test_arguments_become_settings(registry: Registry, tmp_path: Path) -> None:
    result = weft.run(PROMPT, registry=registry, device="cpu", dtype="bfloat16", sampling="comfy")
    assert result.ui["3"] == {"seen": ["cpu", "bfloat16", "comfy"]}
    (tmp_path / "weft.toml").write_text('device = "cuda:1"\noutput = "there"')
    result = weft.run(PROMPT, registry=registry, device="auto")
    assert result.ui["3"] == {"seen": ["cuda:1", "auto", "comfy"]}
    assert result.files[0].parent == tmp_path / "there"
    (tmp_path / "weft.toml").write_text('sampling = "continuous"')
    for given, seen in ((None, "continuous"), ("comfy", "comfy")):
        result = weft.run(PROMPT, registry=registry, sampling=given)
        assert result.ui["3"]["seen"][2] == seen, "an argument beats the file, no argument does not"


def test_a_cache_serves_several_runs(registry: Registry) -> None:
    cache = MemoryCache()
    weft.run(PROMPT, registry=registry, cache=cache)
    again = weft.run(PROMPT, registry=registry, cache=cache)
    assert (again.cached, again.timings) == (("3",), {})
    changed = weft.run(PROMPT, registry=registry, cache=cache, output="elsewhere")
    assert (changed.cached, list(changed.timings)) == (("2",), ["3"])
    assert weft.run(PROMPT, registry=registry, cache=cache, dtype="float16").cached == ()


def test_without_a_cache_everything_runs(registry: Registry) -> None:
    for _ in range(2):
        assert list(weft.run(PROMPT, registry=registry).timings) == ["1", "2", "3"]


def test_observers(registry: Registry) -> None:
    seen: list[Event] = []
    weft.run(PROMPT, registry=registry, observers=[seen.append])
    assert type(seen[0]).__name__ == "RunStarted"
    assert type(seen[-1]).__name__ == "RunFinished"


def test_issues(registry: Registry) -> None:
    issues = weft.validate(PROMPT, registry=registry, overrides=["1.value=101"])
    assert [issue.code for issue in issues] == ["value_bigger_than_max"]
    with pytest.raises(InvalidWorkflow) as caught:
        weft.run(PROMPT, registry=registry, overrides=["1.value=101"])
    assert list(caught.value.issues) == issues
    assert not Path("output").exists()


@pytest.mark.parametrize(
    ("workflow", "options", "error"),
    [
        ("absent.json", {}, UnreadableWorkflow),
        ({}, {}, UnreadableWorkflow),
        (PROMPT, {"targets": ["9"]}, UsageError),
        (PROMPT, {"targets": "12"}, UsageError),
        (PROMPT, {"overrides": "1.value=3"}, UsageError),
        (PROMPT, {"overrides": ["9.value=3"]}, UsageError),
        (PROMPT, {"dtype": "int4"}, UsageError),
        (PROMPT, {"overrides": ["1.value=9"]}, NodeError),
        (None, {}, UsageError),
        (b"{}", {}, UsageError),
        (PROMPT, {"observers": print}, UsageError),
        (PROMPT, {"observers": None}, UsageError),
        (PROMPT, {"observers": [3]}, UsageError),
        (PROMPT, {"models": "nowhere"}, UsageError),
        (PROMPT, {"models": [".", "nowhere"]}, UsageError),
    ],
)
def test_errors(workflow: Any, options: dict[str, Any], error: type[Exception], registry: Registry) -> None:
    with pytest.raises(error):
        weft.run(workflow, registry=registry, **options)


def test_a_session_runs_several(registry: Registry) -> None:
    session = Session(registry=registry, cache=MemoryCache())
    prompt = session.read(PROMPT)
    assert session.issues(prompt) == []
    assert [step.runs for step in session.plan(prompt).steps] == [True, True, True]
    session.execute(session.plan(prompt))
    assert [step.runs for step in session.plan(prompt).steps] == [False]


def test_nodes_may_come_from_a_generator(registry: Registry, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert weft.run(PROMPT, registry=registry, output=out, only=(name for name in ["2"]))["2"] == (4,)
    assert weft.run(PROMPT, registry=registry, output=out, targets=(name for name in ["1"]))["1"] == (8,)
    with pytest.raises(UsageError, match="only: expected a list"):
        weft.run(PROMPT, registry=registry, output=out, only="2")


def test_the_signature_is_stable() -> None:
    parameters = inspect.signature(weft.run).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "workflow": inspect.Parameter.empty,
        "overrides": None,
        "models": None,
        "input": None,
        "output": None,
        "registry": None,
        "cache": None,
        "device": "auto",
        "dtype": "auto",
        "targets": None,
        "only": None,
        "bypass": (),
        "mute": (),
        "observers": (),
        "seed": None,
        "cancel": None,
        "settings": inspect.Parameter.empty,
    }
    kinds = {parameter.kind for name, parameter in parameters.items() if name not in ("workflow", "settings")}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    assert parameters["settings"].kind is inspect.Parameter.VAR_KEYWORD


def test_the_settings_of_packs_are_arguments(registry: Registry) -> None:
    settings = {"sampling": "continuous", "prompt_schedule": False, "missing_embeddings": "warn", "max_pixels": 1 << 20}
    assert weft.run(PROMPT, registry=registry, **settings).status == "done"
    with pytest.raises(UsageError, match=r"the arguments: unknown setting 'samplng' \(did you mean 'sampling'\?\)"):
        weft.run(PROMPT, registry=registry, samplng="comfy")


def test_public_names() -> None:
    for name in weft.__all__:
        assert getattr(weft, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = weft.nonsense


def test_planning_leaves_the_garbage_collector_as_it_found_it(registry: Registry) -> None:
    """It is paused while a graph is read and planned, also where that fails, and what a program froze stays frozen."""
    seen = []

    @node(category="test", fingerprint=lambda folders, constants: seen.append(gc.isenabled()) or [])
    def Watched() -> Annotated[int, Int()]:
        return 1

    session = Session(registry=registry.copy().add(Watched))
    watched = session.read({"1": {"class_type": "Watched"}})
    session.plan(watched, ["1"])
    assert gc.isenabled()
    with pytest.raises(InvalidWorkflow):
        session.plan(session.read({"1": {"class_type": "Unheard"}}))
    assert gc.isenabled()
    gc.disable()
    try:
        session.plan(session.read(watched.to_json()), ["1"])
        assert not gc.isenabled()
    finally:
        gc.enable()
    gc.freeze()
    frozen = gc.get_freeze_count()
    session.plan(session.read(watched.to_json()), ["1"])
    assert 0 < gc.get_freeze_count() <= frozen
    assert not any(seen)
    assert seen
