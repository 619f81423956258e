"""The normal numbers that torch draws on a CUDA device, computed on the CPU: noise that equals a GPU's anywhere.

The counter-based generator Philox-4x32-10 (Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3") and the
Box-Muller transform in the form of NVIDIA's cuRAND: element i of a tensor is drawn from stream i, the n-th tensor of a
generator from place n of each stream. Numbers: the known answers of Random123; goldens noise_nv*.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

Words = NDArray[numpy.uint32]

ROUNDS = 10
_MULTIPLIERS = numpy.uint64(0xD2511F53), numpy.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85  # the golden ratio and sqrt(3) - 1
_WORD = 0xFFFFFFFF


def philox(counter: Words, key: tuple[int, int]) -> Words:
    """Philox-4x32-10: random bits [4,n] of counters [4,n], under a key of two words of 32 bits."""
    a, b, c, d = (word.copy() for word in counter)
    low, high = key
    for _ in range(ROUNDS):
        first, second = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (
            _upper(second) ^ b ^ numpy.uint32(low),
            second.astype(numpy.uint32),
            _upper(first) ^ d ^ numpy.uint32(high),
            first.astype(numpy.uint32),
        )
        low, high = (low + _WEYL[0]) & _WORD, (high + _WEYL[1]) & _WORD
    return numpy.stack([a, b, c, d])


class PhiloxGenerator:
    """Stands for a CUDA generator that was given a seed of 64 bits."""

    def __init__(self, seed: int) -> None:
        self._key = seed & _WORD, seed >> 32
        self._drawn = 0

    def randn(self, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers, float32 on the CPU: the next tensor of this generator."""
        size = math.prod(shape)
        counter = numpy.zeros((4, size), dtype=numpy.uint32)
        counter[0] = self._drawn
        counter[2] = numpy.arange(size, dtype=numpy.uint32)
        self._drawn += 1
        bits = philox(counter, self._key)
        return torch.from_numpy(_normal(bits[0], bits[1])).reshape(tuple(shape))


def _upper(product: NDArray[numpy.uint64]) -> Words:
    return (product >> numpy.uint64(32)).astype(numpy.uint32)


def _normal(x: Words, y: Words) -> NDArray[numpy.float32]:
    """Box & Muller 1958, of two words each; both uniform numbers lie between the cells of their grid, so never at 0.

    In float64, with cuRAND's float32 constants, as the goldens were computed.
    """
    step = float(numpy.float32(2.3283064e-10))
    turn = float(numpy.float32(2.3283064e-10 * 6.2831855))
    u = x * step + step / 2
    v = y * turn + turn / 2
    normal: NDArray[numpy.float64] = numpy.sqrt(-2.0 * numpy.log(u)) * numpy.sin(v)
    return normal.astype(numpy.float32)
