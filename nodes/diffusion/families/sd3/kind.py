"""What a file of Stable Diffusion 3 turns out to be: see protocol.Kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.families.image_vae import CHANNELS, PIXELS, ImageVaeKind
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.lora_places import places
from weft.nodes.diffusion.families.protocol import LoraPlace, Places
from weft.nodes.diffusion.families.replaced import DIT
from weft.nodes.diffusion.families.sd3.denoiser import SD3Denoiser
from weft.nodes.diffusion.families.sd3.keymap import TABLE_OF_NETWORK, landings
from weft.nodes.diffusion.families.sd3.text import BESIDE, IGNORED, clip_of, text_parts
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.families.transformer_kind import TransformerKind
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.weights.landings import names_of
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from torch import nn

    from weft.nodes.diffusion.errors import Warn
    from weft.nodes.diffusion.families.protocol import FileShapes
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup
    from weft.nodes.diffusion.values.vae import Vae
    from weft.nodes.diffusion.weights.patched import PatchedNetwork
    from weft.nodes.diffusion.weights.weightfile import Weights

# The middle and the spread of its VAE's latents, as Stability AI publishes them.
MIDDLE, SCALE = 0.0609, 1.5305
SHIFT = 3.0


@dataclass(frozen=True)
class SD3Kind(TransformerKind):
    """See Kind. sizes: keyword arguments of diffusers' SD3Transformer2DModel. vae: the one beside it, if there is one.

    text: whether it stands in a checkpoint, which may hold text encoders.
    """

    sizes: Mapping[str, Any]
    title: str
    vae: ImageVaeKind | None = None
    text: bool = True

    name = "sd3"
    may_differ = frozenset({TABLE_OF_NETWORK})
    places = Places(replaced=(DIT,))
    computing = working.SD3
    ignored = IGNORED
    beside = BESIDE

    @property
    def latent_format(self) -> LatentFormat:
        """See Kind."""
        return LatentFormat(CHANNELS, PIXELS, SCALE, (MIDDLE,) * CHANNELS, (1.0,) * CHANNELS)

    def process(self) -> ModelSampling:
        """See Kind."""
        return ModelSampling.flow(shift=SHIFT)

    def alone(self) -> SD3Kind:
        """See Kind."""
        return replace(self, vae=None, text=False)

    def model_part(self) -> Part:
        """See Kind."""
        module = build("Stable Diffusion 3 transformer", _transformer, self.sizes)
        return Part("transformer", PREFIX, module, landings(self.sizes), large=True)

    def parts(self, shapes: FileShapes, warn: Warn) -> list[Part]:
        """See Kind."""
        vae = [] if self.vae is None else [self.vae.part(shapes, warn)]
        return [self.model_part(), *(text_parts(shapes) if self.text else ()), *vae]

    def denoiser(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat) -> SD3Denoiser:
        """See Kind."""
        return SD3Denoiser(network, sampling, latent_format, self.title)

    def open_clip(
        self, networks: Mapping[str, PatchedNetwork], embeddings: EmbeddingLookup | None, file: Weights
    ) -> Clip | None:
        """See Kind."""
        return clip_of(networks, embeddings, file)

    def open_vae(self, networks: Mapping[str, PatchedNetwork]) -> Vae | None:
        """See Kind."""
        return None if self.vae is None else self.vae.open(networks["vae"])

    def names(self) -> dict[str, str]:
        """See Kind."""
        return names_of(landings(self.sizes))

    def lora_names(self, modules: Iterable[str]) -> Iterator[LoraPlace]:
        """See Kind."""
        return places(modules, landings(self.sizes))


def _transformer(sizes: Mapping[str, Any]) -> nn.Module:
    from diffusers import SD3Transformer2DModel
    from torch import nn

    module: Any = cast("Callable[..., nn.Module]", SD3Transformer2DModel)(**sizes)
    # The file brings the table of positions, as it brings weights.
    table = module.pos_embed.pos_embed
    del module.pos_embed.pos_embed
    module.pos_embed.pos_embed = nn.Parameter(table, requires_grad=False)
    return cast("nn.Module", module)
