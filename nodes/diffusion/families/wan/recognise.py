"""What a file of Wan is, told by its keys and their shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families.transformer_family import PREFIX
from weft.nodes.diffusion.families.wan.keymap import MARK, read_sizes, reads, title_of
from weft.nodes.diffusion.families.wan.kind import WanKind
from weft.nodes.diffusion.families.wan.vae import recognise_vae
from weft.nodes.diffusion.weights.landings import Shapes

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes

# Layers of variants that are not here yet, and what these are.
_VARIANTS = {
    "face_adapter.fuser_blocks.0.linear1_kv.weight": "Wan Animate",
    "casual_audio_encoder.weights": "Wan S2V",
    "audio_proj.proj1.weight": "Wan with sound",
}


def recognise(shapes: FileShapes) -> WanKind | None:
    """See Family.recognise."""
    found = Shapes(shapes, PREFIX)
    if MARK not in found:
        return None
    for key, what in _VARIANTS.items():
        if key in found:
            raise CheckpointError(f"this is {what}, which is not supported")
    sizes = read_sizes(found)
    if reads(sizes) is None:
        got = f"reads {sizes['in_channels']} channels and gives {sizes['out_channels']}"
        raise CheckpointError(
            f"this is a model of Wan that {got}: expected 16, 32, 36, 48 or 52 and 16, or 48, 100 or 148 and 48"
        )
    return WanKind(sizes, title_of(found), recognise_vae(shapes, "vae."))
