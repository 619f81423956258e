"""Families by shapes: what is recognised, what is refused and in which words."""

from __future__ import annotations

import json

import pytest
import torch

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families import recognise, recognise_vae
from weft.nodes.diffusion.families.known import describe
from weft.nodes.diffusion.families.sd.sizes import CONFIG_KEY

from ..reference.store import document

CONV_IN = "model.diffusion_model.input_blocks.0.0.weight"


def listing(parity, name):
    keys = document(f"shapes_{name}")["keys"]
    return {key: tuple(shape) for key, shape in keys.items()}


@pytest.fixture
def sd15(parity):
    return listing(parity, "sd15")


@pytest.fixture
def sdxl(parity):
    return listing(parity, "sdxl_base")


@pytest.fixture(scope="module")
def tiny(parity):
    from weft.nodes.diffusion.weights.weightfile import WeightFile

    def shapes(name):
        return WeightFile(parity / "models" / "checkpoints" / f"{name}.safetensors").shapes

    return shapes


def configured(**stated):
    return {CONFIG_KEY: json.dumps(stated)}


def test_the_real_sd15(sd15):
    family = recognise(sd15)
    assert (family.name, family.latent_scale, family.prediction) == ("sd1", 0.18215, "eps")
    assert family.unet["block_out_channels"] == (320, 640, 1280, 1280)
    assert family.unet["attention_head_dim"] == (8, 8, 8, 8)
    assert family.unet["cross_attention_dim"] == 768
    assert not family.unet["use_linear_projection"]
    assert family.vae["block_out_channels"] == (128, 256, 512, 512)
    (clip,) = family.text_encoders
    assert (clip.name, clip.config["num_hidden_layers"], clip.config["num_attention_heads"]) == ("clip_l", 12, 12)
    assert (clip.config["hidden_act"], clip.pad_token, clip.layer, clip.final_norm) == ("quick_gelu", 49407, -1, True)


def test_the_real_sdxl_base(sdxl):
    family = recognise(sdxl)
    assert (family.name, family.latent_scale, family.prediction) == ("sdxl", 0.13025, "eps")
    assert family.unet["transformer_layers_per_block"][1:] == (2, 10)
    assert family.unet["attention_head_dim"] == (5, 10, 20)
    assert family.unet["projection_class_embeddings_input_dim"] == 2816
    large, giant = family.text_encoders
    assert (large.name, large.layer, large.final_norm, large.pad_token) == ("clip_l", -2, False, 49407)
    assert (giant.name, giant.layer, giant.final_norm, giant.pad_token) == ("clip_g", -2, False, 0)
    assert (giant.config["num_attention_heads"], giant.config["hidden_act"], giant.projected) == (20, "gelu", True)


def test_the_tiny_ones_equal_their_published_sizes(tiny, parity):
    said = document("tiny_configs")
    small, large = recognise(tiny("tiny_sd15")), recognise(tiny("tiny_sdxl"))
    assert (small.name, large.name) == ("sd1", "sdxl")
    assert small.unet["attention_head_dim"] == (said["tiny_sd15"]["unet"]["num_heads"],) * 4
    width = said["tiny_sdxl"]["unet"]["num_head_channels"]
    assert [c // h for c, h in zip((32, 64, 128), large.unet["attention_head_dim"], strict=True)] == [width] * 3
    towers = [(said["tiny_sd15"]["clip_l"], small.text_encoders[0])]
    towers += [(said["tiny_sdxl"][tower.name], tower) for tower in large.text_encoders]
    for expected, tower in towers:
        for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act"):
            assert tower.config[key] == expected[key], (tower.name, key)


def test_the_real_sd21(parity):
    family = recognise(listing(parity, "sd21"))
    assert (family.name, family.latent_scale, family.prediction) == ("sd2", 0.18215, "eps")
    assert family.unet["attention_head_dim"] == (5, 10, 20, 20)
    assert family.unet["use_linear_projection"]
    assert family.unet["cross_attention_dim"] == 1024
    (tower,) = family.text_encoders
    assert (tower.name, tower.layer, tower.final_norm, tower.pad_token) == ("clip_h", -2, True, 0)
    assert (tower.config["num_attention_heads"], tower.config["hidden_act"], tower.projected) == (16, "gelu", True)
    assert tower.config["num_hidden_layers"] == 24


def test_the_real_sdxl_refiner(parity):
    family = recognise(listing(parity, "sdxl_refiner"))
    assert (family.name, family.latent_scale, family.prediction) == ("sdxl_refiner", 0.13025, "eps")
    assert family.unet["block_out_channels"] == (384, 768, 1536, 1536)
    assert family.unet["attention_head_dim"] == (6, 12, 24, 24)
    assert family.unet["projection_class_embeddings_input_dim"] == 1280 + 5 * 256
    assert family.sizes == ("height", "width", "crop_h", "crop_w", "aesthetic_score")
    (tower,) = family.text_encoders
    assert (tower.name, tower.layer, tower.final_norm, tower.projected) == ("clip_g", -2, False, True)


V_SIGN = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"


@pytest.mark.parametrize(("spread", "prediction"), [(0.02, "eps"), (0.089, "eps"), (0.091, "v"), (0.3, "v")])
def test_the_numbers_of_sd2_tell_what_it_predicts(parity, spread, prediction):
    asked = []

    def read(key):
        asked.append(key)
        return torch.tensor([-spread, spread]).repeat(160).half()

    shapes = listing(parity, "sd21")
    assert recognise(shapes, None, read).prediction == prediction
    assert asked == [V_SIGN]
    assert recognise(shapes, configured(prediction="v")).prediction == "v"
    assert recognise(shapes, configured(prediction="eps"), read).prediction == "eps"
    assert recognise({**shapes, "v_pred": (0,)}).prediction == "v"


def test_the_inpainting_model_of_sd2_predicts_noise(parity):
    shapes = {**listing(parity, "sd21"), CONV_IN: (320, 9, 3, 3)}
    family = recognise(shapes, None, lambda key: pytest.fail(f"{key} was read"))
    assert (family.name, family.prediction, family.inputs) == ("sd2", "eps", "inpaint")


def test_sd2_in_the_layout_of_sgm_and_without_text_projection(parity):
    shapes = {
        key.replace("cond_stage_model.model.", "conditioner.embedders.0.model."): shape
        for key, shape in listing(parity, "sd21").items()
        if not key.endswith(("text_projection", "logit_scale"))
    }
    (tower,) = recognise(shapes).text_encoders
    assert (tower.prefix, tower.projected) == ("conditioner.embedders.0.model.", False)


def test_sdxl_needs_the_text_projection(sdxl):
    key = "conditioner.embedders.1.model.text_projection"
    with pytest.raises(CheckpointError, match=f"missing key '{key}'"):
        recognise({k: shape for k, shape in sdxl.items() if k != key})


@pytest.mark.parametrize("name", ["sd15", "sd21", "sdxl_base"])
def test_inpainting_unets_have_nine_channels(parity, name):
    shapes = listing(parity, name)
    shapes[CONV_IN] = (shapes[CONV_IN][0], 9, 3, 3)
    assert recognise(shapes).inputs == "inpaint"


@pytest.mark.parametrize("name", ["sd15", "sdxl_base"])
def test_instruct_pix2pix_has_eight(parity, name):
    shapes = listing(parity, name)
    shapes[CONV_IN] = (shapes[CONV_IN][0], 8, 3, 3)
    assert recognise(shapes).inputs == "edit"


@pytest.mark.parametrize(
    ("name", "channels", "words"),
    [
        ("sd15", 5, "a depth-guided model.* of Stable Diffusion 1.x"),
        ("sd15", 6, "a variant.* of Stable Diffusion 1.x"),
        ("sd21", 7, "an upscaler.* of Stable Diffusion 2.x"),
        ("sd21", 8, "an instruct-pix2pix model.* of Stable Diffusion 2.x"),
        ("sdxl_refiner", 9, "an inpainting model.* of Stable Diffusion XL refiner"),
    ],
)
def test_other_inputs_are_named_with_their_number(parity, name, channels, words):
    shapes = listing(parity, name)
    shapes[CONV_IN] = (shapes[CONV_IN][0], channels, 3, 3)
    with pytest.raises(CheckpointError, match=f"{words}, which is not supported.*{channels} input"):
        recognise(shapes)


@pytest.mark.parametrize("mark", ["edm_vpred.sigma_max", "edm_mean"])
def test_schedules_without_support_are_named(sdxl, mark):
    with pytest.raises(CheckpointError, match=f"key '{mark}'"):
        recognise({**sdxl, mark: (0,)})


def test_zero_terminal_snr_counts_beside_v_prediction(sdxl):
    assert not recognise({**sdxl, "ztsnr": (0,)}).zero_snr
    assert recognise({**sdxl, "ztsnr": (0,), "v_pred": (0,)}).zero_snr


def test_the_mark_of_v_prediction_is_read(sdxl):
    assert recognise({**sdxl, "v_pred": (0,)}).prediction == "v"


def test_a_unet_of_no_known_family_is_described(sdxl):
    without = {k: s for k, s in sdxl.items() if not k.startswith("conditioner.")}
    shapes = {k: (*s, 1, 1) if k.endswith(("proj_in.weight", "proj_out.weight")) else s for k, s in without.items()}
    with pytest.raises(
        CheckpointError, match="no known family.*2048-wide.*supported: Stable Diffusion 1.x, Stable Diff"
    ):
        recognise(shapes)


def test_a_file_without_text_encoder_or_vae_has_none(sd15):
    family = recognise({k: s for k, s in sd15.items() if k.startswith("model.diffusion_model.")})
    assert family.text_encoders == ()
    assert family.vae is None


def test_old_names_of_the_text_encoder_are_found(sd15):
    family = recognise({key.replace(".text_model.", "."): shape for key, shape in sd15.items()})
    assert family.text_encoders[0].prefix == "cond_stage_model.transformer."


def test_a_text_encoder_of_another_width_is_refused(sd15, tiny):
    text = {k: s for k, s in tiny("tiny_sd15").items() if k.startswith("cond_stage_model.")}
    with pytest.raises(CheckpointError, match="reads 768-wide text, the file has clip_l 64"):
        recognise({**sd15, **text})


def test_half_of_the_text_encoders_is_an_error(sdxl):
    with pytest.raises(CheckpointError, match=r"missing key 'conditioner.embedders.1.model.token_embedding.weight'"):
        recognise({k: s for k, s in sdxl.items() if not k.startswith("conditioner.embedders.1")})


def test_a_text_encoder_with_a_layer_left_out_is_an_error(sd15):
    shapes = {key: shape for key, shape in sd15.items() if ".layers.3." not in key}
    with pytest.raises(CheckpointError, match=r"has layers \[0, 1, 2, 4"):
        recognise(shapes)


def test_a_file_says_what_shapes_cannot(tiny):
    family = recognise(
        tiny("tiny_sd15"),
        configured(
            unet={"attention_head_dim": [1, 2, 4, 4]},
            vae={"norm_num_groups": 4},
            text_encoders={"clip_l": {"num_attention_heads": 1}},
        ),
    )
    assert family.unet["attention_head_dim"] == (1, 2, 4, 4)
    assert family.vae["norm_num_groups"] == 4
    assert family.text_encoders[0].config["num_attention_heads"] == 1


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ("{", "is no JSON"),
        ("[1]", "is list, expected an object"),
        ('{"unets": {}}', "unknown key 'unets' in weft.config; did you mean 'unet'"),
        ('{"unet": 3}', "unet is int, expected an object"),
        ('{"prediction": "vv"}', "unknown prediction 'vv'; did you mean 'v'"),
        ('{"unet": {"attention_heads_dim": 3}}', "unknown key .* in unet; did you mean 'attention_head_dim'"),
        ('{"text_encoders": {"clip_g": {}}}', "unknown key 'clip_g' in text_encoders; did you mean 'clip_l'"),
        ('{"unet": {"attention_head_dim": 7}}', "32 channels do not divide into 7 attention heads"),
        ('{"unet": {"attention_head_dim": 0}}', "do not divide into 0"),
        ('{"unet": {"attention_head_dim": [8]}}', "1 numbers of attention heads .* 4 levels"),
        ('{"text_encoders": {"clip_l": {"num_attention_heads": "x"}}}', "do not divide into x"),
    ],
)
def test_wrong_statements_are_refused(tiny, stated, words):
    with pytest.raises(CheckpointError, match=words):
        recognise(tiny("tiny_sd15"), {CONFIG_KEY: stated})


def test_a_vae_of_its_own(parity):
    from weft.nodes.diffusion.weights.weightfile import WeightFile

    shapes = WeightFile(parity / "models" / "vae" / "tiny_vae.safetensors").shapes
    assert recognise_vae(shapes).config["block_out_channels"] == (32, 64, 128, 128)
    assert recognise_vae(shapes, configured(vae={"norm_num_groups": 4})).config["norm_num_groups"] == 4
    wide = {**shapes, "decoder.conv_in.weight": (128, 32, 3, 3)}
    with pytest.raises(CheckpointError, match="32 latent channels"):
        recognise_vae(wide)


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("lora_unet_mid_block.lora_up.weight", "a LoRA"),
        ("unet.down_blocks.0.attn.to_q.lora_A.weight", "a LoRA"),
        ("control_model.input_blocks.0.0.weight", "a ControlNet"),
        ("emb_params", "a textual inversion"),
        ("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "a FLUX model"),
        ("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "a Stable Diffusion 3"),
        ("down_blocks.0.resnets.0.time_emb_proj.weight", "a UNet in diffusers' layout"),
        ("input_blocks.0.0.weight", "a UNet without"),
        ("decoder.up_blocks.0.resnets.0.conv1.weight", "a VAE in diffusers' layout"),
        ("decoder.up.0.block.0.conv1.weight", "a VAE"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", "a text encoder"),
        ("model.diffusion_model.transformer_blocks.0.attn.weight", "a transformer of another family"),
        ("blocks.0.cross_attn.k.weight\npatch_embedding.weight", "a Wan model"),
        ("noise_refiner.0.attention.qkv.weight", "a Z-Image or Lumina Image 2 model"),
        ("transformer_blocks.0.img_mod.1.weight", "a Qwen-Image model"),
        ("patchify_proj.weight\ntransformer_blocks.0.attn1.to_k.weight", "an LTX-Video model"),
        ("task_embedding", "a union ControlNet"),
        ("lora_controlnet", "a control-LoRA"),
        ("foo", "something unknown .1 tensors: 'foo'."),
    ],
)
def test_what_is_no_checkpoint_is_described(key, what):
    with pytest.raises(CheckpointError, match=f"not a Stable Diffusion checkpoint, but {what}"):
        recognise(dict.fromkeys(key.splitlines(), (1,)))


def test_nothing_is_described_too():
    assert describe([]) == "a file without tensors"
