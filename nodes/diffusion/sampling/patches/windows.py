"""Context windows: a long run of latents predicted in overlapping stretches, whose predictions are mixed.

Along the batch they change nothing here: no network of a family that is known looks from one item of a batch at
another, so an item's prediction is the same in every window, and so is the mean of them, however they are weighed. What
belongs to an item (its prompt, its picture of a ControlNet) goes with it in a call of all as in one of some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError

if TYPE_CHECKING:
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

BATCH = 0


def in_windows(model: ModelPatcher, length: int, overlap: int, dim: int) -> ModelPatcher:
    """The model in windows of this length along an axis; itself along the batch.

    Raises:
        DiffusionError: an overlap as long as the windows.
    """
    if overlap >= length:
        raise DiffusionError(
            f"windows of {length} cannot share {overlap}: context_overlap must be below context_length"
        )
    if dim == BATCH:
        return model
    clone = model.clone()
    clone.set_model_sampler_pre_cfg_function(InOneWindow(length, dim))
    return clone


@dataclass(frozen=True)
class InOneWindow:
    """A sampler_pre_cfg_function that lets latents pass which fit into one window. Raises DiffusionError for others."""

    length: int
    dim: int

    def __call__(self, args: Mapping[str, Any]) -> list[Tensor]:
        shape = list(args["input"].shape)
        if self.dim >= len(shape):
            raise DiffusionError(f"there is no axis {self.dim} in latents of {shape} to lay context windows along")
        if shape[self.dim] > self.length:
            raise DiffusionError(
                f"latents of {shape} do not fit into one context window of {self.length} along axis {self.dim}, and "
                "several are laid along the batch (axis 0) alone"
            )
        found: list[Tensor] = args["conds_out"]
        return found
