"""The networks of Stable Diffusion on the meta device: diffusers' and transformers' classes, and where keys land."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from torch import nn

from weft.nodes.diffusion.families.sd.keymaps import clip_landings, unet_keymap, vae_landings
from weft.nodes.diffusion.families.sd.releases import TextEncoderSpec
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.networks import Part, build

# The halves of a VAE and the layer that goes with each.
_VAE_HALVES = {"encoder": "quant_conv", "decoder": "post_quant_conv"}


def unet_part(unet: Mapping[str, Any], prefix: str) -> Part:
    """A UNet2DConditionModel, whose keys are those of the original layout."""
    return Part("unet", prefix, build("UNet", _unet, unet), unet_landings(unet))


def unet_landings(unet: Mapping[str, Any]) -> dict[str, tuple[Landing, ...]]:
    """`unet_keymap` as landings: every tensor is stored as the network has it."""
    return {old: (Landing(new),) for old, new in unet_keymap(unet).items()}


def vae_part(vae: Mapping[str, Any], prefix: str, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Part:
    """An AutoencoderKL, whose keys are those of the original layout.

    shapes: of the file, which may lack the encoder or the decoder: then so does the network.
    """
    module, landings = build("VAE", _autoencoder, vae), vae_landings(vae)
    for half, beside in _VAE_HALVES.items():
        if shapes is None or Shapes(shapes, f"{prefix}{half}."):
            continue
        for name in (half, beside):
            if name == half or not Shapes(shapes, f"{prefix}{name}."):
                setattr(module, name, None)
                landings = {key: to for key, to in landings.items() if not key.startswith(f"{name}.")}
    return Part("vae", prefix, module, landings)


def text_part(spec: TextEncoderSpec) -> Part:
    """A text tower as its spec says."""
    module = build(spec.name, _text_encoder, spec)
    return Part(spec.name, spec.prefix, module, text_landings(module, spec.config, spec.layout))


def text_landings(module: nn.Module, config: Mapping[str, Any], layout: str) -> dict[str, tuple[Landing, ...]]:
    """`clip_landings` with the names that this text tower has."""
    names = dict(module.named_parameters())

    def placed(landing: Landing) -> Landing:
        # Versions of transformers differ in whether the bare tower's names start with `text_model.`.
        inner = landing.target if landing.target in names else f"text_model.{landing.target}"
        return replace(landing, target=inner)

    return {old: tuple(map(placed, new)) for old, new in clip_landings(config, layout).items()}


# diffusers does not say what its constructors take.


def _unet(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import UNet2DConditionModel

    return cast("Callable[..., nn.Module]", UNet2DConditionModel)(**config)


def _autoencoder(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import AutoencoderKL

    return cast("Callable[..., nn.Module]", AutoencoderKL)(**config)


def _text_encoder(spec: TextEncoderSpec) -> Any:
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

    return (CLIPTextModelWithProjection if spec.projected else CLIPTextModel)(CLIPTextConfig(**spec.config))
