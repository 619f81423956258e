"""What the diffusion transformers of several families share: how one is called as sampling does."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families import references
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.families.model_patches import NETWORK
from weft.nodes.diffusion.families.patches import wrapped
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.replaced import with_replaced
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.tally import evaluated

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import LatentRun, Steering


class TransformerDenoiser(ABC):
    """See Denoiser: a network over patches of a latent, in the number format of its parameters.

    patch: sides of a patch, in elements. title: what errors call the model. centred: whether the middle of a picture is
    at its place, or its first patch.
    """

    # Tokens have positions: a repeated one is another one.
    context_repeats = 1
    patch = 2
    centred = False
    # Whether ControlNets may steer it, and whether functions may stand in the place of its blocks (see with_replaced).
    steerable = False
    replaceable = False

    def __init__(self, network: nn.Module, sampling: ModelSampling, latent_format: LatentFormat, title: str) -> None:
        parameter = next(network.parameters())
        self.network = network
        self.sampling = sampling
        self.latent_format = latent_format
        self.device = parameter.device
        self.dtype = parameter.dtype
        self.title = title

    @property
    def noises_kept(self) -> bool:
        """See Denoiser."""
        return True

    @property
    def reads_references(self) -> bool:
        """See Denoiser."""
        return False

    @property
    def config(self) -> Any:
        """Of the network, as diffusers keeps it."""
        return self.network.config

    @abstractmethod
    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
        """See Denoiser."""

    @abstractmethod
    def output(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        """What the network gives for x, whose sides are whole patches, in its number format; timestep: [N] float32."""

    def controlled(
        self,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor],
        residuals: Sequence[Tensor | None],
    ) -> Tensor:
        """As `output`, with what ControlNets give for its blocks; of a family that is `steerable`."""
        raise NotImplementedError

    def steered(
        self,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor],
        options: Mapping[str, Any],
    ) -> Tensor:
        """As `output`, with what transformer_options put in the place of blocks, where a family has places for it."""
        if not self.replaceable:
            return self.output(x, timestep, context, added)
        steered = copy.copy(self)
        steered.network = with_replaced(self.network, options)
        return steered.output(x, timestep, context, added)

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
        """See Denoiser."""
        evaluated()
        if control is not None and not self.steerable:
            raise DiffusionError(f"a ControlNet is on the prompt, and none here steers {self.title}")
        height, width = x.shape[-2:]
        scaled = self.sampling.scale_input(x, sigma).to(self.dtype)
        sample = scaled if concat is None else torch.cat([scaled, concat], dim=1)
        timestep = self._timestep(x, sigma)
        patches, read, patched = wrapped(sample, self.patch), added or {}, self._patched(x, options or {})
        residuals: Sequence[Tensor | None] = ()
        if control is not None:
            residuals = control.residuals(wrapped(scaled, self.patch), timestep, context, added, sigma)
        if residuals:
            if (options or {}).get("patches_replace"):
                raise DiffusionError("a ControlNet beside model patches that stand in for blocks is not built")
            if references.ROWS in read:
                raise DiffusionError("a ControlNet beside pictures to edit (ReferenceLatent) is not built")
            output = patched.controlled(patches, timestep, context, read, residuals)
        else:
            output = patched.steered(patches, timestep, context, read, options or {})
        return self.sampling.denoised(x, output[..., :height, :width].float(), sigma)

    def _patched(self, x: Tensor, options: Mapping[str, Any]) -> Self:
        """It with the model patches inside its network that stand in transformer_options."""
        network = self.network
        for patch in options.get("patches", {}).get(NETWORK, ()):
            network = patch(network, x, options)
        if network is self.network:
            return self
        patched = copy.copy(self)
        patched.network = network
        return patched

    def _timestep(self, x: Tensor, sigma: Tensor) -> Tensor:
        timestep = self.sampling.timestep(sigma)
        return timestep.to(x.device) if sigma.dim() else torch.full((x.shape[0],), float(timestep), device=x.device)

    def edited(self, options: Mapping[str, Any], methods: Sequence[str], run: LatentRun) -> dict[str, Tensor]:
        """What `feed` adds for the pictures to edit of a conditioning; nothing without any.

        methods: where the model may have them, its own way first.
        """
        if not options.get("reference_latents"):
            return {}
        method = references.method_of(options, methods, self.title)
        latents = references.latents_of(options, self.latent_format, self.patch)
        sampled = -(-run.shape[-2] // self.patch), -(-run.shape[-1] // self.patch)
        grids = references.laid(latents, method, sampled, self.patch)
        places = torch.cat([references.places(grid, centred=self.centred) for grid in grids])[None]
        rows = references.rows(latents, self.patch).to(device=run.device, dtype=self.dtype)
        fed = {references.ROWS: rows, references.PLACES: places.to(run.device)}
        fed[references.LAYOUT] = references.layout(grids).to(run.device)
        if method == references.STILL:
            fed[references.CLEAN] = torch.ones(1, rows.shape[1], dtype=torch.int32, device=run.device)
        return fed

    def checked(self, context: Tensor, width: int, options: Mapping[str, Any]) -> Tensor:
        """A context on the network's device. Raises DiffusionError for one that this model cannot read."""
        if not isinstance(context, Tensor) or context.dim() != 3 or 0 in context.shape:
            got = list(context.shape) if isinstance(context, Tensor) else type(context).__name__
            raise DiffusionError(f"expected a tensor [batch, tokens, width], got {got}")
        if context.shape[-1] != width:
            raise DiffusionError(
                f"its width is {context.shape[-1]}, {self.title} reads {width}: the prompt was encoded by the text "
                "encoder of another model family"
            )
        return context.to(device=self.device, dtype=self.dtype)


def whole(residuals: Sequence[Tensor | None]) -> list[Tensor] | None:
    """Residuals as diffusers' classes take them, zeros where nothing is added; None where nothing is at all."""
    given = next((each for each in residuals if each is not None), None)
    return None if given is None else [torch.zeros_like(given) if each is None else each for each in residuals]
