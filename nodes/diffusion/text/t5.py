"""T5 as a text encoder: the whole prompt in one sequence of any length, a row of states for each token.

Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer". The rules are
those measured on ComfyUI (parity_families/facts.md section 6), held by the goldens flux_text_*, sd3_text_* and
wan_text_*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, Warn, python_warning
from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.text.clip import Chunk, Token, read_groups
from weft.nodes.diffusion.text.mentions import EmbeddingLookup
from weft.nodes.diffusion.weights.landings import Landing, Shapes, as_stored
from weft.nodes.diffusion.weights.networks import Part, build
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.stored import stored
from weft.nodes.diffusion.weights.weightfile import Exported, Stored

PADDING, END = 0, 1
# The names of the table of tokens: the network's, and one that files may have for it, or for it once more.
TABLES = ("shared.weight", "encoder.embed_tokens.weight")
# Where a file may hold its own tokenizer, as `tokenizers` writes it: bytes.
TOKENIZER = "tokenizer_json"
# Or as a model of sentencepiece: umT5's in files of safetensors, any in files of GGUF.
PIECES = "spiece_model"
IGNORED: Mapping[str, str] = {
    r"(.*\.)?encoder\.embed_tokens\.weight": "the table of tokens a second time",
    rf"(.*\.)?({TOKENIZER}|{PIECES})": "the tokenizer, read with it",
}


@dataclass(frozen=True)
class T5Use:
    """How a family uses a T5.

    least: tokens that a prompt is filled up to. masked: the filling is hidden from the others, and its rows are zero.
    """

    least: int
    masked: bool = False


@dataclass(frozen=True)
class T5TextEncoder:
    """See PromptEncoder: transformers' T5EncoderModel or UMT5EncoderModel. ids: those of a text, without marks.

    kept: what its file holds beside weights, by its keys: a tokenizer.
    """

    name: str
    network: PatchedNetwork
    use: T5Use
    ids: Callable[[str], list[int]]
    kept: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Channels of its states."""
        table: nn.Embedding = _of(self.network.base).shared
        return table.embedding_dim

    def read(self, text: str, embeddings: EmbeddingLookup | None, warn: Warn = python_warning) -> list[Chunk]:
        """See PromptEncoder: one chunk of all tokens."""
        groups = read_groups(text, self, embeddings, warn, self.ids)
        tokens = [token for group in groups for token in group if self._takes(token)]
        return [self._filled([*tokens, (END, 1.0)])]

    def filler(self) -> None:
        """See PromptEncoder: its rows are its own."""

    def encode(self, chunks: list[Chunk], layer: int | None) -> tuple[Tensor, None]:
        """See PromptEncoder; without chunks the row of an end alone.

        A weight moves a token's row away from the empty prompt's: z0 + w * (z - z0).
        """
        given = [token for each in chunks for token in each]
        tokens = [token for token in given if self._takes(token)] or [(END, 1.0)]
        tokens += [(PADDING, 1.0)] * (len(given) - len(tokens))
        weights = torch.tensor([weight for _, weight in tokens])
        states = self._states(tokens, layer)
        if (weights != 1.0).any():
            empty = self._states([(END, 1.0), *[(PADDING, 1.0)] * (len(tokens) - 1)], layer)
            states = torch.where(weights[:, None] != 1.0, empty + weights[:, None] * (states - empty), states)
        return states[None], None

    def exported(self) -> Exported:
        """See PromptEncoder."""
        module = self.network.module(working.READING)
        tensors = stored("", _landings(module, TABLES[0]), module)
        for key, tensor in self.kept.items():
            tensors[key] = Stored(tuple(tensor.shape), tensor.dtype, partial(as_stored, tensor))
        return Exported(tensors, {"format": "pt"})

    def _takes(self, token: Token) -> bool:
        return isinstance(token[0], int) or len(token[0]) == self.width

    def _filled(self, tokens: Chunk) -> Chunk:
        return tokens + [(PADDING, 1.0)] * (self.use.least - len(tokens))

    def _states(self, tokens: Chunk, layer: int | None) -> Tensor:
        """[T,C] float32 on the CPU: the last layer's, or another one's, behind the final norm."""
        module = _of(self.network.module(working.READING))
        table = module.shared.weight
        ids = [token if isinstance(token, int) else PADDING for token, _ in tokens]
        embedded = module.shared(torch.tensor([ids], device=table.device))
        for place, (token, _) in enumerate(tokens):
            if not isinstance(token, int):
                embedded[0, place] = token.to(embedded)
        mask = None
        if self.use.masked:
            real = next((place for place, id_ in enumerate(ids) if id_ == END), len(ids) - 1) + 1
            mask = (torch.arange(len(ids), device=table.device) < real)[None].long()
        inner = layer is not None and -module.config.num_layers <= layer < -1
        output = module(inputs_embeds=embedded, attention_mask=mask, output_hidden_states=inner)
        states: Tensor = output.last_hidden_state
        if inner:
            states = module.encoder.final_layer_norm(output.hidden_states[layer])
        if mask is not None:
            states = states * mask[..., None]
        return states[0].float().cpu()


def _of(module: nn.Module) -> Any:
    return module


def t5_part(name: str, prefix: str, shapes: Mapping[str, tuple[int, ...]]) -> Part:
    """A T5's encoder with the sizes of a file: transformers' names behind the prefix.

    Raises:
        CheckpointError: a size that it cannot have.
    """
    found = Shapes(shapes, prefix)
    table = next((key for key in TABLES if key in found), TABLES[0])
    vocabulary, width = found.of(table, 2)
    layers = len(found.indices(r"encoder\.block\.(\d+)\."))
    of_first = "encoder.block.0.layer"
    bias = f"{of_first}.0.SelfAttention.relative_attention_bias.weight"
    buckets, heads = found.of(bias, 2)
    inner, _ = found.of(f"{of_first}.0.SelfAttention.q.weight", 2)
    gated = f"{of_first}.1.DenseReluDense.wi_1.weight" in found
    feed_forward, _ = found.of(f"{of_first}.1.DenseReluDense.{'wi_0' if gated else 'wi'}.weight", 2)
    if inner % heads:
        raise CheckpointError(f"{inner} channels of the attention of {name} do not divide into {heads} heads")
    config = {
        "vocab_size": vocabulary,
        "d_model": width,
        "d_kv": inner // heads,
        "d_ff": feed_forward,
        "num_layers": layers,
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu" if gated else "relu",
        "tie_word_embeddings": True,
    }
    # umT5 (Chung et al. 2023) has a bias of positions in each block.
    each = bias.replace("block.0", "block.1") in found
    module = build(name, _umt5 if each else _t5, config)
    # The stack has the table a second time; it is given what the table makes of tokens.
    _of(module).encoder.embed_tokens = None
    return Part(name, prefix, module, _landings(module, table), large=True)


def _landings(module: nn.Module, table: str) -> dict[str, tuple[Landing, ...]]:
    """Where the keys of a file land. table: its name for the table of tokens."""
    landings: dict[str, tuple[Landing, ...]] = {name: (Landing(name),) for name, _ in module.named_parameters()}
    landings[table] = landings.pop(TABLES[0])
    return landings


def _t5(config: Mapping[str, Any]) -> nn.Module:
    from transformers.models.t5.configuration_t5 import T5Config
    from transformers.models.t5.modeling_t5 import T5EncoderModel

    return T5EncoderModel(T5Config(**config))


def _umt5(config: Mapping[str, Any]) -> nn.Module:
    from transformers.models.umt5.configuration_umt5 import UMT5Config
    from transformers.models.umt5.modeling_umt5 import UMT5EncoderModel

    return UMT5EncoderModel(UMT5Config(**config))
