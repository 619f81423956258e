"""The widths of Stable Diffusion 3's text encoders, also of those that are missing. Without torch."""

from __future__ import annotations

from collections.abc import Mapping

# The widths of the released encoders, and of the small ones that stand in for them.
RELEASED = {"clip_l": 768, "clip_g": 1280, "t5xxl": 4096}
SMALL = {"clip_l": 8, "clip_g": 16, "t5xxl": 32}


def widths_of(found: Mapping[str, int]) -> dict[str, int]:
    """The width of each encoder: of those that are missing as released, or small beside small ones."""
    small = any(SMALL[name] == width for name, width in found.items())
    return {**(SMALL if small else RELEASED), **found}
