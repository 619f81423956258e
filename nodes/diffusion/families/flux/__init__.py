"""FLUX.1: dev and schnell, and what edits: Kontext, Fill, Canny and Depth. To be imported: Flux, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.glance import TextFile, TextSet
from weft.nodes.diffusion.families.text_files import CLIP_L, T5
from weft.nodes.diffusion.families.transformer_family import TransformerFamily

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.flux.controlnet import FluxControlKind
    from weft.nodes.diffusion.families.flux.kind import FluxKind
    from weft.nodes.diffusion.families.flux.uso import UsoKind
    from weft.nodes.diffusion.families.glance import ModelGlance, PatchGlance, TextGlance
    from weft.nodes.diffusion.families.image_vae import ImageVaeKind
    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.landings import Shapes

RELEASE = "flux"


class Flux(TransformerFamily):
    """See Family."""

    title = "FLUX.1"
    releases: Mapping[str, str] = {RELEASE: "FLUX.1"}
    clip_types: Mapping[str, Sequence[TextSet]] = {"flux": (TextSet((CLIP_L, T5)),)}
    claimed = (
        known.model(known.FLUX),
        f"a LoRA for {known.FLUX_LORA}",
        f"a LoRA for {known.JOINT_LORA}",
        known.T5,
        known.JOINT_CONTROL,
        known.USO,
    )

    def prefix_in(self, shapes: FileShapes) -> str | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.flux.keymap import MARKS

        prefix = known.prefix_before(shapes, *MARKS)
        return prefix if prefix is not None and known.holds(shapes, known.FLUX) else None

    def title_in(self, shapes: Shapes) -> str:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.flux.keymap import GUIDANCE, PATCH, title_of

        return title_of(GUIDANCE in shapes, shapes.of("img_in.weight", 2)[1] // PATCH**2)

    def glance_in(self, shapes: Shapes) -> ModelGlance:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.flux.glance import glance

        return glance(shapes)

    def glance_clip(self, clip_type: str, encoders: Sequence[TextFile]) -> TextGlance:
        """See Family."""
        clip_l, t5 = encoders
        return super().glance_clip(clip_type, [t5])._replace(pooled=clip_l.width)

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> FluxKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.flux.recognise import recognise

        return recognise(shapes)

    def recognise_vae(self, shapes: FileShapes, metadata: Mapping[str, str] | None = None) -> ImageVaeKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.image_vae import recognise_vae

        return recognise_vae(shapes)

    def recognise_controlnet(self, shapes: FileShapes) -> FluxControlKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.flux.controlnet import recognise_controlnet

        return recognise_controlnet(shapes)

    def recognise_patch(self, shapes: FileShapes, read: Read | None = None) -> UsoKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.flux.uso import recognise_patch

        return recognise_patch(shapes)

    def glance_patch(self, shapes: FileShapes) -> PatchGlance | None:
        """See Family."""
        from weft.nodes.diffusion.families.flux.glance import glance_patch

        return glance_patch(shapes)

    def release_meant(self, name: str) -> str:
        """See Family."""
        return RELEASE if known.family_meant(name) == known.FLUX else ""

    def small(self, kind: str, name: str, release: str) -> dict[str, Tensor] | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.flux.tiny import small_file

        return small_file(kind, name)

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        from weft.nodes.diffusion.families.flux.text import load_clip

        return load_clip(paths, **more)
