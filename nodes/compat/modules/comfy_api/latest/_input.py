"""`Input`: the types of values, as annotations: `Input.Image`, `Input.Video`."""

from __future__ import annotations

from typing import Any

# Tensors, and dicts of them.
Image = ImageInput = Mask = MaskInput = Latent = LatentInput = Any
Audio = AudioInput = dict[str, Any]

__all__ = [
    *("Audio", "AudioInput", "Image", "ImageInput", "Latent", "LatentInput", "Mask", "MaskInput"),
    *("Video", "VideoInput"),  # __getattr__ gives them
]


def __getattr__(name: str) -> Any:
    if name in ("Video", "VideoInput"):
        from weft.nodes.diffusion.values.video import VideoInput

        return VideoInput
    raise AttributeError(f"comfy_api.latest.Input has no {name}")
