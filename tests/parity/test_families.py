"""Flow families against ComfyUI, where the reference lies beside the checkout: /parity_families of WEFT_SHARED.

In the numbers of 0.33, and in those of 0.3.64 where the two differ. What else changed between them, eras/ holds, by
models of Stable Diffusion. Produced on a CPU in float32, one thread; independent of Weft. What is compared, and held
to, is as in test_goldens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import weft
from weft.engine.cache.memory import MemoryCache
from weft.engine.schema.registry import Registry
from weft.nodes.diffusion.weights.checkpoint import load_unet

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
NOT_OF_ERA = {
    # docs/differences.md, grey-16-bit.
    ("era_load_z_16_png", "0.3.64"),
}
WARNED = {"missing_embeddings": "warn"}  # ComfyUI's way, which era_emb_bracket shows
SAMPLING = 1e-4
LIMITS = {"text": 2e-5, "vae": 3e-5, "sigmas": 1e-6}


def limit_of(category: str) -> float:
    """The limit of the reference's tolerances.md."""
    return LIMITS.get(category.partition("_")[2], SAMPLING)


# As tolerances.md says, by pieces of names: layers in int8 round what they read, which multiplies the least difference;
# so do steps that are chosen by an error.
CHAOTIC = {"int8": 2e-2, "dpm_adaptive": 1e-3}


def index_of(folder: str) -> dict[str, Any]:
    """The goldens of a folder by their names; none where there is no reference."""
    index = FOLDER / folder / "index.json"
    found: dict[str, Any] = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
    return found


def held() -> dict[str, Mapping[str, Any]]:
    """Those that are held."""
    prefixes = tuple(f"{before}{family}_" for family in FAMILIES for before in ("", "quant_"))
    return {
        name: each for name, each in index_of("goldens").items() if name not in NOT_YET and name.startswith(prefixes)
    }


GOLDENS = held()
OLDER = [name for name in GOLDENS if (FOLDER / "goldens_0.3.64" / f"{name}.safetensors").is_file()]
OF_ERAS = [
    (name, numbers)
    for name in index_of("eras")
    for numbers, kept in (("0.33", name), ("0.3.64", f"{name}@0.3.64"))
    if (name, numbers) not in NOT_OF_ERA and (FOLDER / "eras" / f"{kept}.safetensors").is_file()
]

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
        places = {"models": models, "input": FOLDER / "input", "output": tmp_path}
        limit = next((each for part, each in CHAOTIC.items() if part in name), limit_of(GOLDENS[name]["category"]))
        compare("goldens", name, GOLDENS[name]["targets"], limit, cache=cache, numbers="0.33", **places)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["blocks.0.self_attn.q", "blocks.1.ffn.0", "blocks.1.ffn.2"])
    def test_an_int8_layer(name: str) -> None:
        """Alone, what it gives for an input is exact, rounded activations and all."""
        path = FOLDER / "models" / "diffusion_models" / "wan_low_int8_convrot.safetensors"
        model = load_unet(path, device=torch.device("cpu"), dtype=torch.float32)
        landings = {key: parameter for parameter, key in model.kind.names().items()}
        layer = model.network.module().get_submodule(landings[f"{name}.weight"].removesuffix(".weight"))
        unit = load_file(FOLDER / "units" / "int8_convrot_linear.safetensors")
        expected = unit[f"{name}.out"]
        assert (layer(unit[f"{name}.in"]) - expected).abs().max() <= 1e-6 * expected.abs().max()

    @pytest.mark.slow
    @pytest.mark.parametrize("name", OLDER)
    def test_older_golden(name: str, models: Path, tmp_path: Path, cache: MemoryCache) -> None:
        places = {"models": models, "input": FOLDER / "input", "output": tmp_path}
        targets, older = GOLDENS[name]["targets"], FOLDER / "goldens_0.3.64" / f"{name}.safetensors"
        compare("goldens", name, targets, SAMPLING, older, cache=cache, numbers="0.3.64", **places)

    @pytest.mark.slow
    @pytest.mark.parametrize(("name", "numbers"), OF_ERAS)
    def test_era(name: str, numbers: str, parity: Path, shared: Path, tmp_path: Path, cache: MemoryCache) -> None:
        """What changed, and what did not. Older numbers that are not kept here are those of test_goldens."""
        folders = (shared / "parity" / "input", FOLDER / "input")
        for file in (file for folder in folders for file in folder.iterdir()):
            if not (tmp_path / file.name).exists():
                (tmp_path / file.name).symlink_to(file)
        places = {"models": parity / "models", "input": tmp_path, "output": tmp_path / "output"}
        older = FOLDER / "eras" / f"{name}@0.3.64.safetensors" if numbers == "0.3.64" else None
        targets = index_of("eras")[name]["targets"]
        # As tolerances.md says, with the build of libav that is pinned here.
        limit = 0.0 if "_load_" in name and numbers == "0.33" else SAMPLING
        compare("eras", name, targets, limit, older, cache=cache, numbers=numbers, **places)


def compare(folder: str, name: str, targets: list[str], limit: float, kept: Path | None = None, **given: Any) -> None:
    """Asserts that a prompt gives what is kept of it, beside it or in `kept`."""
    prompt = json.loads((FOLDER / folder / f"{name}.json").read_text(encoding="utf-8"))
    result = weft.run(prompt, device="cpu", targets=targets, registry=Registry.discover(), **WARNED, **given)
    got = {key: value for node_id in targets for key, value in flat(result[node_id], node_id).items()}
    for key, expected in load_file(kept or FOLDER / folder / f"{name}.safetensors").items():
        if key.endswith(".guidance"):
            continue  # a number in a conditioning
        assert got[key].shape == expected.shape
        # A vector of zeros is zero.
        difference = (got[key].float() - expected.float()).abs().max() / expected.abs().max().clamp(min=1e-12)
        assert difference <= limit, f"{key}: {difference:.2e}"
