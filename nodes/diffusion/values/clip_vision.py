"""The CLIP_VISION socket: a tower that reads pictures (Radford et al. 2021; Zhai et al. 2023, "SigLIP")."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.interop.vision import VisionNames
from weft.nodes.diffusion.values.pixels import check_images
from weft.nodes.diffusion.weights.patched import PatchedNetwork

CLIP_MEAN, CLIP_DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SIGLIP_MEAN = SIGLIP_DEVIATION = (0.5, 0.5, 0.5)
DEEPER = (-11, -20)
"""The layers of SigLIP that USO reads beside the one before the last."""
BATCH = 16  # pictures read at once: bounds the memory of a long video


@dataclass(frozen=True, eq=False)
class VisionOutput:
    """The CLIP_VISION_OUTPUT socket: what a tower made of pictures, float32 on the CPU; items by their names, too.

    last_hidden_state: [B,T,C] of the last layer. penultimate_hidden_states: [B,T,C] of the layer before it.
    image_embeds: [B,P], the picture as one vector beside those of texts; of SigLIP [B,T,C], the last hidden state.
    deeper: of SigLIP, [B,T,C] of layers further in, by their places from the end: the last is -1.
    """

    last_hidden_state: Tensor
    image_embeds: Tensor
    penultimate_hidden_states: Tensor
    deeper: Mapping[int, Tensor] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


@dataclass(frozen=True, eq=False)
class ClipVision(VisionNames):
    """A vision tower as loaded. side: of the pictures that it reads, in pixels. mean, deviation: how they are scaled.

    normalised: whether the last hidden state goes through the last norm, as in SigLIP; in CLIP only what is projected
    does.
    """

    network: PatchedNetwork
    side: int
    mean: tuple[float, float, float] = CLIP_MEAN
    deviation: tuple[float, float, float] = CLIP_DEVIATION
    normalised: bool = False

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts."""
        return self.network.memory_parts

    def encode_image(self, image: Tensor, crop: bool = True) -> VisionOutput:
        """What the tower makes of pictures [B,H,W,C] of 0..1.

        crop: the middle square is read, else the whole picture is brought to a square.

        Raises:
            DiffusionError: no pictures, or NaN or infinity.
        """
        pixels = prepared(image, self.side, self.mean, self.deviation, crop)
        module = self.network.module()
        places = DEEPER if self.normalised else ()
        parts = [self._read(module, batch, places) for batch in torch.split(pixels, BATCH)]
        last, vector, before, *deeper = (torch.cat(each) for each in zip(*parts, strict=True))
        made = VisionOutput(last, vector, before, dict(zip(places, deeper, strict=False)))
        if not (made.last_hidden_state.isfinite().all() and made.image_embeds.isfinite().all()):
            raise DiffusionError("the vision model gave NaN or infinity; its file is probably damaged")
        return made

    def read(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See VisionNames."""
        last, vector, before = self._read(self.network.module(), pixels)
        return last, vector, before

    @torch.inference_mode()
    def _read(self, module: Any, pixels: Tensor, places: Sequence[int] = ()) -> list[Tensor]:
        """What `read` gives, and behind it the states at these places, as far as there are so many layers."""
        tower, weight = getattr(module, "vision_model", module), next(module.parameters())
        state = tower.embeddings(pixels.to(weight))
        if hasattr(tower, "pre_layrnorm"):
            state = tower.pre_layrnorm(state)
        states = [state]
        for layer in tower.encoder.layers:
            states.append(layer(states[-1], None))
        *_, before, state = states
        deeper = [states[place] for place in places if -place <= len(states)]
        if self.normalised:
            state = vector = tower.post_layernorm(state)
        else:
            vector = module.visual_projection(tower.post_layernorm(state[:, 0]))
        return [each.float().cpu().clone() for each in (state, vector, before, *deeper)]


def prepared(
    image: Tensor,
    side: int,
    mean: tuple[float, float, float] = CLIP_MEAN,
    deviation: tuple[float, float, float] = CLIP_DEVIATION,
    crop: bool = True,
) -> Tensor:
    """Pictures [B,H,W,C] of 0..1 as a tower reads them: [B,3,side,side], bicubic, rounded to 8 bits, scaled."""
    check_images(image)
    pixels = image[..., :3].movedim(-1, 1).float()
    height, width = pixels.shape[-2:]
    if (height, width) != (side, side):
        scale = side / min(height, width)
        size = (round(scale * height), round(scale * width)) if crop else (side, side)
        pixels = interpolate(pixels, size=size, mode="bicubic", antialias=True)
        top, left = ((length - side) // 2 for length in pixels.shape[-2:])
        pixels = pixels[..., top : top + side, left : left + side]
    pixels = (pixels * 255.0).clamp(0.0, 255.0).round() / 255.0
    centre, spread = (torch.tensor(values)[:, None, None] for values in (mean, deviation))
    return (pixels - centre) / spread
