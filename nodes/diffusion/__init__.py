"""Diffusion on torch alone: checkpoints, text, samplers, latents. Knows neither the engine nor the node faces."""
