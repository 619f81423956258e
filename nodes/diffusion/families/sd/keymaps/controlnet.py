"""ControlNets (Zhang et al. 2023): the two layouts of their keys, and diffusers' names.

`control_model.`: the original layout, a copy of the UNet's first half with the same names, the layers that read the
hint as `input_hint_block.N`, and the zero convolutions. diffusers' layout is that of its ControlNetModel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families.sd.keymaps.unet import encoder_keymap, read_encoder, structure_of_unet
from weft.nodes.diffusion.weights.landings import Shapes

PREFIX = "control_model."
# A file that holds what to add to a UNet's weights has this key.
DIFFERENCE = "difference"
# A file that holds a difference of low rank, a control-LoRA, has this key.
LOW_RANK = "lora_controlnet"
_BOTH = (".weight", ".bias")
_HINT = "controlnet_cond_embedding"


def controlnet_keymap(net: Mapping[str, Any]) -> dict[str, str]:
    """Every parameter of a ControlNet: its name in the original layout -> its name in diffusers; one to one.

    Args:
        net: keyword arguments of diffusers' ControlNetModel, as `read_controlnet` gives them.
    """
    pairs, skips = encoder_keymap(net)
    blocks = 2 * (len(net["conditioning_embedding_out_channels"]) - 1)
    modules = [("input_hint_block.0", f"{_HINT}.conv_in")]
    modules += [(f"input_hint_block.{2 * block + 2}", f"{_HINT}.blocks.{block}") for block in range(blocks)]
    modules += [(f"input_hint_block.{2 * blocks + 2}", f"{_HINT}.conv_out")]
    modules += [(f"zero_convs.{skip}.0", f"controlnet_down_blocks.{skip}") for skip in range(len(skips))]
    modules += [("middle_block_out.0", "controlnet_mid_block")]
    return dict(pairs) | {old + end: new + end for old, new in modules for end in _BOTH}


def read_controlnet(shapes: Shapes) -> dict[str, Any]:
    """Keyword arguments of ControlNetModel as far as shapes in the original layout tell them: all but the heads.

    Raises:
        CheckpointError: a key that the structure needs is missing, or the structure is none that diffusers builds.
    """
    kwargs = read_encoder(shapes)
    hint = [shapes.of(f"input_hint_block.{n}.weight", 4) for n in shapes.indices(r"input_hint_block\.(\d+)\.weight")]
    if len(hint) < 4:
        raise CheckpointError(
            f"no ControlNet that reads pictures: {len(hint)} layers {shapes.prefix}input_hint_block.N"
        )
    # Each width but the last is read by two convolutions: [a, 3], [a, a], [b, a], [b, b], ...
    widths = tuple(out for out, *_ in hint[:-1][::2])
    return {
        **kwargs,
        "conditioning_channels": hint[0][1],
        "conditioning_embedding_out_channels": widths,
    }


def diffusers_shapes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shapes of a file in diffusers' layout under the names of the original layout, as far as structure needs them.

    What is not of a ControlNet keeps its name, so that a check of the keys can tell.
    """
    found = Shapes(shapes)
    hints = len(found.indices(rf"{_HINT}\.blocks\.(\d+)\."))
    if hints < 2:
        raise CheckpointError("the keys are no ControlNet's in diffusers' layout: no hint layers")
    structure = structure_of_unet(found) | {"conditioning_embedding_out_channels": (0,) * (hints // 2 + 1)}
    names = {new: old for old, new in controlnet_keymap(structure).items()}
    return {names.get(key, key): tuple(shape) for key, shape in shapes.items()}
