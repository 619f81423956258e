"""FLUX.3's transformer as what sampling calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families import references
from weft.nodes.diffusion.families.patches import packed, unpacked
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.references import BEFORE, PLACES, ROWS
from weft.nodes.diffusion.families.transformer import TransformerDenoiser

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import LatentRun

# How far the places of two neighbours are from each other, of diffusers' Flux3PrepareLatentsStep.
STEP = 0.5
TARGET, LEVELS = "target_timestep", "levels"


class Flux3Denoiser(TransformerDenoiser):
    """See Denoiser: diffusers' Flux3Transformer2DModel. Reads reference_latents of a conditioning.

    The distilled model is also told the noise level that a step leads to: the next one of the run's, which are read
    beside the latent as all that a run has of its own, so that runs may share a call.
    """

    patch = 1

    @property
    def reads_references(self) -> bool:
        """See Denoiser."""
        return True

    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
        """See Denoiser."""
        context = self.checked(context, self.config.joint_attention_dim, options)
        added = self.edited(options, (BEFORE,), run)
        if PLACES in added:
            added[PLACES] = _four(added[PLACES])
        if self.config.flow_map and run.sigmas is not None:
            added[LEVELS] = run.sigmas.to(device=run.device, dtype=torch.float32)[None]
        return Fed(context, added)

    def steered(
        self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor], options: Mapping[str, Any]
    ) -> Tensor:
        """See TransformerDenoiser."""
        if self.config.flow_map:
            added = {**added, TARGET: _next(timestep, added.get(LEVELS))}
        return super().steered(x, timestep, context, added, options)

    def output(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        """See TransformerDenoiser."""
        height, width = x.shape[-2:]
        words = pad(torch.arange(context.shape[1], device=x.device, dtype=torch.float32)[:, None], (3, 0))
        edited: dict[str, Tensor] = {}
        if ROWS in added:
            edited = {"image_cond_hidden_states": added[ROWS], "image_cond_ids": added[PLACES][0]}
        output = self.network(
            packed(x, 1),
            encoder_hidden_states=context,
            timestep=timestep,
            img_ids=_four(references.places(references.PatchGrid(height, width))).to(x.device),
            txt_ids=words,
            target_timestep=added.get(TARGET),
            return_dict=False,
            **edited,
        )[0]
        return unpacked(output, height, width, 1)


def _four(places: Tensor) -> Tensor:
    """Places of layer, row and column [..., 3] as time, row, column and number [..., 4]."""
    layer, rows, columns = places.unbind(-1)
    return torch.stack([torch.zeros_like(layer), rows * STEP, columns * STEP, layer], dim=-1)


def _next(timestep: Tensor, levels: Tensor | None) -> Tensor:
    """The greatest noise level [N,n] of a run below each timestep [N]; 0 below the last."""
    if levels is None:
        raise DiffusionError("this model is told where each step leads: it is sampled with sigmas, not alone")
    return torch.where(levels < timestep[:, None] * (1 - 1e-6), levels, 0.0).amax(dim=1)
