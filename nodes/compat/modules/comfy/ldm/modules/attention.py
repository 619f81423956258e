"""`comfy.ldm.modules.attention`: softmax attention, as functions inside a network call it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor


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


# All of them are torch's own, which chooses the fastest kernel there is.
optimized_attention = optimized_attention_masked = attention_basic = attention_pytorch
attention_sub_quad = attention_split = attention_pytorch


def optimized_attention_for_device(device: Any, mask: bool = False, small_input: bool = False) -> Callable[..., Tensor]:
    """The attention for a device."""
    return attention_pytorch


def wrap_attn(func: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """An attention that obeys "optimized_attention_override" of its transformer_options."""

    @wraps(func)
    def wrapped(*args: Any, **named: Any) -> Tensor:
        override = (named.get("transformer_options") or {}).get("optimized_attention_override")
        if override is None:
            return func(*args, **named)
        result: Tensor = override(func, *args, **named)
        return result

    return wrapped


def default(val: Any, d: Any) -> Any:
    """The value, or another one for None."""
    return d if val is None else val


def exists(val: Any) -> bool:
    """Whether it is not None."""
    return val is not None
