"""Cells of a sweep evaluated in one forward: how much faster it is, and how far results are from those computed alone.

    python benchmarks/batches.py                          the small model, eight cells, 1, 2, 4 and 8 at once
    python benchmarks/batches.py --shapes F --latent 16   a network of the shapes in the JSON file F, random weights
    python benchmarks/batches.py --samplers all           how far off each sampler's latents are, four at once

Cells differ in seed, prompt and cfg. Seconds are of sampling alone: models are loaded and prompts encoded before. `off`
is the largest difference of a latent's value from the one computed alone, relative to the largest value of that latent.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))
sys.path.insert(0, str(ROOT / "workflows"))

import weft  # noqa: E402
from weft.nodes.diffusion.sampling.samplers import SAMPLERS  # noqa: E402
from weft.nodes.diffusion.sampling.tally import counting  # noqa: E402

PROMPTS = ("a red circle", "a blue square on white", "", "a large green ring on black")
SAMPLER = "6"


def cell(number: int, *, sampler: str, steps: int, latent: int) -> dict[str, Any]:
    """A prompt of node 6, a KSampler; the cells of a sweep differ in seed, prompt and cfg."""
    nodes: dict[str, Any] = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": "weft-tiny.safetensors"}),
        "2": ("CLIPTextEncode", {"text": PROMPTS[number % len(PROMPTS)], "clip": ["1", 1]}),
        "3": ("CLIPTextEncode", {"text": "", "clip": ["1", 1]}),
        "4": ("EmptyLatentImage", {"width": latent * 8, "height": latent * 8, "batch_size": 1}),
        SAMPLER: (
            "KSampler",
            {
                "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0],
                "seed": number, "steps": steps, "cfg": 3.0 + number % 5, "sampler_name": sampler,
                "scheduler": "karras", "denoise": 1.0,
            },
        ),
    }  # fmt: skip
    return {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()}


class Bench:
    """Runs of cells over one folder of models, so many at once."""

    def __init__(self, models: Path, batch: int, mode: str = "comfy") -> None:
        self._session = weft.Session(
            models=(models,), cache=weft.MemoryCache(), batch=batch, device="cpu", dtype="float32", sampling=mode
        )

    def run(self, prompts: Sequence[dict[str, Any]]) -> tuple[list[Any], dict[str, float]]:
        """The latents of the cells, in their order, and what sampling them took."""
        session = self._session
        before = ["2", "3", "4"]
        for prompt in prompts:
            session.execute(session.plan(session.read(prompt, only=before), before))
        plans = [session.plan(session.read(prompt), [SAMPLER]) for prompt in prompts]

        def job(place: int) -> tuple[int, Any]:
            return place, session.execute(plans[place])[SAMPLER][0]["samples"]

        began = time.perf_counter(), time.process_time()
        with counting() as tally:
            found = dict(session.together(partial(job, place) for place in range(len(plans))))
        took = {"seconds": time.perf_counter() - began[0], "cpu": time.process_time() - began[1], "calls": tally.calls}
        return [found[place] for place in range(len(plans))], took


def off(got: Any, expected: Any) -> float:
    """The largest difference, relative to the largest value."""
    return float((got - expected).abs().max() / expected.abs().max())


def speed(models: Path, batches: Sequence[int], prompts: Sequence[dict[str, Any]], turns: int) -> dict[int, Any]:
    """The quickest of some turns for each number of cells at once, the numbers by turns; and how far off they are."""
    found: dict[int, Any] = {}
    alone: list[Any] = []
    for _ in range(turns):
        for batch in batches:
            latents, took = Bench(models, batch).run(prompts)
            alone = alone or latents
            took["off"] = max(off(got, expected) for got, expected in zip(latents, alone, strict=True))
            found[batch] = min(found.get(batch, took), took, key=lambda each: each["cpu"])
    return found


def differences(models: Path, samplers: Sequence[str], mode: str, batch: int = 4, **settings: Any) -> dict[str, float]:
    """How far off the latents of each sampler are at so many at once."""
    found = {}
    for sampler in samplers:
        prompts = [cell(number, sampler=sampler, **settings) for number in range(batch)]
        (alone, _), (batched, _) = (Bench(models, width, mode).run(prompts) for width in (1, batch))
        found[sampler] = max(off(got, expected) for got, expected in zip(batched, alone, strict=True))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8], metavar="N")
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--latent", type=int, default=16, metavar="SIZE")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--shapes", type=Path, help="a network of these shapes, as shapes_sd15.json has them")
    parser.add_argument("--samplers", nargs="+", metavar="NAME", help="how far off these are, or all")
    parser.add_argument("--mode", choices=["comfy", "continuous"], default="comfy")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    settings = {"steps": arguments.steps, "latent": arguments.latent}
    with tempfile.TemporaryDirectory() as folder:
        models = ROOT / "workflows" / "models"
        if arguments.shapes:
            from random_models import write_models

            models = Path(folder)
            shapes = json.loads(arguments.shapes.read_text())["keys"]
            write_models(models, {key: tuple(shape) for key, shape in shapes.items()})
        if arguments.samplers:
            names = list(SAMPLERS) if arguments.samplers == ["all"] else arguments.samplers
            figures: dict[Any, Any] = differences(models, names, arguments.mode, **settings)
        else:
            prompts = [cell(number, sampler="euler", **settings) for number in range(arguments.cells)]
            figures = speed(models, arguments.batches, prompts, arguments.turns)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return 0
    for name, found in figures.items():
        if arguments.samplers:
            print(f"{name:32} off by {found:.1e}")
        else:
            seconds = f"{found['seconds']:.2f} s, {found['cpu']:.2f} s of CPU"
            print(f"{name} at once: {seconds}, {found['calls']} network calls, off by {found['off']:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
