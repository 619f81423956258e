"""What a UNet of Stable Diffusion reads beside the latent, for one entry of a conditioning.

Keys read: pooled_output, or unclip_conditioning in its place; width, height, crop_w, crop_h, target_width,
target_height, aesthetic_score (XL); concat_latent_image, concat_mask (inpainting and editing UNets, see concat.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.sd.concat import CONCATENATIONS, FedUNet
from weft.nodes.diffusion.values import unclip

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import LatentRun

# How much people liked a picture, as the SDXL refiner was told in training: what is assumed of each side (Podell 2023).
AESTHETIC_SCORES = {"negative": 2.5, "middle": 2.5, "empty": 2.5}
AESTHETIC_SCORE = 6.0
# What Lotus is told (He et al. 2024, "task switcher"): to see what the model was trained for, and not to draw the
# picture again, [0, 1].
TASK = (1.0, 0.0)


def feed(denoiser: FedUNet, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
    """See Denoiser.feed."""
    _check_context(context, denoiser)
    return Fed(
        context.to(device=run.device, dtype=denoiser.dtype),
        _added(denoiser, options, side, run),
        CONCATENATIONS[denoiser.inputs](denoiser, options, run),
    )


def _check_context(context: Tensor, denoiser: FedUNet) -> None:
    if not isinstance(context, Tensor) or context.dim() != 3 or 0 in context.shape:
        got = list(context.shape) if isinstance(context, Tensor) else type(context).__name__
        raise DiffusionError(f"expected a tensor [batch, tokens, width], got {got}")
    expected = denoiser.context_width
    if context.shape[-1] != expected:
        raise DiffusionError(
            f"its width is {context.shape[-1]}, the model's cross attention takes {expected}: "
            "the prompt was encoded by the text encoder of another model family; encode it with the CLIP of the "
            "checkpoint that the model is from"
        )


def _added(denoiser: FedUNet, options: Mapping[str, Any], side: str, run: LatentRun) -> dict[str, Tensor]:
    """SDXL's vector conditioning (Podell et al. 2023, section 2.2): pooled text, and sizes in image pixels."""
    pooled_width, pictures = denoiser.pooled_width, options.get(unclip.KEY)
    if denoiser.picture_width is not None:
        shown = unclip.with_level(pictures or (), denoiser.picture_width, run.seed)
        return {"class_labels": shown.to(device=run.device, dtype=denoiser.dtype)}
    if pooled_width is None:
        if pictures:
            raise DiffusionError(
                "it carries a picture (unCLIPConditioning), and this model reads no vector of one beside text"
            )
        return {"class_labels": _task(run.device, denoiser.dtype)} if denoiser.told_task else {}
    pooled = unclip.vector(pictures, pooled_width, run.seed) if pictures else options.get("pooled_output")
    if pooled is None:
        raise DiffusionError(
            f"the model needs a pooled_output of width {pooled_width}, and there is none; "
            "encode the prompt with the CLIP of the checkpoint that the model is from"
        )
    if pooled.shape[-1] != pooled_width:
        raise DiffusionError(
            f"its pooled_output has width {pooled.shape[-1]}, the model takes {pooled_width}; "
            "encode the prompt with the CLIP of the checkpoint that the model is from"
        )
    height = options.get("height", run.shape[2] * denoiser.latent_format.pixels)
    width = options.get("width", run.shape[3] * denoiser.latent_format.pixels)
    values = {
        "height": height,
        "width": width,
        "crop_h": options.get("crop_h", 0),
        "crop_w": options.get("crop_w", 0),
        "target_height": options.get("target_height", height),
        "target_width": options.get("target_width", width),
        "aesthetic_score": options.get("aesthetic_score", AESTHETIC_SCORES.get(side, AESTHETIC_SCORE)),
    }
    sizes = [values[name] for name in denoiser.sizes]
    return {
        "text_embeds": pooled.reshape(-1, pooled_width).to(device=run.device, dtype=denoiser.dtype),
        "time_ids": torch.tensor([sizes], dtype=torch.float32, device=run.device),
    }


def _task(device: torch.device, dtype: torch.dtype) -> Tensor:
    """[1,4]: what Lotus is to do."""
    told = [*map(math.sin, TASK), *map(math.cos, TASK)]
    return torch.tensor([told], dtype=dtype, device=device)
