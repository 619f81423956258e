"""Guidance: from the conditions of both sides to the one prediction that a sampler follows.

At every evaluation the active conditions run through the network in as few calls as possible and are averaged by weight
on each side. Whatever does not change from step to step is built once and kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from nodes.diffusion.conditions import Area, Condition, Target, add_twins, resolve, to_batch
from nodes.diffusion.samplers.interface import Model

# A shorter context is repeated to the length of a longer one up to this factor; beyond it they run in separate calls.
MAX_CONTEXT_REPEATS = 4


class Guidance(Protocol):
    """A way to steer a run: conditionings and scales, not yet tied to a network."""

    def bind(self, target: Target) -> Model:
        """The guided network for one run. Raises DiffusionError where a conditioning does not fit it."""


@dataclass(frozen=True, eq=False)
class CFG:
    """Classifier-free guidance (Ho & Salimans 2022): denoised = uncond + (cond - uncond) * scale.

    positive, negative: conditionings. At scale 1 the negative side is not evaluated.
    """

    positive: Sequence[Any]
    negative: Sequence[Any]
    scale: float

    def bind(self, target: Target) -> CFGModel:
        """See Guidance."""
        positive = resolve(self.positive, "positive", target)
        negative = resolve(self.negative, "negative", target)
        add_twins(positive, negative)
        add_twins(negative, positive)
        sides = [positive] if math.isclose(self.scale, 1.0) else [positive, negative]
        return CFGModel(Predictor(target, sides), self.scale)


class CFGModel:
    """model(x, sigma) -> denoised, guided."""

    def __init__(self, predictor: Predictor, scale: float) -> None:
        self._predictor = predictor
        self._scale = scale

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """x: [B,C,h,w] float32. sigma: 0-dim, CPU."""
        cond, *rest = self._predictor(x, sigma)
        if not rest:
            return cond
        (uncond,) = rest
        return uncond + (cond - uncond) * self._scale


class Predictor:
    """The weighted mean prediction of each of several lists of conditions, in as few network calls as possible."""

    def __init__(self, target: Target, sides: Sequence[Sequence[Condition]]) -> None:
        self._target = target
        self._conditions = [(side, condition) for side, conditions in enumerate(sides) for condition in conditions]
        self._sides = len(sides)
        self._plans: dict[tuple[bool, ...], _Plan] = {}

    def __call__(self, x: Tensor, sigma: Tensor) -> list[Tensor]:
        """Denoised predictions [B,C,h,w], one a side; 0 where no condition of the side acts."""
        level = float(sigma)
        active = tuple(condition.active(level) for _, condition in self._conditions)
        if active not in self._plans:
            chosen = [pair for pair, on in zip(self._conditions, active, strict=True) if on]
            self._plans[active] = _plan(chosen, self._sides, self._target)
        plan = self._plans[active]
        sums = [torch.zeros_like(x) for _ in range(self._sides)]
        for call in plan.calls:
            crops = [x[..., top : top + h, left : left + w] for h, w, top, left in call.boxes]
            predicted = self._target.denoiser(torch.cat(crops), sigma, call.context, call.added or None)
            parts = zip(call.sides, call.boxes, call.weights, predicted.chunk(len(crops)), strict=True)
            for side, (h, w, top, left), weight, part in parts:
                sums[side][..., top : top + h, left : left + w] += part * weight
        return [total / count for total, count in zip(sums, plan.counts, strict=True)]


@dataclass(frozen=True, eq=False)
class _Call:
    """One evaluation of the network: equal crops of x, one a condition, side by side in the batch."""

    sides: list[int]
    boxes: list[Area]
    weights: list[Tensor | float]
    context: Tensor
    added: dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class _Plan:
    """What to evaluate while one set of conditions is active. counts: the sum of weights, one tensor a side."""

    calls: list[_Call]
    counts: list[Tensor]


def _plan(chosen: list[tuple[int, Condition]], sides: int, target: Target) -> _Plan:
    batch, _, height, width = target.shape
    # Not 0: where nothing acts the prediction is 0 / 1e-37 = 0.
    counts = [torch.full((batch, 1, height, width), 1e-37, device=target.device) for _ in range(sides)]
    calls = []
    for group in _groups(chosen, height, width):
        boxes = [condition.box(height, width) for _, condition in group]
        weights = [condition.weight(batch, height, width) for _, condition in group]
        for (side, _), (h, w, top, left), weight in zip(group, boxes, weights, strict=True):
            counts[side][..., top : top + h, left : left + w] += weight
        conditions = [condition for _, condition in group]
        length = math.lcm(*(condition.context.shape[1] for condition in conditions))
        # Repeating all tokens of a context changes nothing in softmax attention.
        contexts = [c.context.repeat(1, length // c.context.shape[1], 1) for c in conditions]
        added = {
            key: torch.cat([to_batch(condition.added[key], batch) for condition in conditions])
            for key in conditions[0].added
        }
        context = torch.cat([to_batch(context, batch) for context in contexts])
        calls.append(_Call([side for side, _ in group], boxes, weights, context, added))
    return _Plan(calls, counts)


def _groups(chosen: list[tuple[int, Condition]], height: int, width: int) -> list[list[tuple[int, Condition]]]:
    """Conditions that fit into one call: crops of one size, contexts that can be brought to one length.

    Each group lists the last first: uncond before cond, as ComfyUI batches them, so that rounding is the same.
    """
    groups: list[list[tuple[int, Condition]]] = []
    for side, condition in chosen:
        size = condition.box(height, width)[:2]
        for group in groups:
            lengths = [c.context.shape[1] for _, c in group] + [condition.context.shape[1]]
            same_size = group[0][1].box(height, width)[:2] == size
            if same_size and math.lcm(*lengths) <= MAX_CONTEXT_REPEATS * min(lengths):
                group.append((side, condition))
                break
        else:
            groups.append([(side, condition)])
    return [group[::-1] for group in groups]
