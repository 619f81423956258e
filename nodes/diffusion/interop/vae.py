"""VAE by ComfyUI's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.weights.packed import held_bytes

if TYPE_CHECKING:
    from weft.nodes.diffusion.weights.patched import PatchedNetwork


class VaeNames:
    """ComfyUI's names of a VAE; values.vae.Vae has what they stand for."""

    network: PatchedNetwork
    latent_channels: int
    downscale: int
    frames: int

    @property
    def first_stage_model(self) -> nn.Module:
        """The network: one of diffusers, not of ComfyUI's names."""
        return self.network.module()

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        memory = self.network.memory
        return memory.device if memory is not None else torch.device("cpu")

    output_device = torch.device("cpu")
    offload_device = torch.device("cpu")

    @property
    def vae_dtype(self) -> torch.dtype:
        """The number format of its weights."""
        first = next(self.network.base.parameters(), None)
        return torch.float32 if first is None else first.dtype

    @property
    def downscale_ratio(self) -> int:
        """Pixels along one side of an element."""
        return self.downscale

    @property
    def upscale_ratio(self) -> int:
        """Pixels along one side of an element."""
        return self.downscale

    @property
    def latent_dim(self) -> int:
        """Axes of a latent behind its channels."""
        return 3 if self.frames else 2

    output_channels = 3

    def spacial_compression_encode(self) -> int:
        """Pixels along one side of an element."""
        return self.downscale

    def spacial_compression_decode(self) -> int:
        """Pixels along one side of an element."""
        return self.downscale

    def temporal_compression_decode(self) -> int | None:
        """Frames of an element; None for pictures."""
        return self.frames or None

    def vae_encode_crop_pixels(self, pixels: Tensor) -> Tensor:
        """Pictures [B,H,W,C] without what exceeds whole elements, half of it at the upper left, as `encode` does."""
        for axis in (1, 2):
            side = pixels.shape[axis]
            kept = side - side % self.downscale
            pixels = pixels.narrow(axis, (side - kept) // 2, kept)
        return pixels

    def process_input(self, image: Tensor) -> Tensor:
        """Pixels of 0..1 as the network takes them."""
        return image * 2.0 - 1.0

    def process_output(self, image: Tensor) -> Tensor:
        """The inverse, clamped."""
        return ((image + 1.0) / 2.0).clamp(0.0, 1.0)

    def memory_used_encode(self, shape: Sequence[int], dtype: torch.dtype) -> float:
        """Bytes that encoding takes, roughly."""
        return 1767.0 * shape[-1] * shape[-2] * dtype.itemsize

    def memory_used_decode(self, shape: Sequence[int], dtype: torch.dtype) -> float:
        """Bytes that decoding takes, roughly."""
        return 2178.0 * shape[-1] * shape[-2] * 64 * dtype.itemsize

    def get_sd(self) -> dict[str, Tensor]:
        """The weights, by diffusers' names."""
        return dict(self.network.module().state_dict())

    def throw_exception_if_invalid(self) -> None:
        """Nothing: a VAE that cannot be used was not opened."""

    @property
    def patcher(self) -> Any:
        """What can be brought to its device: see ModelNames."""
        return _VaePatcher(self)


class _VaePatcher:
    def __init__(self, vae: VaeNames) -> None:
        self.network = vae.network
        self.load_device = vae.device
        self.offload_device = vae.offload_device

    @property
    def model(self) -> nn.Module:
        return self.network.module()

    def model_size(self) -> int:
        return held_bytes(self.network.base)
