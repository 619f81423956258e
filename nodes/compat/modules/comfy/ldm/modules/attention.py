"""`comfy.ldm.modules.attention`: softmax attention, as functions inside a network call it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from torch import Tensor

from weft.nodes.diffusion.interop.attention import OVERRIDE, attention_pytorch

__all__ = ["attention_pytorch"]


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
        override = (named.get("transformer_options") or {}).get(OVERRIDE)
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
