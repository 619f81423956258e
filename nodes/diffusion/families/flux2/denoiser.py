"""FLUX.2's transformer as what sampling calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from weft.nodes.diffusion.families import references
from weft.nodes.diffusion.families.patches import packed, unpacked
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.references import INDEX, PLACES, ROWS
from weft.nodes.diffusion.families.transformer import TransformerDenoiser

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.latent_format import LatentFormat
    from weft.nodes.diffusion.families.protocol import LatentRun
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling

# What a prompt without FluxGuidance asks for, as diffusers' Flux2Pipeline does.
GUIDANCE = 4.0
# How far pictures to edit are from each other, and from the one that is sampled.
APART = 10.0


class Flux2Denoiser(TransformerDenoiser):
    """See Denoiser: diffusers' Flux2Transformer2DModel. Reads guidance and reference_latents of a conditioning."""

    patch = 1

    @property
    def reads_references(self) -> bool:
        """See Denoiser."""
        return True

    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
        """See Denoiser."""
        context = self.checked(context, self.config.joint_attention_dim, options)
        added = self.edited(options, (INDEX,), run)
        if PLACES in added:
            added[PLACES] = added[PLACES] * torch.tensor([APART, 1.0, 1.0], device=run.device)
        # None is FluxDisableGuidance's: the network then adds nothing for it.
        guidance = options.get("guidance", GUIDANCE)
        if self.config.guidance_embeds and guidance is not None:
            added["guidance"] = torch.full((1,), float(guidance), device=run.device)
        return Fed(context, added)

    def output(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        """See TransformerDenoiser."""
        height, width = x.shape[-2:]
        rows, places = _laid(x)
        count = rows.shape[1]
        if ROWS in added:
            rows, places = torch.cat([rows, added[ROWS]], dim=1), torch.cat([places, added[PLACES][0]])
        output = self._called(rows, places, timestep, context, added)[0]
        return unpacked(output[:, :count], height, width, 1)

    def _called(
        self,
        rows: Tensor,
        places: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor],
        **kept: Any,
    ) -> tuple[Any, ...]:
        # The fourth number of a place is that of a word.
        words = torch.zeros(context.shape[1], 4, device=rows.device)
        words[:, 3] = torch.arange(context.shape[1], device=rows.device)
        called = cast("Callable[..., tuple[Any, ...]]", self.network)
        return called(
            rows,
            encoder_hidden_states=context,
            timestep=timestep,
            img_ids=torch.nn.functional.pad(places, (0, 1)),
            txt_ids=words,
            guidance=added.get("guidance"),
            return_dict=False,
            **kept,
        )


class KeptReferences(NamedTuple):
    """What every attention reads of the pictures to edit, and what it was computed from: the very tensors."""

    network: nn.Module
    read: tuple[Tensor | None, ...]
    keys_and_values: Any


class Flux2KVDenoiser(Flux2Denoiser):
    """See Denoiser: a Flux2Denoiser in which pictures to edit see nothing but themselves, and no noise.

    Black Forest Labs' klein KV is trained so; diffusers' Flux2KleinKVPipeline. What the sampled picture and the words
    read of them is then the same in every step: it is computed once a run, before the first one, of the pictures alone.
    So no step differs from the others, and a run from any step on is the rest of the whole one, bit for bit.
    """

    def __init__(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat, title: str) -> None:
        super().__init__(network, sampling, latent_format, title)
        # One for each batch of conditions that a run evaluates together: of these there are few.
        self._kept: deque[KeptReferences] = deque(maxlen=4)

    def output(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        """See TransformerDenoiser."""
        if ROWS not in added:
            return super().output(x, timestep, context, added)
        kept = {"kv_cache_mode": "cached", "kv_cache": self._keys_and_values(added)}
        output = self._called(*_laid(x), timestep, context, added, **kept)[0]
        height, width = x.shape[-2:]
        return unpacked(output, height, width, 1)

    def _keys_and_values(self, added: Mapping[str, Tensor]) -> Any:
        read = added[ROWS], added[PLACES], added.get("guidance")
        for kept in self._kept:
            if kept.network is self.network and all(one is other for one, other in zip(kept.read, read, strict=True)):
                return kept.keys_and_values
        rows, count = added[ROWS], added[ROWS].shape[1]
        # An empty word and an empty patch: the network expects some, and the pictures do not see them.
        padded, places = pad(rows, (0, 0, 0, 1)), pad(added[PLACES][0], (0, 0, 0, 1))
        word = rows.new_zeros(len(rows), 1, self.config.joint_attention_dim)
        still = torch.zeros(len(rows), device=rows.device)
        extract = {"kv_cache_mode": "extract", "num_ref_tokens": count}
        _, found = self._called(padded, places, still, word, added, **extract)
        self._kept.append(KeptReferences(self.network, read, found))
        return found


def _laid(x: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of a latent, and their places."""
    return packed(x, 1), references.places(references.PatchGrid(*x.shape[-2:])).to(x.device)
