"""Patches on how both predictions are combined, held to their definitions: no reference values of them are at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.protocol import Places
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.patches import cfg, layers
from weft.nodes.diffusion.values.latent_tones import Sharpen, Tonemap
from weft.nodes.diffusion.weights.patcher import ModelPatcher

SCALE = 3.0


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape or (2, 4, 5, 6), generator=torch.Generator().manual_seed(seed))


X, COND, UNCOND = drawn(0), drawn(1), drawn(2)
GUIDED = UNCOND + SCALE * (COND - UNCOND)


class Network:
    """A GuidedNetwork that notes with which options it is asked, and gives a prediction of its own."""

    sampling = ModelSampling.flow()

    def __init__(self, prediction: Tensor = X) -> None:
        self.prediction = prediction
        self.asked: list[Mapping[str, Any]] = []

    def predict(self, sides: Any, x: Tensor, sigma: Tensor, options: Mapping[str, Any]) -> list[Tensor]:
        self.asked.append(options)
        return [self.prediction]


def args(level: float = 0.9, scale: float = SCALE, network: Network | None = None, **more: Any) -> Any:
    """What a function around guidance is given, of either kind."""
    return {
        "input": X,
        "level": torch.tensor(level),
        "cond_scale": scale,
        "cond_denoised": COND,
        "uncond_denoised": UNCOND,
        "denoised": GUIDED,
        "cond": X - COND,
        "uncond": X - UNCOND,
        "conds": [["positive"], ["negative"]],
        "conds_out": [COND, UNCOND],
        "model": network or Network(),
        "model_options": {"transformer_options": {}},
        **more,
    }


def test_no_vector_is_longer_than_the_positive_ones() -> None:
    found = cfg.CFGNorm(2.0)(args()) / 2.0
    lengths = [each.norm(dim=1) for each in (found, COND, GUIDED)]
    torch.testing.assert_close(lengths[0], torch.minimum(lengths[1], lengths[2]))
    torch.testing.assert_close(cosine_similarity(found, GUIDED, dim=1), torch.ones(2, 5, 6))


def test_the_negative_side_is_fitted_to_the_positive_one() -> None:
    """uncond becomes scale * uncond, where scale * (x - uncond) is nearest to x - cond."""
    fitted = torch.stack([((X - COND)[i] * (X - UNCOND)[i]).sum() / (X - UNCOND)[i].square().sum() for i in range(2)])
    zero = UNCOND * fitted[:, None, None, None]
    torch.testing.assert_close(cfg.CFGZeroStar()(args()), zero + SCALE * (COND - zero))


def test_renormalised_guidance() -> None:
    strong = X - cfg.RenormCFG(100.0, 0.5)(args())
    torch.testing.assert_close(strong.flatten(1).norm(dim=1), 0.5 * COND.flatten(1).norm(dim=1))
    torch.testing.assert_close(X - cfg.RenormCFG(100.0, 0.0)(args()), GUIDED)
    torch.testing.assert_close(X - cfg.RenormCFG(100.0, 50.0)(args()), GUIDED)
    torch.testing.assert_close(X - cfg.RenormCFG(0.9, 1.0)(args(level=0.95)), COND)


def test_the_negative_direction_is_cut_to_the_main_one() -> None:
    cond, uncond = cfg.TangentialDamping()(args())
    assert cond is COND
    both = torch.stack(((X - COND)[1].flatten(), (X - UNCOND)[1].flatten()))
    main = torch.linalg.eigh(both.T @ both).eigenvectors[:, -1]
    torch.testing.assert_close((X - uncond)[1].flatten(), (both[1] @ main) * main, atol=1e-5, rtol=1e-4)
    alone = [COND, torch.zeros_like(COND)]
    assert cfg.TangentialDamping()(args(conds=[["positive"], []], conds_out=alone)) == alone


def guided(function: Any, **more: Any) -> Tensor:
    """What CFG makes of both predictions after a function."""
    cond, uncond = function(args(**more))
    return uncond + SCALE * (cond - uncond)


def test_projected_guidance() -> None:
    """Without limits it is cond + scale * (cond - uncond); eta weighs what lies along cond."""
    difference = COND - UNCOND
    torch.testing.assert_close(guided(cfg.ProjectedGuidance(1.0, 0.0)), COND + SCALE * difference)
    added = (guided(cfg.ProjectedGuidance(0.0, 0.0)) - COND) / SCALE
    assert (added * COND).flatten(1).sum(dim=1).abs().max() < 1e-3
    torch.testing.assert_close(
        difference - added,
        (((difference - added) * COND).flatten(1).sum(1) / COND.flatten(1).square().sum(1))[:, None, None, None] * COND,
        atol=1e-4,
        rtol=1e-3,
    )
    limited = (guided(cfg.ProjectedGuidance(1.0, 2.0)) - COND) / SCALE
    torch.testing.assert_close(limited.flatten(1).norm(dim=1), torch.full((2,), 2.0))


def test_momentum_adds_earlier_guidance_until_noise_rises() -> None:
    patch, network = cfg.SteadiedGuidance(1.0, 0.0, 0.5), Network()
    added = [(guided(patch, level=level, network=network) - COND) / SCALE for level in (0.9, 0.8, 0.95)]
    for found, factor in zip(added, (1.0, 1.5, 1.0), strict=True):
        torch.testing.assert_close(found, factor * (COND - UNCOND))
    torch.testing.assert_close((guided(patch, level=0.5) - COND) / SCALE, COND - UNCOND)


def test_mahiro_leaps_where_both_sides_differ() -> None:
    same = {"uncond_denoised": COND, "denoised": COND}
    torch.testing.assert_close(cfg.Mahiro()(args(**same)), COND)
    opposite = cfg.Mahiro()(args(uncond_denoised=-(COND * SCALE + GUIDED)))
    torch.testing.assert_close(opposite, COND * SCALE)


def test_noise_is_divided() -> None:
    torch.testing.assert_close(X - cfg.EpsilonScaling(2.0)(args()), (X - GUIDED) / 2.0)


def test_guidance_ramps_over_the_frames() -> None:
    frames = {name: drawn(at, 3, 4, 5, 6) for at, name in enumerate(("cond", "uncond"))}
    for up_and_down, scales in ((False, (1.0, 2.0, 3.0)), (True, (1.0, 3.0, 1.0))):
        found = cfg.RampedGuidance(1.0, up_and_down)(args(**frames))
        factor = torch.tensor(scales)[:, None, None, None]
        torch.testing.assert_close(found, frames["uncond"] + factor * (frames["cond"] - frames["uncond"]))


def test_an_operation_on_what_guidance_adds() -> None:
    torch.testing.assert_close(
        guided(cfg.OperateOnGuidance(lambda latent: latent * 2)), UNCOND + 2 * SCALE * (COND - UNCOND)
    )


def test_tone_mapping_holds_back_the_longest() -> None:
    latent = drawn(3) * torch.linspace(0.1, 10.0, 6)
    mapped = Tonemap(1.0)(latent)
    before, after = latent.norm(dim=1), mapped.norm(dim=1)
    assert (after < before).all()
    top = 5 * before.std(dim=(1, 2), keepdim=True) + before.mean(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(after, before / (1 + before / top))
    with pytest.raises(DiffusionError, match="above 0"):
        Tonemap(0.0)


def test_sharpening_keeps_what_is_even() -> None:
    even = torch.ones(1, 4, 8, 8) * torch.tensor([1.0, 2.0, -1.0, 0.5])[:, None, None]
    torch.testing.assert_close(Sharpen(2, 1.0, 0.5)(even), even)
    assert Sharpen(2, 1.0, 0.5)(drawn(1, 1, 4, 2, 8, 8)).shape == (1, 4, 2, 8, 8)
    with pytest.raises(DiffusionError, match="too large for a latent of 8x8"):
        Sharpen(8, 1.0, 0.5)(even)


class Transformer:
    """A model with blocks that can be left out, or without."""

    title = "Toy"
    name = "toy"

    def __init__(self, replaced: tuple[str, ...] = (layers.DIT,)) -> None:
        self.places = Places(replaced=replaced)
        self.latent_format: Any = None


def model(*replaced: str) -> ModelPatcher:
    network: Any = None
    kind: Any = Transformer(replaced)
    return ModelPatcher(network, kind, ModelSampling.flow())


SKIPS: dict[str, Any] = {"double": "7, 8", "single": "1", "start_percent": 0.2, "end_percent": 0.6}


def test_skipped_layers_steer() -> None:
    patched = layers.skip_layers(model(layers.DIT), scale=2.0, **SKIPS)
    (function,) = patched.model_options["sampler_post_cfg_function"]
    network = Network()
    found = function(args(level=0.5, network=network))
    torch.testing.assert_close(found, GUIDED + (COND - X) * 2.0)
    ((options),) = network.asked
    replaced = options["transformer_options"]["patches_replace"][layers.DIT]
    assert set(replaced) == {("double_block", 7), ("double_block", 8), ("single_block", 1)}
    assert replaced["single_block", 1]({"img": 1}, {}) == {"img": 1}
    for level in (0.81, 0.39):
        assert function(args(level=level, network=network)) is GUIDED
    rescaled = layers.SkipLayers((("double_block", 7),), 2.0, 0.2, 0.6, 1.0)(args(level=0.5))
    torch.testing.assert_close(rescaled.std(), COND.std())


def test_skipped_layers_of_the_negative_side() -> None:
    patched = layers.skip_layers_of_negative(model(layers.DIT), **SKIPS)
    (function,) = patched.model_options["sampler_pre_cfg_function"]
    assert function(args(level=0.5))[1] is X
    assert function(args(level=0.9))[1] is UNCOND


def test_layers_that_a_model_does_not_have() -> None:
    whole = model(layers.DIT)
    assert layers.skip_layers(whole, scale=2.0, **(SKIPS | {"double": "", "single": ""})) is whole
    with pytest.raises(DiffusionError, match="this model is Toy, whose network has no blocks"):
        layers.skip_layers(model("attn1"), scale=2.0, **SKIPS)


def test_low_and_high_frequencies_of_guidance_are_scaled_apart() -> None:
    """Huang et al. 2025: of a spectrum with its centre at h/2, w/2 the entries on either side of it are low."""
    scaled = cfg.ScaledFrequencies(0.5, 2.0, 2)
    cond, uncond = scaled(args())
    assert uncond is UNCOND
    expected = torch.zeros(2, 4, 5, 6)
    rows, columns = torch.arange(5).reshape(-1, 1), torch.arange(6)
    for u in range(-2, 3):  # h = 5: frequencies -2..2
        for v in range(-3, 3):  # w = 6: frequencies -3..2
            wave = torch.exp(2j * torch.pi * (u * rows / 5 + v * columns / 6))
            amount = ((COND - UNCOND) * wave.conj()).sum(dim=(-2, -1), keepdim=True) / 30
            low = u in (-2, -1, 0, 1) and v in (-2, -1, 0, 1)
            expected += (amount * wave).real * (0.5 if low else 2.0)
    torch.testing.assert_close(cond - uncond, expected)
    same, _ = cfg.ScaledFrequencies(1.0, 1.0, 20)(args())
    torch.testing.assert_close(same, COND)
    alone = args(conds=[["positive"], []])
    assert scaled(alone)[0] is COND
