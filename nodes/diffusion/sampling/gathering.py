"""Networks evaluated for several runs at once: calls that fit together become one of a larger batch.

Each run goes on by itself, with its own solver, noise, guidance and masks; only where it calls the network it meets the
others. What fits together is one network with one process, latents of one form, and what is read beside them of one
form; noise levels, numbers of conditions and ControlNets may differ. Everything else is evaluated as it always is:
never another result, only slower. So are networks that functions of transformer_options step into, since these may look
at the batch.

A batch changes how a network's sums are rounded: results lie within the tolerance of batching (docs/sweeps.md).
"""

from __future__ import annotations

import itertools
import math
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from weft.nodes.diffusion.families.protocol import Denoiser, Steering

OF_A_RUN = frozenset({"cond_or_uncond", "sigmas", "sample_sigmas", "scratch", "random"})
"""What stands in transformer_options in every run, and which nothing but functions beside it reads."""


@dataclass(frozen=True, eq=False)
class NetworkCall:
    """One call of a Denoiser: what it is called with, by its names. sigma: 0-dim."""

    denoiser: Denoiser
    x: Tensor
    sigma: Tensor
    context: Tensor
    added: Mapping[str, Tensor] | None = None
    options: Mapping[str, Any] | None = None
    concat: Tensor | None = None
    control: Steering | None = None

    def alone(self) -> Tensor:
        """What the denoiser gives, called for this alone."""
        read = self.context, self.added, self.options
        return self.denoiser(self.x, self.sigma, *read, concat=self.concat, control=self.control)

    @property
    def patched(self) -> bool:
        """Whether transformer_options hold more than what every run has there."""
        return any(
            name not in OF_A_RUN and not (isinstance(value, dict | list) and not value)
            for name, value in (self.options or {}).items()
        )

    @property
    def form(self) -> Hashable:
        """Calls of one form are of one network, and can be laid in one batch but for the lengths of their contexts."""
        denoiser = self.denoiser
        beside = {"x": self.x, "concat": self.concat, **(self.added or {})}
        forms = [(name, tuple(t.shape[1:]), t.dtype) for name, t in beside.items() if t is not None]
        of_context = self.context.shape[2:], self.context.dtype
        return type(denoiser), denoiser.network, denoiser.sampling, of_context, frozenset(forms)


Answer = Callable[[Sequence[NetworkCall]], Sequence["Tensor | None"]]
Meet = Callable[[Answer, NetworkCall], "Tensor | None"]
"""Waits for the other runs, has one of them answer all that came, and gives back what was found for this one."""


class Gathering:
    """Calls that several runs make, evaluated together. `meet` is where the runs meet.

    Where memory runs out in a batch, no later one is more than half as large.
    """

    def __init__(self, meet: Meet) -> None:
        self._meet = meet
        self._most = sys.maxsize
        # What networks read in every step is the same tensor in every step: some keep what they made of it.
        self._laid: deque[tuple[Sequence[Tensor], Tensor]] = deque(maxlen=16)

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Inside the block, the networks of this thread are evaluated here."""
        token = _gathering.set(self)
        try:
            yield
        finally:
            _gathering.reset(token)

    def evaluate(self, call: NetworkCall) -> Tensor:
        """What the denoiser gives for a call."""
        found = None if call.patched else self._meet(self.answer, call)
        return call.alone() if found is None else found

    def answer(self, calls: Sequence[NetworkCall]) -> list[Tensor | None]:
        """What the denoiser gives for each call; None for one that nothing else fits to."""
        import torch

        found: list[Tensor | None] = [None] * len(calls)
        for places in self._groups(calls):
            group = [calls[place] for place in places]
            if len(group) == 1:
                continue
            try:
                parts = _in_one(group, self._together)
            except torch.OutOfMemoryError:
                self._most = sum(len(call.x) for call in group) // 2
                continue
            for place, part in zip(places, parts, strict=True):
                found[place] = part
        return found

    def _together(self, tensors: Sequence[Tensor]) -> Tensor:
        """Tensors in one batch: the same one for the very same tensors."""
        import torch

        for parts, found in self._laid:
            if len(parts) == len(tensors) and all(one is other for one, other in zip(parts, tensors, strict=True)):
                return found
        self._laid.append((tensors, torch.cat(list(tensors))))
        return self._laid[-1][1]

    def _groups(self, calls: Sequence[NetworkCall]) -> list[list[int]]:
        """The places of calls that become one: of one form, their contexts of lengths that can be made one."""
        groups: list[list[int]] = []
        forms = [call.form for call in calls]
        for place, call in enumerate(calls):
            for group in groups:
                others = [calls[other] for other in group]
                lengths = [each.context.shape[1] for each in (*others, call)]
                fits = math.lcm(*lengths) <= call.denoiser.context_repeats * min(lengths)
                few = sum(len(each.x) for each in (*others, call)) <= self._most
                if forms[group[0]] == forms[place] and fits and few:
                    group.append(place)
                    break
            else:
                groups.append([place])
        return groups


_gathering: ContextVar[Gathering | None] = ContextVar("gathering", default=None)


def evaluate(call: NetworkCall) -> Tensor:
    """What the denoiser gives for a call, which may be evaluated together with others."""
    gathered = _gathering.get()
    return call.alone() if gathered is None else gathered.evaluate(call)


def _in_one(calls: Sequence[NetworkCall], together: Callable[[Sequence[Tensor]], Tensor]) -> Sequence[Tensor]:
    """What the denoiser gives for calls that fit together. together: lays what is read in every step in one batch."""
    import torch

    first, counts = calls[0], [len(call.x) for call in calls]
    sigma = first.sigma
    if any(float(call.sigma) != float(sigma) for call in calls):
        sigma = torch.cat([call.sigma.expand(count) for call, count in zip(calls, counts, strict=True)])
    length = math.lcm(*(call.context.shape[1] for call in calls))
    times = [length // call.context.shape[1] for call in calls]
    context = together(
        [call.context if n == 1 else call.context.repeat(1, n, 1) for call, n in zip(calls, times, strict=True)]
    )
    added = {name: together([call.added[name] for call in calls if call.added]) for name in first.added or ()}
    concat = [call.concat for call in calls if call.concat is not None]
    denoised = first.denoiser(
        torch.cat([call.x for call in calls]),
        sigma,
        context,
        added or None,
        concat=torch.cat(concat) if concat else None,
        control=_Controls(calls) if any(call.control is not None for call in calls) else None,
    )
    return denoised.split_with_sizes(counts)


class _Controls:
    """See Steering: the controls of several calls, each for its own part of the batch."""

    def __init__(self, calls: Sequence[NetworkCall]) -> None:
        self._calls = calls

    def residuals(
        self,
        sample: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor] | None,
        sigma: Tensor,
    ) -> list[Tensor | None]:
        """See Steering. Calls without a control, or whose control does not act now, get zeros: nothing is added."""
        import torch

        counts = [len(call.x) for call in self._calls]
        parts: list[list[Tensor | None]] = []
        for call, piece, times in zip(
            self._calls, sample.split_with_sizes(counts), timestep.split_with_sizes(counts), strict=True
        ):
            given = piece, times, call.context, call.added, call.sigma
            parts.append([] if call.control is None else call.control.residuals(*given))

        def joined(layer: tuple[Tensor | None, ...]) -> Tensor | None:
            form = next((part for part in layer if part is not None), None)
            if form is None:
                return None
            shape = form.shape[1:]
            pieces = zip(layer, counts, strict=True)
            return torch.cat([form.new_zeros(count, *shape) if part is None else part for part, count in pieces])

        return [joined(layer) for layer in itertools.zip_longest(*parts)]
