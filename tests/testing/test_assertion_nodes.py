"""The nodes of ComfyUI-test-framework: as they are declared, what they pass and what they fail, and the cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy
import pytest
import torch
from PIL import Image

import weft
from weft.cli import main
from weft.engine.cache.memory import MemoryCache
from weft.engine.errors import NodeError
from weft.engine.formats.widgets import default_of
from weft.engine.running.result import RunResult
from weft.engine.schema.authoring import Output, node
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Socket, String
from weft.engine.session import Session
from weft.nodes.diffusion.testing.assertions import HASH_BITS, AssertionFailed, dhash, difference, draw, read_color

from .conftest import node as made

SIZE = {"min": 64, "max": 4096, "step": 8}
ANY = {"default": -1, "min": -1, "max": 16384}
WIDE = {"min": -1e10, "max": 1e10, "step": 0.01}

# As ../shared/test_framework.md lists them: inputs in order, output type, whether it ends a workflow.
DECLARED: dict[str, tuple[dict[str, tuple[Any, dict[str, Any]]], list[str], bool]] = {
    "TestImageGenerator": (
        {
            "image_type": (["black", "white", "noise", "face"], {}),
            "width": ("INT", {"default": 512, **SIZE}),
            "height": ("INT", {"default": 512, **SIZE}),
            "seed": ("INT", {"default": 0, "min": 0, "max": 2**32 - 1}),
        },
        ["IMAGE"],
        False,
    ),
    "AssertExecuted": ({"input": ("*", {})}, ["*"], False),
    "TestDefinition": (
        {
            "name": ("STRING", {"default": "", "socketless": True}),
            "description": ("STRING", {"default": "", "multiline": True, "socketless": True}),
            "requiresGPU": ("BOOLEAN", {"default": False, "socketless": True}),
            "extraTime": ("INT", {"default": 0, "min": 0, "max": 3600, "socketless": True}),
        },
        [],
        True,
    ),
    "AssertEqual": ({"input1": ("*", {}), "input2": ("*", {})}, [], True),
    "AssertNotEqual": ({"input1": ("*", {}), "input2": ("*", {})}, [], True),
    "AssertImageMatch": (
        {
            "image": ("IMAGE", {}),
            "perceptual_hash": ("STRING", {"default": ""}),
            "delta": ("FLOAT", {"default": 0.05, "min": 0.0, "max": 1.0, "step": 0.01}),
            "hash_function": (["dhash"], {}),
        },
        [],
        True,
    ),
    "AssertContainsColor": (
        {
            "image": ("IMAGE", {}),
            "color": ("STRING", {"default": "#FF0000"}),
            "tolerance": ("INT", {"default": 10, "min": 0, "max": 255}),
            "min_pixels": ("INT", {"default": 1, "min": 1, "max": 1_000_000}),
        },
        [],
        True,
    ),
    "AssertTensorShape": (
        {"tensor": ("*", {}), **dict.fromkeys(("batch", "height", "width", "channels"), ("INT", ANY))},
        [],
        True,
    ),
    "AssertInRange": (
        {
            "tensor": ("*", {}),
            "min_value": ("FLOAT", {"default": 0.0, **WIDE}),
            "max_value": ("FLOAT", {"default": 1.0, **WIDE}),
        },
        [],
        True,
    ),
}


@pytest.mark.parametrize("class_type", DECLARED)
def test_declared_as_the_framework_declares_them(class_type: str) -> None:
    inputs, outputs, is_end = DECLARED[class_type]
    info = Registry.discover()[class_type].to_object_info()
    found = {
        name: (spec[0], {option: value for option, value in (spec[1:] or [{}])[0].items() if option != "tooltip"})
        for name, spec in info["input"]["required"].items()
    }
    assert found == inputs
    assert list(found) == list(inputs)
    assert (info["output"], info["output_node"], info["category"]) == (outputs, is_end, "testing")
    assert set(info["input"]) <= {"required", "hidden"}


# Values that tests give to assertions


VALUES: dict[str, Any] = {}


@node(category="check")
def Value(*, name: Annotated[str, String()]) -> Annotated[Any, Socket("*"), Output("value")]:
    """Gives one of VALUES.

    Args:
        name: Which.
    """
    return VALUES[name]


@pytest.fixture
def registry() -> Registry:
    return Registry.discover().copy().add(Value)


@pytest.fixture
def holds(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`holds("AssertEqual", input1=..., delta=...)`: the text that the node shows; raises NodeFailed."""

    def run(class_type: str, **inputs: Any) -> str:
        sockets = registry[class_type].by_name
        prompt: dict[str, Any] = {}
        given = {name: default_of(spec.socket) for name, spec in sockets.items() if spec.socket.is_widget}
        for number, (name, value) in enumerate(inputs.items(), 1):
            if sockets[name].socket.is_widget:
                given[name] = value
                continue
            monkeypatch.setitem(VALUES, f"v{number}", value)
            prompt[str(number)] = made("Value", name=f"v{number}")
            given[name] = [str(number), 0]
        shown = weft.run({**prompt, "9": made(class_type, **given)}, registry=registry).ui["9"]["text"]
        assert len(shown) == 1
        return str(shown[0])

    return run


EQUAL = [
    (1, 1),
    ("a", "a"),
    (None, None),
    (torch.ones(2, 3), torch.ones(2, 3) + 5e-6),
    ({"samples": torch.zeros(1), "n": [1, (2, "x")]}, {"samples": torch.zeros(1), "n": [1, (2, "x")]}),
    (numpy.ones(3), numpy.ones(3)),
    (numpy.array(["a"]), numpy.array(["a"])),
    (torch.zeros(0), torch.zeros(0)),
    (torch.tensor(True), torch.tensor(True)),
]
UNEQUAL = [
    (1, 1.0, "the value is of type int and of type float"),
    (1, True, "of type int and of type bool"),
    ([1], (1,), "of type list and of type tuple"),
    ("a", "b", "the value is 'a' and 'b'"),
    ([1, 2], [1], "has 2 entries and 1"),
    ({"a": 1}, {"b": 1}, "has the keys ['a'] and ['b']"),
    ({"a": [1, 2]}, {"a": [1, 3]}, "the value['a'][1] is 2 and 3"),
    (torch.ones(2, 3), torch.ones(3, 2), "is a tensor [2, 3] float32 and [3, 2] float32"),
    (torch.ones(2), torch.ones(2, dtype=torch.float64), "is a tensor [2] float32 and [2] float64"),
    (torch.zeros(2, 2), torch.eye(2), "differs in 2 of 4 values, first at [0, 0]: 0 and 1"),
    (torch.tensor([float("nan")]), torch.tensor([float("nan")]), "differs in 1 of 1 values"),
    (torch.tensor(2.0), torch.tensor(2.1), "first at []: 2 and 2.1"),
    (numpy.array(["a"]), numpy.array(["b"]), "the value[0] is 'a' and 'b'"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_values(one: Any, other: Any, holds: Any) -> None:
    assert holds("AssertEqual", input1=one, input2=other) == "equal"
    with pytest.raises(NodeError, match="expected different values, got equal ones"):
        holds("AssertNotEqual", input1=one, input2=other)


@pytest.mark.parametrize(("one", "other", "told"), UNEQUAL)
def test_unequal_values(one: Any, other: Any, told: str, holds: Any) -> None:
    assert told in difference(one, other)
    assert told in holds("AssertNotEqual", input1=one, input2=other)
    with pytest.raises(NodeError) as raised:
        holds("AssertEqual", input1=one, input2=other)
    assert raised.value.message == f"expected equal values, got other ones: {difference(one, other)}"


def ramp(*, falling: bool = False) -> torch.Tensor:
    """A picture [1,64,72,3] that brightens from left to right: every bit of its hash is 1."""
    row = torch.linspace(0, 1, 72)
    return (row.flip(0) if falling else row).expand(64, 72)[None, ..., None].repeat(1, 1, 1, 3)


def test_the_hash_has_a_bit_for_each_pair_of_neighbours() -> None:
    assert dhash(ramp()[0]) == "1" * HASH_BITS
    assert dhash(ramp(falling=True)[0]) == "0" * HASH_BITS
    halves = torch.cat([ramp()[0, :32], ramp(falling=True)[0, :32]])
    assert dhash(halves) == "1" * 32 + "0" * 32
    # Written another way: with ImageHash's definition, over Pillow.
    picture = draw("noise", 80, 64, 3)[0]
    grey = Image.fromarray((picture.numpy() * 255).astype(numpy.uint8)).convert("L").resize((9, 8), Image.LANCZOS)
    data = list(grey.getdata()) if not hasattr(grey, "get_flattened_data") else list(grey.get_flattened_data())
    bits = ["1" if data[9 * row + x + 1] > data[9 * row + x] else "0" for row in range(8) for x in range(8)]
    assert dhash(picture) == "".join(bits)
    assert dhash(picture[..., :1]) == dhash(picture[..., :1].repeat(1, 1, 3))


def test_pictures_match_their_hash(holds: Any) -> None:
    shown = holds("AssertImageMatch", image=ramp(), perceptual_hash="1" * 61 + "000", delta=0.05)
    assert shown == "1 picture as remembered: at most 3 of 64 bits differ"
    with pytest.raises(NodeError, match=r"picture 1 of 1 differs in 4 of 64 bits \(0.062\), more than delta 0.05"):
        holds("AssertImageMatch", image=ramp(), perceptual_hash="1" * 60 + "0000", delta=0.05)


def test_every_picture_of_a_batch_is_looked_at(holds: Any) -> None:
    batch = torch.cat([ramp(), ramp(falling=True)])
    with pytest.raises(NodeError, match="picture 2 of 2 differs in 64 of 64 bits"):
        holds("AssertImageMatch", image=batch, perceptual_hash="1" * 64)
    both = f"{'1' * 64} {'0' * 64}"
    assert holds("AssertImageMatch", image=batch, perceptual_hash=both).startswith("2 pictures as remembered")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", f"got an empty text; the picture's is {'1' * 64}"),
        ("10", "expected a hash of 64 digits 0 and 1, got '10' (2)"),
        ("2" * 64, "expected a hash of 64 digits 0 and 1"),
        (f"{'1' * 64} {'1' * 64}", "expected one hash or 1, one a picture, got 2"),
    ],
)
def test_a_hash_that_is_none(text: str, told: str, holds: Any) -> None:
    with pytest.raises(NodeError) as raised:
        holds("AssertImageMatch", image=ramp(), perceptual_hash=text)
    assert told in raised.value.message


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (torch.zeros(0, 8, 8, 3), "expected pictures, got an empty batch"),
        (torch.zeros(8, 8, 3), "expected 4 axes (batch, height, width, channels), got the shape [8, 8, 3]"),
        ("a", "expected a tensor [batch, height, width, channels], got str"),
    ],
)
def test_what_is_no_picture(image: Any, told: str, holds: Any) -> None:
    with pytest.raises(NodeError) as raised:
        holds("AssertImageMatch", image=image, perceptual_hash="1" * 64)
    assert raised.value.message == told


def spot() -> torch.Tensor:
    """Black, with two red pixels in the first and one nearly red in the second picture."""
    image = torch.zeros(2, 8, 8, 3)
    image[0, 0, :2, 0] = 1.0
    image[1, 0, 0] = torch.tensor([250, 5, 5]) / 255
    return image


def test_colours(holds: Any) -> None:
    for color in ("#FF0000", "ff0000", "255,0,0", " 255, 0, 0 "):
        assert "3 pixels" in holds("AssertContainsColor", image=spot(), color=color, min_pixels=3)
    assert "2 pixels" in holds("AssertContainsColor", image=spot(), color="#FF0000", tolerance=8, min_pixels=2)
    with pytest.raises(NodeError, match="expected at least 3 pixels within 8 of #FF0000, got 2"):
        holds("AssertContainsColor", image=spot(), color="#FF0000", tolerance=8, min_pixels=3)


@pytest.mark.parametrize("color", ["", "red", "#FF00", "256,0,0", "-1,0,0", "1,2", "1,2,3,4", "#GG0000"])
def test_a_colour_that_is_none(color: str) -> None:
    with pytest.raises(AssertionFailed, match="expected a colour such as #FF0000 or 255,0,0"):
        read_color(color)


def test_shapes(holds: Any) -> None:
    tensor = torch.zeros(2, 8, 16, 3)
    assert holds("AssertTensorShape", tensor=tensor, height=8, width=16) == "the shape is [2, 8, 16, 3]"
    with pytest.raises(NodeError) as raised:
        holds("AssertTensorShape", tensor=tensor, batch=1, height=8, width=8, channels=3)
    assert raised.value.message == "expected batch 1, got 2; width 8, got 16: the shape is [2, 8, 16, 3]"
    with pytest.raises(NodeError, match="expected 4 axes"):
        holds("AssertTensorShape", tensor=torch.zeros(3), batch=-1, height=-1, width=-1, channels=-1)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (torch.tensor([0.0, 1.5]), "expected values from 0 to 1, got 1 of 2 outside: from 0 to 1.5"),
        (torch.tensor([float("nan")]), "got 1 of 1 outside"),
        (-0.5, "got 1 of 1 outside: from -0.5 to -0.5"),
        (torch.zeros(0), "expected values, got a tensor of the shape [0]"),
        ("a", "expected a tensor or a number, got str"),
        (True, "expected a tensor or a number, got bool"),
    ],
)
def test_ranges(value: Any, told: str, holds: Any) -> None:
    assert holds("AssertInRange", tensor=torch.tensor([0, 1]), min_value=0.0, max_value=1.0).endswith("from 0 to 1")
    with pytest.raises(NodeError) as raised:
        holds("AssertInRange", tensor=value, min_value=0.0, max_value=1.0)
    assert told in raised.value.message
    with pytest.raises(NodeError, match="expected min_value up to max_value, got 2 and 1"):
        holds("AssertInRange", tensor=1.5, min_value=2.0, max_value=1.0)


class TestGenerator:
    def test_noise_is_torchs_own(self) -> None:
        expected = torch.rand((1, 64, 72, 3), generator=torch.Generator().manual_seed(5))
        assert torch.equal(draw("noise", 72, 64, 5), expected)

    @pytest.mark.parametrize(("kind", "value"), [("black", 0.0), ("white", 1.0)])
    def test_plain_pictures(self, kind: str, value: float) -> None:
        assert torch.equal(draw(kind, 72, 64, 5), torch.full((1, 64, 72, 3), value))

    def test_a_face_has_two_eyes_and_a_mouth(self) -> None:
        face = draw("face", 128, 128, 0)
        assert sorted(face.unique().tolist()) == pytest.approx([0.2, 0.9])
        dark = face[0, ..., 0] < 0.5
        starts = (dark[:, 1:] & ~dark[:, :-1]).sum(dim=1)
        assert starts.unique().tolist() == [0, 1, 2], "rows with no, one (mouth) and two (eyes) dark parts"
        assert torch.equal(face, draw("face", 128, 128, 1))


# AssertExecuted and the cache


def watched() -> dict[str, Any]:
    return {
        "1": made("TestImageGenerator", image_type="noise", width=64, height=64, seed=1),
        "2": made("ImageInvert", image=["1", 0]),
        "3": made("AssertExecuted", input=["2", 0]),
        "4": made("AssertTensorShape", tensor=["3", 0], batch=1, height=-1, width=-1, channels=-1),
    }


def run(prompt: dict[str, Any], cache: MemoryCache, **options: Any) -> RunResult:
    return weft.run(prompt, cache=cache, **options)


def test_what_the_cache_serves_was_not_executed() -> None:
    cache = MemoryCache()
    result = run(watched(), cache, targets=["3"])
    assert result["3"][0].shape == (1, 64, 64, 3)
    with pytest.raises(NodeError, match="expected node 2 to be called, got its outputs from the cache") as raised:
        run(watched(), cache)
    assert raised.value.node_id == "3"


def test_it_never_comes_from_the_cache_itself() -> None:
    cache = MemoryCache()
    run(watched(), cache)
    changed = watched()
    changed["1"]["inputs"]["seed"] = 2
    result = run(changed, cache)
    assert result.cached == ()
    assert {"3", "4"} <= set(result.timings)
    session = Session(cache=cache)
    steps = {step.node_id: step for step in session.plan(session.read(changed)).steps}
    assert steps["2"].cached
    assert (steps["3"].runs, steps["3"].reason) == (True, "it looks at what this run called")


def test_a_node_that_shares_what_the_cache_served_was_not_executed_either() -> None:
    cache = MemoryCache()
    first = {name: watched()[name] for name in ("1", "2")}
    run(first, cache, targets=["2"])
    twin = {**first, "7": made("ImageInvert", image=["1", 0]), "8": made("AssertExecuted", input=["7", 0])}
    with pytest.raises(NodeError, match="expected node 7 to be called"):
        run(twin, cache, targets=["2", "8"])
    assert "8" in run(twin, MemoryCache(), targets=["2", "8"]), "computed in this run, by its twin"


def test_it_wants_a_link(registry: Registry) -> None:
    with pytest.raises(NodeError, match="expected a link to the node that must be called, got 5"):
        weft.run({"1": made("AssertExecuted", input=5)}, registry=registry, targets=["1"])


def test_weft_run_twice_in_one_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "w.json").write_text(json.dumps(watched()))
    assert main(["run", "w.json", "--no-cache"]) == 0
    assert main(["run", "w.json", "--no-cache"]) == 0, "another process has no cache in memory"
    capsys.readouterr()
    assert main(["run", "w.json", "w.json", "--no-cache"]) == 1
    assert 'node 3 "AssertExecuted" failed: expected node 2 to be called' in capsys.readouterr().err
