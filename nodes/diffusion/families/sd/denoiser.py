"""A UNet as what sampling calls: denoised = f(x, sigma, context)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.sd import unet
from weft.nodes.diffusion.families.sd.feed import feed
from weft.nodes.diffusion.families.sd.releases import (
    EDIT,
    ESTIMATE,
    INPAINT,
    LATENT_CHANNELS,
    LATENT_PIXELS,
    PLAIN,
    SIZES,
    TASK_WIDTH,
)
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.tally import evaluated
from weft.nodes.diffusion.weights.replay import replayed

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import LatentRun, Steering

# Channels that a UNet reads beside those of the latent: a mask and an image, or an image.
CONCATENATED = {PLAIN: 0, INPAINT: 5, EDIT: 4, ESTIMATE: 4}
UNSCALED = LatentFormat(LATENT_CHANNELS, LATENT_PIXELS)


class UNetDenoiser:
    """See Denoiser: a diffusers UNet2DConditionModel.

    The network runs in the dtype of its parameters; everything outside stays float32.
    inputs: what it reads beside the latent, a key of CONCATENATED. sizes: the numbers in its vector, see SDKind.
    latent_format: how it takes latents. channels: of the latent. context_width: C of its cross attention.
    pooled_width: P of SDXL's pooled text, None where it takes none. picture_width: of unCLIP's vector of a picture.
    told_task: whether its vector is of a task, as Lotus'.
    """

    # In softmax attention repeating all tokens changes nothing.
    context_repeats = 4
    noises_kept = True
    reads_references = False

    def __init__(
        self,
        network: nn.Module,
        sampling: ModelSampling,
        latent_format: LatentFormat = UNSCALED,
        *,
        inputs: str = PLAIN,
        sizes: Sequence[str] = SIZES,
    ) -> None:
        parameter = next(network.parameters())
        self.network = network
        self.sampling = sampling
        self.latent_format = latent_format
        self.inputs = inputs
        self.sizes = tuple(sizes)
        self.device = parameter.device
        self.dtype = parameter.dtype
        config: Any = network.config
        self.channels: int = config.in_channels - CONCATENATED[inputs]
        self.context_width: int = config.cross_attention_dim
        # Its normalisation compares the values of a group, of which a single latent pixel then has but one.
        self._needs_two = getattr(config, "norm_num_groups", 0) in getattr(config, "block_out_channels", ())[:1]
        self.pooled_width: int | None = None
        self.picture_width: int | None = None
        self.told_task = False
        if getattr(config, "class_embed_type", None) == "projection":
            width = config.projection_class_embeddings_input_dim
            self.told_task = width == TASK_WIDTH
            self.picture_width = None if self.told_task else width // 2
        if config.addition_embed_type == "text_time":
            embedded = len(self.sizes) * config.addition_time_embed_dim
            self.pooled_width = config.projection_class_embeddings_input_dim - embedded

    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
        """See Denoiser."""
        return feed(self, context, options, side, run)

    def __call__(
        self,
        x: Tensor,
        sigma: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor] | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        concat: Tensor | None = None,
        control: Steering | None = None,
    ) -> Tensor:
        """Denoise x [N,C,h,w] (float32) at noise level sigma (CPU; 0-dim, or [N]: one for each item).

        context: [N,T,C] in the network's dtype. added: SDXL's {"text_embeds": [N,P], "time_ids": [N,S]}, or
        unCLIP's and Lotus' {"class_labels": [N,V]}, as diffusers calls it.
        options: the transformer_options of this call. concat: [N,c,h,w] beside the latent's channels, not scaled.
        control: what steers the network's inner layers. Returns [N,C,h,w] float32 on x's device.
        """
        evaluated()
        if self._needs_two and x[:, 0].numel() == 1:
            raise DiffusionError("this model cannot take a latent or an area of 1x1 alone: it needs two latent pixels")
        timestep = self._timestep(x, sigma)
        scaled = self.sampling.scale_input(x, sigma).to(self.dtype)
        steered = {} if control is None else self._steering(control.residuals(scaled, timestep, context, added, sigma))
        sample = scaled
        if concat is not None:
            sample = torch.cat([concat, scaled] if self.inputs == ESTIMATE else [scaled, concat], dim=1)
        given = {"encoder_hidden_states": context, "added_cond_kwargs": added, **steered}
        if added and "class_labels" in added:
            given["class_labels"] = added["class_labels"]
        if unet.is_patched(options or {}) or "input_residuals" in steered:
            output = unet.forward(self.network, sample, timestep, options or {}, **given)
        else:
            output = replayed(self.network)(sample, timestep, return_dict=False, **given)[0]
        return self.sampling.denoised(x, output.float(), sigma)

    def _timestep(self, x: Tensor, sigma: Tensor) -> Tensor:
        timestep = self.sampling.timestep(sigma)
        # float() reads a CPU tensor and full() writes a constant: nothing here waits for the device.
        return timestep.to(x.device) if sigma.dim() else torch.full((x.shape[0],), float(timestep), device=x.device)

    def _steering(self, residuals: Sequence[Tensor | None]) -> dict[str, Any]:
        """What ControlNets and T2I adapters give, under the names by which the UNet takes it."""
        if not residuals:
            return {}
        config: Any = self.network.config
        # Skip connections: the first convolution's, and of each level its residual blocks', its downsampler's but once.
        count = len(config.block_out_channels) * (config.layers_per_block + 1)
        skips, middle, inputs = residuals[:count], residuals[count], residuals[count + 1 :]
        steered = {"down_block_additional_residuals": tuple(skips), "mid_block_additional_residual": middle}
        return {**steered, "input_residuals": tuple(inputs)} if inputs else steered
