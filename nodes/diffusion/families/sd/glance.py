"""What the header of a checkpoint of Stable Diffusion says: see families.glance."""

from __future__ import annotations

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families.glance import ModelGlance, Shapes
from weft.nodes.diffusion.families.known import foreign
from weft.nodes.diffusion.families.sd.keymaps.unet import PREFIX, unet_keymap
from weft.nodes.diffusion.families.sd.lora_names import unet_names
from weft.nodes.diffusion.families.sd.sizes import read_sizes

_SIDES = {"sd1": 512, "sd2": 768, "sdxl": 1024, "sdxl_refiner": 1024}
"""Pixels of the pictures that a release learnt from, by its name."""

_WIDE = 320
"""Channels of the first level of all that was released."""


def glance(shapes: Shapes) -> ModelGlance | None:
    """What a file with these keys is; None for what is none of this family, or not whole."""
    if "input_blocks.0.0.weight" in shapes:
        shapes = {PREFIX + key: shape for key, shape in shapes.items()}
    if f"{PREFIX}input_blocks.0.0.weight" not in shapes or foreign(shapes):
        return None
    try:
        release, unet, _, _ = read_sizes(shapes)
    except CheckpointError:
        return None
    layers: dict[str, tuple[int, ...]] = {}
    for old, new in unet_keymap(unet).items():
        if old.endswith(".weight") and PREFIX + old in shapes:
            names = unet_names(new.removesuffix(".weight"), old.removesuffix(".weight"))
            layers.update(dict.fromkeys(names, shapes[PREFIX + old]))
    side = _SIDES.get(release.name, 0) if unet["block_out_channels"][0] >= _WIDE else 0
    towers = tuple(tower.name for tower in release.text_encoders)
    return ModelGlance(release.title, towers, release.latent_scale, side, layers)
