"""`comfy_extras.nodes_mask`: its classes are Weft's own; the function that pastes is here."""

from __future__ import annotations

from typing import Any


def composite(
    destination: Any, source: Any, x: int, y: int, mask: Any = None, multiplier: int = 8, resize_source: bool = False
) -> Any:
    """The source over the destination, both [B,C,h,w], at x and y, which count `multiplier` an element."""
    from weft.nodes.diffusion.values.compositing import paste

    return paste(destination, source, x // multiplier, y // multiplier, mask, bool(resize_source))
