"""The cache key of an encoded prompt: the embeddings that it names, or could name, count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from weft.engine.cache.protocol import NoCache
from weft.engine.folders import Folders
from weft.engine.planning.digests import Digests
from weft.engine.planning.plan import Planner
from weft.engine.schema.authoring import node
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import String
from weft.engine.session import Session
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import validate
from weft.nodes.core.types import Anything, Clip


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
    plan = Planner(REGISTRY, **options).plan(Prompt.parse(nodes), ["1"])
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
        return Planner(REGISTRY, **options).plan(Prompt.parse(nodes), ["1"]).steps[-1].key.digest

    before = both()
    embedding("face.pt", "1")
    assert both() != before


def missing(folders: Folders | None, class_type: str, text: Any, **options: Any) -> list[tuple[Any, ...]]:
    rest, names = CLASSES[class_type]
    inputs = {"clip": ["2", 0], **rest, **dict.fromkeys(names, text)}
    nodes = {
        "1": {"class_type": class_type, "inputs": inputs},
        "2": {"class_type": "Encoders"},
        "3": {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "embedding:fase"}},
        "4": {
            "class_type": "StringConcatenate",
            "inputs": {"string_a": "embedding:fa", "string_b": "ce", "delimiter": ""},
        },
    }
    prompt = Prompt.parse(nodes)
    issues = validate(prompt, REGISTRY, targets=["1"], folders=folders, **options)
    return [(issue.code, issue.input, issue.message, issue.missing_file) for issue in issues]


@pytest.mark.parametrize("class_type", CLASSES)
def test_a_name_that_no_file_has_is_an_issue(folders: Folders, embedding: Any, class_type: str) -> None:
    embedding("deep/face.pt", "1")
    text = "a cat, (embedding:fase:1.2), embedding:face, embedding:fase"
    said = [("missing_embedding", name, "embedding 'fase' is not there", True) for name in CLASSES[class_type][1]]
    assert missing(folders, class_type, text) == said
    assert missing(None, class_type, text) == []
    assert missing(folders, class_type, ["3", 0]) == said
    assert missing(folders, class_type, ["4", 0]) == [], "nobody knows yet what it gives"
    assert missing(folders, class_type, text, lenient=("missing_embedding",)) == []


def test_what_brackets_become_is_left_to_the_schedule(folders: Folders) -> None:
    text = "[embedding:a:embedding:b:0.5] and embedding:c"
    assert missing(folders, "CLIPTextEncode", text, passes=("prompt_schedule",)) == []
    assert [found[2] for found in missing(folders, "CLIPTextEncode", text)] == ["embedding 'c' is not there"]


SCHEDULED = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "weft-tiny.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "[cat:embedding:fase:0.5]"}},
    "3": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "4": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["1", 0], "seed": 0, "steps": 4, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal",
            "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0], "denoise": 1.0,
        },
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "names"),
    [("[cat:embedding:fase:0.5]", ["fase"]), ("embedding:fase", ["fase"]), ("[cat:dog:0.5] embedding:fase", ["fase"])],
)
def test_a_schedule_s_texts_are_checked(text: str, names: list[str], tmp_path: Path) -> None:
    session = Session(registry=REGISTRY, prompt_schedule=True, models=(tmp_path,))
    document = {**SCHEDULED, "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": text}}}
    issues = session.issues(Prompt.parse(document), ["4"])
    assert [(issue.node_id, issue.input, issue.message) for issue in issues] == [
        ("2", "text", f"embedding {name!r} is not there") for name in names
    ]


def test_a_setting_lets_them_be(tmp_path: Path) -> None:
    prompt = Prompt.parse(SCHEDULED)
    assert Session(registry=REGISTRY, models=(tmp_path,), missing_embeddings="warn").issues(prompt, ["4"]) == []
