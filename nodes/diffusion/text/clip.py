"""Text to conditioning: the CLIP socket.

A prompt is cut into weight segments, these into tokens and embedding vectors, these into chunks of 77; each chunk goes
through a text encoder (Radford et al. 2021) on its own. The rules are those measured on ComfyUI 0.3.64
(parity/facts.md section 7) and held by the goldens clip_* and xl_clip_*.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError, Warn, nearest, python_warning
from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.interop.clip import ClipNames
from weft.nodes.diffusion.text.embeddings import load_embedding
from weft.nodes.diffusion.text.mentions import EmbeddingLookup, Mention, pieces
from weft.nodes.diffusion.text.prompt_weights import parse_weights
from weft.nodes.diffusion.text.tokenizer import END, START, encode
from weft.nodes.diffusion.weights.patched import Patch, PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import Exported

CHUNK = 77  # start + 75 tokens + end
LONG_GROUP = 8  # a group of so many tokens is split at the end of a chunk, a shorter one moves to the next
BATCH = 32  # chunks encoded at once: bounds the memory of a very long prompt

Token = tuple["int | Tensor", float]  # an id or an embedding vector [width], and its weight
Chunk = list[Token]
# [[cond [1,T,C], {"pooled_output": [1,P]}]]
Conditioning = list[list[Any]]
T = TypeVar("T")


class EncoderSpec(Protocol):
    """How one family uses one text encoder; TextEncoderSpec of families.sd is one."""

    @property
    def pad_token(self) -> int:
        """What fills a chunk behind its end mark: 49407 for clip_l, 0 for clip_g and clip_h."""

    @property
    def layer(self) -> int:
        """The layer whose output conditions the UNet, counted from the end: -1 is the last."""

    @property
    def final_norm(self) -> bool:
        """Whether the final layer norm is applied to a layer's output: SD1 and SD2 yes, SDXL no."""


class PromptEncoder(Protocol):
    """What reads prompts: one of the text encoders of a CLIP."""

    @property
    def name(self) -> str:
        """By which conditioning nodes, LoRAs and packs know it: "clip_l", "t5xxl"."""

    @property
    def network(self) -> PatchedNetwork:
        """Its weights."""

    @property
    def width(self) -> int:
        """Channels of its states."""

    def read(self, text: str, embeddings: EmbeddingLookup | None, warn: Warn = python_warning) -> list[Chunk]:
        """A prompt as it reads it: at least one chunk of tokens."""

    def filler(self) -> Chunk | None:
        """The chunk that brings a shorter prompt to the length of another encoder's; None where it keeps its own."""

    def encode(self, chunks: list[Chunk], layer: int | None) -> tuple[Tensor, Tensor | None]:
        """cond [1,T,C] and pooled [1,P], float32 on the CPU; of no chunks, zeros. layer: as Clip's."""

    def exported(self) -> Exported:
        """What a file of it alone holds. Raises DiffusionError where it has no such file."""


@dataclass(frozen=True)
class TextEncoder:
    """A CLIP text tower: transformers' CLIPTextModel, or ...WithProjection, whose pooled output is then projected."""

    name: str
    network: PatchedNetwork
    spec: EncoderSpec

    @property
    def width(self) -> int:
        """Channels of the tower."""
        table: nn.Embedding = _tower(self.network.base).embeddings.token_embedding
        return table.embedding_dim

    def exported(self) -> Exported:
        """What a file of it alone holds. Raises DiffusionError where it has no such file."""
        raise DiffusionError(f"how the text encoder {self.name!r} was built is not known: {self.spec!r}")

    def read(self, text: str, embeddings: EmbeddingLookup | None, warn: Warn = python_warning) -> list[Chunk]:
        """See PromptEncoder."""
        return tokenize(text, self, embeddings, warn)

    def filler(self) -> Chunk:
        """See PromptEncoder."""
        return pad_chunk([], self.spec.pad_token)

    def encode(self, chunks: list[Chunk], layer: int | None) -> tuple[Tensor, Tensor | None]:
        """See PromptEncoder."""
        if not chunks:
            projection = getattr(self.network.base, "text_projection", None)
            pooled = self.width if projection is None else projection.out_features
            return torch.zeros(1, 0, self.width), torch.zeros(1, pooled)
        return encode_chunks(self, chunks, layer)


class PromptHooks(Protocol):
    """What changes the text encoders while prompts are encoded; ClipHooks of weights/hooks.py is one."""

    def encode(self, clip: Clip, encode: Callable[[Clip], Conditioning]) -> Conditioning:
        """What `encode` makes of the changed text encoders."""


class Clip(ClipNames):
    """The CLIP socket: text encoders with the patches on them, and how prompts are read.

    What is Weft's never changes one; packs change a clone, by ComfyUI's names.

    Args:
        encoders: one for SD1 and SD2, (clip_l, clip_g) for SDXL: their outputs are joined along the channels, and the
            pooled output is the last one's.
        embeddings: finds the file of `embedding:NAME`; without it such words are plain text.
        layer: what CLIPSetLastLayer asked for, -1 the last layer; None for each encoder's own.
        hooks: what changes the weights while prompts are encoded, and goes with them to the sampler.
    """

    def __init__(
        self,
        encoders: tuple[PromptEncoder, ...],
        embeddings: EmbeddingLookup | None = None,
        layer: int | None = None,
        hooks: PromptHooks | None = None,
    ) -> None:
        self.encoders = encoders
        self.embeddings = embeddings
        self.layer = layer
        self.hooks = hooks

    def clone(self) -> Clip:
        """Another socket value over the same weights."""
        return type(self)(self.encoders, self.embeddings, self.layer, self.hooks)

    def with_hooks(self, hooks: PromptHooks | None) -> Clip:
        """This CLIP with other hooks."""
        return type(self)(self.encoders, self.embeddings, self.layer, hooks)

    def with_layer(self, stop_at_clip_layer: int) -> Clip:
        """This CLIP, stopping at a layer counted from the end; beyond the first layer means the last one, normalised.

        Raises:
            DiffusionError: the number is not negative.
        """
        if stop_at_clip_layer >= 0:
            raise DiffusionError(f"stop_at_clip_layer is {stop_at_clip_layer}, expected -1 (the last layer) or below")
        return type(self)(self.encoders, self.embeddings, stop_at_clip_layer, self.hooks)

    def with_patches(self, patches: Mapping[str, Mapping[str, Patch]], strength: float) -> Clip:
        """This CLIP with one more patch on each named parameter, by encoder name; itself at strength 0.

        Raises:
            DiffusionError: an encoder that is not there.
            PatchError: a parameter that its network does not have.
        """
        names = [encoder.name for encoder in self.encoders]
        for name in patches:
            if name not in names:
                raise DiffusionError(f"no text encoder {name!r} among {names}{nearest(name, names)}")
        encoders = tuple(
            _with_network(encoder, encoder.network.with_patches(patches.get(encoder.name, {}), strength))
            for encoder in self.encoders
        )
        return type(self)(encoders, self.embeddings, self.layer, self.hooks)

    @property
    def changeable(self) -> tuple[Any, ...]:
        """As ModelPatcher's."""
        return (self.encoders, self.embeddings, self.layer, self.hooks)

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts, of all encoders."""
        return (part for encoder in self.encoders for part in encoder.network.memory_parts)

    @property
    def nbytes(self) -> int:
        """Bytes that this CLIP adds to the checkpoint it came from."""
        return sum(encoder.network.nbytes for encoder in self.encoders)

    def encode(self, text: str, warn: Warn = python_warning) -> Conditioning:
        """One prompt, read by every encoder: `[[cond [1,T,C], {"pooled_output": [1,P]}]]`, float32 on the CPU.

        T is 77 for each chunk of 75 tokens, at least one. Where embeddings give the encoders different numbers of
        chunks, the longer output is cut. `warn` is told of the embeddings that are left out.

        Raises:
            CheckpointError: an embedding file that cannot be read or is of another width.
        """
        return self.encode_tokens(self.chunks(text, warn))

    def encode_shown(self, text: str, pictures: Sequence[Tensor], warn: Warn = python_warning) -> Conditioning:
        """A prompt about pictures [1,H,W,C] of 0..1, with a mark in it for each of them.

        Raises:
            DiffusionError: no text encoder here sees pictures.
        """
        names = ", ".join(encoder.name for encoder in self.encoders)
        raise DiffusionError(f"this text encoder ({names}) sees no pictures: load Qwen2.5-VL, type qwen_image")

    def pooled(self, text: str, warn: Warn = python_warning) -> Tensor:
        """The pooled output [1,P] of the last encoder for a prompt, before it is projected; float32 on the CPU."""

        def read(clip: Clip) -> Conditioning:
            encoder = clip.encoders[-1]
            with torch.inference_mode():
                chunks = tokenize(text, encoder, clip.embeddings, warn)
                return [list(_run(encoder, [_fitting(each, encoder) for each in chunks], None, projected=False))]

        found: Tensor = self.hooked(read)[0][1]
        return found.clone()

    def chunks(self, text: str, warn: Warn = python_warning) -> list[list[Chunk]]:
        """A prompt as each encoder reads it."""
        return [encoder.read(text, self.embeddings, warn) for encoder in self.encoders]

    def replaced(self, name: str, network: PatchedNetwork) -> None:
        """See ClipNames."""
        self.encoders = tuple(
            _with_network(encoder, network) if encoder.name == name else encoder for encoder in self.encoders
        )

    def encode_each(self, texts: Mapping[str, str], warn: Warn = python_warning) -> Conditioning:
        """One prompt for each encoder, by its name; as `encode`, but the shorter are filled up with empty chunks.

        Raises:
            DiffusionError: the names are not those of the encoders.
        """
        names = [encoder.name for encoder in self.encoders]
        if sorted(texts) != sorted(names):
            raise DiffusionError(f"texts for {sorted(texts)}, expected one for each of {sorted(names)}")
        prompts = [encoder.read(texts[encoder.name], self.embeddings, warn) for encoder in self.encoders]
        return self.encode_tokens(self.evened(prompts))

    def evened(self, prompts: list[list[Chunk]]) -> list[list[Chunk]]:
        """Prompts for each encoder, the shorter filled up with empty chunks where the encoder has any."""
        fillers = [encoder.filler() for encoder in self.encoders]
        pairs = list(zip(prompts, fillers, strict=True))
        longest = max((len(chunks) for chunks, filler in pairs if filler is not None), default=0)
        return [chunks if filler is None else chunks + [filler] * (longest - len(chunks)) for chunks, filler in pairs]

    def hooked(self, encode: Callable[[Clip], Conditioning]) -> Conditioning:
        """What `encode` makes of this CLIP as its hooks change it; of itself without any."""
        return encode(self) if self.hooks is None else self.hooks.encode(self, encode)

    def encode_tokens(self, prompts: list[list[Chunk]]) -> Conditioning:
        """The conditioning of chunks for each encoder."""
        return self.hooked(lambda clip: clip._encoded(prompts))

    @torch.inference_mode()
    def _encoded(self, prompts: list[list[Chunk]]) -> Conditioning:
        results = [encoder.encode(chunks, self.layer) for encoder, chunks in zip(self.encoders, prompts, strict=True)]
        return self.joined(results)

    def joined(self, results: Sequence[tuple[Tensor, Tensor | None]]) -> Conditioning:
        """A conditioning of what each encoder gives for a prompt: (cond [1,T,C], pooled [1,P]).

        Here the channels stand side by side, cut to the shortest, and the last pooled output counts; a family that
        joins otherwise says so in a class of its own.
        """
        shortest = min(cond.shape[1] for cond, _ in results)
        cond = torch.cat([cond[:, :shortest] for cond, _ in results], dim=-1)
        return [[cond, {"pooled_output": results[-1][1]}]]


def _with_network(encoder: PromptEncoder, network: PatchedNetwork) -> PromptEncoder:
    return replace(cast("Any", encoder), network=network)  # type: ignore[no-any-return]  # all are dataclasses


def tokenize(
    text: str, encoder: TextEncoder, embeddings: EmbeddingLookup | None, warn: Warn = python_warning
) -> list[Chunk]:
    """A prompt as one encoder reads it: at least one chunk of 77 (id or vector, weight) pairs."""
    return chunk(read_groups(text, encoder, embeddings, warn), encoder.spec.pad_token)


class Embeds(Protocol):
    """A text encoder, as what reads embeddings knows it."""

    @property
    def name(self) -> str: ...

    @property
    def width(self) -> int: ...


def read_groups(
    text: str,
    encoder: Embeds,
    embeddings: EmbeddingLookup | None,
    warn: Warn,
    encode: Callable[[str], list[int]] = encode,
) -> list[list[Token]]:
    """The groups of tokens of a prompt: one for each weight segment, and one for each embedding within it.

    encode: the ids of a text, without marks; by default CLIP's.
    """
    groups: list[list[Token]] = []
    for segment, weight in parse_weights(text):
        for piece in pieces(segment, embeddings):
            if isinstance(piece, Mention) and piece.file is None and embeddings is not None:
                embeddings.missing(piece.name, warn)
            tokens = vectors(piece, encoder, warn) if isinstance(piece, Mention) else encode(piece)
            groups.append([(token, weight) for token in tokens])
    return groups


def chunk(groups: Iterable[list[Token]], pad_token: int) -> list[Chunk]:
    """Chunks of 77 of the groups' tokens, as `lay` distributes them."""
    return [pad_chunk(tokens, pad_token) for tokens in lay(groups)]


def lay(groups: Iterable[list[T]]) -> list[list[T]]:
    """Lay groups into lists of at most 75: a short group is never torn apart, a long one fills what room there is."""
    room = CHUNK - 2
    chunks: list[list[T]] = [[]]
    for group in groups:
        start = 0
        while start < len(group):
            free = room - len(chunks[-1])
            if len(group) - start > free:
                if len(group) >= LONG_GROUP:
                    chunks[-1] += group[start : start + free]
                    start += free
                chunks.append([])
                continue
            chunks[-1] += group[start:]
            break
    return chunks


def pad_chunk(tokens: list[Token], pad_token: int) -> Chunk:
    """At most 75 tokens between their marks, filled up to 77; marks and filling weigh 1."""
    marked: Chunk = [(START, 1.0), *tokens, (END, 1.0)]
    return marked + [(pad_token, 1.0)] * (CHUNK - len(marked))


def encode_chunks(encoder: TextEncoder, chunks: list[Chunk], layer: int | None) -> tuple[Tensor, Tensor]:
    """Encode chunks and weigh their tokens: cond [1, 77 * chunks, C], pooled [1, P], float32 on the CPU.

    A weight w other than 1 moves a token's output away from the empty prompt's at the same place: z0 + w * (z - z0).
    Vectors of another width do not reach the encoder, and what is behind them moves up; the weights, as in ComfyUI,
    stay at the places that they had.
    """
    weights = torch.tensor([[weight for _, weight in each] for each in chunks], dtype=torch.float64)
    weighted = weights != 1.0
    empty = [pad_chunk([], encoder.spec.pad_token)] if weighted.any() else []
    hidden, pooled = _run(encoder, [_fitting(each, encoder) for each in chunks] + empty, layer)
    if empty:
        hidden, zero = hidden[:-1], hidden[-1:]
        moved = (hidden - zero) * weights.float()[..., None] + zero
        hidden = torch.where(weighted[..., None], moved, hidden)
    return hidden.reshape(1, -1, hidden.shape[-1]), pooled


def _fitting(tokens: Chunk, encoder: TextEncoder) -> Chunk:
    """A chunk without the vectors that the encoder cannot take, filled up behind."""
    kept = [(token, weight) for token, weight in tokens if isinstance(token, int) or len(token) == encoder.width]
    return kept + [(encoder.spec.pad_token, 1.0)] * (len(tokens) - len(kept))


def _run(
    encoder: TextEncoder, chunks: list[Chunk], layer: int | None, *, projected: bool = True
) -> tuple[Tensor, Tensor]:
    """Hidden states [chunks, 77, C] and the first chunk's pooled output [1, P], float32 on the CPU."""
    module = encoder.network.module(working.READING)
    states, pooled = [], []
    for start in range(0, len(chunks), BATCH):
        hidden, last = _forward(module, chunks[start : start + BATCH], encoder.spec, layer, projected)
        states.append(hidden.float().cpu())
        pooled.append(last[:1].float().cpu())
    return torch.cat(states), pooled[0]


def _forward(
    module: nn.Module, chunks: list[Chunk], spec: EncoderSpec, layer: int | None, projected: bool
) -> tuple[Tensor, Tensor]:
    """One batch through the tower: [N, 77, C] of the layer asked for, [N, P] of the last layer at the end mark."""
    tower = _tower(module)
    layers = tower.encoder.layers
    asked = spec.layer if layer is None else layer
    stop = len(layers) + asked if -len(layers) <= asked < 0 else None  # None: the last layer, always normalised

    state = tower.embeddings(inputs_embeds=_embed(tower.embeddings.token_embedding, chunks))
    mask = torch.full((CHUNK, CHUNK), torch.finfo(state.dtype).min, dtype=state.dtype, device=state.device).triu(1)
    chosen = None
    for index, block in enumerate(layers):
        state = block(state, mask[None, None])
        if index == stop:
            chosen = tower.final_layer_norm(state) if spec.final_norm else state
    last = tower.final_layer_norm(state)

    ends = [next(i for i, (token, _) in enumerate(each) if isinstance(token, int) and token == END) for each in chunks]
    pooled = last[torch.arange(len(chunks)), ends]
    projection = getattr(module, "text_projection", None) if projected else None
    return last if chosen is None else chosen, pooled if projection is None else projection(pooled)


def _embed(table: nn.Embedding, chunks: list[Chunk]) -> Tensor:
    """Token embeddings [N, 77, C], with the vectors of textual inversions in their places."""
    weight = table.weight
    ids = [[token if isinstance(token, int) else END for token, _ in each] for each in chunks]
    embedded: Tensor = table(torch.tensor(ids, device=weight.device))
    for row, each in enumerate(chunks):
        for column, (token, _) in enumerate(each):
            if not isinstance(token, int):
                embedded[row, column] = token.to(embedded)
    return embedded


def vectors(mention: Mention, encoder: Embeds, warn: Warn) -> list[Tensor]:
    """The vectors of an embedding; none where there is no such file.

    Those of another width count as tokens here, and are left out when they would be encoded: left-over SD1.x embeddings
    in SDXL prompts are common, and ComfyUI draws those pictures so.
    """
    if mention.file is None:
        return []
    vectors = load_embedding(mention.file, encoder.name, encoder.width)
    if vectors.shape[1] != encoder.width:
        got = f"{vectors.shape[0]} vectors of width {vectors.shape[1]}"
        warn(f"embedding {mention.file.name!r} has {got}, {encoder.name} takes {encoder.width}: ignored")
    return list(vectors)


def _tower(module: nn.Module) -> Any:
    """The tower inside ...WithProjection, or the module itself."""
    return getattr(module, "text_model", module)
