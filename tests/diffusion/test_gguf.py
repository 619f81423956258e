"""GGUF files: blocks as the package `gguf` widens them, names as the families have them, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import sentencepiece
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import save_file
from torch import Tensor

import weft
from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families import release_in
from weft.nodes.diffusion.families.text_tiny import qwen, t5
from weft.nodes.diffusion.families.wan.tiny import small_file
from weft.nodes.diffusion.text.qwen import qwen_part
from weft.nodes.diffusion.text.t5 import t5_part
from weft.nodes.diffusion.weights.checkpoint import load_clip, load_unet
from weft.nodes.diffusion.weights.gguf_blocks import WIDENED
from weft.nodes.diffusion.weights.gguf_header import QUANTISATIONS, eyes_beside, read_gguf
from weft.nodes.diffusion.weights.header import described
from weft.nodes.diffusion.weights.lora import apply_lora, lora_of
from weft.nodes.diffusion.weights.networks import check
from weft.nodes.diffusion.weights.packed import PackedTensor
from weft.nodes.diffusion.weights.weightfile import WeightFile

from .ggufs import eyes, matrices, pieces, qwen_name, t5_name, vocabulary, write
from .ksampling import ksample

CPU = torch.device("cpu")


def test_the_sizes_of_blocks_are_ggmls() -> None:
    for number, kept in QUANTISATIONS.items():
        assert (Type(number).name, gguf.GGML_QUANT_SIZES[Type(number)]) == (kept.name, (kept.numbers, kept.size))
    assert {kept.name for kept in QUANTISATIONS.values()} - {"F32", "F16", "BF16"} == set(WIDENED)


@pytest.mark.parametrize("name", WIDENED)
def test_blocks_are_widened_as_gguf_does(name: str) -> None:
    """To the last bit. Any bytes are blocks; those whose scales are not finite are left out."""
    numbers, size = gguf.GGML_QUANT_SIZES[Type[name]]
    raw = torch.randint(0, 256, (64, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with np.errstate(invalid="ignore"):
        expected = torch.from_numpy(gguf.quants.dequantize(raw.numpy(), Type[name]))
    finite = expected.isfinite().all(dim=1)
    assert finite.sum() > 50
    assert WIDENED[name](raw).shape == (64, numbers)
    assert torch.equal(WIDENED[name](raw)[finite], expected[finite])


def wan(path: Path, kind: Type) -> dict[str, Tensor]:
    """Writes a small Wan, its matrices quantised; gives its numbers."""
    tensors = small_file("diffusion_models", "wan", "wan")
    assert tensors is not None
    write(path, "wan", tensors, matrices(tensors, kind))
    return tensors


@pytest.mark.parametrize("kind", [Type.Q4_0, Type.Q8_0, Type.BF16, Type.F16], ids=str)
def test_a_model_stays_in_blocks(kind: Type, tmp_path: Path) -> None:
    path = tmp_path / "wan.gguf"
    tensors = wan(path, kind)
    model = load_unet(path, device=CPU, dtype=torch.float32)
    key = "blocks.0.ffn.0.weight"
    weight: Any = model.network.base.get_parameter("blocks.0.ffn.net.0.proj.weight")
    assert isinstance(weight, PackedTensor)
    size = gguf.quant_shape_to_byte_shape(tuple(weight.shape), kind)
    assert weight.nbytes == int(np.prod(size)) if kind in (Type.Q4_0, Type.Q8_0) else weight.numel() * 2
    expected = gguf.quants.dequantize(gguf.quants.quantize(tensors[key].float().numpy(), kind), kind)
    assert torch.equal(weight, torch.from_numpy(expected))
    assert torch.equal(weight[32:64].widened(), torch.from_numpy(expected)[32:64])
    assert model.model_size() <= path.stat().st_size
    found = described(path)
    assert found is not None
    assert release_in(found[1]) == "Wan text-to-video"


@pytest.mark.parametrize("kind", [Type.Q4_0, Type.Q8_0, Type.Q5_1], ids=str)
def test_what_blocks_draw_is_what_their_numbers_draw(kind: Type, tmp_path: Path) -> None:
    tensors = wan(tmp_path / "wan.gguf", kind)
    reader = gguf.GGUFReader(tmp_path / "wan.gguf")
    numbers = {each.name: gguf.quants.dequantize(each.data, each.tensor_type) for each in reader.tensors}
    plain = {key: torch.from_numpy(numbers[key].reshape(tensor.shape).copy()) for key, tensor in tensors.items()}
    save_file(plain, tmp_path / "wan.safetensors")
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 2.0, "steps": 3, "sampler": "dpmpp_2m", "scheduler": "simple",
        "positive": [[torch.ones(1, 6, 32), {}]], "negative": [[torch.zeros(1, 6, 32), {}]],
    }  # fmt: skip
    drawn = []
    for name in ("wan.gguf", "wan.safetensors"):
        model = load_unet(tmp_path / name, device=CPU, dtype=torch.float32)
        drawn.append(ksample(model, {"samples": torch.zeros(1, 16, 2, 4, 4)}, **settings)["samples"])
    assert torch.equal(*drawn)
    assert float(drawn[0].std()) > 0.1


def test_a_lora_on_blocks_is_merged_with_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "wan.gguf"
    wan(path, Type.Q8_0)
    model = load_unet(path, device=CPU, dtype=torch.float32)
    up, down = torch.randn(128, 4), torch.randn(4, 128)
    layer = "diffusion_model.blocks.0.self_attn.q"
    lora = lora_of({f"{layer}.lora_up.weight": up, f"{layer}.lora_down.weight": down})
    patched, _, _ = apply_lora(model, None, lora, 1.0, 0.0)
    assert patched is not None
    name = "blocks.0.attn1.to_q.weight"
    got: Any = patched.network.module().get_parameter(name)
    stored: Any = model.network.base.get_parameter(name)
    assert torch.equal(got, stored + up @ down)
    assert torch.equal(got[3:9], (stored + up @ down)[3:9])
    # In its blocks still, which are the model's own; what is added are the numbers of the LoRA.
    assert got.packed.data_ptr() == stored.packed.data_ptr()
    assert patched.network.nbytes == 4 * (up.numel() + down.numel())


def test_umt5_in_gguf_writes_what_it_does_in_safetensors(tmp_path: Path) -> None:
    """Rows of a prompt, by the tokenizer that the file has; the table of tokens is looked up in its blocks."""
    texts, model = ["a cat on the mat", "A ﬁne  Ünknown  thing", " home"], pieces()
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    tensors = {key: each for key, each in t5(32, umt5=True).items() if each.is_floating_point()}
    named = {t5_name(key): each for key, each in tensors.items()}
    kinds = {"token_embd.weight": Type.Q8_0}
    path = write(tmp_path / "umt5.gguf", "t5encoder", named, kinds, **vocabulary(model))
    clip = load_clip([path], "wan", device=CPU, dtype=torch.float32)
    encoder: Any = clip.encoders[0]
    assert isinstance(encoder.network.base.get_parameter("shared.weight"), PackedTensor)
    # Without sentencepiece's table of signs, which the writer was not given: of plain letters.
    assert [encoder.ids(text) for text in texts[::2]] == [processor.encode(text) for text in texts[::2]]
    rows = clip.encode("a cat")[0][0]
    assert rows.shape == (1, 512, 32)
    part = t5_part("umt5", "", described(path)[1])  # type: ignore[index]
    check([part], described(path)[1])  # type: ignore[index]


def test_qwen_in_gguf_lands_whole(tmp_path: Path) -> None:
    small = {key: each[:64] if "embed" in key else each for key, each in qwen(32, normed=True).items()}
    named = {qwen_name(key): each for key, each in small.items()}
    file = WeightFile(write(tmp_path / "qwen.gguf", "qwen3", named, {"blk.0.attn_q.weight": Type.Q4_1}))
    assert {key: tuple(each.shape) for key, each in small.items()} == dict(file.shapes)
    check([qwen_part("qwen", file.shapes)], file.shapes)


def test_what_sees_pictures_lies_beside(tmp_path: Path) -> None:
    """As ComfyUI-GGUF has it: `mmproj` in the name, and the text encoder's own without its quantisation."""
    whole = qwen(32, sees=True)
    sees = {key: each for key, each in whole.items() if key.startswith("visual.")}
    text = {qwen_name(key): each for key, each in whole.items() if key not in sees}
    path = write(tmp_path / "Qwen2.5-VL-7B-Q4_K_M.gguf", "qwen2vl", text, {})
    save_file(whole, tmp_path / "whole.safetensors")
    plain = load_clip([tmp_path / "whole.safetensors"], "qwen_image", device=CPU, dtype=torch.float32)
    picture = torch.rand(1, 56, 56, 3, generator=torch.Generator().manual_seed(0))
    chat = "a cat <|image_pad|>"
    assert eyes_beside(path) is None
    blind = load_clip([path], "qwen_image", device=CPU, dtype=torch.float32)
    with pytest.raises(DiffusionError, match="has nothing that sees pictures .* beside one in GGUF lies its mmproj"):
        blind.encode_shown(chat, [picture])
    write(tmp_path / "other-mmproj.gguf", "clip", eyes(sees), {})
    beside = write(tmp_path / "qwen2.5-vl-7b-mmproj-F16.gguf", "clip", eyes(sees), {})
    assert (eyes_beside(path), eyes_beside(tmp_path / "whole.safetensors")) == (beside, None)
    seen = load_clip([path], "qwen_image", device=CPU, dtype=torch.float32).encode_shown(chat, [picture])[0][0]
    assert torch.equal(seen, plain.encode_shown(chat, [picture])[0][0])
    write(beside, "clip", {key: each for key, each in eyes(sees).items() if "attn_k" not in key}, {})
    with pytest.raises(CheckpointError, match="attn.qkv.weight' is not whole: q, v of q, k and v"):
        load_clip([path], "qwen_image", device=CPU, dtype=torch.float32)


def test_a_tensor_has_the_shape_that_it_had(tmp_path: Path) -> None:
    """Of convolutions, whose last axis is too short for blocks."""
    values = {"comfy__gguf__orig_shape__conv__weight": [8, 8, 2, 2]}
    path = write(tmp_path / "a.gguf", "sd1", {"conv.weight": torch.randn(8, 32)}, {"conv.weight": Type.Q8_0}, **values)
    file = WeightFile(path)
    assert file.shapes["conv.weight"] == (8, 8, 2, 2)
    assert file.tensor("conv.weight").reshape(-1).shape == (256,)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gguf", "flux", {"x": torch.randn(2, 32)}, {"x": Type.Q8_0})
    whole = path.read_bytes()
    place = whole.index(Type.Q8_0.to_bytes(4, "little"), whole.index(b"x", whole.index(b"general.architecture") + 40))
    iq1 = whole[:place] + int(Type.IQ1_S).to_bytes(4, "little") + whole[place + 4 :]
    for content, told in (
        (whole[:-40], "truncated"),
        (whole[:30], "its GGUF header is damaged"),
        (b"GGUF\x01\0\0\0" + whole[8:], "it is of version 1"),
        (iq1, "^(a.gguf: )?its tensor 'x' is quantised as IQ1_S, which is not supported: F32, F16, Q4_0"),
        (whole[:8] + b"\xff" * 16 + whole[24:], "damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=told):
            read_gguf(path)
        with pytest.raises(CheckpointError, match=told):
            WeightFile(path)


def test_the_loader_of_the_pack(tmp_path: Path) -> None:
    """From the folders `unet` and `diffusion_models`; what cannot be used is refused before the run."""
    path = tmp_path / "unet" / "wan.gguf"
    path.parent.mkdir()
    wan(path, Type.Q8_0)
    given = {"unet_name": "wan.gguf", "dequant_dtype": "float16", "patch_dtype": "default", "patch_on_device": False}
    prompt = {"1": {"class_type": "UnetLoaderGGUFAdvanced", "inputs": given}}
    result = weft.run(prompt, device="cpu", targets=["1"], models=tmp_path)
    assert result["1"][0].model_size() < path.stat().st_size
    assert [text for *_, text in result.warnings] == [
        "dequant_dtype float16 is left out: weights have the run's number format (--dtype)"
    ]
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.raises(weft.InvalidWorkflow, match=r"wan.gguf is truncated"):
        weft.run(prompt, device="cpu", targets=["1"], models=tmp_path)
