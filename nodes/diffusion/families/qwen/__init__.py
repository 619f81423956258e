"""Qwen-Image. To be imported: QwenImage, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.families.qwen.kind import QwenImageKind
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.weightfile import Weights

RELEASE = "qwen_image"


class QwenImage:
    """See Family. Its VAE has the layout of Wan 2.1's, and is opened as that."""

    title = "Qwen-Image"
    releases: Mapping[str, str] = {RELEASE: "Qwen-Image"}
    clip_types = ("qwen_image",)

    def claims(self, names: Iterable[str]) -> bool:
        """See Family."""
        loras = (f"a LoRA for {of}" for of in (known.QWEN, known.JOINT_LORA))
        return known.foreign(names) in (f"a {known.QWEN} model", *loras, known.WAN_VAE, known.LANGUAGE)

    def release_in(self, shapes: FileShapes) -> str:
        """See Family."""
        return self.title if known.foreign(shapes) == f"a {known.QWEN} model" else ""

    def renamed(self, file: Weights) -> Weights:
        """See Family."""
        from weft.nodes.diffusion.families.qwen.recognise import with_keys_of_checkpoint

        return with_keys_of_checkpoint(file)

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> QwenImageKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.qwen.recognise import recognise

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
        """See Family."""
        return RELEASE if known.family_meant(name) == known.QWEN and "qwen_3" not in name.lower() else ""

    def small_file(self, kind: str, name: str, release: str, base: Path) -> dict[str, Tensor] | None:
        """See Family."""
        if release not in self.releases:
            return None
        from weft.nodes.diffusion.families.qwen.tiny import small_file

        return small_file(kind)

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        from weft.nodes.diffusion.families.qwen.text import load_clip

        return load_clip(paths, **more)
