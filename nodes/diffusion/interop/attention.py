"""Softmax attention as functions of packs call it, and are given it to override."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

OVERRIDE = "optimized_attention_override"
"""In transformer_options: called (attention, q, k, v, heads, ...) in place of every attention of the network."""


def attention_pytorch(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    heads: int,
    mask: Tensor | None = None,
    attn_precision: torch.dtype | None = None,
    skip_reshape: bool = False,
    skip_output_reshape: bool = False,
    **_: Any,
) -> Tensor:
    """Softmax attention of q, k, v [N,T,C] in so many heads: [N,T,C].

    Args:
        mask: added to the scores, or boolean, True where to attend; [T,S], [N,T,S] or [N,heads,T,S].
        skip_reshape: q, k, v are [N,heads,T,D]. skip_output_reshape: so is what comes back.
    """
    if not skip_reshape:
        q, k, v = (torch.unflatten(part, 2, (heads, -1)).transpose(1, 2) for part in (q, k, v))
    if mask is not None and mask.dim() == 3:
        mask = mask[:, None]
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out if skip_output_reshape else out.transpose(1, 2).flatten(2)
