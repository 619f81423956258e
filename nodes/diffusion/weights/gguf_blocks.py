"""The blocks that GGUF files keep numbers in, widened by torch: on whichever device they lie.

Each function takes blocks, uint8 [n,bytes], and gives their numbers, float32 [n,numbers]. The layouts are ggml's, held
against the package `gguf` in tests/diffusion/test_gguf.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from weft.nodes.diffusion.weights.packed import PackedTensor, WidenedForm

# The sixteen values of IQ4, by ggml.
_IQ4 = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


def _half(blocks: Tensor, place: int) -> Tensor:
    """[n,1]: the float16 at a place."""
    return blocks[:, place : place + 2].contiguous().view(torch.float16).float()


def _pieces(stored: Tensor, groups: int, shifts: tuple[int, ...], mask: int) -> Tensor:
    """[n,groups*len(shifts)*width]: of each byte the bits at each shift; all of a group at one shift come together."""
    grouped = stored.reshape(len(stored), groups, 1, -1)
    by = torch.tensor(shifts, dtype=torch.uint8, device=stored.device).reshape(1, 1, -1, 1)
    return ((grouped >> by) & mask).reshape(len(stored), -1)


def _nibbles(stored: Tensor, groups: int = 1) -> Tensor:
    return _pieces(stored, groups, (0, 4), 15)


def _bits(stored: Tensor) -> Tensor:
    """[n,8*bytes]: the lowest of each byte first."""
    return _pieces(stored, stored.shape[1], tuple(range(8)), 1)


def _q4_0(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * (_nibbles(blocks[:, 2:]).float() - 8)


def _q4_1(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * _nibbles(blocks[:, 4:]).float() + _half(blocks, 2)


def _q5_0(blocks: Tensor) -> Tensor:
    numbers = _nibbles(blocks[:, 6:]) | (_bits(blocks[:, 2:6]) << 4)
    return _half(blocks, 0) * (numbers.float() - 16)


def _q5_1(blocks: Tensor) -> Tensor:
    numbers = _nibbles(blocks[:, 8:]) | (_bits(blocks[:, 4:8]) << 4)
    return _half(blocks, 0) * numbers.float() + _half(blocks, 2)


def _q8_0(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * blocks[:, 2:].contiguous().view(torch.int8).float()


def _scaled(scales: Tensor, numbers: Tensor) -> Tensor:
    """[n,256]: numbers times the scale of their part. scales: [n,parts]."""
    return (scales[:, :, None] * numbers.reshape(*scales.shape, -1).float()).flatten(1)


def _q2_k(blocks: Tensor) -> Tensor:
    scales = blocks[:, :16]
    numbers = _pieces(blocks[:, 16:80], 2, (0, 2, 4, 6), 3)
    least = _half(blocks, 82) * (scales >> 4).float()
    return _scaled(_half(blocks, 80) * (scales & 15).float(), numbers) - least.repeat_interleave(16, dim=1)


def _q3_k(blocks: Tensor) -> Tensor:
    low = _pieces(blocks[:, 32:96], 2, (0, 2, 4, 6), 3).float()
    # A bit that is not there takes four away.
    high = _pieces(blocks[:, :32], 1, tuple(range(8)), 1).float()
    scales = _nibbles(blocks[:, 96:104]) | (_pieces(blocks[:, 104:108], 1, (0, 2, 4, 6), 3) << 4)
    return _scaled(_half(blocks, 108) * (scales.float() - 32), low - 4 * (1 - high))


def _scales_and_least(stored: Tensor) -> tuple[Tensor, Tensor]:
    """[n,8] each, of 6 bits: the scales of eight parts, and their least numbers."""
    first, second, rest = stored[:, :4], stored[:, 4:8], stored[:, 8:]
    scales = torch.cat([first & 63, (rest & 15) | ((first >> 2) & 0x30)], dim=1)
    return scales, torch.cat([second & 63, (rest >> 4) | ((second >> 2) & 0x30)], dim=1)


def _q4_k(blocks: Tensor, high: Tensor | None = None, numbers: int = 16) -> Tensor:
    scales, least = _scales_and_least(blocks[:, 4:16])
    low = _nibbles(blocks[:, numbers:], 4)
    whole = low if high is None else low | (high << 4)
    under = (_half(blocks, 2) * least.float()).repeat_interleave(32, dim=1)
    return _scaled(_half(blocks, 0) * scales.float(), whole) - under


def _q5_k(blocks: Tensor) -> Tensor:
    return _q4_k(blocks, _pieces(blocks[:, 16:48], 1, tuple(range(8)), 1), 48)


def _q6_k(blocks: Tensor) -> Tensor:
    numbers = _nibbles(blocks[:, :128], 2) | (_pieces(blocks[:, 128:192], 2, (0, 2, 4, 6), 3) << 4)
    scales = blocks[:, 192:208].contiguous().view(torch.int8).float()
    return _scaled(_half(blocks, 208) * scales, numbers.float() - 32)


def _of_table(nibbles: Tensor) -> Tensor:
    return torch.tensor(_IQ4, dtype=torch.float32, device=nibbles.device)[nibbles.long()]


def _iq4_nl(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * _of_table(_nibbles(blocks[:, 2:]))


def _iq4_xs(blocks: Tensor) -> Tensor:
    high = _pieces(blocks[:, 2:4], 2, (0, 2, 4, 6), 3)
    scales = _nibbles(blocks[:, 4:8], 4) | (high << 4)
    return _scaled(_half(blocks, 0) * (scales.float() - 32), _of_table(_nibbles(blocks[:, 8:], 8)))


WIDENED: Mapping[str, Callable[[Tensor], Tensor]] = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
    "IQ4_NL": _iq4_nl,
    "IQ4_XS": _iq4_xs,
}


class _Named(NamedTuple):
    quantisation: str


class Blocks(_Named, WidenedForm):
    """Numbers in blocks: see WeightForm. packed: uint8 [blocks,bytes], a whole number of them for each row."""

    def widened(self, weight: PackedTensor) -> Tensor:
        """See WeightForm."""
        return WIDENED[self.quantisation](weight.packed).reshape(weight.shape)
