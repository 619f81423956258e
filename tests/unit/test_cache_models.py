"""Models in the in-memory cache: what a LoRA does not change counts once."""

from __future__ import annotations

import json
from pathlib import Path

import weft

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"


def test_a_lora_on_a_checkpoint_counts_its_own_tensors_only(random_models: Path, tmp_path: Path) -> None:
    prompt = json.loads((WORKFLOWS / "lora_switch.api.json").read_text())
    used = {}
    for name, targets in (("checkpoint", ["1"]), ("both", ["1", "5"])):
        cache = weft.MemoryCache()
        nodes = {node_id: node for node_id, node in prompt.items() if node_id in ("1", "5")}
        weft.run(nodes, models=random_models, output=tmp_path, targets=targets, cache=cache, device="cpu")
        used[name] = cache.used
    checkpoint = sum(file.stat().st_size for file in (random_models / "checkpoints").iterdir())
    assert used["checkpoint"] > 1.9 * checkpoint, "float16 in the file, float32 in memory"
    assert 0 < used["both"] - used["checkpoint"] < 0.1 * used["checkpoint"]


def test_a_budget_below_the_checkpoint_keeps_it_out(random_models: Path, tmp_path: Path) -> None:
    cache = weft.MemoryCache(1 << 20)
    prompt = WORKFLOWS / "txt2img.api.json"
    weft.run(prompt, models=random_models, output=tmp_path, cache=cache, device="cpu", overrides={"5.steps": 1})
    assert 0 < cache.used <= 1 << 20
    again = weft.run(prompt, models=random_models, output=tmp_path, cache=cache, device="cpu", overrides={"5.steps": 1})
    assert set(again.cached) == {"7"}
    assert again.timings == {}
