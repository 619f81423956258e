"""What a file of Z-Image turns out to be: see protocol.Kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.model_patches import NETWORK
from weft.nodes.diffusion.families.protocol import LoraPlace, Places
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.families.transformer_kind import TransformerKind
from weft.nodes.diffusion.families.zimage.denoiser import ZImageDenoiser
from weft.nodes.diffusion.families.zimage.keymap import landings
from weft.nodes.diffusion.families.zimage.lora_names import places
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from torch import nn

CHANNELS, PIXELS = 16, 8
# The middle and the spread of its VAE's latents, and the shift of its schedule.
LATENT_SHIFT, LATENT_SCALE = 0.1159, 0.3611
SHIFT = 3.0


@dataclass(frozen=True)
class ZImageKind(TransformerKind):
    """See Kind. sizes: keyword arguments of diffusers' ZImageTransformer2DModel."""

    sizes: Mapping[str, Any]
    name: str = "z_image"
    title: str = "Z-Image"

    places = Places(patched=(NETWORK,))
    computing = working.Z_IMAGE
    ignored: ClassVar[Mapping[str, str]] = {r"(.*\.)?norm_final\.weight": "a norm that nothing reads"}

    @property
    def latent_format(self) -> LatentFormat:
        """See Kind."""
        return LatentFormat(CHANNELS, PIXELS, LATENT_SCALE, (LATENT_SHIFT,) * CHANNELS, (1.0,) * CHANNELS)

    def process(self) -> ModelSampling:
        """See Kind."""
        return ModelSampling.flow(shift=SHIFT, multiplier=1.0)

    def model_part(self) -> Part:
        """See Kind."""
        module = build("Z-Image transformer", _transformer, self.sizes)
        names = (name for name, _ in module.named_parameters())
        return Part("transformer", PREFIX, module, landings(names, self.sizes["dim"]), large=True)

    def denoiser(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat) -> ZImageDenoiser:
        """See Kind."""
        return ZImageDenoiser(network, sampling, latent_format, self.title)

    def names(self) -> dict[str, str]:
        """See Kind. What a file stores fused has the names of its parts, which no file has."""
        found = {}
        for key, targets in self.model_part().landings.items():
            for landing in targets:
                found[landing.target] = key if len(targets) == 1 else landing.target
        return found

    def lora_names(self, modules: Iterable[str]) -> Iterator[LoraPlace]:
        """See Kind."""
        return places(modules, self.model_part().landings)


def _transformer(sizes: Mapping[str, Any]) -> nn.Module:
    from diffusers import ZImageTransformer2DModel

    return cast("Callable[..., nn.Module]", ZImageTransformer2DModel)(**sizes)
