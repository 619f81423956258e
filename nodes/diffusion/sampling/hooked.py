"""Networks whose weights hooks change, as a run passes its noise levels: see weights/hooks.py.

A keyframe begins at the noise level of its share of the way. As in ComfyUI, one that is guaranteed lasts for a noise
level at least and lets no other begin meanwhile, unless it begins before the run does; the first one acts until another
begins. Which keyframe acts at a level is told by the levels of the schedule before it, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import Warn, python_warning
from weft.nodes.diffusion.weights.hooks import Hook, Hooks, Keyframe

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import Denoiser
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

State = tuple[tuple[Hook, float], ...]
"""Hooks that act, and how strongly."""


class HookedModel:
    """The denoisers of one model in one run, by what hooks make of its weights.

    sigmas: the levels that the run passes, highest first. Only the networks of the last two levels are kept: those of
    keyframes that are over make room. warn: told of what a hook leaves out.
    """

    def __init__(
        self,
        model: ModelPatcher,
        denoiser: Denoiser,
        sigmas: Sequence[float] | Tensor,
        warn: Warn = python_warning,
    ) -> None:
        self._model = model
        self._plain = denoiser
        self._sigmas = [float(sigma) for sigma in sigmas]
        self._held: dict[State, tuple[Denoiser, ExitStack]] = {}
        self._level: float | None = None
        self._used: set[State] = set()
        self._warn = warn
        self._said: set[str] = set()

    def denoiser(self, hooks: Hooks | None, sigma: float) -> Denoiser:
        """The network as these hooks make it at a noise level. Raises PatchError where one does not fit the model."""
        state = () if hooks is None else self.state(hooks, sigma)
        if not state:
            return self._plain
        if sigma != self._level:
            self._let_go(keep=self._used)
            self._level, self._used = sigma, set()
        self._used.add(state)
        if state not in self._held:
            self._held[state] = self._made(state)
        return self._held[state][0]

    def state(self, hooks: Hooks, sigma: float) -> State:
        """Which hooks act at a noise level, and how strongly."""
        strengths = [hook.strength_model * self._factor(hook.keyframes, sigma) for hook in hooks.hooks]
        return tuple((hook, strength) for hook, strength in zip(hooks.hooks, strengths, strict=True) if strength)

    def close(self) -> None:
        """Let go of all networks."""
        self._let_go(keep=set())

    def _factor(self, keyframes: Sequence[Keyframe], sigma: float) -> float:
        passed = [level for level in self._sigmas if level > sigma]
        return strength_at(keyframes, [*passed, sigma], self._model.sampling)

    def _made(self, state: State) -> tuple[Denoiser, ExitStack]:
        model, held = self._model, ExitStack()
        # Plain tensors: what is realised is shared with who else has these patches, and outlives the run.
        with torch.inference_mode(False):
            for hook, strength in state:
                model = hook.change.model(model, strength, self._tell)
            network = model.network.module()
        if model.network.memory is not None:
            held.enter_context(model.network.memory.on_device(network))
        return model.kind.denoiser(network, model.sampling, model.latent_format), held

    def _tell(self, message: str) -> None:
        """Say it once, however many strengths a hook has."""
        if message not in self._said:
            self._said.add(message)
            self._warn(message)

    def _let_go(self, keep: set[State]) -> None:
        for state in [state for state in self._held if state not in keep]:
            _, held = self._held.pop(state)
            held.close()


def strength_at(keyframes: Sequence[Keyframe], levels: Sequence[float], sampling: ModelSampling) -> float:
    """The factor of the keyframe that acts at the last of these levels, which a run passes in this order."""
    if not keyframes:
        return 1.0
    starts = [sampling.percent_to_sigma(keyframe.start_percent) for keyframe in keyframes]
    at, lasted = 0, 0
    for level in levels:
        if lasted or not _must_last(keyframes[at], starts[at], levels[0]):
            while at + 1 < len(keyframes) and starts[at + 1] >= level:
                at, lasted = at + 1, 0
                if _must_last(keyframes[at], starts[at], levels[0]):
                    break
        lasted += 1
    return keyframes[at].strength


def _must_last(keyframe: Keyframe, start: float, top: float) -> bool:
    return keyframe.guaranteed and start <= top
