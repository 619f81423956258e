"""Layouts: every key of the real files lands, once, and forms change as they must."""

from __future__ import annotations

import pytest
import torch

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families.sd.keymaps import (
    clip_landings,
    read_clip,
    read_unet,
    read_vae,
    unet_keymap,
    vae_keymap,
    vae_landings,
)
from weft.nodes.diffusion.families.sd.keymaps.vae import as_matrix
from weft.nodes.diffusion.weights.landings import Shapes, third, transposed

from ..reference.store import document

FILES = ("sd15", "sd21", "sdxl_base", "sdxl_refiner")


@pytest.fixture(scope="module", params=FILES)
def keys(request, parity):
    listing = document(f"shapes_{request.param}")["keys"]
    return {key: tuple(shape) for key, shape in listing.items()}


def test_the_unet_keymap_lists_the_keys_of_the_real_files_and_is_one_to_one(keys):
    shapes = Shapes(keys, "model.diffusion_model.")
    unet = read_unet(shapes)
    if "projection_class_embeddings_input_dim" in unet:
        unet["addition_embed_type"] = "text_time"
    keymap = unet_keymap(unet)
    assert set(keymap) == set(shapes)
    assert len(set(keymap.values())) == len(keymap)


def test_the_vae_keymap_lists_the_keys_of_the_real_files_and_is_one_to_one(keys):
    shapes = Shapes(keys, "first_stage_model.")
    keymap = vae_keymap(read_vae(shapes))
    assert set(keymap) == set(shapes)
    assert len(set(keymap.values())) == len(keymap)


@pytest.mark.parametrize(
    ("name", "prefix", "layout", "beside"),
    [
        ("sd15", "cond_stage_model.transformer.text_model.", "hf", {"embeddings.position_ids"}),
        ("sdxl_base", "conditioner.embedders.0.transformer.text_model.", "hf", {"embeddings.position_ids"}),
        ("sdxl_base", "conditioner.embedders.1.model.", "open_clip", {"logit_scale"}),
        ("sd21", "cond_stage_model.model.", "open_clip", {"logit_scale"}),
    ],
)
def test_the_clip_landings_list_the_keys_of_the_real_files(parity, name, prefix, layout, beside):
    listing = document(f"shapes_{name}")["keys"]
    shapes = Shapes({key: tuple(shape) for key, shape in listing.items()}, prefix)
    landings = clip_landings(read_clip(shapes, layout), layout)
    assert set(landings) == set(shapes) - beside
    targets = [landing.target for many in landings.values() for landing in many]
    assert len(set(targets)) == len(targets)


def test_ldm_names_meet_their_diffusers_names(parity):
    listing = document("shapes_sd15")["keys"]
    unet = unet_keymap(read_unet(Shapes(listing, "model.diffusion_model.")))
    vae = vae_keymap(read_vae(Shapes(listing, "first_stage_model.")))
    to_q = "transformer_blocks.0.attn2.to_q.weight"
    assert unet[f"input_blocks.4.1.{to_q}"] == f"down_blocks.1.attentions.0.{to_q}"
    assert unet["input_blocks.3.0.op.weight"] == "down_blocks.0.downsamplers.0.conv.weight"
    assert unet["output_blocks.2.1.conv.bias"] == "up_blocks.0.upsamplers.0.conv.bias"
    assert unet["output_blocks.5.2.conv.bias"] == "up_blocks.1.upsamplers.0.conv.bias"
    assert unet["output_blocks.11.0.skip_connection.weight"] == "up_blocks.3.resnets.2.conv_shortcut.weight"
    assert vae["decoder.up.3.block.2.conv1.weight"] == "decoder.up_blocks.0.resnets.2.conv1.weight"
    assert vae["encoder.mid.attn_1.proj_out.bias"] == "encoder.mid_block.attentions.0.to_out.0.bias"


@pytest.mark.parametrize("attention", [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("channels", [(32, 48), (32, 32, 64), (64, 96, 128), (128, 64)])
def test_the_unet_keymap_fits_what_diffusers_builds_at_odd_sizes(channels, layers, attention):
    from diffusers import UNet2DConditionModel

    attends = ([*attention] + [attention[1]] * len(channels))[: len(channels)]
    config = {
        "block_out_channels": channels,
        "layers_per_block": layers,
        "transformer_layers_per_block": (1,) * len(channels),
        "down_block_types": tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        "up_block_types": tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        "cross_attention_dim": 16,
        "norm_num_groups": 16,
    }
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
    keymap = unet_keymap(config)
    parameters = dict(unet.named_parameters())
    assert sorted(keymap.values()) == sorted(parameters)
    # And back: what a file of these shapes says is what was built.
    stored = {old: tuple(parameters[new].shape) for old, new in keymap.items()}
    if any(attends):
        read = read_unet(Shapes(stored))
        assert {key: read[key] for key in config if key != "norm_num_groups"} == {
            key: value for key, value in config.items() if key != "norm_num_groups"
        }


def test_irregular_levels_are_refused():
    shapes = {
        "input_blocks.0.0.weight": (32, 4, 3, 3),
        "input_blocks.1.0.in_layers.2.weight": (32, 32, 3, 3),
        "input_blocks.2.0.in_layers.2.weight": (48, 32, 3, 3),
    }
    with pytest.raises(CheckpointError, match="irregular.*32/0 48/0"):
        read_unet(Shapes(shapes))


def test_a_missing_or_flat_key_is_named_with_its_prefix():
    shapes = Shapes({"a.conv_in.weight": (4, 4), "b": (1,)}, "a.")
    with pytest.raises(CheckpointError, match="missing key 'a.conv_inn.weight'; did you mean 'conv_in.weight'"):
        shapes.of("conv_inn.weight", 4)
    with pytest.raises(CheckpointError, match=r"'a.conv_in.weight' has shape \[4, 4\], expected 4 dimensions"):
        shapes.of("conv_in.weight", 4)


def test_fused_projections_split_into_query_key_and_value():
    fused = torch.arange(12.0).reshape(6, 2)
    assert [third(i, fused).tolist() for i in range(3)] == [fused[:2].tolist(), fused[2:4].tolist(), fused[4:].tolist()]
    assert third(1, fused).data_ptr() == fused[2:].data_ptr(), "a view, no copy"
    landings = clip_landings({"num_hidden_layers": 1}, "open_clip")
    names = [landing.target for landing in landings["transformer.resblocks.0.attn.in_proj_bias"]]
    assert names == [f"encoder.layers.0.self_attn.{name}_proj.bias" for name in "qkv"]


def test_the_text_projection_is_transposed_and_1x1_convolutions_become_matrices():
    stored = torch.arange(6.0).reshape(2, 3)
    assert torch.equal(transposed(stored), stored.T)
    assert transposed(stored).is_contiguous()
    convolution = torch.randn(3, 3, 1, 1)
    assert torch.equal(as_matrix(convolution), convolution.reshape(3, 3))
    assert as_matrix(stored) is stored
    landings = vae_landings(
        {"block_out_channels": (4, 8), "layers_per_block": 1, "down_block_types": (), "up_block_types": ()}
    )
    assert landings["encoder.mid.attn_1.q.weight"][0].change is as_matrix
    assert landings["encoder.mid.attn_1.q.bias"][0].change is not as_matrix
