"""Patches on how both predictions are combined: CFGNorm, CFG-Zero*, RenormCFG, TCFG, APG, FreSca and their like.

What each is given is described at weft.nodes.diffusion.sampling.guidance.Evaluation. Here a norm, a mean or a direction
is always that of one item of the batch, unless it says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.arguments import CfgArguments, PostCfgArguments, PreCfgArguments
    from weft.nodes.diffusion.sampling.guidance import GuidedNetwork
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

Operation = Callable[[Tensor], Tensor]

# Over which axes the lengths and directions of projected guidance are taken.
PROJECTED = (-1, -2, -3)


def after_cfg(model: ModelPatcher, function: Callable[[PostCfgArguments], Tensor]) -> ModelPatcher:
    """The model with a function that changes the guided prediction."""
    clone = model.clone()
    clone.set_model_sampler_post_cfg_function(function)
    return clone


def before_cfg(model: ModelPatcher, function: Callable[[PreCfgArguments], list[Tensor]]) -> ModelPatcher:
    """The model with a function that changes both predictions before they are combined."""
    clone = model.clone()
    clone.set_model_sampler_pre_cfg_function(function)
    return clone


def as_cfg(model: ModelPatcher, function: Callable[[CfgArguments], Tensor]) -> ModelPatcher:
    """The model with a function that combines both predictions."""
    clone = model.clone()
    clone.set_model_sampler_cfg_function(function)
    return clone


def operate_on_guidance(model: ModelPatcher, operation: Operation) -> ModelPatcher:
    """The model with an operation on the positive prediction less the negative one, at every step."""
    return before_cfg(model, OperateOnGuidance(operation))


@dataclass(frozen=True)
class CFGNorm:
    """No vector of channels longer than the positive prediction's at its place; then times `strength`."""

    strength: float

    def __call__(self, args: PostCfgArguments) -> Tensor:
        denoised = args["denoised"]
        wanted, got = (
            torch.linalg.vector_norm(each, dim=1, keepdim=True) for each in (args["cond_denoised"], denoised)
        )
        limited: Tensor = denoised * (wanted / (got + 1e-8)).clamp(0.0, 1.0)
        return limited * self.strength


@dataclass(frozen=True)
class CFGZeroStar:
    """Fan et al. 2025, "CFG-Zero*", equation 9: the negative side times the scale that fits it to the positive one.

    The scale is that of the directions from the predictions to x, as the paper has it of velocities; it is applied to
    the predictions themselves.
    """

    def __call__(self, args: PostCfgArguments) -> Tensor:
        x, cond, uncond = args["input"], args["cond_denoised"], args["uncond_denoised"]
        towards, away = (x - cond).flatten(1), (x - uncond).flatten(1)
        fitted = (towards * away).sum(dim=1) / (away.square().sum(dim=1) + 1e-8)
        scale = fitted.reshape(-1, *[1] * (x.dim() - 1))
        return args["denoised"] + uncond * (scale - 1.0) * (1.0 - args["cond_scale"])


@dataclass(frozen=True)
class RenormCFG:
    """Guidance of Lumina-Image 2.0 (Qin et al. 2025): none above a noise level, and of limited length.

    truncation: below this noise level the negative side acts. renorm: how many times the length of the positive
    prediction the guided one may have; 0 for any.
    """

    truncation: float
    renorm: float

    def __call__(self, args: CfgArguments) -> Tensor:
        cond, uncond = args["cond_denoised"], args["uncond_denoised"]
        if not float(args["level"]) < self.truncation:
            return args["input"] - cond
        guided = uncond + args["cond_scale"] * (cond - uncond)
        if self.renorm > 0.0:
            axes = tuple(range(1, cond.dim()))
            most = _length(cond, axes) * self.renorm
            guided = guided * (most / _length(guided, axes)).clamp(max=1.0)
        return args["input"] - guided


@dataclass(frozen=True)
class TangentialDamping:
    """Kwon et al. 2025, "TCFG": of the negative direction only its part along the main direction of both sides."""

    def __call__(self, args: PreCfgArguments) -> list[Tensor]:
        cond, uncond, *more = args["conds_out"]
        if not args["conds"][1]:
            return [cond, uncond, *more]
        x = args["input"]
        both = torch.stack(((x - cond).flatten(1), (x - uncond).flatten(1)), dim=1).float()
        main = torch.linalg.svd(both, full_matrices=False).Vh[:, 0]
        along = (both[:, 1] * main).sum(dim=1, keepdim=True) * main
        return [cond, x - along.reshape(x.shape).to(x), *more]


@dataclass(frozen=True)
class ProjectedGuidance:
    """Sadat et al. 2024, "APG": guidance of limited length, whose part along the positive prediction is weighed.

    eta: weight of that part; 1 is CFG's. threshold: the longest guidance, 0 for any.
    """

    eta: float
    threshold: float

    def __call__(self, args: PreCfgArguments) -> list[Tensor]:
        cond, uncond, *more = args["conds_out"]
        if not args["conds"][1]:
            return [cond, uncond, *more]
        guidance = self._steadied(cond - uncond, args)
        if self.threshold > 0.0:
            guidance = guidance * (self.threshold / _length(guidance, PROJECTED)).clamp(max=1.0)
        axis = cond / _length(cond, PROJECTED)
        along = (guidance * axis).sum(dim=PROJECTED, keepdim=True) * axis
        guidance = guidance - along + self.eta * along
        # CFG makes cond + scale * guidance of it.
        return [uncond + guidance + (cond - uncond) / args["cond_scale"], uncond, *more]

    def _steadied(self, guidance: Tensor, args: PreCfgArguments) -> Tensor:
        return guidance


@dataclass(frozen=True)
class SteadiedGuidance(ProjectedGuidance):
    """ProjectedGuidance of a running sum: guidance + momentum * the sum before. It remembers, so its steps are its own.

    A rising noise level begins it anew.
    """

    momentum: float
    _before: WeakKeyDictionary[GuidedNetwork, tuple[float, Tensor]] = field(
        default_factory=WeakKeyDictionary, compare=False, repr=False
    )

    def _steadied(self, guidance: Tensor, args: PreCfgArguments) -> Tensor:
        level, (before, held) = float(args["level"]), self._before.get(args["model"], (-math.inf, guidance))
        if level <= before:
            guidance = guidance + self.momentum * held
        self._before[args["model"]] = level, guidance
        return guidance


@dataclass(frozen=True)
class Mahiro:
    """Guidance that counts less where the guided and the negative prediction point the same way, over all the batch."""

    def __call__(self, args: PostCfgArguments) -> Tensor:
        scale, guided = args["cond_scale"], args["denoised"]
        leap = args["cond_denoised"] * scale
        away, merged = (_rooted(each) for each in (args["uncond_denoised"] * scale, (leap + guided) / 2))
        similar = 2.0 * (cosine_similarity(away, merged).mean() + 1.0)
        return (similar * guided + (4.0 - similar) * leap) / 4.0


@dataclass(frozen=True)
class EpsilonScaling:
    """Ning et al. 2023, "Elucidating the Exposure Bias in Diffusion Models": the predicted noise, divided."""

    factor: float

    def __call__(self, args: PostCfgArguments) -> Tensor:
        x = args["input"]
        return x - (x - args["denoised"]) / self.factor


@dataclass(frozen=True)
class RampedGuidance:
    """A scale of its own for each item of the batch, which are the frames of a video: from `least` at its beginning.

    up_and_down: the scale of the node at the middle and `least` again at the end; else at the end.
    """

    least: float
    up_and_down: bool

    def __call__(self, args: CfgArguments) -> Tensor:
        cond, uncond, most = args["cond"], args["uncond"], args["cond_scale"]
        share = torch.linspace(0.0, 1.0, cond.shape[0], device=cond.device)
        if self.up_and_down:
            share = 2.0 * torch.minimum(share, 1.0 - share)
        scale = (self.least + (most - self.least) * share).reshape(-1, *[1] * (cond.dim() - 1))
        return uncond + scale * (cond - uncond)


@dataclass(frozen=True)
class ScaledFrequencies:
    """Huang et al. 2025, "FreSca", with a cutoff in space: guidance, its low and its high frequencies scaled apart.

    A sampler_pre_cfg_function. cutoff: entries of the shifted spectrum on either side of its centre that are low.
    """

    low: float
    high: float
    cutoff: int

    def __call__(self, args: PreCfgArguments) -> list[Tensor]:
        cond, uncond, *more = args["conds_out"]
        if not args["conds"][1]:
            return [cond, uncond, *more]
        return [self._scaled(cond - uncond) + uncond, uncond, *more]

    def _scaled(self, guidance: Tensor) -> Tensor:
        spectrum: Tensor = torch.fft.fftshift(torch.fft.fftn(guidance.float(), dim=(-2, -1)), dim=(-2, -1))
        row, column = (side // 2 for side in guidance.shape[-2:])
        reach = min(self.cutoff, row, column)
        scale = torch.full(guidance.shape[-2:], self.high, device=guidance.device)
        scale[row - reach : row + reach, column - reach : column + reach] = self.low
        image: Tensor = torch.fft.ifftn(torch.fft.ifftshift(spectrum * scale, dim=(-2, -1)), dim=(-2, -1))
        return image.real.to(guidance.dtype)


@dataclass(frozen=True)
class OperateOnGuidance:
    """A sampler_pre_cfg_function: an operation on what guidance adds."""

    operation: Operation

    def __call__(self, args: PreCfgArguments) -> list[Tensor]:
        cond, uncond, *more = args["conds_out"]
        return [self.operation(cond - uncond) + uncond, uncond, *more]


def _length(samples: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The norm over axes, which stay with a length of 1; never 0."""
    length: Tensor = torch.linalg.vector_norm(samples, dim=axes, keepdim=True)
    return length.clamp(min=1e-12)


def _rooted(samples: Tensor) -> Tensor:
    return samples.abs().sqrt() * samples.sign()
