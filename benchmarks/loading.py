"""What opening a large model takes: peak memory against the size of its file, and seconds on the meta device.

    python benchmarks/loading.py [--layers N] [--json]

Writes a Wan transformer of full width (5120) with random weights in each of the FORMATS, one at a time, in a temporary
folder (1.9 GB for two layers of 16 bits), and opens each in a process of its own, on the CPU for a run in float32. Then
every weight is read once, so that all pages of the file are in memory. The figure is the peak of what is resident, the
pages of the mapped file among it, over what was before; it may be 1.1 times the file. Linux only: peaks are read from
/proc. The released sizes of all families are built without weights, in seconds of CPU; each may take one. Exit code 1
where something takes more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MEMORY_BOUND, SECONDS_BOUND = 1.1, 1.0
WIDTH, INNER, HEAD = 5120, 13824, 128
# How files keep matrices: in a number format of torch, in float8 with a scale for each, in GGUF's blocks.
SCALED, BLOCKS = "fp8_scaled", ("Q8_0", "Q4_K")
FORMATS = ("float16", "bfloat16", "float8_e4m3fn", SCALED, *BLOCKS)


def wan(layers: int) -> Any:
    """The kind of a Wan 14B with so many layers."""
    from weft.nodes.diffusion.families.wan.keymap import PATCH
    from weft.nodes.diffusion.families.wan.kind import WanKind

    sizes = {
        "patch_size": PATCH, "num_attention_heads": WIDTH // HEAD, "attention_head_dim": HEAD, "in_channels": 16,
        "out_channels": 16, "text_dim": 4096, "freq_dim": 256, "ffn_dim": INNER, "num_layers": layers,
        "image_dim": None, "added_kv_proj_dim": None, "pos_embed_seq_len": None,
    }  # fmt: skip
    return WanKind(sizes, "")


def write(path: Path, layers: int, form: str) -> None:
    """A file of this model whose matrices are kept in this way, with weights that are finite."""
    import torch
    from safetensors.torch import save_file

    from weft.nodes.diffusion.families.sd.tiny import shapes_of

    shapes = shapes_of(wan(layers).model_part(), "")
    if form in BLOCKS:
        write_blocks(path, shapes, form)
        return
    kind = getattr(torch, "float8_e4m3fn" if form == SCALED else form)
    tensors = {"scaled_fp8": torch.zeros(0, dtype=torch.float8_e4m3fn)} if form == SCALED else {}
    for key, shape in shapes.items():
        raw = torch.randint(0, 60, (torch.Size(shape).numel(),), dtype=torch.uint8)
        if len(shape) != 2 or kind.itemsize > 1:
            tensors[key] = raw.to(kind if kind.itemsize > 1 else torch.bfloat16).reshape(shape)
            continue
        tensors[key] = raw.view(kind).reshape(shape)
        if form == SCALED:
            tensors[key.removesuffix("weight") + "scale_weight"] = torch.ones(1)
    save_file(tensors, path)


def write_blocks(path: Path, shapes: Mapping[str, tuple[int, ...]], form: str) -> None:
    """The same as a GGUF file."""
    import gguf
    import numpy as np

    kind = gguf.GGMLQuantizationType[form]
    writer = gguf.GGUFWriter(path, "wan")
    for key, shape in shapes.items():
        if len(shape) == 2 and shape[1] % gguf.GGML_QUANT_SIZES[kind][0] == 0:
            raw = np.random.randint(0, 60, gguf.quant_shape_to_byte_shape(shape, kind), dtype=np.uint8)
            writer.add_tensor(key, raw, raw_dtype=kind)
        else:
            writer.add_tensor(key, np.ones(shape, dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def measure(path: Path) -> dict[str, float]:
    """Open a file in this process: bytes over what was before, and seconds."""
    import diffusers.models
    import torch

    from weft.nodes.diffusion.weights.checkpoint import load_unet
    from weft.nodes.diffusion.weights.packed import PackedTensor, held_bytes

    wan(1).model_part()  # what is imported when a network is built
    assert diffusers.models.WanTransformer3DModel
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, started = resident("VmRSS"), time.perf_counter()
    model = load_unet(path, device=torch.device("cpu"), dtype=torch.float32)
    seconds, loaded = time.perf_counter() - started, resident("VmHWM")
    for weight in model.network.base.parameters():
        held = weight.packed if isinstance(weight, PackedTensor) else weight.detach()
        held.reshape(-1).view(torch.uint8)[::4096].sum()
    return {
        "load_seconds": seconds,
        "load_bytes": loaded - before,
        "peak_bytes": resident("VmHWM") - before,
        "held_bytes": held_bytes(model.network.base),
    }


def resident(field: str) -> int:
    """Bytes of this process that are in memory now (VmRSS), or were at most (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def opened(folder: Path, layers: int, form: str) -> dict[str, float]:
    """What a process of its own measures that opens a file, which is written into a folder and deleted."""
    path = folder / f"{form}.{'gguf' if form in BLOCKS else 'safetensors'}"
    write(path, layers, form)
    command = [sys.executable, __file__, "--case", str(path)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    size = path.stat().st_size
    path.unlink()
    return {**found, "file_bytes": size, "ratio": found["peak_bytes"] / size}


def built() -> dict[str, float]:
    """CPU seconds in which each released model is recognised and built without weights, after a first one."""
    from tests.diffusion.released import qwen_file, t5_file
    from tests.diffusion.test_full_sizes import RELEASED
    from weft.nodes.diffusion.families import recognise
    from weft.nodes.diffusion.families.sd.tiny import shapes_of
    from weft.nodes.diffusion.text.qwen import qwen_part
    from weft.nodes.diffusion.text.t5 import t5_part
    from weft.nodes.diffusion.weights.networks import check

    shapes: dict[str, Any] = {name: shapes_of(each.kind.model_part()) for name, each in RELEASED.items()}
    making: dict[str, Any] = dict.fromkeys(shapes, lambda file: recognise(file).model_part())
    texts: dict[str, Any] = {
        "t5 xxl": (dict(t5_file(32128, each=False)), lambda file: t5_part("t5", "", file)),
        "umt5 xxl": (dict(t5_file(256384, each=True)), lambda file: t5_part("umt5", "", file)),
    }
    for name, sizes, normed in (
        ("qwen2.5 7B", (3584, 18944, 28, (28, 4), 152064), False),
        ("qwen3 4B", (2560, 9728, 36, (32, 8), 151936), True),
    ):
        texts[name] = (dict(qwen_file(*sizes, normed=normed)), lambda file, name=name: qwen_part(name, file))
    for name, (file, make) in texts.items():
        shapes[name], making[name] = file, make
        make(file)
    seconds = {}
    for name, file in shapes.items():
        started = time.process_time()
        check([making[name](file)], file)
        seconds[name] = time.process_time() - started
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--case", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
    if arguments.case:
        print(json.dumps(measure(arguments.case)))
        return 0
    figures: dict[str, Any] = {"built": built()}
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMATS:
            figures[form] = opened(Path(folder), arguments.layers, form)
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        report(figures)
    slow = max(figures["built"].values()) > SECONDS_BOUND
    return int(slow or any(figures[form]["ratio"] > MEMORY_BOUND for form in FORMATS))


def report(figures: dict[str, Any]) -> None:
    for form in FORMATS:
        of = figures[form]
        print(
            f"{form:14} file {of['file_bytes'] / 1e9:5.2f} GB   held {of['held_bytes'] / 1e9:5.2f} GB   "
            f"opened {of['load_bytes'] / 1e9:5.2f} GB in {of['load_seconds']:.1f} s   "
            f"peak, every weight read {of['peak_bytes'] / 1e9:5.2f} GB: {of['ratio']:.2f} of the file "
            f"(bound {MEMORY_BOUND})"
        )
    for name, seconds in figures["built"].items():
        print(f"built on the meta device: {name:18} {seconds:5.2f} s (bound {SECONDS_BOUND:.0f})")


if __name__ == "__main__":
    sys.exit(main())
