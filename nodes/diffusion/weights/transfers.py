"""Weights on their way to a CUDA device: through buffers of pinned memory, which it copies from by itself.

The CPU reads what comes next into one buffer, where the weights are views into a file from the disk, while the device
copies from the others and computes what it was told before. All is copied on the stream that computes, so no number
depends on when something arrives. Without pinned memory a copy waits for all that the device has to do before it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Protocol

import torch
from torch import Tensor

# Bytes of a buffer, and how many there are: what the CPU can be ahead.
SIZE, COUNT = 32 << 20, 8
# What is smaller goes as it is.
_LEAST = 1 << 20


class CopyMark(Protocol):
    """A place in what a device has to do; torch.cuda.Event is one."""

    def synchronize(self) -> None:
        """Wait until the device has come to it."""


class _Buffer:
    """Pinned memory, and the mark behind the last copy from it."""

    def __init__(self, content: Tensor) -> None:
        self.content = content
        self.busy: CopyMark | None = None

    def filled(self, source: Tensor) -> Tensor:
        """It with some bytes in it, once nothing is copied from it any more."""
        if self.busy is not None:
            self.busy.synchronize()
        part = self.content[: len(source)]
        part.copy_(source)
        return part


class Transfers:
    """Copies of weights on a device.

    Invariant: a buffer is written into only when the device is behind the mark of the last copy from it.

    Args:
        device: where they go.
        pinned: memory of so many bytes that the device reads by itself; raises RuntimeError where there is none.
        mark: marks what the device has to do up to now.
    """

    def __init__(
        self,
        device: torch.device,
        pinned: Callable[[int], Tensor] | None = None,
        mark: Callable[[torch.device], CopyMark] | None = None,
    ) -> None:
        self._device = device
        self._pinned = pinned or _pinned
        self._mark = mark or _mark
        self._buffers: list[_Buffer] = []
        self._turn = count()
        self._pins = pinned is not None or (device.type == "cuda" and torch.cuda.is_available())

    def sent(self, tensor: Tensor) -> Tensor:
        """A tensor of the CPU on the device; the copy may still be on its way, before what is computed next."""
        large = tensor.device.type == "cpu" and tensor.is_contiguous() and tensor.nbytes >= _LEAST
        if not large or not self._ready():
            return tensor.to(self._device)
        made = torch.empty_like(tensor, device=self._device)
        source, target = (each.reshape(-1).view(torch.uint8) for each in (tensor, made))
        for begin in range(0, len(source), SIZE):
            buffer = self._buffers[next(self._turn) % COUNT]
            part = buffer.filled(source[begin : begin + SIZE])
            target[begin : begin + SIZE].copy_(part, non_blocking=True)
            buffer.busy = self._mark(self._device)
        return made

    def _ready(self) -> bool:
        """Whether there are buffers; made when the first weight goes."""
        if self._pins and not self._buffers:
            try:
                self._buffers += [_Buffer(self._pinned(SIZE)) for _ in range(COUNT)]
            except RuntimeError:  # so much cannot be pinned here
                self._pins = False
        return self._pins


def _pinned(size: int) -> Tensor:
    return torch.empty(size, dtype=torch.uint8, pin_memory=True)


def _mark(device: torch.device) -> CopyMark:
    event: CopyMark = torch.cuda.current_stream(device).record_event()
    return event
