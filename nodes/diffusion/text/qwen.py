"""Qwen2.5 and Qwen3 as text encoders: a prompt in a chat, a row of states for each of its tokens.

The rules are those measured on ComfyUI (parity_families/facts.md section 6), held by the goldens qwen_text_* and
zimg_text_*. Parentheses are read as they stand: there are no weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError, Warn, python_warning
from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.text import qwen_vision
from weft.nodes.diffusion.text.clip import Chunk, Token, vectors
from weft.nodes.diffusion.text.mentions import EmbeddingLookup, Mention, pieces
from weft.nodes.diffusion.text.qwen_tokenizer import FIRST_MARK, NEWLINE, START, USER, encode
from weft.nodes.diffusion.text.qwen_vision import (
    PICTURE,
    SIGHT,
    SIGHT_OF_VL3,
    SeenPicture,
    count_of,
    mixed,
    places,
    see,
)
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.networks import Part, build
from weft.nodes.diffusion.weights.packed import PackedTensor
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.quantised import widened
from weft.nodes.diffusion.weights.stored import stored
from weft.nodes.diffusion.weights.weightfile import Exported, Stored, WeightFile

HEAD = 128
THETA = 1_000_000.0
# Of Qwen3-VL, and how many channels turn with row and column.
THETA_OF_VL3, _SECTIONS_OF_VL3 = 5_000_000.0, [24, 20, 20]
OPENING = "<|im_start|>"
# <|endoftext|>, which fills up.
FILLER = FIRST_MARK
PREFIX = "model."
HEAD_KEY = "lm_head.weight"
IGNORED: Mapping[str, str] = {
    r"visual\..*": "what sees pictures, which text does not need",
    r"lm_head\.weight": "what writes text",
}


@dataclass(frozen=True)
class QwenUse:
    """How a family uses a Qwen.

    template: what a prompt stands in, unless it begins such a chat itself. last: whether the last layer's states are
    read, behind its norm, or those that the last layer is given. without_system: whether what stands before the user's
    words is left out. layers: after which the states are read that stand side by side, in the place of these. least:
    so many tokens there are, filled up with marks that no word sees. window: or whole multiples of so many, all of the
    marks at place 1. vl3: whether it is Qwen3-VL. with_role: whether the mark of the user's words is read where what
    stands before it is left out. normed: whether the last layer's states are read behind its norm.
    """

    template: str
    last: bool
    without_system: bool
    layers: tuple[int, ...] = ()
    least: int = 0
    window: int = 1
    vl3: bool = False
    with_role: bool = False
    normed: bool = True

    def filled(self, tokens: int) -> int:
        """How many there are of so many tokens."""
        return max(self.least, -(-tokens // self.window) * self.window)


@dataclass(frozen=True)
class QwenTextEncoder:
    """See PromptEncoder: transformers' Qwen2Model or Qwen3Model.

    vision: what sees pictures, where its file has it. file: where it is from.
    """

    name: str
    network: PatchedNetwork
    use: QwenUse
    vision: PatchedNetwork | None = None
    file: Path | None = None

    @property
    def width(self) -> int:
        """Channels of its states."""
        table: nn.Embedding = _of(self.network.base).embed_tokens
        return table.embedding_dim

    def read(self, text: str, embeddings: EmbeddingLookup | None, warn: Warn = python_warning) -> list[Chunk]:
        """See PromptEncoder: one chunk of all tokens, the chat around them among them."""
        if not isinstance(text, str):
            raise DiffusionError(f"a prompt must be text, got {type(text).__name__}")
        return self.read_as_it_is(
            text if text.startswith(OPENING) else self.use.template.replace("{}", text), embeddings, warn
        )

    def read_as_it_is(self, text: str, embeddings: EmbeddingLookup | None, warn: Warn = python_warning) -> list[Chunk]:
        """As `read`, with no chat put around the text."""
        tokens: Chunk = []
        for piece in pieces(text, embeddings):
            if isinstance(piece, Mention) and piece.file is None and embeddings is not None:
                embeddings.missing(piece.name, warn)
            found = vectors(piece, self, warn) if isinstance(piece, Mention) else encode(piece)
            tokens += [(token, 1.0) for token in found if isinstance(token, int) or len(token) == self.width]
        return [tokens]

    def filler(self) -> None:
        """See PromptEncoder: its rows are its own."""

    def encode(self, chunks: list[Chunk], layer: int | None) -> tuple[Tensor, None]:
        """See PromptEncoder."""
        return self.encode_shown(chunks, ())

    @torch.inference_mode()
    def encode_shown(self, chunks: list[Chunk], pictures: Sequence[Tensor]) -> tuple[Tensor, None]:
        """As `encode`, with pictures [1,H,W,C] of 0..1 in the places of their marks.

        Raises:
            DiffusionError: the file has nothing that sees, or the prompt has another number of marks.
        """
        tokens = [token for each in chunks for token in each]
        module = _of(self.network.module(working.READING))
        embedded, beside = self.embedded(tokens, pictures)
        filled = self.use.filled(len(tokens))
        if len(tokens) < filled:
            device = embedded.device
            filler = module.embed_tokens(torch.full((1, filled - len(tokens)), FILLER, device=device))
            places, embedded = torch.arange(filled, device=device)[None], torch.cat([embedded, filler], dim=1)
            beside["attention_mask"] = (places < len(tokens)).long()
            if self.use.window > 1:
                beside["position_ids"] = places.masked_fill(places >= len(tokens), 1)
        with nullcontext() if self.use.normed else _unnormed(module):
            output = module(inputs_embeds=embedded, output_hidden_states=not self.use.last, use_cache=False, **beside)
        states = output.last_hidden_state if self.use.last else output.hidden_states[-2]
        if self.use.layers:
            states = torch.cat([output.hidden_states[layer] for layer in self.use.layers], dim=-1)
        return states[:, self._beginning(tokens) :].float().cpu().clone(), None

    def embedded(self, tokens: list[Token], pictures: Sequence[Tensor]) -> tuple[Tensor, dict[str, Any]]:
        """What the network reads for tokens and pictures [1,T,C], and where it stands, if that is not a row.

        Raises:
            DiffusionError: as `encode_shown`.
        """
        seen = self._seen(tokens, pictures) if pictures else []
        module = _of(self.network.module(working.READING))
        device = module.embed_tokens.weight.device
        ids = [token if isinstance(token, int) else 0 for token, _ in tokens]
        embedded = module.embed_tokens(torch.tensor([ids], device=device))
        for place, (token, _) in enumerate(tokens):
            if not isinstance(token, int):
                embedded[0, place] = token.to(embedded)
        if not seen:
            return embedded, {}
        at = places(ids, seen)[:, None].to(device)
        if not self.use.vl3:
            # Places that jump would be read as several texts in one: the mask is said to be the plain causal one.
            return _with_rows(embedded, ids, seen), {"position_ids": at, "attention_mask": {"full_attention": None}}
        layers = [torch.cat(each).to(embedded) for each in zip(*(picture.deep for picture in seen), strict=True)]
        shown = places_of(ids, seen).to(device)
        beside = {"position_ids": at, "visual_pos_masks": shown[None], "deepstack_visual_embeds": layers}
        return _with_rows(embedded, ids, seen), beside

    def rows_of_pictures(self, chunks: list[Chunk], pictures: Sequence[Tensor]) -> list[tuple[int, int]]:
        """Which of the rows that `encode_shown` gives are of each picture: the first, and the one behind the last."""
        tokens = [token for each in chunks for token in each]
        begin, left, found = -self._beginning(tokens), list(pictures), []
        for token, _ in tokens:
            count = 1
            if isinstance(token, int) and token == PICTURE:
                count = count_of(left.pop(0), SIGHT_OF_VL3 if self.use.vl3 else SIGHT)
                found.append((begin, begin + count))
            begin += count
        return found

    def words(self) -> Tensor:
        """What makes a state a weight for each word [vocabulary, C]: the file's own, or the table that it reads by."""
        table: Tensor = _of(self.network.module(working.READING)).embed_tokens.weight
        file = None if self.file is None else widened(WeightFile(self.file))
        found = file.tensor(HEAD_KEY) if file is not None and HEAD_KEY in file.shapes else table
        return (found.widened() if isinstance(found, PackedTensor) else found).to(table.device, table.dtype)

    @property
    def is_qwen3(self) -> bool:
        """Whether it is a Qwen3, not a 2 or 2.5."""
        return hasattr(_of(self.network.base).layers[0].self_attn, "q_norm")

    def _seen(self, tokens: list[Token], pictures: Sequence[Tensor]) -> list[SeenPicture]:
        marks = sum(isinstance(token, int) and token == PICTURE for token, _ in tokens)
        if marks != len(pictures):
            raise DiffusionError(f"the prompt has {marks} marks for {len(pictures)} pictures: expected one for each")
        if self.vision is None:
            raise DiffusionError(
                f"the file of the text encoder {self.name!r} has nothing that sees pictures (visual.*): take a whole "
                "Qwen2.5-VL, such as qwen_2.5_vl_7b_fp8_scaled.safetensors; beside one in GGUF lies its mmproj file, "
                "with its name"
            )
        return [see(self.vision, picture) for picture in pictures]

    def exported(self) -> Exported:
        """See PromptEncoder."""
        tensors: dict[str, Stored] = {}
        for prefix, network in ((PREFIX, self.network), (qwen_vision.PREFIX, self.vision)):
            if network is not None:
                module = network.module()
                names = (name for name, _ in module.named_parameters())
                tensors |= stored(prefix, {name: (Landing(name),) for name in names}, module)
        return Exported(tensors, {"format": "pt"})

    def _beginning(self, tokens: list[Token]) -> int:
        """The first token that is kept: the one after the user's mark, if what stands before is left out."""
        if not self.use.without_system:
            return 0
        ids = [token if isinstance(token, int) else -1 for token, _ in tokens]
        openings = [place for place, id_ in enumerate(ids) if id_ == START]
        if len(openings) < 2:
            return 0
        second = openings[1]
        if self.use.with_role:
            return second
        return second + 3 if ids[second + 1 : second + 3] == [USER, NEWLINE] else second


@contextmanager
def _unnormed(module: Any) -> Iterator[None]:
    """The network without its last norm."""
    hook = module.norm.register_forward_hook(lambda _, given, __: given[0])
    try:
        yield
    finally:
        hook.remove()


def _of(module: nn.Module) -> Any:
    return module


def places_of(ids: Sequence[int], seen: Sequence[SeenPicture]) -> Tensor:
    """Which rows, of those that `_with_rows` gives, are of pictures [T]."""
    left = list(seen)
    counts = [len(left.pop(0).rows) if token == PICTURE else 0 for token in ids]
    return torch.cat([torch.ones(count) if count else torch.zeros(1) for count in counts]).bool()


def _with_rows(embedded: Tensor, ids: Sequence[int], seen: Sequence[SeenPicture]) -> Tensor:
    """[1,T,C] with the rows of pictures in the places of their marks."""
    parts, begin, left = [], 0, list(seen)
    for place, token in enumerate(ids):
        if token == PICTURE:
            parts += [embedded[0, begin:place], left.pop(0).rows.to(embedded)]
            begin = place + 1
    return torch.cat([*parts, embedded[0, begin:]])[None]


def qwen_part(name: str, shapes: Mapping[str, tuple[int, ...]], *, vl3: bool = False) -> Part:
    """A Qwen with the sizes of a file of its own. vl3: whether it is Qwen3-VL.

    Raises:
        CheckpointError: a size that it cannot have.
    """
    found = Shapes(shapes, PREFIX)
    vocabulary, width = found.of("embed_tokens.weight", 2)
    query, _ = found.of("layers.0.self_attn.q_proj.weight", 2)
    key, _ = found.of("layers.0.self_attn.k_proj.weight", 2)
    if query % HEAD or key % HEAD:
        raise CheckpointError(f"the attention of {name} is {query} and {key} wide: expected multiples of {HEAD}")
    config = {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": found.of("layers.0.mlp.gate_proj.weight", 2)[0],
        "num_hidden_layers": len(found.indices(r"layers\.(\d+)\.")),
        "num_attention_heads": query // HEAD,
        "num_key_value_heads": key // HEAD,
        "head_dim": HEAD,
        "max_position_embeddings": 128_000,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": THETA},
    }
    normed = "layers.0.self_attn.q_norm.weight" in found
    module = build(name, _qwen3vl if vl3 else _qwen3 if normed else _qwen2, config)
    landings = {key: (Landing(key),) for key, _ in module.named_parameters()}
    return Part(name, PREFIX, module, landings, large=True)


def _qwen2(config: Mapping[str, Any]) -> nn.Module:
    from transformers.models.qwen2.configuration_qwen2 import Qwen2Config
    from transformers.models.qwen2.modeling_qwen2 import Qwen2Model, Qwen2RotaryEmbedding

    class Turns(Qwen2RotaryEmbedding):
        """Takes places in three axes, too, [3,1,T]: Qwen2.5-VL's."""

        def forward(self, x: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
            axes = position_ids[None] if position_ids.dim() == 2 else position_ids
            turns: list[tuple[Tensor, Tensor]] = [super(Turns, self).forward(x, axis) for axis in axes]
            return turns[0] if len(turns) == 1 else (mixed([cos for cos, _ in turns]), mixed([sin for _, sin in turns]))

    module: Any = Qwen2Model(_headed(Qwen2Config(**config), config))
    module.rotary_emb.__class__ = Turns
    return _turning(module)


def _qwen3(config: Mapping[str, Any]) -> nn.Module:
    from transformers.models.qwen3.configuration_qwen3 import Qwen3Config
    from transformers.models.qwen3.modeling_qwen3 import Qwen3Model

    return _turning(Qwen3Model(Qwen3Config(**config)))


def _qwen3vl(config: Mapping[str, Any]) -> nn.Module:
    from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLTextConfig
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextModel

    turns = {"rope_theta": THETA_OF_VL3, "mrope_section": _SECTIONS_OF_VL3, "mrope_interleaved": True}
    rope = {**config["rope_parameters"], **turns}
    return _turning(Qwen3VLTextModel(Qwen3VLTextConfig(**{**config, "rope_parameters": rope})))


def _headed(made: Any, config: Mapping[str, Any]) -> Any:
    made.head_dim = config["head_dim"]
    return made


def _turning(module: Any) -> nn.Module:
    """With its angles of positions, which no file has, computed."""
    with torch.device("cpu"):
        module.rotary_emb = type(module.rotary_emb)(module.config)
    found: nn.Module = module
    return found
