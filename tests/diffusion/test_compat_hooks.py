"""Functions that packs put on a MODEL: each is called with what ComfyUI gives it, and what it gives counts.

Where a node of Weft's does the same, the numbers are the node's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.custom import custom_sample
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.guiders import Guider
from weft.nodes.diffusion.sampling.noise import RandomNoise
from weft.nodes.diffusion.sampling.patches.blocks import free_u
from weft.nodes.diffusion.sampling.patches.guidance import perturbed_attention_guidance, rescale_cfg
from weft.nodes.diffusion.sampling.patches.mask import differential_diffusion
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedules import ksampler_schedule
from weft.nodes.diffusion.sampling.sharing import looks_ahead
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample, stage_of

pytestmark = pytest.mark.usefixtures("packs")

SEED, CFG_SCALE = 5, 4.0
Prompts = dict[str, Any]


@pytest.fixture
def model(open_checkpoint: Callable[..., Any]) -> ModelPatcher:
    return open_checkpoint("sd1").model


@pytest.fixture
def prompts() -> Prompts:
    generator = torch.Generator().manual_seed(1)
    positive, negative = (torch.randn(1, 77, 64, generator=generator) for _ in range(2))
    return {"positive": [[positive, {}]], "negative": [[negative, {}]]}


def settings(prompts: Prompts, **more: Any) -> dict[str, Any]:
    return {"seed": SEED, "cfg": CFG_SCALE, "sampler": "euler", "scheduler": "normal", "steps": 2, **prompts, **more}


def start(mask: bool = False) -> dict[str, Tensor]:
    samples = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    return {"samples": samples, **({"noise_mask": torch.tensor([[[0.0, 1.0], [1.0, 0.3]]])} if mask else {})}


def sampled(model: ModelPatcher, prompts: Prompts, mask: bool = False, **more: Any) -> Tensor:
    """By Weft's own KSampler."""
    return ksample(model, start(mask), **settings(prompts, **more))["samples"]


def sampled_by_pack(model: ModelPatcher, prompts: Prompts) -> Tensor:
    """By comfy.sample, as packs do."""
    import comfy.sample

    noise = comfy.sample.prepare_noise(start()["samples"], SEED)
    given = {**prompts, "sampler_name": "euler", "scheduler": "normal", "steps": 2, "cfg": CFG_SCALE, "seed": SEED}
    return comfy.sample.sample(model, noise, latent_image=start()["samples"], **given)


def both(model: ModelPatcher, prompts: Prompts) -> Tensor:
    """The two ways agree, whatever is on the model."""
    mine = sampled(model, prompts)
    assert torch.equal(mine, sampled_by_pack(model, prompts))
    return mine


# -- around guidance


def test_rescale_cfg_of_a_pack_is_the_nodes(model: ModelPatcher, prompts: Prompts) -> None:
    """Lin et al. 2023 written over the arguments that ComfyUI gives: everything by [B,1,1,1]."""

    def rescale(args: Mapping[str, Any]) -> Tensor:
        sigma = args["sigma"].view(-1, 1, 1, 1)
        x, scale = args["input"], args["cond_scale"]
        variance = sigma**2 + 1.0
        cond, uncond = ((x / variance - (x - args[side])) * variance**0.5 / sigma for side in ("cond", "uncond"))
        guided = uncond + scale * (cond - uncond)
        ratio = cond.std(dim=(1, 2, 3), keepdim=True) / guided.std(dim=(1, 2, 3), keepdim=True)
        v = 0.7 * (guided * ratio) + (1.0 - 0.7) * guided
        return x - (x / variance - v * sigma / variance**0.5)

    mine = model.clone()
    mine.set_model_sampler_cfg_function(rescale)
    assert torch.equal(both(mine, prompts), sampled(rescale_cfg(model, 0.7), prompts))


def test_what_a_cfg_function_is_given(model: ModelPatcher, prompts: Prompts) -> None:
    seen: list[dict[str, Any]] = []

    def watched(args: dict[str, Any]) -> Tensor:
        seen.append(args)
        return args["uncond"] + (args["cond"] - args["uncond"]) * args["cond_scale"]

    mine = model.clone()
    mine.set_model_sampler_cfg_function(watched)
    torch.testing.assert_close(both(mine, prompts), sampled(model, prompts), rtol=0, atol=1e-4)
    args = seen[0]
    x = args["input"]
    assert x.shape == args["cond"].shape == (2, 4, 8, 8)
    assert torch.equal(args["cond"], x - args["cond_denoised"]) and args["cond_scale"] == CFG_SCALE
    assert args["sigma"].shape == args["timestep"].shape == (2,)
    assert float(args["model"].model_sampling.sigma_max) == pytest.approx(float(args["sigma"][0]))
    assert args["model"].latent_format.scale_factor == 0.18215
    assert len(args["input_cond"]) == len(args["input_uncond"]) == 1


def test_perturbed_attention_of_a_pack_is_the_nodes(model: ModelPatcher, prompts: Prompts) -> None:
    """PAG as packs write it: model_options copied, an attention replaced, the positive side predicted again."""
    from comfy.model_patcher import set_model_options_patch_replace
    from comfy.samplers import calc_cond_batch

    def pag(args: Mapping[str, Any]) -> Tensor:
        options = set_model_options_patch_replace(
            args["model_options"].copy(), lambda q, k, v, options, mask=None: v, "attn1", "middle", 0
        )
        (perturbed,) = calc_cond_batch(args["model"], [args["cond"]], args["input"], args["sigma"], options)
        return args["denoised"] + (args["cond_denoised"] - perturbed) * 3.0

    mine = model.clone()
    mine.set_model_sampler_post_cfg_function(pag)
    assert torch.equal(both(mine, prompts), sampled(perturbed_attention_guidance(model, 3.0), prompts))


def test_functions_before_guidance_change_both_predictions(model: ModelPatcher, prompts: Prompts) -> None:
    mine = model.clone()
    mine.set_model_sampler_pre_cfg_function(lambda args: [args["conds_out"][1], args["conds_out"][0]])
    swapped = {"positive": prompts["negative"], "negative": prompts["positive"]}
    torch.testing.assert_close(both(mine, prompts), sampled(model, swapped), rtol=0, atol=1e-4)


def test_all_predictions_by_a_pack(model: ModelPatcher, prompts: Prompts) -> None:
    from comfy.samplers import calc_cond_batch

    shapes: list[int] = []

    def predict(args: Mapping[str, Any]) -> list[Tensor]:
        shapes.append(len(args["conds"]))
        return calc_cond_batch(args["model"], args["conds"], args["input"], args["sigma"], args["model_options"])

    mine = model.clone()
    mine.set_model_sampler_calc_cond_batch_function(predict)
    assert torch.equal(both(mine, prompts), sampled(model, prompts))
    assert shapes == [2] * 4


def test_differential_diffusion_of_a_pack_is_the_nodes(model: ModelPatcher, prompts: Prompts) -> None:
    """A denoise mask function over what ComfyUI names extra_options["model"].inner_model.model_sampling."""

    def mask_at(sigma: Tensor, denoise_mask: Tensor, extra_options: Mapping[str, Any]) -> Tensor:
        levels, sigmas = extra_options["model"].inner_model.model_sampling, extra_options["sigmas"]
        lowest = max(sigmas[-1], levels.sigma_min)
        first, last = levels.timestep(sigmas[0]), levels.timestep(lowest)
        threshold = (levels.timestep(sigma[0]) - last) / (first - last)
        return (denoise_mask >= threshold).to(denoise_mask.dtype)

    mine = model.clone()
    mine.set_model_denoise_mask_function(mask_at)
    assert torch.equal(
        sampled(mine, prompts, mask=True), sampled(differential_diffusion(model, 1.0), prompts, mask=True)
    )


# -- around the network


def test_the_unet_wrapper(model: ModelPatcher, prompts: Prompts) -> None:
    """Called (apply_model, args) and obeyed; apply_model takes what c holds, one side at a time too."""
    seen: list[dict[str, Any]] = []

    def halved(apply_model: Callable[..., Tensor], args: dict[str, Any]) -> Tensor:
        seen.append(args)
        x, t, c = args["input"], args["timestep"], args["c"]
        parts = []
        for half in range(2):
            cut = slice(half * len(x) // 2, (half + 1) * len(x) // 2)
            own = {key: value[cut] if isinstance(value, Tensor) else value for key, value in c.items()}
            parts.append(apply_model(x[cut], t[cut], **own))
        return torch.cat(parts) * 0.5

    mine = model.clone()
    mine.set_model_unet_function_wrapper(halved)
    result = both(mine, prompts)
    args = seen[0]
    assert args["input"].shape == (4, 4, 8, 8) and args["timestep"].shape == (4,)
    assert args["cond_or_uncond"] == [1, 0]
    assert args["c"]["c_crossattn"].shape == (4, 77, 64)
    options = args["c"]["transformer_options"]
    assert options["cond_or_uncond"] == [1, 0] and options["sample_sigmas"].shape == (3,)
    wanted = model.clone()
    wanted.set_model_sampler_post_cfg_function(lambda args: args["denoised"] * 0.5)
    torch.testing.assert_close(result, sampled(wanted, prompts), rtol=0, atol=1e-3)


def test_the_wrapper_of_sdxl_takes_the_batch_apart(open_checkpoint: Callable[..., Any]) -> None:
    """What SDXL reads beside its context stands in c by names, each a tensor with a batch."""
    model = open_checkpoint("sdxl").model
    options = {"pooled_output": torch.randn(1, 80, generator=torch.Generator().manual_seed(4))}
    prompt = [[torch.randn(1, 77, 144, generator=torch.Generator().manual_seed(3)), options]]
    given = {"positive": prompt, "negative": [[prompt[0][0] * 0.5, options]]}

    def one_by_one(apply_model: Callable[..., Tensor], args: dict[str, Any]) -> Tensor:
        x, c = args["input"], args["c"]

        def item(value: Any, i: int) -> Any:
            return value[i, None] if isinstance(value, Tensor) else value

        items = (
            apply_model(item(x, i), item(args["timestep"], i), **{key: item(value, i) for key, value in c.items()})
            for i in range(len(x))
        )
        return torch.cat(list(items))

    mine = model.clone()
    mine.set_model_unet_function_wrapper(one_by_one)
    torch.testing.assert_close(sampled(mine, given), sampled(model, given), rtol=0, atol=5e-3)


def test_every_place_in_the_network_is_reached(model: ModelPatcher, prompts: Prompts) -> None:
    """What ComfyUI gives the functions inside: shapes, block, index, heads; and what they give is used."""
    seen: dict[str, tuple[Any, ...]] = {}
    mine = model.clone()

    def note(name: str, options: Mapping[str, Any], *tensors: Tensor) -> None:
        seen.setdefault(name, (*options["block"], *(tuple(tensor.shape) for tensor in tensors)))
        assert options["cond_or_uncond"] == [1, 0] and len(options["sigmas"]) == 4

    def attn1(n: Tensor, context: Tensor, value: Tensor, extra_options: Any) -> tuple[Tensor, Tensor, Tensor]:
        note("attn1", extra_options, n, context, value)
        return n, context, value

    def attn2(n: Tensor, context: Tensor, value: Tensor, extra_options: Any) -> tuple[Tensor, Tensor, Tensor]:
        note("attn2", extra_options, n, context, value)
        return n, context, value

    def one(name: str) -> Callable[..., Any]:
        def patch(h: Tensor, options: Any) -> Tensor:
            note(name, options, h)
            return h

        return patch

    def output(h: Tensor, skip: Tensor, options: Any) -> tuple[Tensor, Tensor]:
        note("output", options, h, skip)
        return h, skip

    def replaced(q: Tensor, k: Tensor, v: Tensor, extra_options: Any, mask: Any = None) -> Tensor:
        from comfy.ldm.modules.attention import optimized_attention

        note("replaced", extra_options, q, k, v)
        assert extra_options["n_heads"] * extra_options["dim_head"] == q.shape[-1]
        return optimized_attention(q, k, v, extra_options["n_heads"])

    mine.set_model_attn1_patch(attn1)
    mine.set_model_attn2_patch(attn2)
    mine.set_model_attn1_output_patch(one("attn1 output"))
    mine.set_model_attn2_output_patch(one("attn2 output"))
    mine.set_model_patch(one("middle"), "middle_patch")
    mine.set_model_input_block_patch(one("input"))
    mine.set_model_input_block_patch_after_skip(one("after skip"))
    mine.set_model_output_block_patch(output)
    mine.set_model_attn1_replace(replaced, "input", 1, 0)
    mine.set_model_attn2_replace(replaced, "middle", 0)
    torch.testing.assert_close(both(mine, prompts), sampled(model, prompts), rtol=0, atol=1e-4)
    tokens, text = (4, 64, 32), (4, 77, 64)
    assert seen == {
        "input": ("input", 0, (4, 32, 8, 8)),
        "after skip": ("input", 0, (4, 32, 8, 8)),
        "attn1": ("input", 1, tokens, tokens, tokens),
        "replaced": ("input", 1, tokens, tokens, tokens),
        "attn1 output": ("input", 1, tokens),
        "middle": ("input", 1, tokens),
        "attn2": ("input", 1, tokens, text, text),
        "attn2 output": ("input", 1, tokens),
        "output": ("output", 0, (4, 64, 1, 1), (4, 64, 1, 1)),
    }


def test_free_u_of_a_pack_is_the_nodes(model: ModelPatcher, prompts: Prompts) -> None:
    """The published FreeU (Si et al. 2023): half the channels scaled, low frequencies of the skip filtered."""
    width = model.model.model_config.unet_config["model_channels"]
    scales = {width * 4: (1.3, 0.9), width * 2: (1.4, 0.2)}

    def filtered(skip: Tensor, scale: float) -> Tensor:
        spectrum = torch.fft.fftshift(torch.fft.fftn(skip.float(), dim=(-2, -1)), dim=(-2, -1))
        mask = torch.ones(skip.shape)
        y, x = skip.shape[-2] // 2, skip.shape[-1] // 2
        mask[..., y - 1 : y + 1, x - 1 : x + 1] = scale
        shifted = torch.fft.ifftshift(spectrum * mask, dim=(-2, -1))
        return torch.fft.ifftn(shifted, dim=(-2, -1)).real.to(skip.dtype)

    def output(h: Tensor, skip: Tensor, options: Any) -> tuple[Tensor, Tensor]:
        found = scales.get(h.shape[1])
        if found is not None:
            h = h.clone()
            h[:, : h.shape[1] // 2] *= found[0]
            skip = filtered(skip, found[1])
        return h, skip

    mine = model.clone()
    mine.set_model_output_block_patch(output)
    wanted = sampled(free_u(model, 1.3, 1.4, 0.9, 0.2), prompts)
    torch.testing.assert_close(both(mine, prompts), wanted, rtol=0, atol=1e-4)
    assert not torch.equal(wanted, sampled(model, prompts))


def test_an_attention_for_all_layers(model: ModelPatcher, prompts: Prompts) -> None:
    """What packs that bring other attention kernels set."""
    calls: list[int] = []

    def override(func: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, heads: int, **named: Any) -> Tensor:
        calls.append(heads)
        return func(q, k, v, heads, **named)

    mine = model.clone()
    mine.model_options["transformer_options"]["optimized_attention_override"] = override
    torch.testing.assert_close(both(mine, prompts), sampled(model, prompts), rtol=0, atol=1e-4)
    assert set(calls) == {8} and len(calls) > 8


# -- wrappers and callbacks


@pytest.mark.parametrize("kind", ["OUTER_SAMPLE", "SAMPLER_SAMPLE", "PREDICT_NOISE", "CALC_COND_BATCH", "APPLY_MODEL"])
def test_wrappers_stand_around_weft_s_nodes_too(model: ModelPatcher, prompts: Prompts, kind: str) -> None:
    from comfy.patcher_extension import WrappersMP

    calls: list[str] = []

    def wrapper(executor: Any, *args: Any, **named: Any) -> Any:
        calls.append(kind)
        return executor(*args, **named)

    def changed(executor: Any, *args: Any, **named: Any) -> Any:
        found = executor(*args, **named)
        return [each * 0.5 for each in found] if isinstance(found, list) else found * 0.5

    plain = sampled(model, prompts)
    mine, other = model.clone(), model.clone()
    mine.add_wrapper_with_key(getattr(WrappersMP, kind), "mine", wrapper)
    other.add_wrapper_with_key(getattr(WrappersMP, kind), "mine", changed)
    assert torch.equal(both(mine, prompts), plain)
    assert len(calls) == (2 if kind.endswith("SAMPLE") else 4)
    assert not torch.equal(sampled(other, prompts), plain)
    assert torch.equal(sampled(model, prompts), plain)
    sigmas = ksampler_schedule(model.sampling, "normal", 2)
    given = SAMPLERS["euler"], sigmas, RandomNoise(SEED), start()
    custom = custom_sample(Guider(mine, CFG(**prompts, scale=CFG_SCALE)), *given)
    assert torch.equal(custom[0]["samples"], plain)


def test_wrappers_around_a_run_are_refused_in_continuous_mode(model: ModelPatcher, prompts: Prompts) -> None:
    mine = model.clone()
    mine.add_wrapper("outer_sample", lambda executor, *args: executor(*args))
    with pytest.raises(DiffusionError, match="which continuous mode cannot carry"):
        sampled(mine, prompts, mode="continuous")


def test_callbacks(model: ModelPatcher, prompts: Prompts) -> None:
    from comfy.patcher_extension import CallbacksMP

    calls: list[str] = []
    mine = model.clone()
    for kind in ("ON_CLONE", "ON_PRE_RUN", "ON_CLEANUP"):
        mine.add_callback_with_key(getattr(CallbacksMP, kind), "k", lambda *args, kind=kind: calls.append(kind))
    mine.set_attachments("mine", [1])
    clone = mine.clone()
    assert clone.get_attachment("mine") == [1] and not model.callbacks
    sampled(clone, prompts)
    assert calls == ["ON_CLONE", "ON_PRE_RUN", "ON_CLEANUP"]


# -- what is not obeyed, and what is not shared


def test_hooks_that_nothing_obeys_are_errors(model: ModelPatcher, prompts: Prompts) -> None:
    mine = model.clone()
    mine.model_options["context_handler"] = object()
    with pytest.raises(DiffusionError, match="model_options hold 'context_handler'"):
        sampled(mine, prompts)
    mine = model.clone()
    mine.model_options["transformer_options"]["patches"] = {"double_block": [print]}
    with pytest.raises(DiffusionError, match="a model patch steps in at 'double_block'"):
        sampled(mine, prompts)
    mine = model.clone()
    mine.model_options["transformer_options"]["wrappers"] = {"diffusion_model": {"k": [print]}}
    with pytest.raises(DiffusionError, match="a wrapper around 'diffusion_model' cannot be carried"):
        sampled(mine, prompts)


HOOKS: Mapping[str, Callable[[ModelPatcher], Any]] = {
    "cfg": lambda model: model.set_model_sampler_cfg_function(lambda args: args["cond"]),
    "pre cfg": lambda model: model.set_model_sampler_pre_cfg_function(lambda args: args["conds_out"]),
    "post cfg": lambda model: model.set_model_sampler_post_cfg_function(lambda args: args["denoised"]),
    "wrapper": lambda model: model.set_model_unet_function_wrapper(lambda apply, args: apply(args["input"])),
    "attention": lambda model: model.set_model_attn1_replace(lambda q, k, v, options: v, "middle", 0),
    "wrappers": lambda model: model.add_wrapper("apply_model", lambda executor, *args: executor(*args)),
    "callbacks": lambda model: model.add_callback("on_pre_run", lambda patcher: None),
    "sampling": lambda model: model.add_object_patch("model_sampling", _sampling()),
}


def _sampling() -> Any:
    from comfy.model_sampling import EPS, ModelSamplingDiscrete

    return type("Mine", (ModelSamplingDiscrete, EPS), {})()


@pytest.mark.parametrize("hook", HOOKS)
def test_steps_under_a_pack_s_function_are_never_shared(model: ModelPatcher, prompts: Prompts, hook: str) -> None:
    """Nothing is known of what it remembers: see sampling/sharing.py."""
    stage = stage_of(model.sampling, **settings(prompts))
    assert looks_ahead(model, model.network.module(), stage) is False
    mine = model.clone()
    HOOKS[hook](mine)
    assert looks_ahead(mine, mine.network.module(), stage) is None
