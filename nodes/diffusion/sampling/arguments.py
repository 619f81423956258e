"""What the functions of model_options are given: see model_options.py and Evaluation in guidance.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.sampling.conditions import Condition
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling
    from weft.nodes.diffusion.sampling.guidance import GuidedNetwork


class GuidanceArguments(TypedDict):
    """What every function around guidance is given; see Evaluation."""

    cond_scale: float
    input: Tensor
    sigma: Tensor
    timestep: Tensor
    level: Tensor
    model: GuidedNetwork
    model_options: dict[str, Any]
    cond_denoised: Tensor
    uncond_denoised: Tensor


class PreCfgArguments(TypedDict):
    """What a sampler_pre_cfg_function is given: conds, the conditions of both sides, and conds_out, the predictions.

    A side that is not evaluated has no conditions, and a prediction of 0.
    """

    conds: Sequence[Sequence[Condition]]
    conds_out: Sequence[Tensor]
    cond_scale: float
    input: Tensor
    sigma: Tensor
    timestep: Tensor
    level: Tensor
    model: GuidedNetwork
    model_options: dict[str, Any]


class CfgArguments(GuidanceArguments):
    """What a sampler_cfg_function is given: cond and uncond are x less the predictions."""

    cond: Tensor
    uncond: Tensor


class PostCfgArguments(GuidanceArguments):
    """What a sampler_post_cfg_function is given: cond and uncond are the conditions of both sides."""

    denoised: Tensor
    cond: Sequence[Condition]
    uncond: Sequence[Condition]


class Sampled(Protocol):
    """What is being sampled, as a denoise_mask_function sees it."""

    @property
    def sampling(self) -> ModelSampling:
        """Its noise levels."""


class MaskArguments(TypedDict):
    """The extra_options of a denoise_mask_function. sigmas: the run's."""

    model: Sampled
    sigmas: Tensor
