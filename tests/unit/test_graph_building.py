"""weft.Graph: nodes by calls, and what is wrong said by the call that says it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

import weft
from weft import Graph, InvalidWorkflow, Registry, Session, node
from weft.engine.building.nodes import GraphNode, NoSuchName, SoleNode
from weft.engine.errors import UsageError, WeftError, WeftWarning
from weft.engine.formats.canonical import formatted
from weft.engine.schema.authoring import UI
from weft.engine.schema.sockets import Int, Socket

ROOT = Path(__file__).resolve().parents[2]
Number = Annotated[int, Socket("NUMBER")]


@node(category="test")
def Start(*, value: Annotated[int, Int(default=3, min=0, max=9)] = 3) -> Number:
    return value


@node(category="test", class_type="Half (test)")
def half(*, number: Number) -> tuple[Number, Number]:
    return number // 2, number % 2


@node(category="test", output_node=True)
def Show(*, number: Number, more: Number = 0) -> UI:
    return UI(seen=[number, more])


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover()


@pytest.fixture
def g(registry: Registry) -> Graph:
    return Graph(registry=registry)


@pytest.fixture
def toys() -> Graph:
    return Graph(registry=Registry().add({"Start": Start, "Half (test)": half, "Show": Show}))


def inputs(graph: Graph, made: GraphNode) -> dict[str, Any]:
    found: dict[str, Any] = graph.to_prompt()[made.id]["inputs"]
    return found


def test_a_graph_is_the_prompt_that_it_says(g: Graph) -> None:
    m = g.CheckpointLoaderSimple("tiny.safetensors")
    text = g.CLIPTextEncode("a cat", clip=m.clip, _title="Positive")
    s = g.KSampler(m.model, 7, positive=text, negative=text.conditioning, latent_image=g.EmptyLatentImage(64))
    g.SaveImage(g.VAEDecode(s, m.vae))
    assert g.to_prompt() == {
        "1": {
            "inputs": {"ckpt_name": "tiny.safetensors"},
            "class_type": "CheckpointLoaderSimple",
            "_meta": {"title": "Load Checkpoint"},
        },
        "2": {
            "inputs": {"text": "a cat", "clip": ["1", 1]},
            "class_type": "CLIPTextEncode",
            "_meta": {"title": "Positive"},
        },
        "3": {
            "inputs": {"width": 64, "height": 512, "batch_size": 1},
            "class_type": "EmptyLatentImage",
            "_meta": {"title": "Empty Latent Image"},
        },
        "4": {
            "inputs": {
                "model": ["1", 0], "seed": 7, "steps": 20, "cfg": 8.0, "sampler_name": "euler", "scheduler": "simple",
                "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0], "denoise": 1.0,
            },
            "class_type": "KSampler",
            "_meta": {"title": "KSampler"},
        },
        "5": {
            "inputs": {"samples": ["4", 0], "vae": ["1", 2]},
            "class_type": "VAEDecode",
            "_meta": {"title": "VAE Decode"},
        },
        "6": {
            "inputs": {"images": ["5", 0], "filename_prefix": "ComfyUI"},
            "class_type": "SaveImage",
            "_meta": {"title": "Save Image"},
        },
    }  # fmt: skip
    assert [each.class_type for each in g.nodes][-2:] == ["VAEDecode", "SaveImage"]


def test_outputs_have_names_numbers_and_an_order(g: Graph) -> None:
    m = g.CheckpointLoaderSimple("tiny.safetensors")
    model, clip, vae = m
    assert [model, clip, vae] == [m.model, m.clip, m.vae] == [m[0], m[1], m[-1]] == [m["MODEL"], m["CLIP"], m["VAE"]]
    assert clip.link == ("1", 1)
    assert not isinstance(m, SoleNode) and isinstance(g.EmptyLatentImage(), SoleNode)
    plain = g["Efficient Loader"]("tiny.safetensors")
    assert plain.conditioning_minus.slot == 2 and "conditioning_plus" in dir(plain)
    assert g["Text String"]().string_3.slot == 2, "four outputs of one name"


def test_classes_are_had_by_any_name(g: Graph) -> None:
    assert g["KSampler (Advanced)"].schema.class_type == "KSamplerAdvanced"
    assert g["KSampler (Efficient)"].schema.class_type == "KSampler (Efficient)"
    assert "KSampler" in dir(g) and not hasattr(g, "KSampller")
    assert "VAEDecode(samples: 'LATENT', vae: 'VAE', **_more) -> image" in (g.VAEDecode.__doc__ or "")
    assert list(inspect.signature(g.VAEDecode).parameters) == ["samples", "vae", "_more"]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda g, m: g.KSamplr(), "unknown node class 'KSamplr' (did you mean 'KSampler'?)"),
        (lambda g, m: g.fnd, "unknown node class 'fnd' (did you mean 'find'?)"),
        (lambda g, m: m.modle, "has no output 'modle' (did you mean 'model'?)"),
        (lambda g, m: m[3], "has no output 3 (it has MODEL, CLIP, VAE)"),
        (lambda g, m: g.CLIPTextEncode("x", clip=m.model), "received_type(MODEL) mismatch input_type(CLIP)"),
        (lambda g, m: g.CLIPTextEncode("x", clip=m), "has 3 outputs (model, clip, vae) (CLIP is .clip)"),
        (lambda g, m: g.CLIPTextEncode("x", clip="y"), "it takes CLIP from another node, got 'y'"),
        (lambda g, m: g.CLIPTextEncode("x"), "input 'clip': Required input is missing"),
        (lambda g, m: g.CLIPTextEncode("x", m.clip), "takes 1 inputs by position (text), got 2 (by name: clip)"),
        (lambda g, m: g.CLIPTextEncode("x", text="y", clip=m.clip), "text is given twice"),
        (lambda g, m: g.CLIPTextEncode(txt="x", clip=m.clip), "no input 'txt' (did you mean 'text'?)"),
        (lambda g, m: g.CLIPTextEncode(text=object(), clip=m.clip), "expected a value or an output of a node"),
        (lambda g, m: g.EmptyLatentImage(width=8), "Value 8 smaller than min of 16"),
        (lambda g, m: g.EmptyLatentImage(width="wide"), "Failed to convert an input value to a INT value"),
        (lambda g, m: g.KSamplerSelect("eulr"), "did you mean 'euler'?"),
        (lambda g, m: g.CheckpointLoaderSimple(3), "expected the name of a file, got 3"),
        (lambda g, m: g.VAEDecode(g.EmptyLatentImage(), Graph.on(g.session, g.prompt).find("1").vae), "another graph"),
        (lambda g, m: g.BatchImagesNode(images=m.model), "expected a list of outputs"),
        (lambda g, m: g.PreviewAny(g.SaveLatent(g.EmptyLatentImage())), "has no outputs"),
        (lambda g, m: g.EmptyLatentImage(_id=1), "there is a node 1 already"),
        (lambda g, m: g.find("Load Chekpoint"), "did you mean 'Load Checkpoint'?"),
        (lambda g, m: g.save("x", format="yaml"), "expected api, ui"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_the_call(call: Callable[[Graph, Any], object], expected: str, g: Graph) -> None:
    m = g.CheckpointLoaderSimple("tiny.safetensors")
    with pytest.raises(WeftError) as caught:
        call(g, m)
    assert expected in str(caught.value)
    assert m in g and g.CheckpointLoaderSimple not in g.nodes
    assert not [each for each in g.nodes if each.class_type == "CLIPTextEncode"], "a call that fails adds nothing"


def test_all_that_is_wrong_is_said_at_once(g: Graph) -> None:
    with pytest.raises(InvalidWorkflow) as caught:
        g.EmptyLatentImage(width=8, height=8, batch=2)
    assert [issue.code for issue in caught.value.issues] == [
        "undeclared_input", "value_smaller_than_min", "value_smaller_than_min",
    ]  # fmt: skip
    assert {issue.node_id for issue in caught.value.issues} == {"1"}


def test_inputs_that_unfold(g: Graph) -> None:
    image = g.EmptyImage(64, 64)
    row = g.BatchImagesNode(images=[image, image.image])
    assert inputs(g, row) == {"images.image0": ["1", 0], "images.image1": ["1", 0]}
    text = g.StringFormat(f_string="{a}", values={"a": image})
    assert inputs(g, text) == {"f_string": "{a}", "values.a": ["1", 0]}
    resized = g.ResizeImageMaskNode(image, {"resize_type": "scale by multiplier", "multiplier": 2})
    assert inputs(g, resized)["resize_type.multiplier"] == 2
    again = g.ResizeImageMaskNode(image, "scale by multiplier", **{"resize_type.multiplier": 2})
    assert inputs(g, again) == inputs(g, resized)
    assert "resize_type.width" in inputs(g, g.ResizeImageMaskNode(image)), "the first choice, with its defaults"


def test_what_a_class_takes_beside_what_it_declares(g: Graph) -> None:
    m = g.CheckpointLoaderSimple("tiny.safetensors")
    row = {"on": True, "lora": "x.safetensors", "strength": 1.0}
    loras = g["Power Lora Loader (rgthree)"](m.model, m.clip, lora_1=row)
    assert inputs(g, loras)["lora_1"] == row
    g.VHS_VideoCombine(g.EmptyImage(), format="video/h264-mp4", pix_fmt="yuv420p", crf=12)
    assert weft.convert(g.to_workflow(), registry=g.registry) == g.to_prompt()
    loras.set(lora_3=row)
    with pytest.warns(WeftWarning, match="no place for the value"):
        g.to_workflow()


def test_none_leaves_an_input_out(toys: Graph) -> None:
    number = toys.Start(None)
    assert inputs(toys, number) == {"value": 3}
    assert inputs(toys, toys.Show(number, None)) == {"number": ["1", 0]}


def test_a_list_is_written_as_no_link(g: Graph) -> None:
    assert inputs(g, g.PreviewAny(["1", 0])) == {"source": {"__value__": ["1", 0]}}


def test_nodes_are_changed(toys: Graph) -> None:
    number = toys.Start()
    shown = toys.Show(number, number, _title="All of it")
    shown.set(more=None, number=toys["Half (test)"](number)[1], _title="Half")
    assert inputs(toys, shown) == {"number": ["3", 1]} and shown.title == "Half"
    number.set(value=5)
    with pytest.raises(InvalidWorkflow, match="bigger than max of 9"):
        number.set(value=10)
    assert number.inputs == {"value": 5}
    assert shown.inputs["number"].node.inputs["number"] == number.number
    with pytest.raises(UsageError, match='feeds node 3 "Half'):
        toys.remove(number)
    toys.remove(shown)
    assert len(toys) == 2 and shown not in toys


def test_ids_titles_and_what_is_taken_as_it_is(toys: Graph) -> None:
    toys.Start(_id=3, _meta={"group": "numbers"})
    assert toys.Start().id == "2" and toys.Start().id == "4"
    odd = toys.Show(number=["9", 0], more=None, other=1, _as_is=True)
    assert toys.to_prompt()[odd.id]["inputs"] == {"number": ["9", 0], "more": None, "other": 1}
    assert toys.to_prompt()["3"]["_meta"] == {"title": "Start", "group": "numbers"}


def test_a_graph_is_a_workflow(toys: Graph) -> None:
    whole, rest = toys["Half (test)"](toys.Start(7))
    toys.Show(whole, rest, _title="Shown")
    result = weft.run(toys, targets=["Half (test)"])
    assert result["Half (test)"] == (3, 1)
    assert weft.validate(toys) == []
    session = Session(registry=toys.registry)
    assert session.plan(session.read(toys)).steps
    assert weft.run(toys, overrides={"Start.value": 9}, targets=["Half (test)"])["Half (test)"] == (4, 1)


def test_a_sweep_of_a_graph(toys: Graph, tmp_path: Path) -> None:
    toys.Show(toys.Start())
    cells = list(weft.sweep(toys, output=tmp_path, grid={"Start.value": [1, 2]}))
    assert len(cells) == 2


def test_files(g: Graph, tmp_path: Path) -> None:
    g.SaveLatent(g.EmptyLatentImage(), _title="Keep")
    g.save(tmp_path / "x.json")
    g.save(tmp_path / "x.api.json")
    g.save(tmp_path / "y.json", format="api")
    assert json.loads((tmp_path / "x.json").read_text())["version"] == 0.4
    for name in ("x.json", "x.api.json", "y.json"):
        assert Graph.load(tmp_path / name, registry=g.registry).to_prompt() == g.to_prompt()
        text = (tmp_path / name).read_text()
        assert formatted(text, name, g.registry) == text


def test_a_saved_workflow_keeps_its_looks(registry: Registry, tmp_path: Path) -> None:
    before = json.loads((ROOT / "workflows" / "txt2img.json").read_text())
    before["nodes"][0]["pos"] = [-1234, 5678]
    graph = Graph.load(before, registry=registry)
    graph.find("KSampler").set(steps=3)
    after = graph.to_workflow()
    assert after["nodes"][0]["pos"] == [-1234, 5678]
    assert weft.convert(after, registry=registry) == graph.to_prompt()


def test_what_the_editor_has_no_place_for_is_said(g: Graph) -> None:
    g.SaveLatent(samples=g.EmptyLatentImage(), filename_prefix="x", odd=3, _as_is=True)
    with pytest.warns(WeftWarning, match="no place for the value 3"):
        g.to_workflow()


def test_names_that_are_not_there_are_of_every_kind_of_lookup(g: Graph) -> None:
    assert issubclass(NoSuchName, AttributeError) and issubclass(NoSuchName, LookupError)
    assert getattr(g, "Nothing_of_that_name", None) is None
