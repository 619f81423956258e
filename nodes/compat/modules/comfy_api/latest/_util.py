"""`Types`: what values are made of, and the formats that they are written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class VOXEL:
    """A grid of values: a tensor."""

    data: Any


@dataclass
class MESH:
    """Vertices and the triangles between them: tensors."""

    vertices: Any
    faces: Any


__all__ = ["MESH", "VOXEL", "VideoCodec", "VideoComponents", "VideoContainer"]  # noqa: F822  # some are given by __getattr__


def __getattr__(name: str) -> Any:
    if name in ("VideoCodec", "VideoContainer", "VideoComponents"):
        from weft.nodes.diffusion.values import video

        return getattr(video, name)
    raise AttributeError(f"comfy_api.latest.Types has no {name}")
