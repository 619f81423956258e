"""FLUX.3: klein and its base. To be imported: Flux3, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.glance import TextFile, TextSet
from weft.nodes.diffusion.families.text_files import QWEN3VL
from weft.nodes.diffusion.families.transformer_family import TransformerFamily

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.flux3.kind import Flux3Kind
    from weft.nodes.diffusion.families.glance import ModelGlance, TextGlance
    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.landings import Shapes

RELEASE = "flux3"


class Flux3(TransformerFamily):
    """See Family. Its VAE is FLUX.2's."""

    title = "FLUX.3"
    releases: Mapping[str, str] = {RELEASE: "FLUX.3"}
    clip_types: Mapping[str, Sequence[TextSet]] = {"flux3": (TextSet((QWEN3VL,)),)}
    claimed = (known.model(known.FLUX3), f"a LoRA for {known.FLUX3}", known.LANGUAGE)

    def prefix_in(self, shapes: FileShapes) -> str | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.flux3.keymap import MARK

        return known.prefix_before(shapes, MARK)

    def title_in(self, shapes: Shapes) -> str:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.flux3.keymap import TARGET, title_of

        return title_of(TARGET in shapes)

    def glance_in(self, shapes: Shapes) -> ModelGlance:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.flux3.glance import glance

        return glance(shapes)

    def glance_clip(self, clip_type: str, encoders: Sequence[TextFile]) -> TextGlance:
        """See Family: eight layers side by side."""
        found = super().glance_clip(clip_type, encoders)
        return found._replace(width=8 * found.width)

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> Flux3Kind | None:
        """See Family."""
        from weft.nodes.diffusion.families.flux3.recognise import recognise

        return recognise(shapes)

    def release_meant(self, name: str) -> str:
        """See Family."""
        return RELEASE if known.family_meant(name) == known.FLUX3 else ""

    def small(self, kind: str, name: str, release: str) -> dict[str, Tensor] | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.flux3.tiny import small_file

        return small_file(kind, name)

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        from weft.nodes.diffusion.families.flux3.text import load_clip

        return load_clip(paths, **more)
