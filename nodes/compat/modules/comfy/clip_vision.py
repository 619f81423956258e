"""`comfy.clip_vision`: towers that read pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from weft.nodes.compat.host import context
from weft.nodes.core.loaders import place
from weft.nodes.diffusion.values.clip_vision import CLIP_DEVIATION, CLIP_MEAN, ClipVision, VisionOutput, prepared


class Output:
    """What a tower gives, by names: last_hidden_state, penultimate_hidden_states, image_embeds, as packs fill them."""

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    def __setitem__(self, key: str, item: Any) -> None:
        setattr(self, key, item)


class _Towers(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, ClipVision)


class ClipVisionModel(metaclass=_Towers):
    """What a CLIP_VISION is an instance of."""


def clip_preprocess(
    image: Tensor,
    size: int = 224,
    mean: Sequence[float] = CLIP_MEAN,
    std: Sequence[float] = CLIP_DEVIATION,
    crop: bool = True,
) -> Tensor:
    """Pictures [B,H,W,C] of 0..1 as a tower reads them: [B,3,size,size]."""
    return prepared(image, size, _three(mean), _three(std), crop)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = values
    return first, second, third


def load(ckpt_path: str) -> ClipVision:
    """The CLIP_VISION of a file."""
    from weft.nodes.diffusion.values.clip_vision_files import load_clip_vision

    where = place(context())
    return load_clip_vision(Path(ckpt_path), device=where.memory, dtype=where.text, warn=context().warn)


__all__ = ["ClipVisionModel", "Output", "VisionOutput", "clip_preprocess", "load"]
