"""How a file of Qwen-Image 2.1's VAE spells its names: as diffusers, or as Wan's VAEs; without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Spelling(NamedTuple):
    """Some keys of a file: they tell its sizes. of_diffusers: whether it has diffusers' names."""

    first: str
    last_norm: str
    to_latent: str
    of_diffusers: bool


_SPELLINGS = (
    Spelling("encoder.conv_in.weight", "decoder.norm_out.gamma", "post_quant_conv.weight", of_diffusers=True),
    Spelling("encoder.conv1.weight", "decoder.head.0.gamma", "conv2.weight", of_diffusers=False),
)


def spelling_of(shapes: Mapping[str, tuple[int, ...]]) -> Spelling | None:
    """That of a file; None for another one. Of the VAEs of such names only this one has no axis of time."""
    for each in _SPELLINGS:
        if all(key in shapes for key in each[:3]) and len(shapes[each.first]) == 4:
            return each
    return None
