"""`comfy_extras.chainner_models.model_loading`: upscalers from state dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def load_state_dict(state_dict: Mapping[str, Tensor]) -> Any:
    """The UPSCALE_MODEL of a state dict.

    Raises:
        CheckpointError: of an architecture that Weft has not.
    """
    from weft.nodes.compat.host import context
    from weft.nodes.core.loaders import place
    from weft.nodes.diffusion.values.upscale_models import load_upscale_model
    from weft.nodes.diffusion.weights.weightfile import HeldWeights

    return load_upscale_model(HeldWeights(state_dict), device=place(context()).memory)
