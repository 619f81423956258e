"""What the models of diffusion transformers share as kinds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, ClassVar, Self

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.protocol import Places

if TYPE_CHECKING:
    from torch import nn

    from weft.nodes.diffusion.errors import Warn
    from weft.nodes.diffusion.families.protocol import FileShapes, Kind
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup
    from weft.nodes.diffusion.values.vae import Vae
    from weft.nodes.diffusion.weights.networks import Part
    from weft.nodes.diffusion.weights.patched import PatchedNetwork
    from weft.nodes.diffusion.weights.weightfile import Exported, Weights


class TransformerKind:
    """The part of a Kind that a transformer has whose text encoders and VAE stand in files of their own."""

    ignored: ClassVar[Mapping[str, str]] = {}
    may_differ: ClassVar[Collection[str]] = ()
    unrounded: ClassVar[Collection[str]] = ()
    places: ClassVar[Places] = Places()

    def alone(self) -> Self:
        """See Kind."""
        return self

    def parts(self: Kind, shapes: FileShapes, warn: Warn) -> list[Part]:
        """See Kind."""
        return [self.model_part()]

    def open_clip(
        self, networks: Mapping[str, PatchedNetwork], embeddings: EmbeddingLookup | None, file: Weights
    ) -> Clip | None:
        """See Kind."""
        return None

    def open_vae(self, networks: Mapping[str, PatchedNetwork]) -> Vae | None:
        """See Kind."""
        return None

    def exported(self: Kind, module: nn.Module, clip: Clip | None, vae: Vae | None, title: str) -> Exported:
        """See Kind."""
        raise DiffusionError(f"models of {self.title} cannot be written as checkpoints here")
