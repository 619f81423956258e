"""Flow families against ComfyUI 0.33, where the reference lies beside the checkout: /parity_families of WEFT_SHARED.

Produced on a CPU in float32, one thread; independent of Weft. What is compared, and held to, is as in test_goldens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import weft
from weft.engine.cache.memory import MemoryCache
from weft.engine.schema.registry import Registry

from ..conftest import shared_folder
from .reference import flat

FOLDER = shared_folder() / "parity_families"
FAMILIES = ("flux", "wan", "qwen", "zimg", "sd3")
"""Of which families the goldens are held: the beginnings of their categories."""
NOT_YET = {
    # Not as in ComfyUI, which leaves these names without effect: docs/differences.md, wan-lora-names.
    "wan_lora_bare_ignored": "",
    "wan_lora_diffusers_ignored": "",
}
# Samplers whose noise ComfyUI 0.33 draws from another seed than 0.3.64, and those that it has more.
NEWER = {
    *(
        "euler_ancestral",
        "euler_ancestral_cfg_pp",
        "dpm_2_ancestral",
        "dpmpp_2s_ancestral",
        "dpmpp_2s_ancestral_cfg_pp",
    ),
    *("ddpm", "lcm", "er_sde", "seeds_2", "seeds_3", "res_multistep_ancestral", "res_multistep_ancestral_cfg_pp"),
    *("sa_solver", "sa_solver_pece", "exp_heun_2_x0", "exp_heun_2_x0_sde"),
}
LIMITS = {"text": 2e-5, "vae": 3e-5, "sigmas": 1e-6}


def limit_of(category: str) -> float:
    """The limit of the reference's tolerances.md."""
    return LIMITS.get(category.partition("_")[2], 1e-4)


# As tolerances.md says, by pieces of names: the activations of int8 layers are rounded there, and not here; steps that
# are chosen by an error multiply it.
CHAOTIC = {"int8": 2e-2, "dpm_adaptive": 1e-3}


def held() -> dict[str, Mapping[str, Any]]:
    """The goldens that are held, by their names; none where there is no reference."""
    index = FOLDER / "goldens" / "index.json"
    if not index.is_file():
        return {}
    found = json.loads(index.read_text(encoding="utf-8"))
    return {name: each for name, each in found.items() if name not in NOT_YET and _is_of(name, each)}


def _is_of(name: str, golden: Mapping[str, Any]) -> bool:
    prompt = (FOLDER / "goldens" / f"{name}.json").read_text(encoding="utf-8")
    newer = any(f'"{sampler}"' in prompt for sampler in NEWER)
    return not newer and any(name.startswith((f"{family}_", f"quant_{family}_")) for family in FAMILIES)


GOLDENS = held()

if GOLDENS:

    @pytest.fixture(scope="module")
    def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The reference's folder of models, and its tokenizers."""
        folder = tmp_path_factory.mktemp("models")
        for kind in (FOLDER / "models").iterdir():
            (folder / kind.name).symlink_to(kind)
        (folder / "tokenizers").symlink_to(FOLDER / "tokenizers")
        return folder

    @pytest.fixture(scope="module")
    def cache() -> MemoryCache:
        """One cache for all: models are opened once, and a stale entry would show as a wrong number."""
        return MemoryCache()

    @pytest.mark.slow
    @pytest.mark.parametrize("name", GOLDENS)
    def test_golden(name: str, models: Path, tmp_path: Path, cache: MemoryCache) -> None:
        golden = GOLDENS[name]
        prompt = json.loads((FOLDER / "goldens" / f"{name}.json").read_text(encoding="utf-8"))
        folders: dict[str, Any] = {"models": models, "input": FOLDER / "input", "output": tmp_path}
        targets, registry = golden["targets"], Registry.discover()
        result = weft.run(prompt, device="cpu", targets=targets, cache=cache, registry=registry, **folders)
        got = {key: value for node_id in targets for key, value in flat(result[node_id], node_id).items()}
        for key, expected in load_file(FOLDER / "goldens" / f"{name}.safetensors").items():
            if key.endswith(".guidance"):
                continue  # a number in a conditioning
            assert got[key].shape == expected.shape
            # A vector of zeros is zero.
            size = expected.abs().max().clamp(min=1e-12)
            difference = (got[key].float() - expected.float()).abs().max() / size
            limit = next((each for part, each in CHAOTIC.items() if part in name), limit_of(golden["category"]))
            assert difference <= limit, f"{key}: {difference:.2e}"
