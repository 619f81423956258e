"""`comfy.rmsnorm`."""

from __future__ import annotations

from weft.nodes.compat.modules.comfy.ldm.common_dit import rms_norm

__all__ = ["rms_norm"]
