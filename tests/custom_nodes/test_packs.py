"""Packs of our own writing that import what popular packs import, in their ways: they load, and their nodes run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from weft import cli
from weft.engine.custom_nodes import joining
from weft.engine.errors import NodeError
from weft.engine.session import Session
from weft.nodes import compat

from .packs import PACKS


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packs")
    for pack, files in PACKS.items():
        for name, text in files.items():
            file = root / "custom_nodes" / pack / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    luts = root / "models" / "t5_luts"
    luts.mkdir(parents=True)
    (luts / "warm.cube").touch()
    return root


@pytest.fixture(scope="module")
def session(place: Path) -> Iterator[Session]:
    before, path = dict(joining._IMPORTED), list(sys.path)
    said: list[str] = []
    places = {"models": place / "models", "input": place, "output": place / "output", "temp": place / "temp"}
    found = Session(custom_nodes=place / "custom_nodes", warn=said.append, device="cpu", **places)
    found.said = said  # type: ignore[attr-defined]
    yield found
    compat.uninstall()
    joining._IMPORTED.clear()
    joining._IMPORTED.update(before)
    sys.path[:] = path


def play(session: Session, nodes: dict[str, tuple[Any, ...]]) -> Any:
    prompt = session.read({name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()})
    return session.execute(session.plan(prompt, list(nodes)))


def fault(session: Session, nodes: dict[str, tuple[Any, ...]]) -> str:
    with pytest.raises(NodeError) as failure:
        play(session, nodes)
    return str(failure.value)


def test_all_load_and_none_is_silent_about_what_it_tried(session: Session) -> None:
    assert {pack.name: pack.error for pack in session.custom_nodes} == dict.fromkeys(sorted(PACKS), "")
    assert sorted(session.said) == [  # type: ignore[attr-defined]
        "pack 'comfyroll' tried to install python_bidi arabic_reshaper; do it yourself: "
        "pip install python_bidi arabic_reshaper",
        "pack 'efficiency' replaces comfy.sample.prepare_noise: Weft's own nodes do not call it",
        f"pack 'impact' tried to start a process: {sys.executable} "
        f"{(session.settings.custom_nodes[0] / 'impact' / 'install.py')}",
        "pack 'upscale' tried to open https://example.com/scripts.zip",
        "pack 'video-helper' replaces latent_preview.get_previewer: Weft's own nodes do not call it",
        "pack 'was' tried to start a process: git fetch",
    ]
    lacks = {pack.name: set(pack.lacks) for pack in session.custom_nodes if pack.lacks}
    assert "comfy.ldm.wan.model.WanT2VCrossAttention" in lacks["kjnodes"]


def test_values_pass_between_the_nodes_of_packs_and_weft_s(session: Session) -> None:
    result = play(
        session,
        {
            "1": ("T1 Seed", {"seed": 4}),
            "2": ("T2 Text", {"sampler": "euler", "scheduler": "normal"}),
            "3": ("T2 Any Switch", {"any_01": ["2", 1]}),
            "4": ("T4 Text List", {"text": "a b c"}),
            "5": ("T5 Resize", {"width": 16, "block": False}),
            "6": ("T6 Combine", {"images": ["3", 0], "prefix": "clips/t6"}),
            "7": ("T7 Equal", {"a": 1.0, "b": 1.0}),
            "8": ("T8 Composite", {"value": ["1", 0]}),
            "9": ("T8 Attention", {"heads": 2}),
            "10": ("T10 Replace", {"text": "banana", "sampler": "euler"}),
            "11": ("T12 Detailer", {"image": ["5", 0]}),
            "12": ("SaveImage", {"images": ["8", 0], "filename_prefix": "t8"}),
            "13": ("StringConcatenate", {"string_a": ["4", 0], "string_b": "!", "delimiter": ""}),
        },
    )
    outputs = result.outputs
    assert outputs["1"] == (5,) and outputs["2"][0] == "euler normal 16384" and outputs["3"][0].shape == (2, 8, 8, 3)
    assert list(outputs["13"][0]) == ["a!", "b!", "c!"]
    assert outputs["5"][0].shape == (1, 16, 16, 3) and outputs["7"] == (True,)
    assert outputs["8"][0].sum() == 2 * 2 * 3 and outputs["9"] == (1.0,)
    assert outputs["10"] == ("bbnbnb0",) and outputs["11"][1] == "bbnbnb0"
    names = {file.relative_to(session.folders.output).as_posix() for file in result.files}
    assert names == {"clips/t6_00001.txt", "t8_00001_.png"}
    assert len(result.previews) == 1


def test_what_is_missing_is_named_by_the_node_that_needs_it(session: Session) -> None:
    cases = {
        "comfy.ldm.wan.model.WanT2VCrossAttention": ("T8 Wan", {}),
        "pack 'kjnodes' uses comfy_extras.nodes_lt.LTXVAddGuide": ("T8 Guide", {}),
        "torchvision.transforms.v2": ("T5 Rotate", {"lut": "warm.cube", "image": ["1", 0]}),
    }
    for said, node in cases.items():
        image = ("EmptyImage", {"width": 8, "height": 8, "batch_size": 1, "color": 0})
        message = fault(session, {"1": image, "2": node})
        assert said in message and "MissingName" not in message


def test_models_pass_through_packs(session: Session) -> None:
    """Sampling, LoRAs and VAEs by ComfyUI's functions give what Weft's own nodes give."""
    loaded = {"1": ("T3 Checkpoint", {"ckpt_name": "weft-tiny.safetensors", "note": "!"})}
    lora = {"lora_name": "weft-pixel.safetensors", "strength_model": 1.0, "strength_clip": 1.0}
    result = play(
        session,
        {
            **loaded,
            "2": ("T3 Lora", {"model": ["1", 0], "clip": ["1", 1], **lora}),
            "3": ("LoraLoader", {"model": ["1", 0], "clip": ["1", 1], **lora}),
            "4": ("T5 Sampler", {"model": ["2", 0], "clip": ["2", 1], "text": "a red circle", "seed": 1}),
            "5": ("T5 Sampler", {"model": ["3", 0], "clip": ["3", 1], "text": "a red circle", "seed": 1}),
            "6": (
                "T9 Efficient",
                {"model": ["1", 0], "clip": ["1", 1], "vae": ["1", 2], "scheduler": "normal", "method": "bilinear",
                 "steps": 2},
            ),
            "7": ("CLIPTextEncode", {"clip": ["1", 1], "text": "a red circle"}),
            "8": ("T11 Upscale", {"image": ["6", 0], "vae": ["1", 2], "model": ["1", 0], "positive": ["7", 0]}),
        },
    )  # fmt: skip
    outputs = result.outputs
    assert outputs["1"][3] == "weft-tiny.safetensors!" and outputs["2"][2] == "weft-pixel.safetensors"
    assert (outputs["4"][0]["samples"] == outputs["5"][0]["samples"]).all()
    assert outputs["6"][0].shape == (1, 96, 96, 3) and outputs["6"][2] == 3
    assert outputs["8"][0].shape == (1, 96, 96, 3)


def test_a_file_that_a_pack_s_folder_lacks_is_missing_before_the_run(session: Session) -> None:
    prompt = session.read(
        {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
            "2": {"class_type": "T5 Rotate", "inputs": {"lut": "cold.cube", "image": ["1", 0]}},
        }
    )
    (issue,) = session.issues(prompt, ["2"])
    assert issue.missing_file and "t5_luts" in issue.text


def test_the_command_runs_a_graph_of_packs(place: Path, session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    prompt = {
        "1": {"class_type": "T10 Replace", "inputs": {"text": "a", "sampler": "euler"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
    (place / "w.json").write_text(json.dumps(prompt))
    arguments = ["run", str(place / "w.json"), "--custom-nodes", str(place / "custom_nodes"), "--no-cache", "--json"]
    assert cli.main([*arguments, "--models", str(place / "models")]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"]["2"] == {"text": ["b0"]}
