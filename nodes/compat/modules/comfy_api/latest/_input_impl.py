"""`InputImpl`: the values that VIDEO links carry, as nodes make them."""

from __future__ import annotations

from typing import Any

__all__ = ["VideoFromComponents", "VideoFromFile"]  # noqa: F822  # some are given by __getattr__


def __getattr__(name: str) -> Any:
    if name in ("VideoFromFile", "VideoFromComponents"):
        from weft.nodes.diffusion.values import video

        return getattr(video, name)
    raise AttributeError(f"comfy_api.latest.InputImpl has no {name}")
