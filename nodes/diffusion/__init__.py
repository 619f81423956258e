"""Diffusion on torch alone: checkpoints, text, samplers, latents. Knows neither the engine nor the node faces."""

from __future__ import annotations

from weft.nodes.diffusion.deferred import install

# Before anything here imports a library.
install()
