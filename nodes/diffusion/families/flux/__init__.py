"""FLUX.1: dev and schnell. To be imported: Flux, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.flux.kind import FluxKind
    from weft.nodes.diffusion.families.image_vae import ImageVaeKind
    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.weightfile import Weights

RELEASE = "flux"


class Flux:
    """See Family."""

    title = "FLUX.1"
    releases: Mapping[str, str] = {RELEASE: "FLUX.1"}
    clip_types = ("flux",)

    def claims(self, names: Iterable[str]) -> bool:
        """See Family."""
        loras = (f"a LoRA for {of}" for of in (known.FLUX_LORA, known.JOINT_LORA))
        return known.foreign(names) in (f"a {known.FLUX} model", *loras, known.T5)

    def release_in(self, shapes: FileShapes) -> str:
        """See Family."""
        from weft.nodes.diffusion.families.flux.keymap import MARKS, title_of

        prefix = known.prefix_before(shapes, *MARKS)
        if prefix is None or known.foreign(shapes) != f"a {known.FLUX} model":
            return ""
        return title_of(prefix + "guidance_in.in_layer.weight" in shapes)

    def renamed(self, file: Weights) -> Weights:
        """See Family."""
        from weft.nodes.diffusion.families.flux.recognise import with_keys_of_checkpoint

        return with_keys_of_checkpoint(file)

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> FluxKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.flux.recognise import recognise

        return recognise(shapes)

    def renamed_vae(self, file: Weights) -> Weights:
        """See Family: it has the layout of Stable Diffusion's."""
        return file

    def recognise_vae(self, shapes: FileShapes, metadata: Mapping[str, str] | None = None) -> ImageVaeKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.image_vae import recognise_vae

        return recognise_vae(shapes)

    def renamed_controlnet(self, file: Weights) -> Weights:
        """See Family."""
        return file

    def recognise_controlnet(self, shapes: FileShapes) -> None:
        """See Family: there are none."""

    def release_meant(self, name: str) -> str:
        """See Family."""
        return RELEASE if known.family_meant(name) == known.FLUX else ""

    def small_file(self, kind: str, name: str, release: str, base: Path) -> dict[str, Tensor] | None:
        """See Family."""
        if release not in self.releases:
            return None
        from weft.nodes.diffusion.families.flux.tiny import small_file

        return small_file(kind, name)

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        from weft.nodes.diffusion.families.flux.text import load_clip

        return load_clip(paths, **more)
