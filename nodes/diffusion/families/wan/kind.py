"""What a file of Wan turns out to be: see protocol.Kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.protocol import LoraPlace, Places
from weft.nodes.diffusion.families.replaced import DIT
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.families.transformer_kind import TransformerKind
from weft.nodes.diffusion.families.wan import statistics
from weft.nodes.diffusion.families.wan.denoiser import WanDenoiser
from weft.nodes.diffusion.families.wan.keymap import FRAMES, landings, original
from weft.nodes.diffusion.families.wan.lora_names import places
from weft.nodes.diffusion.families.wan.vae import VideoVaeKind
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.text.t5 import IGNORED
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from torch import nn

    from weft.nodes.diffusion.errors import Warn
    from weft.nodes.diffusion.families.protocol import FileShapes
    from weft.nodes.diffusion.values.vae import Vae
    from weft.nodes.diffusion.weights.patched import PatchedNetwork

SHIFT = 8.0
# What models of one number of channels differ in, and the size that tells.
_BESIDE = {
    "vision": "image_dim",
    "reference": "reference_channels",
    "camera": "camera_channels",
    "vace": "vace_layers",
}


@dataclass(frozen=True)
class WanKind(TransformerKind):
    """See Kind. sizes: keyword arguments of `wan_network`. vae: beside it, if the file has one."""

    sizes: Mapping[str, Any]
    title: str
    vae: VideoVaeKind | None = None

    unrounded = frozenset({"patch_embedding.weight", "patch_embedding.bias"})
    places = Places(replaced=(DIT,), positions=True)
    computing = working.WAN
    ignored = IGNORED

    @property
    def name(self) -> str:
        """See Kind: models that read the same."""
        parts = [part for part, size in _BESIDE.items() if self.sizes.get(size)]
        return "_".join(["wan", str(self.sizes["in_channels"]), *parts])

    @property
    def latent_format(self) -> LatentFormat:
        """See Kind."""
        channels = self.sizes["out_channels"]
        mean, deviation = statistics.OF_CHANNELS[channels]
        return LatentFormat(channels, 16 if channels == 48 else 8, 1.0, mean, deviation, frames=FRAMES)

    def process(self) -> ModelSampling:
        """See Kind."""
        return ModelSampling.flow(shift=SHIFT)

    def alone(self) -> WanKind:
        """See Kind."""
        return replace(self, vae=None)

    def model_part(self) -> Part:
        """See Kind."""
        module = build("Wan transformer", _transformer, self.sizes)
        return Part("transformer", PREFIX, module, landings(name for name, _ in module.named_parameters()), large=True)

    def parts(self, shapes: FileShapes, warn: Warn) -> list[Part]:
        """See Kind."""
        return [self.model_part(), *([] if self.vae is None else [self.vae.part(shapes, warn)])]

    def denoiser(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat) -> WanDenoiser:
        """See Kind."""
        return WanDenoiser(network, sampling, latent_format, self.title)

    def open_vae(self, networks: Mapping[str, PatchedNetwork]) -> Vae | None:
        """See Kind."""
        return None if self.vae is None else self.vae.open(networks["vae"])

    def names(self) -> dict[str, str]:
        """See Kind."""
        return {name: original(name) for name, _ in self.model_part().module.named_parameters()}

    def lora_names(self, modules: Iterable[str]) -> Iterator[LoraPlace]:
        """See Kind."""
        return places(modules)


def _transformer(sizes: Mapping[str, Any]) -> nn.Module:
    from weft.nodes.diffusion.families.wan.network import wan_network

    return wan_network(sizes)
