"""Qwen-Image's transformer as what sampling calls."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families import references
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.patches import packed, unpacked
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.references import ACROSS, BEFORE, CLEAN, INDEX, OFFSET, PLACES, ROWS, STILL
from weft.nodes.diffusion.families.replaced import within
from weft.nodes.diffusion.families.transformer import TransformerDenoiser, whole
from weft.nodes.diffusion.sampling.denoiser import ModelSampling

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import LatentRun


class QwenImageDenoiser(TransformerDenoiser):
    """See Denoiser: diffusers' QwenImageTransformer2DModel. Reads reference_latents of a conditioning, and its rows.

    method: where it has pictures to edit if the conditioning does not say.
    """

    centred = True
    steerable = True
    replaceable = True

    def __init__(
        self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat, title: str, method: str = INDEX
    ) -> None:
        super().__init__(network, sampling, latent_format, title)
        self.methods = sorted((INDEX, OFFSET, ACROSS, STILL), key=lambda each: each != method)
        self.layered = method == BEFORE
        if self.layered:
            self.methods = [BEFORE]

    @property
    def reads_references(self) -> bool:
        """See Denoiser."""
        return True

    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
        """See Denoiser."""
        if run.shape[2] != 1 and not self.layered:
            raise DiffusionError(f"the latent has {run.shape[2]} frames, and {self.title} draws pictures: expected 1")
        context = self.checked(context, self.config.joint_attention_dim, options)
        return Fed(context, self.edited(options, self.methods, run))

    def output(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        """See TransformerDenoiser."""
        return self.controlled(x, timestep, context, added, ())

    def controlled(
        self,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor],
        residuals: Sequence[Tensor | None],
    ) -> Tensor:
        """See TransformerDenoiser."""
        height, width = x.shape[-2:]
        sides = height // self.patch, width // self.patch
        grids = [references.PatchGrid(*sides, layer) for layer in range(x.shape[2])]
        rows = torch.cat([packed(layer) for layer in x.unbind(2)], dim=1)
        places = torch.cat([references.places(grid, centred=True) for grid in grids]).to(x.device)
        count = rows.shape[1]
        if ROWS in added:
            rows, places = torch.cat([rows, added[ROWS]], dim=1), torch.cat([places, added[PLACES][0]])
        if CLEAN in added:
            output = _walk(self.network, rows, timestep, context, places, added[CLEAN], count)
        else:
            # Its class hands the shapes to nothing but the angles, which are told places here (rope.py).
            output = self.network(
                rows,
                encoder_hidden_states=context,
                timestep=timestep,
                img_shapes=places,
                controlnet_block_samples=whole(residuals),
                return_dict=False,
                **self._beside(rows),
            )[0]
        layers = output[:, :count].chunk(len(grids), dim=1)
        return torch.stack([unpacked(layer, height, width) for layer in layers], dim=2)

    def _beside(self, rows: Tensor) -> dict[str, Tensor]:
        # As diffusers' pipeline: none of the pictures is without its alpha channel.
        none = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
        return {"additional_t_cond": none} if self.layered else {}


def _walk(
    network: Any, rows: Tensor, timestep: Tensor, context: Tensor, places: Tensor, clean: Tensor, count: int
) -> Tensor:
    """As the network, which is told that all rows behind the first `count` have no noise. clean: ones for these."""
    state, text = network.img_in(rows), network.txt_in(network.txt_norm(context))
    times = timestep.to(state.dtype)
    embedding = network.time_text_embed(torch.cat([times, times * 0]), state)
    angles = network.pos_embed(places, max_txt_seq_len=text.shape[1])
    level = torch.cat([clean.new_zeros(len(rows), count), clean.expand(len(rows), -1)], dim=1)
    for each in network.transformer_blocks:
        block: Any = within(each, _told)
        text, state = block(
            hidden_states=state,
            encoder_hidden_states=text,
            encoder_hidden_states_mask=None,
            temb=embedding,
            image_rotary_emb=angles,
            modulate_index=level,
        )
    made: Tensor = network.proj_out(network.norm_out(state, embedding[: len(rows)]))
    return made


def _told(block: nn.Module) -> nn.Module:
    """A block, with the same weights, that is told which rows have no noise: it is made for one way or the other."""
    told: Any = copy.copy(block)
    told.zero_cond_t = True
    return told  # type: ignore[no-any-return]
