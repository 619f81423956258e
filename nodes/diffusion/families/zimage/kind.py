"""What a file of Z-Image turns out to be: see protocol.Kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.protocol import LoraPlace, Places
from weft.nodes.diffusion.families.zimage.denoiser import ZImageDenoiser
from weft.nodes.diffusion.families.zimage.keymap import PREFIX, landings
from weft.nodes.diffusion.families.zimage.lora_names import places
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from torch import nn

    from weft.nodes.diffusion.errors import Warn
    from weft.nodes.diffusion.families.protocol import FileShapes
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup
    from weft.nodes.diffusion.values.vae import Vae
    from weft.nodes.diffusion.weights.patched import PatchedNetwork
    from weft.nodes.diffusion.weights.weightfile import Exported, Weights

CHANNELS, PIXELS = 16, 8
# The middle and the spread of its VAE's latents, and the shift of its schedule.
LATENT_SHIFT, LATENT_SCALE = 0.1159, 0.3611
SHIFT = 3.0


@dataclass(frozen=True)
class ZImageKind:
    """See Kind. sizes: keyword arguments of diffusers' ZImageTransformer2DModel."""

    sizes: Mapping[str, Any]
    name: str = "z_image"
    title: str = "Z-Image"

    may_differ = frozenset[str]()
    unrounded = frozenset[str]()
    places = Places()

    @property
    def ignored(self) -> Mapping[str, str]:
        """See Kind."""
        return {r"(.*\.)?norm_final\.weight": "a norm that nothing reads"}

    @property
    def latent_format(self) -> LatentFormat:
        """See Kind."""
        return LatentFormat(CHANNELS, PIXELS, LATENT_SCALE, (LATENT_SHIFT,) * CHANNELS, (1.0,) * CHANNELS)

    def process(self) -> ModelSampling:
        """See Kind."""
        return ModelSampling.flow(shift=SHIFT, multiplier=1.0)

    def alone(self) -> ZImageKind:
        """See Kind."""
        return self

    def model_part(self) -> Part:
        """See Kind."""
        module = build("Z-Image transformer", _transformer, self.sizes)
        names = (name for name, _ in module.named_parameters())
        return Part("transformer", PREFIX, module, landings(names, self.sizes["dim"]))

    def parts(self, shapes: FileShapes, warn: Warn) -> list[Part]:
        """See Kind."""
        return [self.model_part()]

    def denoiser(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat) -> ZImageDenoiser:
        """See Kind."""
        return ZImageDenoiser(network, sampling, latent_format, self.title)

    def open_clip(
        self, networks: Mapping[str, PatchedNetwork], embeddings: EmbeddingLookup | None, file: Weights
    ) -> Clip | None:
        """See Kind: it stands in a file of its own."""
        return None

    def open_vae(self, networks: Mapping[str, PatchedNetwork]) -> Vae | None:
        """See Kind: it stands in a file of its own."""
        return None

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

    def exported(self, module: nn.Module, clip: Clip | None, vae: Vae | None, title: str) -> Exported:
        """See Kind."""
        raise DiffusionError(f"models of {self.title} cannot be written as checkpoints here")


def _transformer(sizes: Mapping[str, Any]) -> nn.Module:
    from diffusers import ZImageTransformer2DModel

    return cast("Callable[..., nn.Module]", ZImageTransformer2DModel)(**sizes)
