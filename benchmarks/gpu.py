"""Steps per second on a GPU: Weft with and without CUDA graphs, diffusers' own pipeline, and the limit of the device.

    python benchmarks/gpu.py [--device cuda] [--only NAME ...] [--turns N] [--json]
    python benchmarks/gpu.py --device cpu --small      # tries the script itself where there is no GPU

Writes an SD 1.5 and an SDXL checkpoint of random float16 weights in a temporary folder (9 GB), and samples on them with
euler and cfg 7, so that the UNet sees 2 latents for each picture: SD 1.5 at 512x512, one picture and 16, SDXL at
1024x1024. All four columns are measured in turns in one process:

- weft: the KSampler node, as `weft run` calls it. A step takes the difference between a long run and a short one,
  divided by the difference in steps: what a run takes once is not in it.
- graphs: the same with --cuda-graphs. Its latents have to be those of the run without, bit for bit.
- diffusers: its pipeline on a UNet of the same sizes, from embeddings to a latent, by the same difference.
- limit: the operations of a step that are multiplications and additions in matrices, counted on the meta device, at the
  rate of one large matrix product in float16. Nothing that multiplies matrices in 16 bits is faster.

Medians of the turns. Under 4 minutes on an H200, if its files are written as fast. Exit code 1 where graphs give other
latents.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import weft  # noqa: E402
from weft.nodes.diffusion.families import recognise  # noqa: E402

Shapes = dict[str, tuple[int, ...]]
Run = Callable[[int, int], Tensor]
POOL = 1 << 22
"""How many random numbers the weights are made of, over and over: a file is written as fast as the disk takes it."""


@dataclass(frozen=True)
class Case:
    """What is sampled. steps: of the short run and of the long one."""

    name: str
    release: str
    side: int
    batch: int
    steps: tuple[int, int]


CASES = (
    Case("SD 1.5 512x512", "sd1", 512, 1, (10, 110)),
    Case("SD 1.5 512x512, 16 pictures", "sd1", 512, 16, (4, 24)),
    Case("SDXL 1024x1024", "sdxl", 1024, 1, (4, 34)),
)


def shapes_of(release: str, *, small: bool) -> Shapes:
    """Key -> shape of a checkpoint as it was released, or of a small one."""
    from tests.diffusion.released import checkpoint
    from weft.nodes.diffusion.families.sd.tiny import checkpoint_shapes

    return checkpoint_shapes(release) if small else checkpoint(release)


def write(path: Path, shapes: Shapes) -> None:
    """A checkpoint of random weights that keep the size of what passes through them."""
    from safetensors.torch import save_file

    pool = torch.randn(POOL, generator=torch.Generator().manual_seed(0)).half()
    tensors: dict[str, Tensor] = {}
    for key, shape in shapes.items():
        count = math.prod(shape)
        if key.endswith("position_ids"):
            tensors[key] = torch.arange(shape[-1]).reshape(shape)
        elif len(shape) < 2:
            tensors[key] = torch.full(shape, float(key.endswith("weight")), dtype=torch.float16)
        else:
            scale = 0.02 if "embedding" in key else 1 / math.sqrt(math.prod(shape[1:]))
            tensors[key] = (pool * scale).repeat(-(-count // POOL))[:count].reshape(shape).contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)


def workflow(case: Case, steps: int, seed: int) -> dict[str, Any]:
    """An API prompt; node 5 is the KSampler."""
    nodes: dict[str, Any] = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": f"{case.release}.safetensors"}),
        "2": ("CLIPTextEncode", {"text": "a cat", "clip": ["1", 1]}),
        "3": ("CLIPTextEncode", {"text": "", "clip": ["1", 1]}),
        "4": ("EmptyLatentImage", {"width": case.side, "height": case.side, "batch_size": case.batch}),
        "5": (
            "KSampler",
            {"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "seed": seed,
             "steps": steps, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0},
        ),
    }  # fmt: skip
    return {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()}


class Kept(weft.MemoryCache):
    """Keeps models and prompts from run to run, and no states of sampling, which would make the next run shorter."""

    steps = None


class Weft:
    """The node, in one session whose models stay loaded."""

    def __init__(self, models: Path, device: str, dtype: str, case: Case, *, graphs: bool) -> None:
        self._case = case
        self._cache = Kept()
        self._options = {"models": models, "device": device, "dtype": dtype, "cuda_graphs": graphs}

    def __call__(self, steps: int, seed: int) -> Tensor:
        result = weft.run(workflow(self._case, steps, seed), targets=["5"], cache=self._cache, **self._options)
        samples: Tensor = result["5"][0]["samples"]
        return samples


class Diffusers:
    """Its pipeline, as its documentation has it: the whole of it in one number format."""

    def __init__(self, shapes: Shapes, device: str, dtype: torch.dtype, case: Case) -> None:
        from diffusers import (
            AutoencoderKL,
            EulerDiscreteScheduler,
            StableDiffusionPipeline,
            StableDiffusionXLPipeline,
            UNet2DConditionModel,
        )

        unet = UNet2DConditionModel(**recognise(shapes).unet).to(device, dtype)
        given = dict.fromkeys(("text_encoder", "tokenizer"))
        # Nothing is decoded: it says that a latent pixel is 8 pixels wide.
        levels = ("DownEncoderBlock2D",) * 4, ("UpDecoderBlock2D",) * 4, (32,) * 4
        beside = {"vae": AutoencoderKL(3, 3, *levels), "unet": unet, "scheduler": EulerDiscreteScheduler()}
        if case.release == "sdxl":
            given |= dict.fromkeys(("text_encoder_2", "tokenizer_2"))
            self._pipeline = StableDiffusionXLPipeline(**given, **beside, add_watermarker=False)
        else:
            given |= dict.fromkeys(("safety_checker", "feature_extractor"))
            self._pipeline = StableDiffusionPipeline(**given, **beside, requires_safety_checker=False)
        self._pipeline.set_progress_bar_config(disable=True)
        config: Any = unet.config
        text = torch.zeros(case.batch, 77, config.cross_attention_dim, device=device, dtype=dtype)
        self._given = {"prompt_embeds": text, "negative_prompt_embeds": text}
        if case.release == "sdxl":
            pooled = torch.zeros(
                case.batch, config.projection_class_embeddings_input_dim - 6 * 256, device=device, dtype=dtype
            )
            self._given |= {"pooled_prompt_embeds": pooled, "negative_pooled_prompt_embeds": pooled}
        self._side = case.side

    def __call__(self, steps: int, seed: int) -> Tensor:
        made = self._pipeline(
            **self._given,
            height=self._side,
            width=self._side,
            num_inference_steps=steps,
            guidance_scale=7.0,
            output_type="latent",
            generator=torch.Generator().manual_seed(seed),
        )
        latent: Tensor = made.images
        return latent.cpu()


def seconds(run: Run, steps: tuple[int, int], seed: int) -> float:
    """Of one step. A latent that is on the CPU has been waited for. seed: another one each time, or caches have it."""
    taken = []
    for count in steps:
        started = time.perf_counter()
        run(count, seed)
        taken.append(time.perf_counter() - started)
    return (taken[1] - taken[0]) / (steps[1] - steps[0])


def operations(shapes: Shapes, case: Case) -> float:
    """Floating point operations in the matrices of one step."""
    from torch.utils.flop_counter import FlopCounterMode

    kind: Any = recognise(shapes)
    network: nn.Module = kind.model_part().module
    config: Any = network.config
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        rows, side = 2 * case.batch, case.side // 8
        added = None
        if config.addition_embed_type == "text_time":
            pooled = config.projection_class_embeddings_input_dim - 6 * 256
            added = {"text_embeds": torch.empty(rows, pooled), "time_ids": torch.empty(rows, 6)}
        network.float()(
            torch.empty(rows, 4, side, side),
            torch.empty(rows),
            encoder_hidden_states=torch.empty(rows, 77, config.cross_attention_dim),
            added_cond_kwargs=added,
        )
    return float(counter.get_total_flops())


def rate(device: str, dtype: torch.dtype, *, small: bool) -> float:
    """Floating point operations in a second, of a large matrix product."""
    side, repeats = (512, 4) if small else (8192, 20)
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best = math.inf
    for _ in range(4):
        started = time.perf_counter()
        for _ in range(repeats):
            product = left @ right
        float(product[0, 0])
        best = min(best, (time.perf_counter() - started) / repeats)
    return 2 * side**3 / best


def measure(case: Case, models: Path, device: str, turns: int, *, small: bool) -> dict[str, Any]:
    """The figures of one case."""
    dtype = "float32" if small else "float16"
    shapes = shapes_of(case.release, small=small)
    number = getattr(torch, dtype)
    runs: dict[str, Run] = {
        "weft": Weft(models, device, dtype, case, graphs=False),
        "graphs": Weft(models, device, dtype, case, graphs=True),
        "diffusers": Diffusers(shapes, device, number, case),
    }
    first = {name: run(case.steps[0], 0) for name, run in runs.items()}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(1, turns + 1):
        for name, run in runs.items():
            taken[name].append(seconds(run, case.steps, turn))
    per_step = operations(shapes, case)
    return {
        "case": case.name,
        "steps_per_second": {name: 1 / statistics.median(each) for name, each in taken.items()},
        "seconds": taken,
        "operations": per_step,
        "limit": rate(device, number, small=small) / per_step,
        "same": torch.equal(first["weft"], first["graphs"]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", nargs="+", choices=[case.release for case in CASES], help="these models alone")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="small models, 64x64, float32: tries the script itself")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("torch sees no GPU; --device cpu --small tries the script itself")
    cases = [case for case in CASES if not arguments.only or case.release in arguments.only]
    if arguments.small:
        cases = [Case(case.name, case.release, 64, case.batch, (2, 4)) for case in cases]
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        for release in dict.fromkeys(case.release for case in cases):
            write(models / "checkpoints" / f"{release}.safetensors", shapes_of(release, small=arguments.small))
        for case in cases:
            found = measure(case, models, arguments.device, arguments.turns, small=arguments.small)
            figures.append(found)
            if not arguments.json:
                speeds = ", ".join(f"{name} {speed:.1f}" for name, speed in found["steps_per_second"].items())
                same = "the same latents" if found["same"] else "OTHER LATENTS with graphs"
                print(f"{case.name}: {speeds}, limit {found['limit']:.1f} steps/s; {same}", flush=True)
    if arguments.json:
        print(json.dumps(figures, indent=2))
    return int(not all(found["same"] for found in figures))


if __name__ == "__main__":
    sys.exit(main())
