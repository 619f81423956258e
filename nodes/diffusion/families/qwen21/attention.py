"""How the tokens of Qwen-Image 2.1 attend: the prompt's to what is before them, the sampled picture's to all.

So what the picture reads of a prompt and its pictures, their keys and values, does not depend on the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from weft.nodes.diffusion.families.qwen21.kept import KeptLayer


class Piece(NamedTuple):
    """A run of the prompt's tokens. words: whether each sees only those before it, and not the whole run."""

    begin: int
    end: int
    words: bool


class PrefixedAttention:
    """See diffusers' QwenImage21AttnProcessor: of a prompt or of the picture, each by itself.

    segments: the prompt's pieces, whose keys and values `layer_cache` is given; without them the tokens are the
    picture's, which see the prompt's of `layer_cache`, and each other.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        rotary_emb: Tensor,
        layer_cache: KeptLayer,
        segments: Sequence[Piece] | None = None,
        **_: Any,
    ) -> Tensor:
        query, key, value = (
            layer(hidden_states).unflatten(-1, (attn.heads, -1)) for layer in (attn.to_q, attn.to_k, attn.to_v)
        )
        query = turned(attn.norm_q(query).to(value.dtype), rotary_emb)
        key = turned(attn.norm_k(key).to(value.dtype), rotary_emb)
        if segments is None:
            before_key, before_value = layer_cache.read(key)
            found = _seen(query, torch.cat([before_key, key], dim=1), torch.cat([before_value, value], dim=1))
        else:
            layer_cache.keep(key, value)
            found = torch.cat([_of_piece(each, query, key, value) for each in segments], dim=1)
        made: Tensor = attn.to_out[0](found.flatten(2))
        return made


def _of_piece(piece: Piece, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    begin, end, words = piece
    mask = None
    if words:
        mask = torch.ones(end - begin, end, dtype=torch.bool, device=query.device).tril(begin)
    return _seen(query[:, begin:end], key[:, :end], value[:, :end], mask)


def _seen(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention of [b,T,heads,C] over [b,S,heads,C]."""
    query, key, value = (tensor.transpose(1, 2) for tensor in (query, key, value))
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2)


def turned(x: Tensor, turns: Tensor) -> Tensor:
    """Rows [b,T,heads,C], each pair of channels turned by a complex number of [T,C/2]."""
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turns[:, None]).flatten(3).type_as(x)
