"""Conditions: what steers a run, where in the latent, how much and when.

A conditioning is ComfyUI's list of [tensor [b,T,C], dict]. `resolve` reads one once a run; nothing here runs per step.
Keys read: area, strength; mask, mask_strength, set_area_to_bounds; start_percent, end_percent; clip_start_percent,
clip_end_percent (of a prompt whose text encoders change); hooks; default; control, control_apply_to_uncond,
cross_attn_controlnet, pooled_output_controlnet; gligen; and what the family of the network reads (Denoiser.feed).
Semantics: parity/facts.md section 6.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, Warn, python_warning
from weft.nodes.diffusion.sampling.noise import PatchRandom
from weft.nodes.diffusion.values.masks import resize_mask
from weft.nodes.diffusion.values.pixels import to_batch
from weft.nodes.diffusion.weights.hooks import Hooks

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import Denoiser, Fed, Steering
    from weft.nodes.diffusion.sampling.hooked import HookedModel
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

Area = tuple[int, int, int, int]  # height, width, y, x in latent pixels

CONVERTED = ("cross_attn", "model_conds", "uuid")
"""What the form of an entry has that packs convert conditionings to, and that is no option of it."""


BOXES = "gligen"
"""What an entry carries boxes with texts under, as ComfyUI does: ("position", a Grounder, boxes)."""
GROUNDED = "middle_patch"
"""Where they step into a UNet."""
Patch = Callable[[Tensor, Mapping[str, Any]], Tensor]


@runtime_checkable
class Grounder(Protocol):
    """What has a network draw boxes; a Gligen is one."""

    def bind(self, boxes: Sequence[Any], run: SamplingRun) -> Patch:
        """Boxes, made ready for one run. Raises DiffusionError where it is made for another model."""


class Steerer(Protocol):
    """What steers the inner layers of a network, not yet in a run; a Control is one."""

    def bind(self, run: SamplingRun) -> Steering:
        """It, made ready for one run."""


@dataclass(frozen=True, eq=False)
class SamplingRun:
    """What is being sampled: the denoiser, and the shape [B,C,h,w] and device of its latent.

    latent: the one that the run starts from, as the network takes it.
    noise_mask: where it may change, as the LATENT has it. seed: of its noise. held: keeps networks on the device until
    the run ends.
    options: the model's model_options. sigmas: the noise levels that are passed. random: what the model's patches
    choose by; by default that of seed 0. model: the MODEL that is sampled, for functions that ask. hooked: it, as
    hooks change it. warn: is told of what conditionings carry and nothing reads.
    """

    denoiser: Denoiser
    shape: tuple[int, ...]
    device: torch.device
    latent: Tensor | None = None
    noise_mask: Tensor | None = None
    seed: int = 0
    held: ExitStack = field(default_factory=ExitStack)
    options: Mapping[str, Any] = field(default_factory=dict)
    sigmas: Tensor | None = None
    random: PatchRandom | None = None
    model: ModelPatcher | None = None
    hooked: HookedModel | None = None
    warn: Warn = python_warning
    _bound: dict[Steerer, Steering] = field(default_factory=dict)

    def network(self, hooks: Hooks | None, sigma: float) -> Denoiser:
        """The denoiser, as these hooks make it at a noise level."""
        return self.denoiser if self.hooked is None else self.hooked.denoiser(hooks, sigma)

    def control(self, control: Steerer) -> Steering:
        """A control made ready for this run, once, so that conditions that share one can share a call."""
        if control not in self._bound:
            self._bound[control] = control.bind(self)
        return self._bound[control]


@dataclass(frozen=True, eq=False)
class Condition:
    """One entry of a conditioning, ready for the network.

    context: [b,T,C], and added: SDXL's vectors, [b,...] each, both on the device, in the network's dtype.
    concat: [b,c,h,w] channels behind the latent's, at its size, or None.
    area: where it acts, perhaps beyond the latent's edge; None for everywhere.
    mask: [m,h,w] at latent size on the device, or None.
    sigma_start, sigma_end: it acts at the noise levels between them, both included.
    control: what steers the network's inner layers, None for nothing. control_for_all: the other sides get it too.
    control_prompt: what the control reads in the place of context and added, None for these.
    hooks: what changes the network's weights. grounded: what draws the boxes that say what stands where, at GROUNDED.
    default: it acts where the others of its side leave room, and as much.
    """

    context: Tensor
    added: Mapping[str, Tensor]
    concat: Tensor | None = None
    area: Area | None = None
    strength: float = 1.0
    mask: Tensor | None = None
    mask_strength: float = 1.0
    sigma_start: float = math.inf
    sigma_end: float = 0.0
    control: Steering | None = None
    control_for_all: bool = False
    control_prompt: Fed | None = None
    hooks: Hooks | None = None
    grounded: Patch | None = None
    default: bool = False

    def active(self, sigma: float) -> bool:
        """Whether it acts at this noise level."""
        return self.sigma_end <= sigma <= self.sigma_start

    def box(self, height: int, width: int) -> Area:
        """Where it acts in a latent of this size: the area, cut at the edge."""
        h, w, y, x = self.area or (height, width, 0, 0)
        return min(h, height - y), min(w, width - x), y, x

    def weight(self, batch: int, height: int, width: int) -> Tensor | float:
        """How much it counts at each latent pixel of its box: a number, or a tensor that broadcasts to [batch,C,h,w].

        A mask weighs by itself. An area without one fades in over up to 8 pixels at the sides inside the latent.
        """
        h, w, y, x = self.box(height, width)
        if self.mask is not None:
            mask = to_batch(self.mask[:batch, None, y : y + h, x : x + w], batch)
            return mask * (self.mask_strength * self.strength)
        if self.area is None:
            return self.strength
        return (self.strength * _fade(h, y, height)[:, None] * _fade(w, x, width)).to(self.context.device)[None, None]


def resolve(conditioning: Sequence[Any], side: str, run: SamplingRun) -> list[Condition]:
    """The conditions of one side ("positive", "negative") of a run.

    Raises DiffusionError naming side and entry where one does not fit the network or the latent.
    """
    if not isinstance(conditioning, list | tuple):
        got = type(conditioning).__name__
        raise DiffusionError(f"{side} conditioning: expected a list of [tensor, options], got {got}")
    resolved = []
    for i, given in enumerate(conditioning):
        entry = _as_pair(given)
        try:
            if not isinstance(entry, list | tuple) or len(entry) != 2 or not isinstance(entry[1], Mapping):
                raise DiffusionError(f"expected [tensor, options], got {type(entry).__name__}")
            context, options = entry
            resolved.append(_resolve_entry(context, options, side, run))
        except DiffusionError as error:
            raise DiffusionError(f"{side} conditioning, entry {i}: {error}") from None
    return resolved


def _as_pair(entry: Any) -> Any:
    """[tensor, options] of an entry as packs convert it: a dict with the tensor under "cross_attn"."""
    if not isinstance(entry, Mapping):
        return entry
    return [entry.get("cross_attn"), {key: entry[key] for key in entry if key not in CONVERTED}]


def resolve_sides(sides: Mapping[str, Sequence[Any]], run: SamplingRun) -> list[list[Condition]]:
    """The conditions of all sides of a run, in their order, with what one side gives to another: twins and controls.

    Args:
        sides: conditionings by side; what "positive" says about the others counts.

    Raises DiffusionError as `resolve`.
    """
    resolved = {side: resolve(conditioning, side, run) for side, conditioning in sides.items()}
    for side, conditions in resolved.items():
        for other in resolved:
            if other != side:
                add_twins(conditions, resolved[other])
    for side, conditions in resolved.items():
        if side != "positive":
            share_controls(resolved.get("positive", []), conditions)
    return list(resolved.values())


def share_controls(positive: Sequence[Condition], other: list[Condition]) -> None:
    """Put the controls that the positive side has for all sides on the conditions of another side.

    Only conditions without area give and get one, in turn, the last winning; a side that has one of its own gets none.
    """
    controls = [c.control for c in positive if c.area is None and c.control is not None and c.control_for_all]
    places = [place for place, condition in enumerate(other) if condition.area is None]
    if not places or any(other[place].control is not None for place in places):
        return
    for number, control in enumerate(controls):
        place = places[number % len(places)]
        other[place] = replace(other[place], control=control)


def add_twins(source: Sequence[Condition], other: list[Condition]) -> None:
    """Give `other` a condition for each area in `source`, so that both sides are compared on the same crop.

    The twin acts where, when and as much as the area does, with the prompt of the smallest condition in `other` that
    contains the area; none is added where that condition has this very area.
    """
    for condition in source:
        if condition.area is None:
            continue
        containing = [c for c in other if c.area is None or _contains(c.area, condition.area)]
        if not containing:
            continue
        smallest = min(containing, key=lambda c: math.inf if c.area is None else c.area[0] * c.area[1])
        if smallest.area != condition.area:
            twin = replace(condition, context=smallest.context, added=smallest.added, concat=smallest.concat)
            other.append(twin)


def _resolve_entry(context: Tensor, options: Mapping[str, Any], side: str, run: SamplingRun) -> Condition:
    denoiser, (height, width) = run.denoiser, run.shape[-2:]
    fed = denoiser.feed(context, options, side, run)
    if options.get("reference_latents") and not denoiser.reads_references:
        run.warn("a prompt carries pictures to edit (ReferenceLatent), which this model does not read: left out")
    mask = options.get("mask")
    if mask is not None:
        mask = resize_mask(mask, height, width)
    area = absolute_area(options["area"], height, width) if options.get("area") is not None else None
    if mask is not None and options.get("set_area_to_bounds"):
        area = bounds_of(mask)
    percent_to_sigma = denoiser.sampling.percent_to_sigma
    # The later of both starts and the earlier of both ends, as far as there are any.
    start = max(_given(options, "start_percent", "clip_start_percent"), default=None)
    end = min(_given(options, "end_percent", "clip_end_percent"), default=None)
    hooks = options.get("hooks")
    if hooks is not None and not isinstance(hooks, Hooks):
        raise DiffusionError(f"its hooks are of an unknown kind: {type(hooks).__name__}")
    if hooks is not None and run.hooked is None:
        raise DiffusionError("it carries hooks, which cannot be applied here")
    control, boxes = options.get("control"), options.get(BOXES)
    if boxes is not None and area is not None:
        raise DiffusionError(
            "it has boxes (GLIGEN), which are of the whole picture, and an area, which is a part of it"
        )
    return Condition(
        context=fed.context,
        added=fed.added,
        concat=fed.concat,
        area=area,
        strength=float(options.get("strength", 1.0)),
        mask=None if mask is None else mask.to(run.device),
        mask_strength=float(options.get("mask_strength", 1.0)),
        sigma_start=math.inf if start is None else percent_to_sigma(start),
        sigma_end=0.0 if end is None else percent_to_sigma(end),
        control=None if control is None else run.control(control),
        control_for_all=bool(options.get("control_apply_to_uncond")),
        control_prompt=None if control is None else _control_prompt(options, side, run),
        hooks=hooks,
        grounded=None if boxes is None else _grounded(boxes, run),
        default=bool(options.get("default")),
    )


def _control_prompt(options: Mapping[str, Any], side: str, run: SamplingRun) -> Fed | None:
    """The prompt that a conditioning has for its controls alone."""
    context = options.get("cross_attn_controlnet")
    if context is None:
        return None
    pooled = options.get("pooled_output_controlnet")
    return run.denoiser.feed(context, {**options, "pooled_output": pooled}, side, run)


def _grounded(given: Any, run: SamplingRun) -> Patch:
    match given:
        case ("position", Grounder() as model, [*boxes]):
            return model.bind(boxes, run)
    raise DiffusionError("its gligen is of an unknown kind; expected boxes, as GLIGENTextBoxApply gives them")


def _given(options: Mapping[str, Any], *names: str) -> list[float]:
    return [options[name] for name in names if options.get(name) is not None]


def absolute_area(area: Sequence[Any], height: int, width: int) -> Area:
    """From (h, w, y, x) in latent pixels or ("percentage", h, w, y, x) in shares; it may reach beyond the edge."""
    if area[0] == "percentage" and len(area) == 5:
        _, h, w, y, x = area
        # round() is to even at .5, as in ComfyUI.
        area = (max(1, round(h * height)), max(1, round(w * width)), round(y * height), round(x * width))
    if len(area) != 4:
        raise DiffusionError("its area is a box in a video, with a length in time: this model samples pictures")
    h, w, y, x = area
    if not (0 <= y < height and 0 <= x < width and h > 0 and w > 0):
        raise DiffusionError(f"its area of {w}x{h} at x={x}, y={y} lies outside the latent of {width}x{height}")
    return h, w, y, x


def bounds_of(mask: Tensor) -> Area:
    """The smallest box of at least 8x8 around what any mask of the batch marks; one of 8x8 for an empty mask."""
    marked = (mask != 0).any(dim=0)
    rows, columns = marked.any(dim=1).nonzero(), marked.any(dim=0).nonzero()
    if not len(rows):
        return 8, 8, 0, 0
    y, x = int(rows[0]), int(columns[0])
    return max(8, int(rows[-1]) - y + 1), max(8, int(columns[-1]) - x + 1), y, x


def _fade(size: int, offset: int, total: int) -> Tensor:
    """[size] weights along one axis: a ramp at each end that lies inside the latent, 1 elsewhere."""
    weight = torch.ones(size)
    ramp = min(8, size // 4)
    for t in range(ramp):
        if offset != 0:
            weight[t] *= (t + 1) / ramp
        if offset + size < total:
            weight[size - 1 - t] *= (t + 1) / ramp
    return weight


def _contains(outer: Area, inner: Area) -> bool:
    h, w, y, x = inner
    outer_h, outer_w, outer_y, outer_x = outer
    return outer_y <= y and outer_x <= x and y + h <= outer_y + outer_h and x + w <= outer_x + outer_w
