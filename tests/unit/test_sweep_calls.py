"""The model calls that a sweep is said to make are those that it makes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from weft.cli import main
from weft.nodes.diffusion.sampling.tally import counting

STEPS = 3


def switched(sampler: str) -> dict[str, Any]:
    """Two samplers in a row; where they change over is for a sweep to say."""
    sampled = {
        "model": ["1", 0], "negative": ["3", 0], "noise_seed": 7, "steps": STEPS, "cfg": 2.0,
        "sampler_name": sampler, "scheduler": "normal",
    }  # fmt: skip
    first = {
        "positive": ["2", 0], "latent_image": ["4", 0], "add_noise": "enable", "start_at_step": 0, "end_at_step": 2,
        "return_with_leftover_noise": "enable",
    }  # fmt: skip
    then = {
        "positive": ["3", 0], "latent_image": ["5", 0], "add_noise": "disable", "start_at_step": 2, "end_at_step": 99,
        "return_with_leftover_noise": "disable",
    }  # fmt: skip
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "weft-tiny.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a", "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "b", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 32, "height": 32, "batch_size": 1}},
        "5": {"class_type": "KSamplerAdvanced", "inputs": {**sampled, **first}},
        "6": {"class_type": "KSamplerAdvanced", "inputs": {**sampled, **then}},
        "7": {"class_type": "SaveLatent", "inputs": {"samples": ["6", 0], "filename_prefix": "s"}},
    }


def split(sampler: str) -> dict[str, Any]:
    """The same of parts: one schedule, divided at a number that a node gives."""
    nodes = switched(sampler)
    common = {"sampler": ["10", 0], "latent_image": ["4", 0]}
    custom = {
        "model": ["1", 0],
        "add_noise": True,
        "noise_seed": 7,
        "cfg": 2.0,
        "positive": ["2", 0],
        "negative": ["3", 0],
    }
    return nodes | {
        "5": {"class_type": "SamplerCustom", "inputs": {**common, **custom, "sigmas": ["12", 0]}},
        "6": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {"noise": ["8", 0], "guider": ["9", 0], "sampler": ["10", 0], "sigmas": ["12", 1],
                       "latent_image": ["5", 0]},
        },
        "8": {"class_type": "DisableNoise", "inputs": {}},
        "9": {"class_type": "BasicGuider", "inputs": {"model": ["1", 0], "conditioning": ["3", 0]}},
        "10": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": sampler}},
        "11": {
            "class_type": "BasicScheduler",
            "inputs": {"model": ["1", 0], "scheduler": "normal", "steps": STEPS, "denoise": 1.0},
        },
        "12": {"class_type": "SplitSigmas", "inputs": {"sigmas": ["11", 0], "step": ["13", 0]}},
        "13": {"class_type": "PrimitiveInt", "inputs": {"value": 2}},
    }  # fmt: skip


GRAPHS = {"stages": (switched, "5.end_at_step,6.start_at_step"), "parts": (split, "13.value")}


@pytest.fixture
def sweep(sandbox: Path, random_models: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def calls(kind: str, sampler: str, values: str, *, cache: bool = True, folder: str = "out") -> tuple[int, int]:
        """The evaluations that are said, and those that are made."""
        graph, axis = GRAPHS[kind]
        (sandbox / "w.json").write_text(json.dumps(graph(sampler)))
        command = ["sweep", "w.json", "--models", str(random_models), "--device", "cpu", "--output", folder, "--json"]
        command += ["--grid", f"{axis}={values}", *([] if cache else ["--no-cache"])]
        capsys.readouterr()
        assert main([*command, "--dry-run"]) == 0
        said: int = json.loads(capsys.readouterr().out)["model_calls"]
        with counting() as tally:
            assert main(command) == 0, capsys.readouterr()
        return said, tally.calls

    return calls


@pytest.mark.parametrize("kind", GRAPHS)
@pytest.mark.parametrize(("sampler", "cold"), [("euler", 9), pytest.param("heun", 14, marks=pytest.mark.slow)])
def test_what_is_said_is_what_is_made(sandbox: Path, sweep: Any, kind: str, sampler: str, cold: int) -> None:
    assert sweep(kind, sampler, f"0..{STEPS}", cache=False) == (cold, cold), "steps are shared within a sweep"
    assert sweep(kind, sampler, f"0..{STEPS}", cache=False) == (0, 0), "what has finished is not repeated"
    some = sweep(kind, sampler, "1", folder="other")
    assert some[0] == some[1] > 0
    shutil.rmtree("other")
    assert sweep(kind, sampler, "1", folder="other") == (0, 0), "the cache has them"
    rest = sweep(kind, sampler, f"0..{STEPS}", folder="third")
    assert rest[1] == rest[0] < cold, "the cache has one of four, and its steps"
