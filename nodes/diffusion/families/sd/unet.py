"""A UNet's forward pass with places to step in: what FreeU, Deep Shrink, PAG, token merging and third-party packs use.

`forward` walks the modules of a diffusers UNet2DConditionModel in their order and calls, at fixed places, the functions
that `transformer_options` names. No module is changed, hooked or copied, so a branch of a graph without these functions
cannot see them, and two runs may share one network. Without any the network's own forward is used (`is_patched`).

Blocks are counted as in the original LDM code, since that is how packs name them: ("input", 0) is the first
convolution, each residual block (with its transformer) and each resampling that stands alone is one more;
("middle", 0); ("output", n) is a residual block with its transformer and, at the end of a resolution, its upsampling.

transformer_options, ComfyUI's keys:
    patches: {name: [function, ...]}, called in order, each on what the one before gave:
        input_block_patch(h, options) -> h: what an input block made, before it is kept as a skip connection
        input_block_patch_after_skip(h, options) -> h: the same after it was kept
        output_block_patch(h, skip, options) -> (h, skip): before an output block joins them
        attn1_patch, attn2_patch(x, keys, values, options) -> (x, keys, values): the inputs [N,T,C] of self and cross
            attention, before their projections
        middle_patch(x, options) -> x: between self and cross attention
        attn1_output_patch, attn2_output_patch(x, options) -> x: what attention gives, before it is added
    patches_replace: {"attn1" | "attn2": {(block, number) or (block, number, index): function}}:
        function(q, k, v, options) -> [N,T,C], in place of softmax attention; q, k, v are projected, not split in heads
    optimized_attention_override: function(attention, q, k, v, heads, ...) -> [N,T,C], in place of every attention that
        is not replaced; attention is interop.attention's, and options are given as transformer_options
Each function is given options with, besides all the caller put there: block (as above), block_index (which transformer
layer of the block), transformer_index (which transformer of the network), n_heads, dim_head, original_shape (of the
network's input) and activations_shape (of the feature map [N,C,h,w] that the tokens were).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.protocol import Places
from weft.nodes.diffusion.interop.attention import OVERRIDE, attention_pytorch

Options = Mapping[str, Any]
Block = tuple[str, int]

BLOCK_PATCHES = ("input_block_patch", "input_block_patch_after_skip", "output_block_patch")
ATTENTION_PATCHES = (
    "attn1_patch",
    "attn1_output_patch",
    "middle_patch",
    "attn2_patch",
    "attn2_output_patch",
)
REPLACEABLE = ("attn1", "attn2")
PLACES = Places((*BLOCK_PATCHES, *ATTENTION_PATCHES), REPLACEABLE)


def is_patched(options: Options) -> bool:
    """Whether transformer_options change the forward pass. Raises DiffusionError where they name no known place."""
    patches = {name for name, functions in options.get("patches", {}).items() if functions}
    replaced = {name for name, functions in options.get("patches_replace", {}).items() if functions}
    unknown = [*(patches - {*PLACES.patched}), *(replaced - {*PLACES.replaced})]
    if unknown:
        known = ", ".join((*PLACES.patched, *PLACES.replaced))
        raise DiffusionError(f"a model patch steps in at {unknown[0]!r}; there are {known}")
    return bool(patches or replaced or options.get(OVERRIDE))


def forward(
    network: nn.Module,
    sample: Tensor,
    timestep: Tensor,
    options: Options,
    *,
    encoder_hidden_states: Tensor,
    class_labels: Tensor | None = None,
    added_cond_kwargs: Mapping[str, Tensor] | None = None,
    down_block_additional_residuals: Sequence[Tensor | None] | None = None,
    mid_block_additional_residual: Tensor | None = None,
    input_residuals: Sequence[Tensor | None] = (),
) -> Tensor:
    """What network(...) gives for these inputs, named as diffusers names them, with the functions in options called.

    input_residuals: what is added to what each input block gives, before its patches; diffusers has it by levels.

    sample: [N,C,h,w]. timestep: [N]. encoder_hidden_states: [N,T,C]. Returns [N,C,h,w].
    """
    unet: Any = network
    emb = unet.time_embedding(unet.get_time_embed(sample=sample, timestep=timestep))
    class_emb = unet.get_class_embed(sample=sample, class_labels=class_labels)
    if class_emb is not None:
        emb = emb + class_emb
    aug_emb = unet.get_aug_embed(
        emb=emb, encoder_hidden_states=encoder_hidden_states, added_cond_kwargs=added_cond_kwargs
    )
    if aug_emb is not None:
        emb = emb + aug_emb

    walk = _Walk(emb, encoder_hidden_states, {**options, "original_shape": list(sample.shape)}, input_residuals)
    h = walk.made_input(unet.conv_in(sample))
    for block in unet.down_blocks:
        for resnet, transformer in _pairs(block):
            h = walk.made_input(walk.residual(h, resnet, transformer, walk.next_input))
        for downsampler in block.downsamplers or ():
            h = walk.made_input(downsampler(h))
    skips = walk.skips
    if down_block_additional_residuals is not None:
        skips = [
            skip if extra is None else skip + extra
            for skip, extra in zip(skips, down_block_additional_residuals, strict=True)
        ]

    h = unet.mid_block.resnets[0](h, emb)
    for transformer, resnet in zip(unet.mid_block.attentions, unet.mid_block.resnets[1:], strict=True):
        h = walk.transform(h, transformer, ("middle", 0))
        h = resnet(h, emb)
    if mid_block_additional_residual is not None:
        h = h + mid_block_additional_residual

    number = 0
    for block in unet.up_blocks:
        for resnet, transformer in _pairs(block):
            place = ("output", number)
            h, skip = walk.join(h, skips.pop(), place)
            h = walk.residual(torch.cat([h, skip], dim=1), resnet, transformer, place)
            number += 1
        for upsampler in block.upsamplers or ():
            h = upsampler(h, skips[-1].shape[-2:])

    if unet.conv_norm_out is not None:
        h = unet.conv_act(unet.conv_norm_out(h))
    made: Tensor = unet.conv_out(h)
    return made


def attention(attn: nn.Module, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention over projected q, k, v [N,T,C], in the heads of `attn`, before its output projection."""
    q, k, v = (split_heads(attn, part) for part in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def split_heads(attn: nn.Module, x: Tensor) -> Tensor:
    """[N,T,C] as [N,heads,T,C/heads]."""
    heads: Any = attn.heads
    return torch.unflatten(x, 2, (heads, -1)).transpose(1, 2)


def _pairs(block: Any) -> list[tuple[Any, Any]]:
    attentions = getattr(block, "attentions", None) or [None] * len(block.resnets)
    return list(zip(block.resnets, attentions, strict=True))


class _Walk:
    """One pass through a network: the embedding and context that every block takes, and the functions to call."""

    def __init__(
        self, emb: Tensor, context: Tensor, options: dict[str, Any], residuals: Sequence[Tensor | None] = ()
    ) -> None:
        self._residuals = residuals
        self._emb = emb
        self._context = context
        self._options = options
        self._patches: Mapping[str, Sequence[Callable[..., Any]]] = options.get("patches", {})
        self._replace: Mapping[str, Mapping[tuple[Any, ...], Callable[..., Any]]] = options.get("patches_replace", {})
        self._transformers = 0
        self.skips: list[Tensor] = []

    @property
    def next_input(self) -> Block:
        """The place of the input block that is being made."""
        return "input", len(self.skips)

    def made_input(self, h: Tensor) -> Tensor:
        """Keep what an input block made, and go on with it."""
        options = {**self._options, "block": self.next_input}
        extra = self._residuals[len(self.skips)] if self._residuals else None
        h = h if extra is None else h + extra
        for patch in self._patches.get("input_block_patch", ()):
            h = patch(h, options)
        self.skips.append(h)
        for patch in self._patches.get("input_block_patch_after_skip", ()):
            h = patch(h, options)
        return h

    def join(self, h: Tensor, skip: Tensor, place: Block) -> tuple[Tensor, Tensor]:
        """The feature map and the skip connection that an output block is to join."""
        options = {**self._options, "block": place}
        for patch in self._patches.get("output_block_patch", ()):
            h, skip = patch(h, skip, options)
        if h.shape[-2:] != skip.shape[-2:]:
            raise DiffusionError(
                f"a model patch left a feature map of {list(h.shape[-2:])} at output block {place[1]}, "
                f"whose skip connection is {list(skip.shape[-2:])}"
            )
        return h, skip

    def residual(self, h: Tensor, resnet: nn.Module, transformer: Any, place: Block) -> Tensor:
        """A residual block and the transformer behind it, if there is one."""
        h = resnet(h, self._emb)
        return h if transformer is None else self.transform(h, transformer, place)

    def transform(self, h: Tensor, transformer: Any, place: Block) -> Tensor:
        """A spatial transformer: the feature map as tokens through its layers, added to itself."""
        options = {
            **self._options,
            "block": place,
            "transformer_index": self._transformers,
            "activations_shape": list(h.shape),
        }
        self._transformers += 1
        linear = transformer.use_linear_projection
        x = transformer.norm(h)
        x = transformer.proj_in(_tokens(x)) if linear else _tokens(transformer.proj_in(x))
        for index, layer in enumerate(transformer.transformer_blocks):
            x = self._layer(x, layer, {**options, "block_index": index})
        x = _map(transformer.proj_out(x), h) if linear else transformer.proj_out(_map(x, h))
        return x + h

    def _layer(self, x: Tensor, layer: Any, options: dict[str, Any]) -> Tensor:
        n = layer.norm1(x)
        x = self._attend("attn1", layer.attn1, n, n, options) + x
        for patch in self._patches.get("middle_patch", ()):
            x = patch(x, options)
        x = self._attend("attn2", layer.attn2, layer.norm2(x), self._context, options) + x
        fed: Tensor = layer.ff(layer.norm3(x))
        return fed + x

    def _attend(self, name: str, attn: Any, x: Tensor, context: Tensor, options: dict[str, Any]) -> Tensor:
        options = {**options, "n_heads": attn.heads, "dim_head": attn.inner_dim // attn.heads}
        block, number = options["block"]
        places = self._replace.get(name, {})
        replacement = places.get((block, number, options["block_index"]), places.get((block, number)))
        before = self._patches.get(f"{name}_patch", ())
        override = self._options.get(OVERRIDE)
        if replacement is None and not before and override is None:
            x = attn(x, encoder_hidden_states=None if context is x else context)
        else:
            keys = values = context
            for patch in before:
                x, keys, values = patch(x, keys, values, options)
            q, k, v = attn.to_q(x), attn.to_k(keys), attn.to_v(values)
            if replacement is not None:
                x = replacement(q, k, v, options)
            elif override is not None:
                x = override(attention_pytorch, q, k, v, attn.heads, transformer_options=options)
            else:
                x = attention(attn, q, k, v)
            x = attn.to_out[0](x)
        for patch in self._patches.get(f"{name}_output_patch", ()):
            x = patch(x, options)
        return x


def _tokens(x: Tensor) -> Tensor:
    """[N,C,h,w] as [N,h*w,C]."""
    return x.flatten(2).transpose(1, 2)


def _map(x: Tensor, like: Tensor) -> Tensor:
    """[N,h*w,C] as a feature map of the height and width of `like`."""
    return torch.unflatten(x.transpose(1, 2), 2, like.shape[-2:]).contiguous()
