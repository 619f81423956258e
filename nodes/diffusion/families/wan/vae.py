"""The video VAEs of Wan 2.1 (and Qwen-Image) and of Wan 2.2 5B: diffusers' AutoencoderKLWan."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.families.wan.keymap import FRAMES
from weft.nodes.diffusion.families.wan.keymap import VAE_MARK as MARK
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

# A key that the second alone has.
_LAST = "decoder.head.2.weight"
OF_22 = "decoder.upsamples.0.upsamples.0.residual.2.weight"
LEVELS, LAYERS = 4, 2

# diffusers' name -> the file's, by pieces; inside of a residual block, and around them.
_INSIDE = {
    "norm1.gamma": "residual.0.gamma",
    "conv1": "residual.2",
    "norm2.gamma": "residual.3.gamma",
    "conv2": "residual.6",
    "conv_shortcut": "shortcut",
}
_AROUND = (
    (r"^quant_conv\.", "conv1."),
    (r"^post_quant_conv\.", "conv2."),
    (r"\.conv_in\.", ".conv1."),
    (r"\.norm_out\.", ".head.0."),
    (r"\.conv_out\.", ".head.2."),
    (r"\.mid_block\.resnets\.0\.", ".middle.0."),
    (r"\.mid_block\.attentions\.0\.", ".middle.1."),
    (r"\.mid_block\.resnets\.1\.", ".middle.2."),
)


def original(name: str, residual: bool) -> str:
    """A parameter's name in a file. residual: whether it is the VAE of 2.2."""
    for piece, old in _INSIDE.items():
        name = re.sub(rf"(resnets\.\d+|blocks\.\d+)\.{re.escape(piece)}(?=\.|$)", rf"\1.{old}", name)
    for pattern, piece in _AROUND:
        name = re.sub(pattern, piece, name)
    if residual:
        name = re.sub(r"\.down_blocks\.(\d+)\.resnets\.(\d+)\.", r".downsamples.\1.downsamples.\2.", name)
        name = re.sub(r"\.down_blocks\.(\d+)\.downsampler\.", rf".downsamples.\1.downsamples.{LAYERS}.", name)
        name = re.sub(r"\.up_blocks\.(\d+)\.resnets\.(\d+)\.", r".upsamples.\1.upsamples.\2.", name)
        return re.sub(r"\.up_blocks\.(\d+)\.upsampler\.", rf".upsamples.\1.upsamples.{LAYERS + 1}.", name)
    name = name.replace(".down_blocks.", ".downsamples.")
    # The file counts through all blocks: of a level its residual blocks, then its upsampler.
    each = LAYERS + 2
    name = re.sub(
        r"\.up_blocks\.(\d+)\.resnets\.(\d+)\.",
        lambda found: f".upsamples.{int(found[1]) * each + int(found[2])}.",
        name,
    )
    return re.sub(
        r"\.up_blocks\.(\d+)\.upsamplers\.0\.", lambda found: f".upsamples.{int(found[1]) * each + each - 1}.", name
    )


def _landings(module: nn.Module, residual: bool) -> dict[str, tuple[Landing, ...]]:
    return {original(name, residual): (Landing(name),) for name, _ in module.named_parameters()}


@dataclass(frozen=True)
class VideoVaeKind:
    """See VaeKind. config: keyword arguments of AutoencoderKLWan. prefix: where its keys start in the file."""

    config: Mapping[str, Any]
    prefix: str = ""

    def part(self, shapes: FileShapes, warn: Warn) -> Part:
        """See VaeKind."""
        module = build("VAE", _autoencoder, self.config)
        residual = self.config["is_residual"]
        return Part("vae", self.prefix, module, _landings(module, residual))

    def open(self, network: PatchedNetwork) -> VideoVae:
        """See VaeKind."""
        vae = VideoVae(
            network,
            latent_channels=self.config["z_dim"],
            downscale=self.config["scale_factor_spatial"],
            frames=FRAMES,
        )
        vae.pixel_channels = self.config.get("out_channels", 3) // self.config.get("patch_size", 1) ** 2
        return vae


def recognise_vae(shapes: FileShapes, prefix: str = "") -> VideoVaeKind | None:
    """See Family.recognise_vae."""
    found = Shapes(shapes, prefix)
    if MARK not in found:
        return None
    residual = OF_22 in found
    config: dict[str, Any] = {
        "base_dim": found.of("encoder.conv1.weight", 5)[0],
        "z_dim": found.of("conv2.weight", 5)[0],
        "is_residual": residual,
        "scale_factor_spatial": 8,
        # 4 of pictures with an alpha channel.
        "in_channels": found.of("encoder.conv1.weight", 5)[1],
        "out_channels": found.of(_LAST, 5)[0],
    }
    if residual:
        config |= {
            "decoder_base_dim": found.of("decoder.head.0.gamma", 4)[0],
            "in_channels": 12,
            "out_channels": 12,
            "patch_size": 2,
            "scale_factor_spatial": 16,
        }
    return VideoVaeKind(config, prefix)


class VideoVae(Vae):
    """See Vae. network: diffusers' AutoencoderKLWan."""

    # Of a video, whose frames of an element are decoded together.
    numbers_of_pixel = 56 * 96

    def exported(self) -> Exported:
        """See Vae."""
        config: Any = self.network.base.config
        module = self.network.module()
        return Exported(stored("", _landings(module, config.is_residual), module), {})

    def _encoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self._half("encoder"), _encode, "the VAE's encoder")

    def _decoder(self) -> Callable[[Tensor], Tensor]:
        return finite(self._half("decoder"), _decode, "the VAE's decoder")


@torch.inference_mode()
def _encode(module: Any, frames: Tensor) -> Tensor:
    """[b,3,F,H,W] in 0..1 -> [b,C,T,h,w]: the mode of the posterior. Where it reads an alpha channel, all is opaque."""
    if module.config.in_channels == 4 and frames.shape[1] == 3:
        frames = torch.cat([frames, torch.ones_like(frames[:, :1])], dim=1)
    latents: Tensor = module.encode(on_network(frames * 2.0 - 1.0, module)).latent_dist.mode()
    return latents


@torch.inference_mode()
def _decode(module: Any, latents: Tensor) -> Tensor:
    """[b,C,T,h,w] -> [b,3,F,H,W] float32 in about -1..1."""
    pixels: Tensor = module.decode(on_network(latents, module)).sample
    return pixels.float()


def _autoencoder(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import AutoencoderKLWan

    return cast("Callable[..., nn.Module]", AutoencoderKLWan)(**config)
