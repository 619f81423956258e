"""Wan 2.1 and 2.2: text-to-video, image-to-video, 2.2 5B, Fun, camera and VACE. To be imported: Wan, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.glance import TextSet
from weft.nodes.diffusion.families.text_files import UMT5
from weft.nodes.diffusion.families.transformer_family import TransformerFamily
from weft.nodes.diffusion.families.wan.releases import RELEASES, release_meant

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.glance import ModelGlance, VaeGlance
    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.families.wan.kind import WanKind
    from weft.nodes.diffusion.families.wan.vae import VideoVaeKind
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.landings import Shapes


class Wan(TransformerFamily):
    """See Family."""

    title = "Wan 2.1 and 2.2"
    releases: Mapping[str, str] = {name: release.title for name, release in RELEASES.items()}
    clip_types: Mapping[str, Sequence[TextSet]] = {"wan": (TextSet((UMT5,)),)}
    claimed = (known.model(known.WAN), f"a LoRA for {known.WAN_LORA}", known.WAN_VAE, known.UMT5)

    def prefix_in(self, shapes: FileShapes) -> str | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.wan.keymap import MARK

        return known.prefix_before(shapes, MARK)

    def title_in(self, shapes: Shapes) -> str:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.wan.keymap import title_of

        return title_of(shapes)

    def glance_in(self, shapes: Shapes) -> ModelGlance:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.wan.glance import glance

        return glance(shapes)

    def glance_vae(self, shapes: FileShapes) -> VaeGlance | None:
        """See Family."""
        from weft.nodes.diffusion.families.wan.glance import glance_vae

        return glance_vae(shapes)

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> WanKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.wan.recognise import recognise

        return recognise(shapes)

    def recognise_vae(self, shapes: FileShapes, metadata: Mapping[str, str] | None = None) -> VideoVaeKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.wan.vae import recognise_vae

        return recognise_vae(shapes)

    def release_meant(self, name: str) -> str:
        """See Family."""
        return release_meant(name) if known.family_meant(name) == known.WAN else ""

    def small(self, kind: str, name: str, release: str) -> dict[str, Tensor] | None:
        """See TransformerFamily."""
        from weft.nodes.diffusion.families.wan.tiny import small_file

        return small_file(kind, name, release)

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        from weft.nodes.diffusion.families.wan.text import load_clip

        return load_clip(paths, **more)
