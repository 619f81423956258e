"""TAESD: small autoencoders by Ollin Boer Bohan that stand in for the VAE, for quick pictures.

Encoder and decoder are files of their own, `taesd_encoder.*` and `taesd_decoder.*`. Their latents are those that the
network of the family sees; a node's are divided by the scale of the family, and shifted, where it has a shift.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.finite import finite
from weft.nodes.diffusion.values.vae import Vae, on_network
from weft.nodes.diffusion.weights.landings import Landing
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.networks import Part, build, check, fill, in_file, memory_of
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import WeightFile


class Half(NamedTuple):
    """How the layers of a half are numbered: diffusers' network has no clamp in front of the decoder."""

    name: str
    first: int


class TinyKind(NamedTuple):
    """The latents of a TAESD: network = (latent - shift) * scale."""

    channels: int
    scale: float
    shift: float = 0.0


KINDS: Mapping[str, TinyKind] = {
    "taesd": TinyKind(4, 0.18215),
    "taesdxl": TinyKind(4, 0.13025),
    "taesd3": TinyKind(16, 1.5305, 0.0609),
    "taef1": TinyKind(16, 0.3611, 0.1159),
}
"""By the names of their files: SD 1.x and 2.x, SDXL, SD3, FLUX.1."""

_PIXELS = 8

HALVES = (Half("encoder", 0), Half("decoder", 1))


class TinyVae(Vae):
    """As Vae, of latents of a kind."""

    def __init__(self, network: PatchedNetwork, kind: TinyKind) -> None:
        super().__init__(network, latent_channels=kind.channels, downscale=_PIXELS)
        self.kind = kind

    def check_whole(self) -> None:
        """A TAESD is two files, and no VAE."""
        raise DiffusionError("a TAESD is no VAE that can be saved: copy its two files")

    def _encoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self.network.module(working.RESERVE), self._encode, "TAESD's encoder")

    def _decoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self.network.module(working.RESERVE), self._decode, "TAESD's decoder")

    @torch.inference_mode()
    def _encode(self, module: Any, images: Tensor) -> Tensor:
        latents: Tensor = module.encoder(on_network(images * 2.0 - 1.0, module))
        return latents / self.kind.scale + self.kind.shift

    @torch.inference_mode()
    def _decode(self, module: Any, latents: Tensor) -> Tensor:
        pixels: Tensor = module.decoder(on_network((latents - self.kind.shift) * self.kind.scale, module))
        return pixels.float()


def load_tiny_vae(
    files: Mapping[str, Path], kind: TinyKind, *, device: torch.device | DeviceMemory, dtype: torch.dtype
) -> TinyVae:
    """Open the two halves of a TAESD, or one of them.

    Args:
        files: the file of `encoder` and that of `decoder`; without one of them the VAE cannot do its part.
        kind: one of KINDS.

    Raises:
        CheckpointError: as load_checkpoint.
    """
    network = build("TAESD", _network, {"latent_channels": kind.channels})
    for half in HALVES:
        if half.name not in files:
            setattr(network, half.name, nn.Identity())
            continue
        with in_file(files[half.name]) as tell:
            file = WeightFile(files[half.name])
            if "1.conv.0.weight" not in file.shapes and "3.conv.0.weight" not in file.shapes:
                raise CheckpointError(f"no {half.name} of TAESD: it has no key '3.conv.0.weight'")
            module = getattr(network, half.name)
            part = Part(half.name, "", module, {_stored(name, half.first): (Landing(name),) for name in _names(module)})
            check([part], file.shapes, tell)
            fill(file, [part], {half.name: dtype})
    return TinyVae(PatchedNetwork(network, memory_of(device)), kind)


def _network(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import AutoencoderTiny

    # diffusers does not say what its constructors take.
    return cast("Callable[..., nn.Module]", AutoencoderTiny)(**config)


def _names(module: nn.Module) -> list[str]:
    return list(module.state_dict())


def _stored(name: str, first: int) -> str:
    """`layers.3.conv.0.weight` -> `3.conv.0.weight`, as the files have it, or one layer on."""
    return re.sub(r"layers\.(\d+)\.", lambda found: f"{int(found[1]) + first}.", name)
