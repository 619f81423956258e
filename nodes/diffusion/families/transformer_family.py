"""What the families of diffusion transformers share: how their files are asked. Without torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.glance import ModelGlance, PatchGlance, TextFile, TextGlance, TextSet, VaeGlance
    from weft.nodes.diffusion.families.model_patches import PatchKind
    from weft.nodes.diffusion.families.protocol import ControlKind, FileShapes, Kind, Read, VaeKind
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.landings import Shapes
    from weft.nodes.diffusion.weights.weightfile import Weights

# Before the keys of the transformer in a checkpoint.
PREFIX = "model.diffusion_model."


class TransformerFamily(ABC):
    """See Family: one whose files hold a transformer, below PREFIX or alone, in the names of its makers.

    A VAE of its own layout and ControlNets are what a family adds; here are none.

    claimed: what known.foreign says of its files.
    """

    title: str
    releases: Mapping[str, str]
    clip_types: Mapping[str, Sequence[TextSet]]
    claimed: tuple[str, ...]

    def claims(self, names: Iterable[str]) -> bool:
        """See Family."""
        return known.foreign(names) in self.claimed

    @abstractmethod
    def prefix_in(self, shapes: FileShapes) -> str | None:
        """What stands before the transformer's keys in a file; None in one without this family's."""

    def title_in(self, shapes: Shapes) -> str:
        """How people call the release of a transformer with these shapes."""
        return self.title

    def release_in(self, shapes: FileShapes) -> str:
        """See Family."""
        from weft.nodes.diffusion.weights.landings import Shapes

        prefix = self.prefix_in(shapes)
        return "" if prefix is None else self.title_in(Shapes(shapes, prefix))

    def glance(self, shapes: FileShapes) -> ModelGlance | None:
        """See Family."""
        from weft.nodes.diffusion.weights.landings import Shapes

        prefix = self.prefix_in(shapes)
        return None if prefix is None else self.glance_in(Shapes(shapes, prefix))

    @abstractmethod
    def glance_in(self, shapes: Shapes) -> ModelGlance:
        """As `glance`, of a transformer's own keys."""

    def glance_vae(self, shapes: FileShapes) -> VaeGlance | None:
        """See Family."""
        return None

    def glance_clip(self, clip_type: str, encoders: Sequence[TextFile]) -> TextGlance:
        """See Family: one encoder, of which the network reads the rows."""
        from weft.nodes.diffusion.families.glance import TextGlance

        (encoder,) = encoders
        return TextGlance(clip_type, self.title, encoder.width)

    def renamed(self, file: Weights) -> Weights:
        """See Family."""
        from weft.nodes.diffusion.weights.weightfile import Renamed

        prefix = self.prefix_in(file.shapes)
        if prefix is None or prefix == PREFIX:
            return file
        return Renamed(
            file, {key: PREFIX + key.removeprefix(prefix) if key.startswith(prefix) else key for key in file.shapes}
        )

    @abstractmethod
    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> Kind | None:
        """See Family."""

    def renamed_vae(self, file: Weights) -> Weights:
        """See Family."""
        return file

    def recognise_vae(self, shapes: FileShapes, metadata: Mapping[str, str] | None = None) -> VaeKind | None:
        """See Family."""
        return None

    def renamed_controlnet(self, file: Weights) -> Weights:
        """See Family."""
        return file

    def recognise_controlnet(self, shapes: FileShapes) -> ControlKind | None:
        """See Family."""
        return None

    def recognise_patch(self, shapes: FileShapes, read: Read | None = None) -> PatchKind | None:
        """See Family."""
        return None

    def glance_patch(self, shapes: FileShapes) -> PatchGlance | None:
        """See Family."""
        return None

    @abstractmethod
    def release_meant(self, name: str) -> str:
        """See Family."""

    def small_file(self, kind: str, name: str, release: str, base: Path) -> dict[str, Tensor] | None:
        """See Family."""
        return self.small(kind, name, release) if release in self.releases else None

    @abstractmethod
    def small(self, kind: str, name: str, release: str) -> dict[str, Tensor] | None:
        """As `small_file`, of a release of this family."""

    @abstractmethod
    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
