"""CLIP_VISION by ComfyUI's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.interop.weights import not_carried

if TYPE_CHECKING:
    from weft.nodes.diffusion.weights.patched import PatchedNetwork

PENULTIMATE = -2
"""The layer whose output a tower gives beside that of the last."""


class VisionNames:
    """ComfyUI's names of a CLIP_VISION; values.clip_vision.ClipVision has what they stand for."""

    network: PatchedNetwork
    side: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    def read(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(last hidden state, the picture as a vector, the hidden state before the last layer) of [B,3,side,side]."""
        raise NotImplementedError

    @property
    def model(self) -> Callable[..., tuple[Any, ...]]:
        """The tower: (pixel_values, intermediate_output=-2) -> (last, intermediate, vector), float32 on the CPU."""
        return self._called

    def _called(
        self, pixel_values: Tensor, attention_mask: Any = None, intermediate_output: int | None = None, **_: Any
    ) -> tuple[Any, ...]:
        if intermediate_output not in (None, PENULTIMATE):
            raise not_carried(f"intermediate_output={intermediate_output!r} of a vision model (only {PENULTIMATE} can)")
        last, vector, before = self.read(pixel_values)
        return last, before if intermediate_output is not None else None, vector

    @property
    def patcher(self) -> VisionNames:
        """What can be brought to its device: itself."""
        return self

    @property
    def load_device(self) -> torch.device:
        """Where it computes."""
        memory = self.network.memory
        return memory.device if memory is not None else torch.device("cpu")

    offload_device = torch.device("cpu")

    @property
    def image_size(self) -> int:
        """Of a side of the pictures that it reads."""
        return self.side

    @property
    def image_mean(self) -> list[float]:
        """What is taken from the channels."""
        return list(self.mean)

    @property
    def image_std(self) -> list[float]:
        """What they are divided by."""
        return list(self.deviation)

    @property
    def dtype(self) -> torch.dtype:
        """The number format of its weights."""
        return next(self.network.base.parameters()).dtype
