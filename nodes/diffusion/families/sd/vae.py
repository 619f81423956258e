"""The VAE of Stable Diffusion."""

from __future__ import annotations

from weft.nodes.diffusion.families.sd.export import stored_vae
from weft.nodes.diffusion.values.vae import KLVae
from weft.nodes.diffusion.weights.weightfile import Exported


class SDVae(KLVae):
    """See Vae: one that can be written as a file of its own."""

    def exported(self) -> Exported:
        """See Vae."""
        return stored_vae(self)
