"""What a file of FLUX.2 turns out to be: see protocol.Kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.families.flux2.denoiser import Flux2Denoiser, Flux2KVDenoiser
from weft.nodes.diffusion.families.flux2.keymap import landings, title_of
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.lora_places import places
from weft.nodes.diffusion.families.protocol import LoraPlace
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.families.transformer_kind import TransformerKind
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.weights.landings import names_of
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from torch import nn

CHANNELS, PIXELS = 128, 16
# mu of its schedule for 50 steps of a picture of 1024x1024, by Black Forest Labs' formula (sampling.flows.flux2).
MU = 2.02
TIMESTEPS = 10_000


@dataclass(frozen=True)
class Flux2Kind(TransformerKind):
    """See Kind. sizes: keyword arguments of diffusers' Flux2Transformer2DModel. norm: as keymap.landings.

    apart: whether pictures to edit see nothing but themselves, as klein KV is trained.
    """

    sizes: Mapping[str, Any]
    norm: str = "scale"
    apart: bool = False

    computing = working.FLUX2

    @property
    def name(self) -> str:
        """See Kind."""
        return "flux2" if self.sizes["guidance_embeds"] else "flux2_klein"

    @property
    def title(self) -> str:
        """See Kind."""
        return title_of(self.sizes["guidance_embeds"])

    @property
    def latent_format(self) -> LatentFormat:
        """See Kind: the VAE itself brings latents to the network's scale."""
        return LatentFormat(CHANNELS, PIXELS)

    def process(self) -> ModelSampling:
        """See Kind."""
        return ModelSampling.flow(shift=math.exp(MU), multiplier=1.0, timesteps=TIMESTEPS, exponential=True)

    def model_part(self) -> Part:
        """See Kind."""
        module = build("FLUX.2 transformer", _transformer, self.sizes)
        return Part("transformer", PREFIX, module, landings(self.sizes, self.norm), large=True)

    def denoiser(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat) -> Flux2Denoiser:
        """See Kind."""
        made = Flux2KVDenoiser if self.apart else Flux2Denoiser
        return made(network, sampling, latent_format, self.title)

    def keeping_references(self) -> Flux2Kind:
        """See Kind."""
        return replace(self, apart=True)

    def names(self) -> dict[str, str]:
        """See Kind."""
        return names_of(landings(self.sizes, self.norm))

    def lora_names(self, modules: Iterable[str]) -> Iterator[LoraPlace]:
        """See Kind."""
        return places(modules, landings(self.sizes, self.norm))


def _transformer(sizes: Mapping[str, Any]) -> nn.Module:
    from diffusers import Flux2Transformer2DModel
    from diffusers.models.transformers.transformer_flux2 import Flux2KVAttnProcessor, Flux2KVParallelSelfAttnProcessor

    processors: tuple[Callable[[], Any], ...] = (Flux2KVAttnProcessor, Flux2KVParallelSelfAttnProcessor)
    module: Any = cast("Callable[..., nn.Module]", Flux2Transformer2DModel)(**sizes)
    # Which do what the usual ones do, and keep keys and values where they are told to.
    for blocks, make in zip((module.transformer_blocks, module.single_transformer_blocks), processors, strict=True):
        for block in blocks:
            block.attn.set_processor(make())
    return cast("nn.Module", module)
