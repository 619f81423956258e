"""How often runs will evaluate a network: told from their plans, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from weft.engine.session import Session

SWITCH = Path(__file__).resolve().parents[2] / "workflows" / "prompt_switch.api.json"
SAMPLERS = ("6", "7")


def calls(cells: list[Mapping[str, Any]], **settings: Any) -> list[int]:
    session = Session(**settings)
    told = list(session.model_calls(session.plan(session.read(SWITCH, cell)) for cell in cells))
    assert not any(each.unknown for each in told)
    return [each.calls for each in told]


def switched_at(step: int, **more: Any) -> dict[str, Any]:
    both = {f"{node}.{name}": value for name, value in more.items() for node in SAMPLERS}
    return {"6.end_at_step": step, "7.start_at_step": step, **both}


def test_stages_that_differ_in_their_end_share_their_steps() -> None:
    """Whatever their order: 420 calls without sharing."""
    up = calls([switched_at(step) for step in range(21)])
    assert up == [20, *range(20, 0, -1)]
    down = calls([switched_at(step) for step in reversed(range(21))])
    assert (sum(down), down[0]) == (sum(up), 20)


@pytest.mark.parametrize(("mode", "second"), [("comfy", 20), ("continuous", 1 + 15)])
def test_a_sampler_that_looks_ahead_shares_what_its_mode_allows(mode: str, second: int) -> None:
    assert calls([switched_at(step, sampler_name="uni_pc") for step in (4, 5)], sampling=mode) == [20, second]


def test_what_differs_is_not_shared() -> None:
    assert calls([switched_at(4), switched_at(5, noise_seed=8)]) == [20, 20]
    assert calls([switched_at(4), switched_at(4)]) == [20, 0]
    # The last step goes to 0: the four before it are those of the other cell.
    assert calls([switched_at(8), {**switched_at(5), "6.return_with_leftover_noise": "disable"}]) == [20, 16]


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [("heun", 2 * 4 + 2 * 15 + 1), ("heunpp2", (6 + 2 + 1) + (3 * 14 + 2 + 1)), ("seeds_3", 3 * 4 + 3 * 15 + 1)],
)
def test_steps_that_evaluate_more_than_once(sampler: str, expected: int) -> None:
    assert calls([switched_at(4, sampler_name=sampler)]) == [expected]


def test_how_often_a_list_is_sampled_is_not_known_before() -> None:
    session = Session()
    graph = json.loads(SWITCH.read_text())
    latent = graph["6"]["inputs"]["latent_image"]
    graph["r"] = {"class_type": "RebatchLatents", "inputs": {"latents": latent, "batch_size": 1}}
    graph["6"]["inputs"]["latent_image"] = ["r", 0]
    (told,) = session.model_calls([session.plan(session.read(graph))])
    assert told.unknown == SAMPLERS


def test_nodes_of_which_nothing_is_known_are_named() -> None:
    session = Session()
    plan = session.plan(session.read(SWITCH, switched_at(4, sampler_name="dpm_adaptive")))
    assert next(session.model_calls([plan])) == (0, SAMPLERS)


def test_ksampler_and_its_advanced_kin_mean_the_same() -> None:
    for denoise in (1.0, 0.5):
        assert calls_of(pair(denoise)) == 8
    # The stages of continuous mode count their steps from the beginning of the whole schedule.
    assert calls_of(pair(0.5), sampling="continuous") == 16


def calls_of(nodes: dict[str, Any], **settings: Any) -> int:
    session = Session(**settings)
    return next(session.model_calls([session.plan(session.read(nodes))])).calls


def pair(denoise: float) -> dict[str, Any]:
    """A KSampler of 8 steps, and the KSampler (Advanced) that does the same."""
    common = {
        "model": ["1", 0], "cfg": 2.0, "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0],
        "sampler_name": "euler", "scheduler": "karras",
    }  # fmt: skip
    plain = {**common, "seed": 5, "steps": 8, "denoise": denoise}
    start = 0 if denoise == 1.0 else 8
    stage = {
        **common, "noise_seed": 5, "add_noise": "enable", "steps": 8 if denoise == 1.0 else 16, "start_at_step": start,
        "end_at_step": 10_000, "return_with_leftover_noise": "disable",
    }  # fmt: skip
    nodes: dict[str, tuple[str, dict[str, Any]]] = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": "weft-tiny.safetensors"}),
        "2": ("CLIPTextEncode", {"text": "red apple", "clip": ["1", 1]}),
        "3": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
        "4": ("KSampler", plain),
        "5": ("KSamplerAdvanced", stage),
        "6": ("SaveLatent", {"samples": ["4", 0], "filename_prefix": "a"}),
        "7": ("SaveLatent", {"samples": ["5", 0], "filename_prefix": "b"}),
    }
    return {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()}


def test_what_may_be_asked_for_is_not_known() -> None:
    nodes = pair(1.0)
    del nodes["7"]
    switch = {"switch": True, "on_true": ["4", 0], "on_false": ["5", 0]}
    nodes["8"] = {"class_type": "ComfySwitchNode", "inputs": switch}
    nodes["6"]["inputs"]["samples"] = ["8", 0]
    session = Session()
    assert next(session.model_calls([session.plan(session.read(nodes))])) == (0, ("8",))


def test_torch_is_not_needed() -> None:
    code = (
        "import sys; from weft.engine.session import Session; session = Session();"
        f"plan = session.plan(session.read({str(SWITCH)!r}));"
        "print(next(session.model_calls([plan])).calls, 'torch' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SWITCH.parents[1]
    )
    assert said.stdout.split() == ["20", "False"]
