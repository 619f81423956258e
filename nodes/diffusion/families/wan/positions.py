"""Where the patches of a video stand, as Wan's attention is told: frame, row and column, scaled and shifted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Positions(NamedTuple):
    """A patch's number along each axis times the scale, and the shift."""

    scale_x: float = 1.0
    shift_x: float = 0.0
    scale_y: float = 1.0
    shift_y: float = 0.0
    scale_t: float = 1.0
    shift_t: float = 0.0

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Positions:
        """As transformer_options hold them."""
        return cls(**options.get("rope_options", {}))


PLAIN = Positions()


def angles_at(rope: Any, sizes: tuple[int, ...], positions: Positions) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the angles of a video's patches, [1, patches, 1, head] each.

    rope: diffusers' WanRotaryPosEmbed. sizes: frames, rows and columns, in patches.
    """
    if positions == PLAIN:
        # All that it takes of a video is its form.
        height, width = (side * patch for side, patch in zip(sizes[1:], rope.patch_size[1:], strict=True))
        made: tuple[Tensor, Tensor] = rope(torch.empty(1, 1, sizes[0], height, width, device="meta"))
        return made
    from diffusers.models.embeddings import get_1d_rotary_pos_embed

    along = []
    axes = (
        (rope.t_dim, positions.scale_t, positions.shift_t),
        (rope.h_dim, positions.scale_y, positions.shift_y),
        (rope.w_dim, positions.scale_x, positions.shift_x),
    )
    for axis, (dim, scale, shift) in enumerate(axes):
        places: Any = torch.arange(sizes[axis], dtype=torch.float64) * scale + shift
        both = get_1d_rotary_pos_embed(
            dim, places, 10000.0, use_real=True, repeat_interleave_real=True, freqs_dtype=torch.float64
        )
        form = [1, 1, 1, dim]
        form[axis] = sizes[axis]
        along.append([each.reshape(form).expand(*sizes, dim) for each in both])
    joined = (torch.cat(parts, dim=-1) for parts in zip(*along, strict=True))
    cosines, sines = (part.reshape(1, -1, 1, rope.attention_head_dim) for part in joined)
    return cosines.to(rope.freqs_cos), sines.to(rope.freqs_sin)
