"""Wan's transformer as what sampling calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pixel_unshuffle

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.protocol import Fed
from weft.nodes.diffusion.families.replaced import replaced_blocks
from weft.nodes.diffusion.families.transformer import TransformerDenoiser
from weft.nodes.diffusion.families.wan.camera import CHANNELS as CAMERA_CHANNELS
from weft.nodes.diffusion.families.wan.keymap import CONTROL, IMAGE, MASK, SUBFRAMES, reads
from weft.nodes.diffusion.families.wan.positions import Positions
from weft.nodes.diffusion.families.wan.vace import Vace, channels
from weft.nodes.diffusion.values.masks import noise_mask_for
from weft.nodes.diffusion.values.pixels import resize, to_batch

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import LatentRun

# What else a conditioning tells Wan, by the names there.
CAMERA, REFERENCES, VACE, VISION = "camera_conditions", "reference_latents", "vace", "clip_vision_output"


class _Told(NamedTuple):
    """What a conditioning may carry that not every model reads: what it is, and which model does."""

    what: str
    model: str


_TOLD = {
    IMAGE: _Told("a picture to begin with", "image-to-video"),
    CONTROL: _Told("a control video", "Fun control"),
    CAMERA: _Told("the way of a camera", "Fun camera"),
    VACE: _Told("a control of VACE", "VACE"),
}


class WanDenoiser(TransformerDenoiser):
    """See Denoiser: a network of `wan_network`.

    Reads what the conditionings of WanImageToVideo and its like carry, as far as the model has a place for it. A model
    of 2.2 5B is told how much of each frame may change, in the timestep, and sees what is kept without noise.
    """

    @property
    def noises_kept(self) -> bool:
        """See Denoiser."""
        return not self._timed

    @property
    def reads_references(self) -> bool:
        """See Denoiser."""
        return REFERENCES in self._places

    @property
    def _timed(self) -> bool:
        return bool(self.config.out_channels == 48)

    @cached_property
    def _read(self) -> tuple[str, ...]:
        """What its patches are made of behind the noisy latent."""
        sizes = {name: self.config[name] for name in ("in_channels", "out_channels")}
        return reads(sizes) or ()

    @cached_property
    def _places(self) -> frozenset[str]:
        """What it reads of a conditioning, by the names there."""
        parts = {REFERENCES: "ref_conv", CAMERA: "control_adapter", VACE: "vace_blocks"}
        return frozenset({*self._read, *(name for name, part in parts.items() if hasattr(self.network, part))})

    def feed(self, context: Tensor, options: Mapping[str, Any], side: str, run: LatentRun) -> Fed:
        """See Denoiser. Behind the latent's channels stands what `network.forward` has there."""
        for name, told in _TOLD.items():
            if name not in self._places and options.get(name) is not None:
                raise DiffusionError(
                    f"it carries {told.what}, which {self.title} does not read: take a model of {told.model}"
                )
        context = self.checked(context, self.config.text_dim, options)
        added: dict[str, Tensor] = {}
        if self._timed and run.noise_mask is not None:
            whole = noise_mask_for(run.noise_mask, torch.empty(1).expand(run.shape))
            added["changing"] = whole.mean(dim=(1, 3, 4)).expand(-1, run.shape[2]).to(run.device)
        seen = options.get(VISION)
        if seen is not None and self.config.image_dim is not None:
            added["image"] = self._seen(seen).to(device=run.device, dtype=self.dtype)
        elif seen is not None:
            run.warn(f"a prompt carries a clip_vision_output, which {self.title} does not read: left out")
        controls: Sequence[Vace] = options.get(VACE) or ()
        if controls:
            added["strengths"] = torch.tensor([[each["strength"] for each in controls]], device=run.device)
        parts = [*self._beside(options, run), *self._extra(options, run)]
        parts += [self._sized(channels(each, self.latent_format), run, "its control of VACE") for each in controls]
        concat = torch.cat(parts, dim=1).to(device=run.device, dtype=self.dtype) if parts else None
        return Fed(context, added, concat)

    def _beside(self, options: Mapping[str, Any], run: LatentRun) -> list[Tensor]:
        """What patches are made of behind the noisy latent, [b,c,T,h,w] each: zeros for what is not told."""
        batch, channels, *sizes = run.shape
        image, mask = self._latent(options, IMAGE), options.get(MASK)
        known = None if image is None else _known(mask, image)
        if image is not None and known is not None and MASK not in self._read:
            # Without being told which frames are known, it takes those that are none for zeros.
            image = image * known.amax(dim=1, keepdim=True)
        made = {IMAGE: image, MASK: known, CONTROL: self._latent(options, CONTROL)}
        parts = []
        for name in self._read:
            part = made[name]
            if part is None:
                part = torch.zeros(batch, SUBFRAMES if name == MASK else channels, *sizes)
            parts.append(_fitted(part, run.shape))
        return parts

    def _extra(self, options: Mapping[str, Any], run: LatentRun) -> list[Tensor]:
        """The reference frame, where the network has a place for one, and the camera, where there is one."""
        parts = []
        if self.reads_references:
            given = options.get(REFERENCES) or []
            if len(given) > 1:
                raise DiffusionError(f"it carries {len(given)} pictures to go by; {self.title} reads one")
            shown = self._latent({REFERENCES: given[0]}, REFERENCES) if given else None
            frame = (
                torch.zeros(1, *run.shape[1:])
                if shown is None
                else shown[:, :, :1].expand(-1, -1, run.shape[2], -1, -1)
            )
            parts.append(_fitted(frame, run.shape))
        camera = options.get(CAMERA)
        if camera is not None:
            parts.append(self._rays(camera, run))
        return parts

    def _latent(self, options: Mapping[str, Any], name: str) -> Tensor | None:
        """A latent of a conditioning, as the network takes it."""
        latent, channels = options.get(name), self.latent_format.channels
        if latent is None:
            return None
        if isinstance(latent, Tensor) and latent.dim() == 4:
            latent = latent[:, :, None]
        if not isinstance(latent, Tensor) or latent.dim() != 5 or latent.shape[1] != channels:
            got = list(latent.shape) if isinstance(latent, Tensor) else type(latent).__name__
            raise DiffusionError(f"its {name} is {got}, expected a latent [batch, {channels}, T, h, w]")
        return self.latent_format.to_network(latent.float())

    def _rays(self, camera: Tensor, run: LatentRun) -> Tensor:
        """The rays of a camera, those of an element in its channels."""
        cell = self.latent_format.pixels
        if not isinstance(camera, Tensor) or camera.dim() != 5 or camera.shape[1] != CAMERA_CHANNELS:
            raise DiffusionError("its camera_conditions are none of WanCameraEmbedding's")
        height, width = (side // cell * cell for side in camera.shape[-2:])
        rays = pixel_unshuffle(camera[..., :height, :width].movedim(2, 1), cell).movedim(1, 2)
        return self._sized(rays, run, "its camera")

    def _sized(self, part: Tensor, run: LatentRun, what: str) -> Tensor:
        """What is made for one size of a video alone. Raises DiffusionError for another one."""
        if part.shape[2:] != run.shape[2:]:
            got, expected = (
                f"{sizes[2] * cell}x{sizes[1] * cell} pixels and {(sizes[0] - 1) * SUBFRAMES + 1} frames"
                for cell in [self.latent_format.pixels]
                for sizes in (part.shape[2:], run.shape[2:])
            )
            raise DiffusionError(f"{what} is of {got}, the latent of {expected}")
        return to_batch(part, run.shape[0])

    def _seen(self, output: Any) -> Tensor:
        """The tokens of pictures [b,tokens,width]."""
        tokens: Tensor = output["penultimate_hidden_states"]
        if tokens.shape[-1] != self.config.image_dim:
            raise DiffusionError(
                f"its clip_vision_output is {tokens.shape[-1]} wide, {self.title} reads {self.config.image_dim}: take "
                "the vision model of Wan 2.1 (clip_vision_h.safetensors)"
            )
        return tokens

    def output(self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor]) -> Tensor:
        """See TransformerDenoiser."""
        return self.steered(x, timestep, context, added, {})

    def steered(
        self, x: Tensor, timestep: Tensor, context: Tensor, added: Mapping[str, Tensor], options: Mapping[str, Any]
    ) -> Tensor:
        """See TransformerDenoiser."""
        from weft.nodes.diffusion.families.wan.network import forward

        if "changing" in added:
            timestep = timestep[:, None] * added["changing"]
        return forward(
            self.network,
            x,
            timestep,
            context,
            image=added.get("image"),
            strengths=added.get("strengths"),
            replaced=replaced_blocks(options),
            positions=Positions.of(options),
        )


def _known(mask: Tensor | None, image: Tensor) -> Tensor:
    """Where frames are known, [b,4,T,h,w]: 1 where the mask is 0; nowhere without one."""
    if mask is None:
        return torch.zeros(1, SUBFRAMES, *image.shape[2:])
    known = 1.0 - (mask if mask.dim() == 5 else mask.reshape(-1, 1, 1, *mask.shape[-2:])).float()
    return known.expand(-1, SUBFRAMES, -1, -1, -1) if known.shape[1] == 1 else known


def _fitted(part: Tensor, shape: tuple[int, ...]) -> Tensor:
    """[b,c,T,h,w] at the sizes of the latent: bilinear, filled up with zeros or cut in time."""
    batch, _, frames, height, width = shape
    if part.shape[-2:] != (height, width):
        part = resize(part, width, height, "bilinear", "center")
    part = part[:, :, :frames]
    if part.shape[2] < frames:
        part = torch.nn.functional.pad(part, (0, 0, 0, 0, 0, frames - part.shape[2]))
    return to_batch(part, batch)
