"""Stable Diffusion 1.x, 2.x, XL and the XL refiner."""
