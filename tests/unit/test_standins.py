"""Stand-ins: what takes the place of files that are not there, and a workflow made a small one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import weft
from weft import InvalidWorkflow
from weft.engine.errors import UsageError
from weft.engine.folders import Folders
from weft.engine.links import Link
from weft.engine.schema.registry import Registry
from weft.engine.session import Session
from weft.engine.standins import Nodes
from weft.nodes.core.standins import BASE, STAND_INS, BuiltinStandIns
from weft.nodes.diffusion.families import release_title, small_file

REGISTRY = Registry.discover()
Inputs = dict[str, Any]


def nodes(**given: tuple[str, Inputs]) -> Nodes:
    return {node_id: (REGISTRY[class_type], inputs) for node_id, (class_type, inputs) in given.items()}


def stage(start: int, end: int, steps: int = 20, **more: Any) -> tuple[str, Inputs]:
    return "KSamplerAdvanced", {"steps": steps, "start_at_step": start, "end_at_step": end, **more}


def latent(width: int, height: int) -> tuple[str, Inputs]:
    return "EmptyLatentImage", {"width": width, "height": height, "batch_size": 1}


def test_steps_are_fewer_and_keep_their_order() -> None:
    changes, said = STAND_INS.smaller(nodes(a=stage(0, 7), b=stage(7, 9), c=stage(9, 10_000)))
    assert changes == {
        ("a", "steps"): 4, ("a", "end_at_step"): 1, ("b", "steps"): 4, ("b", "start_at_step"): 1,
        ("b", "end_at_step"): 2, ("c", "steps"): 4, ("c", "start_at_step"): 2,
    }  # fmt: skip
    assert said == ["the workflow is made small: 20 steps are 4; --full keeps them"]


def test_each_of_many_stages_keeps_a_step() -> None:
    stages = {f"s{number}": stage(number, number + 1, steps=8) for number in range(8)}
    assert STAND_INS.smaller(nodes(**stages)) == ({}, [])


def test_sizes_have_one_factor_and_latents_whole_blocks() -> None:
    changes, said = STAND_INS.smaller(
        nodes(
            empty=latent(1024, 640),
            area=("ConditioningSetArea", {"width": 512, "height": 320, "x": 256, "y": 0, "strength": 1.0}),
            scale=("ImageScale", {"width": 2048, "height": 1280, "crop": "disabled"}),
            total=("ImageScaleToTotalPixels", {"megapixels": 1.0}),
        )
    )
    assert changes == {
        ("empty", "width"): 64, ("empty", "height"): 64, ("area", "width"): 64, ("area", "height"): 64,
        ("area", "x"): 16, ("scale", "width"): 128, ("scale", "height"): 80, ("total", "megapixels"): 0.01,
    }  # fmt: skip
    assert said == ["the workflow is made small: sides of 2048 are 128; --full keeps them"]


def test_frames_are_as_many_as_the_node_takes() -> None:
    changes, _ = STAND_INS.smaller(
        nodes(a=("EmptyMochiLatentVideo", {"length": 25}), b=("EmptyLTXVLatentVideo", {"length": 97}))
    )
    assert changes == {("a", "length"): 7, ("b", "length"): 9}


def test_a_number_that_another_node_gives_is_what_takes_it() -> None:
    switch = Link("number", 0)
    graph = nodes(
        number=("PrimitiveInt", {"value": 12}),
        a=("KSamplerAdvanced", {"steps": 20, "start_at_step": 0, "end_at_step": switch}),
        b=("KSamplerAdvanced", {"steps": 20, "start_at_step": switch, "end_at_step": 20}),
    )
    assert STAND_INS.smaller(graph)[0]["number", "value"] == 2


def test_all_numbers_that_a_switch_may_give_are_made_smaller() -> None:
    graph = nodes(
        many=("PrimitiveInt", {"value": 40}),
        few=("PrimitiveInt", {"value": 4}),
        on=("PrimitiveBoolean", {"value": False}),
        switch=(
            "ComfySwitchNode",
            {"switch": Link("on", 0), "on_false": Link("many", 0), "on_true": Link("few", 0)},
        ),
        a=("KSampler", {"steps": Link("switch", 0)}),
    )
    assert STAND_INS.smaller(graph)[0] == {("many", "value"): 4, ("few", "value"): 1}


def test_a_side_that_is_computed_of_a_number_is_made_smaller_where_that_is_given() -> None:
    graph = nodes(
        number=("PrimitiveInt", {"value": 1024}),
        handed=("PrimitiveInt", {"value": Link("number", 0)}),
        whole=("ComfyMathExpression", {"expression": "a // 16 * 16", "values.a": Link("handed", 0)}),
        two=(
            "ComfyMathExpression",
            {"expression": "a + b", "values.a": Link("number", 0), "values.b": Link("other", 0)},
        ),
        other=("PrimitiveInt", {"value": 7}),
        a=("EmptyLatentImage", {"width": Link("whole", 1), "height": Link("two", 1), "batch_size": 1}),
        b=("EmptyHunyuanLatentVideo", {"length": Link("whole", 1)}),
    )
    assert STAND_INS.smaller(graph)[0] == {("number", "value"): 128}


def test_a_small_workflow_stays_as_it_is() -> None:
    assert STAND_INS.smaller(nodes(scale=("ImageScale", {"width": 0, "height": 0, "crop": "disabled"}))) == ({}, [])
    assert STAND_INS.smaller(nodes(empty=latent(128, 128), a=stage(0, 2, steps=4))) == ({}, [])


def test_a_factor_is_no_size() -> None:
    factors = {f"{what}_{axis}": 1 for what in ("scale", "shift") for axis in "xyt"}
    assert set(STAND_INS.smaller(nodes(empty=latent(1024, 1024), rope=("ScaleROPE", factors)))[0]) == {
        ("empty", "width"),
        ("empty", "height"),
    }


def graph(checkpoint: str, **more: Any) -> dict[str, Any]:
    """A checkpoint, a LoRA, an embedding, a ControlNet, a VAE, a picture, an upscaler: all that may be missing."""
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "2": {
            "class_type": "LoraLoader",
            "inputs": {"model": ["1", 0], "clip": ["1", 1], "lora_name": "a/style.safetensors", "strength_model": 1.0,
                       "strength_clip": 1.0},
        },
        "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["2", 1], "text": "a cat embedding:mine"}},
        "4": {"class_type": "ControlNetLoader", "inputs": {"control_net_name": "canny.pth"}},
        "5": {"class_type": "LoadImage", "inputs": {"image": "dog.png"}},
        "6": {
            "class_type": "ControlNetApplyAdvanced",
            "inputs": {"positive": ["3", 0], "negative": ["3", 0], "control_net": ["4", 0], "image": ["5", 0],
                       "strength": 1.0, "start_percent": 0.0, "end_percent": 1.0},
        },
        "7": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
        "8": {
            "class_type": "KSampler",
            "inputs": {"model": ["2", 0], "positive": ["6", 0], "negative": ["6", 1], "latent_image": ["7", 0],
                       "seed": 1, "steps": 20, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal",
                       "denoise": 1.0},
        },
        "9": {"class_type": "VAELoader", "inputs": {"vae_name": "some.safetensors"}},
        "10": {"class_type": "VAEDecode", "inputs": {"samples": ["8", 0], "vae": ["9", 0]}},
        "11": {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "2x_sharp.pth"}},
        "12": {"class_type": "ImageUpscaleWithModel", "inputs": {"upscale_model": ["11", 0], "image": ["10", 0]}},
        "13": {"class_type": "SaveImage", "inputs": {"images": ["12", 0], "filename_prefix": "x"}},
    } | more  # fmt: skip


@pytest.mark.parametrize("checkpoint", ["dreamshaper_8.safetensors", "ponyXL_v6.safetensors"])
def test_a_graph_runs_without_any_of_its_files(checkpoint: str, tmp_path: Path) -> None:
    folders: dict[str, Any] = {"output": tmp_path / "out", "temp": tmp_path / "temp", "input": tmp_path}
    prompt = graph(checkpoint)
    with pytest.raises(InvalidWorkflow) as caught:
        weft.run(prompt, **folders)
    assert {issue.node_id for issue in caught.value.issues} == {"1", "2", "3", "4", "5", "9", "11"}
    result = weft.run(prompt, stand_ins=True, **folders)
    with Image.open(result.files[0]) as picture:
        assert picture.size == (256, 256)
    said = [text for _, text in result.warnings]
    missing = [checkpoint, "a/style", "mine", "canny.pth", "dog.png", "some", "2x_sharp.pth"]
    assert all(any(text.startswith(name) and text.endswith("stands in for it") for text in said) for name in missing)
    # The picture says so itself: run again, it is run with stand-ins.
    session = Session(**folders)
    again = session.plan(session.read(result.files[0]))
    assert any("stands in for it" in note.text for note in again.lowered.notes)


def test_what_is_there_is_taken(tmp_path: Path) -> None:
    Image.new("RGB", (40, 24), "red").save(tmp_path / "dog.png")
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "dog.png"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "cat.png"}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    given: dict[str, Any] = {"input": tmp_path, "temp": tmp_path / "temp", "stand_ins": True, "targets": ["1", "2"]}
    small = weft.run(prompt, **given)
    assert [tuple(small[node][0].shape) for node in ("1", "2")] == [(1, 24, 40, 3), (1, 128, 128, 3)]
    assert tuple(weft.run(prompt, full=True, **given)["2"][0].shape) == (1, 512, 512, 3)
    assert 0 < float(small["2"][1].mean()) < 0.2  # a mask that covers some of it


def test_of_other_kinds(tmp_path: Path) -> None:
    prompt = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "walk.mp4"}},
        "2": {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}},
        "3": {"class_type": "LoadAudio", "inputs": {"audio": "song.mp3"}},
        "4": {"class_type": "LoadLatent", "inputs": {"latent": "x.latent"}},
        "5": {"class_type": "CLIPVisionLoader", "inputs": {"clip_name": "clip_vision_h.safetensors"}},
        "6": {
            "class_type": "CLIPVisionEncode",
            "inputs": {"clip_vision": ["5", 0], "image": ["2", 0], "crop": "center"},
        },
    }
    result = weft.run(prompt, input=tmp_path, temp=tmp_path / "temp", stand_ins=True, targets=["2", "3", "4", "6"])
    assert tuple(result["2"][0].shape) == (5, 128, 128, 3)
    assert tuple(result["3"][0]["waveform"].shape) == (1, 1, 16_000)
    assert tuple(result["4"][0]["samples"].shape) == (1, 4, 16, 16)
    assert tuple(result["6"][0]["image_embeds"].shape) == (5, 64)


@pytest.mark.parametrize("name", ["hidream_i1.safetensors", "hunyuan_video.safetensors", "kolors.safetensors"])
def test_a_family_that_is_not_here_has_no_stand_in(name: str, tmp_path: Path) -> None:
    session = Session(stand_ins=True, temp=tmp_path / "temp")
    issues = session.issues(session.read(graph(name)))
    assert [(issue.node_id, issue.missing_file) for issue in issues] == [("1", True)]
    assert issues[0].hint.startswith("nothing can stand in for it; looked in ")


@pytest.mark.parametrize("name", ["../x.png", "/etc/x.png", "a/../../x.png"])
def test_no_stand_in_is_put_outside_of_its_folder(name: str, tmp_path: Path) -> None:
    session = Session(stand_ins=True, temp=tmp_path / "temp")
    prompt = session.read({"1": {"class_type": "LoadImage", "inputs": {"image": name}},
                           "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}})  # fmt: skip
    assert [issue.node_id for issue in session.issues(prompt)] == ["1"]
    assert not list(tmp_path.rglob("x.png"))


@pytest.mark.parametrize("name", [".", "a", "b.png/c.png"])
def test_what_cannot_be_a_file_has_no_stand_in(name: str, tmp_path: Path) -> None:
    session = Session(stand_ins=True, temp=tmp_path / "temp")
    names = ["a/b.png", "b.png", name]
    prompt = session.read(
        {str(at): {"class_type": "LoadImage", "inputs": {"image": each}} for at, each in enumerate(names)}
        | {f"{at}p": {"class_type": "PreviewImage", "inputs": {"images": [str(at), 0]}} for at in range(3)}
    )
    assert [(issue.node_id, issue.missing_file) for issue in session.issues(prompt)] == [("2", True)]


def test_a_name_that_no_file_can_have_is_a_missing_file(tmp_path: Path) -> None:
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a" * 252 + ".png"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    with pytest.raises(InvalidWorkflow) as raised:
        weft.run(prompt, stand_ins=True, output=tmp_path, temp=tmp_path)
    assert raised.value.exit_code == 4


def test_full_size_is_that_of_stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an argument without them it says nothing, and is an error; in a file it waits for runs that have them."""
    with pytest.raises(UsageError, match="--full says nothing without --stand-ins"):
        Session(full=True)
    assert Session(full=True, stand_ins=True).settings.full
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weft.toml").write_text("full = true\n", encoding="utf-8")
    assert Session().settings.full


@pytest.mark.parametrize(
    ("named", "release", "unsaid"),
    [
        ("FireRed-Image-Edit.safetensors qwen_2.5_vl_7b.safetensors", "qwen_image", "qwen_image"),
        ("dreamshaper_8.safetensors clip_l.safetensors", "sd1", "sd1"),
        ("sd_xl_base_1.0.safetensors t5xxl_fp16.safetensors", "sdxl", "sd1"),
    ],
)
def test_a_model_without_a_telling_name_is_of_its_encoders_family(
    named: str, release: str, unsaid: str, tmp_path: Path
) -> None:
    model, encoder = named.split()
    folders = Folders(models=(), input=tmp_path, output=tmp_path, temp=tmp_path)
    maker = BuiltinStandIns().maker([("diffusion_models", model), ("text_encoders", encoder)], folders, full=False)
    assert (maker.release, maker.unsaid) == (release, unsaid)


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("ae.safetensors", "flux"),
        ("vae-ft-mse-840000-ema-pruned.safetensors", "sd1"),
        ("lotus_clip_h.safetensors", "lotus"),
    ],
)
def test_what_helps_a_model_of_another_family_is_of_its_own(name: str, release: str, tmp_path: Path) -> None:
    """Lotus looks at the picture for FLUX, with a VAE of Stable Diffusion."""
    folders = Folders(models=(), input=tmp_path, output=tmp_path, temp=tmp_path)
    models = ["lotus-depth-d-v1-1.safetensors", "flux1-dev.safetensors"]
    maker = BuiltinStandIns().maker([("diffusion_models", each) for each in models], folders, full=False)
    kind = "vae" if release != "lotus" else "text_encoders"
    said = maker.make(kind, name)
    assert said is not None
    assert said.what.endswith(release_title(release))


def test_every_family_with_controlnets_has_a_small_one() -> None:
    for release in ("flux", "qwen_image", "sd3", "sd1", "sdxl"):
        assert small_file("controlnet", "canny.safetensors", release, BASE)
