"""FLUX.2's VAE: 32 channels, of which 2x2 elements are one of its latents, each of these brought to one spread.

Numbers: the running statistics of a batch norm, which the file holds (Black Forest Labs' autoencoder, and diffusers'
AutoencoderKLFlux2 and Flux2Pipeline).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from weft.nodes.diffusion.families.known import VAE
from weft.nodes.diffusion.families.sd.keymaps import read_vae, vae_landings
from weft.nodes.diffusion.finite import finite
from weft.nodes.diffusion.values.vae import KLVae, on_network
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.networks import Part, build
from weft.nodes.diffusion.weights.stored import stored
from weft.nodes.diffusion.weights.weightfile import Exported

if TYPE_CHECKING:
    from weft.nodes.diffusion.errors import Warn
    from weft.nodes.diffusion.families.protocol import FileShapes
    from weft.nodes.diffusion.weights.patched import PatchedNetwork

PATCH = 2
EPSILON = 1e-4
MEAN, VARIANCE = "bn.running_mean", "bn.running_var"
_STATISTICS = {MEAN: "latents_mean", VARIANCE: "latents_variance"}


@dataclass(frozen=True)
class Flux2VaeKind:
    """See VaeKind. config: keyword arguments of AutoencoderKLFlux2. nested: whether the convolutions between the halves
    and the latent stand in the halves, as in Black Forest Labs' file.
    """

    config: Mapping[str, Any]
    nested: bool = True

    def part(self, shapes: FileShapes, warn: Warn) -> Part:
        """See VaeKind."""
        return Part("vae", "", build("VAE", _autoencoder, self.config), landings(self.config, self.nested))

    def open(self, network: PatchedNetwork) -> Flux2Vae:
        """See VaeKind."""
        levels, channels = len(self.config["block_out_channels"]), self.config["latent_channels"]
        return Flux2Vae(network, landings(self.config, self.nested), PATCH**2 * channels, PATCH << (levels - 1))


class Flux2Vae(KLVae):
    """See Vae."""

    def __init__(
        self, network: PatchedNetwork, places: Mapping[str, tuple[Landing, ...]], channels: int, downscale: int
    ) -> None:
        super().__init__(network, latent_channels=channels, downscale=downscale)
        self._places = places

    def exported(self) -> Exported:
        """See Vae."""
        return Exported(stored("", self._places, self.network.module()), {})

    def _encoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self.network.module(), _encode, "the VAE's encoder")

    def _decoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self.network.module(), _decode, "the VAE's decoder")


@torch.inference_mode()
def _encode(module: Any, images: Tensor) -> Tensor:
    """[b,3,H,W] in 0..1 -> [b,128,h,w]: the mode of the posterior, four elements as one."""
    latents = pixel_unshuffle(module.encode(on_network(images * 2.0 - 1.0, module)).latent_dist.mode(), PATCH)
    mean, deviation = _statistics(module)
    found: Tensor = (latents - mean) / deviation
    return found


@torch.inference_mode()
def _decode(module: Any, latents: Tensor) -> Tensor:
    """[b,128,h,w] -> [b,3,H,W] float32 in about -1..1."""
    mean, deviation = _statistics(module)
    pixels: Tensor = module.decode(pixel_shuffle(on_network(latents, module) * deviation + mean, PATCH)).sample
    return pixels.float()


def _statistics(module: Any) -> tuple[Tensor, Tensor]:
    mean, variance = module.latents_mean, module.latents_variance
    return mean.reshape(1, -1, 1, 1), (variance + EPSILON).sqrt().reshape(1, -1, 1, 1)


def recognise_vae(shapes: FileShapes) -> Flux2VaeKind | None:
    """See Family.recognise_vae."""
    found = Shapes(shapes, "")
    if MEAN not in found or not all(key in found for key in VAE):
        return None
    config = read_vae(found)
    wide = [shapes[f"decoder.up.{level}.block.0.conv1.weight"][0] for level in range(len(config["block_out_channels"]))]
    return Flux2VaeKind({**config, "decoder_block_out_channels": tuple(wide)}, "encoder.quant_conv.weight" in found)


def landings(config: Mapping[str, Any], nested: bool) -> dict[str, tuple[Landing, ...]]:
    """Where each key of a file lands; arguments as Flux2VaeKind's."""
    decoder = {**config, "block_out_channels": config["decoder_block_out_channels"]}
    found: dict[str, tuple[Landing, ...]] = {}
    for half, of_half, beside in (("encoder.", config, "quant_conv"), ("decoder.", decoder, "post_quant_conv")):
        found |= {key: to for key, to in vae_landings(of_half).items() if key.startswith(half)}
        owner = half if nested else ""
        found |= {f"{owner}{beside}.{leaf}": (Landing(f"{beside}.{leaf}"),) for leaf in ("weight", "bias")}
    return found | {key: (Landing(name),) for key, name in _STATISTICS.items()}


def _autoencoder(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import AutoencoderKLFlux2

    module: Any = cast("Callable[..., nn.Module]", AutoencoderKLFlux2)(**config)
    # Its statistics are weights here: they are loaded, moved and written as these are.
    module.bn = None
    for name in _STATISTICS.values():
        module.register_parameter(name, nn.Parameter(torch.empty(PATCH**2 * config["latent_channels"])))
    return cast("nn.Module", module)
