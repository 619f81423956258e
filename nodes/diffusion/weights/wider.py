"""Weights of linear layers that are made to read more than they were loaded for."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class WiderPatch:
    """A weight [rows, some] as one that reads more numbers, `columns`: zeros for those that it was not made for."""

    columns: int

    nbytes = 0
    networks = ()

    @property
    def identity(self) -> Hashable:
        """See Patch."""
        return "wider", self.columns

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """See Patch, of which this one alone changes the shape."""
        return functional.pad(weight, (0, self.columns - weight.shape[1]))
