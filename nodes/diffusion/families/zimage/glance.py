"""What the header of a file of Z-Image says: see families.glance."""

from __future__ import annotations

from functools import partial

from weft.nodes.diffusion.families.flux.glance import LATENTS
from weft.nodes.diffusion.families.glance import ModelGlance, PatchGlance, Shapes, TextGlance, layers_of
from weft.nodes.diffusion.families.known import prefix_before
from weft.nodes.diffusion.families.zimage.keymap import landings, names_in, read_sizes
from weft.nodes.diffusion.families.zimage.lora_names import places
from weft.nodes.diffusion.weights.landings import Shapes as Stored

TITLE = "Z-Image"
# Of Fun ControlNets (fun.py): what every file has, and what those have whose refiners go beside the model's.
_FUN = "control_all_x_embedder.2-1.weight"
FUN_REFINER = "control_noise_refiner.0.before_proj.weight"
_CHANNELS = 16


def glance(shapes: Stored) -> ModelGlance:
    """See TransformerFamily.glance_in. Its latents are FLUX.1's."""
    sizes = read_sizes(shapes)

    def named() -> Shapes:
        lands = landings(names_in(shapes), sizes["dim"])
        return layers_of(shapes, lands, partial(places, landings=lands))

    return ModelGlance(TITLE, TextGlance("lumina2", TITLE, sizes["cap_feat_dim"]), LATENTS, named)


def read_fun(shapes: Shapes) -> tuple[str, dict[str, int]] | None:
    """What stands before the keys of a Fun ControlNet, and its sizes; None for another file."""
    prefix = prefix_before(shapes, _FUN)
    if prefix is None:
        return None
    own = Stored(shapes, prefix)
    width, patched = own.of(_FUN, 2)
    blocks, refiners = (len(own.indices(rf"{name}\.(\d+)\.")) for name in ("control_layers", "control_noise_refiner"))
    return prefix, {"width": width, "channels": patched // 4, "blocks": blocks, "refiners": refiners}


def glance_patch(shapes: Shapes) -> PatchGlance | None:
    """See Family."""
    found = read_fun(shapes)
    if found is None:
        return None
    return PatchGlance("a Fun ControlNet", TITLE, False if found[1]["channels"] == _CHANNELS else None)
