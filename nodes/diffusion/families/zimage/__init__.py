"""Z-Image. To be imported: ZImage, without torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.families.zimage.kind import ZImageKind
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.weightfile import Weights

RELEASE = "z_image"


class ZImage:
    """See Family. Its VAE is FLUX.1's, and is opened as that."""

    title = "Z-Image"
    releases: Mapping[str, str] = {RELEASE: "Z-Image"}
    clip_types = ("lumina2",)

    def claims(self, names: Iterable[str]) -> bool:
        """See Family."""
        found = known.foreign(names)
        return found in (f"a {known.ZIMAGE} model", f"a LoRA for {known.ZIMAGE}", known.LANGUAGE)

    def release_in(self, shapes: FileShapes) -> str:
        """See Family."""
        from weft.nodes.diffusion.families.zimage.keymap import MARKS

        prefix = known.prefix_before(shapes, MARKS[0])
        return self.title if prefix is not None and all(prefix + mark in shapes for mark in MARKS) else ""

    def renamed(self, file: Weights) -> Weights:
        """See Family."""
        from weft.nodes.diffusion.families.zimage.recognise import with_keys_of_checkpoint

        return with_keys_of_checkpoint(file)

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> ZImageKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.zimage.recognise import recognise

        return recognise(shapes)

    def renamed_vae(self, file: Weights) -> Weights:
        """See Family."""
        return file

    def recognise_vae(self, shapes: FileShapes, metadata: Mapping[str, str] | None = None) -> None:
        """See Family."""

    def renamed_controlnet(self, file: Weights) -> Weights:
        """See Family."""
        return file

    def recognise_controlnet(self, shapes: FileShapes) -> None:
        """See Family: there are none."""

    def release_meant(self, name: str) -> str:
        """See Family. Lumina Image 2 and Gemma, whose names are like it, are others'."""
        return RELEASE if re.search(r"z[-_]?image|qwen_?3", name.lower()) else ""

    def small_file(self, kind: str, name: str, release: str, base: Path) -> dict[str, Tensor] | None:
        """See Family."""
        if release not in self.releases:
            return None
        from weft.nodes.diffusion.families.zimage.tiny import small_file

        return small_file(kind)

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        from weft.nodes.diffusion.families.zimage.text import load_clip

        return load_clip(paths, **more)
