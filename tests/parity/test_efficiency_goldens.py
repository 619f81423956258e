"""Every golden of the Efficiency pack: what the original gave, except where the specification calls that a defect.

Produced by the untouched pack in ComfyUI 0.3.64 on a CPU in float32, one thread; independent of Weft. Compared as in
test_goldens.py, within the limits of the specification: 1e-4, loaders 5e-6, values exactly. A golden that records a
defect, or a workflow on which the original crashes, stands in a table with what Weft does instead, and does it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import weft
from weft.engine.cache.memory import MemoryCache
from weft.engine.errors import InvalidWorkflow, NodeError
from weft.engine.running.result import RunResult
from weft.engine.schema.registry import Registry

from ..reference.store import goldens
from .quick import marked
from .reference import compared_tensors, flat

LIMITS = {"E1_loader": 5e-6, "E1_loader_opts": 5e-6, "E1_loader_lora": 5e-6}
LIMIT = 1e-4

GOLDENS = goldens("efficiency")
CRASHING = goldens("efficiency_crashes")


@dataclass(frozen=True)
class Refused:
    """Weft refuses what the original went on with: before the run, or when the node is reached."""

    message: str
    why: str


@dataclass(frozen=True)
class Decoded:
    """Weft decodes where the original left IMAGE empty: as the same workflow does with this vae_decode."""

    as_with: str
    why: str


_REJECTED = "the original prints a line and goes on as if there were no plot"
_OUTPUT_ONLY = "`output only` was to decode without a preview; the original decodes nothing"

DEFECTS: dict[str, Refused | Decoded] = {
    "adv_dec_output_only": Decoded("true", _OUTPUT_ONLY),
    "adv_dec_output_only_tiled": Decoded("true (tiled)", _OUTPUT_ONLY),
    "hires_latent_output_only": Decoded("true", _OUTPUT_ONLY),
    "xy_adv_denoise_disallowed": Refused("the X axis of the XY Plot varies Denoise, which is not for", _REJECTED),
    "xy_reg_start_disallowed": Refused("the X axis of the XY Plot varies StartStep, which is not for", _REJECTED),
    "xy_same_type": Refused("both axes vary Steps", _REJECTED),
    "xy_sr_nodep": Refused("the X axis varies Positive Prompt S/R: connect the loader's DEPENDENCIES", _REJECTED),
    "xy_lora_plot_one_axis": Refused("the X axis varies LoRA MStr, one half of a LoRA plot", _REJECTED),
    "xy_novae": Refused("an XY Plot shows decoded pictures: connect a VAE", _REJECTED),
}

_RUNS = ""
CRASHED: dict[str, str] = {
    **dict.fromkeys([name for name in CRASHING if "gits" in name.lower()], _RUNS),
    "man_xy_scheduler": _RUNS,
    "xy_samplersched_seeds": _RUNS,
    "xy_dec_false": _RUNS,
    "hires_both_tiled": _RUNS,
    "hires_other_ckpt": _RUNS,
    "hires_other_ckpt_plain": _RUNS,
    "noise_cfgdenoiser": _RUNS,
    "tile_padded_b2": _RUNS,
    "tile_random_tiledvae": _RUNS,
    "tile_simple_d0": _RUNS,
    "hires_novae_pixel": "the HighRes-Fix Script works on pictures, and there is no VAE (connect optional_vae)",
    "hires_unknown_upscaler_ttl": "'ttl_nn.SD 1.x' is not supported",
    "xl_cnet": "ControlNet",
    "eval_floats_div0": "cannot evaluate 'a / 0': float division by zero",
    "eval_floats_round": "cannot evaluate 'round(a, 1)': Function 'round' not defined",
    "eval_integers_rand_names": "cannot evaluate 'a + zz': 'zz' is not defined",
    "eval_strings_dunder": "cannot evaluate 'a.__class__'",
    "eval_strings_fmt": "cannot evaluate \"'%s-%s' % (a, b)\"",
}
"""What Weft does with a workflow on which the original raises: run it, or say this."""

LONG = ("tile_padded_b2", "tile_random_tiledvae")

Run = Callable[[dict[str, Any], list[str]], RunResult]


@pytest.fixture(scope="module")
def run(parity: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One cache for all: a checkpoint is opened once, and a stale entry would show as a wrong number."""
    cache, registry, output = MemoryCache(), Registry.discover(), tmp_path_factory.mktemp("output")

    def run(prompt: dict[str, Any], targets: list[str]) -> RunResult:
        return weft.run(
            prompt,
            models=parity / "models",
            input=parity / "input",
            output=output,
            device="cpu",
            targets=targets,
            cache=cache,
            registry=registry,
        )

    return run


def agree(result: RunResult, name: str) -> float:
    """Assert that the result has what the golden holds; returns the largest difference of its tensors."""
    golden = GOLDENS[name]
    limit = LIMITS.get(golden.category, LIMIT)
    differences = compared_tensors(result, golden)
    assert max(differences.values(), default=0.0) <= limit, differences
    for place, value in golden.values.items():
        if name in DEFECTS and value is None:
            continue
        node_id, slot = place.rsplit(".", 1)
        assert json.loads(json.dumps(result[node_id][int(slot)])) == value, place
    return max(differences.values(), default=0.0)


def test_every_defect_and_crash_has_its_golden() -> None:
    assert (len(GOLDENS), len(CRASHING)) == (295, 31)
    assert DEFECTS.keys() <= GOLDENS.keys()
    assert CRASHED.keys() == CRASHING.keys()


@pytest.mark.parametrize("name", marked({name: GOLDENS[name] for name in GOLDENS if name not in DEFECTS}))
def test_golden(name: str, run: Run, record_property: Any) -> None:
    record_property("difference", agree(run(GOLDENS[name].copy_of_prompt(), [*GOLDENS[name].targets]), name))


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_put_right(name: str, run: Run) -> None:
    defect, targets, prompt = DEFECTS[name], [*GOLDENS[name].targets], GOLDENS[name].copy_of_prompt()
    if isinstance(defect, Refused):
        with pytest.raises((InvalidWorkflow, NodeError)) as caught:
            run(prompt, targets)
        assert defect.message in str(caught.value)
        return
    result = run(prompt, targets)
    agree(result, name)
    (node_id,) = targets
    assert not result.ui.get(node_id), "decoded, but not shown"
    prompt[node_id]["inputs"]["vae_decode"] = defect.as_with
    assert torch.equal(result[node_id][5], run(prompt, [node_id])[node_id][5])


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in CRASHED]
)
def test_where_the_original_crashes(name: str, run: Run) -> None:
    prompt, message = CRASHING[name].copy_of_prompt(), CRASHED[name]
    if message:
        with pytest.raises((NodeError, InvalidWorkflow)) as caught:
            run(prompt, [])
        assert message in str(caught.value)
        return
    result = run(prompt, [])
    for node_id, outputs in result.outputs.items():
        for tensor in flat(outputs, node_id).values():
            assert tensor.isfinite().all()
