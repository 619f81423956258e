"""Steps that samplers share: whatever is found on the way, a stage gives what it gives alone, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.sampling import sample
from weft.nodes.diffusion.sampling.custom import custom_sample
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.guiders import Guider
from weft.nodes.diffusion.sampling.noise import PatchRandom, RandomNoise
from weft.nodes.diffusion.sampling.patches import attention
from weft.nodes.diffusion.sampling.patches.guidance import PerpNeg, RescaleCFG, keep_attention, only_values
from weft.nodes.diffusion.sampling.patches.mask import DifferentialDiffusion
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.samplers.interface import Sampler
from weft.nodes.diffusion.sampling.sharing import PATCHES, Trail, looks_ahead
from weft.nodes.diffusion.sampling.spellings import find_sampler
from weft.nodes.diffusion.sampling.stages import Stage
from weft.nodes.diffusion.values.latent_tones import Sharpen, Tonemap
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint, load_checkpoint
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import stage_of
from .toy_family import CHANNELS, ToyFamily, write

STEPS = 6
"""More than any solver looks back, or ahead."""
CUT = STEPS - 2
CUTTABLE = [name for name, sampler in SAMPLERS.items() if not sampler.own_steps]
MODES = ("comfy", "continuous")
X = torch.zeros(1, CHANNELS, 4, 4)
LATENT: dict[str, Any] = {"samples": X}


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
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


STRETCHES: list[Any] = [
    ({"start": 0}, [2]),
    pytest.param({"start": 0}, range(1, STEPS + 1), marks=pytest.mark.slow),
    pytest.param({"start": 1, "end": CUT}, range(1, CUT), marks=pytest.mark.slow),
    pytest.param({"start": 2, "end": CUT, "force_full_denoise": True}, range(1, CUT - 1), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CUTTABLE)
@pytest.mark.parametrize(("ends", "counts"), STRETCHES)
def test_gone_on_from_step_k(
    toy: LoadedCheckpoint, name: str, mode: str, ends: dict[str, Any], counts: Sequence[int]
) -> None:
    """Cold, kept on the way, and gone on from step k: one result, the memory that it leaves included."""
    made, kept = stage(toy, name, mode, **ends), Kept()
    cold, _ = sampled(toy, made)
    warm, done = sampled(toy, made, kept)
    assert same(warm, cold)
    assert len(kept) == len(done)
    for count in counts:
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


def test_the_last_step_of_a_stage_that_is_forced_to_end_is_its_own(toy: LoadedCheckpoint) -> None:
    whole, part = Kept(), Kept()
    sampled(toy, stage(toy, "euler", "comfy"), whole)
    sampled(toy, stage(toy, "euler", "comfy", end=CUT, force_full_denoise=True), part)
    assert list(whole)[: CUT - 1] == list(part)[:-1]
    assert list(part)[-1] not in whole


class Remembers:
    """What somebody else wrote, which may be anything."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __call__(self, *given: Any, **named: Any) -> Any:
        raise AssertionError("it is not run")


class OtherCFG(CFG):
    """A guidance that is not the one that is known."""


class OtherNoise(RandomNoise):
    """A noise that is not the one that is known."""


class OtherPatch(RescaleCFG):
    """A patch that is not the one that is known."""


def solved(*given: Any) -> Tensor:
    raise AssertionError("it is not run")


def known(toy: LoadedCheckpoint, made: Stage, change: Callable[[ModelPatcher], None] = lambda model: None) -> Any:
    model = toy.model.clone()
    change(model)
    return looks_ahead(model, model.network.base, made)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda model: None, False),
        (lambda model: model.set_model_sampler_cfg_function(RescaleCFG(0.7)), False),
        (lambda model: model.set_model_sampler_cfg_function(PerpNeg([[torch.zeros(1, 2), {}]], 1.0)), False),
        (lambda model: model.set_model_denoise_mask_function(DifferentialDiffusion(1.0)), True),
        (lambda model: model.model_options.update(plain={"a": [1, 2.0, "b", None, (True, torch.zeros(1))]}), False),
        (lambda model: model.set_model_sampler_cfg_function(PerpNeg([[Remembers(), {}]], 1.0)), None),
        (lambda model: model.set_model_sampler_cfg_function(OtherPatch(0.7)), None),
        (lambda model: model.set_model_sampler_cfg_function(lambda cond, uncond, scale: cond), None),
        (lambda model: model.set_model_sampler_post_cfg_function(Remembers()), None),
        (lambda model: model.set_model_unet_function_wrapper(wraps(keep_attention)(Remembers())), None),
        (lambda model: model.model_options.update(somebody=Remembers()), None),
        (lambda model: setattr(model, "sampling", type("Other", (ModelSampling,), {})(torch.ones(3))), None),
        (lambda model: setattr(model, "sampling", ModelSampling(torch.ones(3), clock=Remembers())), None),
    ],
)
def test_what_is_known_of_a_model(toy: LoadedCheckpoint, change: Any, expected: bool | None) -> None:
    assert known(toy, stage(toy, "euler", "comfy"), change) is expected


def test_what_is_known_of_a_stage(toy: LoadedCheckpoint) -> None:
    made = stage(toy, "euler", "comfy")
    euler = made.sampler
    others: list[Stage] = [
        replace(made, guidance=OtherCFG([], [], 1.0)),
        replace(made, guidance=CFG([[torch.zeros(1), {"control": Remembers()}]], [], 1.0)),
        replace(made, noise=OtherNoise(3)),
        replace(made, sampler=Sampler(euler.solve)),
        replace(made, sampler=replace(euler, solve=solved)),
        replace(made, sampler=replace(euler, solve=wraps(euler.solve)(solved))),
    ]
    for other in others:
        assert known(toy, other) is None
        kept = Kept()
        if other.sampler is euler and not isinstance(other.guidance, CFG):
            sampled(toy, other, kept)
        assert not kept
    assert looks_ahead(toy.model, toy.model.network.base, made, [Remembers()]) is None


def test_a_network_that_somebody_stepped_into_is_not_known(toy: LoadedCheckpoint) -> None:
    made, network = stage(toy, "euler", "comfy"), toy.model.network.base
    inner = next(iter(network.children()))
    hook = inner.register_forward_hook(lambda *given: None)
    assert known(toy, made) is None
    hook.remove()
    inner.forward = inner.forward
    assert known(toy, made) is None
    del inner.forward
    assert known(toy, made) is False


def test_every_patch_of_ours_is_known() -> None:
    """What a function of sampling/patches puts on a model; a new one must be thought about."""
    put: set[Any] = set()
    # Not reuse, whose patch remembers.
    for name in ("attention", "blocks", "cfg", "guidance", "layers", "mask", "windows"):
        module = import_module(f"weft.nodes.diffusion.sampling.patches.{name}")
        for each in vars(module).values():
            if (
                getattr(each, "__module__", "") == module.__name__
                and isinstance(each, type)
                and "__call__" in vars(each)
            ):
                put.add(each)
    functions = {attention.unmerge_tokens, attention.untile, keep_attention, only_values}
    operations = {Sharpen, Tonemap}
    assert put | functions | operations == set(PATCHES)


def test_what_patches_draw_in_sequence_goes_on() -> None:
    first, other = PatchRandom((1, 4, 4, 4), 3), PatchRandom((1, 4, 4, 4), 3)
    assert first.position is None
    torch.rand(5, generator=first.generator)
    other.position = first.position
    assert torch.equal(torch.rand(5, generator=first.generator), torch.rand(5, generator=other.generator))


def test_what_is_not_finite_is_not_left() -> None:
    trail = Trail(left := Kept(), [b"1", b"2"], range(2), [], None)
    trail.passed(0, X, {})
    trail.passed(1, X * float("nan"), {})
    trail.leave()
    assert list(left) == [b"1"]


def test_a_mask_and_a_batch_index_go_on(toy: LoadedCheckpoint) -> None:
    latent = {
        "samples": torch.randn(2, CHANNELS, 4, 4, generator=torch.Generator().manual_seed(1)),
        "noise_mask": torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(2)),
        "batch_index": [4, 1],
    }
    for name in ("euler_ancestral", "ddim", "dpmpp_2m"):
        for mode in MODES:
            made, kept = stage(toy, name, mode), Kept()
            cold, _ = sampled(toy, made, latent=latent)
            sampled(toy, made, kept, latent)
            assert same(sampled(toy, made, kept.first(3), latent)[0], cold)


def test_the_last_prediction_is_found_too(toy: LoadedCheckpoint) -> None:
    made = stage(toy, "dpmpp_2m", "comfy")
    for name in ("dpmpp_2m", "euler_ancestral"):
        given = Guider(toy.model, made.guidance), find_sampler(name), made.schedule[:4], RandomNoise(3), LATENT
        cold, kept = custom_sample(*given), Kept()
        assert same(custom_sample(*given, steps=kept), cold)
        for count in range(1, 4):
            assert same(custom_sample(*given, steps=kept.first(count)), cold)
