"""What goldens hold of the values that nodes give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def latent(value: Any) -> Any:
    """A LATENT without the marks of an empty one, which say what it may be made into and are in no picture."""
    from weft.nodes.diffusion.families.latent_format import FRAMES, PIXELS

    if not isinstance(value, Mapping):
        return value
    return {name: part for name, part in value.items() if name not in (FRAMES, PIXELS)}
