"""Long runs of latents, sampled in windows."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.authoring import Tooltip, node
from weft.engine.schema.sockets import Boolean, Combo, Int
from weft.nodes.core.types import Model

_SCHEDULES = ("standard_static", "standard_uniform", "looped_uniform", "batched")
_FUSED = ("pyramid", "relative", "flat", "overlap-linear")


@node(
    display_name="Context Windows (Manual)",
    category="context",
    python_module="comfy_extras.nodes_context_windows",
    experimental=True,
)
def ContextWindowsManual(
    *,
    model: Model,
    context_length: Annotated[int, Int(default=16, min=1)],
    context_overlap: Annotated[int, Int(default=4, min=0)],
    context_schedule: Annotated[str, Combo(_SCHEDULES, multiselect=False)],
    context_stride: Annotated[int, Int(default=1, min=1)],
    closed_loop: Annotated[bool, Boolean(default=False)],
    fuse_method: Annotated[str, Combo(_FUSED, default="pyramid", multiselect=False)],
    dim: Annotated[int, Int(default=0, min=0, max=5)],
) -> Annotated[Model, Tooltip("The model.")]:
    """Sample long runs of latents in windows that overlap. Along the batch that changes nothing: the networks here look
    at each item by itself; along another axis more than one window is an error.

    Args:
        context_length: How long a window is.
        context_overlap: How much of it the next one has, too.
        context_schedule: How windows are laid.
        context_stride: How far apart the items of a window may be.
        closed_loop: Whether the end is before the beginning.
        fuse_method: How the predictions of several windows are weighed.
        dim: The axis: 0 is the batch.
    """
    from weft.nodes.diffusion.sampling.patches.windows import in_windows

    return in_windows(model, context_length, context_overlap, dim)
