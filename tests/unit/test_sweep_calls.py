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


@pytest.fixture
def sweep(sandbox: Path, random_models: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def calls(sampler: str, values: str, *, cache: bool = True, folder: str = "out") -> tuple[int, int]:
        """The evaluations that are said, and those that are made."""
        (sandbox / "w.json").write_text(json.dumps(switched(sampler)))
        command = ["sweep", "w.json", "--models", str(random_models), "--device", "cpu", "--output", folder, "--json"]
        command += ["--grid", f"5.end_at_step,6.start_at_step={values}", *([] if cache else ["--no-cache"])]
        capsys.readouterr()
        assert main([*command, "--dry-run"]) == 0
        said: int = json.loads(capsys.readouterr().out)["model_calls"]
        with counting() as tally:
            assert main(command) == 0, capsys.readouterr()
        return said, tally.calls

    return calls


@pytest.mark.parametrize(("sampler", "cold"), [("euler", 9), pytest.param("heun", 14, marks=pytest.mark.slow)])
def test_what_is_said_is_what_is_made(sandbox: Path, sweep: Any, sampler: str, cold: int) -> None:
    assert sweep(sampler, f"0..{STEPS}", cache=False) == (cold, cold), "steps are shared within a sweep"
    assert sweep(sampler, f"0..{STEPS}", cache=False) == (0, 0), "what has finished is not repeated"
    some = sweep(sampler, "1", folder="other")
    assert some[0] == some[1] > 0
    shutil.rmtree("other")
    assert sweep(sampler, "1", folder="other") == (0, 0), "the cache has them"
    rest = sweep(sampler, f"0..{STEPS}", folder="third")
    # Steps that an earlier command left in the cache are found in the run alone.
    assert rest[1] <= rest[0] < cold, "the cache has one of four"
