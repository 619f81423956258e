"""FLUX.1's transformer as what sampling calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.patches import packed, unpacked
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.transformer import TransformerDenoiser

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import LatentRun

# What a prompt without FluxGuidance asks for.
GUIDANCE = 3.5


class FluxDenoiser(TransformerDenoiser):
    """See Denoiser: diffusers' FluxTransformer2DModel. Reads pooled_output and guidance of a conditioning."""

    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
        """See Denoiser."""
        context = self.checked(context, self.config.joint_attention_dim, options)
        pooled, width = options.get("pooled_output"), self.config.pooled_projection_dim
        if pooled is None or pooled.shape[-1] != width:
            got = "there is none" if pooled is None else f"its width is {pooled.shape[-1]}"
            raise DiffusionError(
                f"{self.title} needs a pooled_output of width {width}, {got}: encode the prompt with CLIP-L and T5 "
                "(DualCLIPLoader, type flux)"
            )
        added = {"pooled": pooled.reshape(-1, width).to(device=run.device, dtype=self.dtype)}
        # None is FluxDisableGuidance's: the network then adds nothing for it.
        guidance = options.get("guidance", GUIDANCE)
        if self.config.guidance_embeds and guidance is not None:
            added["guidance"] = torch.full((1,), float(guidance), device=run.device)
        return Fed(context, added)

    def output(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        """See TransformerDenoiser."""
        height, width = x.shape[-2:]
        output = self.network(
            packed(x),
            encoder_hidden_states=context,
            pooled_projections=added["pooled"],
            timestep=timestep,
            img_ids=_places(height // self.patch, width // self.patch, x.device, self.dtype),
            txt_ids=torch.zeros(context.shape[1], 3, device=x.device, dtype=self.dtype),
            guidance=added.get("guidance"),
            return_dict=False,
        )[0]
        return unpacked(output, height, width)


def _places(h: int, w: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The places of patches, [h*w,3]: 0, row, column."""
    rows = torch.arange(h, device=device, dtype=dtype)[:, None].expand(h, w)
    columns = torch.arange(w, device=device, dtype=dtype)[None].expand(h, w)
    return torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).reshape(h * w, 3)
