"""What `weft plan --memory` says that a run takes, beside what it takes.

    python benchmarks/reckoning.py [--case NAME ...] [--json]

Writes models of full width with random weights and few layers, one at a time, in a temporary folder (2.2 GB at most),
and runs text to picture with each in a process of its own, on the CPU in float32: prompts, two steps, the VAE.
Of each node that computes, the process's peak is read, the pages of mapped files among it. Against it stands what the
plan says of this node, and what the process took before. The GPU has no part in this: what is held here are the rule
for computing, which models are there, and their sizes. Linux only: peaks are read from /proc. Exit code 1 where a
node takes a quarter more or less than reckoned.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BOUND = 0.25
LAYERS = 2
Shapes = Mapping[str, tuple[int, ...]]


class Case(NamedTuple):
    """Files of a family, by the folders that they belong into; latents and the sizes at which they are sampled.

    clip_type: of the loader of text encoders; empty for a checkpoint, which has them. second: the negative prompt.
    """

    files: Callable[[], Mapping[str, Shapes]]
    sizes: tuple[Mapping[str, int], ...]
    latent: str = "EmptySD3LatentImage"
    clip_type: str = ""
    second: str = "a dog"


def small_rows(layers: int, shapes: Shapes) -> Shapes:
    """Of a text encoder, its first layers, and of its vocabulary all."""
    import re

    return {
        key: shape
        for key, shape in shapes.items()
        if (found := re.search(r"\.(\d+)\.", key)) is None or int(found[1]) < layers
    }


def of_sd1() -> Mapping[str, Shapes]:
    from tests.diffusion.released import checkpoint

    return {"checkpoints": checkpoint("sd1")}


def of_wan() -> Mapping[str, Shapes]:
    from tests.diffusion import released
    from weft.nodes.diffusion.families.sd.tiny import shapes_of

    return {
        "diffusion_models": shapes_of(released.wan(5120, LAYERS, 13824, 16, 16).model_part(), ""),
        "text_encoders": small_rows(2, dict(released.t5_file(32128, each=True))),
        "vae": released.video_vae(),
    }


def of_qwen() -> Mapping[str, Shapes]:
    from tests.diffusion import released
    from weft.nodes.diffusion.families.qwen.kind import QwenImageKind
    from weft.nodes.diffusion.families.sd.tiny import shapes_of

    kind = QwenImageKind({**released.QWEN.sizes, "num_layers": LAYERS})
    return {
        "diffusion_models": shapes_of(kind.model_part(), ""),
        "text_encoders": dict(released.qwen_file(3584, 18944, 1, (28, 4), 152064, normed=False)),
        "vae": released.video_vae(),
    }


def of_zimage() -> Mapping[str, Shapes]:
    from tests.diffusion import released
    from weft.nodes.diffusion.families.sd.networks import vae_part
    from weft.nodes.diffusion.families.sd.tiny import shapes_of
    from weft.nodes.diffusion.families.zimage.kind import ZImageKind

    kind = ZImageKind({**released.ZIMAGE.sizes, "n_layers": LAYERS})
    return {
        "diffusion_models": shapes_of(kind.model_part(), ""),
        "text_encoders": dict(released.qwen_file(2560, 9728, 1, (32, 8), 151936, normed=True)),
        "vae": shapes_of(vae_part(released.image_vae(16), "")),
    }


def square(side: int, batch: int = 1) -> Mapping[str, int]:
    return {"width": side, "height": side, "batch_size": batch}


LONG = "a very long prompt of another length than the first one"
CASES = {
    "sd1": Case(of_sd1, (square(256), square(512), square(512, 2)), "EmptyLatentImage"),
    "wan": Case(of_wan, (square(256) | {"length": 5}, square(256) | {"length": 9}), "EmptyHunyuanLatentVideo", "wan"),
    "qwen_image": Case(of_qwen, (square(512),), clip_type="qwen_image"),
    "qwen_image, two lengths": Case(of_qwen, (square(512),), clip_type="qwen_image", second=LONG),
    "z_image": Case(of_zimage, (square(512), square(256, 4)), clip_type="lumina2"),
    "z_image, two lengths": Case(of_zimage, (square(512),), clip_type="lumina2", second=LONG),
}


def workflow(case: Case, size: Mapping[str, int]) -> dict[str, Any]:
    """Text to picture with two steps."""
    nodes: dict[str, Any] = {}
    if case.clip_type:
        nodes["model"] = ("UNETLoader", {"unet_name": "model.safetensors", "weight_dtype": "default"})
        nodes["clip"] = ("CLIPLoader", {"clip_name": "model.safetensors", "type": case.clip_type})
        nodes["vae"] = ("VAELoader", {"vae_name": "model.safetensors"})
        model, clip, vae = (["model", 0], ["clip", 0], ["vae", 0])
    else:
        nodes["model"] = ("CheckpointLoaderSimple", {"ckpt_name": "model.safetensors"})
        model, clip, vae = (["model", slot] for slot in range(3))
    nodes["positive"] = ("CLIPTextEncode", {"text": "a cat", "clip": clip})
    nodes["negative"] = ("CLIPTextEncode", {"text": case.second, "clip": clip})
    nodes["empty"] = (case.latent, dict(size))
    sides = {"positive": ["positive", 0], "negative": ["negative", 0]}
    sampler = {"seed": 1, "steps": 2, "cfg": 5.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    nodes["sample"] = ("KSampler", {"model": model, "latent_image": ["empty", 0], **sides, **sampler})
    nodes["decode"] = ("VAEDecode", {"samples": ["sample", 0], "vae": vae})
    return {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()}


def write(path: Path, shapes: Shapes) -> None:
    """A file of small random numbers in bfloat16; where there are many, the same over and over."""
    import torch
    from safetensors.torch import save_file

    from weft.nodes.diffusion.text.t5 import TOKENIZER
    from weft.nodes.diffusion.text.t5_tokenizer import small_tokenizer

    some = torch.randn(1 << 20, generator=torch.Generator().manual_seed(0))
    tensors = {}
    for key, shape in shapes.items():
        size = math.prod(shape)
        if len(shape) < 2:
            tensors[key] = torch.full(shape, float(key.endswith("weight")), dtype=torch.bfloat16)
        else:
            numbers = some / math.sqrt(math.prod(shape[1:]))
            tensors[key] = numbers.bfloat16().repeat(-(-size // len(some)))[:size].reshape(shape)
    if "shared.weight" in shapes:
        tensors[TOKENIZER] = small_tokenizer()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)


def measure(case: Case, size: Mapping[str, int], models: Path) -> dict[str, int]:
    """Run a case in this process: of each node the peak, and of the process what it took before the first one."""
    import diffusers.models
    import transformers

    import weft
    from weft.engine.events import Event, NodeFinished, NodeStarted

    names = ("AutoencoderKL", "WanTransformer3DModel", "QwenImageTransformer2DModel", "ZImageTransformer2DModel")
    assert all(hasattr(diffusers.models, name) for name in names)
    assert all(hasattr(transformers, name) for name in ("CLIPTextModel", "UMT5EncoderModel", "Qwen2Model"))
    found = {"before": resident("VmRSS")}

    def observe(event: Event) -> None:
        if isinstance(event, NodeStarted):
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        elif isinstance(event, NodeFinished):
            found[event.node_id] = resident("VmHWM")

    weft.run(workflow(case, size), models=models, device="cpu", targets=["decode"], observers=[observe])
    return found


def resident(field: str) -> int:
    """Bytes of this process that are in memory now (VmRSS), or were at most (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def reckoned(case: Case, size: Mapping[str, int], models: Path) -> dict[str, int]:
    """What the plan says, of each node that computes."""
    from weft.engine.session import Session

    session = Session(models=models, device="cpu")
    plan = session.plan(session.read(workflow(case, size)), ["decode"], values=False)
    account = session.packs.reckoned(plan, session.settings)
    return {step.node_id: step.peak for step in account.steps}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--of", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--models", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
    if arguments.of:
        name, index = arguments.of
        print(json.dumps(measure(CASES[name], CASES[name].sizes[int(index)], arguments.models)))
        return 0
    rows: list[dict[str, Any]] = []
    for name in arguments.case or CASES:
        case = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            for kind, shapes in case.files().items():
                write(Path(folder) / kind / "model.safetensors", shapes)
            for index, size in enumerate(case.sizes):
                command = [sys.executable, __file__, "--of", name, str(index), "--models", folder]
                measured = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
                for node, said in reckoned(case, size, Path(folder)).items():
                    rows.append(
                        {
                            "case": name,
                            **size,
                            "node": node,
                            "reckoned": said,
                            "measured": measured[node] - measured["before"],
                        }
                    )
                    if not arguments.json:
                        report(rows[-1])
    if arguments.json:
        print(json.dumps(rows, indent=2))
    return int(any(abs(row["measured"] / row["reckoned"] - 1) > BOUND for row in rows))


def report(row: Mapping[str, Any]) -> None:
    size = "x".join(str(row[name]) for name in ("width", "height", "length", "batch_size") if name in row)
    measured, said = (row[name] / 2**20 for name in ("measured", "reckoned"))
    print(
        f"{row['case']:24} {size:14} {row['node']:9} reckoned {said:6.0f} MiB   measured {measured:6.0f} MiB   "
        f"{measured / said:5.2f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
