"""Stable Diffusion 3's transformer as what sampling calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.replaced import Args, Replacement, replaced_blocks
from weft.nodes.diffusion.families.transformer import TransformerDenoiser, whole

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import LatentRun

Options = Mapping[str, Any]


class SD3Denoiser(TransformerDenoiser):
    """See Denoiser: diffusers' SD3Transformer2DModel. Reads pooled_output of a conditioning."""

    def feed(self, context: Tensor, options: Options, side: str, run: LatentRun) -> Fed:
        """See Denoiser."""
        context = self.checked(context, self.config.joint_attention_dim, options)
        pooled, width = options.get("pooled_output"), self.config.pooled_projection_dim
        if pooled is None or pooled.shape[-1] != width:
            got = "there is none" if pooled is None else f"its width is {pooled.shape[-1]}"
            raise DiffusionError(
                f"{self.title} needs a pooled_output of width {width}, {got}: encode the prompt with its text encoders "
                "(TripleCLIPLoader; CLIPLoader or DualCLIPLoader, type sd3)"
            )
        return Fed(context, {"pooled": pooled.reshape(-1, width).to(device=run.device, dtype=self.dtype)})

    steerable = True

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
        self._check_size(x)
        made: Tensor = self.network(
            x,
            encoder_hidden_states=context,
            pooled_projections=added["pooled"],
            timestep=timestep,
            block_controlnet_hidden_states=whole(residuals),
            return_dict=False,
        )[0]
        return made

    def steered(
        self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor], options: Options
    ) -> Tensor:
        """See TransformerDenoiser."""
        replaced = replaced_blocks(options)
        if not replaced:
            return self.output(x, timestep, context, added)
        self._check_size(x)
        return _walk(self.network, x, timestep, context, added["pooled"], replaced)

    def _check_size(self, x: Tensor) -> None:
        sides, most = [side // self.patch for side in x.shape[-2:]], self.config.pos_embed_max_size
        if max(sides) > most:
            pixels = self.latent_format.pixels * self.patch
            got = "x".join(str(side * pixels) for side in reversed(sides))
            raise DiffusionError(
                f"{self.title} knows {most * pixels} pixels along a side, the latent is for a picture of {got}"
            )


def _walk(
    network: Any,
    x: Tensor,
    timestep: Tensor,
    context: Tensor,
    pooled: Tensor,
    replaced: Mapping[int, Replacement],
) -> Tensor:
    """What the network gives, with a function in the place of some blocks.

    A function gets {"img": [N,patches,C], "txt": [N,T,C], "vec": [N,C]}, and gives "img" and "txt".
    """
    embedding = network.time_text_embed(timestep, pooled)
    state: Args = {"img": network.pos_embed(x), "txt": network.context_embedder(context), "vec": embedding}
    for number, block in enumerate(network.transformer_blocks):

        def original(args: Args, block: Any = block) -> Args:
            text, picture = block(hidden_states=args["img"], encoder_hidden_states=args["txt"], temb=args["vec"])
            return {"img": picture, "txt": text}

        function = replaced.get(number)
        made = original(state) if function is None else function(state, {"original_block": original})
        state = {**state, "img": made["img"], "txt": made["txt"]}
    patches = network.proj_out(network.norm_out(state["img"], embedding))
    size, (height, width) = network.config.patch_size, x.shape[-2:]
    grid = patches.reshape(len(x), height // size, width // size, size, size, -1)
    return torch.einsum("nhwpqc->nchpwq", grid).reshape(len(x), -1, height, width)
