"""`comfy.conds`: what a network reads beside the latent, each with the rule by which it is batched."""

from __future__ import annotations

from weft.nodes.diffusion.interop.conds import CONDConstant, CONDCrossAttn, CONDList, CONDNoiseShape, CONDRegular

__all__ = ["CONDConstant", "CONDCrossAttn", "CONDList", "CONDNoiseShape", "CONDRegular"]
