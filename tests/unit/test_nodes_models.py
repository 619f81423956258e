"""Nodes that open, merge, save and control models: through the engine, on small random models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

import weft
from weft.engine.errors import InvalidWorkflow, NodeError
from weft.engine.schema.registry import Registry
from weft.nodes.core import conditioning

CHECKPOINT = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "weft-tiny.safetensors"}}
LORA = {
    "class_type": "LoraLoader",
    "inputs": {
        "model": ["1", 0],
        "clip": ["1", 1],
        "lora_name": "weft-pixel.safetensors",
        "strength_model": 1.0,
        "strength_clip": 1.0,
    },
}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def run(models: Path | list[Path], folder: Path, prompt: Mapping[str, Any], *targets: str) -> Any:
    return weft.run(dict(prompt), models=models, output=folder, device="cpu", targets=targets)


def failure(models: Path, folder: Path, prompt: Mapping[str, Any], *targets: str) -> NodeError:
    with pytest.raises(NodeError) as raised:
        run(models, folder, prompt, *targets)
    return raised.value


@pytest.mark.parametrize(
    ("dtype", "others", "vae"), [("float16", "float16", "float32"), ("bfloat16", "bfloat16", "bfloat16")]
)
def test_each_part_of_a_checkpoint_has_its_number_format(
    random_models: Path, tmp_path: Path, dtype: str, others: str, vae: str
) -> None:
    """No VAE is float16: what SDXL's computes exceeds it, and the picture is black."""
    result = weft.run(
        {"1": CHECKPOINT}, models=random_models, output=tmp_path, device="cpu", dtype=dtype, targets=["1"]
    )
    model, clip, autoencoder = result["1"]
    networks = model.network, clip.encoders[0].network, autoencoder.network
    formats = [str(next(network.base.parameters()).dtype) for network in networks]
    assert formats == [f"torch.{others}", f"torch.{others}", f"torch.{vae}"]


def test_what_a_lora_has_and_the_model_does_not_take_is_a_warning(random_models: Path, tmp_path: Path) -> None:
    (tmp_path / "loras").mkdir()
    tensors = {
        "lora_unet_conv_in.lora_up.weight": torch.ones(32, 1),
        "lora_unet_conv_in.lora_down.weight": torch.ones(1, 9, 3, 3),
        "lora_unet_conv_out.diff_b": torch.ones(4),
        "lora_te3_other.alpha": torch.ones(()),
    }
    save_file(tensors, tmp_path / "loras" / "a.safetensors")
    save_file({"text_encoder.x.diff": torch.ones(1)}, tmp_path / "loras" / "text.safetensors")
    lora = {"class_type": "LoraLoader", "inputs": {**LORA["inputs"], "lora_name": "a.safetensors"}}
    only = node("LoraLoaderModelOnly", model=["1", 0], lora_name="text.safetensors", strength_model=1.0)
    result = run([random_models, tmp_path], tmp_path, {"1": CHECKPOINT, "2": lora, "3": only}, "2", "3")
    ((first, misfit), (second, stray), (third, idle)) = result.warnings
    assert (first, second, third) == ("2", "2", "3")
    assert misfit.startswith(
        "a.safetensors: left out 1 layer: layer 'lora_unet_conv_in': its factors down (1, 9, 3, 3)"
    )
    assert stray == "a.safetensors: 1 key of no layer in this model: lora_te3_other"
    assert idle == "text.safetensors has nothing for what it was put on, but text_encoder.x"


SAVES = {
    "CheckpointSave": ("checkpoints/ComfyUI", {"model": ["2", 0], "clip": ["2", 1], "vae": ["1", 2]}),
    "ModelSave": ("diffusion_models/ComfyUI", {"model": ["2", 0]}),
    "CLIPSave": ("clip/ComfyUI", {"clip": ["2", 1]}),
    "VAESave": ("vae/ComfyUI_vae", {"vae": ["1", 2]}),
}


@pytest.fixture(scope="module")
def saved(random_models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, dict[str, Any]]:
    """Where each kind of file was saved, the run's result, and its prompt."""
    folder = tmp_path_factory.mktemp("saved")
    prompt = {"1": CHECKPOINT, "2": LORA}
    for class_type, (prefix, inputs) in SAVES.items():
        prompt[class_type] = node(class_type, filename_prefix=prefix, **inputs)
    return folder, run(random_models, folder, prompt, "1", "2"), prompt


def test_files_are_named_as_comfyui_names_them(saved: tuple[Path, Any, Any]) -> None:
    folder, result, _ = saved
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "checkpoints/ComfyUI_00001_.safetensors",
        "diffusion_models/ComfyUI_00001_.safetensors",
        "clip/ComfyUI_clip_l_00001_.safetensors",
        "vae/ComfyUI_vae_00001_.safetensors",
    }
    assert {path.relative_to(folder).as_posix() for path in result.files} == names


def test_files_carry_the_workflow_and_how_they_were_made(saved: tuple[Path, Any, Any]) -> None:
    folder, _, prompt = saved
    for path in folder.rglob("*.safetensors"):
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata()
        written, made = json.loads(metadata["prompt"]), json.loads(metadata["weft"])
        assert (made["sampling"], made["sampling_version"]) == ("comfy", 1)
        assert made["version"]
        assert {key: each["class_type"] for key, each in written.items()} == {
            key: each["class_type"] for key, each in prompt.items()
        }


def test_what_is_saved_opens_with_the_loaders(saved: tuple[Path, Any, Any], random_models: Path) -> None:
    """The saved folder is a model root: the same picture comes out, with the LoRA multiplied in."""
    folder, _, _ = saved
    ends: dict[str, Any] = {
        "4": node("CLIPTextEncode", text="a cat", clip=["c", 0]),
        "5": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "6": node(
            "KSampler",
            model=["m", 0],
            seed=1,
            steps=2,
            cfg=2.0,
            sampler_name="euler",
            scheduler="normal",
            positive=["4", 0],
            negative=["4", 0],
            latent_image=["5", 0],
            denoise=1.0,
        ),
        "7": node("VAEDecode", samples=["6", 0], vae=["v", 0]),
    }

    def picture(parts: dict[str, Any], **slots: Any) -> Tensor:
        text = json.dumps({**parts, **ends})
        for name, slot in slots.items():
            text = text.replace(json.dumps([name, 0]), json.dumps(slot))
        image: Tensor = run([folder, random_models], folder / "out", json.loads(text), "7")["7"][0]
        return image

    expected = picture({"1": CHECKPOINT, "2": LORA}, m=["2", 0], c=["2", 1], v=["1", 2])
    name = "ComfyUI_00001_.safetensors"
    whole = {"1": node("CheckpointLoaderSimple", ckpt_name=name)}
    assert torch.equal(picture(whole, m=["1", 0], c=["1", 1], v=["1", 2]), expected)
    parts = {
        "m": node("UNETLoader", unet_name=name, weight_dtype="default"),
        "c": node("CLIPLoader", clip_name="ComfyUI_clip_l_00001_.safetensors", type="stable_diffusion", device="cpu"),
        "v": node("VAELoader", vae_name="ComfyUI_vae_00001_.safetensors"),
    }
    assert torch.equal(picture(parts), expected)


@pytest.mark.parametrize("class_type", SAVES)
@pytest.mark.parametrize("prefix", ["../outside", "/tmp/outside", "a/../../outside"])
def test_nothing_is_saved_outside_the_folder(random_models: Path, tmp_path: Path, class_type: str, prefix: str) -> None:
    inputs = {**SAVES[class_type][1], "filename_prefix": prefix}
    folder = tmp_path / "in" / "output"
    with pytest.raises(InvalidWorkflow, match="leaves its folder"):
        run(random_models, folder, {"1": CHECKPOINT, "2": LORA, "3": node(class_type, **inputs)})
    assert not list(tmp_path.rglob("*outside*"))


def test_saving_leaves_nothing_half_written(
    random_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.nodes.diffusion.weights import export

    def half(stream: Any, *args: Any, **options: Any) -> None:
        stream.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(export, "write_safetensors", half)
    prompt = {
        "1": CHECKPOINT,
        "2": LORA,
        "3": node("CheckpointSave", filename_prefix="x", **SAVES["CheckpointSave"][1]),
    }
    assert "disk full" in str(failure(random_models, tmp_path / "out", prompt))
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


# A parameter of each part of ModelMergeSD1, by its name in diffusers; ModelMergeSDXL's blocks have no dot behind.
PARTS = {
    "time_embed.": "time_embedding.linear_1.weight",
    "input_blocks.0.": "conv_in.weight",
    "input_blocks.1.": "down_blocks.0.resnets.0.conv1.weight",
    "middle_block.1.": "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight",
    "output_blocks.0.": "up_blocks.0.resnets.0.conv1.weight",
    "out.": "conv_out.weight",
}


@pytest.mark.parametrize("class_type", ["ModelMergeSD1", "ModelMergeSD2", "ModelMergeSDXL"])
def test_a_merge_with_a_share_for_each_block(random_models: Path, tmp_path: Path, class_type: str) -> None:
    names = [spec.name for spec in Registry.discover()[class_type].inputs if spec.socket.io_type == "FLOAT"]
    assert len(names) == (24 if class_type == "ModelMergeSDXL" else 30)
    ratios = {name: round(number / 64, 4) for number, name in enumerate(names)}
    double = node("ModelMergeAdd", model1=["1", 0], model2=["1", 0])
    merge = node(class_type, model1=["1", 0], model2=["2", 0], **ratios)
    result = run(random_models, tmp_path, {"1": CHECKPOINT, "2": double, "3": merge}, *"123")
    one, two, merged = (dict(result[key][0].network.module().named_parameters()) for key in "123")
    for part, name in PARTS.items():
        ratio = ratios.get(part, ratios.get(part.rstrip(".")))
        assert ratio is not None
        torch.testing.assert_close(merged[name], one[name] * ratio + two[name] * (1 - ratio))


@pytest.mark.parametrize(
    ("class_type", "inputs", "expected"),
    [
        ("ModelMergeSimple", {"ratio": 0.25}, lambda one, two: one * 0.25 + two * 0.75),
        ("ModelMergeAdd", {}, lambda one, two: one + two),
        ("ModelMergeSubtract", {"multiplier": 0.5}, lambda one, two: (one - two) * 0.5),
        ("ModelMergeBlocks", {"input": 1.0, "middle": 0.5, "out": 0.0}, lambda one, two: one * 0.5 + two * 0.5),
        ("CLIPMergeSimple", {"ratio": 0.25}, lambda one, two: one * 0.25 + two * 0.75),
        ("CLIPMergeAdd", {}, lambda one, two: one + two),
        ("CLIPMergeSubtract", {"multiplier": 2.0}, lambda one, two: (one - two) * 2.0),
    ],
)
def test_merges(random_models: Path, tmp_path: Path, class_type: str, inputs: dict[str, Any], expected: Any) -> None:
    of_clip = class_type.startswith("CLIP")
    slot, name = (1, "clip") if of_clip else (0, "model")
    sources = {f"{name}1": ["1", slot], f"{name}2": ["2", slot]}
    result = run(
        random_models, tmp_path, {"1": CHECKPOINT, "2": LORA, "3": node(class_type, **sources, **inputs)}, *"123"
    )

    def weight(value: Any) -> Tensor:
        network = value.encoders[0].network if of_clip else value.network
        key = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight"
        names = [key] if not of_clip else [n for n in network.parameter_names if n.endswith("layers.0.mlp.fc1.weight")]
        parameter: Tensor = network.module().get_parameter(names[0])
        return parameter

    one, two, merged = (weight(result[key][slot if key != "3" else 0]) for key in "123")
    torch.testing.assert_close(merged, expected(one, two))


def test_parts_that_are_not_there(random_models: Path, tmp_path: Path) -> None:
    tensors = load_file(random_models / "checkpoints" / "weft-tiny.safetensors")
    from safetensors.torch import save_file

    (tmp_path / "m" / "checkpoints").mkdir(parents=True)
    unet = {key: tensor for key, tensor in tensors.items() if key.startswith("model.")}
    save_file(unet, tmp_path / "m" / "checkpoints" / "weft-tiny.safetensors")
    for class_type, words in (("CLIPSave", "holds no text encoder"), ("VAESave", "holds no VAE")):
        prefix, _ = SAVES[class_type]
        slot = {"CLIPSave": {"clip": ["1", 1]}, "VAESave": {"vae": ["1", 2]}}[class_type]
        prompt = {"1": CHECKPOINT, "3": node(class_type, filename_prefix=prefix, **slot)}
        assert words in str(failure(tmp_path / "m", tmp_path / "out", prompt))


def unet(name: str) -> dict[str, Any]:
    return node("UNETLoader", unet_name="ComfyUI_00001_.safetensors", weight_dtype=name)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("fp8_e5m2", torch.float8_e5m2),
        ("fp8_e4m3fn", torch.float8_e4m3fn),
        ("fp8_e4m3fn_fast", torch.float8_e4m3fn),
    ],
)
def test_fp8_rounds_the_weights(saved: tuple[Path, Any, Any], tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    result = run(saved[0], tmp_path, {"1": unet("default"), "2": unet(name)}, "1", "2")
    exact, rounded = (result[node_id][0].network.base for node_id in ("1", "2"))
    for key, weight in rounded.named_parameters():
        assert torch.equal(weight, exact.get_parameter(key).to(dtype).float()), key


def test_what_a_lora_changes_in_fp8_is_rounded_again(
    saved: tuple[Path, Any, Any], random_models: Path, tmp_path: Path
) -> None:
    lora = node("LoraLoaderModelOnly", model=["1", 0], lora_name="weft-pixel.safetensors", strength_model=1.0)
    prompt = {"1": unet("fp8_e4m3fn"), "2": lora}
    network = run([saved[0], random_models], tmp_path, prompt, "2")["2"][0].network
    changed, base = network.module(), network.base
    for key in network.patches:
        weight = changed.get_parameter(key)
        assert torch.equal(weight, weight.to(torch.float8_e4m3fn).float()), key
        assert not torch.equal(weight, base.get_parameter(key)), key


def test_pixel_space_is_the_picture_itself(tmp_path: Path) -> None:
    prompt = {
        "1": node("VAELoader", vae_name="pixel_space"),
        "2": node("EmptyImage", width=24, height=17, batch_size=2, color=0x4080FF),
        "3": node("VAEEncode", pixels=["2", 0], vae=["1", 0]),
        "4": node("VAEDecode", samples=["3", 0], vae=["1", 0]),
        "5": node(
            "VAEDecodeTiled",
            samples=["3", 0],
            vae=["1", 0],
            tile_size=64,
            overlap=8,
            temporal_size=64,
            temporal_overlap=8,
        ),
    }
    result = run(tmp_path, tmp_path, prompt, "2", "3", "4", "5")
    assert torch.equal(result["3"][0]["samples"], result["2"][0].movedim(-1, 1) * 2 - 1)
    for node_id in ("4", "5"):
        torch.testing.assert_close(result[node_id][0], result["2"][0])
    prompt["6"] = node("VAESave", vae=["1", 0], filename_prefix="x")
    assert "no VAE that can be saved" in str(failure(tmp_path, tmp_path, prompt, "6"))


def test_text_encoders_for_other_models(saved: tuple[Path, Any, Any], tmp_path: Path) -> None:
    name = "ComfyUI_clip_l_00001_.safetensors"
    prompt = {"1": node("CLIPLoader", clip_name=name, type="hidream", device="default")}
    with pytest.raises(InvalidWorkflow, match="'hidream' is not supported: it is for HiDream, which Weft"):
        run(saved[0], tmp_path, prompt, "1")
    prompt = {"1": node("CLIPLoader", clip_name=name, type="ovis", device="default")}
    with pytest.raises(InvalidWorkflow, match="'ovis' is not supported: it is for Ovis-Image, which Weft"):
        run(saved[0], tmp_path, prompt, "1")
    prompt = {"1": node("QuadrupleCLIPLoader", **{f"clip_name{number}": name for number in (1, 2, 3, 4)})}
    assert "for HiDream, which Weft does not run yet" in str(failure(saved[0], tmp_path, prompt, "1"))
    prompt = {"1": node("DualCLIPLoader", clip_name1=name, clip_name2=name, type="sdxl", device="default")}
    assert "of type 'sdxl' are clip_l + clip_g, got clip_l" in str(failure(saved[0], tmp_path, prompt, "1"))


def test_sdxl_prompts_need_both_encoders(random_models: Path, tmp_path: Path) -> None:
    sizes = dict.fromkeys(("width", "height", "crop_w", "crop_h", "target_width", "target_height"), 64)
    encode = node("CLIPTextEncodeSDXL", clip=["1", 1], **sizes, text_g="a", text_l="b")
    error = failure(random_models, tmp_path, {"1": CHECKPOINT, "2": encode}, "2")
    assert "texts for ['clip_g', 'clip_l'], expected one for each of ['clip_l']" in str(error)


class Texts:
    """A CLIP that gives back what it was asked."""

    def encode(self, text: str, warn: Any) -> list[Any]:
        return [[text, {"pooled_output": 1}]]

    encode_each = encode


def test_numbers_beside_the_prompt(make_context: Any) -> None:
    given = {"clip": Texts(), "context": make_context()}
    sizes = {"width": 1, "height": 2, "crop_w": 3, "crop_h": 4, "target_width": 5, "target_height": 6}
    ((asked, options),) = conditioning.CLIPTextEncodeSDXL(**given, **sizes, text_g="g", text_l="l")
    assert asked == {"clip_g": "g", "clip_l": "l"}
    assert options == {"pooled_output": 1, **sizes}
    ((asked, options),) = conditioning.CLIPTextEncodeSDXLRefiner(**given, text="t", ascore=7.5, width=1, height=2)
    assert (asked, options) == ("t", {"pooled_output": 1, "aesthetic_score": 7.5, "width": 1, "height": 2})


def test_instruct_pix2pix_conditioning() -> None:
    class Pixels:
        def encode(self, pixels: Tensor) -> Tensor:
            return pixels.movedim(-1, 1)

    prompt: list[Any] = [[torch.ones(1, 4, 3), {"strength": 0.5}], [torch.ones(1, 4, 3), {}]]
    pixels = torch.rand(2, 8, 8, 3)
    positive, negative, latent = conditioning.InstructPixToPixConditioning(
        positive=prompt, negative=prompt[1:], vae=Pixels(), pixels=pixels
    )
    assert [len(positive), len(negative)] == [2, 1]
    for _, options in (*positive, *negative):
        assert torch.equal(options["concat_latent_image"], pixels.movedim(-1, 1))
    assert positive[0][1]["strength"] == 0.5
    assert not latent["samples"].any() and latent["samples"].shape == (2, 3, 8, 8)
    assert "concat_latent_image" not in prompt[0][1]


def test_a_control_without_a_file(random_models: Path, tmp_path: Path) -> None:
    prompt = {"1": node("ControlNetLoader", control_net_name="weft-tiny.safetensors")}
    (tmp_path / "m" / "controlnet").mkdir(parents=True)
    source = random_models / "checkpoints" / "weft-tiny.safetensors"
    (tmp_path / "m" / "controlnet" / "weft-tiny.safetensors").write_bytes(source.read_bytes())
    assert "not a Stable Diffusion ControlNet, but a checkpoint" in str(failure(tmp_path / "m", tmp_path, prompt, "1"))


def test_a_model_of_another_family_is_refused_before_the_run(tmp_path: Path) -> None:
    """By its header alone; names of parts are those of released files."""
    import weft

    # Those that people's files ask for most, the most frequent first.
    families = {
        "LTX-Video": "patchify_proj.weight transformer_blocks.0.attn1.to_k.weight",
        "HunyuanVideo": "txt_in.individual_token_refiner.blocks.0.norm1.weight double_blocks.0.img_attn.qkv.weight",
        "HunyuanImage or HunyuanVideo 1.5": "byt5_in.fc1.weight double_blocks.0.img_attn.qkv.weight",
        "Stable Cascade": "clip_txt_pooled_mapper.weight down_blocks.0.0.channelwise.0.weight",
        "HiDream": "double_stream_blocks.0.block.norm1_i.weight",
        "ACE-Step": "genre_embedder.weight transformer_blocks.0.attn.to_q.weight",
        "Hunyuan3D": "latent_in.weight cond_in.weight double_blocks.0.img_attn.qkv.weight",
        "Stable Video Diffusion": "input_blocks.1.1.time_stack.0.attn1.to_k.weight",
        "Stable Audio": "to_timestep_embed.0.weight to_cond_embed.0.weight",
        "Chroma": "distilled_guidance_layer.in_proj.weight double_blocks.0.img_attn.qkv.weight",
        "Kolors": "encoder_hid_proj.weight input_blocks.0.0.weight",
        "Mochi": "t5_yproj.weight blocks.0.attn.qkv_x.weight",
        "Kandinsky 5": "visual_transformer_blocks.0.self_attention.to_query.weight",
        "Cosmos": "blocks.block0.blocks.0.block.attn.to_q.0.weight",
        "OmniGen2": "time_caption_embed.timestep_embedder.linear_1.weight",
    }
    (tmp_path / "diffusion_models").mkdir()
    for name, keys in families.items():
        file = tmp_path / "diffusion_models" / f"{name}.safetensors"
        save_file({key: torch.zeros(1) for key in keys.split()}, file)
        inputs = {"unet_name": file.name, "weight_dtype": "default"}
        prompt = {"1": {"class_type": "UNETLoader", "inputs": inputs}}
        [issue] = weft.validate(prompt, models=tmp_path, targets=["1"])
        assert (issue.node_id, issue.input, issue.code) == ("1", "unet_name", "custom_validation_failed")
        assert name in issue.details
