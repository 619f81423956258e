"""Stable Diffusion 1.x, 2.x, XL, the XL refiner, Lotus (of 2.x). To be imported: StableDiffusion, without torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.glance import ModelGlance, TextFile, TextGlance, TextSet, VaeGlance
from weft.nodes.diffusion.families.text_files import CLIP_G, CLIP_H, CLIP_L

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.protocol import FileShapes, Read
    from weft.nodes.diffusion.families.sd.controlnet import SDControlKind
    from weft.nodes.diffusion.families.sd.kind import SDKind, SDVaeKind
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.weightfile import Weights

_NAMES = (
    ("lotus", r"lotus"),
    ("sdxl_refiner", r"refiner"),
    ("sdxl", r"(?<![a-z])(sd)?xl|xl(?![a-z])|pony|illustrious|noob|animagine"),
    ("sd2", r"(?<![a-z])(v|sd)[-_. ]?2[-_. ]?[01]|768-v|stable-diffusion-2"),
)
"""Release -> what files of it have in their names."""


class StableDiffusion:
    """See Family."""

    title = "Stable Diffusion 1.x, 2.x and XL"
    releases: Mapping[str, str] = {
        "sd1": "SD 1.x",
        "sd2": "SD 2.x",
        "sdxl": "SDXL",
        "sdxl_refiner": "the SDXL refiner",
        "lotus": "Lotus",
    }
    clip_types: Mapping[str, Sequence[TextSet]] = {
        "stable_diffusion": (TextSet((CLIP_L,)), TextSet((CLIP_H,)), TextSet((CLIP_G,))),
        "sdxl": (TextSet((CLIP_L, CLIP_G)),),
    }

    def claims(self, names: Iterable[str]) -> bool:
        """See Family. What nobody knows is left to the loader, which says what it misses."""
        return not known.foreign(names)

    def release_in(self, shapes: FileShapes) -> str:
        """See Family. A file of a UNet alone has its keys without a prefix."""
        from weft.nodes.diffusion.families.sd.keymaps.unet import PREFIX
        from weft.nodes.diffusion.families.sd.sizes import read_sizes

        if known.UNET in shapes:
            shapes = {PREFIX + name: shape for name, shape in shapes.items()}
        return read_sizes(shapes).release.title if PREFIX + known.UNET in shapes else ""

    def glance(self, shapes: FileShapes) -> ModelGlance | None:
        """See Family."""
        from weft.nodes.diffusion.families.sd.glance import glance

        return glance(shapes)

    def glance_vae(self, shapes: FileShapes) -> VaeGlance | None:
        """See Family."""
        from weft.nodes.diffusion.families.sd.glance import glance_vae

        return glance_vae(shapes)

    def glance_clip(self, clip_type: str, encoders: Sequence[TextFile]) -> TextGlance:
        """See Family: the rows of all stand side by side."""
        language = " + ".join(each.name for each in encoders)
        return TextGlance(language, self.title, sum(each.width for each in encoders))

    def renamed(self, file: Weights) -> Weights:
        """See Family."""
        from weft.nodes.diffusion.families.sd.layouts import with_unet_of_checkpoint

        return with_unet_of_checkpoint(file)

    def recognise(
        self, shapes: FileShapes, metadata: Mapping[str, str] | None = None, read: Read | None = None
    ) -> SDKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.sd.recognise import recognise

        return recognise(shapes, metadata, read)

    def renamed_vae(self, file: Weights) -> Weights:
        """See Family."""
        from weft.nodes.diffusion.families.sd.layouts import with_vae_of_its_own

        return with_vae_of_its_own(file)

    def recognise_vae(self, shapes: FileShapes, metadata: Mapping[str, str] | None = None) -> SDVaeKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.sd.recognise import recognise_vae

        return recognise_vae(shapes, metadata)

    def renamed_controlnet(self, file: Weights) -> Weights:
        """See Family."""
        from weft.nodes.diffusion.families.sd.layouts import with_control_of_its_own

        return with_control_of_its_own(file)

    def recognise_controlnet(self, shapes: FileShapes) -> SDControlKind | None:
        """See Family."""
        from weft.nodes.diffusion.families.sd.recognise import recognise_controlnet

        return recognise_controlnet(shapes)

    def recognise_patch(self, shapes: FileShapes, read: Read | None = None) -> None:
        """See Family: there are none."""

    def glance_patch(self, shapes: FileShapes) -> None:
        """See Family: there are none."""

    def release_meant(self, name: str) -> str:
        """See Family."""
        if known.family_meant(name):
            return ""
        return next((release for release, pattern in _NAMES if re.search(pattern, name.lower())), "sd1")

    def small_file(self, kind: str, name: str, release: str, base: Path) -> dict[str, Tensor] | None:
        """See Family."""
        if release not in self.releases:
            return None
        from weft.nodes.diffusion.families.sd.tiny import small_file

        return small_file(kind, name, release, base)

    def load_clip(self, paths: Sequence[Path], clip_type: str, **more: Any) -> Clip:
        """See Family."""
        from weft.nodes.diffusion.families.sd.towers import load_clip

        return load_clip(paths, clip_type, **more)
