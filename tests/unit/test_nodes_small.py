"""Nodes that hold a value, put texts together, measure pictures, show masks, and give pictures to a script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

import weft
from weft.engine.errors import NodeError
from weft.engine.events import ImageGiven
from weft.nodes.core import loaders


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def run(prompt: dict[str, Any], *targets: str, **options: Any) -> Any:
    return weft.run(prompt, targets=targets, device="cpu", **options)


@pytest.mark.parametrize(
    ("class_type", "value"),
    [
        ("PrimitiveInt", 2**63 - 1),
        ("PrimitiveInt", -7),
        ("PrimitiveFloat", 0.1),
        ("PrimitiveString", " a "),
        ("PrimitiveStringMultiline", "a\n{b|c}"),
        ("PrimitiveBoolean", False),
    ],
)
def test_a_primitive_gives_the_value_that_it_holds(class_type: str, value: Any) -> None:
    assert run({"1": node(class_type, value=value)}, "1")["1"] == (value,)


def test_one_number_feeds_several_inputs() -> None:
    prompt = {
        "1": node("PrimitiveInt", value=64),
        "2": node("EmptyImage", width=["1", 0], height=["1", 0], batch_size=3, color=0),
        "3": node("GetImageSize", image=["2", 0]),
    }
    result = run(prompt, "3")
    assert result["3"] == (64, 64, 3)
    assert result.ui["3"] == {"text": ["width: 64, height: 64, batch size: 3"]}


def test_texts_are_put_together() -> None:
    prompt = {
        "1": node("PrimitiveString", value="red"),
        "2": node("StringConcatenate", string_a=["1", 0], string_b="apple", delimiter=", "),
        "3": node("StringConcatenate", string_a=["2", 0], string_b="", delimiter=""),
    }
    assert run(prompt, "3")["3"] == ("red, apple",)


def test_a_mask_is_shown_as_a_grey_picture(tmp_path: Path) -> None:
    prompt = {"1": node("SolidMask", value=0.5, width=8, height=4), "2": node("MaskPreview", mask=["1", 0])}
    result = run(prompt, output=tmp_path / "output")
    (shown,) = result.ui["2"]["images"]
    (file,) = result.previews
    assert (shown["type"], shown["filename"]) == ("temp", Path(file).name)
    with Image.open(file) as picture:
        assert (picture.mode, picture.size) == ("RGB", (8, 4))
        assert picture.getpixel((0, 0)) == (127, 127, 127)
        assert "prompt" in picture.info


def test_pictures_for_a_websocket_become_files_in_every_run(tmp_path: Path) -> None:
    prompt = {
        "1": node("EmptyImage", width=8, height=8, batch_size=2, color=255),
        "2": node("SaveImageWebsocket", images=["1", 0]),
    }
    cache = weft.MemoryCache()
    names = []
    for _ in range(2):
        result = run(prompt, output=tmp_path, cache=cache)
        names.append([Path(file).relative_to(tmp_path).as_posix() for file in result.files])
        assert result.warnings == (("2", "there is no websocket here: the pictures are written to the output folder"),)
    assert names == [["ComfyUI_00001_.png", "ComfyUI_00002_.png"], ["ComfyUI_00003_.png", "ComfyUI_00004_.png"]]
    assert weft.validate(tmp_path / "ComfyUI_00001_.png") == []


def test_pictures_for_a_websocket_go_to_an_observer_that_takes_them(tmp_path: Path) -> None:
    prompt = {
        "1": node("EmptyImage", width=8, height=4, batch_size=2, color=255),
        "2": node("SaveImageWebsocket", images=["1", 0]),
    }

    class Taker:
        takes_images = True

        def __init__(self) -> None:
            self.given: list[Any] = []

        def __call__(self, event: Any) -> None:
            if isinstance(event, ImageGiven):
                self.given.append(event)

    taker = Taker()
    result = run(prompt, output=tmp_path, observers=[taker])
    assert not result.files and not result.warnings and not list(tmp_path.iterdir())
    assert [(each.node_id, each.index, each.count, each.image.size) for each in taker.given] == [
        ("2", index, 2, (8, 4)) for index in (0, 1)
    ]
    assert taker.given[0].image.getpixel((0, 0)) == (0, 0, 255)
    assert taker.given[0].to_json() == {"event": "ImageGiven", "node_id": "2", "index": 0, "count": 2}


class TestCheckpointLoader:
    """The configuration decides two things; everything else the file of weights says itself."""

    @pytest.fixture
    def load(self, random_models: Path, tmp_path: Path) -> Any:
        (tmp_path / "own" / "configs").mkdir(parents=True)

        def load(name: str) -> Any:
            checkpoint = next((random_models / "checkpoints").glob("*.safetensors")).name
            prompt = {"1": node("CheckpointLoader", config_name=name, ckpt_name=checkpoint)}
            return run(prompt, "1", models=[tmp_path / "own", random_models])["1"]

        return load

    def test_it_says_clip_skip_and_v(self, load: Any) -> None:
        model, clip, _ = load("v1-inference.yaml")
        assert (model.sampling.prediction, clip.layer) == ("eps", None)
        assert load("anything_v3.yaml")[1].layer == -2
        assert load("v2-inference-v_fp32.yaml")[0].sampling.prediction == "v"

    def test_a_file_of_ones_own_is_read(self, load: Any, tmp_path: Path) -> None:
        folder = tmp_path / "own" / "configs" / "mine"
        folder.mkdir()
        params = {"parameterization": "v", "cond_stage_config": {"params": {"layer_idx": -3}}}
        (folder / "v.yaml").write_text(yaml.safe_dump({"model": {"params": params}}))
        model, clip, _ = load("mine/v.yaml")
        assert (model.sampling.prediction, clip.layer) == ("v", -3)
        for text, message in {"model: {}": "is no configuration of a Stable Diffusion", "a: [": "is no YAML"}.items():
            (folder / "v.yaml").write_text(text)
            with pytest.raises(NodeError, match=message):
                load("mine/v.yaml")

    def test_a_configuration_that_is_not_there_is_an_issue(self, tmp_path: Path) -> None:
        prompt = {"1": node("CheckpointLoader", config_name="v1-inferense.yaml", ckpt_name="weft-tiny.safetensors")}
        (issue,) = weft.validate(prompt, targets=["1"], models=tmp_path)
        assert issue.input == "config_name"
        assert issue.missing_file

    def test_every_configuration_of_comfyui_is_known(self) -> None:
        assert len(loaders.CONFIGS) == 11


def test_a_switch_runs_only_what_it_takes() -> None:
    prompt = {
        "yes": node("PrimitiveString", value="yes"),
        "no": node("ComfyMathExpression", expression="1 / 0 + a", **{"values.a": 1}),
        "1": node("ComfySwitchNode", switch=True, on_false=["no", 0], on_true=["yes", 0]),
        "2": node("ComfySwitchNode", switch=False, on_true=["no", 0]),
        "3": node("PreviewAny", source=["1", 0]),
        "4": node("StringConcatenate", string_a=["3", 0], string_b="!", delimiter=""),
    }
    result = run(prompt, "1", "2", "4")
    assert (result["1"], result["2"], result["4"]) == (("yes",), (None,), ("yes!",))
    prompt["1"]["inputs"]["switch"] = False
    with pytest.raises(NodeError, match="division by zero"):
        run(prompt, "1")


def test_pictures_that_are_written_are_passed_on(tmp_path: Path) -> None:
    prompt = {
        "0": node("EmptyImage", width=8, height=4, batch_size=2, color=255),
        "1": node("SaveImage", images=["0", 0], filename_prefix="a"),
        "2": node("PreviewImage", images=["1", 0]),
        "3": node("ImageInvert", image=["2", 0]),
        "4": node("MaskPreview", mask=["5", 0]),
        "5": node("SolidMask", value=1.0, width=2, height=2),
        "6": node("InvertMask", mask=["4", 0]),
    }
    result = run(prompt, "3", "6", output=tmp_path)
    assert result["3"][0].shape == (2, 4, 8, 3)
    assert not result["6"][0].any()
    assert len(result.files) == 2
    assert len(result.previews) == 3


def test_there_is_no_webcam() -> None:
    shot = {"image": "webcam/1.png [temp]", "width": 0, "height": 0, "capture_on_queue": True}
    (issue,) = weft.validate({"1": node("WebcamCapture", **shot), "2": node("PreviewImage", images=["1", 0])})
    assert issue.input == "image"
    assert issue.message.startswith("a webcam is the browser's, and no browser runs here: take the picture first")
