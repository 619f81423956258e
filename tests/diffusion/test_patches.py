"""Patches on models: what they leave alone, what they change, and that no other branch sees them.

Their numbers are held by the goldens deepshrink, freeu_v2, sag, perpneg_patch, rescalecfg_07, msd_* (tests/parity).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.sd.denoiser import UNetDenoiser
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.noise import PatchRandom
from weft.nodes.diffusion.sampling.patches import attention, blocks, guidance, mask, sampling
from weft.nodes.diffusion.sampling.patches.attention import Matching, TiledAttention, Tiles
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint, load_checkpoint
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

Patch = Callable[[ModelPatcher], ModelPatcher]


@pytest.fixture(scope="module")
def tiny(parity: Path) -> LoadedCheckpoint:
    path = parity / "models" / "checkpoints" / "tiny_sd15.safetensors"
    return load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32)


@pytest.fixture(scope="module")
def run(tiny: LoadedCheckpoint) -> Callable[..., Tensor]:
    assert tiny.clip is not None
    positive, negative = tiny.clip.encode("a red cube"), tiny.clip.encode("blurry")

    def sampled(model: ModelPatcher, latent: Any = None, **changes: Any) -> Tensor:
        request = {
            "seed": 5,
            "steps": 2,
            "cfg": 4.0,
            "sampler": "euler",
            "scheduler": "normal",
            "positive": positive,
            "negative": negative,
        }
        return ksample(model, latent or {"samples": torch.zeros(1, 4, 16, 16)}, **(request | changes))["samples"]

    return sampled


@pytest.fixture(scope="module")
def plain(run: Callable[..., Tensor], tiny: LoadedCheckpoint) -> Tensor:
    return run(tiny.model)


@pytest.fixture(scope="module")
def weightless(tiny: LoadedCheckpoint) -> torch.nn.Module:
    """A network like it of three levels, on the meta device, which is slow."""
    base: Any = tiny.model.network.base
    config = dict(base.config) | {
        "layers_per_block": 1,
        "transformer_layers_per_block": (1, 1, 1),
        "num_attention_heads": None,
    }
    for name in ("attention_head_dim", "block_out_channels", "down_block_types"):
        config[name] = config[name][-3:]
    config["up_block_types"] = config["up_block_types"][:3]
    with torch.device("meta"):
        return type(base).from_config(config).eval()


CHANGING: dict[str, Patch] = {
    "rescale": lambda model: guidance.rescale_cfg(model, 0.7),
    "pag": lambda model: guidance.perturbed_attention_guidance(model, 3.0),
    "sag": lambda model: guidance.self_attention_guidance(model, 0.5, 2.0),
    "free_u": lambda model: blocks.free_u(model, 1.1, 1.2, 0.9, 0.2),
    "free_u_v2": lambda model: blocks.free_u_v2(model, 1.3, 1.4, 0.9, 0.2),
    "shrink": lambda model: blocks.deep_shrink(model, 3, 2.0, 0.0, 0.35, True, "bicubic", "bicubic"),
    "shrink_skip": lambda model: blocks.deep_shrink(model, 4, 1.5, 0.0, 1.0, False, "area", "nearest-exact"),
    "tome": lambda model: attention.merge_tokens(model, 0.5),
    "tiles": lambda model: attention.hyper_tile(model, 32, 1, 1, False),
    "v": lambda model: sampling.discrete(model, "v_prediction", False),
    "zsnr": lambda model: sampling.discrete(model, "eps", True),
    "edm": lambda model: sampling.continuous(model, "v_prediction", 120.0, 0.002),
}


@pytest.mark.parametrize("name", CHANGING)
def test_changes_its_own_branch_alone(
    name: str, run: Callable[..., Tensor], tiny: LoadedCheckpoint, plain: Tensor
) -> None:
    patched = CHANGING[name](tiny.model)
    result = run(patched)
    assert result.isfinite().all()
    assert not torch.allclose(result, plain, rtol=1e-3)
    assert torch.equal(run(patched.clone()), result), "a second run is the same, and so is a clone's"
    assert torch.equal(run(tiny.model), plain), "the model it was put on is as before"
    assert patched.network.module() is tiny.model.network.module()


@pytest.mark.parametrize(
    "patch",
    [
        lambda model: guidance.perturbed_attention_guidance(model, 0.0),
        lambda model: guidance.self_attention_guidance(model, 0.0, 2.0),
        lambda model: blocks.deep_shrink(model, 3, 2.0, 0.5, 0.6, True, "bicubic", "bicubic"),
        lambda model: blocks.deep_shrink(model, 30, 2.0, 0.0, 1.0, True, "bicubic", "bicubic"),
        lambda model: attention.merge_tokens(model, 0.0),
        lambda model: attention.hyper_tile(model, 2048, 2, 0, False),
    ],
)
def test_settings_that_change_nothing(patch: Patch, run: Callable[..., Tensor], tiny: Any, plain: Tensor) -> None:
    assert torch.allclose(run(patch(tiny.model)), plain, rtol=1e-4, atol=1e-3)


def test_without_a_blur_nothing_is_degraded(run: Callable[..., Tensor], tiny: Any, plain: Tensor) -> None:
    """What is predicted again is then the negative's own prediction, so that its difference is 0."""
    assert torch.allclose(run(guidance.self_attention_guidance(tiny.model, 0.7, 0.0)), plain, rtol=1e-4, atol=1e-3)


def test_rescaled_by_no_share_is_plain_guidance(run: Callable[..., Tensor], tiny: Any, plain: Tensor) -> None:
    assert torch.allclose(run(guidance.rescale_cfg(tiny.model, 0.0)), plain, rtol=1e-4, atol=1e-3)


def test_free_u_of_factor_one(run: Callable[..., Tensor], tiny: Any, plain: Tensor) -> None:
    for patch in (blocks.free_u, blocks.free_u_v2):
        assert torch.allclose(run(patch(tiny.model, 1.0, 1.0, 1.0, 1.0)), plain, rtol=1e-4, atol=1e-3)


def test_free_u_v2_on_a_map_of_one_value_says_nan(run: Callable[..., Tensor], tiny: Any) -> None:
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    with pytest.raises(DiffusionError, match="NaN or infinity at step 0 of 2"):
        run(blocks.free_u_v2(tiny.model, 1.3, 1.4, 0.9, 0.2), latent)


def test_patches_that_replace_the_same_attention(run: Callable[..., Tensor], tiny: Any) -> None:
    """SAG and PAG together: PAG's own evaluation must not be taken for the negative's attention."""
    both = guidance.perturbed_attention_guidance(guidance.self_attention_guidance(tiny.model, 0.5, 2.0), 3.0)
    turned = guidance.self_attention_guidance(guidance.perturbed_attention_guidance(tiny.model, 3.0), 0.5, 2.0)
    assert torch.allclose(run(both), run(turned), rtol=1e-4, atol=1e-3)


def test_self_attention_guidance_leaves_small_latents_alone(run: Callable[..., Tensor], tiny: Any) -> None:
    latent = {"samples": torch.zeros(1, 4, 4, 4)}
    assert torch.equal(run(guidance.self_attention_guidance(tiny.model, 0.5, 2.0), latent), run(tiny.model, latent))


def test_perp_neg_of_an_empty_negative_is_plain_guidance_from_it(run: Callable[..., Tensor], tiny: Any) -> None:
    empty = tiny.clip.encode("")
    result = run(guidance.perp_neg(tiny.model, empty, 1.0), negative=empty)
    assert torch.allclose(result, run(tiny.model, negative=empty), rtol=1e-4, atol=1e-3)


def test_equal_settings_are_equal_patches(tiny: Any) -> None:
    for patch in CHANGING.values():
        first, second = patch(tiny.model), patch(tiny.model)
        assert first.model_options == second.model_options
    assert copy.deepcopy(CHANGING["pag"](tiny.model).model_options) is not None


def test_differential_diffusion_lets_pixels_in_one_by_one() -> None:
    threshold = mask.DifferentialDiffusion(1.0)
    table = ModelSampling.discrete()
    model: Any = type("Model", (), {"sampling": table})
    sigmas = torch.cat([table.sigma(torch.tensor([999.0, 666.0, 333.0])), torch.zeros(1)])
    grey = torch.tensor([0.0, 0.3, 0.5, 0.7, 1.0])
    shown = [threshold(sigma[None], grey, {"model": model, "sigmas": sigmas}).tolist() for sigma in sigmas[:3]]
    assert shown == [[0, 0, 0, 0, 1], [0, 0, 0, 1, 1], [0, 0, 1, 1, 1]]
    half = mask.DifferentialDiffusion(0.5)(sigmas[1:2], grey, {"model": model, "sigmas": sigmas})
    assert half.tolist() == pytest.approx([0.0, 0.15, 0.25, 0.85, 1.0])


def test_differential_diffusion_in_a_run(run: Callable[..., Tensor], tiny: Any) -> None:
    latent = {"samples": torch.randn(1, 4, 16, 16), "noise_mask": torch.full((1, 128, 128), 0.4)}
    grey = run(tiny.model, latent)
    assert not torch.allclose(run(mask.differential_diffusion(tiny.model), latent), grey)
    whole, none = (run(mask.differential_diffusion(tiny.model, strength), latent) for strength in (1.0, 0.0))
    assert torch.equal(whole, none), "as in ComfyUI, strength 0 counts as 1"


def test_tokens_are_merged_into_their_likes_and_come_back() -> None:
    """16 tokens of a 4x4 map, one of 4 kept in each cell; all tokens of a cell are equal but for a hair."""
    generator = torch.Generator().manual_seed(1)
    cells = torch.zeros(4, 4, 4)
    for cell in range(4):
        y, x = 2 * (cell // 2), 2 * (cell % 2)
        cells[y : y + 2, x : x + 2] = torch.eye(4)[cell]
    x = (cells.reshape(1, 16, 4) + 1e-4 * torch.randn(1, 16, 4, generator=generator)).repeat(2, 1, 1)
    matching = Matching(x, (4, 4), 12, generator)
    merged = matching.merge(x)
    assert merged.shape == (2, 4, 4)
    assert torch.allclose(matching.unmerge(merged), x, atol=1e-3)
    none = Matching(x, (4, 4), 3, generator)
    assert none.merge(x).shape == (2, 13, 4)
    assert torch.allclose(none.unmerge(none.merge(x)), x, atol=1e-3)
    # More than there are others to merge: all but the kept ones.
    assert Matching(x, (4, 4), 15, generator).merge(x).shape == (2, 4, 4)


def test_tiles() -> None:
    tiles = Tiles(2, 3, 2, 4)
    x = torch.arange(2 * 48 * 5.0).reshape(2, 48, 5)
    split = tiles.split(x)
    assert split.shape == (12, 8, 5)
    assert torch.equal(split[1, :4, 0], x[0, 4:8, 0])
    assert torch.equal(tiles.join(split), x)


def test_depth_and_choice_of_tiles() -> None:
    def tiling(tokens: list[int], full: list[int], seed: int = 3, **settings: Any) -> Any:
        options: dict[str, Any] = {
            "scratch": {},
            "activations_shape": [1, 8, *tokens],
            "original_shape": [1, 4, *full],
            "random": PatchRandom((1, 4, *full), seed),
        }
        tile = TiledAttention(**({"size": 4, "choices": 1, "depth": 0, "grows": False} | settings))
        x = torch.zeros(1, tokens[0] * tokens[1], 8)
        tile(x, x, x, options)
        return options["scratch"]["tiles"]

    # Off the square ComfyUI takes height for width: 8 wide and 16 high is cut as 16 wide and 8 high would be.
    assert tiling([16, 8], [16, 8]) == Tiles(2, 4, 4, 4)
    assert tiling([8, 4], [16, 8]) is None
    assert tiling([8, 4], [16, 8], depth=1) == Tiles(1, 2, 4, 4)
    assert tiling([8, 8], [16, 16], depth=1, grows=True) is None
    assert tiling([4, 4], [4, 4], size=8) is None
    drawn = [tiling([16, 16], [16, 16], choices=3) for _ in range(2)]
    assert drawn[0] == drawn[1], "by the seed of the run"
    # Of several numbers of tiles the last, here 1, is never drawn: 8 cells are 2 tiles of 4 or 1 of 8.
    assert {tiling([8, 8], [8, 8], choices=2, seed=seed) for seed in range(20)} == {Tiles(2, 2, 4, 4)}


def test_only_queries_are_tiled() -> None:
    """Keys and values are cut along the raster into as many pieces, as in ComfyUI."""
    options: dict[str, Any] = {
        "scratch": {},
        "activations_shape": [1, 8, 8, 8],
        "original_shape": [1, 4, 8, 8],
        "random": PatchRandom((1, 4, 8, 8), 3),
    }
    x = torch.arange(64.0).reshape(1, 64, 1)
    queries, keys, values = TiledAttention(size=4, choices=1, depth=0, grows=False)(x, x, x, options)
    assert queries[0].flatten().tolist() == [8.0 * row + column for row in range(4) for column in range(4)]
    assert torch.equal(keys, x.reshape(4, 16, 1))
    assert torch.equal(values, keys)


def test_schedules_of_other_targets(tiny: Any) -> None:
    lcm = sampling.discrete(tiny.model, "lcm", False).sampling
    assert lcm.timestep(lcm.sigmas).tolist() == list(range(19, 1000, 20))
    assert torch.equal(lcm.sigmas, ModelSampling.discrete().sigmas[19::20])
    assert torch.allclose(lcm.sigma(torch.tensor([0.0, 999.0])), lcm.sigmas[[0, -1]])
    image = sampling.discrete(tiny.model, "img_to_img", False).sampling
    x, output, sigma = torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 2), torch.tensor(3.0)
    assert image.scale_input(x, sigma) is x
    assert image.denoised(x, output, sigma) is output
    with pytest.raises(DiffusionError, match="unknown sampling 'v'"):
        sampling.discrete(tiny.model, "v", False)


def test_any_noise_level(tiny: Any) -> None:
    edm = sampling.continuous(tiny.model, "edm", 80.0, 0.02).sampling
    assert (edm.sigma_min, edm.sigma_max) == pytest.approx((0.02, 80.0))
    levels = torch.tensor([0.02, 1.0, 80.0])
    assert torch.allclose(edm.timestep(levels), 0.25 * levels.log())
    assert torch.allclose(edm.sigma(edm.timestep(levels)), levels)
    assert edm.percent_to_sigma(0.5) == pytest.approx((0.02 * 80.0) ** 0.5)
    assert (edm.percent_to_sigma(0.0), edm.percent_to_sigma(1.0)) == (999999999.9, 0.0)
    image, noise, sigma, data = torch.randn(1, 4, 4, 4), torch.randn(1, 4, 4, 4), torch.tensor(2.5), 0.5
    # What a perfect network gives: Karras et al. 2022, table 1, with their c_out and c_skip.
    target = ((image + sigma * noise) * -(data**2) / (sigma**2 + data**2) + image) / (
        sigma * data / (sigma**2 + data**2) ** 0.5
    )
    assert torch.allclose(edm.denoised(image + sigma * noise, target, sigma), image, atol=1e-5)


@pytest.mark.parametrize(("low", "high"), [(0.0, 80.0), (80.0, 0.02), (1.0, 1.0), (-1.0, 80.0)])
def test_noise_levels_that_are_none(tiny: Any, low: float, high: float) -> None:
    with pytest.raises(DiffusionError, match="need 0 < sigma_min < sigma_max, got sigma_min"):
        sampling.continuous(tiny.model, "edm", high, low)


def test_playground_reads_latents_in_its_own_way(tiny: Any) -> None:
    model = sampling.continuous(tiny.model, "edm_playground_v2.5", 120.0, 0.002)
    PLAYGROUND = (0.5, (-1.6574, 1.886, -1.383, 2.5155), (8.4927, 5.9022, 6.5498, 5.2299))
    assert model.clone().latent_format == LatentFormat(4, 8, *PLAYGROUND)
    assert tiny.model.latent_format == LatentFormat(4, 8, 0.18215)
    latent = torch.randn(1, 4, 8, 8)
    assert torch.allclose(model.process_latent_out(model.process_latent_in(latent)), latent, atol=1e-5)
    assert torch.equal(model.process_latent_in(torch.zeros(1, 4, 8, 8)), torch.zeros(1, 4, 8, 8))
    with pytest.raises(DiffusionError, match="cosmos_rflow is for NVIDIA's Cosmos; this is sd1"):
        sampling.continuous(tiny.model, "cosmos_rflow", 120.0, 0.002)


def test_perturbed_attention_reaches_every_layer_of_the_middle(parity: Path) -> None:
    """SDXL's middle block has several transformer layers."""
    path = parity / "models" / "checkpoints" / "tiny_sdxl.safetensors"
    model = load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32).model
    seen = []

    class Recording:
        def predict(self, sides: Any, x: Tensor, level: Tensor, options: Any) -> list[Tensor]:
            seen.append(options["transformer_options"]["patches_replace"]["attn1"])
            return [x]

    patched = guidance.perturbed_attention_guidance(model, 3.0)
    (function,) = patched.model_options["sampler_post_cfg_function"]
    x = torch.ones(1, 4, 2, 2)
    args = {
        "model": Recording(),
        "input": x,
        "level": torch.tensor(1.0),
        "cond": [],
        "model_options": patched.model_options,
    }
    assert torch.equal(function({**args, "denoised": x * 5, "cond_denoised": x * 2}), x * 8)
    assert seen == [{("middle", 0): guidance.only_values}]
    assert len(model.network.base.mid_block.attentions[0].transformer_blocks) > 1


@pytest.mark.parametrize("name", CHANGING)
@torch.inference_mode()
def test_no_patch_waits_for_the_device(name: str, tiny: LoadedCheckpoint, weightless: torch.nn.Module) -> None:
    """The meta device has no numbers: reading one back, or mixing devices, raises."""
    meta = torch.device("meta")
    patched = CHANGING[name](tiny.model)
    run = SamplingRun(UNetDenoiser(weightless, patched.sampling), (2, 4, 16, 16), meta, options=patched.model_options)
    text = [[torch.zeros(1, 77, 64), {}]]
    model = CFG(text, text, 4.0).bind(run)
    for sigma in (torch.tensor(14.0), torch.tensor(0.5)):
        assert model(torch.empty(2, 4, 16, 16, device=meta), sigma).shape == (2, 4, 16, 16)
