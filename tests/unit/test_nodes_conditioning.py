"""The cache key of an encoded prompt: the embeddings that it names, or could name, count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from engine.authoring import node
from engine.cache import NoCache
from engine.digests import Digests
from engine.folders import Folders
from engine.plan import make_plan
from engine.prompt import Prompt
from engine.registry import Registry
from engine.sockets import String
from nodes.types import Anything, Clip


@node(category="test")
def Text(*, value: Annotated[str, String()]) -> Anything: ...


@node(category="test")
def Encoders() -> Clip: ...


REGISTRY = Registry.discover().add([Text, Encoders])
SIZES = dict.fromkeys(("width", "height", "crop_w", "crop_h", "target_width", "target_height"), 64)
CLASSES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "CLIPTextEncode": ({}, ("text",)),
    "CLIPTextEncodeSDXL": (SIZES, ("text_g", "text_l")),
    "CLIPTextEncodeSDXLRefiner": ({"ascore": 6.0, "width": 64, "height": 64}, ("text",)),
    "weft.EncodePrompt": ({"token_normalization": "none", "weight_interpretation": "comfy"}, ("text",)),
}


@pytest.fixture
def embedding(folders: Folders) -> Callable[[str, str], Path]:
    """Writes an embedding's file."""

    def write(name: str, content: str) -> Path:
        path = folders.models[0] / "embeddings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    return write


def key(folders: Folders, class_type: str, text: Any) -> bytes:
    """The key of a node whose texts are all this one, typed or a link."""
    rest, names = CLASSES[class_type]
    inputs = {"clip": ["2", 0], **rest, **dict.fromkeys(names, text)}
    nodes = {
        "1": {"class_type": class_type, "inputs": inputs},
        "2": {"class_type": "Encoders"},
        "3": {"class_type": "Text", "inputs": {"value": "embedding:face"}},
    }
    options: dict[str, Any] = {"folders": folders, "digests": Digests(), "cache": NoCache()}
    plan = make_plan(Prompt.parse(nodes), REGISTRY, targets=["1"], **options)
    (found,) = (step.key for step in plan.steps if step.node_id == "1")
    assert not found.volatile
    return found.digest


@pytest.mark.parametrize("class_type", CLASSES)
def test_a_typed_text_counts_what_it_names(folders: Folders, embedding: Any, class_type: str) -> None:
    text = "a cat, (embedding:face:1.2), embedding:deep/style, embedding:gone"
    empty = key(folders, class_type, text)
    embedding("face.pt", "1")
    embedding("deep/style.safetensors", "1")
    first = key(folders, class_type, text)
    assert first != empty
    embedding("other.pt", "1")
    assert key(folders, class_type, text) == first
    embedding("face.pt", "22")
    assert key(folders, class_type, text) != first


@pytest.mark.parametrize("class_type", CLASSES)
def test_a_linked_text_counts_every_embedding(folders: Folders, embedding: Any, class_type: str) -> None:
    """What it says is known only when the node runs."""
    path = embedding("face.pt", "1")
    seen = [key(folders, class_type, ["3", 0])]
    assert key(folders, class_type, ["3", 0]) == seen[0]
    embedding("face.pt", "22")
    seen.append(key(folders, class_type, ["3", 0]))
    embedding("deep/style.safetensors", "1")
    seen.append(key(folders, class_type, ["3", 0]))
    path.rename(path.with_name("head.pt"))
    seen.append(key(folders, class_type, ["3", 0]))
    assert len(set(seen)) == 4
    (path.parent / "dangling.pt").symlink_to("nowhere")
    assert key(folders, class_type, ["3", 0]) == seen[-1]


def test_one_linked_text_of_two(folders: Folders, embedding: Any) -> None:
    def both() -> bytes:
        inputs = {**SIZES, "clip": ["2", 0], "text_g": "plain", "text_l": ["3", 0]}
        nodes = {
            "1": {"class_type": "CLIPTextEncodeSDXL", "inputs": inputs},
            "2": {"class_type": "Encoders"},
            "3": {"class_type": "Text", "inputs": {"value": "x"}},
        }
        options: dict[str, Any] = {"folders": folders, "digests": Digests(), "cache": NoCache()}
        return make_plan(Prompt.parse(nodes), REGISTRY, targets=["1"], **options).steps[-1].key.digest

    before = both()
    embedding("face.pt", "1")
    assert both() != before
