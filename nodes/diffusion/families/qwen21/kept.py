"""What the sampled picture reads of a prompt, kept over the steps of a run: keys and values of every layer.

How they are kept decides what the picture reads in every step, the first one among them: so a run from any step on is
the rest of the whole one, bit for bit. Where they are kept decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

FORMS: Final = ("default", "int8", "int4")
"""How a number is kept: as it is, in a byte, in half of one."""

DEVICE, CPU, NOWHERE = "where the network is", "cpu", "nowhere"

PLACES: Final[Mapping[str, Sequence[str]]] = {
    "auto": (DEVICE, CPU, NOWHERE),
    "gpu": (DEVICE, NOWHERE),
    "cpu": (CPU, NOWHERE),
    "off": (NOWHERE,),
}
"""Where they may be kept, the next where memory does not suffice. Kept nowhere they are computed in every step."""

_GREATEST = {"int8": 127.0, "int4": 7.0}


@dataclass(frozen=True)
class PrefixKeeping:
    """How keys and values are kept: one of PLACES, and one of FORMS."""

    place: str = "auto"
    form: str = "default"


AS_EVER: Final = PrefixKeeping()
"""Where nobody says anything."""


class KeptLayer:
    """Keys and values [b,T,heads,C] of one layer. place: DEVICE, CPU or NOWHERE. form: one of FORMS, wherever it is."""

    def __init__(self, place: str, form: str) -> None:
        self._place, self._form = place, form
        self._kept: list[tuple[Tensor, ...]] = []

    def keep(self, key: Tensor, value: Tensor) -> None:
        """Take those of a prompt."""
        kept = [_packed(each, self._form) for each in (key, value)]
        self._kept = [tuple(part.cpu() for part in each) for each in kept] if self._place == CPU else kept

    def read(self, like: Tensor) -> list[Tensor]:
        """Both, where another tensor is and in its number format."""
        return [_unpacked(tuple(part.to(like.device) for part in each), self._form, like.dtype) for each in self._kept]


def _packed(tensor: Tensor, form: str) -> tuple[Tensor, ...]:
    """A tensor in few bits, and a scale for each of its rows of C."""
    if form == FORMS[0]:
        return (tensor,)
    most = _GREATEST[form]
    scale = tensor.float().abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / most
    whole = (tensor.float() / scale).round().clamp(-most, most).to(torch.int8)
    if form == "int4":
        whole = (whole[..., ::2] & 15) | (whole[..., 1::2] << 4)
    return whole, scale


def _unpacked(parts: tuple[Tensor, ...], form: str, dtype: torch.dtype) -> Tensor:
    if form == FORMS[0]:
        return parts[0]
    whole, scale = parts
    if form == "int4":
        # Shifted up and down again a half has its sign.
        whole = torch.stack([(whole << 4) >> 4, whole >> 4], dim=-1).flatten(-2)
    return (whole.float() * scale).to(dtype)
