"""Conditions of a run as packs lay them into calls of the network by themselves: `comfy.conds`, and comfy.samplers'
get_area_and_mult, can_concat_cond and cond_cat.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.conditions import Condition
from weft.nodes.diffusion.values.pixels import to_batch

# In softmax attention repeating all tokens changes nothing; more often would cost more than a call of its own.
MOST_REPEATS = 4


class CONDRegular:
    """A tensor [B,...]."""

    def __init__(self, cond: Any) -> None:
        self.cond = cond

    def can_concat(self, other: Any) -> bool:
        """Whether both fit into one batch."""
        return bool(self.cond.shape == other.cond.shape)

    def concat(self, others: Sequence[Any]) -> Any:
        """The tensor of one batch of all."""
        return torch.cat([self.cond, *(other.cond for other in others)])

    def size(self) -> list[int]:
        """Its shape."""
        return list(self.cond.size())


class CONDNoiseShape(CONDRegular):
    """One of the latent's size."""


class CONDCrossAttn(CONDRegular):
    """A context [B,T,C]."""

    def can_concat(self, other: Any) -> bool:
        """See CONDRegular: tokens may be repeated to make contexts one length."""
        ours, theirs = self.cond.shape, other.cond.shape
        lengths = (ours[1], theirs[1])
        same = ours[0] == theirs[0] and ours[2:] == theirs[2:]
        return bool(same and math.lcm(*lengths) <= MOST_REPEATS * min(lengths))

    def concat(self, others: Sequence[Any]) -> Any:
        """See CONDRegular."""
        contexts = [self.cond, *(other.cond for other in others)]
        length = math.lcm(*(context.shape[1] for context in contexts))
        return torch.cat([context.repeat(1, length // context.shape[1], 1) for context in contexts])


class CONDConstant(CONDRegular):
    """A value that is the same for all."""

    def can_concat(self, other: Any) -> bool:
        """See CONDRegular."""
        return bool(self.cond == other.cond)

    def concat(self, others: Sequence[Any]) -> Any:
        """See CONDRegular."""
        return self.cond

    def size(self) -> list[int]:
        """One."""
        return [1]


class CONDList(CONDRegular):
    """Several tensors."""

    def can_concat(self, other: Any) -> bool:
        """See CONDRegular."""
        return [each.shape for each in self.cond] == [each.shape for each in other.cond]

    def concat(self, others: Sequence[Any]) -> Any:
        """See CONDRegular."""
        return [torch.cat(parts) for parts in zip(self.cond, *(other.cond for other in others), strict=True)]

    def size(self) -> list[int]:
        """That of all together."""
        return [1, 1, sum(math.prod(each.shape) for each in self.cond)]


class CondObject(NamedTuple):
    """A condition as it enters one call: its part of x, what that counts, what the network reads beside it."""

    input_x: Tensor
    mult: Tensor
    conditioning: dict[str, CONDRegular]
    area: list[int]
    control: Any = None
    patches: Any = None
    uuid: Any = None
    hooks: Any = None


def get_area_and_mult(conds: Any, x_in: Tensor, timestep_in: Tensor) -> CondObject | None:
    """A condition of a run (as process_conds gives them) at a noise level; None where it does not act there.

    area: height, width, y, x.

    Raises:
        DiffusionError: it carries what acts inside the network (ControlNets, hooks, boxes), which a call that a pack
            puts together cannot have.
    """
    if not isinstance(conds, Condition):
        raise DiffusionError(f"get_area_and_mult takes a condition of a run, got {type(conds).__name__}")
    if not conds.active(float(timestep_in.flatten()[0])):
        return None
    inside = {"a ControlNet": conds.control, "hooks": conds.hooks, "boxes (GLIGEN)": conds.grounded}
    carried = next((what for what, value in inside.items() if value is not None), None)
    if carried is not None:
        raise DiffusionError(f"get_area_and_mult: the condition has {carried}, which this cannot carry")
    batch, (height, width) = x_in.shape[0], x_in.shape[-2:]
    h, w, y, x = area = list(conds.box(height, width))
    part = x_in[..., y : y + h, x : x + w]
    weight = conds.weight(batch, height, width)
    if isinstance(weight, Tensor):
        weight = weight.reshape(weight.shape[0], *[1] * (part.dim() - 3), *weight.shape[-2:])
    return CondObject(part, torch.ones_like(part) * weight, _read_beside(conds, batch, area), area)


def _read_beside(condition: Condition, batch: int, area: Sequence[int]) -> dict[str, CONDRegular]:
    h, w, y, x = area
    read: dict[str, CONDRegular] = {"c_crossattn": CONDCrossAttn(to_batch(condition.context, batch))}
    read |= {name: CONDRegular(to_batch(each, batch)) for name, each in condition.added.items()}
    if condition.concat is not None:
        read["c_concat"] = CONDNoiseShape(to_batch(condition.concat[..., y : y + h, x : x + w], batch))
    return read


def can_concat_cond(c1: CondObject, c2: CondObject) -> bool:
    """Whether both fit into one call."""
    if c1.input_x.shape != c2.input_x.shape or c1.conditioning.keys() != c2.conditioning.keys():
        return False
    if c1.control is not c2.control or c1.patches is not c2.patches:
        return False
    return all(each.can_concat(c2.conditioning[name]) for name, each in c1.conditioning.items())


def cond_cat(c_list: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the network reads beside the latent in one call, from the `conditioning` of each: for apply_model."""
    first, *others = c_list
    return {name: each.concat([other[name] for other in others]) for name, each in first.items()}
