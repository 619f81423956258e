"""Guidance away from what a transformer gives with some of its blocks left out: skip-layer guidance.

Stability AI 2024, Stable Diffusion 3.5 Medium; Hyung et al. 2024, "Spatiotemporal Skip Guidance".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.arguments import PostCfgArguments, PreCfgArguments
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

DIT = "dit"
"""Where blocks of transformers are replaced, in "patches_replace"."""

Blocks = tuple[tuple[str, int], ...]


def numbers(text: str) -> tuple[int, ...]:
    """The whole numbers in a text such as "7, 8, 9"."""
    return tuple(int(number) for number in re.findall(r"\d+", text))


def skip_layers(
    model: ModelPatcher,
    *,
    double: str,
    single: str,
    scale: float,
    start_percent: float,
    end_percent: float,
    rescaling: float = 0.0,
) -> ModelPatcher:
    """The model steered away from itself without some blocks; itself where no block is named.

    double, single: the numbers of the blocks that are left out. start_percent, end_percent: where it acts, both ends
    included.

    Raises:
        DiffusionError: a model without such blocks.
    """
    blocks = _blocks(model, double, single)
    if not blocks:
        return model
    clone = model.clone()
    clone.set_model_sampler_post_cfg_function(SkipLayers(blocks, scale, start_percent, end_percent, rescaling))
    return clone


def skip_layers_of_negative(
    model: ModelPatcher, *, double: str, single: str, start_percent: float, end_percent: float
) -> ModelPatcher:
    """The model whose negative prediction is made without some blocks; arguments and errors as skip_layers."""
    blocks = _blocks(model, double, single)
    if not blocks:
        return model
    clone = model.clone()
    clone.set_model_sampler_pre_cfg_function(SkipNegativeLayers(blocks, start_percent, end_percent))
    return clone


def _blocks(model: ModelPatcher, double: str, single: str) -> Blocks:
    if DIT not in model.places.replaced:
        raise DiffusionError(
            f"this model is {model.kind.title}, whose network has no blocks that could be skipped; expected a "
            "transformer, such as Stable Diffusion 3"
        )
    named = [("double_block", number) for number in numbers(double)]
    return (*named, *(("single_block", number) for number in numbers(single)))


@dataclass(frozen=True)
class SkipLayers:
    """A sampler_post_cfg_function."""

    blocks: Blocks
    scale: float
    start_percent: float
    end_percent: float
    rescaling: float

    def __call__(self, args: PostCfgArguments) -> Tensor:
        level, denoised, cond = float(args["level"]), args["denoised"], args["cond_denoised"]
        if self.scale <= 0.0 or not _within(args["model"].sampling, self.start_percent, self.end_percent, level):
            return denoised
        options = _without(args["model_options"], self.blocks)
        (skipped,) = args["model"].predict([args["cond"]], args["input"], args["level"], options)
        denoised = denoised + (cond - skipped) * self.scale
        if self.rescaling == 0.0:
            return denoised
        return denoised * (self.rescaling * (cond.std() / denoised.std()) + 1.0 - self.rescaling)


@dataclass(frozen=True)
class SkipNegativeLayers:
    """A sampler_pre_cfg_function."""

    blocks: Blocks
    start_percent: float
    end_percent: float

    def __call__(self, args: PreCfgArguments) -> list[Tensor]:
        cond, uncond, *more = args["conds_out"]
        negative, level = args["conds"][1], float(args["level"])
        if negative and _within(args["model"].sampling, self.start_percent, self.end_percent, level):
            options = _without(args["model_options"], self.blocks)
            (uncond,) = args["model"].predict([negative], args["input"], args["level"], options)
        return [cond, uncond, *more]


def skip(args: Mapping[str, Any], extra: Mapping[str, Any]) -> Mapping[str, Any]:
    """In the place of a block: what it is given."""
    return args


def _within(sampling: ModelSampling, start_percent: float, end_percent: float, level: float) -> bool:
    start, end = (sampling.percent_to_sigma(percent) for percent in (start_percent, end_percent))
    return end <= level <= start


def _without(options: Mapping[str, Any], blocks: Blocks) -> dict[str, Any]:
    """model_options that leave blocks out."""
    inner = options["transformer_options"]
    replaced = inner.get("patches_replace", {})
    skipped = {**replaced.get(DIT, {}), **dict.fromkeys(blocks, skip)}
    return {**options, "transformer_options": {**inner, "patches_replace": {**replaced, DIT: skipped}}}
