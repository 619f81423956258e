"""The steps of a sampler, shared: a stage goes on from the last state on its way that somebody has left.

A state is what a stage that ends there leaves: x, the solver's memory, where its random sources stand. Its place is a
chain of digests over the levels passed so far, begun with all that what is computed from them depends on:

- in every mode whether the stage goes on from another one's memory, and whether a last prediction is kept;
- with memory the step it began at, since noise is addressed by step;
- where something looks ahead all levels that it sees: those that the solver gets, and with memory, where noise may be
  one path over all of it, the whole schedule.

What is steered, from which latent and with which noise, the node says: it is the identity of its trajectory. Nothing is
shared where something may have a memory that is not in the state, or may look ahead unseen: a solver, guidance, noise
or patch that is not of those listed here, a network with hooks. States that are not finite are not left.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import fields
from functools import partial
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.sampling.continuous import VERSION, AddressedNoise, plain
from weft.nodes.diffusion.sampling.control import Control
from weft.nodes.diffusion.sampling.denoiser import AngleClock, FlowClock, LogClock, ModelSampling, TableClock
from weft.nodes.diffusion.sampling.gligen import Gligen
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.guiders import DualCFG, PerpNegCFG
from weft.nodes.diffusion.sampling.noise import (
    BrownianNoise,
    LevelRandom,
    NoiseSource,
    NoNoise,
    PatchRandom,
    RandomNoise,
    SequentialNoise,
    ShapedNoise,
)
from weft.nodes.diffusion.sampling.noise_control import ControlledNoise
from weft.nodes.diffusion.sampling.patches import attention, blocks, cfg, guidance, layers, mask, windows
from weft.nodes.diffusion.sampling.samplers.interface import State
from weft.nodes.diffusion.values import latent_tones
from weft.nodes.diffusion.values.clip_vision import VisionOutput
from weft.nodes.diffusion.weights.hooks import Hooks
from weft.nodes.diffusion.weights.parts import moves_only

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.continuous import Leftover
    from weft.nodes.diffusion.sampling.stages import SolverSpan, Stage
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

GUIDANCE = (CFG, DualCFG, PerpNegCFG)
NOISE = (RandomNoise, NoNoise, ControlledNoise)
SOURCES = (SequentialNoise, AddressedNoise, BrownianNoise, ShapedNoise, PatchRandom, LevelRandom)
CLOCKS = (TableClock, LogClock, AngleClock, FlowClock)
PATCHES: Mapping[Any, bool] = {
    attention.MergeTokens: False,
    attention.unmerge_tokens: False,
    attention.TiledAttention: False,
    attention.untile: False,
    blocks.FreeU: False,
    blocks.Shrink: False,
    blocks.MatchSkip: False,
    cfg.CFGNorm: False,
    cfg.CFGZeroStar: False,
    cfg.RenormCFG: False,
    cfg.TangentialDamping: False,
    cfg.ProjectedGuidance: False,
    cfg.Mahiro: False,
    cfg.EpsilonScaling: False,
    cfg.ScaledFrequencies: False,
    cfg.RampedGuidance: False,
    cfg.OperateOnGuidance: False,
    guidance.RescaleCFG: False,
    guidance.PerpNeg: False,
    guidance.PerturbedAttentionGuidance: False,
    guidance.SelfAttentionGuidance: False,
    guidance.keep_attention: False,
    guidance.only_values: False,
    latent_tones.Sharpen: False,
    latent_tones.Tonemap: False,
    layers.SkipLayers: False,
    layers.SkipNegativeLayers: False,
    mask.DifferentialDiffusion: True,
    windows.InOneWindow: False,
}
"""The patches that remember nothing from one evaluation to the next but what they draw, and whether they look ahead."""

_X, _LAST = "x at the end of the step", "last prediction"
"""Names in a state, beside the solver's own."""

HELD_BYTES = 1 << 28
"""Of states that were passed and not yet left: beyond it they are, whatever the time."""


class StepStore(Protocol):
    """Where states are left, and found."""

    def find(self, places: Sequence[bytes]) -> tuple[int, Mapping[str, Any]] | None:
        """The last of these places at which a state was left, as its index, and the state."""

    def keep(self, states: Mapping[bytes, Mapping[str, Any]]) -> None:
        """Leave states by their places, in the order in which they were passed."""

    @property
    def due(self) -> bool:
        """Whether states should be left now, and not only at the end."""


class Trail:
    """The way of one stage: where it is begun, and what is left on it.

    sources: what is drawn from on the way. last: holds the last prediction, if anybody asks for it.
    """

    def __init__(
        self,
        store: StepStore,
        places: Sequence[bytes],
        steps: range,
        sources: Sequence[NoiseSource | PatchRandom],
        last: list[Tensor] | None,
    ) -> None:
        self._store = store
        self._places = dict(zip(steps, places, strict=True))
        self._sources = sources
        self._last = last
        self._passed: dict[bytes, dict[str, Tensor]] = {}
        self._bytes = 0

    def begin(self, x: Tensor, state: State) -> tuple[Tensor, range]:
        """x, and the steps that are left to do; `state` becomes the solver's memory there."""
        steps = range(min(self._places), max(self._places) + 1)
        found = self._store.find(list(self._places.values()))
        if found is None:
            return x, steps
        index, kept = found
        device, tensors = x.device, dict(_unpacked(kept))
        for place, source in enumerate(self._sources):
            source.position = tensors.pop(f"position {place}", None)
        if self._last is not None:
            self._last[:] = [tensors.pop(_LAST).to(device)]
        x = tensors.pop(_X).to(device)
        state.clear()
        state.update({name: value.to(device) for name, value in tensors.items()})
        return x, steps[index + 1 :]

    def passed(self, step: int, x: Tensor, state: State) -> None:
        """A step was done. Nothing is copied yet: no solver writes into what it gave or remembered."""
        held = {**state, _X: x} | ({_LAST: self._last[0]} if self._last else {})
        self._bytes += sum(each.nbytes for each in held.values())
        for place, source in enumerate(self._sources):
            if (position := source.position) is not None:
                held[f"position {place}"] = position
        self._passed[self._places[step]] = held
        if self._store.due or self._bytes > HELD_BYTES:
            self.leave()

    def leave(self) -> None:
        """Leave what was passed since, as far as it is finite."""
        states, self._passed, self._bytes = self._passed, {}, 0
        left: dict[bytes, dict[str, Any]] = {}
        # Plain tensors: what is left outlives the block in which a sampler computes.
        with torch.inference_mode(False):
            for place, state in states.items():
                tensors = {name: plain(value) for name, value in state.items()}
                if not tensors[_X].isfinite().all():
                    break
                left[place] = _packed(tensors)
        if left:
            self._store.keep(left)

    def __enter__(self) -> Trail:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        # At an interrupt and at a failure, too: after one of the device, nothing may come from there.
        with suppress(Exception) if kind is not None else nullcontext():
            self.leave()


def _packed(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Tensors that `plain` gave as one, which is written at once, and what it is made of: names, types and layouts."""
    flat = [each.as_strided((each.numel(),), (1,)).view(torch.uint8) for each in tensors.values()]
    made = [
        [name, str(each.dtype).removeprefix("torch."), list(each.shape), list(each.stride())]
        for name, each in tensors.items()
    ]
    return {"bytes": torch.cat(flat), "tensors": made}


def _unpacked(state: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a state, in memory of their own."""
    start = 0
    for name, dtype, shape, stride in state["tensors"]:
        kind = getattr(torch, dtype)
        end = start + math.prod(shape) * kind.itemsize
        yield name, state["bytes"][start:end].clone().view(kind).as_strided(shape, stride)
        start = end


def trail_of(
    store: StepStore | None,
    model: ModelPatcher,
    network: nn.Module,
    stage: Stage,
    span: SolverSpan,
    before: Leftover | None,
    sources: Sequence[NoiseSource | PatchRandom],
    last: list[Tensor] | None,
) -> Trail | None:
    """The way of a stage, if its steps may be shared, and there is one."""
    if store is None or not span.steps or stage.sampler.own_steps:
        return None
    ahead = looks_ahead(model, network, stage, sources)
    if ahead is None:
        return None
    memory = stage.mode.memory
    seen = [span.sigmas, stage.schedule] if ahead and memory else [span.sigmas] if ahead else []
    told = struct.pack(">I???q", VERSION, memory, before is not None, last is not None, span.origin if memory else 0)
    start = hashlib.blake2b(told + stage.sampler.name.encode(), digest_size=32)
    for levels in seen:
        start.update(struct.pack(">q", len(levels)) + levels.numpy().tobytes())
    return Trail(store, list(_chain(start.digest(), span)), span.steps, sources, last)


def _chain(place: bytes, span: SolverSpan) -> Iterator[bytes]:
    """The place after each step of a span."""
    levels = span.sigmas.numpy()
    for end in range(span.steps.stop + 1):
        place = hashlib.blake2b(place + levels[end].tobytes(), digest_size=32).digest()
        if end > span.steps.start:
            yield place


def looks_ahead(model: ModelPatcher, network: nn.Module, stage: Stage, sources: Sequence[object] = ()) -> bool | None:
    """Whether a step of this stage may depend on levels beyond its end; None where something may have a memory.

    network: the model's, as it computes.
    """
    sampling = model.sampling
    known = (
        type(stage.guidance) in GUIDANCE
        and type(stage.noise) in NOISE
        and type(sampling) is ModelSampling
        and type(sampling.clock) in CLOCKS
        and all(type(source) in SOURCES for source in sources)
        and _is_ours(stage.sampler.solve)
        and not any(_is_hooked(module) for module in network.modules())
    )
    sights = [
        stage.sampler.looks_ahead,
        model.kind.looks_ahead,
        *_fields(stage.guidance),
        _sight(model.model_options),
    ]
    return _any(sights) if known else None


def _sight(value: Any) -> bool | None:
    """Whether something in options looks ahead; None where something is there of which nothing is known."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str) or isinstance(value, Tensor):
        return False
    if kind in (dict, list, tuple):
        return _any(_sight(item) for item in (value.values() if kind is dict else value))
    if kind is Control:
        hooked = any(_is_hooked(module) for module in value.net.network.base.modules())
        return None if hooked else _sight(value.previous)
    if kind is Gligen:
        return None if any(_is_hooked(module) for module in value.network.base.modules()) else False
    if kind is VisionOutput:
        return False
    if kind is Hooks:
        # Keyframes count the levels of the whole schedule.
        return any(hook.keyframes for hook in value.hooks)
    if kind is FunctionType:
        return PATCHES.get(value)
    return _any([PATCHES.get(kind), *_fields(value)]) if kind in PATCHES else None


def _fields(value: Any) -> list[bool | None]:
    """What is known of the fields of a dataclass."""
    return [_sight(getattr(value, each.name)) for each in fields(value)]


def _any(told: Iterable[bool | None]) -> bool | None:
    """Whether any is true; None where one is None."""
    found = list(told)
    return None if None in found else any(found)


def _is_ours(solve: Any) -> bool:
    """Whether a solver is one of this package, whose memory is in its state."""
    while isinstance(solve, partial):
        solve = solve.func
    # Not its __module__, which a wrapper takes over.
    return type(solve) is FunctionType and solve.__globals__["__name__"].startswith(f"{__package__}.")


def _is_hooked(module: nn.Module) -> bool:
    """Whether somebody has stepped into a module of a network."""
    hooks = (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    return not all(map(moves_only, hooks)) or "forward" in module.__dict__
