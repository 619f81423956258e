"""Latents, masks, pictures: what flows between nodes, its files, and the networks that make one of the other."""
