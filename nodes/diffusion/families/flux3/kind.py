"""What a file of FLUX.3 turns out to be: see protocol.Kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from weft.nodes.diffusion.families.flux2.kind import CHANNELS, PIXELS
from weft.nodes.diffusion.families.flux3.denoiser import Flux3Denoiser
from weft.nodes.diffusion.families.flux3.keymap import landings, title_of
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

# Of diffusers' Flux3SetTimestepsStep.
SHIFT = 6.93


@dataclass(frozen=True)
class Flux3Kind(TransformerKind):
    """See Kind. sizes: keyword arguments of diffusers' Flux3Transformer2DModel."""

    sizes: Mapping[str, Any]
    ignored: ClassVar[Mapping[str, str]] = {r"repa_projectors\..*": "what it was trained with"}

    @property
    def name(self) -> str:
        """See Kind."""
        return "flux3_distilled" if self.sizes["flow_map"] else "flux3"

    @property
    def title(self) -> str:
        """See Kind."""
        return title_of(self.sizes["flow_map"])

    @property
    def looks_ahead(self) -> bool:
        """See Kind: the distilled one's is told where a step leads."""
        return bool(self.sizes["flow_map"])

    @property
    def latent_format(self) -> LatentFormat:
        """See Kind: FLUX.2's, whose VAE brings latents to the network's scale."""
        return LatentFormat(CHANNELS, PIXELS)

    def process(self) -> ModelSampling:
        """See Kind."""
        return ModelSampling.flow(shift=SHIFT, multiplier=1.0)

    def model_part(self) -> Part:
        """See Kind."""
        module = build("FLUX.3 transformer", _transformer, self.sizes)
        return Part("transformer", PREFIX, module, landings(self.sizes), large=True)

    def denoiser(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat) -> Flux3Denoiser:
        """See Kind."""
        return Flux3Denoiser(network, sampling, latent_format, self.title)

    def names(self) -> dict[str, str]:
        """See Kind."""
        return names_of(landings(self.sizes))

    def lora_names(self, modules: Iterable[str]) -> Iterator[LoraPlace]:
        """See Kind."""
        return places(modules, landings(self.sizes))


def _transformer(sizes: Mapping[str, Any]) -> nn.Module:
    from diffusers import Flux3Transformer2DModel

    return cast("Callable[..., nn.Module]", Flux3Transformer2DModel)(**sizes)
