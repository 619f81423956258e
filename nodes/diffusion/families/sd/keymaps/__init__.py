"""Where each key of a single-file checkpoint lands in the networks of diffusers and transformers.

A layout is a pure function of a network's keyword arguments: `unet_keymap(kwargs)` lists every parameter, both
names. `read_*` goes the other way, from the shapes in a file to the keyword arguments. A Landing adds what happens
to the tensor on its way, where a file stores it in another form.
"""

from weft.nodes.diffusion.families.sd.keymaps.clip import clip_landings, read_clip
from weft.nodes.diffusion.families.sd.keymaps.controlnet import controlnet_keymap, diffusers_shapes, read_controlnet
from weft.nodes.diffusion.families.sd.keymaps.unet import read_unet, structure_of_unet, unet_keymap
from weft.nodes.diffusion.families.sd.keymaps.vae import read_vae, structure_of_vae, vae_keymap, vae_landings

__all__ = [
    "clip_landings",
    "controlnet_keymap",
    "diffusers_shapes",
    "read_clip",
    "read_controlnet",
    "read_unet",
    "read_vae",
    "structure_of_unet",
    "structure_of_vae",
    "unet_keymap",
    "vae_keymap",
    "vae_landings",
]
