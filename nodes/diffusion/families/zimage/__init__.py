"""Z-Image. To be imported: ZImage, without torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.glance import TextSet
from weft.nodes.diffusion.families.text_files import QWEN3
from weft.nodes.diffusion.families.transformer_family import TransformerFamily

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.glance import ModelGlance, PatchGlance
    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.families.zimage.fun import FunKind
    from weft.nodes.diffusion.families.zimage.kind import ZImageKind
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.landings import Shapes

RELEASE = "z_image"


class ZImage(TransformerFamily):
    """See Family. Its VAE is FLUX.1's, and is opened as that."""

    title = "Z-Image"
    releases: Mapping[str, str] = {RELEASE: "Z-Image"}
    clip_types: Mapping[str, Sequence[TextSet]] = {"lumina2": (TextSet((QWEN3,)),)}
    claimed = (known.model(known.ZIMAGE), f"a LoRA for {known.ZIMAGE}", known.LANGUAGE, known.ZIMAGE_FUN)

    def prefix_in(self, shapes: FileShapes) -> str | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.zimage.keymap import MARKS

        prefix = known.prefix_before(shapes, MARKS[0])
        return prefix if prefix is not None and all(prefix + mark in shapes for mark in MARKS) else None

    def glance_in(self, shapes: Shapes) -> ModelGlance:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.zimage.glance import glance

        return glance(shapes)

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> ZImageKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.zimage.recognise import recognise

        return recognise(shapes)

    def recognise_patch(self, shapes: FileShapes, read: Read | None = None) -> FunKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.zimage.fun import recognise_patch

        return recognise_patch(shapes, read)

    def glance_patch(self, shapes: FileShapes) -> PatchGlance | None:
        """See Family."""
        from weft.nodes.diffusion.families.zimage.glance import glance_patch

        return glance_patch(shapes)

    def release_meant(self, name: str) -> str:
        """See Family. Lumina Image 2 and Gemma, whose names are like it, are others'."""
        return RELEASE if re.search(r"z[-_]?image|qwen_?3", name.lower()) else ""

    def small(self, kind: str, name: str, release: str) -> dict[str, Tensor] | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.zimage.tiny import small_file

        return small_file(kind, name)

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        from weft.nodes.diffusion.families.zimage.text import load_clip

        return load_clip(paths, **more)
