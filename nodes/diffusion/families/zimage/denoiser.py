"""Z-Image's transformer as what sampling calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.transformer import TransformerDenoiser

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import LatentRun


class ZImageDenoiser(TransformerDenoiser):
    """See Denoiser: diffusers' ZImageTransformer2DModel. Reads nothing of a conditioning but its rows."""

    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
        """See Denoiser."""
        return Fed(self.checked(context, self.config.cap_feat_dim, options), {})

    def output(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        """See TransformerDenoiser. The class counts from noise to picture, and gives what leads there."""
        pictures = list(x[:, :, None].unbind())
        found = self.network(pictures, 1.0 - timestep, list(context.unbind()), return_dict=False)[0]
        return -torch.stack(list(found))[:, :, 0]
