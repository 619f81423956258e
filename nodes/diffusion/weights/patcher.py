"""The MODEL between nodes: a network with patches, its schedule, and what nodes have put around it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.sampling.model_options import ModelOptions, copied
from weft.nodes.diffusion.weights.patched import Patch, PatchedNetwork

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import Kind, Places
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling


class ModelPatcher(ModelOptions):
    """The MODEL socket: a denoising network with its patches, schedule and options.

    Args:
        network: the UNet, with the patches on it.
        kind: what the checkpoint is.
        sampling: the noise schedule and prediction type it was trained with.
        model_options: what nodes and packs set on one clone, see ModelOptions; `{"transformer_options": {}}` at first.
        latent_format: how it takes latents; the kind's where none is given.
    """

    def __init__(
        self,
        network: PatchedNetwork,
        kind: Kind,
        sampling: ModelSampling,
        model_options: dict[str, Any] | None = None,
        latent_format: LatentFormat | None = None,
    ) -> None:
        self.network = network
        self.kind = kind
        self.sampling = sampling
        self.latent_format = kind.latent_format if latent_format is None else latent_format
        self.model_options = {"transformer_options": {}} if model_options is None else model_options

    @property
    def places(self) -> Places:
        """See ModelOptions."""
        return self.kind.places

    @property
    def latent_scale(self) -> float:
        """What a latent is multiplied with before the network sees it."""
        return self.latent_format.scale

    def process_latent_in(self, latent: Tensor) -> Tensor:
        """A latent [B,C,h,w] as nodes know it, as the network takes it."""
        return self.latent_format.to_network(latent)

    def process_latent_out(self, latent: Tensor) -> Tensor:
        """The inverse of process_latent_in."""
        return self.latent_format.from_network(latent)

    def clone(self) -> ModelPatcher:
        """Another socket value over the same weights: patches and options of one never show in the other."""
        return ModelPatcher(self.network, self.kind, self.sampling, copied(self.model_options), self.latent_format)

    def add_patches(self, patches: Mapping[str, Patch], strength_patch: float = 1.0) -> list[str]:
        """Put patches on this clone; returns the parameter names that the network has, which are those applied."""
        names = set(self.network.parameter_names)
        known = {name: patch for name, patch in patches.items() if name in names}
        self.network = self.network.with_patches(known, strength_patch)
        return list(known)

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts."""
        return self.network.memory_parts

    @property
    def nbytes(self) -> int:
        """Bytes that this clone adds to the checkpoint it came from."""
        return self.network.nbytes
