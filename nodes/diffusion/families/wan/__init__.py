"""Wan 2.1 and 2.2: text-to-video, image-to-video, and 2.2 5B. To be imported: Wan, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.families.wan.kind import WanKind
    from weft.nodes.diffusion.families.wan.vae import VideoVaeKind
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.weightfile import Weights

T2V, I2V, TI2V = "wan", "wan_i2v", "wan_ti2v"


class Wan:
    """See Family."""

    title = "Wan 2.1 and 2.2"
    releases: Mapping[str, str] = {T2V: "Wan", I2V: "Wan image-to-video", TI2V: "Wan 2.2 5B"}
    clip_types = ("wan",)

    def claims(self, names: Iterable[str]) -> bool:
        """See Family."""
        found = known.foreign(names)
        return found in (f"a {known.WAN} model", f"a LoRA for {known.WAN_LORA}", known.WAN_VAE, known.UMT5)

    def release_in(self, shapes: FileShapes) -> str:
        """See Family."""
        from weft.nodes.diffusion.families.wan.keymap import MARK, title_of
        from weft.nodes.diffusion.weights.landings import Shapes

        prefix = known.prefix_before(shapes, MARK)
        return "" if prefix is None else title_of(Shapes(shapes, prefix))

    def renamed(self, file: Weights) -> Weights:
        """See Family."""
        from weft.nodes.diffusion.families.wan.recognise import with_keys_of_checkpoint

        return with_keys_of_checkpoint(file)

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> WanKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.wan.recognise import recognise

        return recognise(shapes)

    def renamed_vae(self, file: Weights) -> Weights:
        """See Family."""
        return file

    def recognise_vae(self, shapes: FileShapes, metadata: Mapping[str, str] | None = None) -> VideoVaeKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.wan.vae import recognise_vae

        return recognise_vae(shapes)

    def renamed_controlnet(self, file: Weights) -> Weights:
        """See Family."""
        return file

    def recognise_controlnet(self, shapes: FileShapes) -> None:
        """See Family: there are none."""

    def release_meant(self, name: str) -> str:
        """See Family."""
        if known.family_meant(name) != known.WAN:
            return ""
        name = name.lower()
        if "ti2v" in name or "5b" in name or "wan2.2_vae" in name:
            return TI2V
        return I2V if "i2v" in name or "flf2v" in name or "fun" in name else T2V

    def small_file(self, kind: str, name: str, release: str, base: Path) -> dict[str, Tensor] | None:
        """See Family."""
        if release not in self.releases:
            return None
        from weft.nodes.diffusion.families.wan.tiny import small_file

        return small_file(kind, name, release)

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        from weft.nodes.diffusion.families.wan.text import load_clip

        return load_clip(paths, **more)
