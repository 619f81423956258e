"""Qwen-Image 2.1's transformer as what sampling calls.

A prompt is one row of tokens: words, and in the places of the pictures that it shows their latents. It comes before the
picture that is sampled and does not see it, nor the noise level: it is a prefix, computed once a run and kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families import references
from weft.nodes.diffusion.families.patches import packed, unpacked
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.qwen21.attention import Piece
from weft.nodes.diffusion.families.qwen21.kept import AS_EVER, NOWHERE, PLACES, KeptLayer, PrefixKeeping
from weft.nodes.diffusion.families.transformer import TransformerDenoiser
from weft.nodes.diffusion.values.pixels import to_batch

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.latent_format import LatentFormat
    from weft.nodes.diffusion.families.protocol import LatentRun
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling

# Of a conditioning: the rows of its pictures, [(first, behind the last), ...].
PICTURE_ROWS = "picture_rows"
THETA = 10_000.0
# What is fed beside the words before the first picture: a picture's latent, and the words behind it.
_PICTURE, _WORDS = "picture {}", "words {}"


class KeptPrefix(NamedTuple):
    """The layers of a prompt, and what they were computed from: the very tensors."""

    network: nn.Module
    read: tuple[Tensor, ...]
    layers: Sequence[KeptLayer]


class QwenImage21Denoiser(TransformerDenoiser):
    """See Denoiser: diffusers' QwenImage21Transformer2DModel. Reads reference_latents of a conditioning."""

    patch = 1

    def __init__(
        self,
        network: nn.Module,
        sampling: ModelSampling,
        latent_format: LatentFormat,
        title: str,
        keeping: PrefixKeeping = AS_EVER,
    ) -> None:
        super().__init__(network, sampling, latent_format, title)
        self._form, self._places = keeping.form, deque(PLACES[keeping.place])
        # One for each batch of conditions that a run evaluates together: of these there are few.
        self._kept: deque[KeptPrefix] = deque(maxlen=4)

    @property
    def reads_references(self) -> bool:
        """See Denoiser."""
        return True

    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
        """See Denoiser."""
        context = self.checked(context, self.config.context_in_dim, options)
        if not options.get("reference_latents"):
            return Fed(context, {})
        latents = references.latents_of(options, self.latent_format, self.patch)
        rows: Sequence[tuple[int, int]] = options.get(PICTURE_ROWS, ())
        if len(rows) != len(latents):
            raise DiffusionError(
                f"it has {len(latents)} pictures to edit, and its text shows {len(rows)}: {self.title} has each in its "
                "place in the text (TextEncodeQwenImage21)"
            )
        added: dict[str, Tensor] = {}
        ends = [begin for begin, _ in rows[1:]] + [context.shape[1]]
        for number, ((_, behind), end, latent) in enumerate(zip(rows, ends, latents, strict=True)):
            added[_PICTURE.format(number)] = latent.to(device=run.device, dtype=self.dtype)
            added[_WORDS.format(number)] = context[:, behind:end]
        return Fed(context[:, : rows[0][0]], added)

    def output(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        """See TransformerDenoiser."""
        while True:
            try:
                return self._made(x, timestep, context, added)
            except torch.OutOfMemoryError:
                if len(self._places) == 1:
                    raise
                self._places.popleft()
                self._kept.clear()

    def _made(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        read = context, *added.values()
        place = self._places[0]
        for kept in self._kept:
            if kept.network is self.network and all(map(_is, kept.read, read)):
                return _walk(self.network, x, timestep, context, added, kept.layers, fresh=False)
        layers = [KeptLayer(place, self._form) for _ in range(self.config.num_layers)]
        found = _walk(self.network, x, timestep, context, added, layers, fresh=True)
        if place != NOWHERE:
            self._kept.append(KeptPrefix(self.network, read, layers))
        return found


def _is(one: Tensor, other: Tensor) -> bool:
    return one is other


def _walk(
    network: Any,
    x: Tensor,
    timestep: Tensor,
    context: Tensor,
    added: Mapping[str, Tensor],
    layers: Sequence[KeptLayer],
    *,
    fresh: bool,
) -> Tensor:
    """What the network gives for x [N,C,h,w]. fresh: whether the layers are yet to be filled, each before it is read.

    The prompt goes by itself in either case, so that nothing is rounded otherwise where it is kept.
    """
    rows = network.img_in(packed(x, 1))
    height, width = x.shape[-2:]
    pieces = list(_pieces(context, added))
    angles = _turns(_places([*pieces, x]), network.config.axes_dims_rope, x.device)
    before = len(angles) - height * width
    embedding = network.time_text_embed(timestep.to(rows.dtype), rows)
    modulation = network.modulation(embedding)
    if fresh:
        prefix = torch.cat([_embedded(network, each, len(x)) for each in pieces], dim=1)
        still = network.modulation(network.time_text_embed(torch.zeros_like(timestep).to(rows.dtype), rows))
        told = {"modulation": still, "rotary_emb": angles[:before], "segments": _segments(pieces)}
    for block, layer in zip(network.transformer_blocks, layers, strict=True):
        if fresh:
            prefix = block(prefix, layer_cache=layer, **told)
        rows = block(rows, modulation=modulation, rotary_emb=angles[before:], layer_cache=layer)
    return unpacked(network.proj_out(network.norm_out(rows, embedding)), height, width, 1)


def _pieces(context: Tensor, added: Mapping[str, Tensor]) -> Iterator[Tensor]:
    """A prompt in its order: words [b,T,C] and latents of pictures [b,C,h,w]."""
    yield context
    number = 0
    while _PICTURE.format(number) in added:
        yield added[_PICTURE.format(number)]
        yield added[_WORDS.format(number)]
        number += 1


def _embedded(network: Any, piece: Tensor, batch: int) -> Tensor:
    made: Tensor = network.txt_in(piece) if piece.dim() == 3 else network.img_in(packed(piece, 1))
    return to_batch(made, batch)


def _segments(pieces: Sequence[Tensor]) -> list[Piece]:
    found, begin = [], 0
    for piece in pieces:
        end = begin + (piece.shape[1] if piece.dim() == 3 else piece.shape[-2] * piece.shape[-1])
        if end > begin:
            found.append(Piece(begin, end, piece.dim() == 3))
        begin = end
    return found


def _places(pieces: Sequence[Tensor]) -> Tensor:
    """Where each token is [T,3]: a word at the next number on all axes, a picture's at one number, around its middle.

    Behind a picture words go on as far away as its longer side. All have the middle of the last one, which is sampled:
    where only one of both has an odd side, its tokens lie half a token off.
    """
    found, place = [], 0
    sampled = pieces[-1].shape[-2:]
    for piece in pieces:
        if piece.dim() == 3:
            count = piece.shape[1]
            found.append(torch.arange(place, place + count, dtype=torch.float32)[:, None].expand(-1, 3))
            place += count
        else:
            height, width = piece.shape[-2:]
            sides = (
                torch.arange(side) - (side - side // 2) + (side % 2 - whole % 2) / 2
                for side, whole in zip((height, width), sampled, strict=True)
            )
            found.append(torch.cartesian_prod(torch.tensor([float(place)]), *sides))
            place += max(height, width)
    return torch.cat(found)


def _turns(places: Tensor, axes: Sequence[int], device: torch.device) -> Tensor:
    """By how much pairs of channels of each token turn, [T, sum(axes) / 2] complex."""
    angles = [
        torch.outer(place, 1.0 / THETA ** (torch.arange(0, size, 2, dtype=torch.float32) / size))
        for place, size in zip(places.unbind(1), axes, strict=True)
    ]
    all_angles = torch.cat(angles, dim=1).to(device)
    return torch.polar(torch.ones_like(all_angles), all_angles)
