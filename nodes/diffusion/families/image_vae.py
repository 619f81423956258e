"""The VAE of 16 channels that FLUX.1, Stable Diffusion 3 and Z-Image have: Stable Diffusion's with wider latents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families.known import VAE
from weft.nodes.diffusion.families.sd.keymaps import read_vae
from weft.nodes.diffusion.families.sd.networks import vae_part
from weft.nodes.diffusion.values.vae import KLVae
from weft.nodes.diffusion.weights.landings import Shapes

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

    def open(self, network: PatchedNetwork) -> KLVae:
        """See VaeKind."""
        return KLVae(network, latent_channels=CHANNELS, downscale=1 << (len(self.config["block_out_channels"]) - 1))


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
