"""What a sampler spends beside the UNet, counted on a small checkpoint; benchmarks/sampling.py does it at full size."""

from __future__ import annotations

import copy
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from weft.nodes.diffusion.families import recognise
from weft.nodes.diffusion.weights.weightfile import WeightFile

STEPS = 6


@pytest.fixture(scope="module")
def sampling() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "sampling.py"
    spec = importlib.util.spec_from_file_location("benchmark_sampling", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def benches(sampling: ModuleType, random_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Runs on the small checkpoint and a ControlNet for it, by number format."""
    shapes = WeightFile(random_models / "checkpoints" / "weft-tiny.safetensors").shapes
    folder = tmp_path_factory.mktemp("control")
    sampling.write_controlnet(folder / "controlnet" / sampling.CONTROLNET, recognise(shapes).unet)
    return lambda dtype: sampling.Bench([random_models, folder], dtype)


@pytest.fixture(scope="module")
def figures(left_behind: None, sampling: ModuleType, benches: Callable[..., Any]) -> dict[str, Any]:
    found: dict[str, Any] = sampling.measure({name: benches(name) for name in ("float32", "bfloat16")}, [8], STEPS)
    print(json.dumps({key: found[key] for key in ("staged", "growth")}))
    return found


def test_text_and_pictures_are_read_once(figures: dict[str, Any]) -> None:
    """Not again in the next step, the next stage, or a run whose second stage alone is another."""
    first, again = figures["staged"]["calls"]
    assert first == {"text encoder": 2, "ControlNet's picture": 1, "ControlNet": 4, "UNet": 4}
    assert again == {"text encoder": 0, "ControlNet's picture": 0, "ControlNet": 2, "UNet": 2}


def test_a_step_is_one_call_of_both_sides(figures: dict[str, Any]) -> None:
    for found in figures["speed"][8]["formats"].values():
        assert set(found["calls"]) == {STEPS}
        assert set(found["batches"]) == {2}


def test_nothing_piles_up_from_step_to_step(figures: dict[str, Any]) -> None:
    tensors = figures["growth"]["tensors"]
    assert len(tensors) == 8
    # The first step has none before it, whose last tensors are still alive.
    assert max(tensors[1:]) <= tensors[1]


def test_the_benchmark_finds_nothing_wrong(sampling: ModuleType, figures: dict[str, Any]) -> None:
    assert sampling.miscounted(figures) == []


def test_bfloat16_is_near(figures: dict[str, Any]) -> None:
    errors = figures["speed"][8]["errors"]
    assert len(errors["forward"]) == len(errors["latents"]) == STEPS
    assert 0 < max(errors["forward"]) < 0.05
    assert 0 < errors["result"] < 0.2


BROKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "text encoder called 3 times, not 2": lambda f: f["staged"]["calls"][0].update({"text encoder": 3}),
    "ControlNet's picture called 1 times, not 0": lambda f: f["staged"]["calls"][1].update({"ControlNet's picture": 1}),
    "tensors alive grow": lambda f: f["growth"]["tensors"].append(f["growth"]["tensors"][-1] + 1),
    "resident memory grows by 100 MB": lambda f: f["growth"]["resident"].append(
        f["growth"]["resident"][1] + 100_000_000
    ),
    "calls of the UNet in runs of 6 steps": lambda f: f["speed"][8]["formats"]["float32"]["calls"].append(12),
    "batches of [1, 2], not 2": lambda f: f["speed"][8]["formats"]["float32"]["batches"].append(1),
}


@pytest.mark.parametrize("message", BROKEN)
def test_the_benchmark_would_find_it(sampling: ModuleType, figures: dict[str, Any], message: str) -> None:
    changed = copy.deepcopy(figures)
    BROKEN[message](changed)
    (found,) = sampling.miscounted(changed)
    assert message in found


def test_the_bound_on_what_is_outside_the_unet_can_be_broken(sampling: ModuleType, figures: dict[str, Any]) -> None:
    changed = copy.deepcopy(figures)
    one = changed["speed"][8]["formats"]["float32"]
    one["step"], one["outside"] = [1.0, 1.0, 1.0], [0.02, 0.02, 5.0]
    assert not [line for line in sampling.slow(changed) if "float32" in line]
    one["outside"] = [0.021] * 3
    assert "latent 8, float32: 2.1% of a step outside the UNet, at most 2%" in sampling.slow(changed)
