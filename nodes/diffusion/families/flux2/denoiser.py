"""FLUX.2's transformer as what sampling calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.families import references
from weft.nodes.diffusion.families.patches import packed, unpacked
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.references import INDEX, PLACES, ROWS
from weft.nodes.diffusion.families.transformer import TransformerDenoiser

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import LatentRun

# What a prompt without FluxGuidance asks for, as diffusers' Flux2Pipeline does.
GUIDANCE = 4.0
# How far pictures to edit are from each other, and from the one that is sampled.
APART = 10.0


class Flux2Denoiser(TransformerDenoiser):
    """See Denoiser: diffusers' Flux2Transformer2DModel. Reads guidance and reference_latents of a conditioning."""

    patch = 1

    @property
    def reads_references(self) -> bool:
        """See Denoiser."""
        return True

    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
        """See Denoiser."""
        context = self.checked(context, self.config.joint_attention_dim, options)
        added = self.edited(options, (INDEX,), run)
        if PLACES in added:
            added[PLACES] = added[PLACES] * torch.tensor([APART, 1.0, 1.0], device=run.device)
        # None is FluxDisableGuidance's: the network then adds nothing for it.
        guidance = options.get("guidance", GUIDANCE)
        if self.config.guidance_embeds and guidance is not None:
            added["guidance"] = torch.full((1,), float(guidance), device=run.device)
        return Fed(context, added)

    def output(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        """See TransformerDenoiser."""
        height, width = x.shape[-2:]
        rows, places = packed(x, 1), references.places(references.PatchGrid(height, width)).to(x.device)
        count = rows.shape[1]
        if ROWS in added:
            rows, places = torch.cat([rows, added[ROWS]], dim=1), torch.cat([places, added[PLACES][0]])
        # The fourth number of a place is that of a word.
        words = torch.zeros(context.shape[1], 4, device=x.device)
        words[:, 3] = torch.arange(context.shape[1], device=x.device)
        output = self.network(
            rows,
            encoder_hidden_states=context,
            timestep=timestep,
            img_ids=torch.nn.functional.pad(places, (0, 1)),
            txt_ids=words,
            guidance=added.get("guidance"),
            return_dict=False,
        )[0]
        return unpacked(output[:, :count], height, width, 1)
