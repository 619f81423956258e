"""What a GGUF file says that it holds, read without torch and without its numbers: so a check before a run can tell.

The format is llama.cpp's: pairs of a name and a value, then each tensor's name, sizes (the last axis first), how its
numbers are kept, and where. Files of diffusion models have the names of the original files; those of text encoders
llama.cpp's, which become the names that the other files of these encoders have.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from weft.nodes.diffusion.errors import CheckpointError

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MOST_AXES = 8


class Quantisation(NamedTuple):
    """How numbers are kept: so many of them in a block of so many bytes."""

    name: str
    numbers: int
    size: int


# By the number that a file has for each, those that are read here.
QUANTISATIONS: Mapping[int, Quantisation] = {
    0: Quantisation("F32", 1, 4),
    1: Quantisation("F16", 1, 2),
    2: Quantisation("Q4_0", 32, 18),
    3: Quantisation("Q4_1", 32, 20),
    6: Quantisation("Q5_0", 32, 22),
    7: Quantisation("Q5_1", 32, 24),
    8: Quantisation("Q8_0", 32, 34),
    10: Quantisation("Q2_K", 256, 84),
    11: Quantisation("Q3_K", 256, 110),
    12: Quantisation("Q4_K", 256, 144),
    13: Quantisation("Q5_K", 256, 176),
    14: Quantisation("Q6_K", 256, 210),
    20: Quantisation("IQ4_NL", 32, 18),
    23: Quantisation("IQ4_XS", 256, 136),
    30: Quantisation("BF16", 1, 2),
}
_OTHERS: Mapping[int, str] = {
    9: "Q8_1",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    21: "IQ3_S",
    22: "IQ2_S",
    24: "I8",
    25: "I16",
    26: "I32",
    27: "I64",
    28: "F64",
    29: "IQ1_M",
    34: "TQ1_0",
    35: "TQ2_0",
    39: "MXFP4",
}
# The forms of values, as struct has them, by their numbers; beside them texts and lists.
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9
_ENDING, _EYES = ".gguf", "mmproj"
# Behind a model's name in that of its file.
_QUANTISED = re.compile(r"[-_.]?(ud[-_])?(i?q\d[a-z0-9_]*|f16|f32|bf16)$")
# Before a tensor's name: its sizes where those of the tensor itself are others.
_SHAPE = "comfy.gguf.orig_shape."


class GgufTensor(NamedTuple):
    """A tensor of the file: its shape, how it is kept, and its first byte."""

    shape: tuple[int, ...]
    quantisation: Quantisation
    start: int

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return math.prod(self.shape) // self.quantisation.numbers * self.quantisation.size


class GgufHeader(NamedTuple):
    """values: numbers, texts, and lists of them. tensors: by their names, in the order of the file."""

    values: Mapping[str, Any]
    tensors: Mapping[str, GgufTensor]

    @property
    def architecture(self) -> str:
        """As "flux", "wan", "t5encoder"."""
        return str(self.values.get("general.architecture", ""))


def read_gguf(path: Path, *, eyes: bool = False) -> GgufHeader:
    """The header of a GGUF file. eyes: of one that has what sees pictures for a language model, and only of such.

    Raises:
        CheckpointError: it is damaged, cut short or of another kind, or keeps a tensor in a way that is not read here.
    """
    header = _read(path)
    _check_architecture(header, eyes=eyes)
    return header


def eyes_beside(path: Path) -> Path | None:
    """The file that has what sees pictures for a language model in a GGUF file (`mmproj`): it lies beside it, and its
    name has that file's in it, but for how that one is quantised. None where there is none."""
    if path.suffix.lower() != _ENDING:
        return None
    name = _QUANTISED.sub("", path.stem.lower())
    found = [each for each in path.parent.iterdir() if each.suffix.lower() == _ENDING and each != path]
    return min((each for each in found if _EYES in each.stem.lower() and name in each.stem.lower()), default=None)


def _read(path: Path) -> GgufHeader:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            header = _header(_Reader(data))
            end = max((tensor.start + tensor.size for tensor in header.tensors.values()), default=0)
            if end > len(data):
                raise CheckpointError(f"{path.name} is truncated: {len(data)} bytes of {end}; fetch it again")
            return header
    except CheckpointError:
        raise
    except (struct.error, ValueError, UnicodeDecodeError, OverflowError, MemoryError) as error:
        raise CheckpointError(f"{path.name}: its GGUF header is damaged: {error}") from error


class _Reader:
    """Values one behind the other. Raises struct.error at the end of the file."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.place = len(MAGIC)

    def number(self, form: str) -> Any:
        (value,) = struct.unpack_from(f"<{form}", self._data, self.place)
        self.place += struct.calcsize(f"<{form}")
        return value

    def text(self) -> str:
        length = self.number("Q")
        if length > len(self._data) - self.place:
            raise ValueError("a text goes beyond the end of the file")
        begin, self.place = self.place, self.place + length
        return self._data[begin : self.place].decode(errors="replace")

    def value(self) -> Any:
        kind = self.number("I")
        return self._items(self.number("I"), self.number("Q")) if kind == _LIST else self._one(kind)

    def _one(self, kind: int) -> Any:
        if kind == _TEXT:
            return self.text()
        if kind not in _NUMBERS:
            raise ValueError(f"values of the kind {kind} are not known")
        return self.number(_NUMBERS[kind])

    def _items(self, kind: int, count: int) -> Any:
        # Every item takes a byte or more, so that a claim is believed only as far as the file reaches.
        if count > len(self._data) - self.place:
            raise ValueError("a list goes beyond the end of the file")
        if kind not in _NUMBERS:
            return tuple(self._one(kind) for _ in range(count))
        form = f"<{count}{_NUMBERS[kind]}"
        items = struct.unpack_from(form, self._data, self.place)
        self.place += struct.calcsize(form)
        return items


def _header(reader: _Reader) -> GgufHeader:
    version = reader.number("I")
    if version not in _VERSIONS:
        raise ValueError(f"it is of version {version}, expected one of {', '.join(map(str, _VERSIONS))}")
    tensors, pairs = reader.number("Q"), reader.number("Q")
    values = {reader.text(): reader.value() for _ in range(pairs)}
    found = [_tensor(reader) for _ in range(tensors)]
    alignment = values.get("general.alignment", 32)
    # Numbers stand where their kind may: a mapped one is read as it is.
    if not isinstance(alignment, int) or alignment < 8 or alignment % 8:
        raise ValueError(f"its alignment is {alignment!r:.80}")
    if astray := next((name for name, tensor in found if tensor.start % alignment), None):
        raise ValueError(f"{astray!r:.80} does not begin at a multiple of {alignment} bytes")
    begin = -(-reader.place // alignment) * alignment
    named = {
        name: tensor._replace(shape=_shape(name, tensor.shape, values), start=begin + tensor.start)
        for name, tensor in found
    }
    new = _new_names(str(values.get("general.architecture", "")), named)
    return GgufHeader(values, {new[name]: tensor for name, tensor in named.items()})


def _tensor(reader: _Reader) -> tuple[str, GgufTensor]:
    name = reader.text()
    axes = reader.number("I")
    if axes > _MOST_AXES:
        raise ValueError(f"{name!r:.80} has {axes} axes")
    shape = tuple(reversed([reader.number("Q") for _ in range(axes)]))
    kind, start = reader.number("I"), reader.number("Q")
    if kind not in QUANTISATIONS:
        what = _OTHERS.get(kind, f"number {kind}")
        known = ", ".join(each.name for each in QUANTISATIONS.values())
        raise CheckpointError(f"its tensor {name!r:.80} is quantised as {what}, which is not supported: {known} are")
    if not all(shape):
        raise ValueError(f"{name!r:.80} has the shape {list(shape)}")
    if shape and shape[-1] % QUANTISATIONS[kind].numbers:
        raise ValueError(
            f"a row of {name!r:.80} has {shape[-1]} numbers, no whole blocks of {QUANTISATIONS[kind].name}"
        )
    return name, GgufTensor(shape, QUANTISATIONS[kind], start)


def _shape(name: str, stored: tuple[int, ...], values: Mapping[str, Any]) -> tuple[int, ...]:
    given = values.get(_SHAPE + name)
    if given is None:
        return stored
    sizes = isinstance(given, tuple) and all(type(size) is int and size > 0 for size in given)
    if not sizes or math.prod(given) != math.prod(stored):
        raise ValueError(f"{name!r:.80} is {list(stored)}, and was {given!r:.80}")
    return tuple(given)


_T5 = {
    "attn_q": "layer.0.SelfAttention.q",
    "attn_k": "layer.0.SelfAttention.k",
    "attn_v": "layer.0.SelfAttention.v",
    "attn_o": "layer.0.SelfAttention.o",
    "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias",
    "attn_norm": "layer.0.layer_norm",
    "ffn_gate": "layer.1.DenseReluDense.wi_0",
    "ffn_up": "layer.1.DenseReluDense.wi_1",
    "ffn_down": "layer.1.DenseReluDense.wo",
    "ffn_norm": "layer.1.layer_norm",
}
_QWEN = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_norm": "input_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_norm": "post_attention_layernorm",
}
_OUTSIDE = {
    "t5": {"token_embd": "shared", "enc.output_norm": "encoder.final_layer_norm"},
    "qwen": {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"},
}
# Of llama.cpp, by the architecture: what people have it for, where Weft does not run it.
_OTHER_MODELS = {
    "llama": "Llama or Mistral",
    "mistral3": "Mistral",
    "gemma2": "Gemma 2",
    "gemma3": "Gemma 3",
    "chatglm": "ChatGLM",
}
_BLOCK = re.compile(r"(enc\.|dec\.)?blk\.\d+\.")
_T5_NAMES, _QWEN_NAMES = re.compile(r"t5(encoder)?"), re.compile(r"qwen[23](vl)?")


def is_text(architecture: str) -> bool:
    """Whether files of this architecture are text encoders, whose names are llama.cpp's."""
    return bool(_T5_NAMES.fullmatch(architecture) or _QWEN_NAMES.fullmatch(architecture))


def _check_architecture(header: GgufHeader, *, eyes: bool) -> None:
    """Raise CheckpointError for a language model in llama.cpp's names that is none of those that are read here."""
    architecture, names = header.architecture, header.tensors
    sees = architecture == "clip" and any(name.startswith("v.blk.") for name in names)
    if sees != eyes:
        what = "it is what sees pictures for a language model (mmproj), and no model by itself: choose the text encoder"
        raise CheckpointError(what if sees else f"its architecture is {architecture!r:.80}, expected 'clip'")
    if is_text(architecture) or not any(_BLOCK.match(name) for name in names):
        return
    title = _OTHER_MODELS.get(architecture)
    what = f"{architecture!r} ({title})" if title else repr(architecture)
    raise CheckpointError(
        f"its architecture is {what:.80}: of language models in GGUF files, T5, umT5, Qwen2, Qwen2.5 and Qwen3 are read"
    )


def _new_names(architecture: str, names: Mapping[str, Any]) -> dict[str, str]:
    """The name of each tensor in the other files of its encoder; its own for those of diffusion models."""
    if _T5_NAMES.fullmatch(architecture):
        outside, blocks, inside = _OUTSIDE["t5"], (r"enc\.blk\.(\d+)\.(\w+)", "encoder.block"), _T5
    elif _QWEN_NAMES.fullmatch(architecture):
        outside, blocks, inside = _OUTSIDE["qwen"], (r"blk\.(\d+)\.(\w+)", "model.layers"), _QWEN
    else:
        return {name: name for name in names}
    pattern, begin = blocks

    def new(name: str) -> str:
        layer, _, leaf = name.rpartition(".")
        if layer in outside:
            return f"{outside[layer]}.{leaf}"
        found = re.fullmatch(pattern, layer)
        if found is None or found[2] not in inside:
            return name
        return f"{begin}.{found[1]}.{inside[found[2]]}.{leaf}"

    return {name: new(name) for name in names}
