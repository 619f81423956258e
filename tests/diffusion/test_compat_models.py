"""MODEL, CLIP, VAE and CONTROL_NET by the names that packs use, and comfy.sd and its kin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.patches.sampling import discrete
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint
from weft.nodes.diffusion.weights.merge import merge_models, weighted
from weft.nodes.diffusion.weights.weightfile import read_tensors

from .ksampling import ksample

CONV = "diffusion_model.input_blocks.0.0.weight"


pytestmark = pytest.mark.usefixtures("packs")


@pytest.fixture
def sd1(open_checkpoint: Callable[..., Any]) -> LoadedCheckpoint:
    return open_checkpoint("sd1")


@pytest.fixture
def sdxl(open_checkpoint: Callable[..., Any]) -> LoadedCheckpoint:
    return open_checkpoint("sdxl")


# -- MODEL


def test_a_model_says_what_it_is(sd1: LoadedCheckpoint, sdxl: LoadedCheckpoint) -> None:
    import comfy.latent_formats
    import comfy.model_base
    import comfy.model_patcher
    import comfy.model_sampling

    for loaded, format_ in ((sd1, comfy.latent_formats.SD15), (sdxl, comfy.latent_formats.SDXL)):
        model = loaded.model
        assert isinstance(model, comfy.model_patcher.ModelPatcher)
        assert isinstance(model.model, comfy.model_base.BaseModel)
        assert isinstance(model.model, comfy.model_base.SDXL) is (loaded is sdxl)
        assert isinstance(model.model.latent_format, format_)
        assert model.model.model_type is comfy.model_base.ModelType.EPS
        assert isinstance(model.model.model_sampling, comfy.model_sampling.EPS)
        assert isinstance(model.get_model_object("model_sampling"), comfy.model_sampling.ModelSamplingDiscrete)
        assert not isinstance(model.model.model_sampling, comfy.model_sampling.CONST)
        assert model.model.diffusion_model is model.network.module()
        assert model.model.model_config.unet_config["context_dim"] == (64 if loaded is sd1 else 144)
        assert model.load_device == model.offload_device == torch.device("cpu")
        assert model.is_clone(model.clone()) and model.model_size() > 0
        assert model.get_model_object("diffusion_model.conv_in") is model.network.module().conv_in
    levels = sd1.model.model.model_sampling
    assert levels.sigma_max.item() == pytest.approx(14.6146, abs=1e-4)
    assert float(levels.timestep(levels.sigma_max)) == 999
    assert torch.equal(levels.sigmas, sd1.model.sampling.sigmas)


def test_what_cannot_be_carried_is_refused_when_it_is_set(sd1: LoadedCheckpoint) -> None:
    from comfy.patcher_extension import CallbacksMP, WrappersMP

    model = sd1.model.clone()
    with pytest.raises(DiffusionError, match=r"a patch on the model's 'diffusion_model.input_blocks.0'"):
        model.add_object_patch("diffusion_model.input_blocks.0", torch.nn.Identity())
    with pytest.raises(DiffusionError, match="the model's 'diffusion_model.input_blocks'"):
        model.get_model_object("diffusion_model.input_blocks")
    with pytest.raises(DiffusionError, match="a wrapper around 'diffusion_model' cannot be carried"):
        model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "mine", print)
    with pytest.raises(DiffusionError, match="a callback 'on_inject_model' would never be called"):
        model.add_callback(CallbacksMP.ON_INJECT_MODEL, print)
    with pytest.raises(DiffusionError, match="no place 'double_block' to patch a model"):
        model.set_model_patch(print, "double_block")
    with pytest.raises(DiffusionError, match="int cannot be a model's model_sampling"):
        model.add_object_patch("model_sampling", 3)
    with pytest.raises(AttributeError, match=r"MODEL.set_model_emb_patch: this cannot be carried"):
        model.set_model_emb_patch(print)
    assert not hasattr(model, "set_model_emb_patch")


def test_a_sampling_of_a_pack_has_the_numbers_of_the_node(sd1: LoadedCheckpoint) -> None:
    """ModelSamplingDiscrete's own classes, put together as packs do it."""
    import comfy.model_sampling as ms

    class Mine(ms.ModelSamplingDiscrete, ms.V_PREDICTION):
        pass

    mine, wanted = sd1.model.clone(), discrete(sd1.model, "v_prediction", zero_snr=True)
    mine.add_object_patch("model_sampling", Mine(mine.model.model_config, zsnr=True))
    prompt = [[torch.randn(1, 77, 64, generator=torch.Generator().manual_seed(1)), {}]]
    given = {"seed": 3, "cfg": 3.0, "positive": prompt, "negative": prompt, "steps": 3}
    for names in ({"sampler": "dpmpp_2m", "scheduler": "normal"}, {"sampler": "euler", "scheduler": "karras"}):
        latents = [ksample(each, {"samples": torch.ones(1, 4, 8, 8)}, **given, **names) for each in (mine, wanted)]
        assert torch.equal(latents[0]["samples"], latents[1]["samples"])
    assert isinstance(mine.clone().get_model_object("model_sampling"), Mine)
    assert isinstance(sd1.model.get_model_object("model_sampling"), ms.EPS)


def test_what_would_be_lost_on_a_view_is_refused(sd1: LoadedCheckpoint) -> None:
    """`model.model` and its like are made when they are asked for; a copy of the levels is the pack's own."""
    import copy

    import comfy.model_sampling as ms

    model = sd1.model.clone()
    with pytest.raises(DiffusionError, match="another 'apply_model' of model.model cannot be carried"):
        model.model.apply_model = print
    with pytest.raises(DiffusionError, match="another 'clip_l' of clip.cond_stage_model"):
        sd1.clip.cond_stage_model.clip_l = print
    levels = model.get_model_object("model_sampling")
    with pytest.raises(DiffusionError, match="copy it, change the copy"):
        levels.set_sigmas(levels.sigmas * 2)
    own = copy.deepcopy(levels)
    own.set_sigmas(levels.sigmas * 2)
    model.add_object_patch("model_sampling", own)
    assert model.sampling.sigma_max == 2 * sd1.model.sampling.sigma_max
    assert isinstance(model.model.model_sampling, ms.EPS) and model.model.model_sampling is own


def test_flow_shifts() -> None:
    import comfy.model_sampling as ms

    flow, flux = ms.ModelSamplingDiscreteFlow(), ms.ModelSamplingFlux()
    flow.set_parameters(shift=3.0)
    assert float(flow.sigma(torch.tensor(500.0))) == pytest.approx(ms.time_snr_shift(3.0, 0.5))
    flux.set_parameters(shift=1.15)
    assert float(flux.sigma(torch.tensor(0.5))) == pytest.approx(ms.flux_time_shift(1.15, 1.0, 0.5))
    assert float(flow.sigma_max) == 1.0


def test_models_are_merged_by_their_keys(sd1: LoadedCheckpoint, open_checkpoint: Callable[..., Any]) -> None:
    """As packs merge: get_key_patches of one, add_patches on the other."""
    other = open_checkpoint("sd1", seed=1).model
    mine, ratio = sd1.model.clone(), 0.25
    for key, patch in other.get_key_patches("diffusion_model.").items():
        assert mine.add_patches({key: patch}, 1.0 - ratio, ratio) == [key]
    wanted, _ = merge_models(sd1.model, other, lambda name: weighted(ratio))
    for name, weight in wanted.network.module().named_parameters():
        assert torch.equal(weight, mine.network.module().get_parameter(name))


@pytest.mark.parametrize("form", ["plain", "diff", "set", "lora"])
def test_patches_are_given_by_key_as_tuples(sd1: LoadedCheckpoint, form: str) -> None:
    base = sd1.model.network.base.get_parameter("conv_in.weight")
    change = torch.full_like(base, 0.5)
    up, down = torch.randn(base.shape[0], 2), torch.randn(2, *base.shape[1:])
    product = (up @ down.flatten(1)).reshape(base.shape)
    patch, wanted = {
        "plain": ((change,), base * 0.9 + change * 0.2),
        "diff": (("diff", (change,)), base * 0.9 + change * 0.2),
        "set": (("set", (change,)), change),
        "lora": (("lora", (up, down, 4.0, None, None)), base * 0.9 + product * 0.4),
    }[form]
    model = sd1.model.clone()
    assert model.add_patches({CONV: patch, "diffusion_model.nope": patch}, 0.2, 0.9) == [CONV]
    torch.testing.assert_close(model.network.module().conv_in.weight, wanted)
    assert torch.equal(sd1.model.network.module().conv_in.weight, base)
    assert list(model.patches) == [CONV]


def test_loras_from_state_dicts(sd1: LoadedCheckpoint) -> None:
    from comfy.lora import load_lora, model_lora_keys_clip, model_lora_keys_unet
    from comfy.sd import load_lora_for_models

    lora = {}
    for layer, (rows, columns) in {
        "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q": (32, 32),
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj": (64, 64),
    }.items():
        lora |= {f"{layer}.lora_up.weight": torch.randn(rows, 2), f"{layer}.lora_down.weight": torch.randn(2, columns)}
    model, clip = load_lora_for_models(sd1.model, sd1.clip, lora, 0.5, 0.25)
    keys = model_lora_keys_clip(sd1.clip.cond_stage_model, model_lora_keys_unet(sd1.model.model, {}))
    patches = load_lora(lora, keys)
    by_hand, encoders = sd1.model.clone(), sd1.clip.clone()
    assert len(by_hand.add_patches(patches, 0.5)) == len(encoders.add_patches(patches, 0.25)) == 1
    assert model.network.patches and clip.encoders[0].network.patches
    for mine, wanted in ((by_hand, model), (encoders.encoders[0], clip.encoders[0])):
        for name, weight in wanted.network.module().named_parameters():
            assert torch.equal(weight, mine.network.module().get_parameter(name))
    assert not sd1.clip.encoders[0].network.patches


# -- files and state dicts


def test_checkpoints_are_opened_by_path_and_by_state_dict(make_checkpoint: Callable[..., Path]) -> None:
    import comfy.sd

    path = make_checkpoint("sd1")
    model, clip, vae, vision = comfy.sd.load_checkpoint_guess_config(str(path), embedding_directory="x")
    assert isinstance(clip, comfy.sd.CLIP) and isinstance(vae, comfy.sd.VAE) and vision is None
    tensors = read_tensors(path)
    again = comfy.sd.load_checkpoint(state_dict=tensors)
    assert again[0].kind == model.kind
    inner = {key: tensor for key, tensor in tensors.items() if key.startswith("model.diffusion_model.")}
    alone = comfy.sd.load_diffusion_model_state_dict(inner)
    assert torch.equal(alone.network.base.conv_in.weight, model.network.base.conv_in.weight)
    made = comfy.sd.VAE(sd={key: t for key, t in tensors.items() if key.startswith("first_stage_model.")})
    latent = torch.randn(1, 4, 4, 4)
    assert torch.equal(made.decode(latent), vae.decode(latent))
    assert comfy.sd.model_detection.unet_prefix_from_state_dict(tensors) == "model.diffusion_model."


# -- CLIP


def test_text_is_encoded_in_two_steps(sd1: LoadedCheckpoint, sdxl: LoadedCheckpoint) -> None:
    import comfy.sdxl_clip

    for loaded, names in ((sd1, {"l"}), (sdxl, {"l", "g"})):
        clip = loaded.clip
        ((cond, options),) = clip.encode("a (red:1.3) cat")
        tokens = clip.tokenize("a (red:1.3) cat")
        assert set(tokens) == names and len(tokens["l"][0]) == 77
        again, pooled = clip.encode_from_tokens(tokens, return_pooled=True)
        assert torch.equal(again, cond) and torch.equal(pooled, options["pooled_output"])
        ((scheduled, more),) = clip.encode_from_tokens_scheduled(tokens, add_dict={"width": 8})
        assert torch.equal(scheduled, cond) and more["width"] == 8 and "pooled_output" in more
        numbered = clip.tokenize("a red cat", return_word_ids=True)["l"][0]
        assert [word for _, _, word in numbered[:6]] == [0, 1, 2, 3, 0, 0]
        assert torch.equal(clip.encode_from_tokens({**tokens, "l": [[(*t, 1) for t in c] for c in tokens["l"]]}), cond)
        assert isinstance(clip.cond_stage_model, comfy.sdxl_clip.SDXLClipModel) is (loaded is sdxl)
        assert torch.equal(clip.cond_stage_model.encode_token_weights(tokens)[0], cond)
    hidden, _ = sdxl.clip.cond_stage_model.clip_l.encode_token_weights(sdxl.clip.tokenize("a cat")["l"])
    assert hidden.shape == (1, 77, 64)
    with pytest.raises(DiffusionError, match="none for the text encoder 'clip_g'"):
        sdxl.clip.encode_from_tokens({"l": []})


def test_a_clip_is_changed_on_a_clone(sd1: LoadedCheckpoint) -> None:
    clip = sd1.clip.clone()
    clip.clip_layer(-2)
    assert torch.equal(clip.encode("a cat")[0][0], sd1.clip.with_layer(-2).encode("a cat")[0][0])
    assert sd1.clip.layer_idx is None and clip.patcher.load_device == torch.device("cpu")
    other = sd1.clip.get_key_patches()
    assert "clip_l.transformer.embeddings.token_embedding.weight" in {key.replace("text_model.", "") for key in other}


def test_weights_of_a_clip_are_scaled_alone(sd1: LoadedCheckpoint) -> None:
    clip, cpu = sd1.clip.clone(), torch.device("cpu")
    weights = clip.patcher.model_state_dict()
    assert weights.keys() == clip.get_key_patches().keys()
    key = next(key for key in weights if key.endswith("q_proj.weight"))
    assert clip.add_patches({key: (None,)}, 0.0, 1.5) == [key]
    patch = clip.get_key_patches()[key]
    assert torch.equal(patch.network.weight(patch.name, cpu), weights[key] * 1.5)
    assert torch.equal(clip.patcher.model_state_dict("clip_l")[key], weights[key])


# -- VAE and CONTROL_NET


def test_a_vae_by_comfyuis_names(sd1: LoadedCheckpoint) -> None:
    vae, latent = sd1.vae, torch.randn(1, 4, 12, 12)
    assert vae.spacial_compression_decode() == vae.downscale_ratio == 8 and vae.latent_channels == 4
    wide = torch.rand(2, 19, 25, 4)
    assert torch.equal(vae.vae_encode_crop_pixels(wide), wide[:, 1:17, :24])
    assert vae.decode_tiled(latent, tile_x=8, tile_y=6, overlap=2).shape == vae.decode(latent).shape
    assert vae.encode_tiled(torch.rand(1, 96, 96, 3), tile_x=64, tile_y=64, overlap=16).shape == (1, 4, 12, 12)
    assert vae.first_stage_model is vae.network.module() and vae.vae_dtype is torch.float32


def test_a_controlnet_is_put_on_by_a_pack(sd1: LoadedCheckpoint) -> None:
    """The loop that packs write: copy, set_cond_hint, set_previous_controlnet."""
    import comfy.controlnet

    from weft.nodes.diffusion.sampling.control import Control, ControlNet, with_control

    net = ControlNet(sd1.model.network, SimpleNamespace(encoded=False))  # type: ignore[arg-type]
    image = torch.rand(1, 16, 24, 3)
    before = with_control([[[torch.zeros(1), {}]]], net, image, 0.5)[0][0][1]["control"]
    control = net.copy().set_cond_hint(image.movedim(-1, 1), 0.75, (0.1, 0.9))
    control.set_previous_controlnet(before)
    assert isinstance(net, comfy.controlnet.ControlBase) and isinstance(control, comfy.controlnet.ControlBase)
    assert not isinstance(control, comfy.controlnet.T2IAdapter)
    first, second = control.chain
    assert first is before and isinstance(second, Control)
    assert torch.equal(second.hint, image)
    assert (second.strength, second.start_percent, second.end_percent) == (0.75, 0.1, 0.9)
    assert control.control is second  # one object, so that conditions share it
    again = with_control([[[torch.zeros(1), {"control": control}]]], net, image, 0.5)[0][0][1]["control"]
    assert again.chain[:2] == (first, second)
    with pytest.raises(DiffusionError, match="extra_concat cannot be carried"):
        net.copy().set_cond_hint(image, extra_concat=[image])
    with pytest.raises(DiffusionError, match="has no picture"):
        _ = net.copy().chain


def test_attention_and_distributions() -> None:
    from comfy.ldm.modules.attention import optimized_attention, wrap_attn
    from comfy.ldm.modules.distributions.distributions import DiagonalGaussianDistribution

    q, k, v = (torch.randn(2, 5, 8) for _ in range(3))
    heads = [torch.unflatten(part, 2, (2, 4)).transpose(1, 2) for part in (q, k, v)]
    scores = (heads[0] @ heads[1].transpose(2, 3) * 0.5).softmax(dim=-1)
    expected = (scores @ heads[2]).transpose(1, 2).flatten(2)
    torch.testing.assert_close(optimized_attention(q, k, v, heads=2), expected)
    torch.testing.assert_close(optimized_attention(*heads, 2, skip_reshape=True), expected)
    called = wrap_attn(optimized_attention)
    options: dict[str, Any] = {"optimized_attention_override": lambda func, *args, **named: func(*args, **named) * 2}
    assert torch.equal(called(q, k, v, 2, transformer_options=options), optimized_attention(q, k, v, 2) * 2)
    assert torch.equal(DiagonalGaussianDistribution(torch.ones(1, 8, 2, 2)).mode(), torch.ones(1, 4, 2, 2))


def test_patches_that_are_merged() -> None:
    from comfy.patcher_extension import merge_nested_dicts

    first: dict[str, Any] = {"a": {"x": [1]}, "b": 1}
    assert merge_nested_dicts(first, {"a": {"x": [2], "y": 3}, "b": 2}) == {"a": {"x": [1, 2], "y": 3}, "b": 2}
    assert first == {"a": {"x": [1]}, "b": 1}


def test_networks_of_a_packs_own_are_brought_to_their_device(sd1: LoadedCheckpoint) -> None:
    from comfy.model_management import load_models_gpu
    from comfy.model_patcher import ModelPatcher

    cpu = torch.device("cpu")
    patcher = ModelPatcher(torch.nn.Linear(2, 3), load_device=cpu, offload_device=cpu)
    load_models_gpu([patcher, sd1.model])
    assert patcher.model_size() == patcher.loaded_size() == 36 and patcher.clone().is_clone(patcher)
    assert isinstance(patcher, ModelPatcher) and isinstance(sd1.model, ModelPatcher)
    assert not isinstance(sd1.model, type("Mine", (ModelPatcher,), {}))
    with pytest.raises(DiffusionError, match="a network of a pack's own cannot be carried"):
        patcher.add_patches({})


def test_pictures_are_read_as_packs_read_them() -> None:
    """The steps of an IP adapter: preprocessed, through the tower, its layer before the last."""
    from comfy.clip_vision import ClipVisionModel, Output, clip_preprocess

    from weft.nodes.diffusion.values.clip_vision_files import open_clip_vision, small_clip_vision
    from weft.nodes.diffusion.weights.weightfile import HeldWeights

    tower = open_clip_vision(HeldWeights(small_clip_vision(16)), device=torch.device("cpu"), dtype=torch.float32)
    image = torch.rand(2, 40, 30, 3)
    made, found = tower.encode_image(image), Output()
    out = tower.model(pixel_values=clip_preprocess(image, size=tower.image_size), intermediate_output=-2)
    found["penultimate_hidden_states"], found["image_embeds"] = out[1], out[2]
    assert isinstance(tower, ClipVisionModel) and tower.patcher.load_device == torch.device("cpu")
    assert torch.equal(found.penultimate_hidden_states, made.penultimate_hidden_states)
    assert torch.equal(found["image_embeds"], made.image_embeds)
    with pytest.raises(DiffusionError, match="intermediate_output=-3"):
        tower.model(out[0], intermediate_output=-3)
