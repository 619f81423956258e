"""The VAE of 16 channels that FLUX.1, Stable Diffusion 3 and Z-Image have: Stable Diffusion's with wider latents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families.known import VAE
from weft.nodes.diffusion.families.sd.keymaps import read_vae, vae_landings
from weft.nodes.diffusion.families.sd.networks import vae_part
from weft.nodes.diffusion.values.vae import KLVae
from weft.nodes.diffusion.weights.landings import Shapes
from weft.nodes.diffusion.weights.stored import stored
from weft.nodes.diffusion.weights.weightfile import Exported

if TYPE_CHECKING:
    from weft.nodes.diffusion.errors import Warn
    from weft.nodes.diffusion.families.protocol import FileShapes
    from weft.nodes.diffusion.weights.networks import Part
    from weft.nodes.diffusion.weights.patched import PatchedNetwork

CHANNELS, PIXELS = 16, 8


@dataclass(frozen=True)
class ImageVaeKind:
    """See VaeKind. config: keyword arguments of AutoencoderKL. prefix: where its keys start in the file."""

    config: Mapping[str, Any]
    prefix: str = ""

    def part(self, shapes: FileShapes, warn: Warn) -> Part:
        """See VaeKind."""
        part = vae_part(self.config, self.prefix, shapes)
        for half in ("encoder", "decoder"):
            if getattr(part.module, half) is None:
                warn(f"its VAE has no {half}")
        return part

    def open(self, network: PatchedNetwork) -> ImageVae:
        """See VaeKind."""
        return ImageVae(network, latent_channels=CHANNELS, downscale=1 << (len(self.config["block_out_channels"]) - 1))


class ImageVae(KLVae):
    """See Vae: one that can be written as a file of its own."""

    def exported(self) -> Exported:
        """See Vae."""
        self.check_whole()
        config: Any = self.network.base.config
        return Exported(stored("", vae_landings(config), self.network.module()), {})


def recognise_vae(shapes: FileShapes, prefix: str = "") -> ImageVaeKind | None:
    """See Family.recognise_vae; None for a VAE of another number of channels, or none."""
    found = Shapes(shapes, prefix)
    if not any(key in found for key in VAE):
        return None
    config = read_vae(found)
    if config["latent_channels"] != CHANNELS or config["in_channels"] != 3:
        return None
    beside = {f"use_{name}": f"{name}.weight" in found for name in ("quant_conv", "post_quant_conv")}
    return ImageVaeKind({**config, **beside}, prefix)
