"""`comfy_extras.nodes_custom_sampler`: its classes are Weft's own; what stands behind its outputs is here."""

from __future__ import annotations

from typing import Any

from weft.nodes.compat.modules.comfy.samplers import CFGGuider as _CFGGuider
from weft.nodes.diffusion.sampling.noise import NoNoise as _NoNoise
from weft.nodes.diffusion.sampling.noise import RandomNoise as _RandomNoise


class Noise_EmptyNoise(_NoNoise):
    """A NOISE of zeros."""


class Noise_RandomNoise(_RandomNoise):
    """A NOISE of a seed: a latent's batch index is followed."""


class Guider_Basic(_CFGGuider):
    """A guider with one conditioning."""

    def set_conds(self, positive: Any) -> None:  # type: ignore[override]  # as in ComfyUI
        """Say what should be in the picture."""
        self.inner_set_conds({"positive": positive})
