"""How far a run cut in two is from the single run, for every sampler, in both sampling modes.

    python benchmarks/splits.py [--write]

A KSampler run of 20 steps (normal, cfg 7) on a small SD1.x checkpoint with random weights, and the same run as two
KSampler (Advanced) stages cut at step 10. The figure is the largest difference relative to the largest
value of the single run; 0 means equal bit for bit. --write puts the table into docs/sampling.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "workflows")]

import weft  # noqa: E402
from weft.engine.cache.memory import MemoryCache  # noqa: E402
from weft.nodes.diffusion.sampling.samplers import SAMPLERS  # noqa: E402

PAGE = ROOT / "docs" / "sampling.md"
BEGIN, END = "<!-- splits: made by benchmarks/splits.py -->", "<!-- end of splits -->"
STEPS, CUT = 20, 10


def graph(sampler: str) -> dict[str, Any]:
    """Node 5 is the single run, node 7 the end of the chain."""
    common = {
        "model": ["1", 0], "steps": STEPS, "cfg": 7.0, "sampler_name": sampler, "scheduler": "normal",
        "positive": ["2", 0], "negative": ["3", 0],
    }  # fmt: skip
    first = {"add_noise": "enable", "start_at_step": 0, "end_at_step": CUT, "return_with_leftover_noise": "enable"}
    second = {"add_noise": "disable", "start_at_step": CUT, "end_at_step": 10_000}
    nodes: dict[str, Any] = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": "weft-tiny.safetensors"}),
        "2": ("CLIPTextEncode", {"text": "red apple", "clip": ["1", 1]}),
        "3": ("CLIPTextEncode", {"text": "", "clip": ["1", 1]}),
        "4": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
        "5": ("KSampler", {**common, "seed": 7, "denoise": 1.0, "latent_image": ["4", 0]}),
        "6": ("KSamplerAdvanced", {**common, "noise_seed": 7, "latent_image": ["4", 0], **first}),
        "7": (
            "KSamplerAdvanced",
            {**common, "noise_seed": 7, "latent_image": ["6", 0], "return_with_leftover_noise": "disable", **second},
        ),
    }
    return {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()}


def difference(sampler: str, mode: str, models: Path, cache: MemoryCache) -> float:
    given: dict[str, Any] = {"models": models, "device": "cpu", "sampling": mode, "cache": cache, "checkpoint_gib": 0}
    result = weft.run(graph(sampler), targets=["5", "7"], **given)
    single, chain = (result[node_id][0]["samples"] for node_id in ("5", "7"))
    return ((single - chain).abs().max() / single.abs().max()).item()


def table(models: Path) -> str:
    rows = ["| sampler | comfy | continuous |", "| --- | --- | --- |"]
    # Without steps: what the chain shares with the single run says nothing.
    cache = MemoryCache(max_step_bytes=0)
    for sampler in SAMPLERS:
        figures = [difference(sampler, mode, models, cache) for mode in ("comfy", "continuous")]
        rows.append(f"| {sampler} | {' | '.join('0' if figure == 0 else f'{figure:.1e}' for figure in figures)} |")
        print(rows[-1], flush=True)
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into docs/sampling.md")
    arguments = parser.parse_args()
    from random_models import write_models

    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        made = table(Path(folder))
    if arguments.write:
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
