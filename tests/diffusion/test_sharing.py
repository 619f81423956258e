"""Steps that samplers share: whatever is found on the way, a stage gives what it gives alone, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.sampling import sample
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.stages import Stage
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint, load_checkpoint

from .ksampling import stage_of
from .toy_family import CHANNELS, ToyFamily, write

STEPS = 6
"""More than any solver looks back, or ahead."""
CUT = STEPS - 2
CUTTABLE = [name for name, sampler in SAMPLERS.items() if not sampler.own_steps]
MODES = ("comfy", "continuous")
LATENT: dict[str, Any] = {"samples": torch.zeros(1, CHANNELS, 4, 4)}


class Kept(dict[bytes, Mapping[str, Any]]):
    """A store of states that remembers where it was asked."""

    due = False
    found: int | None = None

    def find(self, places: Sequence[bytes]) -> tuple[int, Mapping[str, Any]] | None:
        self.found = next((at for at in reversed(range(len(places))) if places[at] in self), None)
        return None if self.found is None else (self.found, self[places[self.found]])

    def keep(self, states: Mapping[bytes, Mapping[str, Any]]) -> None:
        self.update(states)

    def first(self, count: int) -> Kept:
        """What was left in the first steps."""
        return Kept(list(self.items())[:count])


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    path = write(tmp_path_factory.mktemp("toys") / "picture.safetensors", video=False)
    return load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32, families=(ToyFamily(),))


def stage(toy: LoadedCheckpoint, sampler: str, mode: str, **changes: Any) -> Stage:
    assert toy.clip is not None
    sides = {"positive": toy.clip.encode("a cat"), "negative": toy.clip.encode("")}
    settings = {"seed": 3, "steps": STEPS, "cfg": 3.0, "scheduler": "karras", "sampler": sampler, "mode": mode}
    return stage_of(toy.model.sampling, **{**sides, **settings, **changes})


def sampled(toy: LoadedCheckpoint, made: Stage, kept: Kept | None = None, latent: Any = LATENT) -> Any:
    """The latent, and the steps that were done for it."""
    done: list[int] = []
    result = sample.ksample(toy.model, latent, made, callback=lambda step, *_: done.append(step), steps=kept)
    return result, done


def same(one: Any, other: Any) -> bool:
    """Whether two values hold the same bits."""
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.stride() == other.stride() and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CUTTABLE)
def test_gone_on_from_any_step(toy: LoadedCheckpoint, name: str, mode: str) -> None:
    """Cold, kept on the way, and gone on from step k: one result, the memory that it leaves included."""
    for ends in ({"start": 0}, {"start": 1, "end": CUT}):
        made = stage(toy, name, mode, **ends)
        kept = Kept()
        cold, _ = sampled(toy, made)
        warm, done = sampled(toy, made, kept)
        assert same(warm, cold)
        assert len(kept) == len(done)
        for count in range(1, len(done) + 1):
            resumed, left = sampled(toy, made, kept.first(count))
            assert same(resumed, cold)
            assert left == done[count:]


def test_samplers_that_choose_their_own_steps_are_done_again(toy: LoadedCheckpoint) -> None:
    for name in SAMPLERS.keys() - set(CUTTABLE):
        kept = Kept()
        sampled(toy, stage(toy, name, "comfy"), kept)
        assert not kept


@pytest.mark.parametrize("name", CUTTABLE)
def test_who_looks_ahead(toy: LoadedCheckpoint, name: str) -> None:
    """What the table says: states on the way to two ends are the same, or they differ somewhere."""
    whole, part = Kept(), Kept()
    sampled(toy, stage(toy, name, "comfy"), whole)
    sampled(toy, stage(toy, name, "comfy", end=CUT), part)
    ahead = SAMPLERS[name].looks_ahead
    assert same(list(whole.values())[:CUT], list(part.values())) is not ahead
    assert (list(whole)[:CUT] == list(part)) is not ahead
    assert set(whole).isdisjoint(part) is ahead


@pytest.mark.parametrize("name", CUTTABLE)
def test_in_continuous_mode_all_ends_share(toy: LoadedCheckpoint, name: str) -> None:
    whole, part = Kept(), Kept()
    sampled(toy, stage(toy, name, "continuous"), whole)
    sampled(toy, stage(toy, name, "continuous", end=CUT), part)
    assert same(dict(list(whole.items())[:CUT]), dict(part))
