"""FLUX.2: dev and klein. To be imported: Flux2, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.glance import TextFile, TextSet, VaeGlance
from weft.nodes.diffusion.families.text_files import QWEN3
from weft.nodes.diffusion.families.transformer_family import TransformerFamily

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.flux2.kind import Flux2Kind
    from weft.nodes.diffusion.families.flux2.vae import Flux2VaeKind
    from weft.nodes.diffusion.families.glance import ModelGlance, TextGlance
    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.landings import Shapes

RELEASE = "flux2"
# A key that its VAE has and no other.
_STATISTICS = "bn.running_mean"


class Flux2(TransformerFamily):
    """See Family. Of its text encoders that of klein, Qwen3, is opened; dev's, a Mistral, is not."""

    title = "FLUX.2"
    releases: Mapping[str, str] = {RELEASE: "FLUX.2"}
    clip_types: Mapping[str, Sequence[TextSet]] = {"flux2": (TextSet((QWEN3,)),)}
    claimed = (known.model(known.FLUX2), f"a LoRA for {known.FLUX_LORA}", known.LANGUAGE)

    def prefix_in(self, shapes: FileShapes) -> str | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.flux2.keymap import MARK

        return known.prefix_before(shapes, MARK)

    def title_in(self, shapes: Shapes) -> str:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.flux2.keymap import GUIDANCE, title_of

        return title_of(GUIDANCE in shapes)

    def glance_in(self, shapes: Shapes) -> ModelGlance:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.flux2.glance import glance

        return glance(shapes)

    def glance_vae(self, shapes: FileShapes) -> VaeGlance | None:
        """See Family."""
        if _STATISTICS not in shapes:
            return None
        from weft.nodes.diffusion.families.flux2.glance import LATENTS

        return VaeGlance("the VAE of FLUX.2", LATENTS)

    def glance_clip(self, clip_type: str, encoders: Sequence[TextFile]) -> TextGlance:
        """See Family: three layers side by side."""
        found = super().glance_clip(clip_type, encoders)
        return found._replace(width=3 * found.width)

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> Flux2Kind | None:
        """See Family."""
        from weft.nodes.diffusion.families.flux2.recognise import recognise

        return recognise(shapes)

    def recognise_vae(self, shapes: FileShapes, metadata: Mapping[str, str] | None = None) -> Flux2VaeKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.flux2.vae import recognise_vae

        return recognise_vae(shapes)

    def release_meant(self, name: str) -> str:
        """See Family."""
        return RELEASE if known.family_meant(name) == known.FLUX2 else ""

    def small(self, kind: str, name: str, release: str) -> dict[str, Tensor] | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.flux2.tiny import small_file

        return small_file(kind, name)

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        from weft.nodes.diffusion.families.flux2.text import load_clip

        return load_clip(paths, **more)
