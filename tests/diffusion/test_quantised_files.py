"""Models in few bits, written to files again: as small as they came, and what is read again draws the same."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGMLQuantizationType as Type
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

import weft
from weft.nodes.diffusion.families.flux import tiny as flux
from weft.nodes.diffusion.families.qwen import tiny as qwen
from weft.nodes.diffusion.families.text_tiny import t5
from weft.nodes.diffusion.families.wan import tiny as wan
from weft.nodes.diffusion.weights.checkpoint import load_clip, load_unet
from weft.nodes.diffusion.weights.export import save_clip, save_model
from weft.nodes.diffusion.weights.float8 import FORMATS
from weft.nodes.diffusion.weights.lora import apply_lora, lora_of
from weft.nodes.diffusion.weights.patcher import ModelPatcher
from weft.nodes.diffusion.weights.quantised import ScaledFloat8, ScaledInt8

from .ggufs import matrices, write
from .ksampling import ksample

PLACE: Mapping[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
PREFIX = "model.diffusion_model."
Tensors = dict[str, Tensor]


def layers(tensors: Mapping[str, Tensor]) -> list[str]:
    """The keys of what is quantised: matrices of layers."""
    return [key for key, each in tensors.items() if each.dim() == 2 and key.endswith(".weight") and each.numel() > 4096]


def scaled(form: Any, *, in_metadata: bool = False) -> Callable[[Tensors], tuple[Tensors, dict[str, str]]]:
    def of(tensors: Tensors) -> tuple[Tensors, dict[str, str]]:
        found, said = dict(tensors), {}
        for key in layers(tensors):
            packed = form.again(key, tensors[key].float())
            found[key] = packed.packed
            for end, beside in form.beside(packed.scale).items():
                if end == ".comfy_quant" and in_metadata:
                    said[key.removesuffix(".weight")] = json.loads(bytes(beside.tolist()))
                else:
                    found[key.removesuffix(".weight") + end] = beside
        if any(key.endswith(".scale_weight") for key in found):
            found["scaled_fp8"] = torch.zeros(2).to(torch.float8_e4m3fn)
        return found, {"_quantization_metadata": json.dumps({"layers": said})} if said else {}

    return of


def cast(dtype: torch.dtype) -> Callable[[Tensors], tuple[Tensors, dict[str, str]]]:
    def of(tensors: Tensors) -> tuple[Tensors, dict[str, str]]:
        return tensors | {key: tensors[key].to(dtype) for key in layers(tensors)}, {}

    return of


WAYS: Mapping[str, Callable[[Tensors], tuple[Tensors, dict[str, str]]]] = {
    "scaled_fp8": scaled(ScaledFloat8(marked=True)),
    "comfy_quant": scaled(ScaledFloat8()),
    "metadata": scaled(ScaledFloat8(), in_metadata=True),
    "int8": scaled(ScaledInt8()),
    "int8_convrot": scaled(ScaledInt8(64)),
    "float8": cast(torch.float8_e4m3fn),
    "float8_e5m2": cast(torch.float8_e5m2),
    "bfloat16": cast(torch.bfloat16),
}
FAMILIES: Mapping[str, tuple[Tensors, tuple[int, ...], int]] = {
    # The model's file, its latent, the width of what it reads.
    "wan": (dict(wan.small_file("diffusion_models", "wan", "wan") or {}), (1, 16, 1, 4, 4), 32),
    "flux": (dict(flux.small_file("diffusion_models", "dev") or {}), (1, 16, 4, 4), 32),
    "qwen": (dict(qwen.small_file("diffusion_models") or {}), (1, 16, 4, 4), 8),
}
# A layer of its own, and a part of one that the file keeps fused.
LORA: Mapping[str, str] = {
    "wan": "diffusion_model.blocks.0.self_attn.q",
    "flux": "transformer.transformer_blocks.0.attn.to_v",
    "qwen": "transformer.transformer_blocks.0.attn.to_q",
}


def with_lora(family: str, model: ModelPatcher) -> ModelPatcher:
    generator = torch.Generator().manual_seed(0)
    down, up = (torch.randn(shape, generator=generator) / 8 for shape in ((4, 128), (128, 4)))
    layer = LORA[family]
    lora = lora_of({f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up})
    patched, _, _ = apply_lora(model, None, lora, 1.0, 0.0)
    assert patched is not None
    return patched


def drawn(family: str, model: ModelPatcher) -> Tensor:
    _, latent, width = FAMILIES[family]
    prompt = [[torch.ones(1, 6, width), {"pooled_output": torch.ones(1, 32)}]]
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 1.0, "steps": 2, "sampler": "euler", "scheduler": "simple", "positive": prompt,
        "negative": prompt,
    }  # fmt: skip
    samples: Tensor = ksample(model, {"samples": torch.zeros(latent)}, **settings)["samples"]
    return samples


def saved(path: Path, save: Callable[[io.BytesIO], None]) -> Path:
    stream = io.BytesIO()
    save(stream)
    path.write_bytes(stream.getvalue())
    return path


def read(path: Path) -> Tensors:
    with safe_open(path, framework="pt") as file:
        return {key.removeprefix(PREFIX): file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


CASES = [
    *(("wan", way) for way in WAYS),
    *(("flux", way) for way in ("scaled_fp8", "int8_convrot", "bfloat16")),
    ("qwen", "comfy_quant"),
]


@pytest.mark.parametrize(("family", "way"), CASES, ids=["-".join(each) for each in CASES])
def test_a_model_is_as_small_as_it_came(family: str, way: str, tmp_path: Path) -> None:
    """Byte for byte; with a LoRA, it draws what it drew."""
    tensors, metadata = WAYS[way](FAMILIES[family][0])
    save_file({key: each.contiguous() for key, each in tensors.items()}, tmp_path / "model.safetensors", metadata)
    model = load_unet(tmp_path / "model.safetensors", **PLACE)
    again = saved(
        tmp_path / "again.safetensors",
        lambda stream: save_model(stream, model, None, None, title="x", metadata={}, warn=pytest.fail),
    )
    got = read(again)
    for key in layers(FAMILIES[family][0]):
        assert got[key].dtype == tensors[key].dtype
        assert torch.equal(got[key].view(torch.uint8), tensors[key].view(torch.uint8))
    assert torch.equal(drawn(family, load_unet(again, **PLACE)), drawn(family, model))

    patched, said = with_lora(family, model), []
    merged = saved(
        tmp_path / "merged.safetensors",
        lambda stream: save_model(stream, patched, None, None, title="x", metadata={}, warn=said.append),
    )
    assert torch.equal(drawn(family, load_unet(merged, **PLACE)), drawn(family, patched))
    assert not torch.equal(drawn(family, patched), drawn(family, model))
    packed_again = way not in ("float8", "float8_e5m2", "bfloat16")
    assert (
        [each.partition(":")[0] for each in said] == []
        if packed_again
        else [f"1 of {len(read(merged))} tensors are written as float32, and have fewer bits in memory"]
    )


def test_what_is_rounded_by_an_option_is_written_so(tmp_path: Path) -> None:
    save_file(FAMILIES["wan"][0], tmp_path / "model.safetensors")
    model = load_unet(tmp_path / "model.safetensors", **PLACE, rounded=FORMATS["fp8_e4m3fn"])
    again = saved(tmp_path / "a", lambda stream: save_model(stream, model, None, None, title="x", metadata={}))
    assert again.stat().st_size < (tmp_path / "model.safetensors").stat().st_size * 0.52
    assert torch.equal(drawn("wan", load_unet(again, **PLACE)), drawn("wan", model))


TEXTS = {
    "wan": ("scaled_fp8", lambda: t5(128, umt5=True)),
    "qwen_image": ("comfy_quant", lambda: dict(qwen.small_file("text_encoders") or {})),
}


@pytest.mark.parametrize("kind", ["wan", pytest.param("qwen_image", marks=pytest.mark.slow)])
def test_text_encoders_too(kind: str, tmp_path: Path) -> None:
    way, text = TEXTS[kind]
    whole = text()
    tensors, _ = WAYS[way]({key: each for key, each in whole.items() if each.dim() < 2 or len(each) < 2000})
    tensors = {key: each.contiguous() for key, each in {**whole, **tensors}.items()}
    save_file(tensors, tmp_path / "text.safetensors")
    clip = load_clip([tmp_path / "text.safetensors"], kind, **PLACE)
    again = saved(tmp_path / "again", lambda stream: save_clip(stream, clip.encoders[0], {}, pytest.fail))
    got = read(again)
    assert got.keys() == tensors.keys()
    assert all(got[key].dtype == tensors[key].dtype for key in layers(tensors))
    rows = load_clip([again], kind, **PLACE).encode("a cat")[0][0]
    assert torch.equal(rows, clip.encode("a cat")[0][0])


def test_blocks_are_written_wide_and_the_node_says_so(tmp_path: Path) -> None:
    tensors = FAMILIES["wan"][0]
    (tmp_path / "unet").mkdir()
    write(tmp_path / "unet" / "wan.gguf", "wan", tensors, matrices(tensors, Type.Q8_0))
    prompt = {
        "1": {"class_type": "UnetLoaderGGUF", "inputs": {"unet_name": "wan.gguf"}},
        "2": {"class_type": "ModelSave", "inputs": {"model": ["1", 0], "filename_prefix": "again"}},
    }
    result = weft.run(prompt, device="cpu", models=tmp_path, output=tmp_path / "out")
    ((node_id, *_, message),) = result.warnings
    assert node_id == "2"
    assert "are written as float32, and have fewer bits in memory: no file that is written here has GGUF's" in message
    (path,) = (tmp_path / "out").rglob("*.safetensors")
    assert torch.equal(
        drawn("wan", load_unet(path, **PLACE)), drawn("wan", load_unet(tmp_path / "unet" / "wan.gguf", **PLACE))
    )
