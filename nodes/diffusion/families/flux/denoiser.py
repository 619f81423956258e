"""FLUX.1's transformer as what sampling calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families import references
from weft.nodes.diffusion.families.flux.beside import CONCATENATED
from weft.nodes.diffusion.families.flux.keymap import EMBEDDER, PLAIN
from weft.nodes.diffusion.families.patches import packed, unpacked
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.references import ACROSS, INDEX, OFFSET, PLACES, ROWS
from weft.nodes.diffusion.families.transformer import TransformerDenoiser, whole

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import LatentRun

# What a prompt without FluxGuidance asks for.
GUIDANCE = 3.5


class FluxDenoiser(TransformerDenoiser):
    """See Denoiser: diffusers' FluxTransformer2DModel.

    Reads of a conditioning pooled_output and guidance; reference_latents (Kontext), where it reads nothing beside the
    latent; concat_latent_image (Canny, Depth), and concat_mask with it (Fill).
    """

    steerable = True
    replaceable = True

    @property
    def channels(self) -> int:
        """Of the latent and of what stands behind it."""
        # Not as its configuration says: a LoRA may have it read more.
        return self.network.get_parameter(EMBEDDER).shape[1] // self.patch**2

    @property
    def reads_references(self) -> bool:
        """See Denoiser."""
        return self.channels == PLAIN

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
        if self.reads_references:
            added |= self.edited(options, (OFFSET, INDEX, ACROSS), run)
        return Fed(context, added, CONCATENATED[self.channels](self, options, run))

    def output(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        """See TransformerDenoiser."""
        return self.controlled(x, timestep, context, added, ())

    def controlled(
        self,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor],
        residuals: Sequence[Tensor | None],
    ) -> Tensor:
        """See TransformerDenoiser."""
        height, width = x.shape[-2:]
        grid = references.PatchGrid(height // self.patch, width // self.patch)
        rows, places = packed(x), references.places(grid).to(x.device)
        if ROWS in added:
            rows, places = torch.cat([rows, added[ROWS]], dim=1), torch.cat([places, added[PLACES][0]])
        output = self.network(
            rows,
            encoder_hidden_states=context,
            pooled_projections=added["pooled"],
            timestep=timestep,
            img_ids=places,
            txt_ids=torch.zeros(context.shape[1], 3, device=x.device),
            guidance=added.get("guidance"),
            controlnet_block_samples=whole(residuals[: self.config.num_layers]),
            controlnet_single_block_samples=whole(residuals[self.config.num_layers :]),
            return_dict=False,
        )[0]
        return unpacked(output[:, : grid.height * grid.width], height, width)
