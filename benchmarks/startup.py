"""What it costs to start: CPU seconds of processes of their own, from the interpreter's start to its end.

    python benchmarks/startup.py [--json] [--runs N] [--beside CHECKOUT]

1. `weft validate` on a workflow of 50 nodes, beside an empty interpreter, and the imports that take longest. It may
   take 0.4 s.
2. `weft run workflows/txt2img.json --set KSampler.steps=1` to its PNG, with nothing in the cache, beside `import torch`
   and, with --beside, the same command of another checkout of Weft, in turns. It may take 3 times what torch takes.

User and system time; medians. Exit code 1 where something takes more, where the workflow is not valid, or where
`validate` loads torch or another heavy library.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BOUND_SECONDS = 0.4
BOUND_TORCHES = 3.0
FORBIDDEN = ("torch", "diffusers", "transformers", "scipy", "numpy")


def workflow(nodes: int = 50) -> dict[str, Any]:
    """A checkpoint, two prompts, an empty latent, then stages of sampling and upscaling, and one picture saved."""
    graph: dict[str, Any] = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "model.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "an apple", "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
    }
    sampling = {"seed": 1, "steps": 20, "cfg": 7.5, "sampler_name": "euler", "scheduler": "normal", "denoise": 0.5}
    links = {"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0]}
    for place in range(5, nodes - 1):
        latent = [str(place - 1), 0]
        if place % 2:
            graph[str(place)] = {"class_type": "KSampler", "inputs": {**links, **sampling, "latent_image": latent}}
        else:
            inputs = {"samples": latent, "upscale_method": "bilinear", "scale_by": 1.1}
            graph[str(place)] = {"class_type": "LatentUpscaleBy", "inputs": inputs}
    last, decode = str(nodes - 2), str(nodes - 1)
    graph[decode] = {"class_type": "VAEDecode", "inputs": {"samples": [last, 0], "vae": ["1", 2]}}
    graph[str(nodes)] = {"class_type": "SaveImage", "inputs": {"images": [decode, 0], "filename_prefix": "x"}}
    return graph


def cpu_seconds(command: list[str], folder: Path, **changes: str) -> float:
    """User and system time of a command that must end well. changes: of the environment."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **changes}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{output.decode()}")
    return usage.ru_utime + usage.ru_stime


def imports(command: list[str], folder: Path) -> list[tuple[str, float]]:
    """Every module that a command imports, and the milliseconds of its own, longest first."""
    timed = [command[0], "-X", "importtime", *command[1:]]
    lines = subprocess.run(timed, cwd=folder, capture_output=True, text=True, check=True).stderr.splitlines()
    rows = (line.removeprefix("import time:").split("|") for line in lines if line.startswith("import time:"))
    found = [(name.strip(), int(own) / 1000) for own, _, name in rows if own.strip().isdigit()]
    return sorted(found, key=lambda row: -row[1])


def measure(runs: int) -> dict[str, Any]:
    """The figures, as JSON data."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = folder / "models" / "checkpoints" / "model.safetensors"
        checkpoint.parent.mkdir(parents=True)
        checkpoint.write_bytes(b"")
        (folder / "workflow.json").write_text(json.dumps(workflow()))
        command = [sys.executable, "-m", "weft", "validate", "workflow.json"]
        cpu_seconds(command, folder)  # writes the .pyc files
        taken = sorted(cpu_seconds(command, folder) for _ in range(runs))
        empty = statistics.median(cpu_seconds([sys.executable, "-c", ""], folder) for _ in range(runs))
        modules = imports(command, folder)
    loaded = {module.partition(".")[0] for module, _ in modules}
    return {
        "cpu_s": round(statistics.median(taken), 4),
        "cpu_s_all": [round(seconds, 4) for seconds in taken],
        "empty_interpreter_cpu_s": round(empty, 4),
        "bound_s": BOUND_SECONDS,
        "modules": len(modules),
        "slowest_imports_ms": dict(modules[:10]),
        "packages": sorted(name for name in loaded - sys.stdlib_module_names if not name.startswith("_")),
        "forbidden": sorted(loaded.intersection(FORBIDDEN)),
    }


def pictures(runs: int, beside: Path | None) -> dict[str, Any]:
    """CPU seconds to a picture of one step, of this checkout and another one, and of `import torch`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = {"import torch": ([sys.executable, "-c", "import torch"], ROOT)}
        for root in (ROOT, *([] if beside is None else [beside.resolve()])):
            graph = str(root / "workflows" / "txt2img.json")
            told = ["run", graph, "--set", "KSampler.steps=1", "--output", name, "--no-cache", "--quiet"]
            commands[str(root)] = ([sys.executable, "-m", "weft", *told], root)
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(runs + 1):
            for name, (command, root) in commands.items():
                seconds = cpu_seconds(command, folder, PYTHONPATH=str(root / "src"), OMP_NUM_THREADS="1")
                if turn:  # the first writes the .pyc files
                    taken[name].append(seconds)
    torch = statistics.median(taken["import torch"])
    ours = statistics.median(taken[str(ROOT)])
    ratios = [mine / other for mine, other in zip(taken[str(ROOT)], taken[list(taken)[-1]], strict=True)]
    return {"cpu_s_all": taken, "cpu_s": ours, "torches": ours / torch, "beside": statistics.median(ratios)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="another checkout of Weft, in turns")
    arguments = parser.parse_args()
    found = measure(arguments.runs)
    picture = found["picture"] = pictures(arguments.runs, arguments.beside)
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        low, high = found["cpu_s_all"][0], found["cpu_s_all"][-1]
        print(
            f"weft validate, 50 nodes: {found['cpu_s']:.3f} s of CPU ({low:.3f} to {high:.3f}), at most {BOUND_SECONDS}"
        )
        print(f"an empty interpreter:    {found['empty_interpreter_cpu_s']:.3f} s")
        print(f"{found['modules']} modules, of packages {', '.join(found['packages'])}")
        print("longest imports, ms of their own:")
        print("\n".join(f"  {own:6.1f}  {module}" for module, own in found["slowest_imports_ms"].items()))
        for name, seconds in picture["cpu_s_all"].items():
            print(f"{name}: {statistics.median(seconds):.2f} s of CPU ({min(seconds):.2f} to {max(seconds):.2f})")
        print(f"a picture takes {picture['torches']:.2f} times what torch takes, at most {BOUND_TORCHES:.0f}")
        if arguments.beside:
            print(f"and {picture['beside']:.2f} times what it takes in {arguments.beside}")
        if found["forbidden"]:
            print(f"must not be loaded: {', '.join(found['forbidden'])}")
    slow = found["cpu_s"] > BOUND_SECONDS or picture["torches"] > BOUND_TORCHES
    return 1 if found["forbidden"] or slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
