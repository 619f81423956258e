"""What a recorder takes down of a run, and that it takes it before the executor lets go of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
import torch

from weft.engine.cache.memory import MemoryCache
from weft.engine.context import RunContext
from weft.engine.schema.authoring import UI, node
from weft.engine.schema.expansion import Expanded, GraphBuilder
from weft.engine.schema.packs import Pack, Packs
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files, Int, Socket
from weft.engine.schema.v1 import pack_digest
from weft.engine.session import Session
from weft.engine.testing.instrument import Instrument
from weft.engine.testing.recorder import Recorder
from weft.engine.testing.records import NodeRecord, TensorLeaf
from weft.engine.values import ExecutionBlocker

Thing = Annotated[Any, Socket("THING")]


class Handle:
    """Something that only its maker understands."""


VALUES: dict[int, Any] = {
    0: torch.ones(2, 3),
    1: {"samples": torch.zeros(1, 4), "batch_index": [0, 1], "more": {"deep": [torch.ones(1)]}},
    2: [[torch.ones(1, 2), {"pooled_output": torch.zeros(2), "strength": 0.5}]],
    3: Handle(),
    4: (1, "two", None),
    5: b"bytes",
    6: "x" * 5000,
    7: {"handle": Handle(), "number": 5},
}


@node(category="test")
def Make(*, number: Annotated[int, Int()]) -> Thing:
    return VALUES[number]


@node(category="test")
def Read(*, file: Annotated[str, Files("input", suffixes=(".txt",))], other: Thing | None = None) -> Thing:
    return file


@node(category="test", output_node=True)
def Show(*, thing: Thing) -> UI:
    return UI(text=["shown", "twice"])


@node(category="test", output_node=True)
def Write(*, thing: Thing, context: RunContext) -> None:
    path = context.folders.output / "note.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("content")
    context.wrote(path)


@node(category="test")
def Grow(*, number: Annotated[int, Int()], graph: GraphBuilder) -> Annotated[Expanded, Socket("THING")]:
    inner = graph.add("Make", number=number)
    return graph.result(inner[0])


@node(category="test")
def Many(*, count: Annotated[int, Int()]) -> list[Thing]:
    return [VALUES[0], ExecutionBlocker("why"), VALUES[0]][:count]


REGISTRY = Registry().add([Make, Read, Show, Write, Grow, Many])


def recorded(
    prompt: dict[str, Any], instrument: Instrument, *, session: Session | None = None, **more: Any
) -> Recorder:
    session = session or Session(registry=REGISTRY, device="cpu")
    recorder = Recorder(instrument, session.registry, session.folders, session.digests, **more)
    session.execute(session.plan(session.read(prompt)), watch=recorder)
    return recorder


def one(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def made(number: int, instrument: Instrument) -> NodeRecord:
    recorder = recorded({"1": one("Make", number=number), "2": one("Show", thing=["1", 0])}, instrument)
    return recorder.nodes["1"]


@pytest.mark.parametrize(
    ("number", "leaves"),
    [
        (0, {"": "float32[2,3]"}),
        (1, {"samples": "float32[1,4]", "batch_index": "[0, 1]", "more.deep.0": "float32[1]"}),
        (2, {"0.0": "float32[1,2]", "0.1.pooled_output": "float32[2]", "0.1.strength": "0.5"}),
        (3, {"": "Handle"}),
        (4, {"": "[1, 'two', None]"}),
        (7, {"handle": "Handle", "number": "5"}),
    ],
)
def test_values_are_opened(number: int, leaves: dict[str, str], instrument: Instrument) -> None:
    (value,) = made(number, instrument).values
    assert (value.name, value.label, value.type) == ("0 THING", "THING", "THING")
    assert {place: str(leaf) for place, leaf in value.leaves.items()} == leaves


@pytest.mark.parametrize(
    ("count", "leaves"),
    [
        (0, {"": "[]"}),
        (1, {"": "float32[2,3]"}),
        (3, {"0": "float32[2,3]", "1": "{'blocked': 'why'}", "2": "float32[2,3]"}),
    ],
)
def test_of_a_list_each_value_is_taken_down(count: int, leaves: dict[str, str], instrument: Instrument) -> None:
    graph = {"1": one("Many", count=count), "2": one("Show", thing=["1", 0])}
    (value,) = recorded(graph, instrument).nodes["1"].values
    assert {place: str(leaf) for place, leaf in value.leaves.items()} == leaves


@pytest.mark.parametrize("number", [5, 6])
def test_what_is_long_or_no_json_is_kept_by_digest(number: int, instrument: Instrument) -> None:
    (leaf,) = made(number, instrument).values[0].leaves.values()
    assert leaf.kind == "plain"
    assert leaf.value is None
    assert len(leaf.digest) == 64


def test_a_pack_s_measure_says_what_is_taken_down(instrument: Instrument) -> None:
    pack = Pack(measures={"THING": lambda handle: {"size": 3, "wave": torch.ones(2)}})
    session = Session(registry=Registry(packs=Packs((*Packs.installed(), pack))).add([Make, Show]), device="cpu")
    prompt = {"1": one("Make", number=3), "2": one("Show", thing=["1", 0])}
    recorder = recorded(prompt, instrument, session=session)
    (value,) = recorder.nodes["1"].values
    assert {place: leaf.kind for place, leaf in value.leaves.items()} == {"size": "plain", "wave": "tensor"}


def test_packs_are_taken_down_with_the_digest_of_their_code(instrument: Instrument, sandbox: Path) -> None:
    """The pack here is this file."""
    recorder = recorded({"1": one("Make", number=0), "2": one("Show", thing=["1", 0])}, instrument)
    own = __name__.partition(".")[0]
    assert {node.pack for node in recorder.nodes.values()} == {own}
    assert set(recorder.packs) == {"weft", own}
    session = Session(device="cpu")
    birth = recorder.recording(session.settings, session.packs.making(session.settings)).birth
    assert birth.packs == recorder.packs
    file = sandbox / "thing.py"
    file.write_text("1")
    before = pack_digest("thing", file)
    file.write_text("2")
    assert pack_digest("thing", file) != before


def test_opaque_nodes_are_known(instrument: Instrument) -> None:
    assert made(3, instrument).is_opaque
    assert not made(7, instrument).is_opaque


def test_what_a_node_is_made_from(instrument: Instrument, sandbox: Path) -> None:
    (sandbox / "input").mkdir()
    (sandbox / "input" / "a.txt").write_text("a")
    prompt = {
        "1": one("Make", number=0),
        "2": one("Read", file="a.txt", other=["1", 0]),
        "3": one("Show", thing=["2", 0]),
    }
    recorder = recorded(prompt, instrument)
    assert list(recorder.nodes) == ["1", "2", "3"]
    read = recorder.nodes["2"]
    assert read.inputs == {"file": "a.txt"}
    assert read.links == {"other": ("1", 0)}
    assert list(read.files) == ["file"]
    assert recorder.models == {"input/a.txt": read.files["file"]}


def test_texts_and_files_of_output_nodes(instrument: Instrument) -> None:
    prompt = {"1": one("Make", number=0), "2": one("Show", thing=["1", 0]), "3": one("Write", thing=["1", 0])}
    nodes = recorded(prompt, instrument).nodes
    (text,) = nodes["2"].values
    assert (text.name, str(text.leaves[""])) == ("text", "['shown', 'twice']")
    (file,) = nodes["3"].values
    assert (file.name, file.type, list(file.leaves)) == ("file 0 .txt", "FILE", ["content"])


def test_what_moves_counts_by_its_frames_and_their_durations(instrument: Instrument) -> None:
    """The workflow inside the file, here a title, does not."""
    session = Session(device="cpu")

    def taken(**changed: Any) -> Any:
        size = {"width": 16, "height": 16, "batch_size": 1}
        frames = {"image1": ["1", 0], "image2": ["2", 0]}
        saved = {"images": ["3", 0], "filename_prefix": "a", "fps": 4.0, "compress_level": 4}
        prompt = {
            "1": one("EmptyImage", **size, color=255),
            "2": one("EmptyImage", **size, color=0),
            "3": one("ImageBatch", **frames),
            "4": one("SaveAnimatedPNG", **(saved | changed)),
        }
        (file,) = recorded(prompt, instrument, session=session).nodes["4"].values
        return file

    first = taken()
    assert (first.name, first.type) == ("file 0 .png", "IMAGE")
    assert first.leaves["pixels"].shape == (2, 16, 16, 3)
    assert first.leaves["milliseconds"].value == [250, 250]
    assert taken(filename_prefix="b", compress_level=9) == first
    assert taken(fps=5.0).leaves["milliseconds"].value == [200, 200]


def test_twins_and_cached_nodes_are_taken_down_too(instrument: Instrument) -> None:
    prompt = {"1": one("Make", number=0), "2": one("Make", number=0), "3": one("Show", thing=["1", 0]),
              "4": one("Write", thing=["2", 0])}  # fmt: skip
    session = Session(registry=REGISTRY, device="cpu", cache=MemoryCache())
    first = recorded(prompt, instrument, session=session)
    assert first.nodes["1"].values == first.nodes["2"].values
    again = recorded(prompt, instrument, session=session)
    assert set(again.nodes) == {"3", "4"}, "what feeds them need not run"
    assert again.nodes["3"] == first.nodes["3"]


def test_nodes_of_an_expansion_are_taken_down(instrument: Instrument) -> None:
    nodes = recorded({"1": one("Grow", number=1), "2": one("Show", thing=["1", 0])}, instrument).nodes
    assert {"1", "2"} < set(nodes)
    (inner,) = set(nodes) - {"1", "2"}
    assert nodes[inner].class_type == "Make"
    assert nodes["1"].values[0].leaves == nodes[inner].values[0].leaves


def test_tensors_are_kept_as_wanted(instrument: Instrument) -> None:
    def wants(node_id: str, leaf: TensorLeaf) -> bool:
        return node_id == "2"

    prompt = {"1": one("Make", number=0), "2": one("Make", number=0), "3": one("Show", thing=["1", 0]),
              "4": one("Write", thing=["2", 0])}  # fmt: skip
    recorder = recorded(prompt, instrument, wants=wants)
    (kept,) = recorder.tensors.values()
    assert torch.equal(kept, VALUES[0])
    assert kept.data_ptr() != VALUES[0].data_ptr()
    assert not recorded(prompt, instrument).tensors
