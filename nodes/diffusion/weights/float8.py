"""Weights that are 8-bit numbers: each is one of the values of a float8 format, and computed with in another format.

Weights are rounded to the nearest value when they are read. One that a patch changes is rounded at random, up or down
by how near they are, from a seed made of its name: parity_families/facts.md section 10.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.weights.packed import PackedTensor, WidenedForm


class Float8(NamedTuple):
    """mantissa: bits behind the leading one. lowest: the exponent of the smallest normal number."""

    dtype: torch.dtype
    mantissa: int
    lowest: int


_E4M3 = Float8(torch.float8_e4m3fn, 3, -6)
# What UNETLoader's weight_dtype calls them; the fast one differs from the first only in how a GPU multiplies.
FORMATS: Mapping[str, Float8] = {
    "fp8_e4m3fn": _E4M3,
    "fp8_e4m3fn_fast": _E4M3,
    "fp8_e5m2": Float8(torch.float8_e5m2, 2, -14),
}


@dataclass(frozen=True)
class RoundedFloat8(WidenedForm):
    """Weights that a run rounds to a format: see WeightForm."""

    format: Float8

    exact: ClassVar[bool] = False

    def widened(self, weight: PackedTensor) -> Tensor:
        """See WeightForm."""
        return weight.packed

    def packed(self, name: str, weight: Tensor) -> PackedTensor:
        """A weight as it is read. Raises CheckpointError as `nearest`."""
        return PackedTensor(self, nearest(name, weight, self.format), None, tuple(weight.shape), torch.float32)

    def again(self, name: str, weight: Tensor) -> PackedTensor:
        """See WeightForm: rounded at random by the name."""
        rounded = seeded(name, weight, self.format).to(self.format.dtype)
        return PackedTensor(self, rounded, None, tuple(weight.shape), weight.dtype)

    def beside(self, scale: Tensor | None) -> Mapping[str, Tensor]:
        """See WeightForm."""
        return {}


def nearest(name: str, weight: Tensor, form: Float8) -> Tensor:
    """The weight, each number the nearest one of the format, in it.

    Raises CheckpointError for a number beyond its range.
    """
    plain = weight.widened() if isinstance(weight, PackedTensor) else weight
    rounded = plain.to(form.dtype)
    if not rounded.float().isfinite().all() and plain.float().isfinite().all():
        largest, limit = float(plain.float().abs().max()), torch.finfo(form.dtype).max
        raise CheckpointError(f"{name!r} holds {largest:g}, and the largest number of {form.dtype} is {limit:g}")
    return rounded


def draws(name: str, weight: Tensor) -> Tensor:
    """A number in [0,1) for each of a weight's, in steps of 1/256: float32, the same for the same name.

    name: of the parameter in its file, without prefix.
    """
    generator = torch.Generator().manual_seed(zlib.crc32(f"diffusion_model.{name}".encode()))
    drawn = torch.randint(0, 256, weight.shape, dtype=torch.uint8, generator=generator)
    return drawn.to(weight.device) / 256


def seeded(name: str, weight: Tensor, form: Float8) -> Tensor:
    """The weight, each number one of the two of the format around it, by `draws`; float32."""
    # Half precision on purpose: what is drawn depends on its rounding.
    value = weight.half()
    size = value.abs()
    exponent = torch.floor(torch.log2(size)).clamp(min=form.lowest)
    one = torch.exp2(exponent)
    normal = size >= 2.0**form.lowest
    steps = 2**form.mantissa
    # How many steps of the format lie between the power of two below (0, for the smallest numbers) and the number.
    above = torch.where(normal, size / one - 1, size / one) * steps
    rounded = torch.floor(above + draws(name, weight).half()) / steps
    limit = torch.finfo(form.dtype).max
    result = torch.where(normal, 1 + rounded, rounded) * one * value.sign()
    return result.clamp(-limit, limit).float()
