"""Peak memory and load time of a full-size SD1.5 checkpoint, and what a LoRA switch adds.

    python benchmarks/memory.py [--shapes FILE] [--json]

Writes an SD1.5 checkpoint with random float16 weights (2 GB, in a temporary folder) from a table of its keys and
shapes, and runs each case in a process of its own, on the CPU in float32. Linux only: peaks are read
from /proc. The LoRA switch is a two-stage run, without the LoRA and then with it. What the second stage adds is its
peak over the first stage's; it may be 1.2 times the size of the weights that the LoRA patches. Everything is kept in
memory meanwhile, the checkpoint's other parts too. Exit code 1 where it is more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("WEFT_SHARED") or ROOT.parent / "shared")
BOUND = 1.2
SIZE = 128
"""Pixels: small, so that activations do not hide the weights."""


def workflow(lora: bool) -> dict[str, Any]:
    """Two stages of one step each; the second with or without the LoRA."""
    sampler = {
        "noise_seed": 1, "steps": 2, "cfg": 5.0, "sampler_name": "euler", "scheduler": "normal",
        "positive": ["2", 0], "negative": ["3", 0],
    }  # fmt: skip
    first = {"add_noise": "enable", "start_at_step": 0, "end_at_step": 1, "return_with_leftover_noise": "enable"}
    second = {"add_noise": "disable", "start_at_step": 1, "end_at_step": 2, "return_with_leftover_noise": "disable"}
    nodes: dict[str, Any] = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": "weft-tiny.safetensors"}),
        "2": ("CLIPTextEncode", {"text": "a cat", "clip": ["1", 1]}),
        "3": ("CLIPTextEncode", {"text": "", "clip": ["1", 1]}),
        "4": ("EmptyLatentImage", {"width": SIZE, "height": SIZE, "batch_size": 1}),
        "5": ("KSamplerAdvanced", {"model": ["1", 0], "latent_image": ["4", 0], **sampler, **first}),
        "7": ("KSamplerAdvanced", {"model": ["6" if lora else "1", 0], "latent_image": ["5", 0], **sampler, **second}),
    }
    if lora:
        inputs = {"model": ["1", 0], "lora_name": "weft-pixel.safetensors", "strength_model": 1.0}
        nodes["6"] = ("LoraLoaderModelOnly", inputs)
    return {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()}


def measure(case: str, models: Path) -> dict[str, float]:
    """Run one case in this process: seconds and peak resident bytes."""
    sys.path.insert(0, str(ROOT / "src"))
    import weft

    result: dict[str, float] = {}
    if case == "imports":
        import diffusers.models
        import transformers.models.clip

        assert diffusers.models.UNet2DConditionModel
        assert transformers.models.clip.CLIPTextModel
    elif case == "load":
        loader = {node_id: node for node_id, node in workflow(lora=False).items() if node_id == "1"}
        started = time.perf_counter()
        result["load_seconds"] = weft.run(loader, models=models, device="cpu", targets=["1"]).timings["1"]
        result["run_seconds"] = time.perf_counter() - started
    else:
        from weft.engine.events import Event, NodeFinished, NodeStarted

        def observe(event: Event) -> None:
            if isinstance(event, NodeStarted | NodeFinished) and event.node_id == "5":
                name = "peak_bytes" if isinstance(event, NodeStarted) else "first_stage_bytes"
                result[name] = resident("VmHWM")
                Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew

        prompt = workflow(lora=case == "lora_switch")
        weft.run(prompt, models=models, device="cpu", targets=["1", "7"], observers=[observe])
        result["added_bytes"] = resident("VmHWM") - result["first_stage_bytes"]
    result["peak_bytes"] = max(result.get("peak_bytes", 0), result.get("first_stage_bytes", 0), resident("VmHWM"))
    return result


def resident(field: str) -> int:
    """Bytes of this process that are in memory now (VmRSS), or were at most (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def patched_bytes(models: Path, shapes: dict[str, tuple[int, ...]]) -> int:
    """The size in float32 of the weights that the LoRA patches, from the files alone."""
    import math

    from safetensors import safe_open

    from weft.nodes.diffusion.families import recognise
    from weft.nodes.diffusion.families.sd.keymaps import unet_keymap

    with safe_open(models / "loras" / "weft-pixel.safetensors", "pt") as file:
        layers = {key.partition(".")[0] for key in file.keys()}  # noqa: SIM118
    total = 0
    for old, new in unet_keymap(recognise(shapes).unet).items():
        if "lora_unet_" + new.removesuffix(".weight").replace(".", "_") in layers:
            total += 4 * math.prod(shapes[f"model.diffusion_model.{old}"])
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", type=Path, default=SHARED / "parity" / "shapes_sd15.json")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--models", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(arguments.case, arguments.models)))
        return 0
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "workflows")]
    from random_models import write_models

    shapes = {key: tuple(shape) for key, shape in json.loads(arguments.shapes.read_text())["keys"].items()}
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        write_models(models, shapes)
        figures: dict[str, Any] = {"file_bytes": sum(file.stat().st_size for file in models.glob("checkpoints/*"))}
        for case in ("imports", "load", "two_stages", "lora_switch"):
            command = [sys.executable, __file__, "--case", case, "--models", str(models)]
            figures[case] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        figures["patched_bytes"] = patched_bytes(models, shapes)
    figures["ratio"] = figures["lora_switch"]["added_bytes"] / figures["patched_bytes"]
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        report(figures)
    return int(figures["ratio"] > BOUND)


def report(figures: dict[str, Any]) -> None:
    def gb(value: float) -> str:
        return f"{value / 1e9:6.2f} GB"

    rows = {
        "checkpoint file (float16)": figures["file_bytes"],
        "peak, imports alone": figures["imports"]["peak_bytes"],
        "peak, checkpoint loaded": figures["load"]["peak_bytes"],
        "peak, two stages": figures["two_stages"]["peak_bytes"],
        "peak, LoRA switched": figures["lora_switch"]["peak_bytes"],
        "weights that the LoRA patches": figures["patched_bytes"],
        "second stage adds, no LoRA": figures["two_stages"]["added_bytes"],
        "second stage adds, LoRA": figures["lora_switch"]["added_bytes"],
    }
    for name, value in rows.items():
        print(f"{name:31} {gb(value)}")
    print(f"LoRA stage / patched weights    {figures['ratio']:6.2f}    (bound {BOUND})")
    print(f"loading, imports included       {figures['load']['load_seconds']:6.1f} s")


if __name__ == "__main__":
    sys.exit(main())
