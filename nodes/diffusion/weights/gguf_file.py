"""GGUF files as files of weights: their tensors stay in the mapped file, those in blocks as PackedTensors."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.weights.gguf_blocks import WIDENED, Blocks
from weft.nodes.diffusion.weights.gguf_header import GgufHeader, GgufTensor, read_gguf
from weft.nodes.diffusion.weights.packed import PackedTensor

# Beside the weights of a T5: its tokenizer, by the name that umT5's other files have for it.
PIECES = "spiece_model"
_PLAIN = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_UNIGRAM = 1


def load_gguf(path: Path) -> dict[str, Tensor]:
    """The tensors of a GGUF file, by the names that other files of such a model have.

    Raises:
        CheckpointError: as read_gguf.
    """
    header = read_gguf(path)
    tensors = _tensors(path, header)
    if header.architecture.startswith("t5") and "tokenizer.ggml.tokens" in header.values:
        try:
            model = sentencepiece_model(header.values)
        except (ValueError, TypeError, AttributeError, struct.error, OverflowError) as error:
            raise CheckpointError(f"{path.name}: its tokenizer is damaged: {error}") from error
        tensors[PIECES] = torch.frombuffer(bytearray(model), dtype=torch.uint8)
    return tensors


def load_eyes(path: Path) -> dict[str, Tensor]:
    """What sees pictures for a Qwen2.5-VL, from a file of its own (`mmproj`), as the whole model's file has it.

    Raises:
        CheckpointError: as read_gguf, or a part of a layer is not there.
    """
    found: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in _tensors(path, read_gguf(path, eyes=True)).items():
        for old, new in _SEEING.items():
            name = name.replace(old, new)
        if match := re.fullmatch(r"(.*\.)attn_([qkv])(\..*)", name):
            parts.setdefault(f"{match[1]}attn.qkv{match[3]}", {})[match[2]] = tensor
        else:
            found[name] = tensor
    for name, each in parts.items():
        if len(each) < len("qkv"):
            raise CheckpointError(f"{path.name}: {name!r:.80} is not whole: {', '.join(sorted(each))} of q, k and v")
        found[name] = torch.cat([each[letter] for letter in "qkv"])
    # A picture is shown to it twice, one behind the other: a weight for each.
    first, second = found.get(_PATCHES), found.pop(f"{_PATCHES}.1", None)
    if first is not None and second is not None:
        found[_PATCHES] = torch.stack([first, second], dim=2)
    return found


_PATCHES = "visual.patch_embed.proj.weight"
# llama.cpp's pieces of names -> those of the whole model's file, one after the other.
_SEEING = {
    "mm.": "visual.merger.mlp.",
    "v.post_ln.": "visual.merger.ln_q.",
    "v.patch_embd": "visual.patch_embed.proj",
    "v.blk.": "visual.blocks.",
    ".attn_qkv.": ".attn.qkv.",
    ".attn_out.": ".attn.proj.",
    ".ffn_gate.": ".mlp.gate_proj.",
    ".ffn_up.": ".mlp.up_proj.",
    ".ffn_down.": ".mlp.down_proj.",
    ".ln1.": ".norm1.",
    ".ln2.": ".norm2.",
}


def _tensors(path: Path, header: GgufHeader) -> dict[str, Tensor]:
    """Its tensors, in the mapped file."""
    data = torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8)
    return {name: _opened(data, tensor) for name, tensor in header.tensors.items()}


def _opened(data: Tensor, tensor: GgufTensor) -> Tensor:
    stored = data[tensor.start : tensor.start + tensor.size]
    kept = tensor.quantisation
    if kept.name in _PLAIN:
        return stored.view(_PLAIN[kept.name]).reshape(tensor.shape)
    assert kept.name in WIDENED
    return PackedTensor(Blocks(kept.name), stored.view(-1, kept.size), None, tensor.shape, torch.float32)


def sentencepiece_model(values: Mapping[str, Any]) -> bytes:
    """The tokenizer that a GGUF file describes, in the form of sentencepiece (a message of protocol buffers)."""
    tokens = values["tokenizer.ggml.tokens"]
    scores = values.get("tokenizer.ggml.scores", (0.0,) * len(tokens))
    kinds = values.get("tokenizer.ggml.token_type", (1,) * len(tokens))
    pieces = [
        _field(1, _field(1, token.encode()) + _float(2, score) + _number(3, kind))
        for token, score, kind in zip(tokens, scores, kinds, strict=True)
    ]
    trained = [_number(3, _UNIGRAM), _number(4, len(tokens)), _number(35, int(6 in kinds))]
    of_marks = {40: "unknown", 41: "bos", 42: "eos", 43: "padding"}
    for field, name in of_marks.items():
        trained.append(_number(field, values.get(f"tokenizer.ggml.{name}_token_id", -1)))
    return b"".join([*pieces, _field(2, b"".join(trained)), _field(3, _normalised(values))])


def _normalised(values: Mapping[str, Any]) -> bytes:
    table: Sequence[int] = values.get("tokenizer.ggml.precompiled_charsmap", ())
    flags = {3: "add_space_prefix", 4: "remove_extra_whitespaces"}
    stated = [_number(field, int(values.get(f"tokenizer.ggml.{name}", True))) for field, name in flags.items()]
    return b"".join([_field(2, bytes(each & 255 for each in table)), *stated, _number(5, 1)])


def _whole(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _number(field: int, value: int) -> bytes:
    return _whole(field << 3) + _whole(value)


def _float(field: int, value: float) -> bytes:
    return _whole(field << 3 | 5) + struct.pack("<f", value)


def _field(field: int, content: bytes) -> bytes:
    return _whole(field << 3 | 2) + _whole(len(content)) + content
