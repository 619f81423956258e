"""Calls of a network by several runs become one where they fit together, and each gets what it would get alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import weft
from weft.engine.cancel import CancelToken
from weft.engine.running.turns import Turns
from weft.engine.schema.packs import Pack, Packs
from weft.nodes.diffusion.families.sd.denoiser import UNetDenoiser
from weft.nodes.diffusion.sampling.control import load_controlnet, with_control
from weft.nodes.diffusion.sampling.denoiser import PREDICTIONS, ModelSampling
from weft.nodes.diffusion.sampling.gathering import Gathering, NetworkCall
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.tally import counting
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint

from .ksampling import ksample
from .toy_family import ToyFamily, write

EVERYTHING: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
BATCHING = 1e-4
"""By how much a value may differ, relative to the largest one, of runs that are not sensitive."""
ROUNDING = 1e-6
"""What a batch may do to an output of a network, relative to it, and by which a run that is sensitive is told."""
ROOT = Path(__file__).resolve().parents[2]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def off(got: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return ((got - expected).abs().max() / expected.abs().max()).item()


def denoiser_of(model: Any) -> Any:
    return model.kind.denoiser(model.network.module(), model.sampling, model.latent_format)


MakeCall = Callable[..., NetworkCall]


@pytest.fixture(scope="module")
def made(open_checkpoint: Callable[..., Any]) -> MakeCall:
    """A call of a small network, its numbers by a seed; channels: of the network."""
    denoisers: dict[Any, Any] = {}

    def make(
        seed: int,
        family: str = "sd1",
        *,
        channels: int = 4,
        items: int = 2,
        sigma: float = 2.0,
        tokens: int = 77,
        size: int = 8,
    ) -> NetworkCall:
        if (family, channels) not in denoisers:
            denoisers[family, channels] = denoiser_of(open_checkpoint(family, channels).model)
        denoiser = denoisers[family, channels]
        added = None
        if denoiser.pooled_width is not None:
            sizes = torch.full((items, 6), float(64 + seed))
            added = {"text_embeds": normal(items, denoiser.pooled_width, seed=seed), "time_ids": sizes}
        context = normal(items, tokens, denoiser.context_width, seed=seed)
        x = normal(items, 4, size, size, seed=seed + 100)
        concat = normal(items, channels - 4, size, size, seed=seed) if channels > 4 else None
        return NetworkCall(denoiser, x, torch.tensor(sigma), context, added, concat=concat)

    return make


def answered(*calls: NetworkCall) -> tuple[list[Tensor | None], int]:
    """What a meeting of these calls is answered, and in how many evaluations."""
    with torch.inference_mode(), counting() as tally:
        return Gathering(lambda answer, call: None).answer(calls), tally.calls


TOGETHER: dict[str, list[dict[str, Any]]] = {
    # At scale 1 only one side is evaluated, so that numbers of items differ.
    "levels and items": [{}, {}, {"sigma": 0.5}, {"items": 1, "sigma": 9.0}],
    "lengths of prompts": [{}, {"tokens": 154}, {"tokens": 77}],
    "what is added": [{"family": "sdxl"}, {"family": "sdxl", "sigma": 0.5}],
    "what is concatenated": [{"channels": 9}, {"channels": 9}],
}


@pytest.mark.parametrize("calls", TOGETHER.values(), ids=list(TOGETHER))
def test_one_call_for_all_that_fit(calls: list[dict[str, Any]], made: MakeCall) -> None:
    asked = [made(seed, **options) for seed, options in enumerate(calls)]
    found, evaluations = answered(*asked)
    assert evaluations == 1
    with torch.inference_mode():
        for got, call in zip(found, asked, strict=True):
            assert got is not None
            assert off(got, call.alone()) < BATCHING


def test_what_does_not_fit_is_left_to_itself(made: MakeCall) -> None:
    """Other networks, sizes, processes, and contexts that cannot be made one length."""
    one = made(1)
    process = type(one.denoiser)(one.denoiser.network, ModelSampling.discrete("v"))
    calls = [one, made(2, "sdxl"), made(3, size=16), replace(one, denoiser=process), made(5, tokens=100)]
    assert answered(*calls) == ([None] * 5, 0)
    found, evaluations = answered(*calls, made(6), made(7, size=16))
    assert [each is not None for each in found] == [True, False, True, False, False, True, True]
    assert evaluations == 2


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("clock", ["table", "continuous"])
def test_each_item_at_its_own_level_is_as_if_it_were_alone(prediction: str, clock: str) -> None:
    sampling = (
        ModelSampling.discrete(prediction)
        if clock == "table"
        else ModelSampling.continuous(prediction, sigma_min=0.01, sigma_max=80.0)
    )
    x, output, sigmas = normal(3, 4, 2, 2), normal(3, 4, 2, 2, seed=1), torch.tensor([7.0, 1.0, 0.3])
    scaled, denoised = sampling.scale_input(x, sigmas), sampling.denoised(x, output, sigmas)
    for i, sigma in enumerate(sigmas):
        assert torch.equal(scaled[i], sampling.scale_input(x[i], sigma))
        assert torch.equal(denoised[i], sampling.denoised(x[i], output[i], sigma))


@pytest.mark.parametrize(
    ("options", "patched"),
    [
        (None, False),
        ({"cond_or_uncond": [1, 0], "scratch": {}, "random": 3, "sigmas": normal(2), "sample_sigmas": None}, False),
        ({"patches": {}, "patches_replace": {}}, False),
        ({"patches": {"attn1_patch": [print]}}, True),
        ({"of_a_pack": normal(2)}, True),
    ],
)
def test_networks_that_functions_step_into_meet_nobody(options: Any, patched: bool) -> None:
    denoiser: Any = lambda *given, **more: normal(1)  # noqa: E731
    call = NetworkCall(denoiser, normal(1), torch.tensor(1.0), normal(1), options=options)
    met: list[NetworkCall] = []
    Gathering(lambda answer, call: met.append(call)).evaluate(call)
    assert met == ([] if patched else [call])


class Steered:
    """A Steering that says what it was given, and gives two maps of so many ones; none where it does not act."""

    def __init__(self, value: float, acts: bool = True) -> None:
        self.value = value
        self.acts = acts
        self.seen: list[Any] = []

    def residuals(self, sample: Tensor, timestep: Tensor, context: Tensor, added: Any, sigma: Tensor) -> list[Tensor]:
        self.seen = [sample.flatten().tolist(), timestep.tolist(), context.shape[1], float(sigma)]
        return [torch.full((len(sample), 2), self.value), torch.full((len(sample), 3), self.value)] if self.acts else []


class Echo:
    """A denoiser that gives back what its control adds."""

    context_repeats = 4
    network = sampling = None

    def __init__(self) -> None:
        self.steering: list[Tensor] = []

    def __call__(self, x: Tensor, sigma: Tensor, context: Tensor, *given: Any, control: Any, concat: Any) -> Tensor:
        self.steering = control.residuals(x, torch.arange(len(x)), context, None, sigma)
        return x


def test_each_control_sees_its_own_part() -> None:
    denoiser, first, second = Echo(), Steered(5.0), Steered(7.0, acts=False)
    told: list[tuple[int, int, Steered | None]] = [(1, 77, first), (2, 154, None), (1, 77, second)]
    calls = []
    for i, (items, tokens, control) in enumerate(told):
        x, sigma = torch.full((items, 1), float(i)), torch.tensor(i + 1.0)
        calls.append(NetworkCall(denoiser, x, sigma, normal(items, tokens, 2), control=control))
    answered(*calls)
    assert first.seen == [[0.0], [0], 77, 1.0]
    assert second.seen == [[2.0], [3], 77, 3.0]
    assert [each.tolist() for each in denoiser.steering] == [
        [[5.0] * 2, [0.0] * 2, [0.0] * 2, [0.0] * 2],
        [[5.0] * 3, [0.0] * 3, [0.0] * 3, [0.0] * 3],
    ]


def test_controls_that_do_not_act_add_nothing() -> None:
    denoiser = Echo()
    calls = [
        NetworkCall(denoiser, normal(1, 1), torch.tensor(1.0), normal(1, 7, 2), control=Steered(1.0, acts=False))
        for _ in range(2)
    ]
    answered(*calls)
    assert denoiser.steering == []


def test_where_memory_runs_out_batches_become_smaller() -> None:
    sizes: list[int] = []

    class Narrow(Echo):
        def __call__(self, x: Tensor, *given: Any, **more: Any) -> Tensor:
            sizes.append(len(x))
            if len(x) > 4:
                raise torch.OutOfMemoryError
            return x

    denoiser = Narrow()
    calls = [NetworkCall(denoiser, normal(2, 1, seed=i), torch.tensor(1.0), normal(2, 7, 2)) for i in range(5)]
    gathering = Gathering(lambda answer, call: None)
    assert gathering.answer(calls) == [None] * 5
    found = gathering.answer(calls)
    assert sizes == [10, 4, 4]
    assert [each is not None for each in found] == [True] * 4 + [False]


def together(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """What jobs give that take turns, in their order."""
    turns = Turns(len(jobs), CancelToken(), Packs((Pack(gatherer=Gathering),)))
    found = dict(turns.run(partial(lambda i, job: (i, job()), i, job) for i, job in enumerate(jobs)))
    return [found[i] for i in range(len(jobs))]


def sampled(
    model: Any, latent: dict[str, Any], settings: Sequence[dict[str, Any]]
) -> tuple[list[Tensor], list[Tensor]]:
    """The latents of these settings, each sampled alone and all of them together."""
    jobs = [partial(lambda given: ksample(model, latent, **given)["samples"], each) for each in settings]
    return [job() for job in jobs], together(jobs)


def cells(width: int, sampler: str = "euler", **more: Any) -> list[dict[str, Any]]:
    """Settings that differ in seed, prompt and scale, the last in whether both sides are evaluated."""
    given = {
        "sampler": sampler,
        "scheduler": "karras",
        "steps": 6,
        "negative": [[normal(1, 77, width, seed=9), {}]],
        **more,
    }
    return [
        {**given, "seed": seed, "cfg": cfg, "positive": [[normal(1, 77, width, seed=seed), {}]]}
        for seed, cfg in ((1, 7.0), (2, 3.0), (3, 1.0))
    ]


def agree(alone: Sequence[Tensor], batched: Sequence[Tensor]) -> None:
    for one, other in zip(alone, batched, strict=True):
        assert off(other, one) < BATCHING
        assert all(off(other, another) > 0.01 for another in alone if another is not one)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model of another family: nothing here knows what a UNet is."""
    path = write(tmp_path_factory.mktemp("toy") / "toy.safetensors", video=True)
    return load_checkpoint(path, families=[ToyFamily()], **EVERYTHING).model


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_run_among_others_is_the_run_alone(sampler: str, toy: Any) -> None:
    """Each has its own noise, prompt, scale, number of steps and solver."""
    settings = [{**each, "steps": steps} for each, steps in zip(cells(6, sampler), (4, 4, 6), strict=True)]
    settings += cells(6, "euler", scheduler="normal")
    agree(*sampled(toy, {"samples": normal(1, 16, 2, 4, 4)}, settings))


@pytest.fixture(scope="module")
def trained() -> Any:
    """The small model, and conditionings of it."""
    return load_checkpoint(ROOT / "workflows" / "models" / "checkpoints" / "weft-tiny.safetensors", **EVERYTHING)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_with_a_trained_network(sampler: str, trained: Any) -> None:
    """A batch does to a run what errors of rounding in the outputs of its network do."""
    settings = cells(64, sampler, steps=10, negative=trained.clip.encode(""))
    texts = ("red apple", "blue car", "a green tree, night")
    settings = [{**each, "positive": trained.clip.encode(text)} for each, text in zip(settings, texts, strict=True)]
    latent, rounded = {"samples": torch.zeros(1, 4, 16, 16)}, trained.model.clone()
    generator = torch.Generator().manual_seed(0)

    def disturbed(apply: Callable[..., Tensor], of: dict[str, Any]) -> Tensor:
        output = apply(of["input"], of["timestep"], **of["c"])
        return output * (1.0 + ROUNDING * torch.randn(output.shape, generator=generator))

    rounded.set_model_unet_function_wrapper(disturbed)
    alone, batched = sampled(trained.model, latent, settings)
    for one, other, given in zip(alone, batched, settings, strict=True):
        sensitivity = off(ksample(rounded, latent, **given)["samples"], one)
        assert off(other, one) < max(10 * sensitivity, 10 * ROUNDING)


@pytest.mark.parametrize("wrapped", [False, True])
def test_one_evaluation_a_step_for_all(wrapped: bool, open_checkpoint: Any) -> None:
    """Also where a function is around the network."""
    model, latent = open_checkpoint("sd1").model.clone(), {"samples": torch.zeros(1, 4, 4, 4)}
    if wrapped:
        model.set_model_unet_function_wrapper(lambda apply, of: apply(of["input"], of["timestep"], **of["c"]))
    with counting() as tally:
        together([partial(ksample, model, latent, **{**each, "steps": 2}) for each in cells(64)])
    assert tally.calls == 2


def test_masks_areas_and_controls_are_each_run_s_own(parity: Path) -> None:
    model = load_checkpoint(parity / "models" / "checkpoints" / "tiny_sd15.safetensors", **EVERYTHING).model
    net = load_controlnet(parity / "models" / "controlnet" / "tiny_controlnet.safetensors", **EVERYTHING)
    mask = torch.zeros(1, 64, 64)
    mask[:, :32] = 1.0
    latent = {"samples": normal(1, 4, 8, 8), "noise_mask": mask}
    settings = cells(64, steps=3, sampler="ddim")
    settings[0]["positive"], settings[0]["negative"] = with_control(
        [settings[0]["positive"], settings[0]["negative"]], net, torch.rand(1, 64, 64, 3), 1.0, 0.0, 0.5
    )
    settings[1]["positive"][0][1]["area"] = (4, 4, 0, 2)
    agree(*sampled(model, latent, settings))


def stage_until(end: int, seed: int) -> dict[str, Any]:
    """A prompt of node 5, which does the first steps of six."""
    nodes: dict[str, Any] = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": "weft-tiny.safetensors"}),
        "2": ("CLIPTextEncode", {"text": "a cat", "clip": ["1", 1]}),
        "4": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
        "5": (
            "KSamplerAdvanced",
            {
                "model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["4", 0], "cfg": 1.0,
                "noise_seed": seed, "add_noise": "enable", "steps": 6, "sampler_name": "euler", "scheduler": "normal",
                "start_at_step": 0, "end_at_step": end, "return_with_leftover_noise": "enable",
            },
        ),
    }  # fmt: skip
    return {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()}


def test_cells_that_share_steps_compute_them_once(random_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One waits for the other's, and meanwhile others begin, with which this one meets."""
    cells = [(end, seed) for seed in (1, 2) for end in (2, 4, 6)]
    items: list[int] = []
    denoise = UNetDenoiser.__call__

    def counted(self: UNetDenoiser, x: Tensor, *given: Any, **more: Any) -> Tensor:
        items.append(len(x))
        return denoise(self, x, *given, **more)

    monkeypatch.setattr(UNetDenoiser, "__call__", counted)
    found: dict[int, tuple[list[int], list[Tensor]]] = {}
    for batch in (1, 3):
        session = weft.Session(
            models=(random_models,), cache=weft.MemoryCache(), batch=batch, device="cpu", dtype="float32"
        )

        def job(cell: tuple[int, int], session: Any = session) -> tuple[Any, Tensor]:
            result = session.execute(session.plan(session.read(stage_until(*cell)), ["5"]))
            return cell, result["5"][0]["samples"]

        items.clear()
        sampled = dict(session.together(partial(job, cell) for cell in cells))
        found[batch] = [*items], [sampled[cell] for cell in cells]
    assert found[1][0] == [1] * 12, "six steps a seed"
    assert found[3][0] == [2] * 6
    agree(found[1][1], found[3][1])
