"""Steps per second of the full-size SD1.5 UNet through KSampler, and what Weft adds to a step.

    python benchmarks/sampling.py [--latents 16 32 64] [--steps N] [--dtype bfloat16] [--shapes FILE] [--json]

Writes an SD1.5 checkpoint and a ControlNet for it, of random float16 weights (2.8 GB, in a temporary folder), and runs
workflows on them on the CPU, in float32:

1. Two KSampler (Advanced) stages with a ControlNet and a cache, and again with another cfg in the second stage: how
   often the text encoder, the ControlNet's reading of its picture, the ControlNet and the UNet are called.
2. A KSampler looked at after every step: tensors alive and resident memory. Neither may grow.
3. A KSampler (euler, cfg 7, one picture) at each size of latent: steps per second, and the share of a step that is
   spent outside the UNet's forward, from the start of one forward to the start of the next. It may be 2 %. The UNet is
   called once a step, with cond and uncond in one batch of 2.

With --dtype, 3 is also run in that number format, in turns with float32. Further it shows three relative root mean
square errors: of one forward on the inputs of float32's run (the worst step), of the latent at each step, and of the
result. Exit code 1 where a bound is broken. Times are medians; on a busy machine their ratios are better than they are.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("WEFT_SHARED") or ROOT.parent / "shared")
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "workflows")]

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import weft  # noqa: E402
from weft.engine.cache.memory import MemoryCache  # noqa: E402
from weft.engine.events import Event, Progress  # noqa: E402

OUTSIDE = 0.02
RESIDENT_GROWTH = 32 << 20
"""Bytes between the resident memory after the second step and after the last: what the allocator may hold back."""
STEPS = {16: 8, 32: 5}
"""Steps of a run by the size of its latent; 3 for every other."""
CONTROLNET = "weft-control.safetensors"


def workflow(size: int, steps: int, *, seed: int = 1, cfg: float = 7.0) -> dict[str, Any]:
    """Node 5 is a KSampler; 6 and 7 are two stages with a ControlNet, of which the second has this cfg."""
    sampler = {
        "model": ["1", 0], "steps": steps, "sampler_name": "euler", "scheduler": "normal",
        "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "cfg": 7.0,
    }  # fmt: skip
    stage = {**sampler, "noise_seed": seed, "positive": ["10", 0], "negative": ["10", 1]}
    first = {"add_noise": "enable", "start_at_step": 0, "end_at_step": steps // 2}
    second = {"add_noise": "disable", "start_at_step": steps // 2, "end_at_step": 10_000, "cfg": cfg}
    control = {"positive": ["2", 0], "negative": ["3", 0], "control_net": ["8", 0], "image": ["9", 0]}
    span = {"strength": 0.5, "start_percent": 0.0, "end_percent": 1.0}
    side = {"width": size * 8, "height": size * 8, "batch_size": 1}
    nodes: dict[str, Any] = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": "weft-tiny.safetensors"}),
        "2": ("CLIPTextEncode", {"text": "a cat", "clip": ["1", 1]}),
        "3": ("CLIPTextEncode", {"text": "", "clip": ["1", 1]}),
        "4": ("EmptyLatentImage", side),
        "5": ("KSampler", {**sampler, "seed": seed, "denoise": 1.0}),
        "6": ("KSamplerAdvanced", {**stage, **first, "return_with_leftover_noise": "enable"}),
        "7": (
            "KSamplerAdvanced",
            {**stage, **second, "latent_image": ["6", 0], "return_with_leftover_noise": "disable"},
        ),
        "8": ("ControlNetLoader", {"control_net_name": CONTROLNET}),
        "9": ("EmptyImage", {**side, "color": 0x804020}),
        "10": ("ControlNetApplyAdvanced", {**control, **span}),
    }
    return {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()}


class Outputs(MemoryCache):
    """Keeps what nodes gave. States between their steps, which caches keep for later runs, would count as growth."""

    steps = None


class Bench:
    """Runs with the networks of one model folder in one number format, which are opened once."""

    def __init__(self, models: Path, dtype: str = "float32") -> None:
        self._options: dict[str, Any] = {"models": models, "device": "cpu", "dtype": dtype, "sampling": "comfy"}
        self._cache = Outputs()
        result = self.run(workflow(16, 2), "1", "8")
        text = result["1"][1].encoders[0].network.module()
        control = result["8"][0].network.module()
        self.unet: nn.Module = result["1"][0].network.module()
        self.networks: Mapping[str, nn.Module] = {
            "text encoder": getattr(text, "text_model", text).encoder.layers[0],
            "ControlNet's picture": control.controlnet_cond_embedding.reader,
            "ControlNet": control,
            "UNet": self.unet,
        }

    def run(
        self, prompt: Mapping[str, Any], *targets: str, observers: Sequence[Callable[[Event], None]] = ()
    ) -> weft.RunResult:
        """Run a workflow; what a run before computed comes from the cache."""
        return weft.run(prompt, targets=targets, cache=self._cache, observers=observers, **self._options)


@contextmanager
def watched(module: nn.Module) -> Iterator[list[dict[str, Any]]]:
    """The calls of a network: its inputs and output, and when they began and ended; `cpu` in seconds of the process."""
    calls: list[dict[str, Any]] = []

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.append({"args": args, "kwargs": kwargs, "cpu": time.process_time(), "start": time.perf_counter()})

    def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        calls[-1] |= {"output": output, "end": time.perf_counter()}

    hooks = module.register_forward_pre_hook(before, with_kwargs=True), module.register_forward_hook(after)
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def staged(bench: Bench, steps: int, size: int = 16) -> dict[str, Any]:
    """How often each network is called in two stages, and again with another second stage; and how often it should."""
    counts = []
    for cfg in (7.0, 5.0):
        with ExitStack() as stack:
            calls = {name: stack.enter_context(watched(module)) for name, module in bench.networks.items()}
            bench.run(workflow(size, steps, cfg=cfg), "7")
        counts.append({name: len(found) for name, found in calls.items()})
    second = steps - steps // 2
    due = [
        {"text encoder": 2, "ControlNet's picture": 1, "ControlNet": steps, "UNet": steps},
        {"text encoder": 0, "ControlNet's picture": 0, "ControlNet": second, "UNet": second},
    ]
    return {"calls": counts, "due": due}


def growth(bench: Bench, steps: int, size: int = 16) -> dict[str, list[int]]:
    """After each step of a run: how many tensors are alive, and bytes that are resident."""
    seen: dict[str, list[int]] = {"tensors": [], "resident": []}

    def observe(event: Event) -> None:
        if isinstance(event, Progress):
            gc.collect()
            # type(), not isinstance: asking a lazy module for its class imports it.
            seen["tensors"].append(sum(issubclass(type(thing), Tensor) for thing in gc.get_objects()))
            seen["resident"].append(resident())

    bench.run(workflow(size, steps, seed=2), "5", observers=[observe])
    return seen


def resident() -> int:
    """Bytes of this process that are in memory; 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)


def speed(benches: Mapping[str, Bench], steps: int, size: int, turns: int = 2) -> dict[str, Any]:
    """Runs of each number format in turns: seconds of a step, of the CPU in it, and of what is outside the UNet."""
    names = ("step", "cpu", "outside", "calls", "batches")
    found: dict[str, Any] = {dtype: {name: [] for name in names} for dtype in benches}
    for turn in range(turns):
        for dtype, bench in benches.items():
            with watched(bench.unet) as calls:
                bench.run(workflow(size, steps, seed=10 + turn), "5")
            pairs = list(pairwise(calls))
            found[dtype]["step"] += [later["start"] - call["start"] for call, later in pairs]
            found[dtype]["cpu"] += [later["cpu"] - call["cpu"] for call, later in pairs]
            found[dtype]["outside"] += [later["start"] - call["end"] for call, later in pairs]
            found[dtype]["calls"].append(len(calls))
            found[dtype]["batches"] += [len(call["args"][0]) for call in calls]
    return found


def errors(exact: Bench, bench: Bench, dtype: torch.dtype, steps: int, size: int) -> dict[str, Any]:
    """How far a run in another number format is from float32's, relative, root mean square."""
    runs = []
    for one in (exact, bench):
        with watched(one.unet) as calls:
            samples = one.run(workflow(size, steps, seed=3), "5")["5"][0]["samples"]
        runs.append((calls, samples))
    (calls, samples), (others, others_samples) = runs
    forward = []
    for call in calls:
        args = [cast(value, dtype) for value in call["args"]]
        # The timestep stays float32, as in a run.
        args[1] = call["args"][1]
        kwargs = {name: cast(value, dtype) for name, value in call["kwargs"].items()}
        with torch.inference_mode():
            forward.append(difference(bench.unet(*args, **kwargs)[0], call["output"][0]))
    latents = [difference(b["args"][0], a["args"][0]) for a, b in zip(calls, others, strict=True)]
    return {"forward": forward, "latents": latents, "result": difference(others_samples, samples)}


def cast(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) else value


def difference(got: Tensor, expected: Tensor) -> float:
    """Root mean square of the difference, relative to that of what is expected."""
    got, expected = got.double(), expected.double()
    return ((got - expected).square().mean() / expected.square().mean()).sqrt().item()


def miscounted(figures: Mapping[str, Any]) -> list[str]:
    """Which calls, batches and amounts of memory are not as they have to be, in words."""
    broken = []
    for calls, due in zip(figures["staged"]["calls"], figures["staged"]["due"], strict=True):
        broken += [f"{name} called {calls[name]} times, not {due[name]}" for name in due if calls[name] != due[name]]
    tensors, memory = figures["growth"]["tensors"][1:], figures["growth"]["resident"][1:]
    if max(tensors) > tensors[0]:
        broken.append(f"tensors alive grow from {tensors[0]} to {max(tensors)}")
    if memory[-1] - memory[0] > RESIDENT_GROWTH:
        broken.append(f"resident memory grows by {(memory[-1] - memory[0]) / 1e6:.0f} MB")
    for size, found in figures["speed"].items():
        for dtype, one in found["formats"].items():
            where = f"latent {size}, {dtype}"
            if set(one["calls"]) != {found["steps"]}:
                broken.append(f"{where}: {one['calls']} calls of the UNet in runs of {found['steps']} steps")
            if set(one["batches"]) != {2}:
                broken.append(f"{where}: batches of {sorted(set(one['batches']))}, not 2")
    return broken


def slow(figures: Mapping[str, Any]) -> list[str]:
    """Where too much of a step is spent outside the UNet, in words."""
    return [
        f"latent {size}, {dtype}: {outside_share(one):.1%} of a step outside the UNet, at most {OUTSIDE:.0%}"
        for size, found in figures["speed"].items()
        for dtype, one in found["formats"].items()
        if outside_share(one) > OUTSIDE
    ]


def outside_share(found: Mapping[str, list[float]]) -> float:
    """The share of a step that is outside the UNet."""
    return statistics.median(found["outside"]) / statistics.median(found["step"])


def report(figures: Mapping[str, Any]) -> None:
    for title, calls in zip(("two stages", "second one again"), figures["staged"]["calls"], strict=True):
        print(f"calls, {title:16} {', '.join(f'{name} {count}' for name, count in calls.items())}")
    print(f"tensors alive, by step  {figures['growth']['tensors']}")
    print(f"resident MB, by step    {[round(value / 1e6) for value in figures['growth']['resident']]}")
    for size, found in figures["speed"].items():
        for dtype, one in found["formats"].items():
            step, cpu = statistics.median(one["step"]), statistics.median(one["cpu"])
            calls, batch = one["calls"][0], one["batches"][0]
            print(
                f"latent {size}, {dtype:8}     {1 / step:.3f} steps/s, {cpu:.2f} s of CPU a step, "
                f"{outside_share(one):.3%} outside the UNet; {calls} calls in {found['steps']} steps of {batch}"
            )
        if "errors" in found:
            exact, other = found["formats"].values()
            times, cpu = (statistics.median(exact[name]) / statistics.median(other[name]) for name in ("step", "cpu"))
            wrong = found["errors"]
            latents = ", ".join(f"{value:.2%}" for value in wrong["latents"])
            print(
                f"latent {size}: {times:.2f} times as fast, {cpu:.2f} times by CPU; error of a forward "
                f"{max(wrong['forward']):.2%}, of the latent by step {latents}, of the result {wrong['result']:.2%}"
            )


def write_controlnet(file: Path, unet: Mapping[str, Any]) -> None:
    """A ControlNet for a UNet of this configuration, in the original layout, of random weights."""
    from diffusers import ControlNetModel
    from random_models import random_weights
    from safetensors.torch import save_file

    from weft.nodes.diffusion.families.sd.keymaps import controlnet_keymap

    shared = ("in_channels", "block_out_channels", "layers_per_block", "down_block_types", "cross_attention_dim")
    net = {name: unet[name] for name in shared} | {"conditioning_embedding_out_channels": (16, 32, 96, 256)}
    names = controlnet_keymap({**net, "transformer_layers_per_block": (1,) * len(net["block_out_channels"])})
    with torch.device("meta"):
        made = ControlNetModel(**net)
    shapes = {f"control_model.{old}": tuple(made.get_parameter(new).shape) for old, new in names.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(random_weights(shapes, seed=2), file)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=int, nargs="+", default=[16, 32, 64], metavar="SIZE")
    parser.add_argument("--steps", type=int, help="steps of every run (default: 8 at latent 16, 5 at 32, else 3)")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--shapes", type=Path, default=SHARED / "parity" / "shapes_sd15.json")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    from random_models import write_models

    from weft.nodes.diffusion.families import recognise

    shapes = {key: tuple(shape) for key, shape in json.loads(arguments.shapes.read_text())["keys"].items()}
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        write_models(models, shapes)
        write_controlnet(models / "controlnet" / CONTROLNET, recognise(shapes).unet)
        benches = {dtype: Bench(models, dtype) for dtype in dict.fromkeys(("float32", arguments.dtype))}
        figures = measure(benches, arguments.latents, arguments.steps)
    figures["broken"] = miscounted(figures) + slow(figures)
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        report(figures)
        for line in figures["broken"]:
            print(f"BROKEN: {line}")
    return int(bool(figures["broken"]))


def measure(benches: Mapping[str, Bench], latents: Sequence[int], steps: int | None) -> dict[str, Any]:
    """All figures; the first number format is float32."""
    exact = benches["float32"]
    figures: dict[str, Any] = {"staged": staged(exact, 4), "growth": growth(exact, 8), "speed": {}}
    for size in latents:
        count = steps or STEPS.get(size, 3)
        found = figures["speed"][size] = {"steps": count, "formats": speed(benches, count, size)}
        for dtype, bench in benches.items():
            if bench is not exact:
                found["errors"] = errors(exact, bench, getattr(torch, dtype), count, size)
    return figures


if __name__ == "__main__":
    sys.exit(main())
