"""Patches on guidance: RescaleCFG, Perp-Neg, self-attention guidance, perturbed-attention guidance.

What each is given is described at weft.nodes.diffusion.sampling.guidance.Evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.arguments import CfgArguments, PostCfgArguments
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

MIDDLE = ("middle", 0)
FIRST_OF_MIDDLE = (*MIDDLE, 0)
SAG_KERNEL = 9
SAG_THRESHOLD = 1.0
# Below this many latent pixels a side, self-attention guidance leaves the prediction alone.
SAG_SMALLEST = 5
UNCOND = 1


def rescale_cfg(model: ModelPatcher, multiplier: float) -> ModelPatcher:
    """Lin et al. 2023, section 3.4: the guided v brought to the standard deviation of the positive one, by a share."""
    clone = model.clone()
    clone.set_model_sampler_cfg_function(RescaleCFG(multiplier))
    return clone


def perp_neg(model: ModelPatcher, empty_conditioning: Sequence[Any], neg_scale: float) -> ModelPatcher:
    """Armandpour et al. 2023, "Perp-Neg": of the negative only what is perpendicular to the positive counts."""
    clone = model.clone()
    clone.set_model_sampler_cfg_function(PerpNeg(empty_conditioning, neg_scale))
    return clone


def self_attention_guidance(model: ModelPatcher, scale: float, blur_sigma: float) -> ModelPatcher:
    """Hong et al. 2023: away from what the network makes of a picture blurred where its attention lies.

    blur_sigma: in latent pixels; 0 does not blur.
    """
    clone = model.clone()
    clone.set_model_attn1_replace(keep_attention, *FIRST_OF_MIDDLE)
    clone.set_model_sampler_post_cfg_function(SelfAttentionGuidance(scale, blur_sigma), disable_cfg1_optimization=True)
    return clone


def perturbed_attention_guidance(model: ModelPatcher, scale: float) -> ModelPatcher:
    """Ahn et al. 2024: away from what the network gives with the identity for the middle block's self attention."""
    clone = model.clone()
    clone.set_model_sampler_post_cfg_function(PerturbedAttentionGuidance(scale))
    return clone


@dataclass(frozen=True)
class RescaleCFG:
    """A sampler_cfg_function."""

    multiplier: float

    def __call__(self, args: CfgArguments) -> Tensor:
        x, sigma, scale = args["input"], args["level"], args["cond_scale"]
        variance = sigma**2 + 1.0

        def velocity(difference: Tensor) -> Tensor:
            return (x / variance - (x - difference)) * variance**0.5 / sigma

        cond, uncond = velocity(args["cond"]), velocity(args["uncond"])
        guided = uncond + scale * (cond - uncond)
        axes = (1, 2, 3)
        rescaled = guided * (cond.std(dim=axes, keepdim=True) / guided.std(dim=axes, keepdim=True))
        v = self.multiplier * rescaled + (1.0 - self.multiplier) * guided
        return x - (x / variance - v * sigma / variance**0.5)


@dataclass(frozen=True, eq=False)
class PerpNeg:
    """A sampler_cfg_function. empty_conditioning: that of an empty prompt."""

    empty_conditioning: Sequence[Any]
    neg_scale: float

    def __call__(self, args: CfgArguments) -> Tensor:
        network, x = args["model"], args["input"]
        empty = network.resolve(self.empty_conditioning, "empty")
        (nocond,) = network.predict([empty], x, args["level"], args["model_options"])
        predictions = args["cond_denoised"], args["uncond_denoised"], nocond
        return x - perpendicular(*predictions, self.neg_scale, args["cond_scale"])


def perpendicular(cond: Tensor, uncond: Tensor, nocond: Tensor, neg_scale: float, scale: float) -> Tensor:
    """Perp-Neg's guided prediction from those of the positive, the negative and the empty prompt."""
    positive, negative = cond - nocond, uncond - nocond
    length: Tensor = positive.norm()
    along = (negative * positive).sum() / length**2
    return nocond + scale * (positive - neg_scale * (negative - along * positive))


@dataclass(frozen=True)
class PerturbedAttentionGuidance:
    """A sampler_post_cfg_function."""

    scale: float

    def __call__(self, args: PostCfgArguments) -> Tensor:
        if self.scale == 0:
            return args["denoised"]
        options = _with_attention(args["model_options"], MIDDLE, only_values)
        (perturbed,) = args["model"].predict([args["cond"]], args["input"], args["level"], options)
        return args["denoised"] + (args["cond_denoised"] - perturbed) * self.scale


def only_values(q: Tensor, k: Tensor, v: Tensor, options: Mapping[str, Any]) -> Tensor:
    """Attention of each token to itself alone."""
    return v


@dataclass(frozen=True)
class SelfAttentionGuidance:
    """A sampler_post_cfg_function; `keep_attention` in the network gives it the attention of the negative side."""

    scale: float
    blur_sigma: float

    def __call__(self, args: PostCfgArguments) -> Tensor:
        kept = args["model_options"]["transformer_options"]["scratch"].pop("sag", None)
        uncond, x = args["uncond_denoised"], args["input"]
        if kept is None or min(x.shape[2:]) < SAG_SMALLEST:
            return args["denoised"]
        degraded = self._blurred(uncond, *kept)
        (prediction,) = args["model"].predict(
            [args["uncond"]], degraded + x - uncond, args["level"], args["model_options"]
        )
        return args["denoised"] + (degraded - prediction) * self.scale

    def _blurred(self, image: Tensor, attention: Tensor, size: tuple[int, int]) -> Tensor:
        """The image, blurred where tokens get more attention than they give."""
        seen = attention.mean(dim=1).sum(dim=1) > SAG_THRESHOLD
        mask = interpolate(torch.unflatten(seen, 1, size)[:, None].to(image.dtype), image.shape[-2:])
        return gaussian_blur(image, SAG_KERNEL, self.blur_sigma) * mask + image * (1 - mask)


def keep_attention(q: Tensor, k: Tensor, v: Tensor, options: Mapping[str, Any]) -> Tensor:
    """Softmax attention that leaves the negative side's in the evaluation's scratch: [B,heads,T,T], and T as (h, w)."""
    q, k, v = (torch.unflatten(part, 2, (options["n_heads"], -1)).transpose(1, 2) for part in (q, k, v))
    attention: Tensor = (q.float() @ k.float().transpose(2, 3) * options["dim_head"] ** -0.5).softmax(dim=-1)
    sides = options["cond_or_uncond"]
    if UNCOND in sides:
        kept = attention.chunk(len(sides))[sides.index(UNCOND)]
        options["scratch"]["sag"] = kept, tuple(options["activations_shape"][2:])
    return (attention.to(v.dtype) @ v).transpose(1, 2).flatten(2)


def gaussian_blur(image: Tensor, size: int, sigma: float) -> Tensor:
    """[B,C,h,w] blurred with a kernel of size x size, mirrored at the edges; the image itself at sigma 0."""
    if sigma == 0:
        return image
    offsets = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    weights = (-0.5 * (offsets / sigma) ** 2).exp()
    # A blocking copy would wait for the device.
    weights = (weights / weights.sum()).to(image.device, image.dtype, non_blocking=True)
    channels = image.shape[1]
    kernel = (weights[:, None] * weights).expand(channels, 1, size, size)
    return conv2d(pad(image, [size // 2] * 4, mode="reflect"), kernel, groups=channels)


def _with_attention(options: Mapping[str, Any], place: tuple[Any, ...], function: Any) -> dict[str, Any]:
    """model_options with a function in place of the self attention of one block or layer."""
    inner = options["transformer_options"]
    replaced = inner.get("patches_replace", {})
    attn1 = {**replaced.get("attn1", {}), place: function}
    return {**options, "transformer_options": {**inner, "patches_replace": {**replaced, "attn1": attn1}}}
