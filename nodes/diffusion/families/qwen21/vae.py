"""Qwen-Image 2.1's VAE: 64 channels, an element 16 pixels wide, of pictures with an alpha channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families.qwen21.kind import CHANNELS, PIXELS
from weft.nodes.diffusion.families.qwen21.vae_names import spelling_of
from weft.nodes.diffusion.families.wan.vae import original
from weft.nodes.diffusion.finite import finite
from weft.nodes.diffusion.values.vae import Vae, on_network
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.networks import Part, build
from weft.nodes.diffusion.weights.stored import stored
from weft.nodes.diffusion.weights.weightfile import Exported

if TYPE_CHECKING:
    from weft.nodes.diffusion.errors import Warn
    from weft.nodes.diffusion.families.protocol import FileShapes
    from weft.nodes.diffusion.weights.patched import PatchedNetwork


@dataclass(frozen=True)
class QwenImage21VaeKind:
    """See VaeKind. config: keyword arguments of AutoencoderKLQwenImage21. of_diffusers: as Spelling."""

    config: Mapping[str, Any]
    of_diffusers: bool = True

    def part(self, shapes: FileShapes, warn: Warn) -> Part:
        """See VaeKind."""
        module = build("VAE", _autoencoder, self.config)
        return Part("vae", "", module, _landings(module, self.of_diffusers))

    def open(self, network: PatchedNetwork) -> QwenImage21Vae:
        """See VaeKind."""
        return QwenImage21Vae(network, self.of_diffusers)


class QwenImage21Vae(Vae):
    """See Vae."""

    # As families.working counts them, of the released one.
    numbers_of_pixel = 23 * 144
    pixel_channels = 4
    read_channels = 4

    def __init__(self, network: PatchedNetwork, of_diffusers: bool) -> None:
        super().__init__(network, latent_channels=CHANNELS, downscale=PIXELS)
        self._of_diffusers = of_diffusers

    def exported(self) -> Exported:
        """See Vae."""
        module = self.network.module()
        return Exported(stored("", _landings(module, self._of_diffusers), module), {})

    def _encoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self._half("encoder"), _encode, "the VAE's encoder")

    def _decoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self._half("decoder"), _decode, "the VAE's decoder")


@torch.inference_mode()
def _encode(module: Any, images: Tensor) -> Tensor:
    """[b,3,H,W] or [b,4,H,W] in 0..1 -> [b,64,h,w]: the mode of the posterior. Without alpha all is opaque."""
    if images.shape[1] == 3:
        images = torch.cat([images, torch.ones_like(images[:, :1])], dim=1)
    latents: Tensor = module.encode(on_network(images * 2.0 - 1.0, module)[:, :, None]).latent_dist.mode()
    return latents[:, :, 0]


@torch.inference_mode()
def _decode(module: Any, latents: Tensor) -> Tensor:
    """[b,64,h,w] -> [b,4,H,W] float32 in -1..1."""
    pixels: Tensor = module.decode(on_network(latents, module)[:, :, None]).sample
    return pixels[:, :, 0].float()


def recognise_vae(shapes: FileShapes) -> QwenImage21VaeKind | None:
    """See Family.recognise_vae."""
    spelling = spelling_of(shapes)
    if spelling is None:
        return None
    found = Shapes(shapes, "")
    base, read, _, _ = found.of(spelling.first, 4)
    channels = found.of(spelling.to_latent, 4)[0]
    if channels != CHANNELS:
        raise CheckpointError(f"this VAE of Qwen-Image 2.1 makes {channels} channels: expected {CHANNELS}")
    config = {
        "base_dim": base,
        "decoder_base_dim": found.of(spelling.last_norm, 4)[0],
        "in_channels": read,
        "out_channels": read,
    }
    return QwenImage21VaeKind(config, spelling.of_diffusers)


def _landings(module: nn.Module, of_diffusers: bool) -> dict[str, tuple[Landing, ...]]:
    names = (name for name, _ in module.named_parameters())
    return {name if of_diffusers else original(name, residual=True): (Landing(name),) for name in names}


def _autoencoder(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import AutoencoderKLQwenImage21

    return cast("Callable[..., nn.Module]", AutoencoderKLQwenImage21)(**config)
