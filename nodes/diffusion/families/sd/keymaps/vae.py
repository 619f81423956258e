"""The autoencoder of Stable Diffusion: keys of the original layout and diffusers' names.

Layout: CompVis/latent-diffusion, model.py; under `first_stage_model.` in a checkpoint, without prefix in a file of
its own. The attention in the middle is stored as 1x1 convolutions, which diffusers computes as linear layers. The
decoder's levels count from the output (`up.0` is the widest image), diffusers' from the input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.weights.landings import Landing, Shapes

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "first_stage_model."
_BOTH = (".weight", ".bias")
_ENDS = {"conv_in": "conv_in", "norm_out": "conv_norm_out", "conv_out": "conv_out"}
_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
_CONVOLVED = tuple(f".mid.attn_1.{name}.weight" for name in ("q", "k", "v", "proj_out"))


def vae_keymap(vae: Mapping[str, Any]) -> dict[str, str]:
    """Every parameter of an autoencoder: its name in a single file -> its name in diffusers; one to one.

    Args:
        vae: keyword arguments of diffusers' AutoencoderKL, as `Family.vae` has them.
    """
    channels = tuple(vae["block_out_channels"])
    layers, last = vae["layers_per_block"], len(channels) - 1
    beside = ("quant_conv", "post_quant_conv")
    modules = [(name, name) for name in beside if vae.get(f"use_{name}", True)]
    for half in ("encoder", "decoder"):
        modules += [(f"{half}.{old}", f"{half}.{new}") for old, new in _ENDS.items()]
        modules += _resnet(f"{half}.mid.block_1", f"{half}.mid_block.resnets.0", False)
        modules += _resnet(f"{half}.mid.block_2", f"{half}.mid_block.resnets.1", False)
        attention = f"{half}.mid.attn_1", f"{half}.mid_block.attentions.0"
        modules += [(f"{attention[0]}.{old}", f"{attention[1]}.{new}") for old, new in _ATTENTION.items()]
    for level, width in enumerate(channels):
        before = channels[max(level - 1, 0)]
        for layer in range(layers):
            old, new = f"encoder.down.{level}.block.{layer}", f"encoder.down_blocks.{level}.resnets.{layer}"
            modules += _resnet(old, new, layer == 0 and width != before)
        if level != last:
            modules.append(
                (f"encoder.down.{level}.downsample.conv", f"encoder.down_blocks.{level}.downsamplers.0.conv")
            )
    for level, width in enumerate(channels):
        block, before = last - level, channels[min(level + 1, last)]
        for layer in range(layers + 1):
            old, new = f"decoder.up.{level}.block.{layer}", f"decoder.up_blocks.{block}.resnets.{layer}"
            modules += _resnet(old, new, layer == 0 and width != before)
        if level != 0:
            modules.append((f"decoder.up.{level}.upsample.conv", f"decoder.up_blocks.{block}.upsamplers.0.conv"))
    return {old + end: new + end for old, new in modules for end in _BOTH}


def vae_landings(vae: Mapping[str, Any]) -> dict[str, tuple[Landing, ...]]:
    """`vae_keymap` with the 1x1 convolutions of the attention turned into matrices."""
    return {
        old: (Landing(new, as_matrix, as_convolution) if old.endswith(_CONVOLVED) else Landing(new),)
        for old, new in vae_keymap(vae).items()
    }


def as_matrix(tensor: Tensor) -> Tensor:
    """A 1x1 convolution's weight [O, I, 1, 1] as the matrix [O, I]; a matrix as it is."""
    return tensor[:, :, 0, 0] if tensor.dim() == 4 and tensor.shape[2:] == (1, 1) else tensor


def as_convolution(tensor: Tensor) -> Tensor:
    """A matrix [O, I] as a 1x1 convolution's weight [O, I, 1, 1]."""
    return tensor[:, :, None, None]


def _resnet(old: str, new: str, shortcut: bool) -> Iterator[tuple[str, str]]:
    for name in ("norm1", "conv1", "norm2", "conv2"):
        yield f"{old}.{name}", f"{new}.{name}"
    if shortcut:
        yield f"{old}.nin_shortcut", f"{new}.conv_shortcut"


def read_vae(shapes: Shapes) -> dict[str, Any]:
    """Keyword arguments of AutoencoderKL, as far as shapes tell them: all but the number of groups of its norms.

    A file may hold the encoder or the decoder alone; what only the other half tells is then as in Stable Diffusion.

    Raises:
        CheckpointError: a key that the structure needs is missing.
    """
    half, blocks = ("encoder", "down") if shapes.any("encoder.down.") else ("decoder", "up")
    levels = shapes.indices(rf"{half}\.{blocks}\.(\d+)\.")
    layers = shapes.indices(rf"{half}\.{blocks}\.0\.block\.(\d+)\.")
    if not levels or not layers:
        raise CheckpointError(f"no key starts with {f'{shapes.prefix}{half}.{blocks}.0.block.'!r}")
    channels = [shapes.of(f"{half}.{blocks}.{level}.block.0.conv1.weight", 4)[0] for level in levels]
    # The decoder has one layer more at each level.
    return _kwargs(shapes, channels, len(layers) - (half == "decoder"))


def structure_of_vae(shapes: Shapes) -> dict[str, Any]:
    """As `read_vae`, told by the keys of an autoencoder in diffusers' layout."""
    half, blocks = ("encoder", "down_blocks") if shapes.any("encoder.down_blocks.") else ("decoder", "up_blocks")
    levels = shapes.indices(rf"{half}\.{blocks}\.(\d+)\.")
    layers = shapes.indices(rf"{half}\.{blocks}\.0\.resnets\.(\d+)\.")
    if not levels or not layers:
        raise CheckpointError(f"no key starts with {f'{shapes.prefix}{half}.{blocks}.0.resnets.'!r}")
    channels = [shapes.of(f"{half}.{blocks}.{level}.resnets.0.conv1.weight", 4)[0] for level in levels]
    if half == "decoder":
        channels.reverse()
    return _kwargs(shapes, channels, len(layers) - (half == "decoder"))


def _kwargs(shapes: Shapes, channels: Sequence[int], layers: int) -> dict[str, Any]:
    """The keyword arguments: these names are the same in both layouts."""
    encoder, decoder = shapes.any("encoder."), shapes.any("decoder.")
    latent = shapes.of("decoder.conv_in.weight", 4)[1] if decoder else shapes.of("encoder.conv_out.weight", 4)[0] // 2
    return {
        "in_channels": shapes.of("encoder.conv_in.weight", 4)[1] if encoder else 3,
        "out_channels": shapes.of("decoder.conv_out.weight", 4)[0] if decoder else 3,
        "latent_channels": latent,
        "block_out_channels": tuple(channels),
        "layers_per_block": layers,
        "down_block_types": ("DownEncoderBlock2D",) * len(channels),
        "up_block_types": ("UpDecoderBlock2D",) * len(channels),
        "norm_num_groups": 32,
    }
