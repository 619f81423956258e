"""What the header of a checkpoint of Stable Diffusion says: see families.glance."""

from __future__ import annotations

from weft.nodes.diffusion.families.glance import LatentGlance, ModelGlance, Shapes, TextGlance, VaeGlance
from weft.nodes.diffusion.families.known import VAE, foreign, prefix_before
from weft.nodes.diffusion.families.sd.keymaps import read_vae
from weft.nodes.diffusion.families.sd.keymaps.unet import PREFIX, unet_keymap
from weft.nodes.diffusion.families.sd.lora_names import unet_names
from weft.nodes.diffusion.families.sd.releases import LATENT_CHANNELS, OF_PICTURE
from weft.nodes.diffusion.families.sd.sizes import read_sizes
from weft.nodes.diffusion.weights.landings import Shapes as Stored

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
    release, unet, _, _ = read_sizes(shapes)

    def named() -> Shapes:
        layers: dict[str, tuple[int, ...]] = {}
        for old, new in unet_keymap(unet).items():
            if old.endswith(".weight") and PREFIX + old in shapes:
                names = unet_names(new.removesuffix(".weight"), old.removesuffix(".weight"))
                layers.update(dict.fromkeys(names, shapes[PREFIX + old]))
        return layers

    side = _SIDES.get(release.name, 0) if unet["block_out_channels"][0] >= _WIDE else 0
    language = " + ".join(tower.name for tower in release.text_encoders)
    text = TextGlance(language, release.title, unet["cross_attention_dim"])
    picture = unet["projection_class_embeddings_input_dim"] // 2 if release.vector == OF_PICTURE else 0
    latents = LatentGlance(LATENT_CHANNELS, space=f"sd {release.latent_scale}")
    beside = unet["in_channels"] - LATENT_CHANNELS
    return ModelGlance(release.title, text, latents, named, side, picture, beside, flow=False)


def glance_vae(shapes: Shapes) -> VaeGlance | None:
    """See Family: of all that have this layout, Stable Diffusion's with 4 channels and others with 16."""
    prefix = prefix_before(shapes, *VAE)
    if prefix is None:
        return None
    channels = read_vae(Stored(shapes, prefix))["latent_channels"]
    title = {LATENT_CHANNELS: "a VAE of Stable Diffusion 1.x to XL", 16: "a VAE of FLUX or Stable Diffusion 3"}
    return VaeGlance(title.get(channels, "a VAE"), LatentGlance(channels))
