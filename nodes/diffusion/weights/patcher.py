"""The MODEL between nodes: a network with patches, its schedule, and what nodes have put around it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.interop.model import ModelNames
from weft.nodes.diffusion.interop.weights import MODEL_PREFIX, keys_of, patched
from weft.nodes.diffusion.sampling.model_options import copied, kept_by_patches
from weft.nodes.diffusion.weights.patched import PatchedNetwork

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import Kind, Places
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling


class ModelPatcher(ModelNames):
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
        self.attachments: dict[str, Any] = {}
        self.additional_models: dict[str, list[Any]] = {}

    @property
    def places(self) -> Places:
        """See ModelOptions."""
        return self.kind.places

    @property
    def latent_scale(self) -> float:
        """What a latent is multiplied with before the network sees it."""
        return self.latent_format.scale

    def clone(self) -> ModelPatcher:
        """Another socket value over the same weights: patches and options of one never show in the other."""
        options = copied(self.model_options)
        clone = ModelPatcher(self.network, self.kind, self.sampling, options, self.latent_format)
        self._cloned(clone)
        return clone

    def add_patches(
        self, patches: Mapping[Any, Any], strength_patch: float = 1.0, strength_model: float = 1.0
    ) -> list[Any]:
        """Put patches on this clone, by the names of parameters or as packs give them (interop.weights).

        Returns the names and keys that the network has, which are those applied.
        """
        by_key = any(isinstance(key, str) and key.startswith(MODEL_PREFIX) for key in patches)
        keys = keys_of(self.kind.names()) if by_key else {}
        self.network, applied = patched(self.network, patches, keys, strength_patch, strength_model)
        return applied

    @property
    def changeable(self) -> tuple[Any, ...]:
        """What those who do not clone it first may change: for the engine, which tells by it whether somebody did."""
        given = self.sampling, self.latent_format
        return (self.network, *given, self.model_options, self.attachments, self.additional_models)

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts, and of the model patches on it."""
        yield from self.network.memory_parts
        yield from kept_by_patches(self.model_options)

    @property
    def nbytes(self) -> int:
        """Bytes that this clone adds to the checkpoint it came from."""
        return self.network.nbytes
