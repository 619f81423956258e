"""What a file of Qwen-Image turns out to be: see protocol.Kind."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch

from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.model_patches import NETWORK
from weft.nodes.diffusion.families.protocol import LoraPlace, Places
from weft.nodes.diffusion.families.qwen.denoiser import QwenImageDenoiser
from weft.nodes.diffusion.families.qwen.keymap import STILL_MARK
from weft.nodes.diffusion.families.qwen.lora_names import LORA
from weft.nodes.diffusion.families.qwen.rope import centred
from weft.nodes.diffusion.families.references import INDEX
from weft.nodes.diffusion.families.replaced import DIT
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.families.transformer_kind import TransformerKind
from weft.nodes.diffusion.families.wan import statistics
from weft.nodes.diffusion.families.wan.keymap import FRAMES
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.weights.landings import Landing
from weft.nodes.diffusion.weights.lora_names import prefixed
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from torch import nn

CHANNELS, PIXELS = 16, 8
LAYERED = "Qwen-Image Layered"
# mu of its schedule.
MU = 1.15
TIMESTEPS = 10_000


@dataclass(frozen=True)
class QwenImageKind(TransformerKind):
    """See Kind. sizes: keyword arguments of diffusers' QwenImageTransformer2DModel.

    method: where it has pictures to edit if the conditioning does not say, one of references'.
    """

    sizes: Mapping[str, Any]
    name: str = "qwen_image"
    title: str = "Qwen-Image"
    method: str = INDEX

    places = Places(patched=(NETWORK,), replaced=(DIT,))
    computing = working.QWEN
    ignored: ClassVar[Mapping[str, str]] = {re.escape(PREFIX + STILL_MARK): "says that pictures to edit have no noise"}

    @property
    def latent_format(self) -> LatentFormat:
        """See Kind."""
        mean, deviation = statistics.OF_CHANNELS[CHANNELS]
        return LatentFormat(CHANNELS, PIXELS, 1.0, mean, deviation, frames=FRAMES)

    def process(self) -> ModelSampling:
        """See Kind."""
        return ModelSampling.flow(shift=math.exp(MU), multiplier=1.0, timesteps=TIMESTEPS, exponential=True)

    def model_part(self) -> Part:
        """See Kind."""
        module = build("Qwen-Image transformer", _transformer, self.sizes)
        landings = {name: (Landing(name),) for name, _ in module.named_parameters()}
        return Part("transformer", PREFIX, module, landings, large=True)

    def denoiser(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat) -> QwenImageDenoiser:
        """See Kind."""
        return QwenImageDenoiser(network, sampling, latent_format, self.title, self.method)

    def names(self) -> dict[str, str]:
        """See Kind."""
        return {name: name for name in self.model_part().landings}

    def lora_names(self, modules: Iterable[str]) -> Iterator[LoraPlace]:
        """See Kind."""
        return (LoraPlace(name, module) for module in modules for name in prefixed(LORA, module))


def _transformer(sizes: Mapping[str, Any]) -> nn.Module:
    from diffusers import QwenImageTransformer2DModel

    module: Any = cast("Callable[..., nn.Module]", QwenImageTransformer2DModel)(**sizes)
    # Its tables of angles are in no file: computed, where all else has no memory yet.
    with torch.device("cpu"):
        module.pos_embed = centred(sizes["axes_dims_rope"], layered=sizes.get("use_additional_t_cond", False))
    return cast("nn.Module", module)
