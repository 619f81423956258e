"""What the models of diffusion transformers share as kinds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, ClassVar, Self

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.protocol import Places
from weft.nodes.diffusion.families.working import UNKNOWN, WorkingRule

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

    if TYPE_CHECKING:

        @property
        def title(self) -> str: ...
        def model_part(self) -> Part: ...

    ignored: ClassVar[Mapping[str, str]] = {}
    may_differ: ClassVar[Collection[str]] = ()
    unrounded: ClassVar[Collection[str]] = ()
    places: ClassVar[Places] = Places()
    computing: ClassVar[WorkingRule] = UNKNOWN
    # Where in a checkpoint the text encoders stand, by their names, and "vae".
    beside: ClassVar[Mapping[str, str]] = {}

    @property
    def looks_ahead(self) -> bool:
        """See Kind."""
        return False

    def wider(self, parameter: str, columns: int) -> Kind | None:
        """See Kind."""
        return None

    def keeping_references(self) -> Kind | None:
        """See Kind."""
        return None

    def keeping_prefix(self, place: str, form: str) -> Kind | None:
        """See Kind."""
        return None

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

    def keys(self: Kind) -> dict[str, str]:
        """See Kind."""
        return {to.target: key for key, targets in self.model_part().landings.items() for to in targets}

    def exported(self, module: nn.Module, clip: Clip | None, vae: Vae | None, title: str) -> Exported:
        """See Kind: in the names of its makers, as it is loaded."""
        from weft.nodes.diffusion.weights.stored import stored
        from weft.nodes.diffusion.weights.weightfile import Exported

        part = self.model_part()
        tensors = stored(part.prefix, part.landings, module)
        for encoder in () if clip is None else clip.encoders:
            prefix = self._place(f"the text encoder {encoder.name!r}", self.beside.get(encoder.name))
            tensors |= {prefix + key: entry for key, entry in encoder.exported().tensors.items()}
        if vae is not None:
            prefix = self._place("the VAE", self.beside.get("vae"))
            tensors |= {prefix + key: entry for key, entry in vae.exported().tensors.items()}
        return Exported(tensors, {})

    def _place(self, what: str, prefix: str | None) -> str:
        if prefix is None:
            raise DiffusionError(
                f"a checkpoint of {self.title} has no place for {what}: write the parts by themselves (ModelSave, "
                "CLIPSave, VAESave)"
            )
        return prefix
