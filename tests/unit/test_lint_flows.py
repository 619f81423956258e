"""Rules of `weft lint` about flows: where Wan 2.2's models meet, their order, and samplers that add too much noise."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lints import Document, codes, node, plain, stage, workflow
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.schedules import schedule
from weft.nodes.lint import flows

HIGH, LOW = "wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors", "wan2.2_t2v_low_noise_14B_fp8_scaled.safetensors"


def wan_pair(
    step: int,
    steps: int = 20,
    shift: float | None = 8.0,
    high: str = HIGH,
    low: str = LOW,
    scheduler: str = "simple",
    **more: Any,
) -> Document:
    """The pair of Wan's templates, which hands over at a step."""
    document = workflow(n5=stage("4", 0, step, steps=steps), n6=stage("5", step, 10_000, steps=steps))
    for at, name in (("5", high), ("6", low)):
        loader, patch = f"1{at}", f"2{at}"
        document[loader] = node("UNETLoader", unet_name=name, weight_dtype="default")
        document[patch] = node("ModelSamplingSD3", model=[loader, 0], shift=shift)
        model = [loader if shift is None else patch, 0]
        document[at]["inputs"] |= {"model": model, "scheduler": scheduler, **more}
    return document


def of_i2v(name: str) -> str:
    return name.replace("t2v", "i2v")


def patched(class_type: str, sampler: str) -> Document:
    """A flow, by the node that shifts its schedule."""
    return workflow(n9=node(class_type, model=["1", 0]), n6=plain("4", model=["9", 0], sampler_name=sampler))


SEEN: list[tuple[str, Document]] = [
    ("S112 6", wan_pair(4)),
    ("S112 6", wan_pair(16)),
    ("S112 6", wan_pair(16, shift=None)),
    ("S112 6", wan_pair(10, shift=1.0)),
    ("S112 6", wan_pair(4, high=of_i2v(HIGH), low=of_i2v(LOW))),
    ("S112 6", wan_pair(3, 20, scheduler="normal")),
    ("S113 6", wan_pair(10, high=LOW, low=HIGH)),
    ("S113 6", wan_pair(2, 4, high="Wan2.2-I2V-A14B-LowNoise-Q4.gguf", low="Wan2.2-I2V-A14B-HighNoise-Q4.gguf")),
    ("N111 6", patched("ModelSamplingSD3", "ddpm")),
    ("N111 6", patched("ModelSamplingFlux", "res_multistep_ancestral")),
]  # fmt: skip
UNSEEN: list[tuple[str, Document]] = [
    # What the official templates do: 10 of 20 steps at shift 8 and 5, 2 of 4 at both.
    *((f"{step} of {steps} at {shift}", wan_pair(step, steps, shift, name(HIGH), name(LOW)))
      for step, steps in ((10, 20), (2, 4)) for shift in (8.0, 5.0) for name in (str, of_i2v)),
    ("the step where they meet", wan_pair(11)),
    ("one step from it, however far that is", wan_pair(1, 3, high=of_i2v(HIGH), low=of_i2v(LOW))),
    ("near enough", wan_pair(2, 6)),
    ("a shift of its own", wan_pair(3, shift=1.0)),
    ("a scheduler that is not known", wan_pair(4, scheduler="beta")),
    ("models that are no halves", wan_pair(4, high="wan2.1_t2v_14B.safetensors", low="wan2.1_t2v_14B.safetensors")),
    ("halves of another family", wan_pair(4, high="sdxl_high_noise.safetensors", low="sdxl_low_noise.safetensors")),
    ("ddpm on another model", workflow(n6=plain("4", sampler_name="ddpm"))),
    ("a sampler that knows flows", patched("ModelSamplingSD3", "euler_ancestral")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "document"), SEEN, ids=[each[0] for each in SEEN])
def test_a_rule_speaks(code: str, document: Document) -> None:
    assert [each for each in codes(document) if each[:4] in ("S112", "S113", "N111")] == [code]


@pytest.mark.parametrize("document", [each[1] for each in UNSEEN], ids=[each[0] for each in UNSEEN])
def test_no_rule_speaks_of_what_is_right(document: Document) -> None:
    assert [each for each in codes(document) if each[:4] in ("S112", "S113", "N111")] == []


@pytest.mark.parametrize("scheduler", ["simple", "normal", "sgm_uniform"])
@pytest.mark.parametrize(("shift", "steps"), [(8.0, 20), (1.0, 7), (5.0, 4)])
def test_levels_are_those_of_the_schedule(scheduler: str, shift: float, steps: int) -> None:
    expected = schedule(ModelSampling.flow(shift=shift), scheduler, steps)
    found = [flows.level_at(scheduler, step, steps, shift) for step in range(steps + 1)]
    assert found == pytest.approx(expected.tolist(), abs=2e-3)
