"""What nodes give to models of other families: schedules of flows, empty latents, values of conditionings.

Schedules after ModelSampling nodes are ComfyUI's numbers, to the rounding of float32.
"""

from __future__ import annotations

import math
from inspect import signature
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from weft.nodes.core import empty_latents, family_conditioning, flows
from weft.nodes.core.cells import SIZED
from weft.nodes.core.model import TorchCompileModel
from weft.nodes.core.sigmas import BasicScheduler, ManualSigmas
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.conditions import absolute_area
from weft.nodes.diffusion.sampling.denoiser import ModelSampling


class Model:
    """As much of a MODEL as a schedule needs."""

    sampling: ModelSampling

    def clone(self) -> Model:
        return Model()


FLUX = [
    1.0,
    0.961028695,
    0.915174305,
    0.860436797,
    0.793957651,
    0.711505353,
    0.606536746,
    0.468370289,
    0.278298587,
    0.0,
]
AURA = [1.0, 0.947542489, 0.882787704, 0.800837338, 0.693793058, 0.548045576, 0.337972194, 0.008928572, 0.0]
SD3 = [1.0, 0.961759269, 0.909707129, 0.834712088, 0.717317522, 0.507396519, 0.024414064, 0.0]

MODEL: Any = Model()
PROMPT: Any = [[torch.zeros(1, 2, 3), {"pooled_output": None}]]


@pytest.mark.parametrize(
    ("node", "inputs", "scheduler", "sigmas"),
    [
        ("ModelSamplingFlux", {"max_shift": 1.15, "base_shift": 0.5, "width": 832, "height": 1216}, "simple", FLUX),
        ("ModelSamplingAuraFlow", {"shift": 3.0}, "normal", AURA),
        ("ModelSamplingSD3", {"shift": 5.0}, "normal", SD3),
    ],
)
def test_shifted_schedules(node: str, inputs: dict[str, Any], scheduler: str, sigmas: list[float]) -> None:
    model = getattr(flows, node)(model=MODEL, **inputs)
    made = BasicScheduler(model=model, scheduler=scheduler, steps=len(sigmas) - 1, denoise=1.0)
    torch.testing.assert_close(made, torch.tensor(sigmas), atol=2e-7, rtol=0)


def test_the_timestep_that_a_network_is_told() -> None:
    assert float(flows.ModelSamplingSD3(model=MODEL, shift=3.0).sampling.timestep(0.5)) == 500.0
    assert float(flows.ModelSamplingAuraFlow(model=MODEL, shift=3.0).sampling.timestep(0.5)) == 0.5
    with pytest.raises(DiffusionError, match="above 0"):
        flows.ModelSamplingSD3(model=MODEL, shift=0.0)


def test_the_shift_follows_the_size() -> None:
    """LTX-Video's: mu is base_shift at 1024 elements and max_shift at 4096, by its definition."""
    for frames, mu in ((4, 0.95), (16, 2.05)):
        latent: Any = {"samples": torch.zeros(1, 128, frames, 16, 16)}
        model = flows.ModelSamplingLTXV(model=MODEL, max_shift=2.05, base_shift=0.95, latent=latent)
        assert float(model.sampling.sigma(0.5)) == pytest.approx(math.exp(mu) / (math.exp(mu) + 1))
    plain = flows.LTXVScheduler(steps=4, max_shift=2.05, base_shift=0.95, stretch=False, terminal=0.1)
    assert plain.tolist() == pytest.approx([1.0, *(7.767901 / (7.767901 + 1 / t - 1) for t in (0.75, 0.5, 0.25)), 0.0])
    stretched = flows.LTXVScheduler(steps=4, max_shift=2.05, base_shift=0.95, stretch=True, terminal=0.1)
    assert [float(stretched[0]), float(stretched[-1])] == pytest.approx([1.0, 0.0])
    assert float(stretched[3]) == pytest.approx(0.1)
    torch.testing.assert_close((1 - stretched[1:3]) / (1 - plain[1:3]), torch.full((2,), 0.9 / (1 - float(plain[3]))))
    assert flows.LTXVScheduler(steps=1, max_shift=2.0, base_shift=1.0, stretch=True, terminal=0.1).tolist() == [
        1.0,
        0.0,
    ]


@pytest.mark.parametrize(("side", "steps"), [(1024, 20), (512, 4), (2048, 50)])
def test_flux2_is_shifted_by_size_and_steps(side: int, steps: int) -> None:
    """Against diffusers' own port of Black Forest Labs' fit, whose code is not imported: it loads every pipeline."""
    tokens = side * side // 256
    at_200, at_10 = 0.00016927 * tokens + 0.45666666, 8.73809524e-05 * tokens + 1.89833333
    mu = at_200 if tokens > 4300 else at_10 + (at_200 - at_10) * (steps - 10) / 190
    sigmas = flows.Flux2Scheduler(steps=steps, width=side, height=side)
    assert sigmas.shape == (steps + 1,)
    middle = steps // 2
    t = 1 - middle / steps
    assert float(sigmas[middle]) == pytest.approx(math.exp(mu) / (math.exp(mu) + 1 / t - 1))
    assert [float(sigmas[0]), float(sigmas[-1])] == pytest.approx([1.0, 0.0])


def test_a_schedule_written_out() -> None:
    assert ManualSigmas(sigmas="[14.6, 1e-1,.5; 0]").tolist() == pytest.approx([14.6, 0.1, 0.5, 0.0])
    for text, said in (("none", "is numbers such as"), ("1, -2", "not negative")):
        with pytest.raises(DiffusionError, match=said):
            ManualSigmas(sigmas=text)


EMPTY = {
    "EmptySD3LatentImage": (16, 8, 12),
    "EmptyFlux2LatentImage": (128, 4, 6),
    "EmptyHunyuanImageLatent": (64, 2, 3),
    "EmptyChromaRadianceLatentImage": (3, 64, 96),
    "EmptyHunyuanLatentVideo": (16, 7, 8, 12),
    "EmptyHunyuanVideo15Latent": (32, 7, 4, 6),
    "EmptyLTXVLatentVideo": (128, 4, 2, 3),
    "EmptyMochiLatentVideo": (12, 5, 8, 12),
    "EmptyCosmosLatentVideo": (16, 4, 8, 12),
}


def made(class_type: str, **inputs: Any) -> tuple[Any, list[str]]:
    """What a class gives, and what it warns of."""
    said: list[str] = []
    latent = getattr(empty_latents, class_type)
    given = {"context": SimpleNamespace(warn=said.append)} if "context" in signature(latent).parameters else {}
    return latent(**inputs, **given), said


@pytest.mark.parametrize("class_type", EMPTY)
def test_empty_latents(class_type: str) -> None:
    length = {"length": 25} if len(EMPTY[class_type]) == 4 else {}
    latent, said = made(class_type, width=96, height=64, batch_size=2, **length)
    assert latent["samples"].shape == (2, *EMPTY[class_type])
    assert not latent["samples"].any()
    assert said == []


@pytest.mark.parametrize("class_type", sorted(SIZED.keys() & vars(empty_latents).keys()))
def test_what_is_cut_is_said_by_the_node(class_type: str) -> None:
    """Where the numbers come over links, nothing else can."""
    cell = SIZED[class_type]
    more = {"layers": 1} if "Layered" in class_type else {"length": 80} if cell.frames else {}
    latent, said = made(class_type, width=100, height=130, batch_size=1, **more)
    assert latent["samples"].shape[-2:] == (130 // cell.pixels, 100 // cell.pixels)
    times = [f"length 80 becomes {80 - 79 % cell.frames} frames"] if cell.frames else []
    sides = [f"{name} {side} becomes {side - side % cell.pixels}" for name, side in (("width", 100), ("height", 130))]
    assert [each.partition(":")[0] for each in said] == [*sides, *times]


def test_empty_latents_of_several_pictures() -> None:
    layered, _ = made("EmptyQwenImageLayeredLatentImage", width=96, height=64, layers=2, batch_size=1)
    assert layered["samples"].shape == (1, 16, 3, 8, 12)
    c, b = empty_latents.StableCascade_EmptyLatentImage(width=1024, height=512, compression=42, batch_size=1)
    assert (c["samples"].shape, b["samples"].shape) == ((1, 16, 12, 24), (1, 4, 128, 256))


def test_values_of_conditionings_leave_what_was_given() -> None:
    (entry,) = family_conditioning.FluxGuidance(conditioning=PROMPT, guidance=2.5)
    assert entry[1]["guidance"] == 2.5
    assert family_conditioning.FluxDisableGuidance(conditioning=[entry])[0][1]["guidance"] is None
    positive, negative = family_conditioning.LTXVConditioning(positive=PROMPT, negative=PROMPT, frame_rate=24.0)
    assert [side[0][1]["frame_rate"] for side in (positive, negative)] == [24.0, 24.0]
    method = family_conditioning.FluxKontextMultiReferenceLatentMethod
    assert method(conditioning=PROMPT, reference_latents_method="uxo/uno")[0][1]["reference_latents_method"] == "uxo"
    assert [[PROMPT[0][0], {"pooled_output": None}]] == PROMPT


def test_reference_pictures_are_a_list_that_grows() -> None:
    first, second = ({"samples": torch.full((1, 16, 2, 2), value)} for value in (1.0, 2.0))
    reference: Any = family_conditioning.ReferenceLatent
    assert reference(conditioning=PROMPT) is PROMPT
    once = reference(conditioning=PROMPT, latent=first)
    twice = reference(conditioning=once, latent=second)
    assert [each[0, 0, 0, 0].item() for each in twice[0][1]["reference_latents"]] == [1.0, 2.0]
    assert len(once[0][1]["reference_latents"]) == 1


def test_the_trained_size_of_the_nearest_proportions() -> None:
    scaled = family_conditioning.FluxKontextImageScale(image=torch.rand(1, 90, 160, 3))
    assert scaled.shape == (1, 752, 1392, 3)
    with pytest.raises(DiffusionError, match="expected \\[B,H,W,C\\]"):
        family_conditioning.FluxKontextImageScale(image=torch.rand(90, 160, 3))


def test_a_box_in_a_video_is_none_in_a_picture() -> None:
    sides = {"width": 0.5, "height": 0.5, "temporal": 0.5, "x": 0.0, "y": 0.0, "z": 0.25}
    made = family_conditioning.ConditioningSetAreaPercentageVideo(conditioning=PROMPT, strength=1.0, **sides)
    assert made[0][1]["area"] == ("percentage", 0.5, 0.5, 0.5, 0.25, 0.0, 0.0)
    with pytest.raises(DiffusionError, match="this model samples pictures"):
        absolute_area(made[0][1]["area"], 8, 8)


def test_nothing_is_compiled(make_context: Any) -> None:
    told: list[Any] = []
    model = TorchCompileModel(model=MODEL, backend="inductor", context=make_context(observers=[told.append]))
    assert model is MODEL
    assert "models are not compiled here: without inductor the picture is the same" in str(told)
