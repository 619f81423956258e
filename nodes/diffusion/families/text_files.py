"""Which text encoder a file of its own holds, and whether several make a set: by keys and shapes, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.glance import TextFile, TextSet
from weft.nodes.diffusion.weights.landings import Shapes

# How they are called, in messages and where a prompt has a text for each.
CLIP_L, CLIP_G, CLIP_H = "clip_l", "clip_g", "clip_h"
T5, UMT5 = "t5xxl", "umt5xxl"
QWEN25, QWEN3, QWEN3VL = "qwen25_7b", "qwen3_4b", "qwen3vl"

# CLIPs by their layers, of which the released ones have 12, 24 and 32: so many, or more.
_LAYERS = ((CLIP_G, 31), (CLIP_H, 23), (CLIP_L, 0))
# Of the released one, and of the small one that stands in for it, which has as few layers as the others.
_WIDTHS_OF_G = (1280, 16)
_TABLES = (
    "shared.weight",
    "encoder.embed_tokens.weight",
    "model.embed_tokens.weight",
    "model.language_model.embed_tokens.weight",
)
_NORMED, _BIASED = "layers.0.self_attn.q_norm.weight", "layers.0.self_attn.k_proj.bias"
# What the eyes of Qwen3-VL have, and those before it have not.
_EYES = "visual.deepstack_merger_list."
_OTHER = "a language model that is no Qwen (Mistral, Llama, ...)"


def text_in(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> TextFile:
    """Which text encoder a file holds."""
    found = known.text_encoder(shapes)
    width = next((shapes[key][-1] for key in _TABLES if shapes.get(key)), 0)
    if found in (known.T5, known.UMT5):
        return TextFile(T5 if found == known.T5 else UMT5, width)
    if found == known.LANGUAGE:
        if f"model.language_model.{_NORMED}" in shapes or any(_EYES in key for key in shapes):
            return TextFile(QWEN3VL, width)
        normed, biased = (f"model.{key}" in shapes for key in (_NORMED, _BIASED))
        return TextFile(QWEN3 if normed else QWEN25 if biased else _OTHER, width)
    from weft.nodes.diffusion.families.sd.sizes import stated_towers  # their family imports this

    end = next((end for end in known.TEXT if known.prefix_before(shapes, end) is not None), None)
    if end is None:
        return TextFile(found or known.describe(shapes), 0)
    prefix = known.prefix_before(shapes, end) or ""
    width, stated = shapes[prefix + end][-1], stated_towers(metadata)
    by_size = CLIP_G if width in _WIDTHS_OF_G else _by_layers(Shapes(shapes, prefix))
    return TextFile(stated[0] if len(stated) == 1 else by_size, width)


def _by_layers(shapes: Shapes) -> str:
    layers = shapes.indices(r"(?:text_model\.)?(?:encoder\.layers|transformer\.resblocks)\.(\d+)\.")
    return next(name for name, least in _LAYERS if len(layers) >= least)


def check_set(clip_type: str, sets: Sequence[TextSet], encoders: Sequence[TextFile]) -> list[TextFile]:
    """The encoders in the order of the set that they are. Raises CheckpointError where they are none of a type's."""
    names = [each.name for each in encoders]
    found = next((each for each in sets if each.is_of(names)), None)
    if found is None:
        wanted = " or ".join(each.said for each in sets)
        raise CheckpointError(f"text encoders of type {clip_type!r} are {wanted}, got {' + '.join(names)}")
    return sorted(encoders, key=lambda each: found.names.index(each.name))
