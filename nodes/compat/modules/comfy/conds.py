"""`comfy.conds`: what a network reads beside the latent, each with the rule by which it is batched."""

from __future__ import annotations

from typing import Any


class CONDRegular:
    """A tensor [B,...]."""

    def __init__(self, cond: Any) -> None:
        self.cond = cond

    def size(self) -> list[int]:
        """Its shape."""
        return list(self.cond.size())


class CONDNoiseShape(CONDRegular):
    """One of the latent's size."""


class CONDCrossAttn(CONDRegular):
    """A context [B,T,C]."""


class CONDConstant(CONDRegular):
    """A value that is the same for all."""

    def size(self) -> list[int]:
        """One."""
        return [1]


class CONDList(CONDRegular):
    """Several tensors."""
