"""What a file of FLUX.1 turns out to be: see protocol.Kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from weft.nodes.diffusion.errors import PatchError
from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.families.flux.denoiser import FluxDenoiser
from weft.nodes.diffusion.families.flux.keymap import EMBEDDER, INPUTS, PATCH, landings, title_of
from weft.nodes.diffusion.families.flux.lora_names import lora_places
from weft.nodes.diffusion.families.flux.text import BESIDE, clip_of, text_parts
from weft.nodes.diffusion.families.image_vae import CHANNELS, PIXELS, ImageVaeKind
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.model_patches import NETWORK
from weft.nodes.diffusion.families.protocol import LoraPlace, Places
from weft.nodes.diffusion.families.replaced import DIT
from weft.nodes.diffusion.families.t5_files import T5_NAME
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.families.transformer_kind import TransformerKind
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.text.t5 import IGNORED
from weft.nodes.diffusion.weights.landings import names_of
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from torch import Tensor, nn

    from weft.nodes.diffusion.errors import Warn
    from weft.nodes.diffusion.families.protocol import FileShapes
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup
    from weft.nodes.diffusion.values.vae import Vae
    from weft.nodes.diffusion.weights.patched import PatchedNetwork
    from weft.nodes.diffusion.weights.weightfile import Weights

# The middle and the spread of its VAE's latents, as Black Forest Labs publish them.
SHIFT, SCALE = 0.1159, 0.3611
# mu of dev's schedule, for pictures of 1024x1024; schnell's is not shifted.
MU = 1.15
TIMESTEPS = 10_000


@dataclass(frozen=True)
class FluxKind(TransformerKind):
    """See Kind. sizes: keyword arguments of diffusers' FluxTransformer2DModel. scale: as keymap.landings.

    vae: the VAE beside it, if the file has one. text: whether it stands in a checkpoint, which may hold text encoders.
    """

    sizes: Mapping[str, Any]
    scale: str = "scale"
    vae: ImageVaeKind | None = None
    text: bool = True

    places = Places(patched=(NETWORK,), replaced=(DIT,))
    computing = working.FLUX
    # What it reads beside the latent differs, as of Stable Diffusion's inpainting models.
    may_differ = frozenset({EMBEDDER})
    ignored = IGNORED
    beside = BESIDE

    @property
    def distilled(self) -> bool:
        """Whether guidance is an input: dev, not schnell."""
        return bool(self.sizes["guidance_embeds"])

    @property
    def name(self) -> str:
        """See Kind."""
        return "flux" if self.distilled else "flux_schnell"

    @property
    def title(self) -> str:
        """See Kind."""
        return title_of(self.distilled, self.sizes["in_channels"] // PATCH**2)

    @property
    def latent_format(self) -> LatentFormat:
        """See Kind."""
        return LatentFormat(CHANNELS, PIXELS, SCALE, (SHIFT,) * CHANNELS, (1.0,) * CHANNELS)

    def wider(self, parameter: str, columns: int) -> FluxKind | None:
        """See Kind: Canny, Depth and Fill are published as LoRAs, too."""
        if parameter != EMBEDDER:
            return None
        reads, known = self.sizes["in_channels"], [PATCH**2 * channels for channels in INPUTS]
        if reads != known[0] or columns not in known:
            raise PatchError(
                f"the LoRA has {self.title} read {columns} numbers a patch where it reads {reads}: expected a model "
                f"that reads {known[0]}, and a LoRA for {', '.join(map(str, known[1:]))}"
            )
        return replace(self, sizes={**self.sizes, "in_channels": columns})

    def process(self) -> ModelSampling:
        """See Kind."""
        if self.distilled:
            return ModelSampling.flow(shift=math.exp(MU), multiplier=1.0, timesteps=TIMESTEPS, exponential=True)
        return ModelSampling.flow(shift=1.0, multiplier=1.0)

    def alone(self) -> FluxKind:
        """See Kind."""
        return replace(self, vae=None, text=False)

    def model_part(self) -> Part:
        """See Kind."""
        module = build("FLUX.1 transformer", _transformer, self.sizes)
        return Part("transformer", PREFIX, module, landings(self.sizes, self.scale), large=True)

    def parts(self, shapes: FileShapes, warn: Warn) -> list[Part]:
        """See Kind."""
        vae = [] if self.vae is None else [self.vae.part(shapes, warn)]
        return [self.model_part(), *(text_parts(shapes) if self.text else ()), *vae]

    def denoiser(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat) -> FluxDenoiser:
        """See Kind."""
        return FluxDenoiser(network, sampling, latent_format, self.title)

    def open_clip(
        self, networks: Mapping[str, PatchedNetwork], embeddings: EmbeddingLookup | None, file: Weights
    ) -> Clip | None:
        """See Kind."""
        return clip_of(networks, embeddings, file) if T5_NAME in networks else None

    def open_vae(self, networks: Mapping[str, PatchedNetwork]) -> Vae | None:
        """See Kind."""
        return None if self.vae is None else self.vae.open(networks["vae"])

    def names(self) -> dict[str, str]:
        """See Kind."""
        return names_of(landings(self.sizes, self.scale))

    def lora_names(self, modules: Iterable[str]) -> Iterator[LoraPlace]:
        """See Kind."""
        hidden = self.sizes["num_attention_heads"] * self.sizes["attention_head_dim"]
        return lora_places(modules, landings(self.sizes, self.scale), hidden)


def _transformer(sizes: Mapping[str, Any]) -> nn.Module:
    from diffusers import FluxTransformer2DModel
    from diffusers.models.embeddings import CombinedTimestepGuidanceTextProjEmbeddings

    class GuidanceIfAny(CombinedTimestepGuidanceTextProjEmbeddings):
        """Adds nothing for a guidance that is not given, as FluxDisableGuidance asks."""

        def forward(self, timestep: Tensor, *given: Tensor) -> Tensor:
            if len(given) > 1:
                return super().forward(timestep, *given)
            (pooled,) = given
            steps = self.timestep_embedder(self.time_proj(timestep).to(pooled.dtype))
            return cast("Tensor", steps + self.text_embedder(pooled))

    module: Any = cast("Callable[..., nn.Module]", FluxTransformer2DModel)(**sizes)
    if sizes["guidance_embeds"]:
        module.time_text_embed.__class__ = GuidanceIfAny
    return cast("nn.Module", module)
