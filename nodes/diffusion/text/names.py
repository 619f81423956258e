"""The names that the prompt encoder offers, in their order, for faces that must not import torch."""

TOKEN_NORMALIZATIONS = ("none", "mean", "length", "length+mean")
WEIGHT_INTERPRETATIONS = ("comfy", "A1111", "compel", "comfy++", "down_weight")
