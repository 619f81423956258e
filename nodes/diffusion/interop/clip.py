"""CLIP by ComfyUI's names: tokens as packs change them, text encoders as packs call them.

Tokens are {"l": [[(id or vector, weight), ... 77], ...], "g": ...}: chunks by the name of the encoder without `clip_`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.interop.weights import KeyPatch, not_carried, patched
from weft.nodes.diffusion.weights.packed import held_bytes

if TYPE_CHECKING:
    from weft.nodes.diffusion.weights.patched import PatchedNetwork

Tokens = Mapping[str, Sequence[Any]]


class ClipNames:
    """ComfyUI's names of a CLIP; text.clip.Clip has what they stand for."""

    encoders: tuple[Any, ...]
    layer: int | None

    def chunks(self, text: str) -> list[list[Any]]:
        """A prompt as each encoder reads it."""
        raise NotImplementedError

    def encode_tokens(self, prompts: list[list[Any]]) -> list[list[Any]]:
        """The conditioning of chunks for each encoder."""
        raise NotImplementedError

    def replaced(self, name: str, network: PatchedNetwork) -> None:
        """Put another network into an encoder of this very CLIP: clone it first."""
        raise NotImplementedError

    # -- text

    def tokenize(self, text: str, return_word_ids: bool = False, **_: Any) -> dict[str, list[list[Any]]]:
        """A prompt as tokens. return_word_ids: each has a third part, the word's number; 0 for marks and filling."""
        names = [key_of(encoder.name) for encoder in self.encoders]
        tokens = dict(zip(names, self.chunks(text), strict=True))
        return {name: _numbered(chunks) for name, chunks in tokens.items()} if return_word_ids else tokens

    def encode_from_tokens(self, tokens: Tokens, return_pooled: bool = False, return_dict: bool = False) -> Any:
        """The conditioning of tokens: [1,T,C]; with return_pooled also [1,P]; with return_dict both by name."""
        (cond, options), *_ = self.encode_tokens(self._prompts(tokens))
        if return_dict:
            return {"cond": cond, **options}
        return (cond, options.get("pooled_output")) if return_pooled else cond

    def encode_from_tokens_scheduled(
        self,
        tokens: Tokens,
        unprojected: bool = False,
        add_dict: Mapping[str, Any] | None = None,
        show_pbar: bool = True,
    ) -> list[list[Any]]:
        """The CONDITIONING of tokens; add_dict: what else its entries say; scheduled hooks make several."""
        if unprojected:
            raise DiffusionError("encode_from_tokens_scheduled(unprojected=True) is not supported")
        return [[cond, {**options, **(add_dict or {})}] for cond, options in self.encode_tokens(self._prompts(tokens))]

    def _prompts(self, tokens: Tokens) -> list[list[Any]]:
        missing = [encoder.name for encoder in self.encoders if key_of(encoder.name) not in tokens]
        if missing:
            raise DiffusionError(f"tokens for {sorted(tokens)}, and none for the text encoder {missing[0]!r}")
        return [_plain(tokens[key_of(encoder.name)]) for encoder in self.encoders]

    # -- the encoders

    def clip_layer(self, layer_idx: int) -> None:
        """Stop at a layer counted from the end, -1 the last. It changes this very CLIP: clone it first."""
        self.layer = layer_idx

    @property
    def layer_idx(self) -> int | None:
        """What clip_layer set."""
        return self.layer

    @property
    def cond_stage_model(self) -> CondStage:
        """The text encoders."""
        return CondStage(self)

    @property
    def patcher(self) -> ClipPatcher:
        """The patches on them."""
        return ClipPatcher(self)

    @property
    def tokenizer(self) -> CondStage:
        """What reads prompts: `tokenize_with_weights`."""
        return CondStage(self)

    use_clip_schedule = False

    def add_patches(
        self, patches: Mapping[Any, Any], strength_patch: float = 1.0, strength_model: float = 1.0
    ) -> list[Any]:
        """Put patches on this very CLIP: clone it first. Keys as model_lora_keys_clip gives them."""
        applied: list[Any] = []
        for encoder in self.encoders:
            keys = clip_keys(encoder.name, encoder.network.parameter_names)
            own = {key: patch for key, patch in patches.items() if key in keys}
            network, done = patched(encoder.network, own, keys, strength_patch, strength_model)
            self.replaced(encoder.name, network)
            applied += done
        return applied

    def get_key_patches(self, filter_prefix: str | None = None) -> dict[str, KeyPatch]:
        """The parameters with their patches, by key."""
        return {
            key: KeyPatch(encoder.network, name)
            for encoder in self.encoders
            for key, name in clip_keys(encoder.name, encoder.network.parameter_names).items()
            if key.startswith(filter_prefix or "")
        }

    def get_sd(self) -> dict[str, Tensor]:
        """The weights with their patches, by key."""
        cpu = torch.device("cpu")
        return {key: patch.network.weight(patch.name, cpu) for key, patch in self.get_key_patches().items()}

    def load_model(self, *_: Any, **__: Any) -> ClipPatcher:
        """Bring the text encoders to their device now."""
        for encoder in self.encoders:
            encoder.network.module()
        return self.patcher


class ClipPatcher:
    """`clip.patcher`: what packs ask of a MODEL, of the text encoders."""

    def __init__(self, clip: ClipNames) -> None:
        self.clip = clip
        self.model_options: dict[str, Any] = {}

    @property
    def model(self) -> CondStage:
        """The text encoders."""
        return self.clip.cond_stage_model

    @property
    def load_device(self) -> torch.device:
        """Where they compute."""
        network: PatchedNetwork = self.clip.encoders[0].network
        return network.memory.device if network.memory is not None else torch.device("cpu")

    offload_device = torch.device("cpu")

    def add_patches(self, patches: Mapping[Any, Any], *strengths: float) -> list[Any]:
        """See ClipNames."""
        return self.clip.add_patches(patches, *strengths)

    def get_key_patches(self, filter_prefix: str | None = None) -> dict[str, KeyPatch]:
        """See ClipNames."""
        return self.clip.get_key_patches(filter_prefix)

    def model_state_dict(self, filter_prefix: str | None = None) -> dict[str, Tensor]:
        """The weights without patches, by key."""
        patches = self.get_key_patches(filter_prefix)
        return {key: patch.network.base.get_parameter(patch.name) for key, patch in patches.items()}

    def model_size(self) -> int:
        """Bytes of the weights."""
        return sum(held_bytes(encoder.network.base) for encoder in self.clip.encoders)

    @property
    def network(self) -> PatchedNetwork:
        """The first encoder's, for who brings models to their device."""
        found: PatchedNetwork = self.clip.encoders[0].network
        return found


class CondStage:
    """`clip.cond_stage_model`: the text encoders, together or one of them (`.clip_l`)."""

    _clip: ClipNames
    names: tuple[str, ...]

    def __init__(self, clip: ClipNames, names: Sequence[str] = ()) -> None:
        vars(self).update(_clip=clip, names=tuple(names or (encoder.name for encoder in clip.encoders)))

    def __setattr__(self, name: str, value: Any) -> None:
        # A view, made anew each time: a change of it would be lost.
        raise not_carried(f"another {name!r} of clip.cond_stage_model")

    def __getattr__(self, name: str) -> CondStage:
        if name in self.names:
            return CondStage(self._clip, [name])
        raise AttributeError(f"these text encoders have no {name!r}; there are {', '.join(self.names)}")

    @property
    def clip_model(self) -> ClipNames:
        """The CLIP that they are of."""
        return self._clip

    def clip_layer(self, layer_idx: int) -> None:
        """See ClipNames."""
        self._clip.clip_layer(layer_idx)

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **_: Any) -> Any:
        """A prompt as tokens: those of one encoder alone where this is one."""
        tokens = self._clip.tokenize(text, return_word_ids)
        return tokens[key_of(self.names[0])] if len(self.names) == 1 < len(self._clip.encoders) else tokens

    def encode_token_weights(self, tokens: Any) -> tuple[Tensor, Tensor | None]:
        """(cond [1,T,C], pooled [1,P]) of tokens: by name, or of one encoder its chunks."""
        if len(self.names) == 1 and not isinstance(tokens, Mapping):
            return one_encoder(self._clip, self.names[0], _plain(tokens))
        cond, pooled = self._clip.encode_from_tokens(tokens, return_pooled=True)
        return cond, pooled


def one_encoder(clip: ClipNames, name: str, chunks: list[Any]) -> tuple[Tensor, Tensor | None]:
    """What one of the encoders gives for chunks."""
    alone = clip.clone()  # type: ignore[attr-defined]
    alone.encoders = tuple(encoder for encoder in clip.encoders if encoder.name == name)
    (cond, options), *_ = alone.encode_tokens([chunks])
    return cond, options.get("pooled_output")


def key_of(encoder: str) -> str:
    """The name that an encoder's tokens go by: `l` of `clip_l`."""
    return encoder.removeprefix("clip_")


def clip_keys(encoder: str, names: Iterable[str]) -> dict[str, str]:
    """key -> parameter of a text encoder."""
    return {f"{encoder}.transformer.{name}": name for name in names}


def _plain(chunks: Sequence[Any]) -> list[Any]:
    return [[tuple(token[:2]) for token in chunk] for chunk in chunks]


def _numbered(chunks: Sequence[Any]) -> list[Any]:
    """Tokens with the numbers of words, counted from 1 through the prompt; marks and filling have 0.

    Here each token between the marks is a word of its own: where words begin, the tokenizer does not say.
    """
    numbered, count = [], 0
    for chunk in chunks:
        row = []
        ends = [place for place, token in enumerate(chunk) if place and token[0] == chunk[0][0] + 1]
        last = ends[0] if ends else len(chunk)
        for place, token in enumerate(chunk):
            inside = 0 < place < last
            count += inside
            row.append((*token, count if inside else 0))
        numbered.append(row)
    return numbered
