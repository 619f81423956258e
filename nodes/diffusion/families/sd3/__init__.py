"""Stable Diffusion 3 and 3.5. To be imported: StableDiffusion3, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.glance import TextFile, TextSet
from weft.nodes.diffusion.families.text_files import CLIP_G, CLIP_L, T5
from weft.nodes.diffusion.families.transformer_family import TransformerFamily

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.glance import ModelGlance, TextGlance
    from weft.nodes.diffusion.families.image_vae import ImageVaeKind
    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.families.sd3.controlnet import SD3ControlKind
    from weft.nodes.diffusion.families.sd3.kind import SD3Kind
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.landings import Shapes

RELEASE = "sd3"


class StableDiffusion3(TransformerFamily):
    """See Family."""

    title = "Stable Diffusion 3 and 3.5"
    releases: Mapping[str, str] = {RELEASE: "Stable Diffusion 3"}
    clip_types: Mapping[str, Sequence[TextSet]] = {"sd3": (TextSet((CLIP_L, CLIP_G, T5), partly=True),)}
    claimed = (
        known.model(known.SD3),
        f"a LoRA for {known.SD3}",
        f"a LoRA for {known.JOINT_LORA}",
        known.T5,
        known.JOINT_CONTROL,
    )

    def prefix_in(self, shapes: FileShapes) -> str | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.sd3.keymap import MARK

        return known.prefix_before(shapes, MARK)

    def title_in(self, shapes: Shapes) -> str:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.sd3.keymap import title_of

        return title_of(shapes)

    def glance_in(self, shapes: Shapes) -> ModelGlance:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.sd3.glance import glance

        return glance(shapes)

    def glance_clip(self, clip_type: str, encoders: Sequence[TextFile]) -> TextGlance:
        """See Family."""
        from weft.nodes.diffusion.families.glance import TextGlance
        from weft.nodes.diffusion.families.sd3.widths import widths_of

        widths = widths_of(dict(encoders))
        return TextGlance(clip_type, self.title, widths[T5], widths[CLIP_L] + widths[CLIP_G])

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> SD3Kind | None:
        """See Family."""
        from weft.nodes.diffusion.families.sd3.recognise import recognise

        return recognise(shapes)

    def recognise_vae(self, shapes: FileShapes, metadata: Mapping[str, str] | None = None) -> ImageVaeKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.image_vae import recognise_vae

        return recognise_vae(shapes)

    def recognise_controlnet(self, shapes: FileShapes) -> SD3ControlKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.sd3.controlnet import recognise_controlnet

        return recognise_controlnet(shapes)

    def release_meant(self, name: str) -> str:
        """See Family."""
        return RELEASE if known.family_meant(name) == known.SD3 else ""

    def small(self, kind: str, name: str, release: str) -> dict[str, Tensor] | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.sd3.tiny import small_file

        return small_file(kind, name)

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        from weft.nodes.diffusion.families.sd3.text import load_clip

        return load_clip(paths, **more)
