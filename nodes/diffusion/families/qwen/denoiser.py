"""Qwen-Image's transformer as what sampling calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.patches import packed, unpacked
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.transformer import TransformerDenoiser

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import LatentRun


class QwenImageDenoiser(TransformerDenoiser):
    """See Denoiser: diffusers' QwenImageTransformer2DModel. Reads nothing of a conditioning but its rows."""

    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
        """See Denoiser."""
        if run.shape[2] != 1:
            raise DiffusionError(f"the latent has {run.shape[2]} frames, and {self.title} draws pictures: expected 1")
        return Fed(self.checked(context, self.config.joint_attention_dim, options), {})

    def output(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        """See TransformerDenoiser."""
        height, width = x.shape[-2:]
        output = self.network(
            packed(x[:, :, 0]),
            encoder_hidden_states=context,
            timestep=timestep,
            img_shapes=[[(1, height // self.patch, width // self.patch)]] * len(x),
            return_dict=False,
        )[0]
        return unpacked(output, height, width)[:, :, None]
