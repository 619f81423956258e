"""GGUF files for tests, by the writer of the package `gguf`, in the names that people's files have."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import sentencepiece
import torch
from gguf import GGMLQuantizationType as Type
from torch import Tensor


def write(
    path: Path, architecture: str, tensors: Mapping[str, Tensor], kinds: Mapping[str, Type], **values: Any
) -> Path:
    """A GGUF file by the package's own writer. kinds: how a tensor is quantised; float32 where nothing is said."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in values.items():
        name = key.replace("__", ".")
        if isinstance(value, list):
            writer.add_array(name, value)
        elif isinstance(value, bool):
            writer.add_bool(name, value)
        else:
            writer.add_uint32(name, value)
    for name, tensor in tensors.items():
        numbers = tensor.float().numpy()
        kind = kinds.get(name, Type.F32)
        writer.add_tensor(name, gguf.quants.quantize(numbers, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def matrices(tensors: Mapping[str, Tensor], kind: Type) -> dict[str, Type]:
    """A kind for each matrix whose rows are whole blocks of it."""
    block = gguf.GGML_QUANT_SIZES[kind][0]
    return {key: kind for key, tensor in tensors.items() if tensor.dim() == 2 and tensor.shape[1] % block == 0}


def rounded(tensors: Mapping[str, Tensor], kinds: Mapping[str, Type]) -> dict[str, Tensor]:
    """The numbers that a file of these kinds stands for."""

    def of(key: str, tensor: Tensor) -> Tensor:
        kind = kinds.get(key)
        if kind is None:
            return tensor
        blocks = gguf.quants.quantize(tensor.float().numpy(), kind)
        return torch.from_numpy(gguf.quants.dequantize(blocks, kind)).reshape(tensor.shape)

    return {key: of(key, tensor) for key, tensor in tensors.items()}


def llama_cpp(name: str, table: Mapping[str, str], begin: str, blocks: str) -> str:
    """The name that llama.cpp has for one of transformers'."""
    for new, old in table.items():
        if name.startswith(f"{old}.") and not name.startswith(begin):
            return name.replace(old, new, 1)
    _, index, rest = name.removeprefix(begin).partition(".")[0], *name.removeprefix(f"{begin}.").split(".", 1)
    layer, _, leaf = rest.rpartition(".")
    return f"{blocks}.{index}.{next(new for new, old in table.items() if old == layer)}.{leaf}"


OF_T5 = {
    "token_embd": "shared",
    "enc.output_norm": "encoder.final_layer_norm",
    **{f"attn_{name}": f"layer.0.SelfAttention.{name}" for name in "qkvo"},
    "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias",
    "attn_norm": "layer.0.layer_norm",
    "ffn_gate": "layer.1.DenseReluDense.wi_0",
    "ffn_up": "layer.1.DenseReluDense.wi_1",
    "ffn_down": "layer.1.DenseReluDense.wo",
    "ffn_norm": "layer.1.layer_norm",
}
OF_QWEN = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    **{f"attn_{name}": f"self_attn.{name}_proj" for name in "qkv"},
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_norm": "input_layernorm",
    **{f"ffn_{name}": f"mlp.{name}_proj" for name in ("gate", "up", "down")},
    "ffn_norm": "post_attention_layernorm",
}


def t5_name(name: str) -> str:
    """llama.cpp's name for one of T5."""
    return llama_cpp(name, OF_T5, "encoder.block", "enc.blk")


def qwen_name(name: str) -> str:
    """llama.cpp's name for one of a Qwen."""
    return llama_cpp(name, OF_QWEN, "model.layers", "blk")


OF_EYES = {
    "visual.merger.mlp.": "mm.",
    "visual.merger.ln_q.": "v.post_ln.",
    "visual.patch_embed.proj.": "v.patch_embd.",
    "visual.blocks.": "v.blk.",
    ".attn.proj.": ".attn_out.",
    ".mlp.gate_proj.": ".ffn_gate.",
    ".mlp.up_proj.": ".ffn_up.",
    ".mlp.down_proj.": ".ffn_down.",
    ".norm1.": ".ln1.",
    ".norm2.": ".ln2.",
}


def eyes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What sees pictures in a file of its own, as llama.cpp's converter writes it: q, k and v apart, two patches."""
    found: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        name = key
        for old, new in OF_EYES.items():
            name = name.replace(old, new)
        if ".attn.qkv." in name:
            found |= {
                name.replace(".attn.qkv.", f".attn_{q}."): part for q, part in zip("qkv", tensor.chunk(3), strict=True)
            }
        elif tensor.dim() == 5:
            found |= {name: tensor[:, :, 0].contiguous(), f"{name}.1": tensor[:, :, 1].contiguous()}
        else:
            found[name] = tensor
    return found


def pieces() -> bytes:
    """A small model of sentencepiece."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a cat sits on a red mat", "the ﬁne cat in the hat", "two dogs ran home"] * 4),
        model_writer=model,
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    return model.getvalue()


def vocabulary(model: bytes) -> dict[str, Any]:
    """What a GGUF file says of a model of sentencepiece."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    count = range(len(processor))
    return {
        "tokenizer__ggml__tokens": [processor.id_to_piece(i) for i in count],
        "tokenizer__ggml__scores": [processor.get_score(i) for i in count],
        "tokenizer__ggml__token_type": [
            2 if processor.is_unknown(i) else 3 if processor.is_control(i) else 1 for i in count
        ],
        "tokenizer__ggml__unknown_token_id": 2,
        "tokenizer__ggml__eos_token_id": 1,
        "tokenizer__ggml__padding_token_id": 0,
        "tokenizer__ggml__add_space_prefix": True,
        "tokenizer__ggml__remove_extra_whitespaces": True,
    }
