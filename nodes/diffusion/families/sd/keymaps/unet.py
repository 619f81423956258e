"""The UNet of Stable Diffusion: keys of the original layout (`input_blocks.N...`) and diffusers' names.

Layout: CompVis/latent-diffusion, openaimodel.py; names after the prefix `model.diffusion_model.`. One sequence of
input blocks holds conv_in, then per level its residual blocks and a downsampler; output blocks go back up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.weights.landings import Shapes

PREFIX = "model.diffusion_model."
_BOTH = (".weight", ".bias")
_OUT = {"out.0": "conv_norm_out", "out.2": "conv_out"}
_TIME = {"time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2"}
_VECTOR = {"label_emb.0.0": "add_embedding.linear_1", "label_emb.0.2": "add_embedding.linear_2"}
_PICTURE = {"label_emb.0.0": "class_embedding.linear_1", "label_emb.0.2": "class_embedding.linear_2"}
_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
}
_SHORTCUT = {"skip_connection": "conv_shortcut"}
# Inside a transformer both layouts use the same names.
_ATTENTION = ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "to_out.0.bias")
_BLOCK = tuple(
    [layer + end for layer in ("norm1", "norm2", "norm3", "ff.net.0.proj", "ff.net.2") for end in _BOTH]
    + [f"{attention}.{name}" for attention in ("attn1", "attn2") for name in _ATTENTION]
)


def unet_keymap(unet: Mapping[str, Any]) -> dict[str, str]:
    """Every parameter of a UNet: its name in a single file -> its name in diffusers; one to one.

    Args:
        unet: keyword arguments of diffusers' UNet2DConditionModel, as `Family.unet` has them.
    """
    pairs, skips = encoder_keymap(unet)
    pairs += [(old + end, new + end) for old, new in _OUT.items() for end in _BOTH]
    channels, layers = tuple(unet["block_out_channels"]), unet["layers_per_block"]
    index, width = 0, channels[-1]
    for block, level in enumerate(reversed(range(len(channels)))):
        depth = _depths(unet)[level]
        for layer in range(layers + 1):
            old, new = f"output_blocks.{index}", f"up_blocks.{block}"
            pairs += _resnet(f"{old}.0", f"{new}.resnets.{layer}", width + skips.pop() != channels[level])
            if depth:
                pairs += _transformer(f"{old}.1", f"{new}.attentions.{layer}", depth)
            index, width = index + 1, channels[level]
        if level != 0:
            old, new = f"output_blocks.{index - 1}.{1 + bool(depth)}.conv", f"up_blocks.{block}.upsamplers.0.conv"
            pairs += [(old + end, new + end) for end in _BOTH]
    return dict(pairs)


def encoder_keymap(unet: Mapping[str, Any]) -> tuple[list[tuple[str, str]], list[int]]:
    """The pairs of names of a UNet's first half and middle, and the channels of its skip connections, in order."""
    vector = _VECTOR if unet.get("addition_embed_type") else _PICTURE if unet.get("class_embed_type") else {}
    names = {"input_blocks.0.0": "conv_in", **_TIME, **vector}
    pairs = [(old + end, new + end) for old, new in names.items() for end in _BOTH]
    channels = tuple(unet["block_out_channels"])
    last = len(channels) - 1

    index, width, skips = 1, channels[0], [channels[0]]
    for level, out in enumerate(channels):
        depth = _depths(unet)[level]
        for layer in range(unet["layers_per_block"]):
            old, new = f"input_blocks.{index}", f"down_blocks.{level}"
            pairs += _resnet(f"{old}.0", f"{new}.resnets.{layer}", width != out)
            if depth:
                pairs += _transformer(f"{old}.1", f"{new}.attentions.{layer}", depth)
            index, width = index + 1, out
            skips.append(out)
        if level != last:
            old, new = f"input_blocks.{index}.0.op", f"down_blocks.{level}.downsamplers.0.conv"
            pairs += [(old + end, new + end) for end in _BOTH]
            index += 1
            skips.append(out)

    pairs += _resnet("middle_block.0", "mid_block.resnets.0", False)
    pairs += _transformer("middle_block.1", "mid_block.attentions.0", unet["transformer_layers_per_block"][last])
    pairs += _resnet("middle_block.2", "mid_block.resnets.1", False)
    return pairs, skips


def _depths(unet: Mapping[str, Any]) -> tuple[int, ...]:
    """Transformer blocks at each level, 0 without attention."""
    kinds, depths = unet["down_block_types"], unet["transformer_layers_per_block"]
    return tuple(depth if kind.startswith("CrossAttn") else 0 for kind, depth in zip(kinds, tuple(depths), strict=True))


def _resnet(old: str, new: str, shortcut: bool) -> Iterator[tuple[str, str]]:
    for inner, name in {**_RESNET, **(_SHORTCUT if shortcut else {})}.items():
        for end in _BOTH:
            yield f"{old}.{inner}{end}", f"{new}.{name}{end}"


def _transformer(old: str, new: str, depth: int) -> Iterator[tuple[str, str]]:
    names = [layer + end for layer in ("norm", "proj_in", "proj_out") for end in _BOTH]
    names += [f"transformer_blocks.{block}.{name}" for block in range(depth) for name in _BLOCK]
    for name in names:
        yield f"{old}.{name}", f"{new}.{name}"


def read_unet(shapes: Shapes) -> dict[str, Any]:
    """Keyword arguments of UNet2DConditionModel as far as shapes tell them: all but the number of heads.

    Raises:
        CheckpointError: a key that the structure needs is missing, or the structure is none that diffusers builds.
    """
    kwargs = read_encoder(shapes)
    kinds = {"CrossAttnDownBlock2D": "CrossAttnUpBlock2D", "DownBlock2D": "UpBlock2D"}
    kwargs["up_block_types"] = tuple(kinds[kind] for kind in reversed(kwargs["down_block_types"]))
    kwargs["out_channels"] = shapes.of("out.2.weight", 4)[0]
    return kwargs


def read_encoder(shapes: Shapes) -> dict[str, Any]:
    """As `read_unet`, of a UNet's first half and middle alone."""
    start, in_channels, *_ = shapes.of("input_blocks.0.0.weight", 4)
    channels, layers, depths = _levels(shapes)
    middle = len(shapes.indices(r"middle_block\.1\.transformer_blocks\.(\d+)\."))
    context = shapes.first(r".*\.attn2\.to_k\.weight")
    projection = shapes.first(r".*\.1\.proj_in\.weight")
    if not middle or context is None or projection is None:
        raise CheckpointError(f"no cross-attention in the middle of the UNet ({shapes.prefix}middle_block.1)")
    if start != channels[0]:
        raise CheckpointError(f"the UNet starts {start} wide and its first level is {channels[0]} wide: expected equal")
    if depths[-1] not in (0, middle):
        got = f"{depths[-1]} blocks at the last level and {middle} in the middle"
        raise CheckpointError(f"the UNet's transformers have {got}: expected equal")
    kwargs: dict[str, Any] = {
        "in_channels": in_channels,
        **encoder_kwargs(channels, layers, depths, middle),
        "cross_attention_dim": context[-1],
        "use_linear_projection": len(projection) == 2,
        "norm_num_groups": 32,
    }
    if shapes.any("label_emb."):
        kwargs["projection_class_embeddings_input_dim"] = shapes.of("label_emb.0.0.weight", 2)[1]
    return kwargs


def encoder_kwargs(channels: Sequence[int], layers: int, depths: Sequence[int], middle: int) -> dict[str, Any]:
    """The structure of a UNet's first half as keyword arguments: transformer blocks at each level, 0 for none."""
    return {
        "block_out_channels": tuple(channels),
        "layers_per_block": layers,
        "transformer_layers_per_block": tuple(depth or middle for depth in depths),
        "down_block_types": tuple("CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths),
    }


def _levels(shapes: Shapes) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    """Channels of each level, residual blocks a level, and transformer blocks at each level (0: no attention)."""
    levels: list[list[tuple[int, int]]] = [[]]
    for index in shapes.indices(r"input_blocks\.(\d+)\.")[1:]:
        block = f"input_blocks.{index}"
        if shapes.any(f"{block}.0.op."):
            levels.append([])
            continue
        depth = len(shapes.indices(rf"input_blocks\.{index}\.1\.transformer_blocks\.(\d+)\."))
        levels[-1].append((shapes.of(f"{block}.0.in_layers.2.weight", 4)[0], depth))
    if not levels[0] or any(level != level[:1] * len(levels[0]) for level in levels):
        found = "; ".join(" ".join(f"{width}/{depth}" for width, depth in level) or "none" for level in levels)
        raise CheckpointError(f"the UNet's levels are irregular (channels/transformer blocks of each block: {found})")
    return tuple(level[0][0] for level in levels), len(levels[0]), tuple(level[0][1] for level in levels)


def structure_of_unet(shapes: Shapes) -> dict[str, Any]:
    """What `unet_keymap` and `encoder_keymap` ask for, told by the keys of a UNet in diffusers' layout.

    Raises:
        CheckpointError: a key that the structure needs is missing.
    """
    layers = len(shapes.indices(r"down_blocks\.0\.resnets\.(\d+)\."))
    levels = len(shapes.indices(r"down_blocks\.(\d+)\."))
    if not layers or not levels:
        raise CheckpointError(f"no key starts with {shapes.prefix + 'down_blocks.0.resnets.'!r}")
    depths = [
        len(shapes.indices(rf"down_blocks\.{level}\.attentions\.0\.transformer_blocks\.(\d+)\."))
        for level in range(levels)
    ]
    middle = len(shapes.indices(r"mid_block\.attentions\.0\.transformer_blocks\.(\d+)\."))
    channels = [shapes.of(f"down_blocks.{level}.resnets.0.conv1.weight", 4)[0] for level in range(levels)]
    vector = {"addition_embed_type": "text_time"} if shapes.any("add_embedding.") else {}
    if shapes.any("class_embedding."):
        vector = {"class_embed_type": "projection"}
    return {**encoder_kwargs(channels, layers, depths, middle), **vector}
