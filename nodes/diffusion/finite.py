"""NaN and infinity are no picture: what a network gives is looked at before anything is made of it.

The rule for every network that makes pixels or latents outside a sampler, which has its own (sample.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError


def finite(module: nn.Module, compute: Callable[[Any, Tensor], Tensor], what: str) -> Callable[[Tensor], Tensor]:
    """`compute(module, input)` as a function of its input whose results are finite.

    It raises DiffusionError where one is not, and says whether the input is at fault or what is likely to be. what: the
    network's name there, "the VAE's decoder".
    """

    def computed(given: Tensor) -> Tensor:
        result = compute(module, given)
        if result.isfinite().all():
            return result
        if not given.isfinite().all():
            raise DiffusionError(f"{what} was given NaN or infinity")
        dtype = next(module.parameters()).dtype
        half = dtype is torch.float16
        cause = "it may overflow float16: try bfloat16 or float32" if half else "its file is probably damaged"
        raise DiffusionError(f"{what} gave NaN or infinity in {str(dtype).removeprefix('torch.')}; {cause}")

    return computed
