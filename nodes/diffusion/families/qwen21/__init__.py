"""Qwen-Image 2.1. To be imported: QwenImage21, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.glance import TextSet
from weft.nodes.diffusion.families.transformer_family import TransformerFamily

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.glance import ModelGlance, VaeGlance
    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.families.qwen21.kind import QwenImage21Kind
    from weft.nodes.diffusion.families.qwen21.vae import QwenImage21VaeKind
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.landings import Shapes

RELEASE = "qwen_image_21"


class QwenImage21(TransformerFamily):
    """See Family. Its text encoder has the type of Qwen-Image's, which opens both: the file tells which."""

    title = known.QWEN21
    releases: Mapping[str, str] = {RELEASE: known.QWEN21}
    clip_types: Mapping[str, Sequence[TextSet]] = {}
    claimed = (known.model(known.QWEN21), f"a LoRA for {known.QWEN21}", known.LANGUAGE)

    def prefix_in(self, shapes: FileShapes) -> str | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.qwen21.keymap import MARK

        prefix = known.prefix_before(shapes, MARK)
        return prefix if prefix is not None and known.holds(shapes, known.QWEN21) else None

    def glance_in(self, shapes: Shapes) -> ModelGlance:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.qwen21.glance import glance

        return glance(shapes)

    def glance_vae(self, shapes: FileShapes) -> VaeGlance | None:
        """See Family."""
        from weft.nodes.diffusion.families.qwen21.glance import glance_vae

        return glance_vae(shapes)

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> QwenImage21Kind | None:
        """See Family."""
        from weft.nodes.diffusion.families.qwen21.recognise import recognise

        return recognise(shapes)

    def recognise_vae(self, shapes: FileShapes, metadata: Mapping[str, str] | None = None) -> QwenImage21VaeKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.qwen21.vae import recognise_vae

        return recognise_vae(shapes)

    def release_meant(self, name: str) -> str:
        """See Family."""
        return RELEASE if known.family_meant(name) == known.QWEN21 else ""

    def small(self, kind: str, name: str, release: str) -> dict[str, Tensor] | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.qwen21.tiny import small_file

        return small_file(kind)

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        from weft.nodes.diffusion.families.qwen21.text import load_clip

        return load_clip(paths, **more)
