"""Qwen-Image. To be imported: QwenImage, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.glance import TextFile, TextSet
from weft.nodes.diffusion.families.text_files import QWEN3VL, QWEN25, text_in
from weft.nodes.diffusion.families.transformer_family import TransformerFamily

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.glance import ModelGlance, PatchGlance, TextGlance
    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.families.qwen.controlnet import QwenControlKind
    from weft.nodes.diffusion.families.qwen.diffsynth import BlockwiseKind
    from weft.nodes.diffusion.families.qwen.kind import QwenImageKind
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.landings import Shapes

RELEASE = "qwen_image"


class QwenImage(TransformerFamily):
    """See Family. Its VAE has the layout of Wan 2.1's, and is opened as that."""

    title = "Qwen-Image"
    releases: Mapping[str, str] = {RELEASE: "Qwen-Image"}
    # The second is that of Qwen-Image 2.1, see families.qwen21.
    clip_types: Mapping[str, Sequence[TextSet]] = {"qwen_image": (TextSet((QWEN25,)), TextSet((QWEN3VL,)))}
    claimed = (
        known.model(known.QWEN),
        f"a LoRA for {known.QWEN}",
        f"a LoRA for {known.JOINT_LORA}",
        known.WAN_VAE,
        known.LANGUAGE,
        known.JOINT_CONTROL,
        known.DIFFSYNTH,
    )

    def prefix_in(self, shapes: FileShapes) -> str | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.qwen.keymap import MARK

        prefix = known.prefix_before(shapes, MARK)
        return prefix if prefix is not None and known.holds(shapes, known.QWEN) else None

    def glance_in(self, shapes: Shapes) -> ModelGlance:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.qwen.glance import glance

        return glance(shapes)

    def glance_clip(self, clip_type: str, encoders: Sequence[TextFile]) -> TextGlance:
        """See Family."""
        from weft.nodes.diffusion.families.glance import TextGlance
        from weft.nodes.diffusion.families.qwen21.glance import LANGUAGE

        (encoder,) = encoders
        if encoder.name == QWEN3VL:
            return TextGlance(LANGUAGE, known.QWEN21, encoder.width)
        return super().glance_clip(clip_type, encoders)

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> QwenImageKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.qwen.recognise import recognise

        return recognise(shapes)

    def recognise_controlnet(self, shapes: FileShapes) -> QwenControlKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.qwen.controlnet import recognise_controlnet

        return recognise_controlnet(shapes)

    def recognise_patch(self, shapes: FileShapes, read: Read | None = None) -> BlockwiseKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.qwen.diffsynth import recognise_patch

        return recognise_patch(shapes)

    def glance_patch(self, shapes: FileShapes) -> PatchGlance | None:
        """See Family."""
        from weft.nodes.diffusion.families.qwen.glance import glance_patch

        return glance_patch(shapes)

    def release_meant(self, name: str) -> str:
        """See Family."""
        return RELEASE if known.family_meant(name) == known.QWEN and "qwen_3" not in name.lower() else ""

    def small(self, kind: str, name: str, release: str) -> dict[str, Tensor] | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.qwen.tiny import small_file

        return small_file(kind, name)

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        from weft.nodes.diffusion.families import qwen21
        from weft.nodes.diffusion.families.qwen.text import load_clip
        from weft.nodes.diffusion.weights.weightfile import WeightFile

        files = [WeightFile(path) for path in paths]
        if [text_in(file.shapes, file.metadata).name for file in files] == [QWEN3VL]:
            return qwen21.QwenImage21().load_clip(paths, clip_type, **more)
        return load_clip(paths, **more)
