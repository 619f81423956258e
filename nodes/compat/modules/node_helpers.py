"""`node_helpers`: small things that nodes do with conditionings and pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any


def conditioning_set_values(conditioning: Any, values: Mapping[str, Any] | None = None, append: bool = False) -> Any:
    """A conditioning with these values in all its parts; `append` puts lists behind those that are there."""
    changed = []
    for embedding, extra in conditioning:
        extra = dict(extra)
        for name, value in (values or {}).items():
            before = extra.get(name) if append else None
            extra[name] = value if before is None else before + value
        changed.append([embedding, extra])
    return changed


def pillow(fn: Callable[..., Any], arg: Any) -> Any:
    """What a function of Pillow's gives for an argument; truncated files are read as far as they go, as a last try."""
    from PIL import ImageFile, UnidentifiedImageError

    try:
        return fn(arg)
    except (OSError, UnidentifiedImageError, ValueError):
        before = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            return fn(arg)
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def hasher() -> Callable[..., Any]:
    """The hash function of files: SHA-256."""
    return hashlib.sha256


def string_to_torch_dtype(string: str) -> Any:
    """`fp32`, `fp16` or `bf16` as torch's; None for another text."""
    import torch

    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}.get(string)


def image_alpha_fix(destination: Any, source: Any) -> tuple[Any, Any]:
    """Two pictures [B,H,W,C] with the same channels: those of the destination, an alpha that lacks is opaque."""
    import torch

    if destination.shape[-1] < source.shape[-1]:
        source = source[..., : destination.shape[-1]]
    elif destination.shape[-1] > source.shape[-1]:
        source = torch.nn.functional.pad(source, (0, destination.shape[-1] - source.shape[-1]), value=1.0)
    return destination, source
