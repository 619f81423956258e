"""A text encoder of Stable Diffusion."""

from __future__ import annotations

from weft.nodes.diffusion.families.sd.export import stored_tower
from weft.nodes.diffusion.text.clip import TextEncoder
from weft.nodes.diffusion.weights.weightfile import Exported


class SDTextEncoder(TextEncoder):
    """See TextEncoder: one that can be written as a file of its own."""

    def exported(self) -> Exported:
        """See TextEncoder."""
        return stored_tower(self)
