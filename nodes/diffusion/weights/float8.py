"""Weights that are 8-bit numbers: each is one of the values of a float8 format, and computed with in another format.

Weights are rounded to the nearest value when they are read. One that a patch changes is rounded at random, up or down
by how near they are, from a seed made of its name: parity_families/facts.md section 10.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError


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


def nearest(name: str, weight: Tensor, form: Float8) -> Tensor:
    """The weight, each number the nearest one of the format; float32.

    Raises CheckpointError for a number beyond its range.
    """
    rounded = weight.to(form.dtype).float()
    if not rounded.isfinite().all() and weight.isfinite().all():
        largest, limit = float(weight.abs().max()), torch.finfo(form.dtype).max
        raise CheckpointError(f"{name!r} holds {largest:g}, and the largest number of {form.dtype} is {limit:g}")
    return rounded


def seeded(name: str, weight: Tensor, form: Float8) -> Tensor:
    """The weight, each number one of the two of the format around it; float32.

    name: of the parameter in its file, without prefix; the same name rounds in the same way.
    """
    generator = torch.Generator().manual_seed(zlib.crc32(f"diffusion_model.{name}".encode()))
    draws = torch.randint(0, 256, weight.shape, dtype=torch.uint8, generator=generator).to(weight.device)
    # Half precision on purpose: what is drawn depends on its rounding.
    value = weight.half()
    size = value.abs()
    exponent = torch.floor(torch.log2(size)).clamp(min=form.lowest)
    one = torch.exp2(exponent)
    normal = size >= 2.0**form.lowest
    steps = 2**form.mantissa
    # How many steps of the format lie between the power of two below (0, for the smallest numbers) and the number.
    above = torch.where(normal, size / one - 1, size / one) * steps
    rounded = torch.floor(above + draws.half() / 256) / steps
    limit = torch.finfo(form.dtype).max
    result = torch.where(normal, 1 + rounded, rounded) * one * value.sign()
    return result.clamp(-limit, limit).float()
