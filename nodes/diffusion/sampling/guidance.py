"""Guidance: from the conditions of both sides to the one prediction that a sampler follows.

At every evaluation the active conditions run through the network in as few calls as possible and are averaged by weight
on each side. Whatever does not change from step to step is built once and kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, finite_number
from weft.nodes.diffusion.interop.base_model import BaseModel, levels_of
from weft.nodes.diffusion.interop.wrappers import WrapperExecutor, WrappersMP, check_obeyed, wrappers_in
from weft.nodes.diffusion.sampling.conditions import (
    GROUNDED,
    Area,
    Condition,
    Patch,
    SamplingRun,
    resolve,
    resolve_sides,
)
from weft.nodes.diffusion.sampling.control import PromptedControl
from weft.nodes.diffusion.sampling.gathering import NetworkCall, evaluate
from weft.nodes.diffusion.sampling.model_patch import hold_patches
from weft.nodes.diffusion.sampling.noise import PatchRandom
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser
from weft.nodes.diffusion.values.pixels import to_batch

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import Steering
    from weft.nodes.diffusion.weights.hooks import Hooks
    from weft.nodes.diffusion.weights.patcher import ModelPatcher


class Guidance(Protocol):
    """A way to steer a run: conditionings and scales, not yet tied to a network."""

    def bind(self, run: SamplingRun) -> GuidedDenoiser:
        """The guided network for one run. Raises DiffusionError where a conditioning does not fit it."""


@dataclass(frozen=True, eq=False)
class CFG:
    """Classifier-free guidance (Ho & Salimans 2022): denoised = uncond + (cond - uncond) * scale.

    positive, negative: conditionings. At scale 1 the negative side is evaluated only for who asks for it.
    """

    positive: Sequence[Any]
    negative: Sequence[Any]
    scale: float

    def __post_init__(self) -> None:
        finite_number("cfg", self.scale)

    def bind(self, run: SamplingRun) -> CFGDenoiser:
        """See Guidance."""
        positive, negative = resolve_sides({"positive": self.positive, "negative": self.negative}, run)
        return CFGDenoiser(run, positive, negative, self.scale)


class CFGDenoiser:
    """A denoiser under classifier-free guidance: see GuidedDenoiser."""

    def __init__(
        self, run: SamplingRun, positive: Sequence[Condition], negative: Sequence[Condition], scale: float
    ) -> None:
        self.sampling = run.denoiser.sampling
        self._network = GuidedNetwork(run)
        self._sides = positive, negative
        self._scale = scale

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """See GuidedDenoiser."""
        needed = not math.isclose(self._scale, 1.0) or bool(self._network.options.get("disable_cfg1_optimization"))
        return self._guided(x, sigma, needed)[0]

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """See GuidedDenoiser."""
        return self._guided(x, sigma, True)

    def _guided(self, x: Tensor, sigma: Tensor, both: bool) -> tuple[Tensor, Tensor]:
        positive, negative = self._sides
        evaluation = self._network.evaluation(x, sigma)
        cond, uncond = evaluation.predict([positive, negative if both else []])
        return evaluation.guide(positive, negative, cond, uncond, self._scale)


class GuidedNetwork(BaseModel):
    """The network of one run, for guidance and for the functions that model patches bring along.

    To packs it is `model.model`, see BaseModel. denoiser: of the call that is being made, as its hooks change it.
    """

    def __init__(self, run: SamplingRun) -> None:
        check_obeyed(run.options)
        hold_patches(run)
        self.run = run
        self.denoiser = run.denoiser
        self.sampling = run.denoiser.sampling
        self._random = run.random or PatchRandom(run.shape, 0)
        self._predictors: dict[tuple[tuple[int, ...], ...], Predictor] = {}
        self._resolved: dict[int, tuple[Any, list[Condition]]] = {}

    @property
    def options(self) -> Mapping[str, Any]:
        """The run's model_options."""
        return self.run.options

    @property
    def current_patcher(self) -> ModelPatcher:
        """See BaseModel."""
        if self.run.model is None:
            raise DiffusionError("this run has no MODEL that its functions could ask for")
        return self.run.model

    def apply_model(
        self,
        x: Tensor,
        t: Tensor,
        c_concat: Tensor | None = None,
        c_crossattn: Tensor | None = None,
        control: Any = None,
        transformer_options: Mapping[str, Any] | None = None,
        **added: Any,
    ) -> Tensor:
        """See BaseModel."""
        if c_crossattn is None:
            raise DiffusionError("apply_model needs c_crossattn, the context")
        read = {name: value for name, value in added.items() if isinstance(value, Tensor)} or None
        level, inner = levels_of(t), transformer_options or {}
        return evaluate(NetworkCall(self.denoiser, x, level, c_crossattn, read, inner, c_concat, control))

    def resolve(self, conditioning: Sequence[Any], side: str) -> list[Condition]:
        """The conditions of a conditioning, built once a run. side: what an error calls it."""
        if id(conditioning) not in self._resolved:
            # The conditioning is kept too: its id is the key.
            self._resolved[id(conditioning)] = conditioning, resolve(conditioning, side, self.run)
        return self._resolved[id(conditioning)][1]

    def predict(
        self, sides: Sequence[Sequence[Condition]], x: Tensor, sigma: Tensor, options: Mapping[str, Any]
    ) -> list[Tensor]:
        """The denoised prediction of each side; see Predictor. sigma: 0-dim, CPU."""
        around = wrappers_in(options.get("transformer_options", {}), WrappersMP.CALC_COND_BATCH)
        if not around:
            return self._predict(sides, x, sigma, options)

        def calc_cond_batch(model: Any, conds: Any, x_in: Tensor, timestep: Tensor, model_options: Any) -> list[Tensor]:
            return self._predict([side or [] for side in conds], x_in, levels_of(timestep), model_options)

        timestep = torch.full((x.shape[0],), float(sigma), device=x.device)
        found: list[Tensor] = WrapperExecutor(calc_cond_batch, None, around).execute(
            self, list(sides), x, timestep, options
        )
        return found

    def _predict(
        self, sides: Sequence[Sequence[Condition]], x: Tensor, sigma: Tensor, options: Mapping[str, Any]
    ) -> list[Tensor]:
        # A predictor keeps its conditions, so that their ids stay theirs.
        key = tuple(tuple(id(condition) for condition in side) for side in sides)
        if key not in self._predictors:
            self._predictors[key] = Predictor(self.run, sides)
        return self._predictors[key](self, x, sigma, options)

    def evaluation(self, x: Tensor, sigma: Tensor, options: Mapping[str, Any] | None = None) -> Evaluation:
        """What belongs to one evaluation of the guided model. options: in place of the run's model_options."""
        return Evaluation(self, x, sigma, self._random.at(float(sigma)), self.options if options is None else options)


class Evaluation:
    """One evaluation of the guided model at x and sigma.

    options: model_options for it alone. Its transformer_options hold "scratch", a dict in which a function inside the
    network leaves what a function behind it needs, and "random", whose `generator` is for random choices of either.

    Functions of model_options, each ComfyUI's, are given one dict:
        sampler_pre_cfg_function, a list: conds (both lists of conditions), conds_out (both predictions) -> conds_out
        sampler_cfg_function: cond, uncond (x less the prediction) -> x less the guided prediction
        sampler_post_cfg_function, a list: denoised, cond, uncond (lists of conditions) -> denoised
        sampler_calc_cond_batch_function: conds (lists of conditions) -> their predictions
    All get cond_scale, input (x), sigma and timestep ([B] on x's device), model (the GuidedNetwork), model_options, and
    all but the first cond_denoised and uncond_denoised. `level`, sigma as a 0-dim CPU tensor, is what model.predict
    takes: reading the others back would wait for the device.
    """

    def __init__(
        self, network: GuidedNetwork, x: Tensor, sigma: Tensor, random: PatchRandom, options: Mapping[str, Any]
    ) -> None:
        inner = options.get("transformer_options", {})
        inner = {**inner, "sample_sigmas": network.run.sigmas, "scratch": {}, "random": random}
        self.options: dict[str, Any] = {**options, "transformer_options": inner}
        self._network = network
        self._x = x
        self._sigma = sigma

    def predict(self, sides: Sequence[Sequence[Condition]]) -> list[Tensor]:
        """The denoised prediction of each side at this x and sigma; 0 for a side without conditions."""
        instead = self.options.get("sampler_calc_cond_batch_function")
        if instead is not None:
            found: list[Tensor] = instead(self._args(None, conds=list(sides)))
            return found
        return self._network.predict(sides, self._x, self._sigma, self.options)

    def guide(
        self,
        positive: Sequence[Condition],
        negative: Sequence[Condition],
        cond: Tensor,
        uncond: Tensor,
        scale: float,
    ) -> tuple[Tensor, Tensor]:
        """(the guided prediction, the unguided one) from both sides' conditions and predictions."""
        for function in self.options.get("sampler_pre_cfg_function", ()):
            cond, uncond = function(self._args(scale, conds=[positive, negative], conds_out=[cond, uncond]))
        return self.combine(positive, negative, cond, uncond, scale), uncond

    def combine(
        self,
        positive: Sequence[Condition],
        negative: Sequence[Condition],
        cond: Tensor,
        uncond: Tensor,
        scale: float,
    ) -> Tensor:
        """The guided prediction of `guide` from predictions that nothing changes any more."""
        predictions = {"cond_denoised": cond, "uncond_denoised": uncond}
        combine = self.options.get("sampler_cfg_function")
        if combine is None:
            denoised = uncond + (cond - uncond) * scale
        else:
            x, sides = self._x, {"input_cond": positive, "input_uncond": negative}
            denoised = x - combine(self._args(scale, cond=x - cond, uncond=x - uncond, **sides, **predictions))
        return self.finish(denoised, scale, cond=positive, uncond=negative, **predictions)

    def finish(self, denoised: Tensor, scale: float, **values: Any) -> Tensor:
        """The guided prediction after the functions that change it; values: what else they are told."""
        for function in self.options.get("sampler_post_cfg_function", ()):
            denoised = function(self._args(scale, denoised=denoised, **values))
        return denoised

    def _args(self, scale: float | None, **values: Any) -> dict[str, Any]:
        sigma = torch.full((self._x.shape[0],), float(self._sigma), device=self._x.device)
        return {
            "cond_scale": scale,
            "input": self._x,
            "sigma": sigma,
            "timestep": sigma,
            "level": self._sigma,
            "model": self._network,
            "model_options": self.options,
            **values,
        }


class Predictor:
    """The weighted mean prediction of each of several lists of conditions, in as few network calls as possible.

    The network that keeps it is told with every call: the two holding each other, weights would outlive their run.
    """

    def __init__(self, run: SamplingRun, sides: Sequence[Sequence[Condition]]) -> None:
        self._run = run
        self._conditions = [(side, condition) for side, conditions in enumerate(sides) for condition in conditions]
        self._sides = len(sides)
        self._plans: dict[tuple[Any, ...], _Plan] = {}

    def __call__(self, network: GuidedNetwork, x: Tensor, sigma: Tensor, options: Mapping[str, Any]) -> list[Tensor]:
        """Denoised predictions [B,C,h,w], one a side; 0 where no condition of the side acts. options: model_options."""
        level = float(sigma)
        active = tuple(condition.active(level) for _, condition in self._conditions)
        key = (active, x.shape)
        if key not in self._plans:
            chosen = [pair for pair, on in zip(self._conditions, active, strict=True) if on]
            self._plans[key] = _plan(chosen, self._sides, x, self._run.denoiser.context_repeats)
        plan = self._plans[key]
        sums = [torch.zeros_like(x) for _ in range(self._sides)]
        for call in plan.calls:
            crops = [_crop(x, box) for box in call.boxes]
            predicted = self._denoise(network, torch.cat(crops), sigma, call, options)
            parts = zip(call.sides, call.boxes, call.weights, predicted.chunk(len(crops)), strict=True)
            for side, (h, w, top, left), weight, part in parts:
                sums[side][..., top : top + h, left : left + w] += part * weight
        return [total / count for total, count in zip(sums, plan.counts, strict=True)]

    def _denoise(
        self, network: GuidedNetwork, x: Tensor, sigma: Tensor, call: _Call, options: Mapping[str, Any]
    ) -> Tensor:
        denoiser, added = self._run.network(call.hooks, float(sigma)), call.added or None
        inner = {
            **options.get("transformer_options", {}),
            "cond_or_uncond": call.sides,
            "sigmas": sigma.expand(x.shape[0]),
        }
        if call.grounded is not None:
            patches = inner.get("patches", {})
            inner["patches"] = {**patches, GROUNDED: [*patches.get(GROUNDED, ()), call.grounded]}
        wrapper: Callable[..., Tensor] | None = options.get("model_function_wrapper")
        around = wrappers_in(inner, WrappersMP.APPLY_MODEL)
        if wrapper is None and not around:
            return evaluate(NetworkCall(denoiser, x, sigma, call.context, added, inner, call.concat, call.control))
        network.denoiser = denoiser
        apply_model: Callable[..., Tensor] = network.apply_model
        if around:
            apply_model = WrapperExecutor(apply_model, network, around).execute
        timestep = torch.full((x.shape[0],), float(sigma), device=x.device)
        # Each tensor by a name of its own: a wrapper that takes the batch apart finds all that has one.
        c: dict[str, Any] = {"c_crossattn": call.context, **call.added, "transformer_options": inner}
        c |= {"c_concat": call.concat, "control": call.control}
        if wrapper is None:
            return apply_model(x, timestep, **c)
        return wrapper(apply_model, {"input": x, "timestep": timestep, "c": c, "cond_or_uncond": call.sides})


@dataclass(frozen=True, eq=False)
class _Call:
    """One evaluation of the network: equal crops of x, one a condition, side by side in the batch.

    control, hooks, grounded: one for all conditions of the call.
    """

    sides: list[int]
    boxes: list[Area]
    weights: list[Tensor | float]
    context: Tensor
    added: dict[str, Tensor]
    concat: Tensor | None
    control: Steering | None
    hooks: Hooks | None
    grounded: Patch | None


@dataclass(frozen=True, eq=False)
class _Plan:
    """What to evaluate while one set of conditions is active. counts: the sum of weights, one tensor a side."""

    calls: list[_Call]
    counts: list[Tensor]


def _plan(chosen: list[tuple[int, Condition]], sides: int, x: Tensor, repeats: int) -> _Plan:
    batch, (height, width) = x.shape[0], x.shape[-2:]
    # Not 0: where nothing acts the prediction is 0 / 1e-37 = 0.
    counts = [torch.full((batch, *[1] * (x.dim() - 3), height, width), 1e-37, device=x.device) for _ in range(sides)]
    room = _room(chosen, x)
    calls = []
    for group in _groups([pair for pair in chosen if _acts(pair, room)], height, width, repeats):
        boxes = [condition.box(height, width) for _, condition in group]
        weights = [
            _crop(room[side], condition.box(height, width))
            if condition.default
            else _with_axes(condition.weight(batch, height, width), x.dim())
            for side, condition in group
        ]
        for (side, _), (h, w, top, left), weight in zip(group, boxes, weights, strict=True):
            counts[side][..., top : top + h, left : left + w] += weight
        conditions = [condition for _, condition in group]
        length = math.lcm(*(condition.context.shape[1] for condition in conditions))
        contexts = [c.context.repeat(1, length // c.context.shape[1], 1) for c in conditions]
        added = {
            key: torch.cat([to_batch(condition.added[key], batch) for condition in conditions])
            for key in conditions[0].added
        }
        context = torch.cat([to_batch(context, batch) for context in contexts])
        concat = None
        if conditions[0].concat is not None:
            cropped = [_crop(c.concat, box) for c, box in zip(conditions, boxes, strict=True) if c.concat is not None]
            concat = torch.cat([to_batch(piece, batch) for piece in cropped])
        sides_of_group = [side for side, _ in group]
        first = conditions[0]
        shared = _control_of(first), first.hooks, first.grounded
        calls.append(_Call(sides_of_group, boxes, weights, context, added, concat, *shared))
    return _Plan(calls, counts)


def _control_of(condition: Condition) -> Steering | None:
    if condition.control is None or condition.control_prompt is None:
        return condition.control
    return PromptedControl(condition.control, condition.control_prompt)


def _room(chosen: list[tuple[int, Condition]], x: Tensor) -> dict[int, Tensor]:
    """How much the conditions of a side leave to its default ones, [B,1,...,h,w] of 0..1, where it has some."""
    batch, (height, width) = x.shape[0], x.shape[-2:]
    shape = batch, *[1] * (x.dim() - 3), height, width
    room = {side: torch.ones(shape, device=x.device) for side, condition in chosen if condition.default}
    for side, condition in chosen:
        if side in room and not condition.default:
            taken = _with_axes(condition.weight(batch, height, width), x.dim())
            _crop(room[side], condition.box(height, width)).sub_(taken)
    return {side: left.clamp(min=0.0) for side, left in room.items()}


def _acts(pair: tuple[int, Condition], room: Mapping[int, Tensor]) -> bool:
    """Whether a condition counts anywhere: a default one that finds no room does not."""
    side, condition = pair
    return not condition.default or bool(room[side].any())


def _crop(samples: Tensor, box: Area) -> Tensor:
    height, width, top, left = box
    return samples[..., top : top + height, left : left + width]


def _with_axes(weight: Tensor | float, axes: int) -> Tensor | float:
    """A weight [b,1,h,w] as one for latents of so many axes: the same for all frames of a video."""
    return (
        weight.reshape(weight.shape[0], *[1] * (axes - 3), *weight.shape[-2:]) if isinstance(weight, Tensor) else weight
    )


def _groups(
    chosen: list[tuple[int, Condition]], height: int, width: int, repeats: int
) -> list[list[tuple[int, Condition]]]:
    """Conditions that fit into one call: crops of one size, what is read beside them of one form, one control, one set
    of hooks, the same boxes.

    repeats: how often the tokens of a context may be repeated, to bring several to one length.
    Each group lists the last first: uncond before cond, as ComfyUI batches them, so that rounding is the same.
    """
    groups: list[list[tuple[int, Condition]]] = []
    for side, condition in chosen:
        size = condition.box(height, width)[:2]
        for group in groups:
            lengths = [c.context.shape[1] for _, c in group] + [condition.context.shape[1]]
            same_size = group[0][1].box(height, width)[:2] == size
            first = group[0][1]
            same = same_size and first.control is condition.control and first.hooks == condition.hooks
            same = same and first.control_prompt is condition.control_prompt
            same = same and first.grounded is condition.grounded and _alike(first, condition)
            if same and math.lcm(*lengths) <= repeats * min(lengths):
                group.append((side, condition))
                break
        else:
            groups.append([(side, condition)])
    return [group[::-1] for group in groups]


def _alike(a: Condition, b: Condition) -> bool:
    """Whether what the network reads beside latent and context has one form."""
    forms = [{key: tensor.shape[1:] for key, tensor in condition.added.items()} for condition in (a, b)]
    return forms[0] == forms[1] and (a.concat is None) == (b.concat is None)
