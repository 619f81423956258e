"""What a file of Qwen-Image 2.1 turns out to be: see protocol.Kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import torch

from weft.nodes.diffusion.families import known, working
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.lora_places import places
from weft.nodes.diffusion.families.protocol import LoraPlace
from weft.nodes.diffusion.families.qwen21.attention import PrefixedAttention
from weft.nodes.diffusion.families.qwen21.denoiser import QwenImage21Denoiser
from weft.nodes.diffusion.families.qwen21.kept import AS_EVER, FORMS, PrefixKeeping
from weft.nodes.diffusion.families.qwen21.keymap import landings, parameters
from weft.nodes.diffusion.families.qwen21.statistics import DEVIATION, MEAN
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.families.transformer_kind import TransformerKind
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.weights.landings import names_of
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from torch import nn

CHANNELS, PIXELS = 64, 16
# mu of its schedule in ComfyUI, for pictures of every size; the released scheduler has about it for 1024x1024.
MU = 0.69
TIMESTEPS = 10_000


@dataclass(frozen=True)
class QwenImage21Kind(TransformerKind):
    """See Kind. sizes: keyword arguments of diffusers' QwenImage21Transformer2DModel. joined: as keymap.landings.

    keeping: how what the picture reads of the prompt is kept over the steps.
    """

    sizes: Mapping[str, Any]
    joined: bool = False
    keeping: PrefixKeeping = AS_EVER

    name = "qwen_image_21"
    title = known.QWEN21
    computing = working.QWEN21

    @property
    def latent_format(self) -> LatentFormat:
        """See Kind."""
        return LatentFormat(CHANNELS, PIXELS, 1.0, MEAN, DEVIATION)

    def process(self) -> ModelSampling:
        """See Kind."""
        return ModelSampling.flow(shift=math.exp(MU), multiplier=1.0, timesteps=TIMESTEPS, exponential=True)

    def model_part(self) -> Part:
        """See Kind."""
        module = build("Qwen-Image 2.1 transformer", _transformer, self.sizes)
        return Part("transformer", PREFIX, module, self._landings(), large=True)

    def denoiser(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat) -> QwenImage21Denoiser:
        """See Kind."""
        return QwenImage21Denoiser(network, sampling, latent_format, self.title, self.keeping)

    def keeping_prefix(self, place: str, form: str) -> QwenImage21Kind:
        """See Kind."""
        # What nobody keeps nobody makes smaller.
        return replace(self, keeping=PrefixKeeping(place, FORMS[0] if place == "off" else form))

    def names(self) -> dict[str, str]:
        """See Kind."""
        return names_of(self._landings())

    def lora_names(self, modules: Iterable[str]) -> Iterator[LoraPlace]:
        """See Kind."""
        return places(modules, self._landings())

    def _landings(self) -> Any:
        return landings(parameters(self.sizes), self.sizes, joined=self.joined)


def _transformer(sizes: Mapping[str, Any]) -> nn.Module:
    from diffusers import QwenImage21Transformer2DModel
    from diffusers.models.transformers.transformer_qwenimage21 import QwenImage21TemporalTimesteps

    module: Any = cast("Callable[..., nn.Module]", QwenImage21Transformer2DModel)(**sizes)
    for block in module.transformer_blocks:
        block.attn.set_processor(PrefixedAttention())
    # Its table of frequencies is in no file: computed, where all else has no memory yet. Angles are the denoiser's.
    with torch.device("cpu"):
        module.time_text_embed.time_proj = cast("Callable[..., Any]", QwenImage21TemporalTimesteps)(256)
    module.pos_embed = None
    return cast("nn.Module", module)
